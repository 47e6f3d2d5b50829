"""The voxels outside the beads' windows, and what they tell of an image's background."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.compute.threads import in_turn, slabs
from napari_psf_distiller.joint.image.background import NormalEquations
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.model.far_light import FAR_LIGHT_ERROR, FarLight
from napari_psf_distiller.joint.model.positions import BeadPositions, Slices, planes_of_box

__all__ = ["Surroundings", "SurroundingsFit", "dark_planes"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The voxels outside are looked at again where more than this share of the windows moved further
# than a voxel, or the background at any bead changed by this many standard deviations of the noise,
# as it decides which voxels are taken for something else than background.
MAX_MOVED_SHARE, MAX_LEVEL_CHANGE_SIGMAS = 0.1, 0.2

# A voxel this many standard deviations off the background is taken for something else.
OUTLIER_SIGMAS = 4.0

# Only planes tell of the background whose halo exceeds the dimmest plane's by no more than this
# part of the planes' range.
DARK_HALO_RANGE = 0.25

# The light that beads have beyond their windows is no more than so many times what theory says.
MAX_FAR_LIGHT = 1.5


class SurroundingsFit(NamedTuple):
    """What the voxels outside the windows tell.

    Attributes
    ----------
    equations : NormalEquations
        The background's; the weights are one over the variance of the camera's noise.
    far_light : FarLight or None
        The beads' light beyond their windows, as bright as it is seen to be.
    """

    equations: NormalEquations
    far_light: FarLight | None


class _LastFit(NamedTuple):
    """What was looked at last, and the equations that it gave.

    Attributes
    ----------
    positions : BeadPositions
    levels : numpy.ndarray
        (beads,): the background at the beads, in standard deviations of the noise.
    planes : numpy.ndarray
        bool, (Z,): which planes counted.
    found : SurroundingsFit
    """

    positions: BeadPositions
    levels: Floats
    planes: NDArray[np.bool_]
    found: SurroundingsFit


class Surroundings:
    """The voxels outside all windows, and those that several windows share.

    Parameters
    ----------
    bead_image : BeadImage
    """

    def __init__(self, bead_image: BeadImage) -> None:
        self._bead_image = bead_image
        self._last: _LastFit | None = None

    def shares(
        self, positions: BeadPositions, active_count: int, counts: Array
    ) -> list[Array | None]:
        """Return which part of each voxel belongs to each window, where active windows overlap.

        Parameters
        ----------
        positions : BeadPositions
        active_count : int
            The first this many beads are active.
        counts : numpy.ndarray
            float32, of the image's shape, 0 outside the windows: written over inside them, where it
            ends as the number of windows, of all beads, that cover a voxel.

        Returns
        -------
        list of (numpy.ndarray or None)
            For each active bead one over the number of active windows that cover each voxel of its
            own; None where that is 1 everywhere.
        """
        boxes, parts = positions.boxes, slabs(len(counts))

        def count(slab: slice) -> None:
            for box in boxes:
                counts[planes_of_box(box, slab)] = 0
            for box in boxes[:active_count]:
                counts[planes_of_box(box, slab)] += 1

        def count_others(slab: slice) -> None:
            for box in boxes[active_count:]:
                counts[planes_of_box(box, slab)] += 1

        def share(box: Slices) -> Array | None:
            covering = counts[box]
            return np.float32(1) / covering if covering.max() > 1 else None

        in_turn(count, parts)
        shares = in_turn(share, boxes[:active_count])
        in_turn(count_others, parts)
        return shares

    def fit(
        self,
        positions: BeadPositions,
        background: Floats,
        counts: Array,
        halo: Floats,
        far_light: FarLight | None = None,
    ) -> SurroundingsFit:
        """Return the normal equations of the background's fit to the voxels outside the windows.

        Where nothing changed that matters since the last time, these are the equations of then.

        Parameters
        ----------
        positions : BeadPositions
        background : numpy.ndarray
            The background's coefficients so far.
        counts : numpy.ndarray
            float32, of the image's shape: how many windows cover each voxel; see `shares`.
        halo : numpy.ndarray
            (Z,): how bright the beads' light is at their windows' sides.
        far_light : FarLight, optional
            The beads' light beyond their windows, which is subtracted, as much of it as is seen.
            Without it planes in which the halo is much more than in others are left out: the halo
            goes on beyond the windows there, and would be taken for background.
        """
        bead_image = self._bead_image
        planes = dark_planes(halo) if far_light is None else np.ones(len(halo), bool)
        levels = positions.background_at_centres(background)
        deviation = np.sqrt(bead_image.variance(levels.astype(np.float32)))
        levels = levels / deviation.astype(np.float64)
        if self._last is None or _differ(self._last, positions, levels, planes):
            found = self._looked_at(background, counts, planes, far_light)
            self._last = _LastFit(positions, levels, planes, found)
        return self._last.found

    def _looked_at(
        self,
        background: Floats,
        counts: Array,
        planes: NDArray[np.bool_],
        far_light: FarLight | None,
    ) -> SurroundingsFit:
        """Return what the voxels outside the windows tell, in the planes that count; see `fit`."""
        bead_image, spline = self._bead_image, self._bead_image.background
        weighted_far: list[Array] = [np.empty(0, np.float32)] * len(planes)
        products, squares = np.zeros(len(planes)), np.zeros(len(planes))

        def sampled(z: int, step: int) -> tuple[Array, Array]:
            part = slice(None, None, step)
            plane = bead_image.intensity[z, part, part]
            level = spline.plane(background, z, part, part)
            if far_light is not None:
                far = far_light.of_plane(z, step)
                level += np.float32(far_light.scale) * far
            weights, residual = np.float32(1) / bead_image.variance(level), plane - level
            is_background = residual * residual * weights < OUTLIER_SIGMAS**2
            is_background &= counts[z, part, part] == 0
            is_background &= planes[z]
            weights *= is_background * bead_image.independent_fraction
            bead_image.mask_and_censor((slice(z, z + 1), part, part), residual[None], weights[None])
            residual = weights * residual
            if far_light is not None:
                weighted_far[z] = weights * far
                products[z], squares[z] = np.vdot(residual, far), np.vdot(weighted_far[z], far)
            return weights, residual

        equations = spline.normal_equations(background, sampled)
        # Where no voxel counts, it stays about what it is.
        precision = spline.weak_precision
        matrix = equations.matrix + precision * np.eye(len(background))
        vector = equations.vector + precision * background
        if far_light is None:
            return SurroundingsFit(NormalEquations(matrix, vector), None)
        # How bright it is, whatever the background is.
        coupling = spline.sums(weighted_far)
        whole = matrix + spline.penalty
        through = linalg.solve(whole, coupling, assume_a="pos")
        gain = products.sum() - through @ (vector - whole @ background)
        gain += (1 - far_light.scale) / FAR_LIGHT_ERROR**2
        information = squares.sum() - through @ coupling + FAR_LIGHT_ERROR**-2
        scale = float(np.clip(far_light.scale + gain / information, 0, MAX_FAR_LIGHT))
        logger.debug(
            "joint fit: the light beyond the windows is %.3g times theory's, +- %.2g",
            scale,
            information**-0.5,
        )
        vector = vector - (scale - far_light.scale) * coupling
        return SurroundingsFit(NormalEquations(matrix, vector), far_light.scaled(scale))

    def invalidate(self) -> None:
        """Look again the next time, whatever moved: the windows have another size."""
        self._last = None


def dark_planes(halo: Floats) -> NDArray[np.bool_]:
    """Return which planes tell of the background, by the beads' halo in each, (Z,)."""
    dark: NDArray[np.bool_] = halo <= halo.min() + DARK_HALO_RANGE * np.ptp(halo)
    return dark


def _differ(
    last: _LastFit, positions: BeadPositions, levels: Floats, planes: NDArray[np.bool_]
) -> bool:
    """Return whether the last fit's equations do not hold any more."""
    if len(last.positions) != len(positions) or (last.planes != planes).any():
        return True
    moved = (np.abs(last.positions.nearest - positions.nearest).max(axis=1) > 1).mean()
    return bool(
        moved > MAX_MOVED_SHARE or np.abs(levels - last.levels).max() > MAX_LEVEL_CHANGE_SIGMAS
    )
