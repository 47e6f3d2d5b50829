"""Where the parts of a step widget stand: rows, and the way of the tabulator key."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from magicgui.widgets import FunctionGui, PushButton
from qtpy.QtWidgets import QHBoxLayout, QWidget

__all__ = ["row_of_buttons", "row_of_parameter", "tab_through"]


def row_of_buttons(buttons: Sequence[PushButton]) -> QWidget:
    """Return a row of buttons that share its width."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for button in buttons:
        layout.addWidget(button.native)
    return row


def tab_through(widgets: Sequence[QWidget]) -> None:
    """Let the tabulator key go through widgets in this order, whenever they were made."""
    for before, after in pairwise(widgets):
        QWidget.setTabOrder(before, after)


def row_of_parameter(gui: FunctionGui[Any, Any], name: str) -> QWidget:
    """Return the native row of a parameter: its widget with its label."""
    native: Any = gui[name].native
    while native.parentWidget() is not None and native.parentWidget() is not gui.native:
        native = native.parentWidget()
    row: QWidget = native
    return row
