"""The voxels outside the beads' windows, and what they tell of an image's background."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.threads import in_turn, slabs
from napari_psf_distiller.joint.image.background import NormalEquations
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.model.positions import BeadPositions, Slices, planes_of_box

__all__ = ["Surroundings", "dark_planes"]

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


class _LastFit(NamedTuple):
    """What was looked at last, and the equations that it gave.

    Attributes
    ----------
    positions : BeadPositions
    levels : numpy.ndarray
        (beads,): the background at the beads, in standard deviations of the noise.
    planes : numpy.ndarray
        bool, (Z,): which planes counted.
    equations : NormalEquations
        The background's; the weights are one over the variance of the camera's noise.
    """

    positions: BeadPositions
    levels: Floats
    planes: NDArray[np.bool_]
    equations: NormalEquations


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

    def normal_equations(
        self, positions: BeadPositions, background: Floats, counts: Array, halo: Floats
    ) -> NormalEquations:
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
            (Z,): how bright the beads' light is at their windows' sides. Planes in which that is
            much more than in others are left out: the halo goes on beyond the windows there, and
            would be taken for background.
        """
        bead_image = self._bead_image
        planes = dark_planes(halo)
        levels = positions.background_at_centres(background)
        deviation = np.sqrt(bead_image.variance(levels.astype(np.float32)))
        levels = levels / deviation.astype(np.float64)

        def sampled(z: int, step: int) -> tuple[Array, Array]:
            part = slice(None, None, step)
            plane = bead_image.intensity[z, part, part]
            level = bead_image.background.plane(background, z, part, part)
            weights, residual = np.float32(1) / bead_image.variance(level), plane - level
            is_background = residual * residual * weights < OUTLIER_SIGMAS**2
            is_background &= counts[z, part, part] == 0
            is_background &= planes[z]
            weights *= is_background * bead_image.independent_fraction
            bead_image.mask_and_censor((slice(z, z + 1), part, part), residual[None], weights[None])
            return weights, weights * residual

        if self._last is None or _differ(self._last, positions, levels, planes):
            equations = bead_image.background.normal_equations(background, sampled)
            # Where no voxel counts, it stays about what it is.
            precision = bead_image.background.weak_precision
            equations = NormalEquations(
                equations.matrix + precision * np.eye(len(background)),
                equations.vector + precision * background,
            )
            self._last = _LastFit(positions, levels, planes, equations)
        return self._last.equations

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
