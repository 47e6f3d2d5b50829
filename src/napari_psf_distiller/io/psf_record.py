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

__all__ = ["ERROR", "FORMAT", "StoredPSF", "made_with", "named_arrays", "note_on", "record_of"]

# What a note calls the file, and which version of it this program writes.
FORMAT = "napari-psf-distiller psf"
VERSION = 1

# The errors and the mask of what is measured have these names, and those of the functions begin so.
ERROR, MEASURED, FUNCTIONS = "error", "measured", "functions."


class StoredPSF(NamedTuple):
    """A PSF from a file.

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
    functions : dict of str to numpy.ndarray, or None
        What is known of the functions that it is a sum of.
    measured : numpy.ndarray or None
        bool, of its shape: which voxels are not continued as theory says; None where none is.
    """

    psf: NDArray[np.float32]
    spacing: tuple[float, ...]
    recipe: Recipe | None
    error: NDArray[np.float32] | None
    functions: dict[str, NDArray[Any]] | None
    measured: NDArray[np.bool_] | None = None


def note_on(spacing: Sequence[float], recipe: Recipe | None) -> str:
    """Return what a PSF's file says of it besides its arrays, as JSON; see `made_with`."""
    note: dict[str, Any] = {"format": FORMAT, "version": VERSION, "spacing": list(spacing)}
    if recipe is not None:
        note["recipe"] = json.loads(recipe.to_json())
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


def named_arrays(
    error: NDArray[np.float32] | None,
    functions: Mapping[str, NDArray[Any]] | None,
    measured: NDArray[np.bool_] | None,
) -> dict[str, NDArray[Any]]:
    """Return what a file keeps of a PSF besides its voxels as arrays by name; see `record_of`."""
    arrays = {FUNCTIONS + name: value for name, value in (functions or {}).items()}
    if error is not None:
        arrays[ERROR] = error
    if measured is not None:
        arrays[MEASURED] = measured
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
