"""How a PSF's halo and the background trade for each other in the beads' windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.model.positions import BeadPositions

__all__ = ["BackgroundCoupling", "BackgroundOverlap"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class BackgroundOverlap(NamedTuple):
    """What of the background meets one bead's window.

    Attributes
    ----------
    moments : numpy.ndarray
        (4, 4): of the background's value at the bead and its slopes, in the window's share,
    own : numpy.ndarray or None
        (2, coefficients): of the bead's light with the value and with the slope along z, there,
    whole : numpy.ndarray or None
        and in all of the window. None where the bead does not shape the PSF.
    """

    moments: Floats
    own: Floats | None
    whole: Floats | None


class BackgroundCoupling:
    """The parts of the matrix of half of chi squared that have to do with the background.

    Parameters
    ----------
    basis : FourierBessel
    places : BeadPositions
    displaced : numpy.ndarray
        See `FourierBessel.displacement_gram`.
    elsewhere : numpy.ndarray
        The background's precision by what lies outside all windows.

    Attributes
    ----------
    precision : numpy.ndarray
        The background's,
    coupling : numpy.ndarray
        and between the background and the PSF's symmetric part.

    Notes
    -----
    Where windows overlap, the halos add up to a haze that the background meets as a whole. That the
    beads' light meets itself there is not in the PSF's precision: for beads that lie anywhere it is
    in the mean what haze and background have in common. So that must not be taken from the
    precision; `schur_term` is what the background takes from each window's own share.
    """

    def __init__(
        self, basis: FourierBessel, places: BeadPositions, displaced: Floats, elsewhere: Floats
    ) -> None:
        self._basis, self._places, self._displaced = basis, places, displaced
        self._planes = np.arange(basis.window[0]) - basis.window[0] // 2
        self.precision, self._own_precision = elsewhere.copy(), elsewhere.copy()
        shape = len(elsewhere), basis.sizes[0]
        self.coupling, self._own_coupling = np.zeros(shape), np.zeros(shape)

    def met(
        self, bead: int, weight: Array, share: Array | None, brightness: float
    ) -> BackgroundOverlap:
        """Return what meets in a bead's window.

        Parameters
        ----------
        bead : int
        weight : numpy.ndarray
            Of the window's voxels in the image.
        share : numpy.ndarray or None
            Which part of them is this window's; see `Surroundings.shares`.
        brightness : float
            0 where the bead does not shape the PSF.
        """
        shared = weight if share is None else weight * share
        moments = self._places.moments(bead, shared)
        if not brightness:
            return BackgroundOverlap(moments, None, None)
        whole = self._of_light(bead, weight, brightness)
        own = whole if share is None else self._of_light(bead, shared, brightness)
        return BackgroundOverlap(moments, own, whole)

    def _of_light(self, bead: int, weight: Array, brightness: float) -> Floats:
        """Return what the bead's light has to do with the background's value and its slope."""
        window = np.zeros(self._basis.window, np.float32)
        np.multiply(weight, np.float32(brightness), out=window[self._places.inside[bead]])
        off = self._planes - self._places.displaced[bead, 0]
        along = np.stack([np.ones_like(off), off])
        return self._basis.bead_adjoint(window, 0, self._displaced, planes=along)

    def add(self, bead: int, met: BackgroundOverlap) -> None:
        """Count a bead in."""
        told = self._places.weighted_residual[bead]
        # Few of the background's coefficients have to do with one place.
        near = np.flatnonzero(told.any(axis=0))
        told, square = told[:, near], np.ix_(near, near)
        self.precision[square] += told.T @ met.moments @ told
        self._own_precision[square] += told[:2].T @ met.moments[:2, :2] @ told[:2]
        if met.own is not None and met.whole is not None:
            self.coupling[near] += told[:2].T @ met.whole
            self._own_coupling[near] += told[:2].T @ met.own

    @property
    def schur_term(self) -> Floats:
        """What of the precision of the PSF's symmetric part the background takes."""
        factor = linalg.cho_factor(self._own_precision, check_finite=False)
        through = linalg.cho_solve(factor, self._own_coupling, check_finite=False)
        lost: Floats = self._own_coupling.T @ through
        return lost
