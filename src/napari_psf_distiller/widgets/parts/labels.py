"""The labels of a widget's fields: as wide as each other, so that the fields stand in line."""

from typing import Any

from magicgui.widgets import FunctionGui
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLayoutItem, QSizePolicy, QWidget

from napari_psf_distiller.widgets.parts.column import label_of

__all__ = ["AlignedLabels", "align_labels", "labelled_row"]

# Pixels that labels and fields take at most together; long labels go on in a second line before
# they take more. So a widget has room beside the viewer's own docks in a window of 1280 pixels, in
# a large font too.
MOST_WIDTH = 445


def align_labels(gui: FunctionGui[Any, Any], ending: str = "") -> "AlignedLabels":
    """Let a widget's labels have the same width; see `AlignedLabels`.

    Parameters
    ----------
    gui : FunctionGui
    ending : str
        For which each label has room besides.
    """
    if not hasattr(gui, "aligned_labels"):
        gui.aligned_labels = AlignedLabels(gui)
    aligned: AlignedLabels = gui.aligned_labels
    if ending:
        aligned.ending = ending
    return aligned


def labelled_row(label: QLabel, *fields: QWidget) -> QWidget:
    """Return a row of a label and its fields that lies as a parameter's does, see `AlignedLabels`.

    Parameters
    ----------
    label : QLabel
    *fields : QWidget
        The first takes what room there is.
    """
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(label)
    for number, field in enumerate(fields):
        layout.addWidget(field, 0 if number else 1)
    return row


class AlignedLabels(QObject):
    """Lets the labels of a widget's parameters have the same width: their fields line up, and stay.

    magicgui gives them that of the longest text, without the margins that a style sheet adds. Texts
    that are very long have two lines.

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
        self._others: list[QLabel] = []
        # All whose fields stand in one line, and how far this one's labels are to the right.
        self.group, self.indent = [self], 0
        self.restyled = QTimer(self)
        self.restyled.setSingleShot(True)
        self.restyled.timeout.connect(self.align)
        gui.native.installEventFilter(self)

    def stand_with(self, other: "AlignedLabels", indent: int) -> None:
        """Let the fields stand in line with another widget's, too.

        Parameters
        ----------
        other : AlignedLabels
        indent : int
            Pixels by which the labels begin further to the right.
        """
        self.indent = indent
        other.group.append(self)
        self.group = other.group

    def add(self, label: QLabel) -> None:
        """Align a label of a field that is no parameter."""
        self._others.append(label)
        if self._gui.native.isVisible():
            self.align()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Align them when they are shown, and so when they have their style."""
        kind = event.type() if event is not None else None
        if kind == QEvent.Type.Show:
            self.align()
        elif kind == QEvent.Type.StyleChange:
            # The labels get theirs after what they are in; once for all that stand in one line.
            self.group[0].restyled.start()
        return bool(super().eventFilter(watched, event))

    def align(self) -> None:
        """Give all labels the width of the longest."""
        labels = [(label, one) for one in self.group for label in one.labels()]
        widths = [one.indent + one.width(label) for label, one in labels]
        fields = max((_width_beside(label) for label, _ in labels), default=0)
        words = max((one.indent + _width_of_words(label) for label, one in labels), default=0)
        room = min(max(widths, default=0), max(MOST_WIDTH - fields, words))
        for (label, one), width in zip(labels, widths, strict=True):
            label.setWordWrap(width > room)
            label.setFixedWidth(room - one.indent)
            row = label.parentWidget()
            if row is not None:
                # A style sheet lets fields be lower than their text where there is little room.
                across = row.sizePolicy().horizontalPolicy()
                row.setSizePolicy(across, QSizePolicy.Policy.Minimum)

    def labels(self) -> list[QLabel]:
        """Return the labels of the widget's parameters, and those that were added."""
        container = self._gui.native
        found = (label_of(widget, container) for widget in self._gui)
        return [label for label in found if label is not None] + self._others

    def width(self, label: QLabel) -> int:
        """Return how wide a label is in one line."""
        label.ensurePolished()
        # A label is never asked for less than it has.
        label.setMinimumWidth(0)
        label.setWordWrap(False)
        ending = label.fontMetrics().horizontalAdvance(self.ending)
        own = self.ending and label.text().endswith(self.ending)
        return label.sizeHint().width() + (0 if own else ending)


def _width_of_words(label: QLabel) -> int:
    """Return how wide a label is with each word in a line of its own."""
    metrics = label.fontMetrics()
    text = label.text()
    words = max((metrics.horizontalAdvance(word) for word in text.split()), default=0)
    return label.sizeHint().width() - metrics.horizontalAdvance(text) + words


def _width_beside(label: QLabel) -> int:
    """Return how wide all is that stands beside a label, at least."""
    row = label.parentWidget()
    layout = row.layout() if row is not None else None
    if layout is None:
        return 0
    items = [item for n in range(layout.count()) if (item := layout.itemAt(n)) is not None]
    beside = [_least_width(item) for item in items if item.widget() is not label]
    return sum(beside) + layout.spacing() * len(beside)


def _least_width(item: QLayoutItem) -> int:
    """Return how wide something is at least, also if it comes only with another choice."""
    widget = item.widget()
    if widget is None or not widget.isHidden():
        return item.minimumSize().width()
    return widget.minimumWidth() or widget.minimumSizeHint().width()
