"""A good view of a PSF in 3D by one click, and what was shown before by another."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.widgets.inspect.subject import LookedAt, Subject
from napari_psf_distiller.widgets.layers.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.viewer.temporary_view import TemporaryView
from napari_psf_distiller.widgets.viewer.viewpoint import fill_view_3d, scales_of

__all__ = ["View3D"]

ATTENUATION = 0.1
# What is dim is brought up at least so much: else a PSF in 3D is a bright dot.
GAMMA = 0.5
# The maximum of larger ones takes a while; they are shown with the limits that they have.
MOST_VOXELS = 2_000_000
# The unit of a layer of which none is known.
PIXEL = "pixel"
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
        # What is there until the view is left, and what it is entered with.
        self._own: Image | None = None
        self._asked: tuple[napari.Viewer, Image, float] | None = None
        self._finder: Background[Subject] = Background(self._on_found, show_error, draws=True)

    @property
    def busy(self) -> bool:
        """Whether a PSF that is to be shown is still being found."""
        return self._finder.busy

    @property
    def entered(self) -> bool:
        """Whether there is a way back."""
        return self._view is not None

    def enter(self, viewer: napari.Viewer, layer: Image, gamma: float) -> None:
        """Show a PSF alone in 3D; what was shown before is kept for the way back.

        Parameters
        ----------
        viewer : napari.Viewer
        layer : napari.layers.Image
            With the axes z, y and x. One that is not in the viewer is there until the view is left.
        gamma : float
            Exponent of the intensity; never more than `GAMMA`.
        """
        top = _brightest(layer)
        looks: dict[str, Any] = {
            "rendering": "attenuated_mip",
            "attenuation": ATTENUATION,
            "gamma": min(gamma, GAMMA),
        }
        if top is not None:
            looks["contrast_limits"] = (0.0, top)
        self._view = TemporaryView(viewer, [layer])
        if layer not in viewer.layers:
            self._own = layer
            self._view.add(layer)
        self._view.change(layer, **looks)
        bar, *others = scales_of(viewer) or (None,)
        if bar is not None and str(layer.units[-1]) != PIXEL:
            # Else it would say pixels, which are not those of a PSF whose size was typed.
            self._view.change(bar, visible=True)
        for overlay in others:
            self._view.change(overlay, visible=True)
        labels = tuple(viewer.dims.axis_labels)
        if all(label.lstrip("-").isdigit() for label in labels[-len(AXES) :]):
            # Nobody gave the axes a name.
            self._view.change(viewer.dims, axis_labels=(*labels[: -len(AXES)], *AXES))
        # A PSF lies along the last three axes, whichever somebody turned to the front.
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = 3
        fill_view_3d(viewer, layer, ANGLES)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        self._on_change()

    def enter_at(
        self, viewer: napari.Viewer, layer: Image, looked_at: LookedAt, gamma: float
    ) -> None:
        """Show a PSF at a place of the field alone in 3D, as soon as it is found.

        Parameters
        ----------
        viewer : napari.Viewer
        layer : napari.layers.Image
            Of the PSF; it stays as it is.
        looked_at : LookedAt
        gamma : float
            See `enter`.
        """
        self._asked = viewer, layer, gamma
        self._finder.ask(looked_at.evaluated)

    def show(self, looked_at: LookedAt) -> None:
        """Show a PSF at another place, if one at a place is shown."""
        if self._own is not None:
            self._finder.ask(looked_at.evaluated)

    def _on_found(self, subject: Subject) -> None:
        array = subject.psf()
        if self._own is not None:
            self._own.data, self._own.name = array, subject.name
            self._own.contrast_limits = (0.0, float(array.max()))
        elif self._asked is not None:
            viewer, layer, gamma = self._asked
            shown = Image(
                array,
                name=subject.name,
                scale=layer.scale,
                units=layer.units,
                axis_labels=layer.axis_labels,
                colormap=layer.colormap,
                metadata={PREVIEW_KEY: True},
            )
            self.enter(viewer, shown, gamma)
        self._asked = None

    def leave(self) -> None:
        """Show again what was shown before, as far as it is still there."""
        self._finder.cancel()
        view, self._view, self._own = self._view, None, None
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


def _brightest(layer: Image) -> float | None:
    """Return a PSF's maximum, if it can be had at once."""
    if not isinstance(layer.data, np.ndarray) or layer.data.size > MOST_VOXELS:
        return None
    top = float(np.nanmax(layer.data)) if layer.data.size else 0.0
    return top if np.isfinite(top) and top > 0 else None
