"""Help at a widget: a button below it, F1 in a field, and a click on a field's label."""

from typing import Any
from weakref import ref

from magicgui.widgets import FunctionGui, Widget
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication, QPushButton, QWidget

from napari_psf_distiller.widgets.help.pages import CHAPTERS, GUIDE
from napari_psf_distiller.widgets.help.window import HelpWindow
from napari_psf_distiller.widgets.parts.column import label_of, row_of

__all__ = ["Help", "offer_help"]


class Help(QObject):
    """Opens the guide where a widget, or one of its fields, is explained.

    Parameters
    ----------
    gui : FunctionGui
    title : str
        Of the widget, as `CHAPTERS` has it.

    Attributes
    ----------
    button : QPushButton
        Opens the chapter.
    window : HelpWindow or None
        The one that was opened last.
    """

    def __init__(self, gui: FunctionGui[Any, Any], title: str) -> None:
        super().__init__(gui.native)
        # What Qt keeps must not keep the widget, and all layers with it.
        self._weakly = ref(gui)
        self._chapter = CHAPTERS[title]
        self.window: HelpWindow | None = None
        self.button = QPushButton("? in the guide")
        self.button.setFlat(True)
        self.button.setAccessibleName(f"{title} in the guide")
        self.button.setToolTip(
            "What each field means and which value is good. F1 in a field, or a click on its name, "
            "leads to that field."
        )
        self.button.clicked.connect(lambda _: self.show())
        key = QShortcut(QKeySequence(QKeySequence.StandardKey.HelpContents), gui.native)
        key.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        key.activated.connect(self.show_focused)
        for widget in gui:
            label = label_of(widget, gui.native)
            if label is not None:
                label.setCursor(Qt.CursorShape.WhatsThisCursor)
                label.installEventFilter(self)

    def show(self, row: str = "") -> None:
        """Open the guide at the widget's chapter, at a field of this label."""
        gui = self._weakly()
        window = self.window
        if window is None or not isalive(window):  # type: ignore[no-untyped-call]
            parent = gui.native.window() if gui is not None else None
            window = self.window = HelpWindow(parent)
        window.show()
        window.show_page(GUIDE, self._chapter, row)
        window.raise_()

    def show_focused(self) -> None:
        """Open the guide at the field that has the keyboard."""
        gui = self._weakly()
        focus: QWidget | None = QApplication.focusWidget()
        if gui is not None and focus is not None:
            for widget in gui:
                row = row_of(widget, gui.native)
                if row is focus or row.isAncestorOf(focus):
                    self.show(_name(widget))
                    return
        self.show()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Open the guide at the field whose label was clicked."""
        if event is not None and event.type() == QEvent.Type.MouseButtonRelease:
            gui = self._weakly()
            if gui is not None:
                labels = {widget.name: label_of(widget, gui.native) for widget in gui}
                named = [name for name, label in labels.items() if label is watched]
                for name in named:
                    self.show(_name(gui[name]))
        return bool(super().eventFilter(watched, event))


def offer_help(gui: FunctionGui[Any, Any], title: str) -> None:
    """Let a widget open the guide where it is explained, if it has a chapter there.

    Parameters
    ----------
    gui : FunctionGui
    title : str
    """
    if title in CHAPTERS:
        gui.help = Help(gui, title)
        layout = gui.native.layout()
        layout.addWidget(gui.help.button, 0, Qt.AlignmentFlag.AlignRight)


def _name(widget: Widget) -> str:
    """Return how the guide's tables call a field."""
    return str(getattr(widget, "text", "") or widget.label)
