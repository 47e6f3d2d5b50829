"""The polynomials of the place that a PSF changes by over the field of view and with depth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Extent",
    "Pattern",
    "depth_polynomials",
    "field_patterns",
    "field_polynomials",
    "group_of",
    "pattern_groups",
    "place_of",
    "values_of",
]

Floats = NDArray[np.float64]

# A rectangle of the field: (first, last) along y and along x, in voxels of the bead image.
Extent = tuple[tuple[float, float], tuple[float, float]]


class Pattern(NamedTuple):
    """One of the polynomials of the place.

    With the polar coordinates r and theta about the middle of the field it is a polynomial of r
    times cos(turns theta), or, of negative turns, times sin(-turns theta); times one of the depth.

    Attributes
    ----------
    degree : int
        Of the polynomial of r.
    turns : int
        At most the degree in magnitude, and even where that is even.
    depth : int
        The degree of the polynomial of the depth, see `depth_polynomials`.
    """

    degree: int
    turns: int
    depth: int = 0


def field_patterns(degree: int) -> tuple[Pattern, ...]:
    """Return the polynomials of the field up to a degree; see `field_polynomials`."""
    return tuple(
        Pattern(of, sign * turns)
        for of in range(degree + 1)
        for turns in range(of % 2, of + 1, 2)
        for sign in ((1, -1) if turns else (1,))
    )


def depth_polynomials(degree: int, extent: tuple[float, float], planes: Floats) -> Floats:
    """Return the polynomials that a PSF changes by with depth.

    They are Legendre's, orthonormal over the extent; the first one is 1.

    Parameters
    ----------
    degree : int
    extent : tuple of float
        (first, last), in planes of the bead image.
    planes : numpy.ndarray
        (places,), in planes of the bead image.

    Returns
    -------
    numpy.ndarray
        (places, degree + 1).

    Examples
    --------
    >>> depth_polynomials(2, (10.0, 30.0), np.array([10.0, 20.0, 30.0])).round(3)
    array([[ 1.   , -1.732,  2.236],
           [ 1.   ,  0.   , -1.118],
           [ 1.   ,  1.732,  2.236]])
    """
    first, last = extent
    relative = (2 * np.asarray(planes, np.float64) - first - last) / max(last - first, 1.0)
    norms = np.sqrt(2 * np.arange(degree + 1, dtype=np.float64) + 1)
    values = np.polynomial.legendre.legvander(relative, degree) * norms
    return np.asarray(values, np.float64)


def field_polynomials(degree: int, extent: Extent, places: Floats) -> Floats:
    """Return the polynomials that a PSF changes by over the field, at some places.

    They are polynomials of the distance from the rectangle's middle times cosines and sines of
    multiples of the angle there, as Zernike's are: optics that are symmetrical about their axis
    have aberrations of few of them. Those of the same cosine or sine are orthonormal over the
    rectangle, in the mean of cosine and sine; the first one is 1.

    Parameters
    ----------
    degree : int
        The highest power of the distance.
    extent : tuple of tuple of float
        The rectangle: (first, last) along y and along x, in voxels of the bead image.
    places : numpy.ndarray
        (places, 2): y and x in voxels of the bead image.

    Returns
    -------
    numpy.ndarray
        (places, polynomials); see `field_patterns`.

    Examples
    --------
    >>> extent = ((0.0, 100.0), (0.0, 100.0))
    >>> field_polynomials(1, extent, np.array([[50.0, 100.0]])).round(3)
    array([[1.   , 1.732, 0.   ]])
    """
    (top, bottom), (left, right) = extent
    radius = max(float(np.hypot(bottom - top, right - left)) / 2, 1.0)
    y, x = (np.asarray(places) - [(top + bottom) / 2, (left + right) / 2]).T / radius
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    half_height, half_width = (bottom - top) / 2 / radius, (right - left) / 2 / radius
    powers = distance[:, None] ** np.arange(degree + 1)
    found = []
    for of, turns, _ in field_patterns(degree):
        radial = powers @ _radial(degree, abs(turns), half_height, half_width)[of]
        around = np.cos(turns * angle) if turns >= 0 else np.sin(-turns * angle)
        found.append(radial * around)
    return np.stack(found, axis=1)


def values_of(
    patterns: Sequence[Pattern],
    extent: Extent,
    depth_extent: tuple[float, float],
    places: Floats,
) -> Floats:
    """Return the values of some patterns at some places, (places, patterns).

    Parameters
    ----------
    patterns : sequence of Pattern
    extent : tuple of tuple of float
        See `field_polynomials`.
    depth_extent : tuple of float
        See `depth_polynomials`.
    places : numpy.ndarray
        (places, 3): z, y and x in voxels of the bead image; or (places, 2), y and x: then in the
        mean over the depth.
    """
    degree = max(pattern.degree for pattern in patterns)
    every = field_patterns(degree)
    columns = [every.index(pattern._replace(depth=0)) for pattern in patterns]
    values = field_polynomials(degree, extent, places[:, -2:])[:, columns]
    of_depth = np.array([pattern.depth for pattern in patterns])
    if places.shape[1] == 2:
        return np.where(of_depth == 0, values, 0.0)
    in_depth: Floats = depth_polynomials(int(of_depth.max()), depth_extent, places[:, 0])
    return values * in_depth[:, of_depth]


@lru_cache(maxsize=64)
def _radial(degree: int, turns: int, half_height: float, half_width: float) -> dict[int, Floats]:
    """Return the coefficients of the powers of the distance, of each degree with these turns."""
    # Gauss's places and weights are exact: the products are polynomials of y and x.
    nodes, weights = np.polynomial.legendre.leggauss(degree + 1)
    distance = np.hypot(half_height * nodes[:, None], half_width * nodes).ravel()
    degrees = list(range(turns, degree + 1, 2))
    roots = np.sqrt(np.outer(weights, weights).ravel() / 4)
    _, upper = np.linalg.qr(roots[:, None] * distance[:, None] ** np.array(degrees))
    # Positive far from the middle.
    upper = upper * np.sign(np.diagonal(upper))[:, None]
    # The mean square of a cosine is a half.
    coefficients = np.linalg.inv(upper) * (2**0.5 if turns else 1.0)
    found = {}
    for column, of in enumerate(degrees):
        found[of] = np.zeros(degree + 1)
        found[of][degrees] = coefficients[:, column]
    return found


def group_of(pattern: Pattern) -> tuple[int, int]:
    """Return the degrees of a polynomial in the plane and in depth."""
    return pattern.degree, pattern.depth


def pattern_groups(patterns: Sequence[Pattern]) -> tuple[tuple[int, int], ...]:
    """Return the degrees in the plane and in depth that there are polynomials of, in order."""
    return tuple(sorted({group_of(pattern) for pattern in patterns}))


def place_of(y: float, x: float, z: float | None) -> Floats:
    """Return a place as the one row of an array: (1, 3), or without its plane (1, 2)."""
    return np.array([[y, x] if z is None else [z, y, x]], np.float64)
