"""PSFs in files of any kind, by their names: ours, and those of other programs."""

from __future__ import annotations

from pathlib import Path

from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.dv_files import read_dv_psf
from napari_psf_distiller.io.huygens_files import read_huygens_psf
from napari_psf_distiller.io.psf_arrays import read_psf_arrays
from napari_psf_distiller.io.psf_files import is_tiff_psf, read_tiff_psf, tiff_psf_made_with
from napari_psf_distiller.io.psf_record import StoredPSF
from napari_psf_distiller.io.psf_zarr import is_zarr_psf, read_zarr_psf, zarr_psf_made_with
from napari_psf_distiller.recipe import Recipe

__all__ = ["has_voxel_size", "is_psf_file", "psf_made_with", "read_stored_psf"]

# How the names end of what other programs take a PSF as, and what that is: no PSF is had of it.
NOT_READ_BACK = {
    (".otf", ".otf.tif"): "an OTF averaged around the optical axis, of which no PSF can be had",
    (".mat",): "a PSF as a cubic spline, which is not read back",
}

ARCHIVE, DELTAVISION, HDF5 = (".npz",), (".dv", ".mrc"), (".h5", ".hdf5")


def read_stored_psf(path: str | Path) -> StoredPSF:
    """Read a PSF from a file: one of ours, or any that has a voxel size.

    Parameters
    ----------
    path : str or Path
        Of an OME-Zarr, of a NumPy archive of ours, of a DeltaVision file or one of Huygens, as the
        name's ending says; else of a TIFF.

    Raises
    ------
    InputError
        The file cannot be read, is cut short, holds no PSF, says nothing of its voxel size, or is
        of a kind that no PSF can be read from.
    """
    name = str(path).lower()
    if is_zarr(path):
        return read_zarr_psf(path)
    for endings, what in NOT_READ_BACK.items():
        if name.endswith(endings):
            raise InputError(
                f"{path} is {what}. Give the file that it was made from, such as psf.tif."
            )
    if name.endswith(ARCHIVE):
        return read_psf_arrays(path)
    if name.endswith(DELTAVISION):
        return read_dv_psf(path)
    return read_huygens_psf(path) if name.endswith(HDF5) else read_tiff_psf(path)


def is_psf_file(path: str | Path) -> bool:
    """Return whether a file is a TIFF or an OME-Zarr with a PSF of ours; never raises."""
    return is_zarr_psf(path) if is_zarr(path) else is_tiff_psf(path)


def has_voxel_size(path: str | Path) -> bool:
    """Return whether a file is of a kind whose PSFs must say their voxel size to be read.

    Of others, a TIFF, an OME-Zarr or a microscope's file, the image alone may be read.
    """
    return is_psf_file(path) or str(path).lower().endswith(
        (
            *ARCHIVE,
            *DELTAVISION,
            *HDF5,
            *(ending for endings in NOT_READ_BACK for ending in endings),
        )
    )


def psf_made_with(path: str | Path) -> tuple[tuple[float, ...], Recipe | None] | None:
    """Return the voxel size of a PSF of ours in micrometres and its recipe, without the PSF.

    Returns
    -------
    tuple or None
        None of any other file.

    Raises
    ------
    InputError
        What the file says is not right, or of a later version.
    """
    return zarr_psf_made_with(path) if is_zarr(path) else tiff_psf_made_with(path)
