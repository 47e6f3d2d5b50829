"""Voxels on which negative values are taken away from a PSF that is evaluated on larger ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.negative_values import without_negative_values

__all__ = ["FinerGrid", "finer_grid"]

Floats = NDArray[np.float64]

# By this part of a voxel places may differ that are the same.
ROUNDING = 1e-6


class FinerGrid(NamedTuple):
    """Voxels no larger than those that functions were fitted on, in the place of larger ones.

    Attributes
    ----------
    spacing : tuple of float
        (z, y, x) in micrometres.
    shape : tuple of int
        (Z, Y, X) voxels.
    centre : tuple of float
        Where the voxel at n // 2 lies from the window's middle, in micrometres.
    reach : tuple of float
        Size of the fitted voxels along each axis, in these.
    weights : tuple of numpy.ndarray
        Along each axis, (larger voxels, these): what each of the larger ones measures of these.
    """

    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    centre: tuple[float, ...]
    reach: tuple[float, ...]
    weights: tuple[Floats, ...]

    def added(self, values: Floats) -> Floats:
        """Return what the larger voxels gain when negative values are taken away on these.

        Parameters
        ----------
        values : numpy.ndarray
            The functions on these voxels, as they are.
        """
        found = without_negative_values(values, self.reach) - values
        for axis, weights in enumerate(self.weights):
            found = np.moveaxis(np.tensordot(weights, found, axes=(1, axis)), 0, axis)
        return found


def finer_grid(
    fitted: Sequence[float],
    window: Sequence[int],
    spacing: Sequence[float],
    shape: Sequence[int],
    centre: Sequence[float] | Floats,
    thin: Sequence[bool],
) -> FinerGrid | None:
    """Return the voxels on which negative values are taken away, or None where those given do.

    What is negative is noise, and as finely grained as the fit's voxels are. Taken from larger
    voxels, it would be taken from farther away than it belongs to.

    Parameters
    ----------
    fitted : sequence of float
        Size of the voxels that the functions were fitted on, (z, y, x) in micrometres.
    window : sequence of int
        How many there were. Beyond them nothing is known.
    spacing, shape, centre
        Of the voxels that are asked for; see `FittedFunctions.values`.
    thin : sequence of bool
        Along which axes a voxel is a point, and not as thick as it is large.
    """
    if all(new <= old * (1 + ROUNDING) for old, new in zip(fitted, spacing, strict=True)):
        return None
    sizes, counts, middles, weights = [], [], [], []
    for old, many, new, n, place, is_thin in zip(
        fitted, window, spacing, shape, map(float, centre), thin, strict=True
    ):
        size = min(old, new)
        times = new / size
        half = many / 2 * old
        reach = 0.0 if is_thin else (times - 1) / 2
        before = min(_up(n // 2 * times + reach), _down((half + place) / size))
        after = min(_up((n - 1 - n // 2) * times + reach), _down((half - place) / size))
        before, after = max(before, 0), max(after, 0)
        count = before + after + 1
        sizes.append(size)
        counts.append(count)
        middles.append(place + (count // 2 - before) * size)
        at = (np.arange(n) - n // 2) * times + before
        weights.append(_nearest(at, count) if is_thin else _overlaps(at, times, count))
    reaches = tuple(old / size for old, size in zip(fitted, sizes, strict=True))
    return FinerGrid(tuple(sizes), tuple(counts), tuple(middles), reaches, tuple(weights))


def _nearest(at: Floats, count: int) -> Floats:
    """Return the weights of linear interpolation; beyond the outermost voxel it is as there."""
    off = np.clip(at, 0, count - 1)[:, np.newaxis] - np.arange(count)
    weights: Floats = np.maximum(1 - np.abs(off), 0)
    return weights


def _overlaps(at: Floats, times: float, count: int) -> Floats:
    """Return which parts of voxels so many times as large lie in each voxel."""
    places = np.arange(count)
    low, high = at[:, np.newaxis] - times / 2, at[:, np.newaxis] + times / 2
    overlap = np.minimum(high, places + 0.5) - np.maximum(low, places - 0.5)
    weights: Floats = np.maximum(overlap, 0) / times
    return weights


def _up(length: float) -> int:
    return math.ceil(length - ROUNDING)


def _down(length: float) -> int:
    return math.floor(length + ROUNDING)
