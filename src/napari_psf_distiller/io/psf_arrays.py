"""PSFs as NumPy's archives of arrays, with all that is known of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.psf_record import (
    FORMAT,
    StoredPSF,
    made_with,
    named_arrays,
    note_on,
    record_of,
)

__all__ = ["read_psf_arrays", "write_psf_arrays"]

# The arrays' names, besides those that a TIFF has too.
PSF_ARRAY, SPACING, NOTE = "psf", "spacing", "note"


def write_psf_arrays(path: Path, stored: StoredPSF) -> None:
    """Write a PSF as one ``.npz``.

    ``np.load`` gives the arrays ``psf`` and ``spacing``, where they are known ``error`` and the
    functions, and ``note``, a text of JSON with the recipe.
    """
    arrays: dict[str, Any] = {
        **named_arrays(stored),
        PSF_ARRAY: stored.psf,
        SPACING: np.array(stored.spacing),
        NOTE: np.array(note_on(stored)),
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_psf_arrays(path: str | Path) -> StoredPSF:
    """Read a PSF that `write_psf_arrays` wrote.

    Raises
    ------
    InputError
        The file cannot be read, is cut short, or holds something else.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}.")
    try:
        # Opened here, as NumPy leaves one open that is damaged.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        note = json.loads(str(arrays.pop(NOTE, "null")))
    except Exception as error:  # a broken file breaks a reader anywhere
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"{path} cannot be read as a NumPy archive: {reason}.") from None
    if not isinstance(note, dict) or note.get("format") != FORMAT or PSF_ARRAY not in arrays:
        raise InputError(f"{path} holds no PSF that this program saved. Choose another file.")
    spacing, recipe = made_with(note, path)
    # One of a single plane stays one: no axis is left out.
    psf = check_image(arrays[PSF_ARRAY], f"The PSF in {path}").reshape(arrays[PSF_ARRAY].shape)
    return record_of(psf, spacing, recipe, arrays)
