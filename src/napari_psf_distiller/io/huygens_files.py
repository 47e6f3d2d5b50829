"""PSFs in the HDF5 files of Huygens, read by h5py, which is an extra.

A file has a group for each image. In it, ImageData holds the voxels, with the axes channel, time,
z, y, x, and what lies along each axis: DimensionScaleX is the voxel size along x in metres.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.psf_record import StoredPSF, record_of
from napari_psf_distiller.io.tiff_images import refuse_too_large
from napari_psf_distiller.io.voxel_sizes import stated_spacing

__all__ = ["IMAGE", "IMAGE_GROUP", "METRE", "SCALE", "h5py_module", "read_huygens_psf"]

# How the parts are called; the scale of an axis has the axis' letter at its end.
IMAGE_GROUP, IMAGE, SCALE = "ImageData", "Image", "DimensionScale"

# Micrometres.
METRE = 1e6


def h5py_module(path: str | Path) -> ModuleType:
    """Return h5py, or say how it is had.

    Parameters
    ----------
    path : str or Path
        What it is needed for.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{path} is HDF5, for which h5py is needed, and that is not installed: pip install "
            '"napari-psf-distiller[huygens]".'
        ) from None
    module: ModuleType = h5py
    return module


def read_huygens_psf(path: str | Path) -> StoredPSF:
    """Read a PSF from a Huygens file of one channel and one time.

    Raises
    ------
    InputError
        h5py is not installed; the file cannot be read, is damaged, is no Huygens file, holds
        several images, or says nothing of its voxel size.
    """
    h5py = h5py_module(path)
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}.")
    try:
        with h5py.File(path, "r") as file:
            groups = [
                file[name][IMAGE_GROUP]
                for name in file
                if isinstance(file[name], h5py.Group) and f"{name}/{IMAGE_GROUP}/{IMAGE}" in file
            ]
            if len(groups) != 1:
                raise InputError(
                    f"{path} holds {len(groups)} images as Huygens stores them; a PSF's file has "
                    "one. Save the PSF from Huygens again, or as TIFF."
                )
            image = groups[0][IMAGE]
            # Before it is read: an image of many times may be given by mistake.
            _check_shape(image.shape, path)
            refuse_too_large(path, image.shape, image.dtype)
            voxels: Any = image[()]
            sizes = {axis: _size(groups[0], axis) for axis in "ZYX"}
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken file breaks a reader anywhere
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"{path} cannot be read as HDF5: {said}.") from None
    stack = voxels.reshape(voxels.shape[-3:])
    psf = check_image(stack[0] if len(stack) == 1 else stack, f"The PSF in {path}")
    notes: list[str] = []
    known = {axis: size for axis, size in sizes.items() if size is not None}
    spacing = stated_spacing(known, "ZYX"[-psf.ndim :], path, notes)
    if spacing is None:
        why = " ".join(notes) or f"{path} does not say how large its voxels are."
        raise InputError(f"{why} Give it the voxel size in Huygens, and save it again.")
    return record_of(psf, spacing, None, {})


def _check_shape(shape: tuple[int, ...], path: str | Path) -> None:
    if not 2 <= len(shape) <= 5 or any(n != 1 for n in shape[:-3]):
        raise InputError(
            f"{path} has the shape {shape} (channel, time, z, y, x); a PSF has one channel "
            "and one time. Save that as a file of its own."
        )


def _size(group: Any, axis: str) -> float | None:
    """Return the voxel size along an axis in micrometres; None where there is none, or it is 0."""
    name = f"{SCALE}{axis}"
    if name not in group:
        return None
    size = METRE * float(np.ravel(group[name][()])[0])
    return size or None
