"""Somebody who does anything at all with the plugin, one thing after the other, by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from magicgui.widgets import FunctionGui
from napari.layers import Layer, Points
from npe2.manifest import PluginManifest
from person import Person, read, shown
from qtpy.QtCore import QPoint, QTimer
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

__all__ = ["RandomUser"]

PLUGIN = "napari-psf-distiller"
WIDGETS = tuple(
    widget.display_name
    for widget in PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
)

# What the buttons say, or begin with, by which something is computed.
RUNS = ("Distil", "Find beads", "Threshold", "Preprocess", "Post-process", "Deconvolve", "Prove")

# What people type, right or wrong.
TEXTS = (
    "0.1",
    "0.175",
    "1.2",
    "1.33",
    "0,52",
    "520",
    "520 nm",
    "1e9",
    "-3",
    "0",
    "abc",
    "",
    "15",
    "nan",
    "inf",
    "-",
    "1,5,2",
)
NAMES = ("beads", "a PSF", "1", "beads beads", "ä µ", "x" * 60)
KEYS = (
    *("ctrl+z", "ctrl+shift+z", "ctrl+y", "Tab", "shift+Tab", "Escape", "Return", "space", "Up"),
    *("Down", "ctrl+g", "ctrl+t", "ctrl+r", "F1", "Delete"),
)

# As the samples say it, in micrometres.
MICROSCOPE = {
    "microscope": "widefield",
    "numerical_aperture": 1.2,
    "wavelength": 0.52,
    "refractive_index": 1.33,
}

# Until they do something that can be done.
TRIES = 100

# Of seconds, the most that they wait.
PATIENCE = 2.0

# Milliseconds from one look for a dialog to the next.
LOOK = 100


class RandomUser:
    """Does one thing after the other, and knows which layers are their own.

    Parameters
    ----------
    person : Person
    field : SimulatedBeads
        What their images are of.
    seed : int
    """

    def __init__(self, person: Person, field: SimulatedBeads, seed: int) -> None:
        self._person, self._viewer, self._field = person, person.viewer, field
        self._chance = random.Random(seed)
        self.done: list[str] = []
        self._own: dict[Layer, np.ndarray] = {}
        self._deeds: tuple[Callable[[], str], ...] = (
            self._open_widget,
            self._open_widget,
            self._press,
            self._press,
            self._press,
            self._run,
            self._run,
            self._run_and_meddle,
            self._wait,
            self._type,
            self._type,
            self._choose,
            self._slide,
            self._switch_tab,
            self._key,
            self._use_canvas,
            self._select_layer,
            self._rename_layer,
            self._hide_layer,
            self._delete_layer,
            self._edit_points,
            self._undo_points,
            self._add_image,
            self._go_to_plane,
            self._close_dock,
        )
        self._dismiss = QTimer()
        self._dismiss.setInterval(LOOK)
        self._dismiss.timeout.connect(_dismiss_dialog)

    def uses(self, actions: int) -> None:
        """Do so many things, on a viewer in which some were done before."""
        self._dismiss.start()
        try:
            self.done.append(self._add_image())
            # Before that, all that is done is done with napari alone.
            self._act((self._distil, self._open_guide, self._open_widget))
            for _ in range(actions):
                self._act(self._deeds)
        finally:
            self._dismiss.stop()
            _dismiss_dialog()

    def _act(self, deeds: tuple[Callable[[], str], ...]) -> None:
        """Do one thing of several, of those that can be done as it is."""
        for _ in range(TRIES):
            try:
                self.done.append(self._chance.choice(deeds)())
                return
            except LookupError:
                continue
        raise RuntimeError(f"Nothing can be done any more, after {self.done}.")

    def lost(self) -> list[str]:
        """Return what became of their own layers that they did not do themselves."""
        faults = []
        for layer, data in self._own.items():
            if layer not in self._viewer.layers:
                faults.append(f"{layer.name!r} is gone")
            elif not np.array_equal(layer.data, data):
                faults.append(f"{layer.name!r} was changed")
        return faults

    def dead(self) -> list[str]:
        """Return which widgets cannot be run any more, once nothing is under way."""
        guis = [getattr(dock.widget(), "_magic_widget", None) for dock in _docks(self._person)]
        return [
            gui.call_button.text
            for gui in guis
            if isinstance(gui, FunctionGui)
            and gui.call_button is not None
            and not gui.call_button.enabled
        ]

    # --- what they do; each returns it in words

    def _open_guide(self) -> str:
        self._person.opens_guide()
        return "open the guide"

    def _distil(self) -> str:
        self._person.opens_guide()
        self._person.distils()
        return "distil"

    def _open_widget(self) -> str:
        name = self._chance.choice(WIDGETS)
        self._person.opens("Plugins", "PSF Distiller", name)
        return f"open {name}"

    def _press(self) -> str:
        button = self._one_of(QAbstractButton)
        said = read(button) or button.toolTip()[:30]
        self._person.presses(button)
        return f"press {said!r}"

    def _run(self) -> str:
        found = [one for one in self._all_of(QAbstractButton) if read(one).startswith(RUNS)]
        if not found:
            raise LookupError("nothing to run")
        button = self._chance.choice(found)
        self._person.presses(button)
        return f"run {read(button)!r}"

    def _run_and_meddle(self) -> str:
        said = self._run()
        meddle = (
            self._delete_layer,
            self._rename_layer,
            self._close_dock,
            self._edit_points,
            self._choose,
        )
        self._person.rests(self._chance.random())
        return f"{said}, and meanwhile {self._chance.choice(meddle)()}"

    def _wait(self) -> str:
        seconds = PATIENCE * self._chance.random()
        self._person.rests(seconds)
        return f"wait {seconds:.1f} s"

    def _switch_tab(self) -> str:
        window = self._person.viewer.window._qt_window
        bars = [bar for bar in window.findChildren(QTabBar) if bar.isVisible() and bar.count() > 1]
        if not bars:
            raise LookupError("no tabs")
        bar: QTabBar = self._chance.choice(bars)
        number = self._chance.randrange(bar.count())
        place = bar.mapToGlobal(bar.tabRect(number).center())
        if QApplication.widgetAt(place) is not bar:
            raise LookupError("scrolled away")
        self._person.hands.press(place)
        return f"switch to {bar.tabText(number)!r}"

    def _use_canvas(self) -> str:
        canvas = self._person.viewer.window._qt_viewer.canvas.native
        start, end = (
            canvas.mapToGlobal(
                QPoint(
                    self._chance.randrange(1, canvas.width() - 1),
                    self._chance.randrange(1, canvas.height() - 1),
                )
            )
            for _ in range(2)
        )
        if QApplication.widgetAt(start) is not canvas:
            raise LookupError("something lies before the canvas")
        how = self._chance.choice(("click", "double-click", "drag", "zoom"))
        if how == "drag":
            self._person.hands.drag(start, end)
        elif how == "zoom":
            self._person.hands.turn_wheel(start, self._chance.choice((-3, 3)))
        else:
            self._person.hands.press(start, 2 if how == "double-click" else 1)
        return f"{how} on the canvas"

    def _type(self) -> str:
        field = self._one_of((QAbstractSpinBox, QLineEdit))
        text = self._chance.choice(TEXTS)
        self._person.presses(field)
        self._person.hands.key("ctrl+a")
        if text:
            self._person.hands.write(text)
        self._person.hands.key(self._chance.choice(("Tab", "Return", "Escape")))
        return f"type {text!r} into one that says {read(field)!r}"

    def _choose(self) -> str:
        field = self._one_of(QComboBox)
        if not field.count():
            raise LookupError("nothing to choose")
        row = self._chance.randrange(field.count())
        text = field.itemText(row)
        self._person.chooses_row(field, row)
        return f"choose {text!r}"

    def _slide(self) -> str:
        slider = self._one_of(QAbstractSlider)
        inside = QPoint(self._chance.randrange(max(slider.width(), 1)), slider.height() // 2)
        place = slider.mapToGlobal(inside)
        if QApplication.widgetAt(place) is not slider:
            raise LookupError("scrolled away")
        self._person.hands.press(place)
        return f"press a slider at {inside.x()}"

    def _key(self) -> str:
        key = self._chance.choice(KEYS)
        focus = QApplication.focusWidget()
        ours = focus is not None and any(dock.isAncestorOf(focus) for dock in _docks(self._person))
        self._person.hands.key(key)
        if key == "Delete" and not ours:
            # napari deletes the layers that are selected in its list.
            self._own = {one: data for one, data in self._own.items() if one in self._viewer.layers}
        return f"key {key}"

    def _select_layer(self) -> str:
        name = self._a_layer().name
        self._person.selects(name)
        return f"select {name!r}"

    def _rename_layer(self) -> str:
        layer, name = self._a_layer(), self._chance.choice(NAMES)
        self._person.selects(layer.name)
        before, layer.name = layer.name, name
        return f"rename {before!r} to {name!r}"

    def _hide_layer(self) -> str:
        layer = self._a_layer()
        layer.visible = not layer.visible
        return f"show or hide {layer.name!r}"

    def _delete_layer(self) -> str:
        layer = self._a_layer()
        self._own.pop(layer, None)
        self._viewer.layers.remove(layer)
        return f"delete {layer.name!r}"

    def _edit_points(self) -> str:
        found = [one for one in self._viewer.layers if isinstance(one, Points) and len(one.data)]
        if not found:
            raise LookupError("no points")
        layer = self._chance.choice(found)
        self._viewer.layers.selection.active = layer
        number = self._chance.randrange(len(layer.data))
        if self._chance.random() < 0.5:
            layer.selected_data = {number}
            layer.remove_selected()
            return f"delete a point of {layer.name!r}"
        layer.add(layer.data[number] + 3)
        return f"add a point to {layer.name!r}"

    def _undo_points(self) -> str:
        found = [one for one in self._viewer.layers if isinstance(one, Points)]
        if not found:
            raise LookupError("no points")
        layer = self._chance.choice(found)
        self._person.selects(layer.name)
        canvas = self._person.viewer.window._qt_viewer.canvas.native
        canvas.setFocus()
        times = self._chance.randrange(1, 4)
        for _ in range(times):
            self._person.hands.key("ctrl+z")
        return f"undo {times} edits of {layer.name!r}"

    def _add_image(self) -> str:
        kinds = ("stack", "stack", "stack", "plane", "no size", "one plane")
        kind = self._chance.choice(kinds) if self._own else "stack"
        data, scale = self._field.image, self._field.spacing
        if kind == "plane":
            data, scale = data[data.shape[0] // 2], scale[1:]
        elif kind == "one plane":
            data = data[data.shape[0] // 2 :][:1]
        layer = self._viewer.add_image(
            data,
            name=self._chance.choice(NAMES),
            scale=scale if kind != "no size" else None,
            units=("micrometer",) * data.ndim if kind != "no size" else None,
            metadata={**MICROSCOPE, "bead_diameter": self._field.bead_diameter},
        )
        self._own[layer] = np.array(data)
        return f"add an image: {kind}"

    def _go_to_plane(self) -> str:
        axis = self._chance.randrange(self._viewer.dims.ndim)
        last = self._viewer.dims.nsteps[axis]
        self._viewer.dims.set_current_step(axis, self._chance.randrange(last))
        return f"go along axis {axis}"

    def _close_dock(self) -> str:
        docks = _docks(self._person)
        if not docks:
            raise LookupError("no dock")
        dock = self._chance.choice(docks)
        title = dock.windowTitle()
        bar: Any = dock.titleBarWidget()
        bar.close_button.click()
        return f"close {title}"

    def _one_of(self, kind: Any) -> Any:
        found = self._all_of(kind)
        if not found:
            raise LookupError("nothing of the kind is shown")
        return self._chance.choice(found)

    def _all_of(self, kind: Any) -> list[Any]:
        docks = _docks(self._person)
        return [
            one
            for one in shown(QWidget)
            if isinstance(one, kind)
            and one.isEnabled()
            and any(dock.isAncestorOf(one) for dock in docks)
        ]

    def _a_layer(self) -> Layer:
        if not self._viewer.layers:
            raise LookupError("no layer")
        return self._chance.choice(list(self._viewer.layers))


def _docks(person: Person) -> list[QDockWidget]:
    """Return the plugin's docks that are shown."""
    window = person.viewer.window._qt_window
    return [
        dock
        for dock in window.findChildren(QDockWidget)
        # Qt has what is behind a tab stand beside the screen.
        if not dock.visibleRegion().isEmpty() and "(PSF Distiller)" in dock.windowTitle()
    ]


def _dismiss_dialog() -> None:
    dialog = QApplication.activeModalWidget()
    if dialog is not None:
        dialog.close()
