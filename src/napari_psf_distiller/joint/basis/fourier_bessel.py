"""PSFs as sums of Bessel functions in the plane and of waves along the axis, limited to a band."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.joint.basis.bead_functions import BeadFunctions
from napari_psf_distiller.joint.basis.rings import Rings
from napari_psf_distiller.joint.basis.terms import MAX_COMBINATIONS, Term
from napari_psf_distiller.joint.basis.voxel_functions import VoxelFunctions, bessel, waves_along
from napari_psf_distiller.joint.basis.voxel_psf import PSFOnGrid, VoxelPSF
from napari_psf_distiller.optics import Band, ball_form_factor
from napari_psf_distiller.psf import FittedFunctions

__all__ = ["FourierBessel"]

Floats = NDArray[np.float64]

# Frequencies stand this many times closer than the window's extent asks for, so that what is
# periodic in the sum lies outside the window.
OVERSAMPLING = 1.25

# Weights of a frequency and its neighbours, in a spectrum's power.
POWER_SMOOTHING = (0.25, 0.5, 0.25)


class FourierBessel:
    """The functions that a PSF, and the image of a bead, are sums of.

    At the distance r and the angle phi from the optical axis and z along it they are
    ``J_m(2 pi k r) cos(m phi)``, or the sine, times ``cos(2 pi f z)``, or the sine, with k and f
    within the optics' band: an image that the optics can have made, as a sum over angular orders m.
    One of these functions shifted by a fraction of a voxel is computed, not interpolated, and
    convolving it with a ball multiplies it by a number.

    Many of these functions are all but the same inside the window. So a PSF is described by the
    *coefficients* of few combinations of them, orthonormal in each term; `bead_spectrum` turns
    these into the *spectrum*, the amplitudes of all functions, of the image of a bead.

    The PSF is described on a *grid* whose voxels may be finer than the image's, so that it may have
    higher frequencies than these can show: see `voxel_functions` for what the image's voxels see.

    Parameters
    ----------
    window : sequence of int
        (Z, Y, X) voxels of the image, odd; Z is 1 for a plane.
    spacing : sequence of float
        The image's voxel size in micrometres.
    band : Band
    diameter : float
        The bead's, in micrometres; 0 is a point.
    orders : sequence of int
        The angular orders m; without repetition, 0 first.
    envelope : numpy.ndarray, optional
        (Z, rings): the prior variance of the orders beyond 0; see `envelope`. Their coefficients
        are then those of the combinations with the largest prior variance; without it, of all.
    most : int
        Combinations that are kept of each term with an envelope, at most.
    sampling : sequence of int
        Voxels of the PSF's grid to one of the image's, along z, y and x.
    alike : bool
        Whether an order's cosine and sine have the same combinations, so that what turns with the
        place has one set of coefficients. On rings of few pixels they are not quite orthonormal
        then.

    Attributes
    ----------
    shape : tuple of int
        (Z, Y, X) voxels of the PSF's grid, odd.
    grid_spacing : tuple of float
        Size of these in micrometres.
    voxel_functions : VoxelFunctions
        What the image's voxels see.
    bead_functions : BeadFunctions
        What a bead's image says of the coefficients.
    parts : list of Term
        The terms' functions.
    waves, radial : numpy.ndarray
        The frequencies f (sines are negative) and k, in cycles a micrometre.
    terms : tuple of (int, bool)
        Each order with cosine, and with sine (True) where it is not 0.
    sizes : tuple of int
        Number of each term's coefficients.
    size : int
        Number of all coefficients.
    sums : numpy.ndarray
        (size,): what each coefficient adds to the PSF's sum over the image's voxels.
    """

    def __init__(
        self,
        window: Sequence[int],
        spacing: Sequence[float],
        band: Band,
        diameter: float = 0.0,
        orders: Sequence[int] = (0,),
        envelope: Floats | None = None,
        most: int = MAX_COMBINATIONS,
        sampling: Sequence[int] = (1, 1, 1),
        *,
        alike: bool = False,
    ) -> None:
        self.window = tuple(int(n) for n in window)
        self.spacing = tuple(float(s) for s in spacing)
        self.sampling = tuple(int(n) for n in sampling)
        # Beads lie up to half a voxel off the image's: this many of the grid's voxels.
        self.shape = tuple(
            factor * (n - 1) + 1 + 2 * (factor // 2) if n > 1 else 1
            for n, factor in zip(self.window, self.sampling, strict=True)
        )
        self.grid_spacing = tuple(
            size / factor for size, factor in zip(self.spacing, self.sampling, strict=True)
        )
        self.band, self.diameter, self.orders = band, float(diameter), tuple(orders)
        self.terms = tuple(
            (m, sine) for m in self.orders for sine in ((False, True) if m else (False,))
        )
        self._pixels = Rings(self.shape[1:], self.grid_spacing[1:])
        radii = self._pixels.radii
        self.waves = self._wave_frequencies()
        extent = float(radii[-1])
        count = math.ceil(2 * OVERSAMPLING * extent * band.lateral) + 2
        self.radial = np.linspace(0.0, band.lateral, count)
        places = 2 * np.pi * radii[:, None] * self.radial
        self._bessel = {order: bessel(order, places) for order in self.orders}
        waves = self._waves_at(0.0)
        self.parts: list[Term] = []
        for order, sine in self.terms:
            if alike and sine:
                self.parts.append(self.parts[-1])
                continue
            weights = self._pixels.weights(order, None if alike else sine)
            within = envelope if order else None
            self.parts.append(Term(waves, self._bessel[order], weights, within, most))
        self.sizes = tuple(part.size for part in self.parts)
        self.size = sum(self.sizes)
        self.sums = np.concatenate([self._sums(term) for term in range(len(self.terms))])
        frequency = np.hypot(self.waves[:, None], self.radial[None])
        self.ball = ball_form_factor(frequency, self.diameter)
        self.voxel_functions = VoxelFunctions(
            self.window,
            self.spacing,
            self.grid_spacing,
            self.waves,
            self.radial,
            self.terms,
            self.ball,
        )
        self.bead_functions = BeadFunctions(
            self.parts,
            self._pixels,
            self._waves_at(0.0),
            self.ball,
            self.voxel_functions.links,
            self._bessel_at_rings,
            self.sampling[0],
        )

    @property
    def on_voxels(self) -> PSFOnGrid:
        """The PSF on the image's voxels."""
        return self if self.sampling == (1, 1, 1) else VoxelPSF(self)

    def prior_variances_of(self, term: int) -> Floats:
        """Return the prior variances of a term's coefficients; see `Term.prior_variances`.

        Raises
        ------
        ValueError
            The term was made without one.
        """
        expected = self.parts[term].prior_variances
        if expected is None:
            raise ValueError(f"The term {self.terms[term]} was made without an envelope.")
        return expected

    def odd(self, term: int) -> NDArray[np.bool_]:
        """Return which of a term's coefficients are odd along z; see `Term.odd`.

        Raises
        ------
        ValueError
            The term was made without an envelope.
        """
        odd = self.parts[term].odd
        if odd is None:
            raise ValueError(f"The term {self.terms[term]} is not kept within an envelope.")
        return odd

    def split(self, coefficients: Floats) -> list[Floats]:
        """Return each term's coefficients."""
        return np.split(coefficients, np.cumsum(self.sizes)[:-1])

    def _expanded(self, coefficients: Floats) -> list[Floats]:
        """Return each term's coefficients as a matrix: along the axis, in the plane."""
        parts = zip(self.parts, self.split(coefficients), strict=True)
        return [term.expanded(part) for term, part in parts]

    def _waves_at(self, displacement: float) -> Floats:
        """Return the waves along the grid's axis, displaced by voxels of it: (Z, waves)."""
        n = self.shape[0]
        places = np.arange(n) - n // 2 - displacement
        return waves_along(self.waves, self.grid_spacing[0], places)

    def bead_spectrum(self, coefficients: Floats) -> Floats:
        """Return the spectrum of a bead's image with this PSF: the amplitude of each function.

        Parameters
        ----------
        coefficients : numpy.ndarray
            (size,)

        Returns
        -------
        numpy.ndarray
            (waves, columns); see `VoxelFunctions.bead_spectrum`.
        """
        return self.voxel_functions.bead_spectrum(self.psf_amplitudes(coefficients))

    def psf_amplitudes(self, coefficients: Floats) -> list[Floats]:
        """Return the amplitude of each function in the PSF: of each term, (waves, radial)."""
        return [
            term.axial @ part @ term.lateral.T
            for term, part in zip(self.parts, self._expanded(coefficients), strict=True)
        ]

    def bead_spectrum_adjoint(self, spectrum: Floats) -> Floats:
        """Return the adjoint of `bead_spectrum`: (size,)."""
        found = self.voxel_functions.bead_spectrum_adjoint(spectrum)
        return np.concatenate(
            [
                term.reduced(term.axial.T @ part @ term.lateral)
                for term, part in zip(self.parts, found, strict=True)
            ]
        )

    def psf(self, coefficients: Floats, displacement: float = 0.0) -> Floats:
        """Return the PSF on the window's voxels, float64, displaced along z (in voxels)."""
        result = np.zeros(self.shape)
        waves = self._waves_at(displacement)
        for angular, term, part in zip(
            self.terms, self.parts, self._expanded(coefficients), strict=True
        ):
            values = waves @ term.axial @ part @ term.ring_values.T
            result += self._pixels.planes(values, *angular)
        return result

    def functions(self, coefficients: Floats) -> FittedFunctions:
        """Return the functions that the PSF is the sum of, which have a value at every place."""
        nz, ny, nx = self.shape
        sz, sy, sx = self.grid_spacing
        return FittedFunctions(
            waves=self.waves,
            radial=self.radial,
            terms=self.terms,
            amplitudes=np.array(self.psf_amplitudes(coefficients)),
            spacing=(sz, sy, sx),
            window=(nz, ny, nx),
            centre=(0.0, 0.0, 0.0),
            clip=False,
        )

    def value_at_middle(self, coefficients: Floats, displacement: float) -> float:
        """Return the PSF in the middle of the window when it is displaced along z, in voxels."""
        # Orders beyond 0 are 0 on the axis.
        symmetric = self.parts[0]
        middle = self._waves_at(displacement)[self.shape[0] // 2] @ symmetric.axial
        return float(
            middle @ symmetric.expanded(self.split(coefficients)[0]) @ symmetric.ring_values[0]
        )

    def bead(self, coefficients: Floats) -> Floats:
        """Return the image of a bead at the window's centre with this PSF, float64."""
        functions = self.voxel_functions
        spectrum = functions.bead_spectrum(self.psf_amplitudes(coefficients))
        waves = functions.waves_at(0.0)
        pixels, values = self._pixels, self._bessel
        if self.sampling != (1, 1, 1):
            pixels = Rings(functions.window[1:], functions.spacing[1:])
            places = 2 * np.pi * pixels.radii[:, None] * self.radial
            values = {order: bessel(order, places) for order in functions.orders}
        result = np.zeros(functions.window)
        for (order, sine), part in zip(
            functions.terms, np.split(spectrum, len(functions.terms), axis=1), strict=True
        ):
            result += pixels.planes(waves @ part @ values[order].T, order, sine)
        return result

    def total(self, coefficients: Floats) -> float:
        """Return the PSF's sum over the image's voxels."""
        return float(self.sums @ coefficients)

    def fitted(self, array: NDArray[np.floating]) -> Floats:
        """Return the adjoint of `psf`: of the order 0 alone, the sum nearest to an array."""
        return np.concatenate(
            [
                term.reduced(
                    term.axial_values.T @ self._pixels.sums(array, *angular) @ term.ring_values
                )
                for angular, term in zip(self.terms, self.parts, strict=True)
            ]
        )

    def projected(self, other: FourierBessel, coefficients: Floats, planes: int = 0) -> Floats:
        """Return the coefficients of the PSF that another sum is, as near as these functions come.

        Parameters
        ----------
        other : FourierBessel
            A basis of the same window and spacing. Orders that it does not have are 0,
            and those that these functions do not have are left out.
        coefficients : numpy.ndarray
            (other.size,)
        planes : int
            By which the PSF is displaced along z; what enters at the window's end is 0.

        Returns
        -------
        numpy.ndarray
            (size,)
        """
        # Term by term: on the square grid of pixels, orders that differ by multiples of 4 are not
        # orthogonal to one another, which the functions of one term are.
        waves = other._waves_at(0.0)
        parts = dict(
            zip(
                other.terms,
                zip(other.parts, other._expanded(coefficients), strict=True),
                strict=True,
            )
        )
        found = []
        for angular, term in zip(self.terms, self.parts, strict=True):
            if angular not in parts:
                found.append(np.zeros(term.size))
                continue
            old, part = parts[angular]
            values = np.roll(waves @ old.axial @ part @ old.ring_values.T, planes, axis=0)
            if planes:
                values[slice(None, planes) if planes > 0 else slice(planes, None)] = 0
            weighted = values * term.ring_weights
            found.append(term.reduced(term.axial_values.T @ weighted @ term.ring_values))
        return np.concatenate(found)

    def profile_gradient(
        self, axis: int, displacement: float = 0.0, through: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """Return the voxels of a line along an axis, and its derivative by coefficients.

        Parameters
        ----------
        axis : int
        displacement : float
            By which the PSF is displaced along z, in voxels.
        through : sequence of int, optional
            A voxel on the line, (z, y, x); without it the window's middle.

        Returns
        -------
        numpy.ndarray
            Positions along the axis, in voxels about the window's middle.
        numpy.ndarray
            (positions, size): the PSF there is this times the coefficients.
        """
        n = self.shape[axis]
        middle = [m // 2 for m in self.shape]
        voxel = middle if through is None else list(through)
        z, y, x = (slice(None) if a == axis else voxel[a] for a in range(3))
        number = np.atleast_1d(self._pixels.number[y, x])
        waves = np.atleast_2d(self._waves_at(displacement)[z])
        parts = []
        for (order, sine), term in zip(self.terms, self.parts, strict=True):
            across = term.ring_values[number]
            if order:
                angular = np.atleast_1d(self._pixels.angular_factor(order, sine)[y, x])
                across = across * angular[:, None]
            # Either there are many planes and one pixel, or one plane and many pixels.
            block = (waves @ term.axial)[:, :, None] * across[:, None, :]
            parts.append(term.reduced(block))
        positions = np.arange(n) - middle[axis]
        return positions.astype(np.float64), np.concatenate(parts, axis=1)

    def variance(self, factors: Sequence[Floats], displacement: float = 0.0) -> Floats:
        """Return the variance of each voxel of the PSF.

        Parameters
        ----------
        factors : sequence of numpy.ndarray
            For each term, R with the covariance of its coefficients ``R R^T``.
        displacement : float
            By which the PSF is displaced along z, in voxels.
        """
        result = np.zeros(self.shape)
        waves = self._waves_at(displacement)
        for (order, sine), term, factor in zip(self.terms, self.parts, factors, strict=True):
            plane = self._pixels.planes(term.variance(waves, factor))
            angular = self._pixels.angular_factor(order, sine) if order else 1.0
            result += plane * angular**2
        return result

    def envelope(self, coefficients: Floats) -> Floats:
        """Return the envelope of a PSF's orders beyond 0: a prior variance of their values.

        A PSF is nowhere negative. So its orders beyond 0 are nowhere more than twice its mean
        around the axis, and that mean, squared, is the envelope; between the PSF's dark rings the
        envelope is as bright as the rings are.

        Parameters
        ----------
        coefficients : numpy.ndarray
            (size,)

        Returns
        -------
        numpy.ndarray
            (Z, rings)
        """
        symmetric = self.parts[0]
        mean = (
            symmetric.axial_values
            @ symmetric.expanded(self.split(coefficients)[0])
            @ symmetric.ring_values.T
        )
        # Over half a period of the highest frequencies.
        radii = self._pixels.radii
        near = np.abs(radii[:, None] - radii) < 0.5 / self.band.lateral
        square: Floats = mean**2 @ (near / near.sum(axis=1, keepdims=True)).T
        if self.shape[0] > 1:
            reach = 0.5 / (self.band.axial * self.grid_spacing[0])
            square = ndimage.gaussian_filter1d(square, reach / 2, axis=0, mode="nearest")
        return square

    def power(self, coefficients: Floats) -> Floats:
        """Return the power of a PSF's spectrum at each frequency, added up over all orders.

        Aberrations move light between angular orders, but not beyond the optics' support: where one
        order has power, the others may. Power is the same at a frequency f along z and at -f, so
        that what is even in z and what is odd have the same, since an aberration may be either.

        Parameters
        ----------
        coefficients : numpy.ndarray
            (size,)

        Returns
        -------
        numpy.ndarray
            (waves, radial), symmetric along the waves, smoothed over neighbouring frequencies,
            which stand closer than the window can tell.
        """
        power = np.zeros((len(self.waves), len(self.radial)))
        for term, part in zip(self.parts, self._expanded(coefficients), strict=True):
            power += (term.axial @ part @ term.lateral.T) ** 2
        power = (power + power[::-1]) / 2
        for axis in (0, 1):
            power = ndimage.correlate1d(power, POWER_SMOOTHING, axis=axis, mode="nearest")
        return power

    def covariance(self, power: Floats, term: int) -> Floats:
        """Return the covariance of a term's coefficients by a spectrum; see `Term.covariance`."""
        return self.parts[term].covariance(power)

    def _wave_frequencies(self) -> Floats:
        n = self.shape[0]
        if n == 1:
            return np.zeros(1)
        count = math.ceil(OVERSAMPLING * n * self.grid_spacing[0] * self.band.axial) + 1
        return np.linspace(-self.band.axial, self.band.axial, 2 * count + 1)

    def _sums(self, term: int) -> Floats:
        """Return what each of a term's coefficients adds to the PSF's sum."""
        part = self.parts[term]
        plane = self._pixels.planes(part.ring_values.T, *self.terms[term])
        sums = np.outer(part.axial_values.sum(axis=0), plane.sum(axis=(1, 2)))
        # The image has fewer voxels, in which the values are the same.
        return part.reduced(sums / math.prod(self.sampling))

    def _bessel_at_rings(self, order: int) -> Floats:
        """Return an order's functions on the rings, (rings, radial)."""
        if order not in self._bessel:
            places = 2 * np.pi * self._pixels.radii[:, None] * self.radial
            self._bessel[order] = bessel(order, places)
        return self._bessel[order]
