"""The residual that all beads have in common, and whether the optics forbid it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.joint.basis.beyond_band import (
    PowerBeyond,
    core_of_window,
    powers_beyond,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.bead_core import CORE_WIDTHS
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.misfit.bead_shapes import BeadShapes
from napari_psf_distiller.joint.misfit.lean import Lean

__all__ = ["CommonMisfit", "common_misfit"]

Floats = NDArray[np.float64]

# It is significant below this p-value.
MAX_P_VALUE = 1e-4


class CommonMisfit(NamedTuple):
    """The residual that all used beads have in common.

    Attributes
    ----------
    relative_l2 : float
        Its L2 norm relative to that of a bead's image, less what noise makes of it.
    ratio : float
        Its root mean square in a bead's core, in its own standard errors: 1 is noise.
    p_value : float
        Probability that noise alone made as much.
    beyond : tuple of PowerBeyond
        Its power at frequencies beyond the band, along z and in the plane.
    lean : Lean
        By how much the beads lean more than the PSF does.
    """

    relative_l2: float
    ratio: float
    p_value: float
    beyond: tuple[PowerBeyond, PowerBeyond]
    lean: Lean

    @property
    def significant(self) -> bool:
        """Whether it is not chance."""
        return self.p_value < MAX_P_VALUE


def common_misfit(
    basis: FourierBessel,
    coefficients: Floats,
    state: Linearised,
    shapes: BeadShapes,
    widths: Floats,
) -> CommonMisfit:
    """Measure the residual that all used beads have in common.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        The PSF's coefficients; its sum may be any.
    state : Linearised
        At these coefficients; its `stacked_residual` is looked at.
    shapes : BeadShapes
        The used beads' shapes.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.

    Notes
    -----
    Two measures: the mean of the beads' smooth patterns, which finds what is weak and wide, and the
    mean of their residuals voxel by voxel, which finds all. Within the band a PSF that is fitted to
    the end leaves nothing; where the microscope passes more than the band, that is left.
    """
    bead = basis.bead(coefficients)
    squares = float((bead**2).sum())
    core = core_of_window(basis.shape, widths * basis.sampling, CORE_WIDTHS)
    weighted = state.stacked_residual[core].astype(np.float64)
    known = np.maximum(state.stacked_weight[core].astype(np.float64), 1e-300)
    square = weighted**2 / known
    by_voxel = max(float(((square - 1) / known).sum()) / squares, 0)
    p_values = [float(stats.chi2.sf(square.sum(), square.size))]
    by_pattern, lean = 0.0, Lean((0.0, 0.0), (0.0, 0.0))
    if len(shapes.beads):
        precision = 1 / shapes.variances
        variance = 1 / precision.sum(axis=0)
        mean = (precision * shapes.coefficients).sum(axis=0) * variance
        by_pattern = max(float((mean**2 - variance).sum()), 0)
        p_values.append(float(stats.chi2.sf((mean**2 / variance).sum(), len(mean))))
        lean = _lean(shapes, mean, variance)
    return CommonMisfit(
        float(np.sqrt(max(by_voxel, by_pattern))),
        float(np.sqrt(square.mean())),
        min(1.0, len(p_values) * min(p_values)),
        powers_beyond(basis, state, widths),
        lean,
    )


def _lean(shapes: BeadShapes, mean: Floats, variance: Floats) -> Lean:
    """Return the lean of beads whose patterns have this mean.

    Of a Gaussian in its deviations u, ``u_z u_x`` times it is half of the pattern of the first
    order along z and x.
    """
    slopes, errors = [0.0, 0.0], [0.0, 0.0]
    for side, order in enumerate([(1, 1, 0), (1, 0, 1)]):
        if order in shapes.orders:
            index = shapes.orders.index(order)
            scale = 2 * shapes.deviations[1 + side] / shapes.deviations[0]
            slopes[side] = float(scale * mean[index])
            errors[side] = float(scale * np.sqrt(variance[index]))
    return Lean((slopes[0], slopes[1]), (errors[0], errors[1]))
