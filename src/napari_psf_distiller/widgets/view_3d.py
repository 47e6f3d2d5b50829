"""A good view of a PSF in 3D by one click, and what was shown before by another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import napari
import numpy as np
from napari.layers import Image

__all__ = ["View3D", "camera_of"]

ATTENUATION = 0.1
# What is dim is brought up at least so much: else a PSF in 3D is a bright dot.
GAMMA = 0.5
# Seen from the side and a little above, so that the axial extent shows.
ANGLES = (0.0, 20.0, 75.0)
# The PSF's diagonal takes this part of the view.
FILLED = 0.9


@dataclass
class _Before:
    """What was shown, for the way back."""

    viewer: napari.Viewer
    layer: Image
    hidden: list[Any]
    was_visible: bool
    ndisplay: int
    order: tuple[int, ...]
    point: tuple[float, ...]
    camera: dict[str, Any]
    looks: dict[str, Any] = field(default_factory=dict)


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
            ndisplay=viewer.dims.ndisplay,
            order=tuple(viewer.dims.order),
            point=tuple(viewer.dims.point),
            camera=camera_of(viewer).model_dump(),
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
        viewer.dims.ndisplay = before.ndisplay
        if len(before.order) == viewer.dims.ndim:
            viewer.dims.order = before.order
            viewer.dims.set_point(range(viewer.dims.ndim), before.point)
        camera_of(viewer).update(before.camera)
        self._on_change()

    def _on_ndisplay(self) -> None:
        # Somebody took the viewer's own way out of 3D: the hidden layers are wanted back too.
        if self._before is not None and self._before.viewer.dims.ndisplay == 2:
            self._before.ndisplay = 2
            self.leave()


def _fit(viewer: napari.Viewer, layer: Image) -> None:
    """Fill the view with a layer; napari's own way fits it to all of them, hidden ones too."""
    viewer.reset_view()
    low, high = (np.asarray(corner)[-3:] for corner in layer.extent.world)
    everything = np.asarray(viewer.layers.extent.world)[:, -3:]
    camera = camera_of(viewer)
    camera.center = tuple((low + high) / 2)
    whole = float(np.linalg.norm(everything[1] - everything[0]))
    diagonal = float(np.linalg.norm(high - low))
    if diagonal > 0 and whole > 0:
        camera.zoom *= FILLED * whole / diagonal
    camera.angles = ANGLES


def camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, which belongs to its scene since napari 0.9."""
    return getattr(viewer, "scene", viewer).camera
