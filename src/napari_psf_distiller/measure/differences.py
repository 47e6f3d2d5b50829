"""Differences of neighbouring voxels, which leave an image's noise and little of its object."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["squared_differences"]


def squared_differences(
    image: NDArray[np.float32], mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], ...]:
    """Return the squares of second differences, the weighted means and the brightness there.

    After these, of the voxels that have them all, the squares of second and of fourth differences
    and of those over twice the distance, and the brightness.
    """
    axes = [axis for axis, n in enumerate(image.shape) if n >= 5]
    second, means = _second_differences(image, axes)
    squares, brightness = np.square(second), ndimage.gaussian_filter(means, 2)
    fourth = np.square(_fourth_differences(second, axes))
    twice = np.square(_second_differences(image, axes, 2)[0])
    inside = tuple(slice(1, -1) if n in axes else slice(None) for n in range(image.ndim))
    near = squares, means, brightness
    far = squares[inside], fourth, twice, brightness[inside]
    if mask is None:
        return tuple(array.ravel() for array in (*near, *far))
    # A difference counts if no voxel in it is masked: if the mean of those is 0.
    masked = _second_differences((~mask).astype(np.float32), axes)[1]
    counts = masked == 0
    counts_too = _second_differences(masked, axes)[1] == 0
    return (*(array[counts] for array in near), *(array[counts_too] for array in far))


def _second_differences(
    image: NDArray[np.float32], axes: list[int], step: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return them, scaled to the noise's variance, and the means with their squared weights."""
    differences = means = image
    for axis in axes:
        before, at, after = _three_along(differences, axis, step)
        differences = (before - 2 * at + after) * np.float32(1 / math.sqrt(6))
        before, at, after = _three_along(means, axis, step)
        means = (before + 4 * at + after) * np.float32(1 / 6)
    return differences, means


def _fourth_differences(second: NDArray[np.float32], axes: list[int]) -> NDArray[np.float32]:
    """Return fourth differences from second ones, scaled to the noise's variance."""
    differences = second
    for axis in axes:
        before, at, after = _three_along(differences, axis)
        differences = (before - 2 * at + after) * np.float32(math.sqrt(6 / 70))
    return differences


def _three_along(
    array: NDArray[np.float32], axis: int, step: int = 1
) -> Iterator[NDArray[np.float32]]:
    """Yield what lies before, at and after each voxel along an axis that has both."""
    n = array.shape[axis]
    for start in (0, step, 2 * step):
        yield array[(slice(None),) * axis + (slice(start, n - 2 * step + start),)]
