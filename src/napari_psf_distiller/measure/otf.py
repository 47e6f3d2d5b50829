"""The optical transfer function of a PSF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.errors import InputError

__all__ = ["OTFSection", "otf_lines", "otf_section"]

Floats = NDArray[np.float64]

# A small PSF's spectrum is sampled at so many frequencies at least: zeros around the PSF add no
# information, but a curve between its few frequencies.
LEAST_FREQUENCIES = 128


class OTFSection(NamedTuple):
    """A plane of the OTF through the frequency 0.

    Attributes
    ----------
    magnitude : numpy.ndarray
        (kz, kx), of a 2D PSF (ky, kx); 1 at the frequency 0.
    down, across : numpy.ndarray
        The frequencies of its rows and columns in cycles per micrometre, rising.
    """

    magnitude: Floats
    down: Floats
    across: Floats


def otf_section(psf: ArrayLike, spacing: Sequence[float]) -> OTFSection:
    """Return the plane ky = 0 of a PSF's OTF, of a 2D PSF its whole OTF.

    Parameters
    ----------
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size in micrometres.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used, or its sum is not positive.
    """
    array, sizes = _with_sum_1(psf, spacing)
    # The plane through the frequency 0 is the transform of the sum along the other axis.
    flat = array.sum(axis=1) if array.ndim == 3 else array
    shape = [_length(n) for n in flat.shape]
    spectrum = np.abs(scipy_fft.fftshift(scipy_fft.fft2(flat, shape)))
    down, across = (
        scipy_fft.fftshift(scipy_fft.fftfreq(n, size))
        for n, size in zip(shape, (sizes[0], sizes[-1]), strict=True)
    )
    return OTFSection(spectrum, down, across)


def otf_lines(psf: ArrayLike, spacing: Sequence[float]) -> tuple[tuple[Floats, Floats], ...]:
    """Return the OTF's magnitude along each of its axes.

    Parameters
    ----------
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size in micrometres.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray)
        One an axis: frequencies from 0 to the sampling's limit in cycles per micrometre, and the
        magnitude there, 1 at the frequency 0.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used, or its sum is not positive.
    """
    array, sizes = _with_sum_1(psf, spacing)
    lines = []
    for axis, (n, size) in enumerate(zip(array.shape, sizes, strict=True)):
        line = array.sum(axis=tuple(a for a in range(array.ndim) if a != axis))
        length = _length(n)
        magnitude = np.abs(scipy_fft.rfft(line, length))
        lines.append((scipy_fft.rfftfreq(length, size), magnitude))
    return tuple(lines)


def _with_sum_1(psf: ArrayLike, spacing: Sequence[float]) -> tuple[Floats, tuple[float, ...]]:
    array = check_image(psf, "The PSF", constant=True).astype(np.float64)
    sizes = check_spacing(spacing, array.ndim)
    total = array.sum()
    if not total > 0:
        raise InputError("The PSF's sum is not positive, so it has no OTF with 1 at frequency 0.")
    return array / total, sizes


def _length(n: int) -> int:
    return int(scipy_fft.next_fast_len(max(n, LEAST_FREQUENCIES)))
