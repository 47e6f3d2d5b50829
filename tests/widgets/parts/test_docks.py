"""Where our widgets stand in napari's window."""

from typing import Any

import napari
from napari.layers import Image
from qtpy.QtWidgets import QDockWidget

PLUGIN = "napari-psf-distiller"


def opens(viewer: napari.Viewer, name: str, plugin: str = PLUGIN) -> QDockWidget:
    dock, _ = viewer.window.add_plugin_dock_widget(plugin, name)
    return dock


def behind(user: Any, dock: Any) -> list[str]:
    """Return the names of the docks that share their place with one."""
    found = dock.parentWidget().tabifiedDockWidgets(dock)
    return sorted(other.windowTitle().removesuffix(f" ({PLUGIN})") for other in found)


def test_our_docks_stand_one_behind_the_other(
    user: Any, viewer: napari.Viewer, bead_layer: Image
) -> None:
    other = viewer.window.add_dock_widget(QDockWidget(), name="somebody's", area="right")
    guide = opens(viewer, "PSF Distiller")
    opens(viewer, "Prove PSF")
    user.waits(lambda: behind(user, guide) == ["Prove PSF"])
    opens(viewer, "Inspect PSF")
    user.waits(lambda: behind(user, guide) == ["Inspect PSF", "Prove PSF"])
    assert behind(user, other) == []


def test_the_table_of_the_beads_stands_below(
    user: Any, viewer: napari.Viewer, bead_layer: Image
) -> None:
    gui = user.opens("Find beads")
    user.runs(gui)
    button = next(widget for widget in gui if getattr(widget, "text", "") == "Table of the beads")
    user.clicks(button)
    docks = gui.native.window().findChildren(QDockWidget)
    (table,) = (dock for dock in docks if dock.windowTitle().startswith("Features table"))
    window = table.parentWidget()
    assert window.dockWidgetArea(table).name == "BottomDockWidgetArea"


def test_the_figures_of_prove_psf_scroll_where_there_is_no_room(
    user: Any, bead_layer: Image
) -> None:
    gui = user.opens("Prove PSF")
    empty = gui.native.minimumSizeHint().height()
    gui.panel.figures.setText("<br>".join(["a line"] * 40))
    gui.native.layout().activate()
    assert gui.native.minimumSizeHint().height() == empty < 500
