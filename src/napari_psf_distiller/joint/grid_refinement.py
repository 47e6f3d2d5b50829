"""A finer grid for a PSF whose spectrum goes on where the voxels' sampling ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.beyond_band import powers_beyond
from napari_psf_distiller.joint.basis.extension import WIDENING_FACTOR
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.misfit.sampling_edge import sampling_edge
from napari_psf_distiller.joint.start import MAX_SAMPLING, within_support
from napari_psf_distiller.joint.voxel_phases import resolved_sampling
from napari_psf_distiller.optics import Band, Support, limited_by_sampling

__all__ = ["RefinedPSF", "refined_psf", "unresolved_axes"]

Floats = NDArray[np.float64]

# A grid is refined where the spectrum's end is at least this part of its beginning, along z and in
# the plane; see `sampling_edge`. What is cut off there makes a PSF wider by several of its errors
# before it is worth a warning.
MIN_SPECTRUM_AT_LIMIT = (0.15, 0.02)


class RefinedPSF(NamedTuple):
    """A PSF on a finer grid.

    Attributes
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        (coefficients,): of the same PSF as before.
    """

    basis: FourierBessel
    coefficients: Floats


def refined_psf(
    basis: FourierBessel,
    coefficients: Floats,
    state: Linearised,
    centres: Floats,
    widths: Floats,
    bound: Support | None,
) -> RefinedPSF | None:
    """Return a PSF on a grid twice as fine along axes on which its spectrum has not ended.

    Parameters
    ----------
    basis : FourierBessel
        Of order 0 alone.
    coefficients : numpy.ndarray
        (coefficients,): of the PSF.
    state : Linearised
        At these coefficients.
    centres : numpy.ndarray
        (beads, 3), in voxels: of the beads that shape the PSF.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    bound : Support or None
        No frequencies are let in that it does not pass; None lets all in.

    Returns
    -------
    RefinedPSF or None
        None where the spectrum ends before the sampling does, or where the beads' places within
        their voxels cannot tell what is finer.
    """
    wanted = _wanted_sampling(basis, coefficients, state, widths)
    resolved = resolved_sampling(centres, wanted)
    z, y, x = (
        # A grid of which the present one's voxels are not whole parts would lose what it has.
        most if most == more else factor
        for factor, more, most in zip(basis.sampling, wanted, resolved, strict=True)
    )
    if (z, y, x) == basis.sampling:
        return None
    axial = basis.band.axial * (WIDENING_FACTOR if z > basis.sampling[0] else 1)
    # Pixels that are finer along one axis alone show no higher frequencies.
    finer = y > basis.sampling[1] and x > basis.sampling[2]
    lateral = basis.band.lateral * (WIDENING_FACTOR if finer else 1)
    band = within_support(Band(lateral, axial), bound)
    refined = FourierBessel(basis.window, basis.spacing, band, basis.diameter, sampling=(z, y, x))
    psf = basis.functions(coefficients).values(refined.grid_spacing, refined.shape, (0, 0, 0))
    return RefinedPSF(refined, refined.fitted(psf))


def unresolved_axes(
    basis: FourierBessel, coefficients: Floats, state: Linearised, centres: Floats, widths: Floats
) -> tuple[bool, bool, bool]:
    """Return along which axes a finer grid is called for that the beads' places cannot tell.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        (coefficients,): of the PSF.
    state : Linearised
        At these coefficients.
    centres : numpy.ndarray
        (beads, 3), in voxels: of the beads that shape the PSF.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    """
    wanted = _wanted_sampling(basis, coefficients, state, widths)
    z, y, x = (
        most < more for more, most in zip(wanted, resolved_sampling(centres, wanted), strict=True)
    )
    return z, y, x


def _wanted_sampling(
    basis: FourierBessel, coefficients: Floats, state: Linearised, widths: Floats
) -> list[int]:
    """Return voxels of the grid to one of the image's along each axis, with those called for."""
    going_on = _spectrum_goes_on(basis, coefficients, state, widths)
    return [
        2 * factor if on and 2 * factor <= MAX_SAMPLING else factor
        for factor, on in zip(basis.sampling, going_on, strict=True)
    ]


def _spectrum_goes_on(
    basis: FourierBessel, coefficients: Floats, state: Linearised, widths: Floats
) -> tuple[bool, bool, bool]:
    """Return along which axes a PSF's spectrum has not ended where its grid's sampling does.

    Either it is strong there, or the residuals have power beyond.
    """
    limited = limited_by_sampling(basis.band, basis.grid_spacing)
    if not any(limited):
        return False, False, False
    beyond = [power.significant for power in powers_beyond(basis, state, widths)]
    # That the errors could make as much does not show that there is nothing.
    psf = basis.psf(coefficients)
    z, y, x = sampling_edge(psf, np.zeros_like(psf))
    axial = limited[0] and (beyond[0] or z > MIN_SPECTRUM_AT_LIMIT[0])
    lateral = limited[1] and (beyond[1] or max(y, x) > MIN_SPECTRUM_AT_LIMIT[1])
    return axial, lateral, lateral
