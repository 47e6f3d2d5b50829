"""Whether a PSF's spectrum ends before the sampling does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_SPECTRUM_AT_LIMIT", "sampling_edge"]

Floats = NDArray[np.float64]

# The spectrum's end, relative to its beginning, where voxels are too large, along z and in the
# plane.
MAX_SPECTRUM_AT_LIMIT = (0.2, 0.055)

# The range of the highest frequencies of a fitted PSF, and the end of the lowest, in cycles a
# voxel.
HIGH_FREQUENCIES, LOW_FREQUENCY = (0.4, 0.45), 0.06

# Less than this many times the errors' own power is nothing.
MIN_POWER_RATIO = 2.0

# Voxels along an axis that a spectrum needs.
MIN_VOXELS = 9


def sampling_edge(psf: Floats, errors: Floats) -> tuple[float, ...]:
    """Return how strong a PSF's spectrum is at the highest frequencies that voxels can show.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X).
    errors : numpy.ndarray
        (Z, Y, X): the standard errors of its voxels.

    Returns
    -------
    tuple of float
        Along each axis the root of the mean power there over that at the lowest
        frequencies; 0 where its errors make about as much, and along an axis of few voxels.

    Notes
    -----
    The power is added up over the other axes' frequencies: on the axis itself a widefield
    microscope's transfer function is zero along z. Where it has not ended at half a cycle a voxel,
    what lies beyond is folded back (C. E. Shannon, "Communication in the presence of noise", Proc.
    IRE 37, 1949).
    """
    power = np.abs(np.fft.fftn(psf)) ** 2
    # Of errors that are independent of each other.
    noise = float((errors**2).sum())
    found = []
    for axis, n in enumerate(psf.shape):
        if n < MIN_VOXELS:
            found.append(0.0)
            continue
        frequency = np.abs(np.fft.fftfreq(n))
        along = power.mean(axis=tuple(a for a in range(psf.ndim) if a != axis))
        # Of few voxels none may lie between.
        middle = (HIGH_FREQUENCIES[0] + HIGH_FREQUENCIES[1]) / 2
        high = np.abs(frequency - middle) <= max(HIGH_FREQUENCIES[1] - middle, 0.5 / n)
        low = frequency <= max(LOW_FREQUENCY, 1 / n)
        if along[high].mean() < MIN_POWER_RATIO * noise:
            found.append(0.0)
            continue
        found.append(float(np.sqrt(along[high].mean() / along[low].mean())))
    return tuple(found)
