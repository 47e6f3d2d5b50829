"""Some layers alone in a viewer, until what was shown before is wanted again."""

from collections.abc import Iterator, Sequence
from typing import Any

import napari
from napari.layers import Layer

from napari_psf_distiller.widgets.viewer.calm import remove_layer
from napari_psf_distiller.widgets.viewer.viewpoint import viewpoint_of

__all__ = ["TemporaryView"]


class TemporaryView:
    """Shows some layers alone, and keeps what was shown before for the way back.

    Parameters
    ----------
    viewer : napari.Viewer
    alone : sequence of Layer
        Of the viewer; all others are hidden. One that is added later shows.

    Attributes
    ----------
    viewer : napari.Viewer
    viewpoint : Viewpoint
        From where it looked before, and will again.
    """

    def __init__(self, viewer: napari.Viewer, alone: Sequence[Layer]) -> None:
        self.viewer = viewer
        self.viewpoint = viewpoint_of(viewer)
        self._selection: list[Layer] | None = None
        self._before: list[tuple[Any, str, Any]] = []
        self._added: list[Layer] = []
        for layer in viewer.layers:
            if layer.visible != (layer in alone):
                self.change(layer, visible=not layer.visible)

    def change(self, what: Any, **values: Any) -> None:
        """Give a layer, or another part of the viewer, other properties until it is left."""
        for name, value in values.items():
            self._before.append((what, name, getattr(what, name)))
            setattr(what, name, value)

    def add(self, layer: Layer) -> None:
        """Add a layer until it is left."""
        self.keep_selection()
        self._added.append(layer)
        self.viewer.add_layer(layer)

    def keep_selection(self) -> None:
        """Select again, when it is left, what is selected now."""
        self._selection = list(self.viewer.layers.selection)

    def leave(self) -> None:
        """Show again what was shown before, as far as it is still there."""
        for _ in self.leaving():
            pass

    def leaving(self) -> Iterator[None]:
        """Leave it in parts, each of which napari takes some ten milliseconds for."""
        layers = self.viewer.layers
        for layer in self._added:
            remove_layer(self.viewer, layer)
            yield
        for what, name, value in reversed(self._before):
            setattr(what, name, value)
            yield
        if self._selection is not None:
            layers.selection = {layer for layer in self._selection if layer in layers}
            yield
        self.viewpoint.restore(self.viewer)
