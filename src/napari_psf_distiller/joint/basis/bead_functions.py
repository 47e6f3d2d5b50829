"""What the image of a bead says of a PSF's coefficients: gradient and curvature, term by term."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.rings import Rings
from napari_psf_distiller.joint.basis.terms import Term, products
from napari_psf_distiller.psf.pixel_filter import TermLink

__all__ = ["BeadFunctions"]

Floats = NDArray[np.float64]

# Products with less than this part of the largest are left out of what ball and pixel make of a
# term.
LEAST_PRODUCT = 1e-3


class BeadFunctions:
    """The functions that a bead's image is a sum of, each as few products of f(z) and f(r).

    They are for sums over the image's voxels, of what multiplies a bead's image or its square; the
    image itself is that of `FourierBessel.bead`.

    Parameters
    ----------
    parts : sequence of Term
        The PSF's terms.
    pixels : Rings
        Of the PSF's grid.
    waves : numpy.ndarray
        (Z, waves): along the grid's axis.
    ball : numpy.ndarray
        (waves, radial): by which a bead multiplies each frequency.
    links : sequence of TermLink
        What each of the PSF's terms adds to those of a bead's image.
    bessel : callable
        Returns an order's functions on the rings, (rings, radial).
    planes_per_image_plane : int
        Of the PSF's grid.
    """

    def __init__(
        self,
        parts: Sequence[Term],
        pixels: Rings,
        waves: Floats,
        ball: Floats,
        links: Sequence[TermLink],
        bessel: Callable[[int], Floats],
        planes_per_image_plane: int,
    ) -> None:
        self._parts, self._pixels = parts, pixels
        self._planes_per_image_plane = planes_per_image_plane
        self._blurred: list[list[_Blurred]] = [[] for _ in parts]
        # Most terms have their factor from the same cosine of the pixels' filter.
        separated: dict[int, tuple[Floats, Floats, Floats]] = {}
        for source, target, factor in links:
            part = parts[source]
            if id(factor) not in separated:
                separated[id(factor)] = np.linalg.svd(ball * factor)
            left, values, right = separated[id(factor)]
            bessel_values = bessel(target[0])
            functions = [
                (
                    (waves * (left[:, i] * values[i])) @ part.axial,
                    (bessel_values * right[i]) @ part.lateral,
                )
                for i in range(max(1, int((values > LEAST_PRODUCT * values[0]).sum())))
            ]
            self._blurred[source].append(_Blurred(target, functions))

    def adjoint(
        self,
        array: NDArray[np.floating],
        term: int,
        displaced: Floats | None = None,
        planes: Floats | None = None,
    ) -> Floats:
        """Return the adjoint of `FourierBessel.bead` for one term: (coefficients of the term,).

        Parameters
        ----------
        array : numpy.ndarray
            (Z, Y, X), of the window's shape.
        term : int
        displaced : numpy.ndarray, optional
            Gram matrix of the waves of displaced beads; see `displacement_gram`.
        planes : numpy.ndarray, optional
            (arrays, Z): the array is many, its planes times these factors. The result is one row
            for each.
        """
        factors = np.ones((1, len(array))) if planes is None else planes
        found = self._adjoint(
            term, displaced, lambda target: self._pixels.sums(array, *target), factors
        )
        return found[0] if planes is None else found

    def adjoints(self, array: NDArray[np.floating], planes: slice) -> list[Floats]:
        """Return `adjoint` for all terms, of an array that is 0 but for some of its planes.

        Parameters
        ----------
        array : numpy.ndarray
            (Z, Y, X), of the window's shape.
        planes : slice
            Along z: those that are not 0.

        Returns
        -------
        list of numpy.ndarray
            For each term, (coefficients of the term,).
        """
        part = array[planes]
        factors = np.ones((1, len(part)))

        # Several terms have a part in the same one of a bead's image.
        @functools.cache
        def sums(target: tuple[int, bool]) -> Floats:
            return self._pixels.sums(part, *target)

        return [
            self._adjoint(term, None, sums, factors, planes)[0] for term in range(len(self._parts))
        ]

    def _adjoint(
        self,
        term: int,
        displaced: Floats | None,
        sums: Callable[[tuple[int, bool]], Floats],
        factors: Floats,
        planes: slice = slice(None),
    ) -> Floats:
        """Return a row of a term's coefficients for each row of factors of some planes.

        Parameters
        ----------
        sums : callable
            Returns an array's sums over each ring, (planes, rings), for a term of a bead's image.
        """
        found = [
            (along[planes].T * factors[:, None]) @ (sums(target) @ across)
            for target, functions in self._combined(term, displaced)
            for along, across in functions
        ]
        return self._parts[term].reduced(np.sum(found, axis=0))

    def hessian(
        self, weights: NDArray[np.floating], term: int, displaced: Floats | None = None
    ) -> Floats:
        """Return the matrix of a weighted sum of squares of a bead's image, for one term.

        Parameters
        ----------
        weights : numpy.ndarray
            (Z, Y, X), of the window's shape.
        term : int
        displaced : numpy.ndarray, optional
            Gram matrix of the waves of displaced beads; see `displacement_gram`. With it,
            the matrix is about what it is in the mean of displaced beads, as if the weights were
            the same all along z.

        Returns
        -------
        numpy.ndarray
            (coefficients of the term, coefficients of the term).
        """
        part, weights = self._parts[term], np.asarray(weights, np.float64)
        size = part.axial.shape[1] * part.lateral.shape[1]
        result = np.zeros((size, size))
        # The products of different angular factors are 0 in the mean around the axis.
        for (order, sine), functions in self._combined(term, displaced):
            turned = weights * self._pixels.angular_factor(order, sine) ** 2 if order else weights
            rings = self._pixels.sums(turned)
            for index, one in enumerate(functions):
                for other in functions[index:]:
                    product = products(rings, one, other)
                    result += product if other is one else product + product.T
        return part.congruent(result)

    def displacement_gram(self, waves: Sequence[Floats]) -> Floats:
        """Return the waves' Gram matrix, averaged over the windows of displaced beads.

        A function that is faint in the window, and rises beyond its ends, is bright in the windows
        of beads that are displaced along z.

        Parameters
        ----------
        waves : sequence of numpy.ndarray
            The waves along the windows of displaced beads, at least one; see `waves_at`.

        Returns
        -------
        numpy.ndarray
            (waves, waves).
        """
        products = np.zeros((waves[0].shape[1],) * 2)
        for displaced in waves:
            products += displaced.T @ displaced
        # Of the grid's planes the image has every second, or fewer.
        return products * (self._planes_per_image_plane / len(waves))

    def displacement_gram_root(self, displaced: Floats, term: int) -> Floats:
        """Return the square root of a displacement's Gram matrix in a term's axial combinations.

        It says by how much brighter these are in the windows of displaced beads.

        Parameters
        ----------
        displaced : numpy.ndarray
            Gram matrix of the waves of displaced beads; see `displacement_gram`.
        term : int

        Returns
        -------
        numpy.ndarray
            (axial combinations, axial combinations).
        """
        axial = self._parts[term].axial
        values, vectors = np.linalg.eigh(axial.T @ displaced @ axial)
        root: Floats = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return root

    def _combined(self, term: int, displaced: Floats | None) -> list[_Blurred]:
        if displaced is None:
            return self._blurred[term]
        root = self.displacement_gram_root(displaced, term)
        return [
            _Blurred(target, [(along @ root, across) for along, across in functions])
            for target, functions in self._blurred[term]
        ]


class _Blurred(NamedTuple):
    """What a bead's image has of a term of the PSF in one of its own terms.

    Attributes
    ----------
    target : (int, bool)
        The angular order, and whether it is a sine.
    functions : list of (numpy.ndarray, numpy.ndarray)
        A sum of products: along the axis, (Z, axial combinations), and in the plane, (rings,
        lateral combinations).
    """

    target: tuple[int, bool]
    functions: list[tuple[Floats, Floats]]
