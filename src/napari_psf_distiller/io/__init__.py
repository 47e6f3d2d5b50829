"""Images and PSFs in files."""

from napari_psf_distiller.io.file_parts import STACK_AXES, StackAxis, parts_along
from napari_psf_distiller.io.microscope_files import read_microscope
from napari_psf_distiller.io.psf_arrays import write_psf_arrays
from napari_psf_distiller.io.psf_files import StoredImage, read_image, write_image, write_psf
from napari_psf_distiller.io.psf_record import StoredPSF
from napari_psf_distiller.io.psf_zarr import AXES_STORED, check_one_image, write_zarr_psf
from napari_psf_distiller.io.stored_microscope import StoredMicroscope, optics_text
from napari_psf_distiller.io.stored_psfs import (
    has_voxel_size,
    is_psf_file,
    psf_made_with,
    read_stored_psf,
)
from napari_psf_distiller.io.vendor_files import VENDOR_ENDINGS

__all__ = [
    "AXES_STORED",
    "STACK_AXES",
    "VENDOR_ENDINGS",
    "StackAxis",
    "StoredImage",
    "StoredMicroscope",
    "StoredPSF",
    "check_one_image",
    "has_voxel_size",
    "is_psf_file",
    "optics_text",
    "parts_along",
    "psf_made_with",
    "read_image",
    "read_microscope",
    "read_stored_psf",
    "write_image",
    "write_psf",
    "write_psf_arrays",
    "write_zarr_psf",
]
