"""How the PSF depends on where in the field of view a bead lies."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.psf.field import Extent, field_degrees, field_polynomials

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

    Its modes are those of `field_polynomials`: the first one is the PSF's mean over the field, and
    the others are what it changes by.

    Parameters
    ----------
    degree : int
    extent : tuple of tuple of float
        See `field_polynomials`.

    Attributes
    ----------
    degrees : tuple of int
        Of each mode.

    Examples
    --------
    >>> over_field = PolynomialField(1, ((0.0, 100.0), (0.0, 200.0)))
    >>> over_field.weights(np.array([[15.0, 50.0, 200.0]])).round(3)
    array([[1.   , 0.   , 1.732]])
    """

    def __init__(self, degree: int, extent: Extent) -> None:
        self.degree, self.extent = degree, extent
        self.degrees = field_degrees(degree)
        self.modes = len(self.degrees)

    def weights(self, centres: Floats) -> Floats:
        """Return the modes' values; see `FieldModel.weights`."""
        return field_polynomials(self.degree, self.extent, centres[:, 1:])
