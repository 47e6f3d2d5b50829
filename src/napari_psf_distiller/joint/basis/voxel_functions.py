"""The functions that a bead's image is a sum of, on the voxels of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_psf_distiller.psf.pixel_filter import TermLink, pixel_cosines, pixel_links

__all__ = ["VoxelFunctions", "bessel", "waves_along"]

Floats = NDArray[np.float64]

# Steps a pixel of the PSF's grid of the tables of Bessel functions. By straight lines between them
# a function of the highest frequency that such pixels can sample is known to 0.1 % of its maximum.
TABLE_STEPS_PER_PIXEL = 32

# Of larger pixels' filter, cosines of the direction that are nowhere more than this part of 1 are
# left out.
LEAST_COSINE = 2e-3


class VoxelFunctions:
    """What an image's voxels see of the functions that a PSF is a sum of; a `PSFBasis`.

    Where the PSF's grid is finer than the image's, a pixel takes the light of several of the
    grid's, which is not the same in all directions: a term of the PSF adds to terms of higher
    orders. Where both grids are the same, so are the functions.

    Parameters
    ----------
    window : sequence of int
        (Z, Y, X) of the image's voxels.
    spacing : sequence of float
        The image's, (z, y, x) in micrometres.
    grid_spacing : sequence of float
        The PSF's grid's.
    waves, radial : numpy.ndarray
        Frequencies of the functions in cycles a micrometre; see `FourierBessel`.
    terms : sequence of (int, bool)
        The PSF's.
    ball : numpy.ndarray
        (waves, radial): by which a bead multiplies each frequency.

    Attributes
    ----------
    orders : tuple of int
        The angular orders m, 0 first.
    terms : tuple of (int, bool)
        Each order with cosine, and with sine (True).
    links : list of TermLink
        What each of the PSF's terms adds to these.
    step : float
        Micrometres from one row of a table to the next.
    """

    def __init__(
        self,
        window: Sequence[int],
        spacing: Sequence[float],
        grid_spacing: Sequence[float],
        waves: Floats,
        radial: Floats,
        terms: Sequence[tuple[int, bool]],
        ball: Floats,
    ) -> None:
        self.window = tuple(int(n) for n in window)
        self.spacing = tuple(float(s) for s in spacing)
        self.waves, self.radial, self._ball = waves, radial, ball
        cosines = {0: np.ones(len(radial))}
        if tuple(grid_spacing[1:]) != self.spacing[1:]:
            cosines = pixel_cosines(radial, grid_spacing[1:], self.spacing[1:], LEAST_COSINE)
        self.links: list[TermLink] = pixel_links(terms, cosines)
        orders = dict.fromkeys(
            order for order, _ in (*terms, *(link.target for link in self.links))
        )
        self.orders = tuple(orders)
        self.terms = tuple((m, sine) for m in orders for sine in ((False, True) if m else (False,)))
        self._place = {term: index for index, term in enumerate(self.terms)}
        self._sources = len(terms)
        self.step = min(grid_spacing[1:]) / TABLE_STEPS_PER_PIXEL
        across, along = (n // 2 * size for n, size in zip(window[1:], spacing[1:], strict=True))
        self._reach = math.hypot(across, along) + 1.5 * max(self.spacing[1:])
        self._tables: dict[int, NDArray[np.float32]] = {}

    @property
    def columns(self) -> int:
        """Number of functions of the plane, of all terms."""
        return len(self.terms) * len(self.radial)

    @property
    def table_length(self) -> int:
        """Number of rows of a table."""
        return math.ceil(self._reach / self.step) + 2

    def table(self, order: int) -> NDArray[np.float32]:
        """Return the values of an order's functions, (table_length, radial).

        The order may be one that no term has. The rows are at multiples of `step` from the axis.
        """
        if order not in self._tables:
            places = np.arange(self.table_length) * self.step
            arguments = 2 * np.pi * places[:, None] * self.radial
            self._tables[order] = bessel(order, arguments).astype(np.float32)
        return self._tables[order]

    def table_rows_at(self, across: Floats, along: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Return where in the tables places in the plane lie, in micrometres from the axis.

        Returns
        -------
        numpy.ndarray
            The table's row before each place.
        numpy.ndarray
            The part of the way from that row to the next, between 0 and 1.
        """
        places = np.hypot(across, along) / self.step
        rows = places.astype(np.intp)
        return rows, places - rows

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
        return waves_along(self.waves, self.spacing[0], places, derivative=derivative)

    def bead_spectrum(self, amplitudes: Sequence[Floats]) -> Floats:
        """Return the amplitude of each function in the image of a bead.

        Parameters
        ----------
        amplitudes : sequence of numpy.ndarray
            Of each of the PSF's terms, (waves, radial); see `FourierBessel.psf_amplitudes`.

        Returns
        -------
        numpy.ndarray
            (waves, columns); the columns are the terms' functions of k, one term after the other.
        """
        parts = [np.zeros_like(self._ball) for _ in self.terms]
        for source, target, factor in self.links:
            parts[self._place[target]] += factor * amplitudes[source]
        return np.concatenate([self._ball * part for part in parts], axis=1)

    def bead_spectrum_adjoint(self, spectrum: Floats) -> list[Floats]:
        """Return the adjoint of `bead_spectrum`: for each of the PSF's terms, (waves, radial)."""
        parts = np.split(spectrum, len(self.terms), axis=1)
        found = [np.zeros_like(self._ball) for _ in range(self._sources)]
        for source, target, factor in self.links:
            found[source] += self._ball * factor * parts[self._place[target]]
        return found


def waves_along(
    waves: Floats, size: float, places: NDArray[np.floating], *, derivative: bool = False
) -> Floats:
    """Return waves at places along an axis, or their derivative by a displacement.

    Parameters
    ----------
    waves : numpy.ndarray
        (waves,): frequencies in cycles a micrometre; negative ones are sines.
    size : float
        Of a voxel, in micrometres.
    places : numpy.ndarray
        (..., places), in voxels.
    derivative : bool

    Returns
    -------
    numpy.ndarray
        (..., places, waves).
    """
    # A sine is a cosine a quarter of a period later.
    phase = 2 * np.pi * size * places[..., None] * waves
    phase -= np.where(waves < 0, np.pi / 2, 0)
    if derivative:
        inner = -2 * np.pi * waves * size
        result: Floats = -np.sin(phase) * inner
    else:
        result = np.cos(phase)
    return result


def bessel(order: int, argument: Floats) -> Floats:
    """Return J of that order; the first one by the faster function that it has of its own."""
    values: Floats = special.j0(argument) if order == 0 else special.jv(order, argument)
    return values
