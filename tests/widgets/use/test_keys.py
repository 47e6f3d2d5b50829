"""The keyboard alone leads through each widget, in the order in which it is read."""

import threading
from itertools import pairwise
from typing import Any

import pytest
from napari.layers import Image
from person import Person, read, shown
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QTabBar,
    QWidget,
)

from napari_psf_distiller import SimulatedBeads

WIDGETS = (
    "PSF Distiller",
    "Preprocess beads",
    "Threshold",
    "Find beads",
    "Distil PSF",
    "Distil several images",
    "Post-process PSF",
    "Deconvolve",
    "Deconvolve data set",
    "Inspect PSF",
    "Prove PSF",
)

FIELDS = (QAbstractSpinBox, QLineEdit, QComboBox, QAbstractButton, QAbstractSlider, QTabBar)

# Pixels by which a field may begin above the one before it: those of one row differ in height.
ROW = 12

# More presses than any widget has fields.
MOST = 60


@pytest.fixture
def plane_layer(anew: Person, plane: SimulatedBeads) -> Image:
    return anew.viewer.add_image(
        plane.image, name="plane", scale=plane.spacing, units=("micrometer",) * 2
    )


def test_the_tabulator_key_goes_the_way_of_the_eye(anew: Person, plane_layer: Image) -> None:
    faults, taken = [], keys_of_menus(anew)
    for name in WIDGETS:
        anew.opens("Plugins", "PSF Distiller", name)
        anew.rests(0.2)
        inside = inside_of(anew, name)
        there = [one for one in shown(QWidget) if inside.isAncestorOf(one) and is_reached(one)]
        before = fields_reached(anew, inside, there[0])
        faults += [
            (name, told(one), told(other))
            for one, other in pairwise(before)
            if anew.height_of(other) < anew.height_of(one) - ROW
        ]
        faults += [(name, "not reached", told(one)) for one in there if one not in before]
        # Of a key that two have Qt gives neither.
        own = [key for one in shown(QWidget) if inside.isAncestorOf(one) for key in keys_of(one)]
        faults += [(name, "has a key twice", key) for key in own if own.count(key) > 1]
        faults += [(name, "has a key of napari's", key) for key in own if key in taken]
    assert faults == []


def test_the_guide_is_run_cancelled_and_its_psf_saved_by_keys(
    anew: Person, plane_layer: Image, held: threading.Event
) -> None:
    anew.opens_guide()
    anew.types("bead diameter (µm)", "0.1", end="")
    anew.hands.key("ctrl+Return")
    anew.waits_for("Distil PSF running")
    anew.hands.key("ctrl+period")
    held.set()
    anew.waits_for("cancelled; kept unfinished")
    anew.hands.key("ctrl+Return")
    anew.waits_for("The PSF is ready")
    anew.waits(lambda: not anew.button("Distil PSF").isEnabled())
    asked: list[Any] = []
    anew.answers(lambda: asked.append(anew.folder_of_dialog()))
    anew.hands.key("ctrl+shift+s")
    anew.waits(lambda: asked)


def inside_of(person: Person, name: str) -> QWidget:
    """Return what is in the dock of a widget."""
    window = person.viewer.window._qt_window
    (dock,) = (
        one
        for one in window.findChildren(QDockWidget)
        if one.windowTitle().startswith(f"{name} (") and one.isVisible()
    )
    return dock.widget()


def is_reached(widget: QWidget) -> bool:
    """Return whether somebody who has a keyboard alone must be able to come to a widget."""
    return (
        isinstance(widget, FIELDS)
        and widget.isEnabled()
        and not isinstance(widget.parentWidget(), FIELDS)
        # A bar that scrolls follows what has the keyboard.
        and type(widget).__name__ != "QScrollBar"
    )


def keys_of(widget: QWidget) -> list[str]:
    """Return the keys that press a button, or bring a tab to the front."""
    texts = [widget.text()] if isinstance(widget, QAbstractButton) else []
    if isinstance(widget, QTabBar):
        texts = [widget.tabText(number) for number in range(widget.count())]
    return [key for text in texts if (key := QKeySequence.mnemonic(text).toString())]


def keys_of_menus(person: Person) -> set[str]:
    """Return the keys of napari's menus, and of what is in them."""
    bar = person.viewer.window._qt_window.menuBar()
    menus = [action.menu() for action in bar.actions()]
    actions = [action for menu in menus for action in menu.actions()]
    keys = {key.toString() for action in actions for key in action.shortcuts()}
    assert "Ctrl+S" in keys
    return keys | {QKeySequence.mnemonic(action.text()).toString() for action in bar.actions()}


def fields_reached(person: Person, inside: QWidget, first: QWidget) -> list[QWidget]:
    """Press the tabulator key from a field on, and return where it leads within the widget."""
    # A click would open its list, or do what it does.
    first.setFocus()
    reached = [first]
    for _ in range(MOST):
        person.hands.key("Tab")
        focus: Any = QApplication.focusWidget()
        if focus is None or not inside.isAncestorOf(focus) or focus in reached:
            break
        reached.append(focus)
    return reached


def told(widget: QWidget) -> str:
    return f"{type(widget).__name__} {read(widget) or widget.toolTip()[:40]!r}"
