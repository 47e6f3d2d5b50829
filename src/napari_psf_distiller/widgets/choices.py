"""Which layers a widget offers: all that fit, but none that only shows what is to come."""

import typing
from functools import partial
from typing import Any

import napari
from magicgui.widgets import ComboBox, FunctionGui
from napari.layers import Image, Labels, Layer, Points

__all__ = ["PREVIEW_KEY", "is_preview", "offer_layers", "unwrapped", "viewer_of"]

# Marks a layer in its metadata: it is no image that a step works on.
PREVIEW_KEY = "psf_distiller_preview"


def is_preview(layer: Layer) -> bool:
    """Return whether a layer only shows what a step is about to make."""
    return PREVIEW_KEY in layer.metadata


def viewer_of(gui: FunctionGui[Any, Any]) -> "napari.viewer.Viewer | None":
    """Return the viewer that a widget is docked in, unwrapped."""
    viewer = gui.viewer.value
    return unwrapped(viewer) if viewer is not None else None


def unwrapped(viewer: "napari.viewer.Viewer") -> "napari.viewer.Viewer":
    """Return the viewer itself.

    napari hands it to plugins in a wrapping that is new each time, is slow where a hand is
    followed, and has layers that are not those which the widgets choose from.
    """
    return typing.cast("napari.viewer.Viewer", getattr(viewer, "__wrapped__", viewer))


def offer_layers(gui: FunctionGui[Any, Any]) -> None:
    """Let a step widget's choices of layers leave out previews.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``viewer``.
    """

    def fitting(kind: type[Layer], _: Any = None) -> list[Layer]:
        viewer = viewer_of(gui)
        layers = viewer.layers if viewer is not None else ()
        return [layer for layer in layers if isinstance(layer, kind) and not is_preview(layer)]

    for widget in gui:
        kind = _kind_of(widget.annotation)
        if isinstance(widget, ComboBox) and kind is not None:
            widget.choices = partial(fitting, kind)


def _kind_of(annotation: Any) -> type[Layer] | None:
    """Return the class of layers that an annotation asks for, optional or not."""
    for kind in (annotation, *typing.get_args(annotation)):
        if kind in (Image, Labels, Points):
            return typing.cast("type[Layer]", kind)
    return None
