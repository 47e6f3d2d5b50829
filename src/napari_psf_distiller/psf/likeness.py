"""Whether an array that nobody knows anything of may be a PSF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["doubt_about", "doubt_about_large"]

# A larger array is hardly a PSF, and takes its time to look at.
MOST_VOXELS = 2**24

# How far the sum may be from 1, and the peak from the middle, in parts of an axis and in voxels.
SUM_TOLERANCE, OFF_CENTRE, OFF_CENTRE_VOXELS = 0.1, 1 / 8, 1

# What is brighter along its border than this part of its peak does not end there, as a PSF does.
BRIGHT_BORDER = 0.5

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
    return "" if _has_peak_in_middle(array) else "its brightest voxel is not in the middle"


def doubt_about_large(array: NDArray[Any], image_shape: tuple[int, ...]) -> str:
    """Return why an array as large as the image that it meets is hardly its PSF; else nothing.

    It may be the image itself, by mistake. A smaller array, and one of any sum, may be a PSF.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X) or (Y, X), finite.
    image_shape : tuple of int
        With as many axes.

    Returns
    -------
    str
        A part of a sentence, see `doubt_about`.

    Examples
    --------
    >>> image = np.ones((5, 5))
    >>> doubt_about_large(image, (5, 5)), doubt_about_large(image, (6, 5))
    ('its border is 1 x as bright as its peak', '')
    """
    if any(n < m for n, m in zip(array.shape, image_shape, strict=True)):
        return ""
    inside = tuple(slice(1, -1) if n > 1 else slice(None) for n in array.shape)
    border = np.ones(array.shape, bool)
    border[inside] = False
    bright = float(array[border].mean(dtype=np.float64)) if border.any() else 0.0
    highest = float(array.max())
    if bright > BRIGHT_BORDER * highest:
        return f"its border is {bright / highest:.2g} x as bright as its peak"
    return "" if _has_peak_in_middle(array) else "its brightest voxel is not in the middle"


def _has_peak_in_middle(array: NDArray[Any]) -> bool:
    peak = np.unravel_index(int(array.argmax()), array.shape)
    off = [abs(int(at) - n // 2) for at, n in zip(peak, array.shape, strict=True)]
    reach = [max(OFF_CENTRE_VOXELS, OFF_CENTRE * n) for n in array.shape]
    return all(distance <= most for distance, most in zip(off, reach, strict=True))
