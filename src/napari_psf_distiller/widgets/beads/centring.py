"""The bead that is chosen in the table, brought into the middle of the view."""

from collections.abc import Callable

import numpy as np
from napari.layers import Points
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QTableView, QWidget

from napari_psf_distiller.widgets.layers.geometry import unit_ratios
from napari_psf_distiller.widgets.layers.region import show_place
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of

__all__ = ["centre_on", "centre_on_chosen"]


def centre_on(viewer: Viewer, layer: Points, number: int) -> None:
    """Bring a point into the middle of the view, in the plane where it lies, and show its layer.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Points
    number : int
        Of the point.
    """
    layer.visible = True
    place = np.asarray(layer.data[number], float)
    show_place(layer, viewer, place)
    point = np.asarray(layer.data_to_world(place), float)
    units = getattr(viewer.layers, "units", None)
    if units is not None:
        point = point * unit_ratios(layer.units, units[-layer.ndim :])
    # The camera looks at the axes that are displayed.
    first = viewer.dims.ndim - layer.ndim
    shown = [point[axis - first] for axis in viewer.dims.displayed if axis >= first]
    if len(shown) == len(viewer.dims.displayed):
        camera = camera_of(viewer)
        camera.center = (*camera.center[: 3 - len(shown)], *shown)


def centre_on_chosen(table: QWidget, viewer: Viewer, layers: Callable[[], list[Points]]) -> None:
    """Bring the bead whose row is chosen in napari's table into the middle of the view.

    Parameters
    ----------
    table : QWidget
        With a table in it; without one nothing happens.
    viewer : napari.Viewer
    layers : callable
        Returns the points layers that the table shows.
    """
    rows = table.findChild(QTableView)
    if rows is None:
        return

    def look() -> None:
        # Who picks a point in the viewer sees it already.
        if not (rows.hasFocus() or rows.underMouse()):
            return
        for layer in layers():
            if len(layer.selected_data) == 1 and layer in viewer.layers:
                (number,) = layer.selected_data
                if number < len(layer.data):
                    centre_on(viewer, layer, int(number))
                return

    # When the points of these rows have been selected.
    selection = rows.selectionModel()
    if selection is not None:
        selection.selectionChanged.connect(lambda *_: QTimer.singleShot(0, look))
