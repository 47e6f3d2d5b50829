"""A PSF and its OTF in the files of DeltaVision microscopes, for softWoRx and Priism."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.options import SCALE
from napari_psf_distiller.export.radial_otf import radial_otf
from napari_psf_distiller.export.shaping import scaled

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["DV", "PRIISM_OTF"]

# The 1024 bytes before the voxels, a variant of MRC's, in little-endian order.
HEADER = struct.Struct("<10i6f3i3f2i2hi24s4h6f6h2f2h3f6h3fi800s")

# What tells the variant from plain MRC.
MARK = -16224

# How numbers are stored.
FLOAT32, COMPLEX64 = 2, 4

RIGHT_ANGLE = 90.0

TITLE = b"Made by napari-psf-distiller"


def write_dv(psf: PSF, path: Path, *, scale: str = SCALE.default) -> None:
    """Write the voxels with their size in micrometres."""
    values = scaled(psf.array, scale).astype("<f4")
    spacing = (1.0, *psf.spacing)[-3:]
    # Nothing tells the distance of a single plane from others.
    _write(path, values.reshape((-1, *values.shape[-2:])), FLOAT32, spacing, _wavelength(psf))


def write_priism_otf(psf: PSF, path: Path) -> None:
    """Write the OTF averaged around the optical axis, its steps in cycles per micrometre."""
    otf = radial_otf(psf, "Priism")
    values = otf.values.astype("<c8")[None]
    _write(path, values, COMPLEX64, (1.0, otf.kr_step, otf.kz_step), _wavelength(psf))


def _wavelength(psf: PSF) -> int:
    """Return the emission wavelength in nanometres, 0 if it is not known."""
    wavelength = None if psf.recipe is None else psf.recipe.optics.wavelength
    return 0 if wavelength is None else round(1000 * wavelength)


def _write(
    path: Path,
    values: NDArray[Any],
    number_type: int,
    spacing: tuple[float, ...],
    wavelength: int,
) -> None:
    """Write sections of values behind a header.

    Parameters
    ----------
    path : Path
    values : numpy.ndarray
        (sections, rows, columns).
    number_type : int
    spacing : tuple of float
        From one value to the next, of sections, rows and columns.
    wavelength : int
        In nanometres.
    """
    sections, rows, columns = values.shape
    size = np.abs(values) if number_type == COMPLEX64 else values
    header = HEADER.pack(
        *(columns, rows, sections, number_type),
        *(0, 0, 0),  # where it begins in a larger image
        *(1, 1, 1),  # so that the next three are the distances themselves
        *(spacing[2], spacing[1], spacing[0]),
        *(RIGHT_ANGLE,) * 3,
        *(1, 2, 3),  # columns are the first axis, then rows, then sections
        *(float(size.min()), float(size.max()), float(size.mean())),
        *(0, 0),  # no symmetry, nothing between this header and the values
        *(MARK, 0),
        0,
        bytes(24),
        *(0, 0, 1, 1),  # no numbers for each section, one resolution
        *(0.0,) * 6,
        *(0,) * 6,
        *(0.0, 0.0),
        *(1, 0),  # one time; sections are planes
        *(0.0,) * 3,
        *(1, wavelength, 0, 0, 0, 0),  # one wavelength
        *(0.0,) * 3,
        1,  # one title
        TITLE.ljust(80) + bytes(720),
    )
    with path.open("wb") as file:
        file.write(header)
        file.write(np.ascontiguousarray(values).data)


DV = Exporter(
    name="DV",
    suffixes=(".dv",),
    description="for softWoRx, Priism and others that read DeltaVision's MRC files: float32, with "
    "voxel size and wavelength",
    write=write_dv,
    other_suffixes=(".mrc",),
    options=(SCALE,),
)

PRIISM_OTF = Exporter(
    name="Priism OTF",
    suffixes=(".otf",),
    description="for softWoRx, Priism and cudasirecon: the OTF averaged around the optical axis, "
    "complex, with its steps",
    write=write_priism_otf,
    other_suffixes=(".dv", ".mrc"),
)
