"""A PSF as TIFF, in the two kinds that programs for microscopy read with its voxel size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.full_record import full_record
from napari_psf_distiller.io import write_psf

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["IMAGEJ_TIFF", "OME_TIFF"]


def write_tiff(psf: PSF, path: Path) -> None:
    """Write a PSF with all that is known of it, as the kind of TIFF that its name says."""
    write_psf(path, full_record(psf))


IMAGEJ_TIFF = Exporter(
    name="ImageJ TIFF",
    suffixes=(".tif", ".tiff"),
    description="float32, with voxel size, recipe, errors and functions; ImageJ shows the recipe "
    "under Image > Show Info",
    write=write_tiff,
)

OME_TIFF = Exporter(
    name="OME-TIFF",
    suffixes=(".ome.tif", ".ome.tiff"),
    description="float32, with voxel size, recipe, errors and functions; the recipe is the image's "
    "description",
    write=write_tiff,
)
