"""A good view of a PSF in 3D by one click, and what was shown before by another."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import napari
from napari.layers import Image

from napari_psf_distiller.widgets.viewer.temporary_view import TemporaryView
from napari_psf_distiller.widgets.viewer.viewpoint import fill_view_3d

__all__ = ["View3D"]

ATTENUATION = 0.1
# What is dim is brought up at least so much: else a PSF in 3D is a bright dot.
GAMMA = 0.5
# Degrees: seen from the side and a little above, so that the axial extent shows.
ANGLES = (0.0, 20.0, 75.0)


class View3D:
    """Takes a viewer to a PSF in 3D and back.

    Parameters
    ----------
    on_change : callable
        Called without arguments whenever it was entered or left.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._view: TemporaryView | None = None

    @property
    def entered(self) -> bool:
        """Whether there is a way back."""
        return self._view is not None

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
        looks: dict[str, Any] = {
            "rendering": "attenuated_mip",
            "attenuation": ATTENUATION,
            "gamma": min(gamma, GAMMA),
        }
        if top is not None:
            looks["contrast_limits"] = (0.0, top)
        self._view = TemporaryView(viewer, [layer])
        self._view.change(layer, **looks)
        # A PSF lies along the last three axes, whichever somebody turned to the front.
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = 3
        fill_view_3d(viewer, layer, ANGLES)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self._on_change()

    def leave(self) -> None:
        """Show again what was shown before, as far as it is still there."""
        view, self._view = self._view, None
        if view is None:
            return
        view.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        view.leave()
        self._on_change()

    def _on_ndisplay(self) -> None:
        # Somebody took the viewer's own way out of 3D: the hidden layers are wanted back too.
        if self._view is not None and self._view.viewer.dims.ndisplay == 2:
            self._view.viewpoint = replace(self._view.viewpoint, ndisplay=2)
            self.leave()
