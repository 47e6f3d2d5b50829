"""Whether the residuals show detail of higher frequencies than the PSF's band."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.bead_core import reach_in_voxels
from napari_psf_distiller.joint.linearised import Linearised

__all__ = ["PowerBeyond", "core_of_window", "powers_beyond"]

Floats = NDArray[np.float64]

# The residuals are looked at within this many widths of a bead to each side.
REACH_WIDTHS = 2.5

# And up to this many times the band's highest frequency, along z and in the plane.
MAX_FREQUENCY_RATIO = (1.6, 1.35)

# Values of the Fourier transform that are needed to tell a power.
MIN_VALUES = 12

# From this ratio to the noise's power on, and below this p-value, power beyond the band is
# significant.
MIN_POWER_RATIO, MAX_P_VALUE = 1.3, 1e-6

# Beads have detail up to the last frequency whose power is noise's with less probability than this.
MAX_P_VALUE_OF_REACH = 1e-4


class PowerBeyond(NamedTuple):
    """Power of the mean residual at the frequencies just beyond those that a PSF may have.

    Attributes
    ----------
    ratio : float
        Over that of noise; 1 where the sampling shows none.
    p_value : float
        Probability that noise alone made as much.
    limit : float
        The highest frequency that the PSF may have, in cycles a micrometre.
    reach : float
        The highest one at which there is more than noise, in cycles a micrometre; `limit` where
        there is none.
    """

    ratio: float
    p_value: float
    limit: float
    reach: float

    @property
    def significant(self) -> bool:
        """Whether beads have finer detail than the PSF may have."""
        return self.ratio > MIN_POWER_RATIO and self.p_value < MAX_P_VALUE


def powers_beyond(
    basis: FourierBessel, state: Linearised, widths: Floats
) -> tuple[PowerBeyond, PowerBeyond]:
    """Return the power of the mean residual beyond the band, along z and in the plane.

    Parameters
    ----------
    basis : FourierBessel
    state : Linearised
        The model's linearisation; its `stacked_residual` is looked at.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    """
    part = core_of_window(basis.shape, widths * basis.sampling, REACH_WIDTHS)
    known = np.maximum(state.stacked_weight[part].astype(np.float64), 1e-300)
    white = state.stacked_residual[part] / np.sqrt(known)
    power = np.abs(np.fft.fftn(white)) ** 2 / white.size
    sizes = basis.grid_spacing
    z, y, x = (np.fft.fftfreq(n, size) for n, size in zip(white.shape, sizes, strict=True))
    along = np.broadcast_to(np.abs(z)[:, None, None], power.shape)
    across = np.broadcast_to(np.hypot(y[:, None], x)[None], power.shape)
    lateral, axial = basis.band
    steps = [1 / (n * size) for n, size in zip(white.shape, sizes, strict=True)]
    in_plane, in_depth = across <= lateral, along <= axial
    return (
        _power(power[in_plane], along[in_plane], axial, MAX_FREQUENCY_RATIO[0], steps[0]),
        _power(power[in_depth], across[in_depth], lateral, MAX_FREQUENCY_RATIO[1], max(steps[1:])),
    )


def _power(
    power: Floats, frequency: Floats, limit: float, farthest: float, step: float
) -> PowerBeyond:
    """Return what there is beyond a limit.

    Parameters
    ----------
    power, frequency : numpy.ndarray
        Of some values of a transform, of which noise has 1 each in the mean.
    limit : float
    farthest : float
        The power is added up to so many times the limit.
    step : float
        Frequencies within so much are looked at together.
    """
    beyond = frequency > limit
    chosen = power[beyond & (frequency <= farthest * limit)]
    if chosen.size < MIN_VALUES:
        return PowerBeyond(1.0, 1.0, limit, limit)
    total = float(chosen.sum())
    bins = ((frequency[beyond] - limit) / step).astype(int)
    sums, counts = np.bincount(bins, power[beyond]), np.bincount(bins)
    # Each number comes twice, as the residuals are real; two of them are real and imaginary part.
    rare = (counts >= MIN_VALUES) & (stats.chi2.sf(sums, counts) < MAX_P_VALUE_OF_REACH)
    seen = np.flatnonzero(rare & (sums > MIN_POWER_RATIO * counts))
    reach = limit + step * (int(seen[-1]) + 1) if len(seen) else limit
    highest = float(frequency.max())
    return PowerBeyond(
        total / chosen.size,
        float(stats.chi2.sf(total, chosen.size)),
        limit,
        min(reach, max(highest, limit)),
    )


def core_of_window(window: tuple[int, ...], widths: Floats, reach: float) -> tuple[slice, ...]:
    """Return the part of a window about its middle.

    Parameters
    ----------
    window : tuple of int
        (Z, Y, X) voxels.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    reach : float
        In widths to each side.
    """
    halves = reach_in_voxels(widths, reach)
    return tuple(
        slice(max(n // 2 - half, 0), min(n // 2 + half + 1, n))
        for n, half in zip(window, halves, strict=True)
    )
