"""What is wrong with how widgets lie: cut text, fields out of line, what scrolls to the side.

Nothing here knows a widget: whatever is shown in the Qt tree is measured, each text in its own
font against the room that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from person import read
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGroupBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMainWindow,
    QProgressBar,
    QStyle,
    QStyleOptionComboBox,
    QStyleOptionFrame,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

__all__ = ["faults_of", "faults_of_window"]

# Pixels by which fields may be out of line, and a text larger than its place.
LINE, ROUNDING = 2, 1
# Pixels that Qt keeps free on each side of a typed text.
TYPED_MARGIN = 2
# Pixels between two things that stand below one another, at most.
GAP = 40

FIELDS = (QAbstractSpinBox, QLineEdit, QComboBox, QAbstractButton, QAbstractSlider)
COMPOUND = (QAbstractSpinBox, QComboBox, QAbstractSlider)


def faults_of(widget: QWidget) -> list[str]:
    """Return what is wrong with how a widget lies that is shown, a sentence each."""
    looks: tuple[Callable[[QWidget], Iterator[str]], ...] = (
        _cut,
        _squeezed,
        _outside,
        _overlapping,
        _out_of_line,
        _sideways,
        _adrift,
    )
    return [fault for look in looks for fault in look(widget)]


def faults_of_window(window: QMainWindow, size: tuple[int, int]) -> list[str]:
    """Return how a window, and what is docked in it, do not fit a screen of some size."""
    found = []
    least = window.minimumSizeHint()
    for name, is_, needs, may in (
        ("wide", window.width(), least.width(), size[0]),
        ("high", window.height(), least.height(), size[1]),
    ):
        if is_ > may or needs > may:
            found.append(f"The window is {is_} pixels {name}, needs {needs} and may be {may}")
    return found


# --- texts and the room that they have


def _cut(outer: QWidget) -> Iterator[str]:
    for widget in _shown(outer, QWidget):
        for text, needed, there in _rooms(widget):
            if needed > there + ROUNDING:
                kind = type(widget).__name__
                yield f"{kind} {text!r} needs {needed} pixels and has {there}"


def _rooms(widget: QWidget) -> Iterator[tuple[str, int, int]]:
    """Yield the texts of a widget with the pixels that they need, and those that there are."""
    metrics = widget.fontMetrics()
    if isinstance(widget, QLabel):
        yield from _rooms_of_label(widget)
    elif isinstance(widget, QComboBox):
        beside_arrow = _field_of_combo(widget).width()
        text = widget.currentText()
        yield text, metrics.horizontalAdvance(text), beside_arrow
        yield text, metrics.height(), widget.height()
    elif isinstance(widget, QLineEdit):
        text = widget.text() or widget.placeholderText()
        margins = widget.textMargins()
        option: Any = QStyleOptionFrame()
        option.initFrom(widget)
        option.lineWidth = (
            widget.style().pixelMetric(QStyle.PixelMetric.PM_DefaultFrameWidth, option, widget)
            if widget.hasFrame()
            else 0
        )
        inside = widget.style().subElementRect(
            QStyle.SubElement.SE_LineEditContents, option, widget
        )
        beside = margins.left() + margins.right() + 2 * TYPED_MARGIN
        yield text, metrics.horizontalAdvance(text), inside.width() - beside
        yield text, metrics.height(), inside.height()
    elif isinstance(widget, QAbstractButton) and widget.text():
        text = read(widget)
        if isinstance(widget, QToolButton):
            yield text, metrics.horizontalAdvance(text), widget.width()
        else:
            yield text, widget.minimumSizeHint().width(), widget.width()
            yield text, widget.minimumSizeHint().height(), widget.height()
        yield text, metrics.height(), widget.height()
    elif isinstance(widget, QGroupBox):
        yield widget.title(), metrics.horizontalAdvance(widget.title()), widget.width()
    elif isinstance(widget, QTabBar):
        for number in range(widget.count()):
            rect, text = widget.tabRect(number), widget.tabText(number)
            yield text, rect.right() + 1, widget.width()
            yield text, metrics.horizontalAdvance(text.replace("&", "")), rect.width()
            yield text, metrics.height(), rect.height()
    elif isinstance(widget, QProgressBar) and widget.isTextVisible():
        yield widget.text(), metrics.height(), widget.height()
    elif isinstance(widget, QHeaderView) and widget.orientation() == Qt.Orientation.Horizontal:
        for number in range(widget.count()):
            if not widget.isSectionHidden(number):
                name = str(widget.model().headerData(number, widget.orientation()))
                yield name, widget.sectionSizeHint(number), widget.sectionSize(number)


def _rooms_of_label(label: QLabel) -> Iterator[tuple[str, int, int]]:
    if not label.text():
        return
    text = read(label)
    if not label.wordWrap():
        yield text, label.minimumSizeHint().width(), label.width()
        yield text, label.sizeHint().height(), label.height()
        return
    yield text, label.heightForWidth(label.width()), label.height()
    words = QTextDocument()
    words.setDefaultFont(label.font())
    words.setDocumentMargin(0)
    option = words.defaultTextOption()
    option.setWrapMode(option.WrapMode.WordWrap)
    words.setDefaultTextOption(option)
    # As it is painted, whatever a label of another kind says that it is.
    painted = QLabel.text(label)
    if "<" in painted or "&" in painted:
        words.setHtml(painted)
    else:
        words.setPlainText(painted)
    # Nothing is so narrow: then it is as wide as its longest word.
    words.setTextWidth(1)
    yield text, round(words.idealWidth()), label.contentsRect().width()


def _field_of_combo(box: QComboBox) -> QRect:
    """Return where in a combo box its text is."""
    option: Any = QStyleOptionComboBox()
    option.initFrom(box)
    option.editable, option.frame = box.isEditable(), box.hasFrame()
    control, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
    return box.style().subControlRect(control, option, part, box)


def _squeezed(outer: QWidget) -> Iterator[str]:
    """Look for what is lower than its own style lets it be."""
    for widget in _shown(outer, QWidget):
        if not isinstance(widget, (*FIELDS, QTabBar, QProgressBar)) or _inside_field(widget):
            continue
        needed = widget.minimumSizeHint().height()
        if needed > widget.height() + ROUNDING:
            kind = type(widget).__name__
            yield f"{kind} {read(widget)!r} is {widget.height()} pixels high and needs {needed}"


def _outside(outer: QWidget) -> Iterator[str]:
    """Look for what lies in part outside of what it is in, where nothing scrolls to it."""
    for widget in _shown(outer, QWidget):
        parent = widget.parentWidget()
        if widget is outer or parent is None or widget.isWindow() or _inside_field(widget):
            continue
        scrolled = parent.parentWidget()
        if isinstance(scrolled, QAbstractScrollArea) and scrolled.viewport() is parent:
            continue
        if isinstance(parent, QAbstractScrollArea):
            continue
        if not parent.rect().adjusted(-LINE, -LINE, LINE, LINE).contains(widget.geometry()):
            yield (
                f"{type(widget).__name__} {read(widget)!r} at {_numbers(widget.geometry())} lies "
                f"outside of {type(parent).__name__} of {parent.width()} x {parent.height()}"
            )


def _overlapping(outer: QWidget) -> Iterator[str]:
    """Look for two things of one parent that lie over each other."""
    for parent in _shown(outer, QWidget):
        if _inside_field(parent) or isinstance(parent, (*COMPOUND, QAbstractScrollArea)):
            continue
        layout = parent.layout()
        if layout is None:
            continue
        inside = [
            one
            for one in parent.children()
            if isinstance(one, QWidget)
            and one.isVisible()
            and not one.isWindow()
            and _is_in(layout, one)
        ]
        for number, one in enumerate(inside):
            for other in inside[number + 1 :]:
                both = one.geometry().intersected(other.geometry())
                if both.width() > LINE and both.height() > LINE:
                    yield (
                        f"{type(one).__name__} {read(one)!r} and {type(other).__name__} "
                        f"{read(other)!r} lie over each other by {both.width()} x {both.height()}"
                    )


def _is_in(layout: Any, widget: QWidget) -> bool:
    """Return whether a layout, or one in it, places a widget."""
    if layout.indexOf(widget) >= 0:
        return True
    items = [layout.itemAt(number) for number in range(layout.count())]
    return any(item.layout() is not None and _is_in(item.layout(), widget) for item in items)


# --- what stands below one another


def _out_of_line(outer: QWidget) -> Iterator[str]:
    """Compare what stands beside labels, and boxes to tick, in all of a form."""
    forms: dict[int, list[tuple[int, int, int, str]]] = {}
    for label in _shown(outer, QLabel):
        own = _place(label)
        if (
            not label.text()
            or _inside_field(label)
            or isinstance(label.parentWidget(), QAbstractButton)
        ):
            continue
        row = label.parentWidget()
        beside = [
            _place(field)
            for field in _shown(row, QWidget)
            if isinstance(field, FIELDS)
            and not _inside_field(field)
            and _place(field).left() > own.left()
            and _place(field).top() <= own.center().y() <= _place(field).bottom()
        ]
        if beside:
            left, right = min(one.left() for one in beside), max(one.right() for one in beside)
            form = forms.setdefault(id(_form_of(label, outer)), [])
            form.append((own.left(), left, right, read(label)))
    for rows in forms.values():
        for edge, number in (("left", 1), ("right", 2)):
            places = [row[number] for row in rows]
            usual = max(places, key=places.count)
            for place, row in zip(places, rows, strict=True):
                if abs(place - usual) > LINE:
                    yield f"the field {row[3]!r} is {place - usual:+d} pixels out of line, {edge}"


def _form_of(label: QWidget, outer: QWidget) -> QWidget:
    """Return what has the fields that should stand in line with that of a label."""
    form, parent = outer, label.parentWidget()
    while parent is not None and parent is not outer:
        if parent.property("form"):
            return parent
        parent = parent.parentWidget()
    return form


def _sideways(outer: QWidget) -> Iterator[str]:
    for area in _shown(outer, QAbstractScrollArea, cells=True):
        if isinstance(area, QHeaderView):
            continue
        bar = area.horizontalScrollBar()
        if bar is not None and bar.maximum() > bar.minimum():
            yield f"{type(area).__name__} scrolls sideways by {bar.maximum()} pixels"


def _adrift(outer: QWidget) -> Iterator[str]:
    """Look for what stands far from what is above it, with nothing between them."""
    for parent in _shown(outer, QWidget):
        layout = parent.layout()
        if not isinstance(layout, QVBoxLayout):
            continue
        items = [layout.itemAt(number) for number in range(layout.count())]
        rects = [
            (item.geometry(), item.widget())
            for item in items
            if item.widget() is not None and item.widget().isVisible()
        ]
        for (above, _), (below, widget) in pairwise(rects):
            gap = below.top() - above.bottom() - 1
            if gap > GAP:
                yield f"{type(widget).__name__} {read(widget)!r} is {gap} pixels below the rest"
        for place, widget in rects:
            if isinstance(widget, QLabel) and widget.text():
                needed = (
                    widget.heightForWidth(place.width())
                    if widget.wordWrap()
                    else widget.sizeHint().height()
                )
                if place.height() - needed > GAP:
                    yield f"QLabel {read(widget)!r} floats in {place.height()} pixels"


# --- the tree


def _shown(outer: QWidget | None, kind: type, cells: bool = False) -> list[Any]:
    """Return the widgets of a kind in another that are shown, but for the cells of a table."""
    if outer is None:
        return []
    found = [one for one in [outer, *outer.findChildren(kind)] if isinstance(one, kind)]
    return [
        one
        for one in found
        if one.isVisible()
        and (
            cells
            or isinstance(one, QHeaderView)
            or not isinstance(one.parentWidget(), QAbstractItemView)
        )
    ]


def _inside_field(widget: QWidget) -> bool:
    """Return whether a widget is a part of a field."""
    return isinstance(widget.parentWidget(), COMPOUND)


def _place(widget: QWidget) -> QRect:
    return QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())


def _numbers(place: QRect) -> str:
    return f"({place.x()}, {place.y()}, {place.width()} x {place.height()})"
