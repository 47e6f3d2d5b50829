"""A PSF as cubic splines, with which single molecules are fitted: DECODE, fit3Dcspline, SMAP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.shaping import (
    check_centred,
    check_square_pixels,
    check_volume,
    cropped,
    square_size,
)
from napari_psf_distiller.wording import sizes_text

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["CUBIC_SPLINE"]

PROGRAMS = "what fits single molecules"

# A cubic spline takes so many voxels.
LEAST_SIZE = 4

# A variable of such a file cannot be larger.
MOST_BYTES = 2**31

# The brightness of a molecule is that of the planes about the focus: it has 1 in their mean.
PLANES_OF_BRIGHTNESS = 3


def write_cubic_spline(psf: PSF, path: Path) -> None:
    """Write the coefficients, the place of the focus, and the distance of the planes."""
    from scipy.io import savemat

    check_volume(psf, PROGRAMS)
    check_centred(psf, PROGRAMS)
    check_square_pixels(psf, PROGRAMS)
    planes, size = psf.shape[0], square_size(psf.array, odd=True)
    if min(planes, size) < LEAST_SIZE:
        raise InputError(
            f"The PSF has {sizes_text(psf.shape)} voxels, and a cubic spline takes {LEAST_SIZE} "
            "along each axis. Give a larger shape."
        )
    if 64 * 4 * planes * size**2 >= MOST_BYTES:
        raise InputError(
            f"The 64 coefficients of each of {sizes_text((planes, size, size))} voxels are more "
            "than such a file can hold, 2 GiB. Give a smaller shape."
        )
    array = cropped(psf.array, (planes, size, size)).astype(np.float64)
    begin = planes // 2 - PLANES_OF_BRIGHTNESS // 2
    brightness = float(array[begin : begin + PLANES_OF_BRIGHTNESS].sum()) / PLANES_OF_BRIGHTNESS
    if not brightness > 0:
        raise InputError("The PSF has no light in focus, so it cannot be scaled to 1 there.")
    # MATLAB's cell, which has a spline a channel.
    cell = np.empty((1, 1), object)
    cell[0, 0] = coefficients(array / brightness)
    spline = {
        "coeff": cell,
        "dz": 1000 * psf.spacing[0],  # in nanometres
        "z0": float(planes // 2),  # counted from 0, as the fitted z is
        "x0": float(size // 2 + 1),  # counted from 1
    }
    savemat(str(path), {"SXY": {"cspline": spline, "EMon": 0.0}})


def coefficients(array: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the coefficients of the cubic spline through an array's voxels.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X).

    Returns
    -------
    numpy.ndarray
        float32, (Y - 1, X - 1, Z - 1, 64). Of the box from a voxel to the next along each axis,
        number 16 i + 4 j + k is that of z to the power i, x to j and y to k, each from 0 to 1: rows
        are MATLAB's first axis, and of that the powers change first.
    """
    found = array
    for axis in (0, 2, 4):
        # Each time the powers, from 3 to 0, and the boxes of an axis come to the front.
        spline = CubicSpline(np.arange(found.shape[axis]), found, axis=axis)
        found = spline.c[::-1]
    along_x, x, along_y, y, along_z, z = range(6)
    found = found.transpose(y, x, z, along_z, along_x, along_y)
    return found.reshape((*found.shape[:3], 64)).astype(np.float32)


CUBIC_SPLINE = Exporter(
    name="cubic spline",
    suffixes=(".mat",),
    description="for DECODE, fit3Dcspline and SMAP, where its name ends in _3dcal.mat: the "
    "coefficients of a cubic spline, 64 a voxel, and the place of the focus",
    write=write_cubic_spline,
)
