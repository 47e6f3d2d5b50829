"""What a file keeps of a PSF besides its voxels: a note as JSON, and arrays by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.wording import sizes_text

__all__ = [
    "ERROR",
    "FORMAT",
    "StoredPSF",
    "made_with",
    "named_arrays",
    "note_on",
    "record_of",
    "spacing_now",
]

# What a note calls the file, and which version of it this program writes.
FORMAT = "napari-psf-distiller psf"
VERSION = 1

# Voxel sizes that differ by no more than this part are the same: a TIFF has them as fractions.
SAME_SIZE = 1e-3

# The errors and the mask of what is measured have these names, and those of the functions begin so.
ERROR, MEASURED, FUNCTIONS = "error", "measured", "functions."


class StoredPSF(NamedTuple):
    """A PSF as a file has it, with all that is known of it.

    Attributes
    ----------
    psf : numpy.ndarray
        float32, (Z, Y, X) or (Y, X).
    spacing : tuple of float
        Voxel size in micrometres.
    recipe : Recipe or None
        What it was made with, where the file says so.
    error : numpy.ndarray or None
        float32, of its shape: the standard error of each voxel.
    functions : mapping of str to numpy.ndarray, or None
        What is known of the functions that it is a sum of.
    measured : numpy.ndarray or None
        bool, of its shape: which voxels are not continued as theory says; None where none is.
    """

    psf: NDArray[np.float32]
    spacing: tuple[float, ...]
    recipe: Recipe | None = None
    error: NDArray[np.float32] | None = None
    functions: Mapping[str, NDArray[Any]] | None = None
    measured: NDArray[np.bool_] | None = None


def note_on(stored: StoredPSF) -> str:
    """Return what a PSF's file says of it besides its arrays, as JSON; see `made_with`."""
    note: dict[str, Any] = {"format": FORMAT, "version": VERSION, "spacing": list(stored.spacing)}
    if stored.recipe is not None:
        note["recipe"] = json.loads(stored.recipe.to_json())
    return json.dumps(note, allow_nan=False)


def made_with(note: dict[str, Any], path: str | Path) -> tuple[tuple[float, ...], Recipe | None]:
    """Return the spacing and the recipe that a PSF's file notes; see `note_on`."""
    version = note.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(
            f"The PSF in {path} has the format version {version}; this program reads up to "
            f"{VERSION}. Update napari-psf-distiller to read it."
        )
    stated = note.get("spacing")
    spacing = check_spacing(stated, len(stated) if isinstance(stated, list) else 0)
    recipe = None
    if note.get("recipe") is not None:
        recipe = Recipe.from_json(json.dumps(note["recipe"]), f"The recipe in {path}")
    return spacing, recipe


def spacing_now(
    noted: tuple[float, ...], stated: Sequence[float | None], path: str | Path
) -> tuple[tuple[float, ...], str]:
    """Return the voxel size of a PSF's file, and a sentence if another program changed it.

    Parameters
    ----------
    noted : tuple of float
        That this program noted there, in micrometres.
    stated : sequence of (float or None)
        That the file's own metadata say of the same axes; None where they say none that can be.
    path : str or Path
    """
    now = tuple(
        old if new is None or abs(new - old) <= SAME_SIZE * old else float(new)
        for old, new in zip(noted, stated, strict=True)
    )
    if now == noted:
        return noted, ""
    return now, (
        f"{path} says that its voxels are {sizes_text(now)} micrometres large, and was saved with "
        f"{sizes_text(noted)}: another program changed that. It is taken as the file says it now, "
        "without the functions that the PSF was fitted by: other voxels are interpolated."
    )


def named_arrays(stored: StoredPSF) -> dict[str, NDArray[Any]]:
    """Return what a file keeps of a PSF besides its voxels as arrays by name; see `record_of`."""
    arrays = {FUNCTIONS + name: value for name, value in (stored.functions or {}).items()}
    if stored.error is not None:
        arrays[ERROR] = stored.error
    if stored.measured is not None:
        arrays[MEASURED] = stored.measured
    return arrays


def record_of(
    psf: NDArray[np.float32],
    spacing: tuple[float, ...],
    recipe: Recipe | None,
    arrays: Mapping[str, NDArray[Any]],
) -> StoredPSF:
    """Return a PSF as it was stored, with what `named_arrays` gave."""
    functions = {
        name.removeprefix(FUNCTIONS): value
        for name, value in arrays.items()
        if name.startswith(FUNCTIONS)
    }
    error, measured = arrays.get(ERROR), arrays.get(MEASURED)
    return StoredPSF(psf, spacing, recipe, error, functions or None, measured)
