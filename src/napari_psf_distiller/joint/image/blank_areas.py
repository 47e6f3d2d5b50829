"""Parts of an image that were never measured: masked, or filled where it was turned or moved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["blank_areas"]

Mask = NDArray[np.bool_]

# A blank area is of one value within this many pixels to each side of a pixel, and what was
# interpolated between it and the image reaches this many pixels further.
HALF_SQUARE_PIXELS, BLURRED_PIXELS = 2, 2

# Less than this part of the image matters to nobody.
MIN_SHARE = 2e-3

# Beside a blank area at most this part of the pixels has its value; and elsewhere this quantile of
# the distances from its value is more than this part of the median one: an image that was cut off
# has many values just above.
MAX_EDGE_SHARE, NEAR_QUANTILE, MIN_GAP = 0.2, 0.05, 0.4


def blank_areas(image: NDArray[Any]) -> Mask | None:
    """Return where an image has areas of one and the same value that end abruptly.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.

    Returns
    -------
    numpy.ndarray or None
        bool, of its shape; None where there is no such area. The voxels next to one count as part
        of it, since they may be interpolated.
    """
    lowest = image.min()
    # Filled areas are 0, or as dark as the image gets.
    for value in dict.fromkeys([float(lowest), 0.0]):
        found = _area_of_value(image, value)
        if found is not None:
            return found
    return None


def _area_of_value(image: NDArray[Any], value: float) -> Mask | None:
    area = np.zeros(image.shape, bool)
    beside = same_beside = 0
    for z, plane in enumerate(image):
        same = plane == value
        if np.count_nonzero(same) < MIN_SHARE * same.size:
            continue
        core = _eroded(same, HALF_SQUARE_PIXELS)
        if not core.any():
            continue
        area[z] = _dilated(core, HALF_SQUARE_PIXELS)
        edge = _dilated(area[z], 1) & ~area[z]
        beside += int(np.count_nonzero(edge))
        same_beside += int(np.count_nonzero(edge & same))
    share = np.count_nonzero(area) / area.size
    if not MIN_SHARE < share < 1 or same_beside > MAX_EDGE_SHARE * beside:
        return None
    others = image[::4][~area[::4]] if len(image) > 4 else image[~area]
    if others.size == 0:
        return None
    near, usual = np.abs(np.quantile(others.astype(np.float64), [NEAR_QUANTILE, 0.5]) - value)
    if near <= MIN_GAP * usual:
        return None
    # So what else has this value, at the tips of the areas, was not measured either.
    for z, plane in enumerate(image):
        area[z] |= _dilated(plane == value, BLURRED_PIXELS)
    return area


def _eroded(mask: Mask, reach: int) -> Mask:
    """Return the pixels with only true ones within a reach; beyond the edge is true."""
    return ~_dilated(~mask, reach)


def _dilated(mask: Mask, reach: int) -> Mask:
    """Return the pixels with a true one within a reach to each side."""
    for axis in (0, 1):
        whole = mask.copy()
        for step in range(1, reach + 1):
            ahead = (slice(None),) * axis + (slice(step, None),)
            behind = (slice(None),) * axis + (slice(None, -step),)
            whole[ahead] |= mask[behind]
            whole[behind] |= mask[ahead]
        mask = whole
    return mask
