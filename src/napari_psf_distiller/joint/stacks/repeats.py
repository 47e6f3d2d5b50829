"""Which of several images have the same noise: the same data twice, which count only once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["repeated_images"]

Floats = NDArray[np.float64]

# So many voxels of an image tell whether it is another one in other units.
SAMPLE = 200_000

# Two images of the same noise differ by less than this part of it, once their units are alike:
# rounding makes a little.
MAX_PART_OF_NOISE = 0.25


def repeated_images(images: Sequence[NDArray[Any]], checksums: Sequence[str]) -> dict[int, int]:
    """Return for each image that repeats an earlier one which that is.

    Parameters
    ----------
    images : sequence of numpy.ndarray
    checksums : sequence of str
        Of their values.

    Notes
    -----
    An image counts as the same if it is an earlier one times a factor plus a constant, as of a file
    that was saved with another type. Of the same beads at another time the noise is another one.
    """
    found: dict[int, int] = {}
    samples: dict[int, Floats] = {}
    for number, image in enumerate(images):
        for earlier in (i for i in range(number) if i not in found):
            if image.shape != images[earlier].shape:
                continue
            if checksums[number] == checksums[earlier]:
                found[number] = earlier
                break
            for index in (number, earlier):
                if index not in samples:
                    samples[index] = _rows(images[index])
            if _same_noise(samples[number], samples[earlier]):
                found[number] = earlier
                break
    return found


def _rows(image: NDArray[Any]) -> Floats:
    """Return some of an image's rows, (rows, x)."""
    rows = image.reshape(-1, image.shape[-1])
    step = max(1, image.size // SAMPLE)
    return rows[::step].astype(np.float64)


def _same_noise(one: Floats, other: Floats) -> bool:
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return False
    one, other = one - one.mean(), other - other.mean()
    # A factor that bright voxels tell well is one that dark ones can be compared with.
    square = float((one * one).sum())
    factor = float((one * other).sum()) / square if square > 0 else 0.0
    noise = _typical(np.diff(other, axis=1)) / math.sqrt(2)
    return noise > 0 and _typical(other - factor * one) < MAX_PART_OF_NOISE * noise


def _typical(values: Floats) -> float:
    """Return the median distance from the median: a few beads make no difference."""
    return float(np.median(np.abs(values - np.median(values))))
