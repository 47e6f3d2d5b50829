"""PSFs as sums of Bessel functions in the plane and of waves along the axis, limited to a band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_psf_distiller.compute.rings import Rings

__all__ = ["Band", "FourierBessel", "ball_form_factor"]

Floats = NDArray[np.float64]

# Frequencies stand this much closer than the window's extent asks for, so that what is periodic in
# the sum lies outside the window.
OVERSAMPLING = 1.25

# Combinations of functions that the window tells apart by less than this are left out. What is
# faint along z may be bright half a voxel beyond the window's ends, where displaced beads' windows
# reach: as long as there is much of it, fits to dim beads do not settle.
LEAST_ACROSS, LEAST_ALONG = 1e-3, 5e-3

# Steps a voxel of the tables of Bessel functions: half a step displaces a ring by less than a tenth
# of the error with which a bead of a million photons is located.
STEPS = 256


class Band(NamedTuple):
    """What the optics pass.

    Attributes
    ----------
    lateral, axial : float
        Highest frequency, in cycles a micrometre.
    """

    lateral: float
    axial: float


def ball_form_factor(frequency: NDArray[np.floating], diameter: float) -> Floats:
    """Return the Fourier transform of a uniform ball of volume 1.

    Parameters
    ----------
    frequency : numpy.ndarray
        Cycles a unit of length.
    diameter : float
        In that unit.

    Notes
    -----
    ``3 (sin q - q cos q) / q^3`` with ``q = pi * diameter * frequency`` (Lord Rayleigh, "The
    incidence of light upon a transparent sphere", Proc. R. Soc. A 84, 1910).
    """
    q = np.maximum(np.pi * diameter * np.asarray(frequency, np.float64), 1e-3)
    factor: Floats = 3 * (np.sin(q) - q * np.cos(q)) / q**3
    return factor


class FourierBessel:
    """The functions that a PSF, and the image of a bead, are sums of.

    At the distance r and the angle phi from the optical axis and z along it they are
    ``J_m(2 pi k r) cos(m phi)``, or the sine, times ``cos(2 pi f z)``, or the sine, with k and f
    within the optics' band: an image that the optics can have made, as the sum of parts that turn m
    times in a full turn. One of these shifted by a fraction of a voxel is computed, not
    interpolated, and convolving with a ball multiplies it by a number.

    Many of these sums are all but the same inside the window. So a PSF is told by the coefficients
    of few of them, in each term orthonormal, the *coefficients*; by `amplitudes` these become those
    of all.

    Parameters
    ----------
    window : sequence of int
        (Z, Y, X) voxels, odd; Z is 1 for a plane.
    spacing : sequence of float
        Voxel size in micrometres.
    band : Band
    diameter : float
        Of the ball, in micrometres; 0 is a point.
    orders : sequence of int
        The numbers of turns m; without repetition, 0 first.

    Attributes
    ----------
    waves, radial : numpy.ndarray
        The frequencies f (sines are negative) and k, in cycles a micrometre.
    terms : tuple of (int, bool)
        Each order with cosine, and with sine (True) where it is not 0.
    shapes : tuple of (int, int)
        Of each term's coefficients: along the axis, in the plane.
    size : int
        Number of all coefficients.
    sums : numpy.ndarray
        Of the PSF over the window, what each coefficient adds.
    """

    def __init__(
        self,
        window: Sequence[int],
        spacing: Sequence[float],
        band: Band,
        diameter: float = 0.0,
        orders: Sequence[int] = (0,),
    ) -> None:
        self.window = tuple(int(n) for n in window)
        self.spacing = tuple(float(s) for s in spacing)
        self.band, self.diameter, self.orders = band, float(diameter), tuple(orders)
        self.terms = tuple(
            (m, sine) for m in self.orders for sine in ((False, True) if m else (False,))
        )
        self._pixels = Rings(self.window[1:], self.spacing[1:])
        radii = self._pixels.radii
        self.waves = self._wave_frequencies()
        extent = float(radii[-1])
        count = math.ceil(2 * OVERSAMPLING * extent * band.lateral) + 2
        self.radial = np.linspace(0.0, band.lateral, count)
        places = 2 * np.pi * radii[:, None] * self.radial
        self._bessel = {order: _bessel(order, places) for order in self.orders}
        self._reduce()
        frequency = np.hypot(self.waves[:, None], self.radial[None])
        self.ball = ball_form_factor(frequency, self.diameter)
        self._separate_ball()
        self.step = min(self.spacing[1:]) / STEPS

    @cached_property
    def tables(self) -> tuple[NDArray[np.float32], ...]:
        """Values of each order's functions, (places, k), at multiples of `step` from the axis."""
        return tuple(_bessel(m, self._arguments()).astype(np.float32) for m in self.orders)

    @cached_property
    def slopes(self) -> NDArray[np.float32]:
        """The same of the first order's derivatives by the distance."""
        return (-2 * np.pi * self.radial * special.j1(self._arguments())).astype(np.float32)

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return sum(a * b for a, b in self.shapes)

    @property
    def columns(self) -> int:
        """Number of functions of the plane, of all terms."""
        return len(self.terms) * len(self.radial)

    def split(self, coefficients: Floats) -> list[Floats]:
        """Return each term's coefficients, (axial, lateral)."""
        ends = np.cumsum([a * b for a, b in self.shapes])[:-1]
        parts = np.split(coefficients, ends)
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def waves_at(self, displacement: float) -> Floats:
        """Return the waves along the window's axis, displaced.

        Parameters
        ----------
        displacement : float
            In voxels.

        Returns
        -------
        numpy.ndarray
            (Z, waves).
        """
        n = self.window[0]
        return self.waves_along(np.arange(n) - n // 2 - displacement)

    def waves_along(self, places: NDArray[np.floating], *, derivative: bool = False) -> Floats:
        """Return the waves at places along the axis, or their derivative by a displacement.

        Parameters
        ----------
        places : numpy.ndarray
            (..., places), in voxels from a bead's centre.
        derivative : bool

        Returns
        -------
        numpy.ndarray
            (..., places, waves).
        """
        size = self.spacing[0]
        # A sine is a cosine a quarter of a turn later.
        phase = 2 * np.pi * size * places[..., None] * self.waves
        phase -= np.where(self.waves < 0, np.pi / 2, 0)
        if derivative:
            inner = -2 * np.pi * self.waves * size
            result: Floats = -np.sin(phase) * inner
        else:
            result = np.cos(phase)
        return result

    def amplitudes(self, coefficients: Floats) -> Floats:
        """Return the amplitude of each function in the image of a bead with this PSF.

        Parameters
        ----------
        coefficients : numpy.ndarray
            (size,)

        Returns
        -------
        numpy.ndarray
            (waves, columns); the columns are the terms' functions one after the other.
        """
        parts = [
            self.ball * (self._axial @ part @ lateral.T)
            for part, lateral in zip(self.split(coefficients), self._lateral, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def amplitudes_adjoint(self, amplitudes: Floats) -> Floats:
        """Return the adjoint of `amplitudes`."""
        parts = np.split(amplitudes, len(self.terms), axis=1)
        return np.concatenate(
            [
                (self._axial.T @ (self.ball * part) @ lateral).ravel()
                for part, lateral in zip(parts, self._lateral, strict=True)
            ]
        )

    def psf(self, coefficients: Floats, displacement: float = 0.0) -> Floats:
        """Return the PSF on the window's voxels, float64, displaced along z by so many voxels."""
        result = np.zeros(self.window)
        axial = self.waves_at(displacement) @ self._axial
        for (order, sine), part, radial in zip(
            self.terms, self.split(coefficients), self._rings, strict=True
        ):
            result += self._pixels.planes(axial @ part @ radial.T, order, sine)
        return result

    def psf_centre(self, coefficients: Floats, displacement: float) -> float:
        """Return the PSF in the middle of the window when it is displaced along z, in voxels."""
        middle = self.waves_at(displacement)[self.window[0] // 2] @ self._axial
        # What turns is 0 on the axis.
        return float(middle @ self.split(coefficients)[0] @ self._rings[0][0])

    def bead(self, coefficients: Floats) -> Floats:
        """Return the image of a bead at the window's centre with this PSF, float64."""
        amplitudes = self.amplitudes(coefficients)
        waves = self.waves_at(0.0)
        result = np.zeros(self.window)
        for (order, sine), part in zip(
            self.terms, np.split(amplitudes, len(self.terms), axis=1), strict=True
        ):
            bessel = self._bessel[order]
            result += self._pixels.planes(waves @ part @ bessel.T, order, sine)
        return result

    def total(self, coefficients: Floats) -> float:
        """Return the PSF's sum over the window's voxels."""
        return float(self.sums @ coefficients)

    def fitted(self, array: NDArray[np.floating]) -> Floats:
        """Return the adjoint of `psf`: of the order 0 alone, the sum nearest to an array."""
        return np.concatenate(
            [
                (self._along.T @ self._pixels.sums(array, order, sine) @ radial).ravel()
                for (order, sine), radial in zip(self.terms, self._rings, strict=True)
            ]
        )

    def profile_gradient(self, axis: int) -> tuple[Floats, Floats]:
        """Return the voxels of the line through the centre, and its derivative by coefficients.

        Returns
        -------
        numpy.ndarray
            Positions along the axis, in voxels about the centre.
        numpy.ndarray
            (positions, size): the PSF there is this times the coefficients.
        """
        n = self.window[axis]
        positions = np.arange(n) - n // 2
        centre = self.window[0] // 2
        parts = []
        for (order, sine), radial in zip(self.terms, self._rings, strict=True):
            if axis == 0:
                along, across = self._along, radial[:1] * (not order)
                block = along[:, :, None] * across[0][None, None, :]
            else:
                line = tuple(
                    slice(None) if a == axis else m // 2 for a, m in enumerate(self.window) if a
                )
                across = radial[self._pixels.number[line]]
                if order:
                    across = across * self._pixels.turn(order, sine)[line][:, None]
                block = self._along[centre][None, :, None] * across[:, None, :]
            parts.append(block.reshape(len(positions), -1))
        return positions.astype(np.float64), np.concatenate(parts, axis=1)

    def variance(self, factors: Sequence[Floats]) -> Floats:
        """Return the variance of each voxel of the PSF.

        Parameters
        ----------
        factors : sequence of numpy.ndarray
            For each term, R with the covariance of its coefficients ``R R^T``.
        """
        result = np.zeros(self.window)
        for (order, sine), factor, shape, radial in zip(
            self.terms, factors, self.shapes, self._rings, strict=True
        ):
            variance = np.zeros((self.window[0], len(self._pixels.radii)))
            for column in factor.T:
                variance += (self._along @ column.reshape(shape) @ radial.T) ** 2
            plane = self._pixels.planes(variance)
            result += plane * self._pixels.turn(order, sine) ** 2 if order else plane
        return result

    def bead_adjoint(
        self,
        array: NDArray[np.floating],
        term: int,
        axial: Floats | None = None,
        lateral: Floats | None = None,
        planes: Floats | None = None,
    ) -> Floats:
        """Return the adjoint of `bead` for one term: (coefficients of the term,).

        Parameters
        ----------
        array : numpy.ndarray
            Of the window's shape.
        term : int
        axial, lateral : numpy.ndarray, optional
            See `hessian`.
        planes : numpy.ndarray, optional
            (arrays, Z): the array is many, its planes times these factors. The result is one row
            for each.
        """
        sums = self._pixels.sums(array, *self.terms[term])
        factors = np.ones((1, len(sums))) if planes is None else planes
        parts = [
            (along.T * factors[:, None]) @ (sums @ across)
            for along, across in self._combined(term, axial, lateral)
        ]
        adjoint: Floats = np.sum(parts, axis=0).reshape(len(factors), -1)
        return adjoint[0] if planes is None else adjoint

    def alike(self, coefficients: Floats, term: int) -> tuple[Floats, Floats]:
        """Return a term's covariances if it had the spectrum of the part that does not turn.

        Returns
        -------
        numpy.ndarray
            (axial, axial); the covariance of all coefficients is the Kronecker product with
        numpy.ndarray
            (lateral, lateral); its scale is that of the PSF's own sum of squares.
        """
        power = (self._axial @ self.split(coefficients)[0] @ self._lateral[0].T) ** 2
        waves = self._along.T @ self.waves_at(0.0)
        order, sine = self.terms[term]
        bessel = self._bessel[order]
        radial = (self._pixels.weights(order, sine)[:, None] * self._rings[term]).T @ bessel
        axial = (waves * power.sum(axis=1)) @ waves.T
        lateral = (radial * power.sum(axis=0)) @ radial.T
        scale = float((self.split(coefficients)[0] ** 2).sum())
        return axial / np.trace(axial), lateral / np.trace(lateral) * scale

    def hessian(
        self,
        weights: NDArray[np.floating],
        term: int,
        axial: Floats | None = None,
        lateral: Floats | None = None,
    ) -> Floats:
        """Return the matrix of a weighted sum of squares of a bead's image, for one term.

        Parameters
        ----------
        weights : numpy.ndarray
            Of the window's shape.
        term : int
        axial, lateral : numpy.ndarray, optional
            The matrix is wanted by other numbers: what each adds to the coefficients along the
            axis, (coefficients, numbers), and in the plane. With `spread` along the axis it is
            about what it is for displaced beads, as if the weights were the same all along z.

        Returns
        -------
        numpy.ndarray
            (numbers, numbers), those in the plane next to each other.
        """
        order, sine = self.terms[term]
        if order:
            weights = weights * self._pixels.turn(order, sine) ** 2
        rings = self._pixels.sums(np.asarray(weights, np.float64))
        combined = self._combined(term, axial, lateral)
        high, wide = (part.shape[1] for part in combined[0])
        result = np.zeros((high * wide,) * 2)
        for index, (along, across) in enumerate(combined):
            for along_too, across_too in combined[index:]:
                left = (along[:, :, None] * along_too[:, None, :]).reshape(len(along), -1)
                right = (across[:, :, None] * across_too[:, None, :]).reshape(len(across), -1)
                pairs = (left.T @ (rings @ right)).reshape(high, high, wide, wide)
                part = pairs.transpose(0, 2, 1, 3).reshape(result.shape)
                result += part if along_too is along else part + part.T
        return result

    def _combined(
        self, term: int, axial: Floats | None, lateral: Floats | None
    ) -> list[tuple[Floats, Floats]]:
        return [
            (
                along if axial is None else along @ axial,
                across if lateral is None else across @ lateral,
            )
            for along, across in self._blurred[term]
        ]

    def spread(self, waves: Sequence[Floats]) -> Floats:
        """Return by how much brighter the functions are in displaced windows, (axial, axial).

        A function that is faint in the window, and rises beyond its ends, is bright in the windows
        of beads that are displaced along z.

        Parameters
        ----------
        waves : sequence of numpy.ndarray
            See `waves_at`: along the windows of displaced beads, at least one.

        Returns
        -------
        numpy.ndarray
            The square root of the matrix of the functions' products over these windows.
        """
        products = np.zeros((self._axial.shape[1],) * 2)
        for displaced in waves:
            along = displaced @ self._axial
            products += along.T @ along
        values, vectors = np.linalg.eigh(products / len(waves))
        root: Floats = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return root

    def rows_at(self, across: Floats, along: Floats) -> NDArray[np.intp]:
        """Return which row of the tables is that of places, in micrometres from the axis."""
        rows: NDArray[np.intp] = (np.hypot(across, along) / self.step + 0.5).astype(np.intp)
        return rows

    def _arguments(self) -> Floats:
        reach = float(self._pixels.radii[-1]) + 1.5 * max(self.spacing[1:])
        places = np.arange(math.ceil(reach / self.step) + 2) * self.step
        arguments: Floats = 2 * np.pi * places[:, None] * self.radial
        return arguments

    def _wave_frequencies(self) -> Floats:
        n = self.window[0]
        if n == 1:
            return np.zeros(1)
        count = math.ceil(OVERSAMPLING * n * self.spacing[0] * self.band.axial) + 1
        return np.linspace(-self.band.axial, self.band.axial, 2 * count + 1)

    def _reduce(self) -> None:
        """Find orthonormal sums, and how they are made of the functions."""
        waves = self.waves_at(0.0)
        self._axial = _combinations(waves, LEAST_ALONG)
        self._along = waves @ self._axial
        self._lateral, self._rings, sums, shapes = [], [], [], []
        for order, sine in self.terms:
            bessel = self._bessel[order]
            weights = self._pixels.weights(order, sine)
            lateral = _combinations(np.sqrt(weights)[:, None] * bessel, LEAST_ACROSS)
            self._lateral.append(lateral)
            self._rings.append(bessel @ lateral)
            shapes.append((self._axial.shape[1], lateral.shape[1]))
            plane = self._pixels.planes(self._rings[-1].T, order, sine)
            sums.append(np.outer(self._along.sum(axis=0), plane.sum(axis=(1, 2))).ravel())
        self.sums = np.concatenate(sums)
        self.shapes = tuple(shapes)

    def _separate_ball(self) -> None:
        """Write the ball as few products of a function of f and one of k, for `hessian`."""
        left, values, right = np.linalg.svd(self.ball)
        kept = range(max(1, int((values > 1e-3 * values[0]).sum())))
        waves = self.waves_at(0.0)
        self._blurred = []
        for (order, _), lateral in zip(self.terms, self._lateral, strict=True):
            bessel = self._bessel[order]
            self._blurred.append(
                [
                    (
                        (waves * (left[:, i] * values[i])) @ self._axial,
                        (bessel * right[i]) @ lateral,
                    )
                    for i in kept
                ]
            )


def _bessel(order: int, argument: Floats) -> Floats:
    """Return J of that order; the first one by the faster function that it has of its own."""
    values: Floats = special.j0(argument) if order == 0 else special.jv(order, argument)
    return values


def _combinations(functions: Floats, least: float) -> Floats:
    """Return how the columns combine to orthonormal ones, leaving out what is all but 0."""
    _, values, right = np.linalg.svd(functions, full_matrices=False)
    kept = values > least * values[0]
    combined: Floats = right[kept].T / values[kept]
    return combined
