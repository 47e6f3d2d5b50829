"""What is to be known of a parameter, below its field: why it cannot be, and what was meant."""

from collections.abc import Iterator, Mapping
from functools import partial
from html import escape
from typing import Any

from magicgui.widgets import FunctionGui, TupleEdit, Widget
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_psf_distiller.lengths import Likely
from napari_psf_distiller.typed_numbers import TypedNumberError, number_text
from napari_psf_distiller.widgets.parts.column import own_row
from napari_psf_distiller.widgets.parts.form import form_of
from napari_psf_distiller.widgets.parts.notice import LINK, Notice
from napari_psf_distiller.widgets.viewer.number_fields import NumberBox

__all__ = ["FieldNotes", "check_typed"]


class FieldNotes(QObject):
    """Notes below the fields of a widget.

    Parameters
    ----------
    gui : FunctionGui
        With all its parameters; its layout may change later.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        super().__init__(gui.native)
        self._gui = gui
        self._notices: dict[str, Notice] = {}
        self._rows: dict[QObject, str] = {}
        # What was said of a parameter though it can be, and what its number was meant to be.
        self._advice: dict[str, tuple[str, Likely | None]] = {}
        for widget in gui:
            for box in _boxes(widget):
                box.problem_changed.connect(partial(self._show, widget.name))

    def advise(self, advice: Mapping[str, tuple[str, Likely | None]]) -> None:
        """Say something of some parameters, and nothing of the others.

        Parameters
        ----------
        advice : mapping of str to (str, Likely or None)
            By the parameters' names: a sentence, and what was likely meant.
        """
        changed = {
            name for name in {*advice, *self._advice} if advice.get(name) != self._advice.get(name)
        }
        self._advice = dict(advice)
        for name in changed:
            self._show(name)

    def text(self, name: str) -> str:
        """Return what is said of a parameter, as it is shown; "" is nothing."""
        notice = self._notices.get(name)
        return notice.text() if notice is not None and not notice.isHidden() else ""

    def _show(self, name: str) -> None:
        widget = self._gui[name]
        box = next((box for box in _boxes(widget) if box.problem is not None), None)
        if box is not None and box.problem is not None:
            sentence, likely = str(box.problem), box.problem.likely
        else:
            sentence, likely = self._advice.get(name, ("", None))
        if not sentence and name not in self._notices:
            return
        text = escape(sentence, quote=False)
        if likely is not None:
            text += f" {LINK.format(href=number_text(likely.value), text=f'Use {likely.text}')}"
        notice = self._notice(name)
        notice.say(text, to_do=True)
        self._follow(notice, own_row(widget))

    def _notice(self, name: str) -> Notice:
        """Return the notice of a parameter, which is made when there is something to say first."""
        if name not in self._notices:
            notice = self._notices[name] = Notice()
            notice.linkActivated.connect(partial(self._use, name))
            row = own_row(self._gui[name])
            parent = row.parentWidget()
            layout = parent.layout() if parent is not None else None
            assert isinstance(layout, QVBoxLayout)
            layout.insertWidget(layout.indexOf(row) + 1, notice)
            self._rows[row] = name
            row.installEventFilter(self)
        return self._notices[name]

    def _use(self, name: str, value: str) -> None:
        """Take what was likely meant."""
        boxes = list(_boxes(self._gui[name]))
        box = next((box for box in boxes if box.problem is not None), None)
        for one in [box] if box is not None else boxes:
            one.setValue(float(value))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Say nothing of a parameter that is not asked for."""
        hidden = (QEvent.Type.HideToParent, QEvent.Type.ShowToParent)
        if isinstance(watched, QWidget) and event is not None and event.type() in hidden:
            self._follow(self._notices[self._rows[watched]], watched)
        return bool(super().eventFilter(watched, event))

    @staticmethod
    def _follow(notice: Notice, row: QWidget) -> None:
        notice.setVisible(bool(notice.text()) and not row.isHidden())


def check_typed(gui: FunctionGui[Any, Any]) -> None:
    """Refuse to go on with what was typed in a field that counts, and cannot be used.

    Raises
    ------
    TypedNumberError
        As it is said below the field.
    """
    form = form_of(gui)
    values = {widget.name: getattr(widget, "value", None) for widget in gui}
    for widget in gui:
        if form is not None and not form.counts(widget.name, values):
            continue
        for box in _boxes(widget):
            # What was not left yet was not looked at.
            box.interpretText()
            if box.problem is not None:
                raise TypedNumberError(str(box.problem), box.problem.likely)


def _boxes(widget: Widget) -> Iterator[NumberBox]:
    """Yield the number boxes of a parameter."""
    for one in widget if isinstance(widget, TupleEdit) else (widget,):
        if isinstance(one.native, NumberBox):
            yield one.native
