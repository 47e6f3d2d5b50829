"""A PSF as OME-Zarr, with all that is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.full_record import full_record
from napari_psf_distiller.export.options import FormatOption
from napari_psf_distiller.io import AXES_STORED, write_zarr_psf

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["OME_ZARR"]

STANDARD = FormatOption(
    "standard",
    ("0.5", "0.4"),
    "the version of OME-Zarr: 0.5, which is zarr 3, or 0.4, which is zarr 2, for programs that "
    "know no later one",
)

AXES = FormatOption(
    "axes",
    AXES_STORED,
    "z, y and x alone, or one time and one channel before them, as programs want it that take "
    "five axes only",
)


def write_ome_zarr(
    psf: PSF, path: Path, *, standard: str = STANDARD.default, axes: str = AXES.default
) -> None:
    """Write a PSF with all that is known of it into a folder."""
    write_zarr_psf(path, full_record(psf), version=standard, axes=axes)


OME_ZARR = Exporter(
    name="OME-Zarr",
    suffixes=(".zarr",),
    description="for biahub, waveorder and others that read OME-Zarr: float32, with "
    "voxel size, recipe, errors as a second image, and functions",
    write=write_ome_zarr,
    options=(STANDARD, AXES),
    is_folder=True,
)
