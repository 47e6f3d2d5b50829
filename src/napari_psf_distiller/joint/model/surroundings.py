"""What lies around beads' windows, and what it tells of an image's background."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.threads import in_turn, slabs
from napari_psf_distiller.joint.image.background import NormalEquations
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.model.positions import BeadPositions, Slices, within

__all__ = ["Surroundings", "dark_planes"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# They are looked at again where more than this part of the windows moved further than a voxel, or
# the background at a bead changed by this part of the noise: it tells which voxels are taken for
# something else.
MAX_MOVED_SHARE, MAX_LEVEL_CHANGE_SIGMAS = 0.1, 0.2

# A voxel that is so many standard deviations off the background is taken for something else.
OUTLIER_SIGMAS = 4.0

# The planes that tell of it are those whose halo is within this part of its range of the least.
DARK_HALO_RANGE = 0.25


class _LastFit(NamedTuple):
    """What was looked at, and what it told. The weights are those of the camera's noise."""

    places: BeadPositions
    background_at_beads: Floats
    planes: NDArray[np.bool_]
    weighted_residual: NormalEquations


class Surroundings:
    """The voxels outside all windows, and those that several windows share.

    Parameters
    ----------
    bead_image : BeadImage
    """

    def __init__(self, bead_image: BeadImage) -> None:
        self._bead_image = bead_image
        self._seen: _LastFit | None = None

    def shares(self, places: BeadPositions, attended: int, counts: Array) -> list[Array | None]:
        """Return which part of each voxel is whose, where windows of attended beads overlap.

        Parameters
        ----------
        places : BeadPositions
        active_count : int
            So many beads, the first ones.
        measured : numpy.ndarray
            float32, of the image's shape, 0 outside the windows: written over inside them, where it
            ends as the number of windows of all beads that cover a voxel.

        Returns
        -------
        list of (numpy.ndarray or None)
            One over the number of windows in each one's; None where that is 1.
        """
        boxes, parts = places.boxes, slabs(len(counts))

        def count(slab: slice) -> None:
            for box in boxes:
                counts[within(box, slab)] = 0
            for box in boxes[:attended]:
                counts[within(box, slab)] += 1

        def count_others(slab: slice) -> None:
            for box in boxes[attended:]:
                counts[within(box, slab)] += 1

        def share(box: Slices) -> Array | None:
            covering = counts[box]
            return np.float32(1) / covering if covering.max() > 1 else None

        in_turn(count, parts)
        shares = in_turn(share, boxes[:attended])
        in_turn(count_others, parts)
        return shares

    def normal_equations(
        self, places: BeadPositions, background: Floats, counts: Array, halo: Floats
    ) -> NormalEquations:
        """Return the normal equations of the background's fit to the voxels outside the windows.

        Few windows that moved, or all by a voxel, change nothing that matters: then these are those
        of before.

        Parameters
        ----------
        places : BeadPositions
        background : numpy.ndarray
            Its coefficients so far.
        measured : numpy.ndarray
            See `shares`.
        halo : numpy.ndarray
            (planes,): the light that the beads have at their windows' sides. Where it is more than
            it must be, it is brighter beyond them too, and would be taken for background.
        """
        bead_image = self._bead_image
        planes = dark_planes(halo)
        levels = places.background_at_beads(background)
        deviation = np.sqrt(bead_image.variance(levels.astype(np.float32)))
        heights = levels / deviation.astype(np.float64)

        def sampled(z: int, step: int) -> tuple[Array, Array]:
            part = slice(None, None, step)
            plane = bead_image.intensity[z, part, part]
            level = bead_image.background.plane(background, z, part, part)
            weights, residual = np.float32(1) / bead_image.variance(level), plane - level
            is_background = residual * residual * weights < OUTLIER_SIGMAS**2
            is_background &= counts[z, part, part] == 0
            is_background &= planes[z]
            weights *= is_background * bead_image.independent
            bead_image.mask_and_censor((slice(z, z + 1), part, part), residual[None], weights[None])
            return weights, weights * residual

        if self._seen is None or _differ(self._seen, places, heights, planes):
            told = bead_image.background.normal_equations(background, sampled)
            # Where no voxel counts, it stays about what it is.
            weak_precision = bead_image.background.weak_precision
            told = NormalEquations(
                told.matrix + weak_precision * np.eye(len(background)),
                told.vector + weak_precision * background,
            )
            self._seen = _LastFit(places, heights, planes, told)
        return self._seen.weighted_residual

    def invalidate(self) -> None:
        """Look again, whatever moved: the windows are others."""
        self._seen = None


def dark_planes(halo: Floats) -> NDArray[np.bool_]:
    """Return which planes tell of the background, by the beads' halo in each."""
    dark: NDArray[np.bool_] = halo <= halo.min() + DARK_HALO_RANGE * np.ptp(halo)
    return dark


def _differ(
    seen: _LastFit, places: BeadPositions, levels: Floats, planes: NDArray[np.bool_]
) -> bool:
    if len(seen.places) != len(places) or (seen.planes != planes).any():
        return True
    moved = (np.abs(seen.places.nearest - places.nearest).max(axis=1) > 1).mean()
    return bool(
        moved > MAX_MOVED_SHARE
        or np.abs(levels - seen.background_at_beads).max() > MAX_LEVEL_CHANGE_SIGMAS
    )
