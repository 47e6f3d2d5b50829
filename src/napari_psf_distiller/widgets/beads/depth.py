"""Beads that show in all planes that their light covers."""

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_psf_distiller.widgets.layers.record import voxel_size_noted
from napari_psf_distiller.widgets.viewer.slices import slice_thickly

__all__ = ["show_in_depth"]

# A bead's image is so many times as long as it is wide, of most objectives.
LENGTH = 2.0


def show_in_depth(layer: Points) -> None:
    """Let each bead show in the planes near its own, as far as its light reaches along z.

    That is told from the size of its ring.
    """
    slice_thickly(layer, _reach)


def _reach(layer: Points) -> NDArray[np.float64]:
    """Return how far the light reaches along each axis, in voxels."""
    known = voxel_size_noted(layer.metadata, layer.scale, layer.units)
    voxel = np.abs(np.asarray(known or layer.scale, float))
    # napari draws a point with the last axis' voxels.
    reach: NDArray[np.float64] = np.max(layer.size, initial=0.0) / 2 * voxel[-1] / voxel
    reach[:-2] *= LENGTH
    return reach
