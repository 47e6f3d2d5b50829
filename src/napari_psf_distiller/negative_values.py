"""An array without negative values that has the same sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = ["without_negative_values"]

Floats = NDArray[np.float64]

# What is negative is taken from surroundings of so many reaches, and so many times from each. What
# is negative in the mean of wider ones is no noise: there the background was taken for brighter
# than it is, and all of the array for darker.
REACHES, PASSES = (1.0, 2.0, 4.0), 3

# Less than this part of the sum is no longer distributed.
LEAST_PART = 1e-4


def without_negative_values(
    values: NDArray[np.floating], reach: Sequence[float] | None = None
) -> Floats:
    """Return an array with no negative value, and about as much light as it had everywhere.

    Where a PSF has no light, its estimate is noise, half of it negative. If that were only cut off,
    the other half would be left: light that was never there, a tenth or a quarter of all in the
    window of a narrow PSF. So what is negative is taken from the voxels around it, first from those
    next to it and then from larger surroundings: noise cancels, and faint light that is spread over
    many voxels stays. What is left then becomes 0.

    Parameters
    ----------
    values : numpy.ndarray
        Of one axis or more.
    reach : sequence of float, optional
        How many voxels the smallest surroundings reach along each axis: as many as the noise is
        alike over. By default 1.

    Returns
    -------
    numpy.ndarray
        float64, of the same shape. Its sum is that of the array, or somewhat more where large parts
        of it are negative in the mean.

    Notes
    -----
    What is negative is spread with Gaussians of 1, 2 and 4 times that reach. They end at the
    array's sides as at a mirror, which keeps the sum.

    Examples
    --------
    >>> without_negative_values(np.array([1.0, -0.5, 0.5, 8.0, 0.0])).round(2).tolist()
    [0.75, 0.0, 0.3, 7.95, 0.0]
    """
    found = np.array(values, np.float64)
    total = float(found.sum())
    if not (total > 0 and found.min() < 0):
        return np.maximum(found, 0)
    lengths = (1.0,) * found.ndim if reach is None else tuple(reach)
    # In cycles a length.
    frequencies = [
        length * np.arange(n) / (2 * n) for n, length in zip(found.shape, lengths, strict=True)
    ]
    for times in REACHES:
        gains = [np.exp(-2 * (np.pi * times * f) ** 2) for f in frequencies]
        for _ in range(PASSES):
            negative = np.maximum(-found, 0)
            if negative.sum() < LEAST_PART * total:
                return np.maximum(found, 0)
            spread = fft.dctn(negative)
            for axis, gain in enumerate(gains):
                spread *= np.expand_dims(gain, [a for a in range(found.ndim) if a != axis])
            np.maximum(found, 0, out=found)
            found -= fft.idctn(spread)
    return np.maximum(found, 0)
