"""Images and PSFs in files."""

from napari_psf_distiller.io.psf_files import (
    StoredImage,
    StoredPSF,
    is_psf_file,
    psf_made_with,
    read_image,
    read_stored_psf,
    write_image,
    write_psf,
)

__all__ = [
    "StoredImage",
    "StoredPSF",
    "is_psf_file",
    "psf_made_with",
    "read_image",
    "read_stored_psf",
    "write_image",
    "write_psf",
]
