"""Numbers along z, y and x in a step widget: of a plane those along y and x alone are asked for."""

from typing import Any

from magicgui.widgets import FunctionGui, TupleEdit
from napari.layers import Layer

from napari_psf_distiller.widgets.layers.region import axes_of_space
from napari_psf_distiller.widgets.parts.docks import when_docked

__all__ = ["hide_z_of_planes"]

AXES = 3


def hide_z_of_planes(gui: FunctionGui[Any, Any]) -> None:
    """Show a widget's numbers along z only where the image that is chosen has that axis.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``image``, and others that have a number an axis.
    """
    along_z = [widget[0] for widget in gui if isinstance(widget, TupleEdit) and len(widget) == AXES]

    def show(layer: Layer | None) -> None:
        shown = layer is None or len(axes_of_space(layer)) != AXES - 1
        for number in along_z:
            number.visible = shown

    gui.image.changed.connect(show)
    # The first choice of layers comes with the viewer, and is not announced as a change.
    when_docked(gui, lambda: show(gui.image.value))
