"""Defective pixels of a camera, which tell nothing of the light: hot, dead or stuck ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["defective_pixels", "without_defects"]

Floats = NDArray[np.float64]

# Planes that are needed to tell which pixels are always off, and that are looked at, at most.
MIN_PLANES, MAX_PLANES = 8, 16

# A pixel is defective if it is off by the range from its neighbours' darkest to their brightest
# times this over the number of planes: in few planes noise may be off in all.
MARGIN_RANGES = 3.0

# What is about a hot pixel reaches this many pixels to each side; its neighbours exceed that by
# less than this part of what it does itself.
SURROUNDING_PIXELS, MAX_NEIGHBOUR_EXCESS = 3, 0.3

# Where more than this part of an image seems defective, something else is wrong with it.
MAX_SHARE = 0.1


def defective_pixels(image: NDArray[Any]) -> NDArray[np.bool_] | None:
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
    if len(image) < MIN_PLANES:
        return None
    planes = np.unique(np.linspace(0, len(image) - 1, MAX_PLANES).astype(int))
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
    margin = MARGIN_RANGES / len(planes) * (high - low)
    defective: NDArray[np.bool_] = brightest < low - margin
    y, x = np.nonzero(darkest > high + margin)
    # A bead that is in focus or saturated in all planes is bright about its middle too.
    padded = np.pad(brightest.astype(np.float32), SURROUNDING_PIXELS, mode="reflect")
    across = np.arange(2 * SURROUNDING_PIXELS + 1)
    squares = padded[(y[:, None] + across)[..., None], (x[:, None] + across)[:, None]]
    level = np.percentile(squares, 25, axis=(1, 2)) if len(y) else np.zeros(0)
    sharp = high[y, x] - level < MAX_NEIGHBOUR_EXCESS * (darkest[y, x] - level)
    defective[y[sharp], x[sharp]] = True
    share = defective.mean()
    return defective if 0 < share <= MAX_SHARE else None


def without_defects(image: NDArray[Any], defective: NDArray[np.bool_]) -> NDArray[Any]:
    """Return an image with the mean of the nearest sound pixels in place of defective ones.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.
    defective : numpy.ndarray
        bool, (Y, X).
    """
    result = image.copy()
    y, x = np.nonzero(defective)
    # Sound pixels, in a square that grows until it holds some.
    sums, counts = np.zeros((len(image), len(y))), np.zeros(len(y))
    for reach in range(1, max(defective.shape)):
        missing = counts == 0
        if not missing.any():
            break
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                rows, columns = y + down, x + right
                inside = (rows >= 0) & (rows < defective.shape[0])
                inside &= (columns >= 0) & (columns < defective.shape[1]) & missing
                at = np.flatnonzero(inside)
                at = at[~defective[rows[at], columns[at]]]
                sums[:, at] += image[:, rows[at], columns[at]]
                counts[at] += 1
    means = sums / np.maximum(counts, 1)
    result[:, y, x] = np.rint(means) if image.dtype.kind in "iu" else means
    return result
