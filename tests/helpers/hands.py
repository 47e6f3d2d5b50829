"""A mouse and a keyboard: a window gets what they do as it does from a person's.

On X11 they are the server's own, moved by xdotool; elsewhere Qt's, which a window gets from what
stands for its system. Neither knows what it presses.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from qtpy.QtCore import QEvent, QEventLoop, QObject, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QGuiApplication, QKeySequence, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

__all__ = ["Hands", "QtHands", "XHands", "x_hands_work"]

# Milliseconds until a window has long got what was sent to it.
ON_ITS_WAY = 5000

# What the wheel turns by one notch, in eighths of a degree.
NOTCH = 120


class Hands(Protocol):
    """What a person does with a mouse and a keyboard; places are in pixels of the screen."""

    def move(self, place: QPoint) -> None:
        """Move the mouse there."""

    def press(self, place: QPoint, times: int = 1) -> None:
        """Click there with the left button."""

    def drag(self, start: QPoint, *places: QPoint) -> None:
        """Press the left button, move to one place after the other, and let it go."""

    def turn_wheel(self, place: QPoint, notches: int) -> None:
        """Turn the wheel there; a positive number scrolls down."""

    def write(self, text: str) -> None:
        """Type a text."""

    def key(self, name: str) -> None:
        """Press a key, or several at once: "Tab", "ctrl+a"."""


def x_hands_work() -> bool:
    """Return whether xdotool is there, and the windows are X11's."""
    return QGuiApplication.platformName() == "xcb" and shutil.which("xdotool") is not None


class XHands:
    """The mouse and the keyboard of an X server."""

    def move(self, place: QPoint) -> None:
        self._do("mousemove", *_pixels(place))
        _turn()

    def press(self, place: QPoint, times: int = 1) -> None:
        self.move(place)
        with _arriving(QEvent.Type.MouseButtonRelease):
            self._do("click", "--repeat", str(times), "--delay", "60", "1")

    def drag(self, start: QPoint, *places: QPoint) -> None:
        self.move(start)
        with _arriving(QEvent.Type.MouseButtonPress):
            self._do("mousedown", "1")
        for place in places:
            self.move(place)
        with _arriving(QEvent.Type.MouseButtonRelease):
            self._do("mouseup", "1")

    def turn_wheel(self, place: QPoint, notches: int) -> None:
        self.move(place)
        with _arriving(QEvent.Type.Wheel):
            button = "5" if notches > 0 else "4"
            self._do("click", "--repeat", str(abs(notches)), "--delay", "2", button)

    def write(self, text: str) -> None:
        with _arriving(QEvent.Type.KeyRelease):
            self._do("type", "--delay", "3", "--", text)

    def key(self, name: str) -> None:
        with _arriving(QEvent.Type.KeyRelease):
            self._do("key", name)

    def _do(self, *command: str) -> None:
        subprocess.run(["xdotool", *command], check=True, timeout=60)


class QtHands:
    """Qt's own, for what has no X server: they go the way of a window's events all the same."""

    def move(self, place: QPoint) -> None:
        window = QApplication.topLevelAt(place)
        if window is not None:
            QTest.mouseMove(window.windowHandle(), window.mapFromGlobal(place))
        _turn()

    def press(self, place: QPoint, times: int = 1) -> None:
        self.move(place)
        for number in range(times):
            window = QApplication.topLevelAt(place)
            if window is None:
                return
            click = QTest.mouseClick if number % 2 == 0 else QTest.mouseDClick
            handle, inside = window.windowHandle(), window.mapFromGlobal(place)
            click(handle, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, inside)
            _turn()

    def drag(self, start: QPoint, *places: QPoint) -> None:
        self.move(start)
        window = QApplication.topLevelAt(start)
        if window is None:
            return
        handle, button = window.windowHandle(), Qt.MouseButton.LeftButton
        none = Qt.KeyboardModifier.NoModifier
        QTest.mousePress(handle, button, none, window.mapFromGlobal(start))
        for place in places:
            QTest.mouseMove(handle, window.mapFromGlobal(place))
            _turn()
        QTest.mouseRelease(handle, button, none, window.mapFromGlobal((start, *places)[-1]))
        _turn()

    def turn_wheel(self, place: QPoint, notches: int) -> None:
        under = QApplication.widgetAt(place)
        for _ in range(abs(notches)):
            if under is None:
                return
            event = QWheelEvent(
                QPointF(under.mapFromGlobal(place)),
                QPointF(place),
                QPoint(),
                QPoint(0, -NOTCH if notches > 0 else NOTCH),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(under, event)
        _turn()

    def write(self, text: str) -> None:
        for letter in text:
            window = QGuiApplication.focusWindow()
            if window is not None:
                QTest.keyClick(window, letter)
        _turn()

    def key(self, name: str) -> None:
        window = QGuiApplication.focusWindow()
        if window is not None:
            both = QKeySequence.fromString(name)[0]
            QTest.keyClick(window, both.key(), both.keyboardModifiers())
        _turn()


class _Arrival(QObject):
    """Notes that an event of some kind came to the program from its system."""

    def __init__(self, kind: QEvent.Type) -> None:
        super().__init__()
        self._kind = kind
        self.came = False

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() == self._kind and event.spontaneous():
            self.came = True
        return False


@contextmanager
def _arriving(kind: QEvent.Type) -> Iterator[None]:
    """Send something, and turn the event loop until the program has it."""
    arrival, program = _Arrival(kind), QApplication.instance()
    assert program is not None
    program.installEventFilter(arrival)
    try:
        yield
        late = QTimer()
        late.setSingleShot(True)
        late.start(ON_ITS_WAY)
        _turn_until(lambda: arrival.came or not late.isActive())
    finally:
        program.removeEventFilter(arrival)
    if not arrival.came:
        raise TimeoutError(f"No window got the {kind}.")
    _turn()


def _turn_until(condition: Callable[[], bool]) -> None:
    while not condition():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 10)


def _turn() -> None:
    """Let all be done that was asked for by what came."""
    for _ in range(3):
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)


def _pixels(place: QPoint) -> tuple[str, str]:
    return str(place.x()), str(place.y())
