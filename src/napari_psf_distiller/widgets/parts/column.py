"""Where the parts of a widget stand: columns, rows, and the way of the tabulator key.

Of widgets one below the other as many show as have room.
"""

from collections.abc import Sequence
from itertools import pairwise

from magicgui.widgets import PushButton, Widget
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QEnterEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QBoxLayout,
    QComboBox,
    QDockWidget,
    QFrame,
    QLabel,
    QLayout,
    QLayoutItem,
    QScrollArea,
    QScrollBar,
    QVBoxLayout,
    QWidget,
)

from napari_psf_distiller.widgets.parts.flow import flowing_row

__all__ = [
    "Column",
    "label_of",
    "own_row",
    "row_of",
    "row_of_buttons",
    "scroll_to",
    "tab_through",
]

# So that the window is not laid out anew when what is in it changes.
LEAST_WIDTH = 365

# A style sheet can make a scroll bar wider than it says.
BAR_WIDTH = 20

# What the wheel must not change as long as it only scrolls past.
WHEELED = (QComboBox, QAbstractSlider, QAbstractSpinBox)


class Column(QScrollArea):
    """Widgets one below the other that scroll up and down, and never to the side.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    column : QVBoxLayout
        Gets the widgets.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(LEAST_WIDTH)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Reached by Tab, its content is; the area itself has nothing to press.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = _Content()
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(0, 0, 2, 0)
        self.column.setSpacing(2)
        self.setWidget(content)
        content.installEventFilter(self)
        self._kept: tuple[QWidget, ...] = ()
        # When all in it has its style, and labels are aligned.
        self._widening = QTimer(self)
        self._widening.setSingleShot(True)
        self._widening.timeout.connect(self._widen)
        bar = self.verticalScrollBar()
        assert bar is not None
        # Of the mouse, its wheel and the keys; not of what is done here.
        bar.actionTriggered.connect(self.let_go)

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

    def enterEvent(self, event: QEnterEvent | None) -> None:  # noqa: N802
        """Let the wheel scroll wherever the mouse is, and change only the field that has the keys.

        Fields may have come and gone since the mouse was here last.
        """
        super().enterEvent(event)
        for field in self.findChildren(QWidget):
            if _is_wheeled(field):
                field.removeEventFilter(self)
                field.installEventFilter(self)
                if field.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the content needs, and follow what is kept visible."""
        kind = event.type() if event is not None else None
        if event is not None and kind == QEvent.Type.Wheel and _is_passed(watched):
            # What scrolls gets it then.
            event.ignore()
            return True
        if watched is self.widget() and kind == QEvent.Type.LayoutRequest:
            self._widening.start()
        elif watched is self.widget() and kind == QEvent.Type.Resize:
            # When what is in it has its new place.
            QTimer.singleShot(0, self._show_kept)
        return bool(super().eventFilter(watched, event))

    def _widen(self) -> None:
        content = self.widget()
        if content is not None:
            before = self.minimumWidth()
            needed = max(content.minimumSizeHint().width() + BAR_WIDTH, LEAST_WIDTH)
            self.setMinimumWidth(needed)
            if needed < before:
                _relax_dock(self)


def _is_wheeled(widget: QObject | None) -> bool:
    """Return whether the wheel changes a field; Qt has the area filter its scroll bars too."""
    return isinstance(widget, WHEELED) and not isinstance(widget, QScrollBar)


def _is_passed(widget: QObject | None) -> bool:
    """Return whether the wheel only scrolls past a field, which does not have the keys."""
    return isinstance(widget, QWidget) and _is_wheeled(widget) and not widget.hasFocus()


def _relax_dock(widget: QWidget) -> None:
    """Let the dock that a widget is in need less room: Qt lets it need more, and never less."""
    dock = widget.parentWidget()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    if dock is not None:
        dock.setMinimumWidth(0)


class _Content(QWidget):
    """What a column scrolls: it is at least as high as all in it would like to be.

    A style sheet makes fields lower than their text where there is little room.
    """

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return what it needs not to squeeze anything."""
        least, layout = super().minimumSizeHint(), self.layout()
        return QSize(least.width(), liked_height(layout)) if layout is not None else least


def liked_height(layout: QLayout) -> int:
    """Return how high a layout would like to be, but for what takes any height there is.

    Parameters
    ----------
    layout : QLayout
    """
    items = [item for n in range(layout.count()) if (item := layout.itemAt(n))]
    shown = [item for item in items if not item.isEmpty()]
    down = isinstance(layout, QBoxLayout) and layout.direction() == layout.Direction.TopToBottom
    if not down:
        return layout.totalSizeHint().height()
    margins = layout.contentsMargins()
    between = max(layout.spacing(), 0) * max(len(shown) - 1, 0)
    # A gap that was put between two others is empty to Qt, and yet takes its place.
    gaps = [item for item in items if item.spacerItem() is not None]
    heights = sum(_liked_height_of(item) for item in (*shown, *gaps))
    return margins.top() + heights + between + margins.bottom()


def _liked_height_of(item: QLayoutItem) -> int:
    inner = item.layout()
    if inner is not None:
        return liked_height(inner)
    widget = item.widget()
    if widget is None or not item.expandingDirections() & Qt.Orientation.Vertical:
        return item.sizeHint().expandedTo(item.minimumSize()).height()
    least, within = item.minimumSize().height(), widget.layout()
    return max(liked_height(within), least) if within is not None else least


def scroll_to(*widgets: QWidget) -> None:
    """Let the column that widgets are in, if they are in one, keep them visible, as it does."""
    outer = widgets[0].parentWidget()
    while outer is not None and not isinstance(outer, Column):
        outer = outer.parentWidget()
    if outer is not None:
        outer.keep_visible(*widgets)


def row_of_buttons(buttons: Sequence[PushButton]) -> QWidget:
    """Return a row of buttons that share its width."""
    return flowing_row([button.native for button in buttons])


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
