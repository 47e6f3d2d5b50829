"""Where our widgets stand in napari's window."""

from typing import Any

import napari
from napari.layers import Image
from qtpy.QtWidgets import QDockWidget

from napari_psf_distiller.widgets.parts.docks import DockedColumn

PLUGIN = "napari-psf-distiller"


def opens(viewer: napari.Viewer, name: str, plugin: str = PLUGIN) -> Any:
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


def test_what_is_high_scrolls_in_its_dock(user: Any, bead_layer: Image) -> None:
    gui = user.opens("Prove PSF")
    (dock,) = (one for one in gui.native.window().findChildren(QDockWidget) if holds(one, gui))
    empty = dock.minimumSizeHint().height()
    gui.panel.figures.setText("<br>".join(["a line"] * 40))
    gui.panel.figures.setVisible(True)
    wait = gui.native.minimumSizeHint().height()
    assert wait > 700
    assert dock.minimumSizeHint().height() == empty < 300


def holds(dock: QDockWidget, gui: Any) -> bool:
    content = dock.widget()
    return content is not None and content.isAncestorOf(gui.native)


def test_a_closed_dock_gives_its_widget_back(user: Any, viewer: napari.Viewer) -> None:
    dock = opens(viewer, "Threshold")
    column = dock.widget()
    assert isinstance(column, DockedColumn)
    gui = dock.inner_widget()
    assert gui.native is not column
    assert column.isAncestorOf(gui.native)
    parents: list[Any] = []
    gui.native_parent_changed.connect(parents.append)
    viewer.window.remove_dock_widget(dock)
    assert gui.native.parent() is None
    assert parents == [None]


def test_a_tab_says_the_widgets_name_alone(user: Any, viewer: napari.Viewer) -> None:
    dock = opens(viewer, "Threshold")
    user.waits(lambda: dock.windowTitle() == "Threshold")
