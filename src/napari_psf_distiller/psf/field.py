"""How a PSF changes over the field of view and with depth: polynomials fitted to the beads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Depth",
    "Extent",
    "PSFField",
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

# In a file's mapping of arrays these have this before their names.
PREFIX = "field."

# What a file calls the polynomials; see `field_polynomials`.
POLYNOMIALS = "of the distance, times cosines and sines of multiples of the angle, times of depth"

# Of these each group of `PSFField` has one; a file may lack them.
ERRORS = ("errors", "width_errors", "order_errors")


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


class Depth(NamedTuple):
    """How deep the beads lie that show that a PSF changes with depth.

    Attributes
    ----------
    extent : tuple of float
        Where the outermost beads lie, (first, last), in planes of the bead image.
    planes : int
        Of the bead image.
    spacing : float
        From one of its planes to the next, in micrometres.
    """

    extent: tuple[float, float]
    planes: int
    spacing: float


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
    array([[1.   , 1.718, 0.   ]])
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


@dataclass(frozen=True)
class PSFField:
    """How the functions that a PSF is a sum of change with the place in the bead image.

    Attributes
    ----------
    patterns : tuple of Pattern
        The polynomials that it changes by; the first one is 1.
    extent : tuple of tuple of float
        Where the outermost beads lie that shaped it, (first, last) along y and along x, in voxels
        of the bead image.
    image_shape : tuple of int
        (Y, X): rows and columns of the bead image.
    pixel : tuple of float
        Size of the bead image's voxels along y and x, in micrometres.
    amplitudes : numpy.ndarray
        (polynomials, terms, waves, radial): of each polynomial, the amplitudes of the functions;
        see `FittedFunctions`.
    gram : numpy.ndarray
        (polynomials, polynomials): the polynomials' mean products over the beads, each counting by
        its squared light.
    spacing : tuple of float
        Size of the voxels of `errors` along z, y and x, in micrometres.
    errors : numpy.ndarray or None
        float32, (groups, Z, Y, X), the PSF's centre in the middle: for each of `groups` the
        standard errors of the voxels of what a polynomial adds that is 1 in the mean square over
        the beads; of the first, of the mean PSF, of the sum 1.
    width_errors : numpy.ndarray or None
        (groups, 3): the same of the full width at half maximum along z, y and x, in micrometres.
    order_errors : numpy.ndarray or None
        (groups, orders): the same of each angular order of the terms, the lowest first: the root
        of the sum of its voxels' variances, relative to the root of the sum of the squares of the
        mean PSF's voxels.
    depth : Depth or None
        None of a PSF that is the same in all planes.
    """

    patterns: tuple[Pattern, ...]
    extent: Extent
    image_shape: tuple[int, int]
    pixel: tuple[float, float]
    amplitudes: Floats = field(repr=False)
    gram: Floats = field(repr=False)
    spacing: tuple[float, float, float]
    errors: NDArray[np.float32] | None = field(default=None, repr=False)
    width_errors: Floats | None = field(default=None, repr=False)
    order_errors: Floats | None = field(default=None, repr=False)
    depth: Depth | None = None

    @property
    def degree(self) -> int:
        """The highest degree of the polynomials of the place in the plane."""
        return max(pattern.degree for pattern in self.patterns)

    @property
    def depth_degree(self) -> int:
        """That of the polynomials of the depth; 0 of a PSF that is the same in all planes."""
        return max(pattern.depth for pattern in self.patterns)

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The degrees in the plane and in depth that there are polynomials of."""
        return pattern_groups(self.patterns)

    def amplitudes_at(self, y: float, x: float, z: float | None = None) -> Floats:
        """Return the amplitudes of the PSF at a place, (terms, waves, radial); see `place_of`."""
        polynomials = self.polynomials_at(place_of(y, x, z))[0]
        amplitudes: Floats = np.tensordot(polynomials, self.amplitudes, axes=1)
        return amplitudes

    def width_errors_at(self, places: Floats) -> Floats | None:
        """Return the standard errors of the widths at places, (places, 3), in micrometres.

        Parameters
        ----------
        places : numpy.ndarray
            (places, 2): y and x in voxels of the bead image.
        """
        if self.width_errors is None:
            return None
        strengths = self.group_strengths(self.polynomials_at(places))
        errors: Floats = np.sqrt(strengths @ self.width_errors**2)
        return errors

    def errors_at(self, y: float, x: float, z: float | None = None) -> NDArray[np.float32] | None:
        """Return the standard errors of the PSF's voxels at a place, (Z, Y, X).

        As if the polynomials, made orthonormal over the beads, were known independently of one
        another, and those of one group alike: where beads are few or far, the polynomials are
        large, and so are the errors.
        """
        if self.errors is None:
            return None
        strengths = self.group_strengths_at(y, x, z)
        variance = np.tensordot(strengths, self.errors.astype(np.float64) ** 2, axes=1)
        errors: NDArray[np.float32] = np.sqrt(variance).astype(np.float32)
        return errors

    def group_strengths_at(self, y: float, x: float, z: float | None = None) -> Floats:
        """Return how strongly the polynomials of each group count in the errors at a place.

        Returns
        -------
        numpy.ndarray
            (groups,): the sum of the squares of each group's polynomials, made orthonormal over
            the beads. The variance of what is found at the place is the sum of these times the
            variances that are known for each group; see `errors`.
        """
        strengths: Floats = self.group_strengths(self.polynomials_at(place_of(y, x, z)))[0]
        return strengths

    def group_strengths(self, polynomials: Floats) -> Floats:
        """Return the same for values of the polynomials, or for differences of such.

        Parameters
        ----------
        polynomials : numpy.ndarray
            (places, polynomials).

        Returns
        -------
        numpy.ndarray
            (places, groups).
        """
        own = np.linalg.solve(np.linalg.cholesky(self.gram), polynomials.T) ** 2
        of_group = np.array(
            [[group == group_of(pattern) for group in self.groups] for pattern in self.patterns]
        )
        strengths: Floats = own.T @ of_group.astype(np.float64)
        return strengths

    def is_covered(self, y: float, x: float, z: float | None = None) -> bool:
        """Return whether a place lies among the beads, and not beyond the outermost ones."""
        places, ends = [y, x], list(self.extent)
        if z is not None and self.depth is not None:
            places.append(z)
            ends.append(self.depth.extent)
        return all(
            first <= place <= last for place, (first, last) in zip(places, ends, strict=True)
        )

    def polynomials_at(self, places: Floats) -> Floats:
        """Return the polynomials at places, (places, polynomials); see `values_of`."""
        depth_extent = (0.0, 0.0) if self.depth is None else self.depth.extent
        return values_of(self.patterns, self.extent, depth_extent, places)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file needs to keep, by name; see `from_arrays`."""
        found = {
            "polynomials": np.array(POLYNOMIALS),
            "patterns": np.array(self.patterns, np.int32),
            "extent": np.array(self.extent),
            "image_shape": np.array(self.image_shape, np.int32),
            "pixel": np.array(self.pixel),
            "amplitudes": self.amplitudes.astype(np.float32),
            "gram": self.gram,
            "spacing": np.array(self.spacing),
        }
        if self.depth is not None:
            found |= {f"depth_{name}": np.array(of) for name, of in self.depth._asdict().items()}
        for name in ERRORS:
            errors = getattr(self, name)
            if errors is not None:
                found[name] = errors
        return {PREFIX + name: values for name, values in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PSFField | None:
        """Return the field that `arrays` gave; None where there is none.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is damaged.
        """
        if PREFIX + "polynomials" not in arrays:
            return None
        own = {
            name.removeprefix(PREFIX): values
            for name, values in arrays.items()
            if name.startswith(PREFIX)
        }
        if str(own["polynomials"]) != POLYNOMIALS:
            raise ValueError("The field's polynomials are of another kind.")
        patterns = tuple(Pattern(*(int(n) for n in pattern)) for pattern in own["patterns"])
        depth = None
        if "depth_extent" in own:
            shallowest, deepest = (float(plane) for plane in own["depth_extent"])
            depth = Depth(
                (shallowest, deepest), int(own["depth_planes"]), float(own["depth_spacing"])
            )
        amplitudes, gram = (np.asarray(own[name], np.float64) for name in ("amplitudes", "gram"))
        count, groups = len(patterns), len(pattern_groups(patterns))
        errors = {name: own.get(name) for name in ERRORS}
        if (
            (amplitudes.ndim, len(amplitudes)) != (4, count)
            or gram.shape != (count, count)
            or any(some is not None and len(some) != groups for some in errors.values())
        ):
            raise ValueError("The field's polynomials and their amplitudes do not agree.")
        (top, bottom), (left, right) = own["extent"].astype(np.float64).tolist()
        sz, sy, sx = (float(size) for size in own["spacing"])
        rows, columns = (int(n) for n in own["image_shape"])
        height, width = (float(size) for size in own["pixel"])
        return cls(
            patterns=patterns,
            extent=((top, bottom), (left, right)),
            image_shape=(rows, columns),
            pixel=(height, width),
            amplitudes=amplitudes,
            gram=gram,
            spacing=(sz, sy, sx),
            depth=depth,
            **errors,
        )


def group_of(pattern: Pattern) -> tuple[int, int]:
    """Return the degrees of a polynomial in the plane and in depth."""
    return pattern.degree, pattern.depth


def pattern_groups(patterns: Sequence[Pattern]) -> tuple[tuple[int, int], ...]:
    """Return the degrees in the plane and in depth that there are polynomials of, in order."""
    return tuple(sorted({group_of(pattern) for pattern in patterns}))


def place_of(y: float, x: float, z: float | None) -> Floats:
    """Return a place as the one row of an array: (1, 3), or without its plane (1, 2)."""
    return np.array([[y, x] if z is None else [z, y, x]], np.float64)
