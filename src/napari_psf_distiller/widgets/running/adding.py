"""Layers put into a viewer one at a time, so that the viewer stays alive in between."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.viewer import Viewer
from qtpy.QtCore import QTimer

from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.viewer.canvas import PAUSE, drawn_later, load_letters

__all__ = ["add_one_by_one", "become"]


def add_one_by_one(
    layers: Sequence[LayerData],
    viewer: Viewer,
    add: Callable[[LayerData, bool], Layer | None],
    done: Callable[[tuple[Layer, ...]], None],
) -> None:
    """Add layers, each in turns of its own of the event loop.

    Parameters
    ----------
    layers : sequence of LayerData
    viewer : napari.Viewer
        That they are added to.
    add : callable
        Adds one; is told whether it is the last. None ends it: there is nowhere to add to.
    done : callable
        Gets all that were added, in another turn.
    """
    left, added = list(layers), list[Layer]()
    letters = load_letters(viewer) if any(kind == "points" for _, _, kind in left) else iter(())

    def add_next() -> None:
        if next(letters, None) is not None:
            QTimer.singleShot(0, add_next)
        elif left:
            with drawn_later(viewer, add_next):
                layer = add(left.pop(0), not left)
            if layer is None:
                left.clear()
            else:
                added.append(layer)
        else:
            done(tuple(added))

    # Not at once either: whoever calls may be in the midst of something else.
    QTimer.singleShot(PAUSE, add_next)


def become(layer: Layer | None, viewer: Viewer, data: Any, keywords: dict[str, Any]) -> bool:
    """Turn the image layer that showed a result while it was made into that result.

    Parameters
    ----------
    layer : Layer or None
    viewer : napari.Viewer
    data : array_like
    keywords : dict
        The layer's properties.

    Returns
    -------
    bool
        False if the layer is not there, or shows another kind of thing.
    """
    if (
        not isinstance(layer, Image)
        or layer not in viewer.layers
        or layer.ndim != np.ndim(data)
        or np.iscomplexobj(data)
    ):
        return False
    layer.data = data
    for name, value in keywords.items():
        setattr(layer, name, value)
    if "contrast_limits" not in keywords:
        layer.reset_contrast_limits()
    # On top, as what was added last is.
    viewer.layers.move(viewer.layers.index(layer), -1)
    viewer.layers.selection = {layer}
    return True
