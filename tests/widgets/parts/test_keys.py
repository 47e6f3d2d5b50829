"""What is done most has keys, and the tabulator key goes the way of the eye."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.parts.keys import (
    CANCEL,
    RUN,
    SAVE_PSF,
    leave_keys,
    press_by_keys,
)

ENTER, CONTROL = Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    made.setLayout(QVBoxLayout())
    qtbot.addWidget(made)
    return made


def test_keys_press_a_button(window: QWidget, qtbot: QtBot) -> None:
    button = QPushButton("Run")
    button.setToolTip("Runs it.")
    layout = window.layout()
    assert layout is not None
    layout.addWidget(button)
    pressed: list[bool] = []
    button.clicked.connect(pressed.append)
    press_by_keys(button, RUN, window)
    assert button.toolTip().startswith("Runs it. (")
    window.show()
    window.activateWindow()
    button.setFocus()
    qtbot.waitUntil(button.hasFocus)
    qtbot.keyClick(button, ENTER, CONTROL)
    assert len(pressed) == 1
    leave_keys(window)
    qtbot.keyClick(button, ENTER, CONTROL)
    assert len(pressed) == 1


def test_napari_has_none_of_the_keys() -> None:
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    for keys in (RUN, CANCEL, SAVE_PSF):
        for key in keys:
            assert key.replace("Return", "Enter") not in taken
            assert not QKeySequence(key).isEmpty()


def stops(widget: QWidget) -> list[QWidget]:
    """Return what the tabulator key stops at in a widget, in its order."""
    found, place = [], widget.nextInFocusChain()
    while place is not None and place is not widget:
        by_tab = place.focusPolicy() & Qt.FocusPolicy.TabFocus and place.focusProxy() is None
        if widget.isAncestorOf(place) and place.isVisible() and by_tab:
            found.append(place)
        place = place.nextInFocusChain()
    return found


def assert_as_seen(widget: QWidget) -> None:
    """Check that each stop is right of the one before it, or below it."""
    for before, after in pairwise(stops(widget)):
        one, other = (part.mapTo(widget, part.rect().center()) for part in (before, after))
        in_row = abs(one.y() - other.y()) < before.height() // 2
        assert other.x() > one.x() if in_row else other.y() > one.y()


@pytest.fixture
def shown(make_napari_viewer: Any, user_of: Any, qtbot: QtBot) -> Any:
    """Somebody at a viewer that is on the screen, with a small image."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.eye(24, dtype=np.float32), name="small")
    return user_of(viewer)


@pytest.mark.parametrize("name", ["Preprocess beads", "Find beads", "Threshold", "Distil PSF"])
def test_the_tabulator_key_goes_the_way_of_the_eye(shown: Any, name: str) -> None:
    gui = shown.opens(name)
    shown.waits(gui.native.isVisible)
    assert len(stops(gui.native)) > 4
    assert_as_seen(gui.native)


def test_so_it_does_in_the_guide_and_in_a_step(shown: Any) -> None:
    _, guide = shown.viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
    shown.waits(guide.isVisible)
    guide.head.voxel_size.value = (0.0, 0.1, 0.1)
    section = guide.sections[StepId.DISTILL]
    section.header.setChecked(True)
    section.fold.button.setChecked(True)
    step, head = section.step.gui, guide.head
    shown.waits(step.most_iterations.native.isVisible)
    shown.waits(head.scale_button.native.isVisible)
    order = stops(guide)
    for before, after in (
        (head.voxel_size[2].native, head.scale_button.native),
        (head.scale_button.native, head.bead_diameter.native),
        (section.header, section.fold.button),
        (section.fold.button, step.most_iterations.native),
        (step.most_iterations.native, step.call_button.native),
        (step.call_button.native, guide.run_button),
    ):
        assert order.index(before) < order.index(after)
