"""A good view of a PSF in 3D by one click, and what was shown before by another."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import napari
import numpy as np
from napari.layers import Image

from napari_psf_distiller.widgets.viewer.viewpoint import Viewpoint, camera_of, viewpoint_of

__all__ = ["View3D"]

ATTENUATION = 0.1
# What is dim is brought up at least so much: else a PSF in 3D is a bright dot.
GAMMA = 0.5
# Seen from the side and a little above, so that the axial extent shows.
ANGLES = (0.0, 20.0, 75.0)
# The PSF's box takes this part of the view.
FILLED = 0.88


@dataclass
class _Before:
    """What was shown, for the way back."""

    viewer: napari.Viewer
    layer: Image
    hidden: list[Any]
    was_visible: bool
    viewpoint: Viewpoint
    looks: dict[str, Any]


class View3D:
    """Takes a viewer to a PSF in 3D and back.

    Parameters
    ----------
    on_change : callable
        Called without arguments whenever it was entered or left.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._before: _Before | None = None

    @property
    def entered(self) -> bool:
        """Whether there is a way back."""
        return self._before is not None

    def enter(self, viewer: napari.Viewer, layer: Image, gamma: float, top: float | None) -> None:
        """Show a PSF alone in 3D; what was shown before is kept for the way back.

        Parameters
        ----------
        viewer : napari.Viewer
        layer : napari.layers.Image
            With the axes z, y and x.
        gamma : float
            Exponent of the intensity; never more than `GAMMA`.
        top : float or None
            The brightest intensity shown; None leaves the layer's limits.
        """
        looks = {
            "rendering": "attenuated_mip",
            "attenuation": ATTENUATION,
            "gamma": min(gamma, GAMMA),
        }
        if top is not None:
            looks["contrast_limits"] = (0.0, top)
        self._before = _Before(
            viewer=viewer,
            layer=layer,
            hidden=[other for other in viewer.layers if other is not layer and other.visible],
            was_visible=layer.visible,
            viewpoint=viewpoint_of(viewer),
            looks={name: getattr(layer, name) for name in looks},
        )
        for other in self._before.hidden:
            other.visible = False
        layer.visible = True
        for name, value in looks.items():
            setattr(layer, name, value)
        # A PSF lies along the last three axes, whichever somebody turned to the front.
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = 3
        _fit(viewer, layer)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self._on_change()

    def leave(self) -> None:
        """Show again what was shown before, as far as it is still there."""
        before, self._before = self._before, None
        if before is None:
            return
        viewer = before.viewer
        viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        for name, value in before.looks.items():
            setattr(before.layer, name, value)
        before.layer.visible = before.was_visible
        for other in before.hidden:
            other.visible = True
        before.viewpoint.restore(viewer)
        self._on_change()

    def _on_ndisplay(self) -> None:
        # Somebody took the viewer's own way out of 3D: the hidden layers are wanted back too.
        if self._before is not None and self._before.viewer.dims.ndisplay == 2:
            self._before.viewpoint = replace(self._before.viewpoint, ndisplay=2)
            self.leave()


def _fit(viewer: napari.Viewer, layer: Image) -> None:
    """Fill the view with a layer; napari's own way fits it to all of them, hidden ones too."""
    low, high = (np.asarray(corner)[-3:] for corner in layer.extent.world)
    camera = camera_of(viewer)
    camera.center = tuple((low + high) / 2)
    camera.angles = ANGLES
    across = np.cross(camera.view_direction, camera.up_direction)
    box = np.abs([camera.up_direction, across]) @ (high - low)
    if (box > 0).all():
        camera.zoom = FILLED * float(np.min(np.asarray(_room(viewer)) / box))


def _room(viewer: Any) -> tuple[float, float]:
    """Return the height and width of the view, or of one of the grid's; public since napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    room: tuple[float, float] = (
        viewer._canvas_size if canvas is None else canvas.viewbox_size(viewer.layers)
    )
    return room
