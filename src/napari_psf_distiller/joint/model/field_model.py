"""How the PSF depends on where in the field of view a bead lies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.field_patterns import (
    cosine_and_sine_rows,
    turned,
    turned_back,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.psf.polynomials import Extent, Pattern, values_of

__all__ = ["ConstantField", "FieldModel", "PolynomialField"]

Floats = NDArray[np.float64]

# Added to the diagonal of the polynomials' Gram matrix, which is about 1, as beads may tell nothing
# of one.
WEAK_PRIOR = 1e-3


class FieldModel(ABC):
    """The PSF's coefficients at each place of the field, linear in a few vectors of parameters.

    At the place c a PSF has the coefficients ``x(c) = sum over j of u_j(c) X_j``. A field model
    is the functions u_j, its *modes*; the vectors X_j are the *parameters* that are fitted. As
    x is linear in them, the normal equations stay linear, and by the chain rule the gradient by
    X_j is the sum over the beads of u_j(c) times the gradient by the bead's own coefficients.

    A new one defines `modes` and `weights`; the joint model goes through these two alone. It
    renders each mode by itself, so that its time grows with their number.

    Attributes
    ----------
    modes : int
        Number of vectors of parameters.

    Examples
    --------
    A PSF that changes linearly along x, in an image of 200 columns:

    >>> class LinearInX(FieldModel):
    ...     modes = 2
    ...
    ...     def weights(self, centres):
    ...         return np.stack([np.ones(len(centres)), centres[:, 2] / 100 - 1], axis=1)
    >>> LinearInX().coefficients_at(np.array([[1.0], [0.5]]), np.array([[3.0, 0.0, 200.0]]))
    array([[1.5]])
    """

    modes: int

    @abstractmethod
    def weights(self, centres: Floats) -> Floats:
        """Return the modes' values at some places.

        Parameters
        ----------
        centres : numpy.ndarray
            (beads, 3), in voxels of the image.

        Returns
        -------
        numpy.ndarray
            (beads, modes).
        """

    def coefficients_at(self, parameters: Floats, centres: Floats) -> Floats:
        """Return the PSF's coefficients at some places.

        Parameters
        ----------
        parameters : numpy.ndarray
            (modes, coefficients).
        centres : numpy.ndarray
            (beads, 3), in voxels of the image.

        Returns
        -------
        numpy.ndarray
            (beads, coefficients).
        """
        return self.weights(centres) @ parameters

    def adjoint(self, gradients: Floats, centres: Floats) -> Floats:
        """Return the adjoint of `coefficients_at`: the gradient by the parameters.

        Parameters
        ----------
        gradients : numpy.ndarray
            (beads, coefficients): by each bead's own coefficients.
        centres : numpy.ndarray
            (beads, 3), in voxels of the image.

        Returns
        -------
        numpy.ndarray
            (modes, coefficients).
        """
        return self.weights(centres).T @ gradients

    def turned(self, parameters: Floats, basis: FourierBessel) -> Floats:
        """Return parameters as the strengths of what the PSF's changes are expected to be.

        Priors are of these. Here they are the parameters themselves.

        Parameters
        ----------
        parameters : numpy.ndarray
            (modes, coefficients).
        basis : FourierBessel
            Whose coefficients these are.
        """
        return parameters

    def turned_back(self, parameters: Floats, basis: FourierBessel) -> Floats:
        """Return the inverse of `turned`, which is also its adjoint."""
        return parameters

    def turned_squares(self, squares: Floats) -> Floats:
        """Return of the modes' squares, (modes,), those of what is turned."""
        return squares


class ConstantField(FieldModel):
    """The same PSF everywhere in the field: one vector of coefficients."""

    modes = 1

    def weights(self, centres: Floats) -> Floats:
        """Return 1 for each bead; see `FieldModel.weights`."""
        return np.ones((len(centres), 1))


class PolynomialField(FieldModel):
    """A PSF whose coefficients are polynomials of the place in the plane, and of the depth.

    Its modes are products of `field_polynomials` and `depth_polynomials`; the first one is 1.

    Parameters
    ----------
    patterns : sequence of Pattern
        The first one of degree 0; with each of positive turns that of the negative.
    extent : tuple of tuple of float
        See `field_polynomials`.
    depth_extent : tuple of float
        See `depth_polynomials`; needed where there is one of these.

    Examples
    --------
    >>> from napari_psf_distiller.psf.polynomials import field_patterns
    >>> over_field = PolynomialField(field_patterns(1), ((0.0, 100.0), (0.0, 100.0)))
    >>> over_field.weights(np.array([[15.0, 50.0, 100.0]])).round(3)
    array([[1.   , 1.732, 0.   ]])
    """

    def __init__(
        self,
        patterns: Sequence[Pattern],
        extent: Extent,
        depth_extent: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.patterns, self.extent, self.depth_extent = tuple(patterns), extent, depth_extent
        self.modes = len(self.patterns)

    def weights(self, centres: Floats) -> Floats:
        """Return the modes' values; see `FieldModel.weights`."""
        return values_of(self.patterns, self.extent, self.depth_extent, centres)

    def with_weak_prior(self, gram: Floats) -> Floats:
        """Return the modes' Gram matrix as it is inverted; see `PSFField`."""
        return gram + WEAK_PRIOR * np.eye(self.modes)

    def turned(self, parameters: Floats, basis: FourierBessel) -> Floats:
        """Return parameters as those of functions that turn with the place; see `turned`."""
        return self._order_by_order(turned, parameters, basis)

    def turned_back(self, parameters: Floats, basis: FourierBessel) -> Floats:
        """Return the inverse of `turned`."""
        return self._order_by_order(turned_back, parameters, basis)

    def turned_squares(self, squares: Floats) -> Floats:
        """Return of the modes' squares the mean of each pattern's cosine and sine."""
        found = squares.copy()
        for row, other in cosine_and_sine_rows(self.patterns):
            found[[row, other]] = (squares[row] + squares[other]) / 2
        return found

    def _order_by_order(
        self,
        turn: Callable[[Floats, Sequence[Pattern]], Floats],
        parameters: Floats,
        basis: FourierBessel,
    ) -> Floats:
        """Turn the parameters of each angular order beyond 0."""
        found, first = parameters.copy(), 0
        for (order, sine), size in zip(basis.terms, basis.sizes, strict=True):
            if order and not sine:
                # The order's sine comes next.
                both = slice(first, first + 2 * size)
                values = parameters[:, both].reshape(self.modes, 2, size)
                found[:, both] = turn(values, self.patterns).reshape(self.modes, -1)
            first += size
        return found
