"""Where a widget stands in napari's window: our own in one place, one behind the other."""

from collections.abc import Callable
from typing import Any

from magicgui.widgets import FunctionGui
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_psf_distiller.widgets.parts.column import Column
from napari_psf_distiller.widgets.viewer.canvas import free_in_own_context

__all__ = ["DockedColumn", "be_as_wide", "put_below", "share_dock", "stand_together", "when_docked"]

# What napari adds to the name of a widget.
PLUGIN = " (napari-psf-distiller)"

# Marks a dock as ours.
OURS = "psf_distiller"


def share_dock(gui: FunctionGui[Any, Any]) -> None:
    """Let a widget scroll, and stand behind or before our others, whenever it is docked."""
    when_docked(gui, lambda: _share_dock(gui.native))


def _share_dock(widget: QWidget) -> None:
    dock = widget.parentWidget()
    if isinstance(dock, QDockWidget):
        _Scrolling(dock, widget)
    stand_together(widget)


class _Scrolling(QObject):
    """Lets what is in a dock scroll, as soon as the dock comes into its window.

    Else the window would become as high as it needs to be, on a screen that may be lower. When the
    widget comes into the dock it is too early: the dock puts it where it belongs after that.
    """

    def __init__(self, dock: QDockWidget, widget: QWidget) -> None:
        super().__init__(dock)
        self._widget = widget
        dock.installEventFilter(self)

    def eventFilter(self, dock: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Put the widget into a column, and that into the dock."""
        kinds = (QEvent.Type.ParentChange, QEvent.Type.Show)
        if isinstance(dock, QDockWidget) and event is not None and event.type() in kinds:
            dock.removeEventFilter(self)
            if dock.widget() is self._widget:
                dock.setWidget(DockedColumn(self._widget))
            self.deleteLater()
        return False


class DockedColumn(Column):
    """A widget that scrolls in its dock, and is let go as it was when the dock is closed.

    Parameters
    ----------
    widget : QWidget
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        # By it napari finds what is in a dock.
        self._magic_widget = getattr(widget, "_magic_widget", None)
        self._widget = widget
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(widget)
        widget.show()

    def event(self, event: QEvent | None) -> bool:
        """Give the widget back when it is taken out of the dock."""
        done = bool(super().event(event))
        taken = event is not None and event.type() == QEvent.Type.ParentChange
        if taken and self.parentWidget() is None and self.isAncestorOf(self._widget):
            self._widget.setParent(None)
            self.deleteLater()
        return done


def when_docked(gui: FunctionGui[Any, Any], call: Callable[[], None]) -> None:
    """Call something whenever a widget gets a parent or loses it.

    Qt holds the signal for as long as there is the widget, out of the garbage collector's sight
    with PySide: what listened to it and held the widget would keep both for ever.

    Parameters
    ----------
    gui : FunctionGui
    call : callable
        Held by the widget.
    """
    listener = _Listener(call)
    gui.listeners = (*getattr(gui, "listeners", ()), listener)
    gui.native_parent_changed.connect(listener.on_parent)


class _Listener:
    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_parent(self, _parent: Any) -> None:
        """Call it; a signal holds this method weakly."""
        self._call()


def stand_together(widget: QWidget) -> None:
    """Put a widget's dock into one place with our others, each behind a tab.

    Two of them, one below the other, have not enough room on most screens. To be called when it
    got a parent; whoever moves it elsewhere finds it there until it is closed.
    """
    # napari puts the widget into the dock first, and then the dock into the window.
    QTimer.singleShot(0, lambda: _stand_together(widget))


def _stand_together(widget: QWidget) -> None:
    dock, window = _dock_and_window(widget)
    # What is in a dock with others, as the guide's steps, comes here once each.
    if dock is None or window is None or dock.property(OURS):
        return
    free_in_own_context(window)
    if dock.isFloating():
        return
    dock.setProperty(OURS, True)
    # Which stands on its tab, where there is little room.
    dock.setWindowTitle(dock.windowTitle().removesuffix(PLUGIN))
    ours = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and other.property(OURS)
        and not other.isFloating()
        and window.dockWidgetArea(other) == window.dockWidgetArea(dock)
    ]
    if ours:
        window.tabifyDockWidget(ours[-1], dock)
        dock.show()
        dock.raise_()


def put_below(widget: QWidget, height: int) -> None:
    """Put a widget's dock below the viewer, where what is wide has room.

    Parameters
    ----------
    widget : QWidget
        In a dock of a window.
    height : int
        Of the dock, in pixels.
    """
    dock, window = _dock_and_window(widget)
    if dock is not None and window is not None:
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        window.resizeDocks([dock], [height], Qt.Orientation.Vertical)


def be_as_wide(widget: QWidget, width: int) -> None:
    """Let a widget's dock be as wide as what came into it later would like to be, or wider.

    Parameters
    ----------
    widget : QWidget
        In a dock of a window, else nothing is done.
    width : int
        In pixels.
    """
    dock, window = _dock_and_window(widget)
    if dock is not None and window is not None and dock.width() < width:
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)


def _dock_and_window(widget: QWidget) -> tuple[QDockWidget | None, QMainWindow | None]:
    dock: QWidget | None = widget if isalive(widget) else None  # type: ignore[no-untyped-call]
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    window = dock.parentWidget() if dock is not None else None
    return dock, window if isinstance(window, QMainWindow) else None
