"""Somebody at the screen, who finds things by what they say, and has a mouse and a keyboard."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import napari
from hands import Hands
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.layers import Points
from pytestqt.qtbot import QtBot
from qtpy.compat import isalive
from qtpy.QtCore import QPoint, QRect, QTimer
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QDockWidget,
    QFileDialog,
    QGroupBox,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QScrollArea,
    QScrollBar,
    QTabBar,
    QWidget,
)

from napari_psf_distiller.widgets.guide.dock import GuideDock

__all__ = ["Person", "read", "shown"]

PLUGIN = "PSF Distiller"
# The button of the guide that runs what is missing.
RUN = "Distil PSF"

# Milliseconds that nothing here takes, on the slowest machine.
LONG = 60_000
# Until somebody who waits for a dialog gives up.
SOON = 10_000
# From one look at the screen to the next: to read all of it takes as long as a turn of a fit.
LOOK = 50

# So many notches of the wheel are more than any widget is high.
MOST_NOTCHES = 80

# The first may only close what is open, such as the list of files that begin as what was typed.
PRESSES = 3

FIELDS = (QAbstractSpinBox, QLineEdit, QComboBox, QAbstractButton, QAbstractSlider)


class Person:
    """Presses, types and reads in napari's window.

    Parameters
    ----------
    qtbot : QtBot
    viewer : napari.Viewer
    hands : Hands
    """

    def __init__(self, qtbot: QtBot, viewer: napari.Viewer, hands: Hands) -> None:
        self.viewer = viewer
        self.hands = hands
        self._qtbot = qtbot

    @property
    def _window(self) -> QMainWindow:
        # Not kept: it is gone with its viewer.
        return self.viewer.window._qt_window

    # --- what is read

    def texts(self) -> list[str]:
        """Return all that is to be read: of labels, buttons, fields and titles."""
        return [text for widget in shown(QWidget) if (text := read(widget))]

    def sees(self, part: str) -> bool:
        """Return whether a text stands somewhere that has this in it."""
        return any(part in text for text in self.texts())

    def sentence(self, part: str) -> str:
        """Return the text that has this in it."""
        found = [text for text in self.texts() if part in text]
        if not found:
            raise LookupError(f"{part!r} is not to be read, but: {self.texts()}")
        return found[0]

    def reads(self, label: str, number: int = 0) -> str:
        """Return what stands in the field of a label, of several beside it in that number."""
        return read(self.field(label, number))

    def waits(self, condition: Callable[[], Any], milliseconds: int = LONG) -> None:
        """Wait until something is so."""
        late = time.monotonic() + milliseconds / 1000
        while not condition():
            if time.monotonic() > late:
                raise self._qtbot.TimeoutError(f"It is not so after {milliseconds} ms.")
            self._qtbot.wait(LOOK)

    def waits_for(self, part: str) -> str:
        """Wait until a text stands somewhere that has this in it; return it."""
        self._waits_or(
            lambda: self.sees(part), lambda: f"{part!r} is not to be read, but: {self.texts()}"
        )
        return self.sentence(part)

    def waits_until_gone(self, part: str) -> None:
        """Wait until a text that has this in it stands nowhere."""
        self._waits_or(
            lambda: not self.sees(part), lambda: f"It still stands there: {self.sentence(part)!r}"
        )

    def _waits_or(
        self, condition: Callable[[], Any], why: Callable[[], str], milliseconds: int = LONG
    ) -> None:
        try:
            self.waits(condition, milliseconds)
        except self._qtbot.TimeoutError:
            raise LookupError(why()) from None

    def rests(self, seconds: float = 0.5) -> None:
        """Let what was asked for come about."""
        self._qtbot.wait(round(1000 * seconds))

    # --- where things are

    def button(self, name: str) -> QAbstractButton:
        """Return the button that says this, or begins so; the first one from the top."""
        return self._found(lambda: _first(shown(QAbstractButton), name))

    def buttons(self, name: str) -> list[QAbstractButton]:
        """Return all buttons that say this, or begin so."""
        return [one for one in shown(QAbstractButton) if read(one).startswith(name)]

    def _found(self, find: Callable[[], Any]) -> Any:
        """Look for something until it is there."""
        found: list[Any] = []

        def look() -> bool:
            with suppress(LookupError):
                found.append(find())
            return bool(found)

        with suppress(self._qtbot.TimeoutError):
            self.waits(look, SOON)
        return found[0] if found else find()

    def field(self, label: str, number: int = 0) -> QWidget:
        """Return the field to the right of a label, of several in that number."""
        return self._found(lambda: _field(label, number))

    def field_at_once(self, label: str, number: int = 0) -> QWidget:
        """Return the same, which is not waited for."""
        return _field(label, number)

    def point_of(self, layer: Points, number: int) -> QPoint:
        """Return where a point of a layer is on the screen, in two dimensions."""
        canvas = self.viewer.window._qt_viewer.canvas.native
        # Where newer versions of napari have it.
        camera = getattr(self.viewer, "scene", self.viewer).camera
        y, x = layer.data_to_world(layer.data[number])[-2:]
        middle = QRect(canvas.mapToGlobal(QPoint(0, 0)), canvas.size()).center()
        return middle + QPoint(
            round((x - camera.center[-1]) * camera.zoom),
            round((y - camera.center[-2]) * camera.zoom),
        )

    def height_of(self, target: QWidget | str) -> int:
        """Return how far down on the screen a widget, or the button that says this, begins."""
        return _place(self.button(target) if isinstance(target, str) else target).top()

    # --- what is done

    def presses(self, target: QWidget | str) -> None:
        """Click a widget, or the button that says this, having scrolled to it."""
        widget = self.button(target) if isinstance(target, str) else target
        self.hands.press(self._reach(widget))

    def chooses(self, label: str, choice: str) -> None:
        """Choose something in the field of a label, from its list."""
        field = self.field(label)
        assert isinstance(field, QComboBox), label
        index = next((row for row in range(field.count()) if field.itemText(row) == choice), None)
        if index is None:
            offered = [field.itemText(row) for row in range(field.count())]
            raise LookupError(f"{label!r} does not offer {choice!r}, but {offered}.")
        self.chooses_row(field, index)

    def chooses_row(self, field: QComboBox, row: int) -> None:
        """Choose something in a field from its list, by its number."""
        view = field.view()
        for _ in range(PRESSES):
            # It may be moved away at this very moment, by what another thing changes.
            self.presses(field)
            with suppress(self._qtbot.TimeoutError):
                self.waits(view.isVisible, SOON // 5)
                break
        else:
            raise AssertionError(f"The list of {read(field)!r} does not open.")
        for _ in range(PRESSES):
            index = field.model().index(row, field.modelColumn())
            view.scrollTo(index)
            inside = view.visualRect(index).center()
            self.hands.press(view.viewport().mapToGlobal(inside))
            # Where the field was pressed a moment ago, Qt takes it for that press's second half.
            with suppress(self._qtbot.TimeoutError):
                self.waits(lambda: not view.isVisible(), SOON // 5)
                return
        raise AssertionError(f"The list of {read(field)!r} does not close.")

    def types(self, label: str, text: str, number: int = 0, end: str = "Tab") -> None:
        """Type a text into the field of a label in the place of what is there, and go on."""
        field = self.field(label, number)
        for _ in range(PRESSES):
            self.presses(field)
            focus = QApplication.focusWidget()
            if focus is field or (focus is not None and field.isAncestorOf(focus)):
                break
            # It went elsewhere meanwhile, as what is below a sentence does when that comes.
            self.rests()
        self.hands.key("ctrl+a")
        self.hands.write(text)
        if end:
            self.hands.key(end)

    def opens(self, *names: str) -> None:
        """Choose something in the menus of the window, from the outermost on."""
        bar = self._window.menuBar()
        first, *others = names
        action = next(one for one in bar.actions() if _plain(one.text()) == first)
        for _ in range(PRESSES):
            self.hands.press(bar.mapToGlobal(bar.actionGeometry(action).center()))
            with suppress(self._qtbot.TimeoutError):
                self.waits(lambda: isinstance(QApplication.activePopupWidget(), QMenu), SOON // 5)
                break
        for name in others:
            self.chooses_in_menu(name)
        # The guide is put together in turns.
        docks = self._window.findChildren(GuideDock)
        self.waits(lambda: all(dock.whole for dock in docks))

    def opens_guide(self) -> None:
        """Open PSF Distiller from the menu, and wait until it is there."""
        self.opens("Plugins", PLUGIN, PLUGIN)
        # What came last is still being laid out.
        self.rests(0.1)
        self.button(RUN)

    def distils(self) -> None:
        """Press the guide's button, and wait for its end."""
        self.presses(RUN)
        self._waits_or(
            lambda: self.sees("The PSF is ready") and not self.button(RUN).isEnabled(),
            lambda: f"The PSF is not ready; there is to be read: {self.texts()}",
        )

    def chooses_in_menu(self, name: str) -> None:
        """Choose something in the menu that was opened last."""

        def found() -> Any:
            menu = QApplication.activePopupWidget()
            for action in menu.actions() if isinstance(menu, QMenu) else ():
                # Behind the name stands the plugin's.
                text = _plain(action.text()).removesuffix(f" ({PLUGIN})").rstrip("…. ")
                if action.isVisible() and text == name:
                    return menu, action
            return None

        self._waits_or(
            found,
            lambda: f"No menu says {name!r}, but {[_offered(menu) for menu in shown(QMenu)]}.",
            SOON,
        )
        menu, action = found()
        self.hands.press(menu.mapToGlobal(menu.actionGeometry(action).center()))

    def turns_to(self, tab: str) -> None:
        """Press the tab of a name."""
        bar, _ = _tab(tab)
        self._reach(bar)
        self.hands.press(self.place_of_tab(tab))

    def place_of_tab(self, tab: str) -> QPoint:
        """Return where on the screen the tab of a name is."""
        bar, number = _tab(tab)
        return bar.mapToGlobal(bar.tabRect(number).center())

    def open_tabs(self) -> list[str]:
        """Return the names of the tabs that are shown in front."""
        return [_plain(bar.tabText(bar.currentIndex())) for bar in shown(QTabBar)]

    def closes_dock(self, title: str) -> None:
        """Press the cross of the dock whose title has this in it."""
        (dock,) = (one for one in shown(QDockWidget) if title in one.windowTitle())
        crosses = dock.titleBarWidget().findChildren(QAbstractButton)
        (cross,) = (one for one in crosses if "close" in one.toolTip())
        self.presses(cross)

    def selects(self, layer: str) -> None:
        """Press a layer's name in the list."""
        view = self.viewer.window._qt_viewer.layers
        for row in range(view.model().rowCount()):
            index = view.model().index(row, 0)
            if index.data() == layer:
                view.scrollTo(index)
                self.hands.press(view.viewport().mapToGlobal(view.visualRect(index).center()))
                return
        raise LookupError(f"There is no layer {layer!r}.")

    def answers(self, deed: Callable[[], Any]) -> None:
        """Do something once a dialog has come up, which keeps all else waiting."""
        late = QTimer(self._window)
        late.setSingleShot(True)
        late.start(SOON)

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if dialog is None and late.isActive():
                QTimer.singleShot(20, look)
                return
            try:
                assert dialog is not None, "No dialog came up."
                deed()
            except BaseException:
                # Else the test would wait for it until its time is over.
                if isinstance(dialog, QDialog) and isalive(dialog):
                    dialog.reject()
                raise

        QTimer.singleShot(20, look)

    def names_file(self, name: str, button: str) -> None:
        """Type the name of a file into the dialog that asks for one, and press its button."""
        dialog = QApplication.activeModalWidget()
        assert dialog is not None
        (line,) = (one for one in dialog.findChildren(QLineEdit) if one.isVisible())
        self._qtbot.waitUntil(dialog.isActiveWindow, timeout=SOON)
        self.hands.press(_place(line).center())
        self.hands.key("ctrl+a")
        self.hands.write(name)
        found = [one for one in dialog.findChildren(QAbstractButton) if one.isVisible()]
        place = _place(_first(found, button)).center()
        for _ in range(PRESSES):
            self.hands.press(place)
            if not (isalive(dialog) and dialog.isVisible()):
                break

    def folder_of_dialog(self) -> Path:
        """Return the folder that a dialog which asks for a file shows, and close the dialog."""
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QFileDialog)
        folder = Path(dialog.directory().absolutePath())
        self.hands.key("Escape")
        return folder

    def _reach(self, widget: QWidget) -> QPoint:
        """Scroll until a widget is seen, and return where it is pressed."""
        area = widget.parentWidget()
        while area is not None:
            if isinstance(area, QScrollArea):
                self._scroll(area, widget)
            area = area.parentWidget()
        place = _mark_of(widget)
        if QApplication.screenAt(place) is None:
            raise LookupError(f"{read(widget)!r} is not on the screen, as behind a tab.")
        under = QApplication.widgetAt(place)
        if under is not widget and not (under is not None and widget.isAncestorOf(under)):
            raise LookupError(f"{read(widget)!r} is behind {type(under).__name__} {under}.")
        return place

    def _scroll(self, area: QAbstractScrollArea, widget: QWidget) -> None:
        bar, viewport = area.verticalScrollBar(), area.viewport()
        assert bar is not None
        assert viewport is not None
        for _ in range(MOST_NOTCHES):
            seen, wanted = _place(viewport), _mark_of(widget)
            margin = min(12, seen.height() // 4)
            below = wanted.y() > seen.bottom() - margin
            if not below and wanted.y() >= seen.top() + margin:
                return
            before = bar.value()
            # There the wheel turns nothing else.
            self.hands.turn_wheel(_place(bar).center(), 1 if below else -1)
            if bar.value() == before:
                return


def shown(kind: type[Any]) -> list[Any]:
    """Return all widgets of a kind that are shown, also what is scrolled away; from the top on.

    But for napari's notifications, which go away again.
    """
    found: list[Any] = []
    for window in QApplication.topLevelWidgets():
        if window.isVisible():
            passing = window.findChildren(NapariQtNotification)
            inside = [window, *window.findChildren(kind)]
            found += [
                one
                for one in inside
                if isinstance(one, kind)
                and one.isVisible()
                and not any(note is one or note.isAncestorOf(one) for note in passing)
            ]
    # Of a dialog or a menu, rather than of what lies behind it.
    active = QApplication.activePopupWidget() or QApplication.activeModalWidget()
    if active is not None:
        found = [one for one in found if one is active or active.isAncestorOf(one)] or found
    return sorted(found, key=lambda one: (_place(one).top(), _place(one).left()))


def read(widget: QWidget) -> str:
    """Return what a widget says."""
    if isinstance(widget, QComboBox):
        return widget.currentText()
    if isinstance(widget, (QAbstractSpinBox, QLineEdit)):
        return str(widget.text())
    if isinstance(widget, QGroupBox):
        return _plain(widget.title())
    if isinstance(widget, QAbstractButton):
        inside = [_plain(label.text()) for label in widget.findChildren(QLabel)]
        return _plain(widget.text()) or " ".join(text for text in inside if text)
    return _plain(widget.text()) if isinstance(widget, QLabel) else ""


def _tab(name: str) -> tuple[QTabBar, int]:
    """Return the bar on which the tab of a name is, and its number there."""
    for bar in shown(QTabBar):
        for number in range(bar.count()):
            if _plain(bar.tabText(number)) == name:
                return bar, number
    raise LookupError(f"There is no tab {name!r}.")


def _offered(menu: QMenu) -> list[str]:
    """Return what a menu offers."""
    return [_plain(one.text()) for one in menu.actions() if one.isVisible()]


def _field(label: str, number: int) -> QWidget:
    beside = _place(_first(shown(QLabel), label, whole=True))
    found = [
        widget
        for widget in shown(QWidget)
        if isinstance(widget, FIELDS)
        and not isinstance(widget, QScrollBar)
        and not isinstance(widget.parentWidget(), (QAbstractSpinBox, QComboBox))
        and _place(widget).left() >= beside.right() - 1
        and _place(widget).top() <= beside.center().y() <= _place(widget).bottom()
    ]
    found.sort(key=lambda widget: _place(widget).left())
    if len(found) <= number:
        raise LookupError(f"There is no field beside {label!r}.")
    return found[number]


def _first(widgets: Iterable[Any], name: str, whole: bool = False) -> Any:
    widgets = [(widget, read(widget)) for widget in widgets]
    for widget, text in widgets:
        if text.rstrip("…. *") == name.rstrip("…. "):
            return widget
    for widget, text in widgets:
        if not whole and name in text:
            return widget
    raise LookupError(f"Nothing says {name!r}, but: {[text for _, text in widgets if text]}")


def _plain(text: str) -> str:
    """Return a text as it is read, without its markup."""
    return html.unescape(re.sub(r"<[^>]+>", "", text)).replace("&", "").strip()


def _place(widget: QWidget) -> QRect:
    """Return where a widget is on the screen."""
    return QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())


def _mark_of(widget: QWidget) -> QPoint:
    """Return where a widget is pressed: of a box to tick, where the box is."""
    place = _place(widget)
    if isinstance(widget, QAbstractButton) and widget.isCheckable() and not widget.text():
        return place.center()
    if isinstance(widget, QAbstractSpinBox):
        # Not on its arrows.
        line = widget.findChild(QLineEdit)
        if line is not None:
            return _place(line).center()
    if isinstance(widget, QAbstractButton) and widget.width() > 3 * widget.height():
        return QPoint(place.left() + 12, place.center().y())
    return place.center()
