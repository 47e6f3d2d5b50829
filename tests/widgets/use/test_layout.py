"""How widgets lie, in windows, themes and fonts of several sizes."""

import pytest
from layout import faults_of
from napari.layers import Image
from napari.settings import get_settings
from person import Person
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-psf-distiller"
WIDGETS = ("Preprocess beads", "Threshold", "Find beads")
SIZES = ((1600, 1000), (1280, 800))
THEMES = ("dark", "light")


@pytest.mark.parametrize("font", [9, 12, 16])
def test_nothing_is_cut_or_out_of_line(person: Person, bead_layer: Image, font: int) -> None:
    window, appearance = person.viewer.window._qt_window, get_settings().appearance
    appearance.font_size = font
    docks = [person.viewer.window.add_plugin_dock_widget(PLUGIN, name)[0] for name in WIDGETS]
    faults = []
    for theme in THEMES:
        appearance.theme = theme
        for size in SIZES:
            window.resize(*size)
            for name, dock in zip(WIDGETS, docks, strict=True):
                dock.raise_()
                come_to_rest()
                faults += [(name, theme, size, fault) for fault in faults_of(dock.widget())]
    assert faults == []


def come_to_rest() -> None:
    for _ in range(10):
        QApplication.processEvents()
