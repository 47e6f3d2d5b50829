"""Qt's event loop, for the tests of what happens a moment later."""

from __future__ import annotations

import threading

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer

__all__ = ["wait_for_what_was_put_off"]

# What was put off may put something off itself.
TURNS = 3


def wait_for_what_was_put_off(qtbot: QtBot) -> None:
    """Let the loop turn until all is done that waited for its next turn."""
    for _ in range(TURNS):
        turned = threading.Event()
        QTimer.singleShot(0, turned.set)
        qtbot.waitUntil(turned.is_set)
