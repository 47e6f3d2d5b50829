"""Whether brighter beads are flatter: a camera that gives less for the brightest light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.joint.bead_core import inverse_information, reach_in_voxels
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["Compression", "find_compression"]

Floats = NDArray[np.float64]

# Beads that are needed to tell a slope over their amplitude.
MIN_BEADS = 6


class Compression(NamedTuple):
    """The part of the brightest light that is missing.

    Attributes
    ----------
    missing_fraction : float
        The part of the light at a mean bead's peak that is missing; negative where there is more.
    p_value : float
        Probability that noise alone makes as much seem to be missing.
    """

    missing_fraction: float
    p_value: float


def find_compression(model: JointModel, widths: Floats, beads: Sequence[int]) -> Compression | None:
    """Fit the square of each bead's light to its residual, and its slope over the amplitude.

    Parameters
    ----------
    model : JointModel
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    beads : sequence of int

    Returns
    -------
    Compression or None
        None where the beads are too few.

    Notes
    -----
    A response r of light I that is not proportional is ``r = I - c I^2`` to the second order. The
    PSF and the amplitudes, fitted to such beads, take up what it does to the mean of them; of a
    bead of amplitude A the part ``c (A - mean A)`` of the square is left. So the slope over the
    amplitude tells c. The beads' own scatter about it makes its error.
    """
    if len(beads) < MIN_BEADS:
        return None
    axes = [axis for axis, n in enumerate(model.bead_image.intensity.shape) if n > 1]
    reach = reach_in_voxels(widths)
    peak = float(model.basis.bead(model.coefficients).max())
    found, variances = np.zeros(len(beads)), np.zeros(len(beads))
    for row, bead in enumerate(beads):
        box = model.positions.inner_box(bead, reach)
        light = model.light[box].astype(np.float64)
        residual, weight = model.weighted_residual(bead, box)
        square = light**2 / (float(model.amplitudes[bead]) * peak)
        moved = [np.gradient(light, axis=axis) for axis in axes if light.shape[axis] > 1]
        rows = np.stack([square, light, np.ones_like(light), *moved]).reshape(3 + len(moved), -1)
        weighted = rows * weight.ravel().astype(np.float64)
        inverse = inverse_information(weighted @ rows.T)
        found[row] = inverse[0] @ (weighted @ residual.ravel())
        variances[row] = inverse[0, 0]
    brightness = model.amplitudes[list(beads)] / model.amplitudes[list(beads)].mean()
    own_variance = max(float(np.var(found) - np.median(variances)), 0.0)
    weights = 1 / (variances + own_variance)
    middle = np.average(brightness, weights=weights)
    scatter = float((weights * (brightness - middle) ** 2).sum())
    if not scatter > 0:
        return None
    slope = float((weights * (brightness - middle) * found).sum()) / scatter
    left = found - np.average(found, weights=weights) - slope * (brightness - middle)
    degrees_of_freedom = len(beads) - 2
    error = np.sqrt(float((weights * left**2).sum()) / degrees_of_freedom / scatter)
    return Compression(-slope, float(stats.t.sf(-slope / max(error, 1e-300), degrees_of_freedom)))
