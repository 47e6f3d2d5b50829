"""The noise of an image that is mostly background."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NoiseLevel", "noise_level"]

# Percentiles of so many voxels are as good as those of all, and do not take seconds.
SAMPLE = 2_000_000


class NoiseLevel(NamedTuple):
    """What the background looks like.

    Attributes
    ----------
    median : float
    deviation : float
        Standard deviation of the noise.
    """

    median: float
    deviation: float


def noise_level(image: NDArray[np.float32]) -> NoiseLevel:
    """Return the median of an image and the standard deviation of its noise.

    Parameters
    ----------
    image : numpy.ndarray
        Less than a sixth of its voxels are anything but background.

    Returns
    -------
    NoiseLevel
        The deviation is half the distance of the 16th and the 84th percentile, where a normal
        distribution has its standard deviations. The median absolute deviation would not do: in an
        8-bit image most voxels often have one and the same value.
    """
    voxels = image.ravel()
    step = max(1, voxels.size // SAMPLE)
    # A step that shares a factor with the length of a row would see some of the columns only.
    while math.gcd(step, voxels.size) > 1:
        step += 1
    voxels = voxels[::step]
    low, middle, high = (float(value) for value in np.percentile(voxels, (15.87, 50.0, 84.13)))
    return NoiseLevel(middle, (high - low) / 2)
