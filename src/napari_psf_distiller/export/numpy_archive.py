"""A PSF as NumPy's arrays, for programs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.full_record import full_record
from napari_psf_distiller.io import write_psf_arrays

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["NUMPY"]


def write_numpy(psf: PSF, path: Path) -> None:
    """Write a PSF with all that is known of it as NumPy's arrays, and its recipe as JSON."""
    write_psf_arrays(path, full_record(psf))


NUMPY = Exporter(
    name="NumPy",
    suffixes=(".npz",),
    description="for Python: the arrays psf, spacing and error, the recipe as JSON in note, and "
    "the functions",
    write=write_numpy,
)
