"""PSFs as OME-Zarr: an image that every program reads, with all that is known of it beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.datasets.ome_zarr import (
    ImageLayout,
    create_image,
    image_names,
    open_image,
)
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.chosen_part import THE_ONLY_ONE
from napari_psf_distiller.io.psf_files import tell
from napari_psf_distiller.io.psf_record import (
    ERROR,
    FORMAT,
    StoredPSF,
    made_with,
    named_arrays,
    note_on,
    record_of,
    spacing_now,
)
from napari_psf_distiller.io.tiff_images import refuse_too_large
from napari_psf_distiller.io.zarr_images import image_in_zarr
from napari_psf_distiller.recipe import Recipe

__all__ = [
    "AXES_STORED",
    "check_one_image",
    "is_zarr_psf",
    "read_zarr_psf",
    "write_zarr_psf",
    "zarr_psf_made_with",
]

# The axes that are stored; those of space alone come first.
AXES_STORED = ("zyx", "tczyx")

# The group's attribute with the note, and the group in it with what else is known of the PSF.
NOTE, RECORD = "napari-psf-distiller", "psf-distiller"

# Of the array with the voxels.
VOXELS = "0"


def write_zarr_psf(
    path: Path,
    stored: StoredPSF,
    *,
    version: str = "0.5",
    axes: str = AXES_STORED[0],
) -> None:
    """Write a PSF as an OME-Zarr.

    The errors are an image too, in the group ``error``, on the same voxels.

    Parameters
    ----------
    path : Path
        Of an empty folder.
    stored : StoredPSF
    version : {"0.5", "0.4"}
        Of OME-Zarr.
    axes : {"zyx", "tczyx"}
        Whether it has one time and one channel, too.
    """
    import zarr

    images = {"": stored.psf} | ({} if stored.error is None else {ERROR: stored.error})
    for name, values in images.items():
        known = axes[: -len(AXES_STORED[0])] + axes[-values.ndim :]
        shape = (1,) * (len(known) - values.ndim) + values.shape
        layout = ImageLayout(
            tuple(known),
            shape,
            "float32",
            stored.spacing,
            ("PSF",) if "c" in known else (),
            version,
        )
        create_image(
            path / name, layout, name or "PSF", pyramid=False, brightest=float(values.max())
        )
        zarr.open_array(path / name / VOXELS, mode="r+")[...] = values.reshape(shape)
    group = zarr.open_group(path, mode="r+")
    record = group.create_group(RECORD)
    for name, values in named_arrays(stored._replace(error=None)).items():
        if values.ndim:
            record.create_array(name, data=values)
        else:
            record.attrs[name] = values.item()
    group.attrs[NOTE] = json.loads(note_on(stored))


def read_zarr_psf(path: str | Path) -> StoredPSF:
    """Read a PSF from an OME-Zarr: one of ours, or any of one image that has a voxel size.

    Raises
    ------
    InputError
        It cannot be read, is damaged, holds several images, channels or times, or says nothing of
        its voxel size.
    """
    note = _note(path)
    if note is None:
        return _read_foreign(path)
    spacing, recipe, changed = _made_with(note, path)
    volume = open_image(path).volume()
    refuse_too_large(path, volume.shape, volume.dtype)
    voxels = np.asarray(volume)
    psf = check_image(voxels, f"The PSF in {path}").reshape(voxels.shape)
    try:
        arrays = _record(path)
    except Exception as error:  # a broken file breaks a reader anywhere
        raise InputError(f"{path} is damaged: {error}. Copy or export it again.") from error
    found = record_of(psf, spacing, recipe, arrays)
    if not changed:
        return found
    tell([changed])
    return found._replace(functions=None)


def is_zarr_psf(path: str | Path) -> bool:
    """Return whether a path is that of an OME-Zarr that `write_zarr_psf` filled; never raises."""
    return _note(path) is not None


def zarr_psf_made_with(path: str | Path) -> tuple[tuple[float, ...], Recipe | None] | None:
    """Return the voxel size and the recipe of an OME-Zarr of ours; see `psf_made_with`."""
    note = _note(path)
    return None if note is None else _made_with(note, path)[:2]


def _made_with(
    note: dict[str, Any], path: str | Path
) -> tuple[tuple[float, ...], Recipe | None, str]:
    """Return the voxel size and the recipe, and a sentence if the size is no longer that noted."""
    noted, recipe = made_with(note, path)
    stated = open_image(path).layout.spacing
    if stated is None or len(stated) != len(noted):
        return noted, recipe, ""
    spacing, changed = spacing_now(noted, stated, path)
    return spacing, recipe, changed


def _note(path: str | Path) -> dict[str, Any] | None:
    import zarr

    try:
        note = zarr.open_group(str(path), mode="r").attrs.asdict().get(NOTE)
    except Exception:  # any folder may be asked about
        return None
    return note if isinstance(note, dict) and note.get("format") == FORMAT else None


def _record(path: str | Path) -> dict[str, NDArray[Any]]:
    """Return what is kept of a PSF besides its voxels."""
    import zarr

    group = zarr.open_group(str(path), mode="r")
    record: Any = group[RECORD]
    arrays: dict[str, NDArray[Any]] = {
        name: np.array(value) for name, value in record.attrs.asdict().items()
    }
    arrays |= {name: np.asarray(array[...]) for name, array in record.arrays()}
    if ERROR in group:
        arrays[ERROR] = np.asarray(open_image(path, ERROR).volume())
    return arrays


def check_one_image(path: str | Path) -> None:
    """Refuse an OME-Zarr of more than one image, channel or time, of which none is chosen.

    Raises
    ------
    InputError
        There are several, or it cannot be read.
    """
    names = image_names(path)
    if len(names) > 1:
        raise InputError(
            f"{path} holds {len(names)} images; a PSF is one. Give that one's path, such as "
            f"{path}/{names[0]}."
        )
    layout = open_image(path, names[0]).layout
    if layout.size("c") * layout.size("t") != 1:
        raise InputError(
            f"{path} has {layout.size('c')} channels and {layout.size('t')} times; a PSF has one "
            "of each. Save that one as an OME-Zarr or TIFF of its own."
        )


def _read_foreign(path: str | Path) -> StoredPSF:
    check_one_image(path)
    image, spacing, notes = image_in_zarr(path, THE_ONLY_ONE)
    psf = check_image(image, f"The PSF in {path}")
    if spacing is None:
        raise InputError(
            f"{' '.join(notes) or f'{path} does not say how large its voxels are.'} Save it with "
            "its voxel size in the scale of its coordinate transformations."
        )
    tell(notes)
    return record_of(psf, spacing, None, {})
