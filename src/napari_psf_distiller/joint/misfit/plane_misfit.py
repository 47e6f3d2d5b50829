"""Whether single planes of an image are displaced, or brighter or darker than the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.joint.bead_core import reach_in_voxels
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["PlaneMisfit", "plane_misfit"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The planes' displacements are significant below this p-value.
MAX_P_VALUE = 1e-4

# With fewer planes there is nothing to compare.
MIN_PLANES = 4

# A slope from five voxels: the factors of those one and two voxels away.
SLOPE_FACTORS = (8 / 12, -1 / 12)


class PlaneMisfit(NamedTuple):
    """How planes differ from the model, in the root mean square, less what noise makes.

    Attributes
    ----------
    displaced : tuple of float
        Displacements along y and x, in voxels.
    flicker : float
        Changes of the brightness, as a part of it.
    relative_l2 : float
        The relative L2 error that the displacements make in a bead's image.
    p_value : float
        Probability that noise alone made the largest of the three.
    """

    displaced: tuple[float, float]
    flicker: float
    relative_l2: float
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether it is more than chance."""
        return self.p_value < MAX_P_VALUE


def plane_misfit(model: JointModel, widths: Floats, beads: Sequence[int]) -> PlaneMisfit | None:
    """Fit each plane's displacement and brightness to what the model leaves of the beads.

    Parameters
    ----------
    model : JointModel
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    beads : sequence of int

    Returns
    -------
    PlaneMisfit or None
        None where there are too few planes.

    Notes
    -----
    What all planes have in common at one depth below the beads is in the PSF. Since the beads lie
    at different depths by at least a part of a plane, and not all at whole ones, the rest of what a
    plane does alone is left to be seen.
    """
    shape = model.bead_image.intensity.shape
    if shape[0] < MIN_PLANES:
        return None
    information, gradients = np.zeros((shape[0], 3, 3)), np.zeros((shape[0], 3))
    reach = [shape[0], *reach_in_voxels(widths[1:])]
    squares = np.zeros(3)
    for bead in beads:
        box = model.positions.inner_box(bead, reach)
        light = model.light[box]
        residual, weight = model.weighted_residual(bead, box)
        rows = np.stack([light, -_slope(model.light, box, 1), -_slope(model.light, box, 2)])
        rows = rows.reshape(3, len(light), -1).astype(np.float64)
        flat = weight.reshape(len(light), -1)
        information[box[0]] += np.einsum("izp,zp,jzp->zij", rows, flat, rows)
        gradients[box[0]] += np.einsum("izp,zp->zi", rows, flat * residual.reshape(len(light), -1))
        squares += (rows**2).sum(axis=(1, 2)) / float((light.astype(np.float64) ** 2).sum())
    known = np.diagonal(information, axis1=1, axis2=2).min(axis=1) > 0
    if known.sum() < MIN_PLANES:
        return None
    inverse = np.linalg.inv(information[known])
    values = np.einsum("zij,zj->zi", inverse, gradients[known])
    variances = np.diagonal(inverse, axis1=1, axis2=2)
    # A plane counts by the beads' light in it.
    light_in = np.diagonal(information[known], axis1=1, axis2=2)
    excess = (light_in * (values**2 - variances)).sum(axis=0) / light_in.sum(axis=0)
    found = np.sqrt(np.maximum(excess, 0))
    chances = stats.chi2.sf((values**2 / variances).sum(axis=0), len(values))
    relative_l2 = float(np.sqrt((squares / max(len(beads), 1) * found**2)[1:].sum()))
    return PlaneMisfit(
        (float(found[1]), float(found[2])), float(found[0]), relative_l2, float(3 * chances.min())
    )


def _slope(image: Array, box: tuple[slice, ...], axis: int) -> Array:
    """Return the slope along an axis, in a part of an image; its sides go on beyond them."""
    n = image.shape[axis]
    places = np.arange(box[axis].start, box[axis].stop)

    part = image[tuple(slice(None) if a == axis else b for a, b in enumerate(box))]
    slope = np.zeros([b.stop - b.start for b in box], np.float32)
    for step, factor in enumerate(SLOPE_FACTORS, 1):
        for side in (1, -1):
            beside = np.clip(places + side * step, 0, n - 1)
            slope += np.float32(side * factor) * np.take(part, beside, axis=axis)
    return slope
