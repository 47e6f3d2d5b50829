"""The part of the normal equations in which the background meets the PSF's halo."""

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
    """The weighted products of the background, as a plane, and of a bead's light in its window.

    Attributes
    ----------
    moments : numpy.ndarray
        (4, 4): products of the background's value at the bead and its slopes along z, y and x,
        over the window's share of the voxels.
    own : numpy.ndarray or None
        (2, coefficients of order 0): products of the bead's light with the background's value and
        with its slope along z, over the window's share. None where the bead does not shape the
        PSF.
    whole : numpy.ndarray or None
        The same products as `own`, but over all voxels of the window: they count those of the
        voxels that several windows cover once for each window.
    """

    moments: Floats
    own: Floats | None
    whole: Floats | None


class BackgroundCoupling:
    """The blocks of the curvature (half of chi squared's second derivative) with the background.

    Parameters
    ----------
    basis : FourierBessel
    positions : BeadPositions
    displacement_gram : numpy.ndarray
        See `BeadFunctions.displacement_gram`.
    elsewhere : numpy.ndarray
        The background's precision by what lies outside all windows, with its penalty.

    Attributes
    ----------
    precision : numpy.ndarray
        (background, background): B below.
    coupling : numpy.ndarray
        (background, coefficients of order 0): C below, of the field model's first mode.

    Notes
    -----
    In blocks of the PSF's symmetric part (order 0) and of the background the curvature is

    ::

        | A   C' |
        | C   B  |

    The preconditioner (see `Linearised`) solves it by the Schur complement ``A - C' B^-1 C``: what
    the image tells of the PSF once the background is free. Its A is summed up over the beads as if
    each stood alone: voxels where windows overlap enter once for each window by itself, without
    the products of one bead's light with another's. B and C, as the equations have them, count
    such a voxel's background once. For beads that lie anywhere, the products that A leaves out are
    in the mean what the background takes of the overlapping halos: both describe one smooth haze.
    So neither may be counted alone, and in the complement C and B are those of each window's own
    share of the voxels (`schur_term`): with the C above, the complement would lose more than A
    has and could become indefinite.
    """

    def __init__(
        self,
        basis: FourierBessel,
        positions: BeadPositions,
        displacement_gram: Floats,
        elsewhere: Floats,
    ) -> None:
        self._basis, self._positions = basis, positions
        self._displacement_gram = displacement_gram
        self._planes = (np.arange(basis.shape[0]) - basis.shape[0] // 2) / basis.sampling[0]
        self.precision, self._own_precision = elsewhere.copy(), elsewhere.copy()
        shape = len(elsewhere), basis.sizes[0]
        self.coupling, self._own_coupling = np.zeros(shape), np.zeros(shape)

    def overlap(
        self, bead: int, weight: Array, share: Array | None, amplitude: float
    ) -> BackgroundOverlap:
        """Return the products of background and light in a bead's window.

        Parameters
        ----------
        bead : int
        weight : numpy.ndarray
            float32: of the window's voxels in the image.
        share : numpy.ndarray or None
            Which part of these voxels is this window's; see `Surroundings.shares`. None is all.
        amplitude : float
            0 where the bead does not shape the PSF.
        """
        shared = weight if share is None else weight * share
        moments = self._positions.plane_moments(bead, shared)
        if not amplitude:
            return BackgroundOverlap(moments, None, None)
        whole = self._light_products(bead, weight, amplitude)
        own = whole if share is None else self._light_products(bead, shared, amplitude)
        return BackgroundOverlap(moments, own, whole)

    def _light_products(self, bead: int, weight: Array, amplitude: float) -> Floats:
        """Return the products of a bead's light with the background's value and slope along z."""
        window = np.zeros(self._basis.shape, np.float32)
        np.multiply(weight, np.float32(amplitude), out=window[self._positions.on_grid[bead]])
        offsets = self._planes - self._positions.off_grid[bead, 0]
        along = np.stack([np.ones_like(offsets), offsets])
        return self._basis.bead_functions.adjoint(window, 0, self._displacement_gram, planes=along)

    def add(self, bead: int, overlap: BackgroundOverlap) -> None:
        """Add a bead's window to the blocks."""
        design = self._positions.background_design[bead]
        # Few of the background's coefficients have to do with one place.
        near = np.flatnonzero(design.any(axis=0))
        design, square = design[:, near], np.ix_(near, near)
        self.precision[square] += design.T @ overlap.moments @ design
        self._own_precision[square] += design[:2].T @ overlap.moments[:2, :2] @ design[:2]
        if overlap.own is not None and overlap.whole is not None:
            weighted = self._positions.field_weights[bead, 0] * design[:2].T
            self.coupling[near] += weighted @ overlap.whole
            self._own_coupling[near] += weighted @ overlap.own

    @property
    def schur_term(self) -> Floats:
        """``C' B^-1 C`` of each window's own share: what the background takes from A; see Notes."""
        factor = linalg.cho_factor(self._own_precision, check_finite=False)
        through = linalg.cho_solve(factor, self._own_coupling, check_finite=False)
        term: Floats = self._own_coupling.T @ through
        return term
