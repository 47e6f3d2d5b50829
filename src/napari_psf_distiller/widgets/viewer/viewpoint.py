"""From where a viewer looks at its layers: to come back there, and to fill the view with some."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from napari.layers import Layer

from napari_psf_distiller.widgets.viewer.private import note_missing, private

__all__ = [
    "Viewpoint",
    "camera_of",
    "fill_view",
    "fill_view_3d",
    "grid_of",
    "scales_of",
    "viewpoint_of",
]

# In 3D, layers take this part of the view.
FILLED = 0.88


@dataclass(frozen=True)
class Viewpoint:
    """What a viewer's sliders and camera were set to."""

    ndisplay: int
    order: tuple[int, ...]
    point: tuple[float, ...]
    camera: dict[str, Any]

    def restore(self, viewer: napari.Viewer) -> None:
        """Go back; the sliders stay where they are if there are others now."""
        viewer.dims.ndisplay = self.ndisplay
        if len(self.order) == viewer.dims.ndim:
            viewer.dims.order = self.order
            viewer.dims.set_point(range(viewer.dims.ndim), self.point)
        camera_of(viewer).update(self.camera)


def viewpoint_of(viewer: napari.Viewer) -> Viewpoint:
    """Return from where a viewer looks now."""
    return Viewpoint(
        ndisplay=viewer.dims.ndisplay,
        order=tuple(viewer.dims.order),
        point=tuple(viewer.dims.point),
        camera=camera_of(viewer).model_dump(),
    )


def camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, which belongs to its scene since napari 0.9."""
    return getattr(viewer, "scene", viewer).camera


def grid_of(viewer: Any) -> Any:
    """Return the viewer's grid, which belongs to its canvas since napari 0.9."""
    return getattr(viewer, "canvas", viewer).grid


def scales_of(viewer: Any) -> tuple[Any, ...]:
    """Return a viewer's scale bar and the arrows along its axes, as far as it has them.

    They belong to its canvas and its scene since napari 0.9.
    """
    owners = (("scale_bar", "canvas"), ("axes", "scene"))
    found = []
    for name, owner in owners:
        newer = getattr(getattr(viewer, owner, None), "overlays", None)
        overlay = getattr(viewer if newer is None else newer, name, None)
        if overlay is None:
            note_missing(name, "a view in 3D is without")
        else:
            found.append(overlay)
    return tuple(found)


def fill_view(viewer: napari.Viewer, layers: Sequence[Layer]) -> None:
    """Fill the view of a plane with some layers, whatever else there is."""
    # Older versions of napari fit all layers only, and 0.9 only those of as many axes as there are.
    with contextlib.suppress(TypeError, IndexError):
        viewer.reset_view(layers=layers)
        return
    viewer.reset_view()
    everything = np.asarray(viewer.layers.extent.world)[:, -2:]
    corners = np.array([np.asarray(layer.extent.world)[:, -2:] for layer in layers])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    camera = camera_of(viewer)
    camera.center = (*camera.center[:-2], *((low + high) / 2))
    camera.zoom *= float(min((everything[1] - everything[0]) / np.maximum(high - low, 1e-12)))


def fill_view_3d(viewer: napari.Viewer, layer: Layer, angles: tuple[float, float, float]) -> None:
    """Fill the view of a volume with a layer; napari's own way fits it to all, hidden ones too.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
        With three axes of space.
    angles : (float, float, float)
        From which the camera looks at it, in degrees.
    """
    low, high = (np.asarray(corner)[-3:] for corner in layer.extent.world)
    camera = camera_of(viewer)
    room = _room(viewer)
    if room is None:
        viewer.reset_view()
    camera.center = tuple((low + high) / 2)
    camera.angles = angles
    across = np.cross(camera.view_direction, camera.up_direction)
    box = np.abs([camera.up_direction, across]) @ (high - low)
    if room is not None and (box > 0).all():
        camera.zoom = FILLED * float(np.min(np.asarray(room) / box))


def _room(viewer: Any) -> tuple[float, float] | None:
    """Return the height and width of the view, or of one of the grid's; None if it is not told."""
    canvas = getattr(viewer, "canvas", None)
    without = "the view is filled as napari does it"
    if canvas is None:
        # It is public since napari 0.9.
        size: tuple[float, float] | None = private(viewer, "_canvas_size", without)
        return size
    try:
        of_one: tuple[float, float] = canvas.viewbox_size(viewer.layers)
    except (AttributeError, TypeError):
        note_missing("size of a view", without)
        return None
    return of_one
