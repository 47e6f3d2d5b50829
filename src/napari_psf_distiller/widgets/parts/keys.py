"""Keys for what is done most, and the way of the tabulator key."""

from collections.abc import Iterator

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QLayout, QPushButton, QScrollArea, QTabWidget, QWidget

from napari_psf_distiller.widgets.parts.column import tab_through

__all__ = ["CANCEL", "RUN", "SAVE_PSF", "TabsAsSeen", "leave_keys", "press_by_keys", "with_keys"]

# Neither napari nor its menus have any of them; the second is the same key of the number pad.
RUN, CANCEL, SAVE_PSF = ("Ctrl+Return", "Ctrl+Enter"), ("Ctrl+.",), ("Ctrl+Shift+S",)


def press_by_keys(button: QPushButton, keys: tuple[str, ...], scope: QWidget) -> None:
    """Let keys press a button while the keyboard is in a widget, and its tooltip tell them.

    Parameters
    ----------
    button : QPushButton
    keys : tuple of str
        Any of them presses it.
    scope : QWidget
    """
    for key in keys:
        shortcut = QShortcut(QKeySequence(key), scope)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.setAutoRepeat(False)
        shortcut.activated.connect(button.click)
    button.setToolTip(with_keys(button.toolTip(), keys))


def with_keys(text: str, keys: tuple[str, ...]) -> str:
    """Return a tooltip that tells the keys too."""
    name = QKeySequence(keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
    return f"{text} ({name})".strip()


def leave_keys(widget: QWidget) -> None:
    """Leave the keys to a widget around this one, which has them too."""
    own = {QKeySequence(key).toString() for key in (*RUN, *CANCEL, *SAVE_PSF)}
    for shortcut in widget.findChildren(QShortcut):
        if shortcut.key().toString() in own:
            shortcut.setEnabled(False)


class TabsAsSeen(QObject):
    """Lets the tabulator key go through a widget as its parts are laid out, whenever it is shown.

    Parameters
    ----------
    widget : QWidget
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Set the order when it is shown: all is there by then."""
        if event is not None and event.type() == QEvent.Type.Show and watched is self._widget:
            self.set_order()
        return bool(super().eventFilter(watched, event))

    def set_order(self) -> None:
        """Set the order as the parts are laid out now."""
        tab_through(list(_laid_out(self._widget.layout())))


def _laid_out(layout: QLayout | None) -> Iterator[QWidget]:
    """Yield what the tabulator key stops at, in the order of a layout."""
    for place in range(layout.count() if layout is not None else 0):
        item = layout.itemAt(place) if layout is not None else None
        widget = item.widget() if item is not None else None
        if widget is None:
            yield from _laid_out(item.layout() if item is not None else None)
            continue
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None:
            yield widget
        content = widget.widget() if isinstance(widget, QScrollArea) else widget
        if content is not None and not isinstance(widget, QTabWidget):
            yield from _laid_out(content.layout())
