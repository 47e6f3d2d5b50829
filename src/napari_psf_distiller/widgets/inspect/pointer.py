"""Which place of the field is pointed at in a viewer: by a click, or by the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_psf_distiller.widgets.inspect.field_place import FieldPlace, layer_of_field, place_in

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_psf_distiller.psf.field import PSFField

__all__ = ["FieldPointer"]

# Pixels of the screen that the mouse may move between press and release of a click.
STILL = 4

# In the others of a layer's modes a click draws.
POINTING_MODES = {"pan_zoom", "select", "direct", "pick"}


class FieldPointer:
    """Tells the places of a PSF's field that are pointed at in the plane that a viewer shows.

    Parameters
    ----------
    clicked, moved : callable
        Get a `FieldPlace` where the field is clicked, and where the cursor is over it.
    lost : callable
        Called where no layer is of the field, with whether that was clicked.
    """

    def __init__(
        self,
        clicked: Callable[[FieldPlace], None],
        moved: Callable[[FieldPlace], None],
        lost: Callable[[bool], None],
    ) -> None:
        self._clicked, self._moved, self._lost = clicked, moved, lost
        self._viewer: napari.viewer.Viewer | None = None
        self._layer: Image | None = None
        self._field: PSFField | None = None
        self._on_move, self._on_drag = _listeners(ref(self))

    def watch(
        self,
        viewer: napari.viewer.Viewer | None,
        layer: Image | None,
        field: PSFField | None,
    ) -> None:
        """Look out for the places of a PSF's field; without one or a viewer, for none.

        Parameters
        ----------
        viewer : napari.viewer.Viewer or None
        layer : napari.layers.Image or None
            Of the PSF.
        field : PSFField or None
            How it changes.
        """
        self._layer, self._field = layer, field
        if field is None:
            viewer = None
        if viewer is self._viewer:
            return
        if self._viewer is not None:
            self._viewer.mouse_move_callbacks.remove(self._on_move)
            self._viewer.mouse_drag_callbacks.remove(self._on_drag)
        self._viewer = viewer
        if viewer is not None:
            viewer.mouse_move_callbacks.append(self._on_move)
            viewer.mouse_drag_callbacks.append(self._on_drag)

    def move(self, position: Any) -> None:
        """Tell where the cursor is."""
        place, has_layer = self._place(position)
        if place is not None:
            self._moved(place)
        elif not has_layer:
            self._lost(False)

    def click(self, position: Any) -> None:
        """Tell where was clicked."""
        place, has_layer = self._place(position)
        if place is not None:
            self._clicked(place)
        elif not has_layer:
            self._lost(True)

    @property
    def draws(self) -> bool:
        """Whether a click draws in the layer that is chosen, or the view is one in 3D."""
        viewer = self._viewer
        if viewer is None or viewer.dims.ndisplay != 2:
            return True
        active = viewer.layers.selection.active
        return active is not None and str(active.mode) not in POINTING_MODES

    def _place(self, position: Any) -> tuple[FieldPlace | None, bool]:
        """Return the place at a position of the world, and whether a layer is of the field."""
        viewer, field = self._viewer, self._field
        if viewer is None or field is None or viewer.dims.ndisplay != 2:
            return None, True
        layer = layer_of_field(viewer, self._layer, field)
        if layer is None:
            return None, False
        place = place_in(layer, viewer, position, field)
        return (place if place.is_in(field) else None), True


def _listeners(
    weakly: ref[FieldPointer],
) -> tuple[Callable[[Any, Any], None], Callable[[Any, Any], Iterator[None]]]:
    """Return what the viewer calls, which must not keep a widget that is closed."""

    def on_move(_viewer: Any, event: Any) -> None:
        pointer = weakly()
        if pointer is not None:
            pointer.move(event.position)

    def on_drag(_viewer: Any, event: Any) -> Iterator[None]:
        pointer = weakly()
        if pointer is None or event.button != 1 or event.modifiers or pointer.draws:
            return
        pressed = np.array(event.pos, float)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos, float) - pressed).max() <= STILL:
            pointer.click(event.position)

    return on_move, on_drag
