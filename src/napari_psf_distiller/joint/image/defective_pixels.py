"""Pixels of a camera that tell nothing of the light: hot, dead or stuck ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["blind_pixels", "mended"]

Floats = NDArray[np.float64]

# So many planes tell which pixels are always off, and more than so many are not looked at.
LEAST_PLANES, PLANES = 8, 16

# A pixel is if it is off by the range between its neighbours' darkest and brightest times this over
# the number of planes: in few of them noise may be off in all.
OFF = 3.0

# The neighbours of a hot one exceed what is about them, so many pixels to each side, by less than
# this part of what it does itself.
AROUND, SHARP = 3, 0.3

# With more than this part of an image, something else is wrong with it.
MOST = 0.1


def blind_pixels(image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Return which pixels are off in every plane; None where there is none, or too few planes.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.

    Returns
    -------
    numpy.ndarray or None
        bool, (Y, X): those that are in all planes darker than their neighbours (their median) are
        in any, or brighter; by a part of the range from their neighbours' darkest to their
        brightest. A bead is not: out of focus its light is everywhere, and in focus it is not one
        pixel alone that is bright.
    """
    if len(image) < LEAST_PLANES:
        return None
    planes = np.unique(np.linspace(0, len(image) - 1, PLANES).astype(int))
    darkest, brightest = image[planes[0]].copy(), image[planes[0]].copy()
    for z in planes[1:]:
        np.minimum(darkest, image[z], out=darkest)
        np.maximum(brightest, image[z], out=brightest)
    around = np.ones((3, 3), bool)
    around[1, 1] = False
    low, high = (
        ndimage.median_filter(plane.astype(np.float32), footprint=around, mode="mirror")
        for plane in (darkest, brightest)
    )
    margin = OFF / len(planes) * (high - low)
    blind: NDArray[np.bool_] = brightest < low - margin
    y, x = np.nonzero(darkest > high + margin)
    # A bead that is in focus or saturated in all planes is bright about its middle too.
    padded = np.pad(brightest.astype(np.float32), AROUND, mode="reflect")
    across = np.arange(2 * AROUND + 1)
    squares = padded[(y[:, None] + across)[..., None], (x[:, None] + across)[:, None]]
    level = np.percentile(squares, 25, axis=(1, 2)) if len(y) else np.zeros(0)
    sharp = high[y, x] - level < SHARP * (darkest[y, x] - level)
    blind[y[sharp], x[sharp]] = True
    share = blind.mean()
    return blind if 0 < share <= MOST else None


def mended(image: NDArray[Any], blind: NDArray[np.bool_]) -> NDArray[Any]:
    """Return an image with the mean of the nearest other pixels in place of blind ones.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.
    blind : numpy.ndarray
        bool, (Y, X).
    """
    result = image.copy()
    y, x = np.nonzero(blind)
    # Pixels that see, in a square that grows until it holds some.
    sums, counts = np.zeros((len(image), len(y))), np.zeros(len(y))
    for reach in range(1, max(blind.shape)):
        missing = counts == 0
        if not missing.any():
            break
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                rows, columns = y + down, x + right
                inside = (rows >= 0) & (rows < blind.shape[0])
                inside &= (columns >= 0) & (columns < blind.shape[1]) & missing
                at = np.flatnonzero(inside)
                at = at[~blind[rows[at], columns[at]]]
                sums[:, at] += image[:, rows[at], columns[at]]
                counts[at] += 1
    means = sums / np.maximum(counts, 1)
    result[:, y, x] = np.rint(means) if image.dtype.kind in "iu" else means
    return result
