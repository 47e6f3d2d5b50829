"""Where the parts of a widget stand: columns, rows, and the way of the tabulator key.

Of widgets one below the other as many show as have room.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from magicgui.widgets import FunctionGui, PushButton, Widget
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

__all__ = [
    "AlignedLabels",
    "Column",
    "align_labels",
    "label_of",
    "own_row",
    "row_of",
    "row_of_buttons",
    "tab_through",
]

# So that the window is not laid out anew when what is in it changes.
LEAST_WIDTH = 365


class Column(QScrollArea):
    """Widgets one below the other that scroll up and down, and never to the side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unrolled = False
        self.setMinimumWidth(LEAST_WIDTH)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Reached by Tab, its content is; the area itself has nothing to press.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = QWidget()
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(0, 0, 4, 0)
        self.column.setSpacing(2)
        self.setWidget(content)
        content.installEventFilter(self)
        self._kept: tuple[QWidget, ...] = ()
        bar = self.verticalScrollBar()
        assert bar is not None
        # Of the mouse, its wheel and the keys; not of what is done here.
        bar.actionTriggered.connect(self.let_go)

    def unroll(self) -> None:
        """Be as high as the content, where it lies in another column that scrolls."""
        self._unrolled = True
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(0)
        self._fit_height()

    def _fit_height(self) -> None:
        viewport = self.viewport()
        if viewport is None:
            return
        height = self.column.totalSizeHint().height()
        if self.column.hasHeightForWidth():
            height = self.column.totalHeightForWidth(viewport.width())
        self.setFixedHeight(height)

    def keep_visible(self, *widgets: QWidget) -> None:
        """Scroll to some widgets, the last above all, also when their height comes to change.

        Until somebody scrolls, or moves on with the keyboard.
        """
        self._kept = widgets
        self._show_kept()

    def focusNextPrevChild(self, forward: bool) -> bool:  # noqa: N802
        """Go to where the keyboard moves on."""
        self.let_go()
        return bool(super().focusNextPrevChild(forward))

    def let_go(self) -> None:
        """Scroll by itself no more, until something else is to be kept visible."""
        self._kept = ()

    def _show_kept(self) -> None:
        for widget in self._kept:
            self.ensureWidgetVisible(widget, 0, 0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the content needs, and follow what is kept visible."""
        kind = event.type() if event is not None else None
        if self._unrolled:
            if kind in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
                self._fit_height()
        elif kind == QEvent.Type.LayoutRequest:
            self._widen()
        elif kind == QEvent.Type.Resize:
            # When what is in it has its new place.
            QTimer.singleShot(0, self._show_kept)
        return bool(super().eventFilter(watched, event))

    def _widen(self) -> None:
        content, bar = self.widget(), self.verticalScrollBar()
        if content is not None and bar is not None:
            # A style sheet can make the bar wider than it says.
            room = max(bar.sizeHint().width(), 20)
            needed = content.minimumSizeHint().width() + room
            self.setMinimumWidth(max(needed, self.minimumWidth()))


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


def row_of(widget: Widget, container: QWidget) -> QWidget:
    """Return what holds a parameter and its label, as it lies in its container."""
    row: QWidget = widget.native
    while (parent := row.parentWidget()) is not None and parent is not container:
        row = parent
    return row


def own_row(widget: Widget) -> QWidget:
    """Return what holds a parameter and its label, wherever among others it was put."""
    row: QWidget = widget.native
    while (parent := row.parentWidget()) is not None:
        layout = parent.layout()
        if isinstance(layout, QVBoxLayout) and layout.indexOf(row) >= 0:
            break
        row = parent
    return row


def label_of(widget: Widget, container: QWidget) -> QLabel | None:
    """Return the label of a parameter in its container; None of one without."""
    row = own_row(widget)
    if row is widget.native or not container.isAncestorOf(row):
        return None
    return row.findChild(QLabel)


def align_labels(gui: FunctionGui[Any, Any], ending: str = "") -> None:
    """Let a widget's labels have the same width; see `AlignedLabels`.

    Parameters
    ----------
    gui : FunctionGui
    ending : str
        For which each label has room besides.
    """
    if not hasattr(gui, "aligned_labels"):
        gui.aligned_labels = AlignedLabels(gui)
    if ending:
        gui.aligned_labels.ending = ending


class AlignedLabels(QObject):
    """Lets the labels of a widget's parameters have the same width: their fields line up, and stay.

    magicgui gives them that of the longest text, without the margins that a style sheet adds.

    Parameters
    ----------
    gui : FunctionGui

    Attributes
    ----------
    ending : str
        For which each label has room besides.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        super().__init__(gui.native)
        self._gui, self.ending = gui, ""
        gui.native.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Align them when they are shown, and so when they have their style."""
        if event is not None and event.type() in (QEvent.Type.Show, QEvent.Type.StyleChange):
            self.align()
        return bool(super().eventFilter(watched, event))

    def align(self) -> None:
        """Give all labels the width of the longest."""
        container = self._gui.native
        found = (label_of(widget, container) for widget in self._gui)
        labels = [label for label in found if label is not None]
        for label in labels:
            label.ensurePolished()
        room = max((self._room(label) for label in labels), default=0)
        for label in labels:
            label.setMinimumWidth(room)

    def _room(self, label: QLabel) -> int:
        ending = label.fontMetrics().horizontalAdvance(self.ending)
        own = self.ending and label.text().endswith(self.ending)
        return label.sizeHint().width() + (0 if own else ending)
