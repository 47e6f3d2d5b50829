"""What a structure about a bead's centre looks like: rings, a dipole or lobes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["ORDERS", "Order", "Pattern", "patterns_of", "strength_of_orders"]

Floats = NDArray[np.float64]

# Angular orders that are looked at by themselves: a structure of one of them is clear in it long
# before it is in single voxels.
ORDERS = (0, 1, 2, 3)

# Noise alone is stronger than an order's limit so seldom, in one order or another.
CHANCE = 0.01

# A voxel, or a ring, so many standard deviations from 0 is no noise.
CLEAR = 6.0

# A part of the structure is named if it makes up so much of it.
SHARE = 0.2

# The orders of each pattern; what is left of a structure, as the corners of a window, are lobes.
NAMES = {"rings": (0,), "dipole": (1,), "lobes": (2, 3)}


class Order(NamedTuple):
    """How strong an angular order is in a mean residual.

    Attributes
    ----------
    number : int
        How often it repeats on the way around the axis.
    strength : float
        Root mean square of its sums around each ring, in their standard errors: 1 is noise.
    limit : float
        What noise alone seldom exceeds.
    """

    number: int
    strength: float
    limit: float

    @property
    def significant(self) -> bool:
        """Whether it is more than noise."""
        return self.strength > self.limit


class Pattern(NamedTuple):
    """A part of a mean residual.

    Attributes
    ----------
    name : {"rings", "dipole", "lobes"}
        The same all around the axis; of opposite sign on opposite sides of it; the rest, as four
        lobes, or the corners of a window.
    share : float
        Of the structure's squares, between 0 and 1.
    size : float
        Where it is largest, without its sign, in the unit of the mean residual.
    """

    name: str
    share: float
    size: float


class _Sums(NamedTuple):
    """The sums around each ring of each plane, times cosine and sine, and their variances."""

    values: Floats
    variances: Floats


def strength_of_orders(mean: Floats, error: Floats, least: float) -> tuple[Order, ...]:
    """Return how strong each of `ORDERS` is.

    Parameters
    ----------
    mean, error : numpy.ndarray
        (Z, Y, X), of odd sizes, and its standard errors; infinite where nothing is known.
    least : float
        Whatever is below it is taken for noise.
    """
    found = []
    values, variances = _known(mean, error)
    for number in ORDERS:
        sums = _sums(values, variances, number)
        told = sums.variances > 0
        count = int(np.count_nonzero(told))
        if count == 0:
            found.append(Order(number, float("nan"), least))
            continue
        strength = float(np.sqrt(np.mean(sums.values[told] ** 2 / sums.variances[told])))
        chance = float(stats.chi2.isf(CHANCE / len(ORDERS), count))
        found.append(Order(number, strength, max(least, float(np.sqrt(chance / count)))))
    return tuple(found)


def patterns_of(mean: Floats, error: Floats, only: tuple[int, ...] = ORDERS) -> tuple[Pattern, ...]:
    """Return what a structure is made of, the largest part first.

    Parameters
    ----------
    mean, error : numpy.ndarray
        See `strength_of_orders`.
    only : tuple of int
        The orders that are more than noise; others are not named.
    """
    values, variances = _known(mean, error)
    left, noise = values, variances
    squares, sizes, names = [], [], []
    for name, orders in NAMES.items():
        size = max(_size(values, variances, number) for number in orders)
        if name == "lobes":
            part, spread = left, noise
            size = max(size, _largest(part, spread))
        else:
            part, spread = _projected(values, variances, orders[0])
            left, noise = left - part, np.maximum(noise - spread, 0)
        squares.append(max(float(np.sum(part**2) - np.sum(spread)), 0.0))
        sizes.append(size)
        names.append(name)
    total = sum(squares) or 1.0
    found = [
        Pattern(name, square / total, size)
        for name, square, size in zip(names, squares, sizes, strict=True)
        if set(NAMES[name]) & set(only)
    ]
    found.sort(key=lambda pattern: -pattern.share)
    return tuple(one for one in found if one.share >= SHARE) or tuple(found[:1])


def _known(mean: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Return a mean and its variances, 0 where nothing is known."""
    seen = np.isfinite(error)
    return np.where(seen, mean, 0.0), np.where(seen, error, 0.0) ** 2


def _rings(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], Floats]:
    """Return the ring and the angle of each place in a plane."""
    y, x = (np.arange(n) - n // 2 for n in shape[1:])
    radius = np.rint(np.hypot(y[:, None], x)).astype(np.int64)
    return radius, np.arctan2(y[:, None], x[None])


def _waves(shape: tuple[int, ...], number: int) -> tuple[NDArray[np.int64], list[Floats]]:
    """Return the rings of a plane, and an order's cosine and sine in it."""
    radius, angle = _rings(shape)
    if number == 0:
        return radius, [np.ones(shape[1:])]
    # In the middle there is no angle.
    inside = radius > 0
    return radius, [np.cos(number * angle) * inside, np.sin(number * angle) * inside]


def _sums(values: Floats, variances: Floats, number: int) -> _Sums:
    """Return the sums of an order around each ring: (planes, waves, rings)."""
    radius, waves = _waves(values.shape, number)

    def around(planes: Floats, weights: Floats) -> Floats:
        sums = [np.bincount(radius.ravel(), (plane * weights).ravel()) for plane in planes]
        return np.array(sums, np.float64)

    return _Sums(
        np.array([around(values, wave) for wave in waves]).swapaxes(0, 1),
        np.array([around(variances, wave**2) for wave in waves]).swapaxes(0, 1),
    )


def _projected(values: Floats, variances: Floats, number: int) -> tuple[Floats, Floats]:
    """Return an order's part of some values at each place, and the variance of that part."""
    radius, waves = _waves(values.shape, number)
    sums = _sums(values, variances, number)
    part, spread = np.zeros_like(values), np.zeros_like(values)
    for n, wave in enumerate(waves):
        weight = np.bincount(radius.ravel(), (wave**2).ravel())
        weight = np.where(weight > 1e-9, weight, np.inf)
        part += (sums.values[:, n] / weight)[:, radius] * wave
        spread += (sums.variances[:, n] / weight**2)[:, radius] * wave**2
    return part, spread


def _size(values: Floats, variances: Floats, number: int) -> float:
    """Return how large an order is at most on its rings, as far as it is clear there."""
    return _largest(*_projected(values, variances, number))


def _largest(part: Floats, spread: Floats) -> float:
    """Return the largest of what is clear; where nothing is, the root mean square without noise."""
    # The largest of many voxels' noise is no size of a structure.
    clear = np.abs(part)[part**2 > CLEAR * spread]
    if len(clear):
        return float(clear.max())
    return float(np.sqrt(max(float(np.mean(part**2) - np.mean(spread)), 0.0)))
