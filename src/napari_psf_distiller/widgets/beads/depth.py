"""Beads that show in all planes that their light covers."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_psf_distiller.widgets.layers.record import voxel_size_noted

__all__ = ["show_in_depth"]

# A bead's image is so many times as long as it is wide, of most objectives.
LENGTH = 2.0

# What makes the request for a layer's slice, in newer and in older versions of napari.
MAKERS = ("make_slice_request_internal", "_make_slice_request_internal")


def show_in_depth(layer: Points) -> None:
    """Let each point show in the planes near its own, as far as its light reaches along z.

    That is told from the size of its ring. Where napari does not make its slices as it does now,
    a point shows in its own plane alone.
    """
    # The viewer's own slices could be thick, but then images are averaged along z too; and a
    # points layer's out_of_slice_display needs just that, from napari 0.9 on.
    slicing = getattr(layer, "_slicing_state", layer)
    for name in MAKERS:
        make = getattr(slicing, name, None)
        if make is not None:
            setattr(slicing, name, partial(_thick, layer, make))
            layer.projection_mode = "all"
            layer.refresh()
            return


def _thick(layer: Points, make: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Return a request for a slice that reaches as far as the beads' light does."""
    request = make(*args, **keywords)
    reach, place = _reach(layer), request.data_slice
    thick = place.copy_with(
        margin_left=tuple(np.maximum(place.margin_left, reach)),
        margin_right=tuple(np.maximum(place.margin_right, reach)),
    )
    return dataclasses.replace(request, data_slice=thick)


def _reach(layer: Points) -> NDArray[np.float64]:
    """Return how far the light reaches along each axis, in voxels."""
    known = voxel_size_noted(layer.metadata, layer.scale, layer.units)
    voxel = np.abs(np.asarray(known or layer.scale, float))
    # napari draws a point with the last axis' voxels.
    reach: NDArray[np.float64] = np.max(layer.size, initial=0.0) / 2 * voxel[-1] / voxel
    reach[:-2] *= LENGTH
    return reach
