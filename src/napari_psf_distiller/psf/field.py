"""How a PSF changes over the field of view: polynomials of the place, fitted to the beads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

__all__ = ["Extent", "PSFField", "field_degrees", "field_polynomials"]

Floats = NDArray[np.float64]

# A rectangle of the field: (first, last) along y and along x, in voxels of the bead image.
Extent = tuple[tuple[float, float], tuple[float, float]]

# In a file's mapping of arrays these have this before their names.
PREFIX = "field."


def field_degrees(degree: int) -> tuple[int, ...]:
    """Return the degree of each polynomial of the field, up to one; see `field_polynomials`."""
    return tuple(sum(pair) for pair in _pairs(degree))


def field_polynomials(degree: int, extent: Extent, places: Floats) -> Floats:
    """Return the polynomials that a PSF changes by over the field, at some places.

    They are products of Legendre's polynomials of y and of x, orthonormal over a rectangle: the
    first one is 1, and the others are 0 in the mean.

    Parameters
    ----------
    degree : int
        The highest sum of a product's two degrees.
    extent : tuple of tuple of float
        The rectangle: (first, last) along y and along x, in voxels of the bead image.
    places : numpy.ndarray
        (places, 2): y and x in voxels of the bead image.

    Returns
    -------
    numpy.ndarray
        (places, polynomials).

    Examples
    --------
    >>> extent = ((0.0, 100.0), (0.0, 200.0))
    >>> field_polynomials(1, extent, np.array([[50.0, 200.0]])).round(3)
    array([[1.   , 0.   , 1.732]])
    """
    low, high = np.array(extent).T
    y, x = (2 * (places - low) / np.maximum(high - low, 1) - 1).T
    # Of the degree n the mean square over -1 to 1 is 1 / (2 n + 1).
    norms = np.sqrt(2 * np.arange(degree + 1) + 1)
    down, across = (legendre.legvander(place, degree) * norms for place in (y, x))
    return np.stack([down[:, i] * across[:, j] for i, j in _pairs(degree)], axis=1)


def _pairs(degree: int) -> list[tuple[int, int]]:
    """Return the degrees along y and x of each polynomial."""
    return [(total - along, along) for total in range(degree + 1) for along in range(total + 1)]


@dataclass(frozen=True)
class PSFField:
    """How the functions that a PSF is a sum of change with the place in the bead image.

    Attributes
    ----------
    degree : int
        Of the polynomials.
    extent : tuple of tuple of float
        Where the outermost beads lie, (first, last) along y and along x, in voxels of the bead
        image.
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
        float32, (degrees, Z, Y, X), the PSF's centre in the middle: for each degree the standard
        errors of the voxels of what a polynomial adds that is 1 in the mean square over the beads;
        of degree 0, of the mean PSF, of the sum 1.
    """

    degree: int
    extent: Extent
    image_shape: tuple[int, int]
    pixel: tuple[float, float]
    amplitudes: Floats = field(repr=False)
    gram: Floats = field(repr=False)
    spacing: tuple[float, float, float]
    errors: NDArray[np.float32] | None = field(default=None, repr=False)

    def amplitudes_at(self, y: float, x: float) -> Floats:
        """Return the amplitudes of the PSF at a place, (terms, waves, radial)."""
        amplitudes: Floats = np.tensordot(self._polynomials(y, x), self.amplitudes, axes=1)
        return amplitudes

    def errors_at(self, y: float, x: float) -> NDArray[np.float32] | None:
        """Return the standard errors of the PSF's voxels at a place, (Z, Y, X).

        As if the polynomials, made orthonormal over the beads, were known independently of one
        another, and those of one degree alike: where beads are few or far, the polynomials are
        large, and so are the errors.
        """
        if self.errors is None:
            return None
        strengths = self.degree_strengths_at(y, x)
        variance = np.tensordot(strengths, self.errors.astype(np.float64) ** 2, axes=1)
        errors: NDArray[np.float32] = np.sqrt(variance).astype(np.float32)
        return errors

    def degree_strengths_at(self, y: float, x: float) -> Floats:
        """Return how strongly the polynomials of each degree count in the errors at a place.

        Returns
        -------
        numpy.ndarray
            (degrees,): the sum of the squares of each degree's polynomials, made orthonormal over
            the beads. The variance of what is found at the place is the sum of these times the
            variances that are known for each degree; see `errors`.
        """
        strengths: Floats = self.degree_strengths(self._polynomials(y, x)[None])[0]
        return strengths

    def degree_strengths(self, polynomials: Floats) -> Floats:
        """Return the same for values of the polynomials, or for differences of such.

        Parameters
        ----------
        polynomials : numpy.ndarray
            (places, polynomials).

        Returns
        -------
        numpy.ndarray
            (places, degrees).
        """
        own = np.linalg.solve(np.linalg.cholesky(self.gram), polynomials.T) ** 2
        of_degree = np.equal.outer(np.array(field_degrees(self.degree)), np.arange(self.degree + 1))
        strengths: Floats = own.T @ of_degree.astype(np.float64)
        return strengths

    def is_covered(self, y: float, x: float) -> bool:
        """Return whether a place lies among the beads, and not beyond the outermost ones."""
        return all(
            first <= place <= last for place, (first, last) in zip((y, x), self.extent, strict=True)
        )

    def polynomials_at(self, places: Floats) -> Floats:
        """Return the polynomials at places, (places, polynomials); see `field_polynomials`."""
        return field_polynomials(self.degree, self.extent, places)

    def _polynomials(self, y: float, x: float) -> Floats:
        polynomials: Floats = self.polynomials_at(np.array([[y, x]], np.float64))[0]
        return polynomials

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file needs to keep, by name; see `from_arrays`."""
        found = {
            "degree": np.array(self.degree),
            "extent": np.array(self.extent),
            "image_shape": np.array(self.image_shape, np.int32),
            "pixel": np.array(self.pixel),
            "amplitudes": self.amplitudes.astype(np.float32),
            "gram": self.gram,
            "spacing": np.array(self.spacing),
        }
        if self.errors is not None:
            found["errors"] = self.errors
        return {PREFIX + name: values for name, values in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PSFField | None:
        """Return the field that `arrays` gave; None where there is none.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is damaged.
        """
        if PREFIX + "degree" not in arrays:
            return None
        own = {
            name.removeprefix(PREFIX): values
            for name, values in arrays.items()
            if name.startswith(PREFIX)
        }
        degree = int(own["degree"])
        amplitudes, gram = (np.asarray(own[name], np.float64) for name in ("amplitudes", "gram"))
        count = len(field_degrees(degree))
        errors = own.get("errors")
        if (
            (amplitudes.ndim, len(amplitudes)) != (4, count)
            or gram.shape != (count, count)
            or (errors is not None and len(errors) != degree + 1)
        ):
            raise ValueError("The field's polynomials and their amplitudes do not agree.")
        (top, bottom), (left, right) = own["extent"].astype(np.float64).tolist()
        sz, sy, sx = (float(size) for size in own["spacing"])
        rows, columns = (int(n) for n in own["image_shape"])
        height, width = (float(size) for size in own["pixel"])
        return cls(
            degree=degree,
            extent=((top, bottom), (left, right)),
            image_shape=(rows, columns),
            pixel=(height, width),
            amplitudes=amplitudes,
            gram=gram,
            spacing=(sz, sy, sx),
            errors=None if errors is None else np.asarray(errors, np.float32),
        )
