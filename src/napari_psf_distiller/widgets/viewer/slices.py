"""Points that show in more planes than their own."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_psf_distiller.widgets.viewer.private import note_missing

__all__ = ["slice_thickly"]

# What makes the request for a layer's slice, in newer and in older versions of napari.
MAKERS = ("make_slice_request_internal", "_make_slice_request_internal")

Reach = Callable[[Points], NDArray[np.float64]]


def slice_thickly(layer: Points, reach: Reach) -> None:
    """Let each point of a layer show in the planes near its own.

    Where napari does not make its slices as it does now, a point shows in its own plane alone.

    Parameters
    ----------
    layer : napari.layers.Points
    reach : callable
        Returns how many voxels to each side a point shows, along each axis; called with the layer
        whenever a slice is made.
    """
    # The viewer's own slices could be thick, but then images are averaged along z too; and a
    # points layer's out_of_slice_display needs just that, from napari 0.9 on.
    slicing = getattr(layer, "_slicing_state", layer)
    for name in MAKERS:
        make = getattr(slicing, name, None)
        if make is not None:
            setattr(slicing, name, partial(_thick, layer, reach, make))
            layer.projection_mode = "all"
            layer.refresh()
            return
    note_missing("slice request of a layer", "points show in their own plane alone")


def _thick(
    layer: Points, reach: Reach, make: Callable[..., Any], *args: Any, **keywords: Any
) -> Any:
    """Return a request for a slice that is as thick as its points reach."""
    request = make(*args, **keywords)
    try:
        place, thickness = request.data_slice, reach(layer)
        thick = place.copy_with(
            margin_left=tuple(np.maximum(place.margin_left, thickness)),
            margin_right=tuple(np.maximum(place.margin_right, thickness)),
        )
        return dataclasses.replace(request, data_slice=thick)
    except (AttributeError, TypeError):
        note_missing("thickness of a slice request", "points show in their own plane alone")
        return request
