"""How the PSF depends on where in the field of view a bead lies."""

from __future__ import annotations

from abc import ABC, abstractmethod

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

__all__ = ["ConstantField", "FieldModel", "PolynomialField"]

Floats = NDArray[np.float64]


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


class ConstantField(FieldModel):
    """The same PSF everywhere in the field: one vector of coefficients."""

    modes = 1

    def weights(self, centres: Floats) -> Floats:
        """Return 1 for each bead; see `FieldModel.weights`."""
        return np.ones((len(centres), 1))


class PolynomialField(FieldModel):
    """A PSF whose coefficients are polynomials of the place in the plane.

    Its modes are products of Legendre's polynomials of y and of x, orthonormal over the image: the
    first one is the PSF's mean, and the others are what it changes by.

    Parameters
    ----------
    degree : int
        The highest sum of a product's two degrees.
    shape : sequence of int
        (Z, Y, X) of the image.

    Attributes
    ----------
    degrees : tuple of int
        Of each mode.

    Examples
    --------
    >>> field = PolynomialField(1, (30, 101, 201))
    >>> field.weights(np.array([[15.0, 50.0, 200.0]])).round(3)
    array([[1.   , 0.   , 1.732]])
    """

    def __init__(self, degree: int, shape: Sequence[int]) -> None:
        self.shape = tuple(int(n) for n in shape)
        self._pairs = [
            (total - along, along) for total in range(degree + 1) for along in range(total + 1)
        ]
        self.degrees = tuple(sum(pair) for pair in self._pairs)
        self.modes = len(self._pairs)

    def weights(self, centres: Floats) -> Floats:
        """Return the modes' values; see `FieldModel.weights`."""
        _, y, x = (2 * centres / np.maximum(np.array(self.shape) - 1, 1) - 1).T
        degree = max(self.degrees)
        # Of the degree n the mean square over -1 to 1 is 1 / (2 n + 1).
        norms = np.sqrt(2 * np.arange(degree + 1) + 1)
        down, across = (legendre.legvander(place, degree) * norms for place in (y, x))
        return np.stack([down[:, i] * across[:, j] for i, j in self._pairs], axis=1)
