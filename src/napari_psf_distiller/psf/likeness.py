"""Whether an array that nobody knows anything of may be a PSF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["doubt_about"]

# A larger array is hardly a PSF, and takes its time to look at.
MOST_VOXELS = 2**24

# How far the sum may be from 1, and the peak from the middle, in parts of an axis and in voxels.
SUM_TOLERANCE, OFF_CENTRE, OFF_CENTRE_VOXELS = 0.1, 1 / 8, 1

# As deep as this part of the peak, values below 0 are those of rounding and interpolation.
BELOW_ZERO = 0.01


def doubt_about(array: NDArray[Any]) -> str:
    """Return why an array is hardly a PSF; nothing of one that may be.

    A PSF has its peak near the middle, no negative values, and the sum 1.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X) or (Y, X).

    Returns
    -------
    str
        A part of a sentence, such as ``"its values sum to 2.3e+06, not to 1"``.

    Examples
    --------
    >>> psf = np.zeros((5, 5))
    >>> psf[2, 2] = 1
    >>> doubt_about(psf)
    ''
    >>> doubt_about(3 * psf)
    'its values sum to 3, not to 1'
    """
    if array.size == 0 or array.dtype.kind not in "fiub":
        return "it holds no numbers of a PSF"
    if array.size > MOST_VOXELS:
        return f"it has {array.size / 1e6:.0f} million voxels"
    # One voxel of a whole number can be 1, and then all others are 0.
    total, highest = float(array.sum(dtype=np.float64)), float(array.max())
    if not (np.isfinite(total) and np.isfinite(highest)):
        return "it has values that are no numbers"
    if abs(total - 1) > SUM_TOLERANCE:
        return f"its values sum to {total:.3g}, not to 1"
    if float(array.min()) < -BELOW_ZERO * highest:
        return "it has negative values"
    peak = np.unravel_index(int(array.argmax()), array.shape)
    off = [abs(int(at) - n // 2) for at, n in zip(peak, array.shape, strict=True)]
    reach = [max(OFF_CENTRE_VOXELS, OFF_CENTRE * n) for n in array.shape]
    if any(distance > most for distance, most in zip(off, reach, strict=True)):
        return "its brightest voxel is not in the middle"
    return ""
