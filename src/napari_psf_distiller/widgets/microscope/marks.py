"""Marks beside the labels of fields that the image's file filled in."""

from typing import Any

from magicgui.widgets import FunctionGui

from napari_psf_distiller.widgets.parts.column import label_of
from napari_psf_distiller.widgets.parts.labels import align_labels

__all__ = ["MARK", "FileMarks"]

MARK = "*"
ENDING = f" {MARK}"


class FileMarks:
    """Which fields of a widget the image's file filled in, as their labels show it.

    Parameters
    ----------
    gui : FunctionGui
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        self._gui = gui
        self._tooltips: dict[str, str] = {}
        align_labels(gui, ENDING)

    @property
    def names(self) -> set[str]:
        """The fields that are marked."""
        return set(self._tooltips)

    def mark(self, name: str, source: str) -> None:
        """Mark a field, and let its tooltip tell where its value is from."""
        widget = self._gui[name]
        plain = self._tooltips.setdefault(name, widget.tooltip)
        widget.tooltip = f"{source} says so; change it if it is wrong. {plain}"
        self._show(name, widget.label + ENDING)

    def unmark(self, *names: str) -> None:
        """Take the marks off some fields, if they have one."""
        for name in names:
            if name in self._tooltips:
                widget = self._gui[name]
                widget.tooltip = self._tooltips.pop(name)
                self._show(name, widget.label)

    def _show(self, name: str, text: str) -> None:
        # The container would give all labels another width with the parameter's own label.
        label = label_of(self._gui[name], self._gui.native)
        if label is not None:
            label.setText(text)
