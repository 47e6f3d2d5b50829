"""What is wrong with how widgets lie: cut text, fields out of line, what scrolls to the side."""

from __future__ import annotations

from collections.abc import Iterator

from person import read
from qtpy.QtCore import QPoint, QRect
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QToolButton,
    QWidget,
)

__all__ = ["faults_of"]

# Pixels by which fields may be out of line, and a text larger than its place.
LINE, ROUNDING = 2, 1

FIELDS = (QAbstractSpinBox, QLineEdit, QComboBox, QAbstractButton)


def faults_of(widget: QWidget) -> list[str]:
    """Return what is wrong with how a widget lies that is shown, a sentence each."""
    return [*_cut(widget), *_out_of_line(widget), *_sideways(widget)]


def _cut(outer: QWidget) -> Iterator[str]:
    for widget in _shown(outer, QWidget):
        needed, there = _room(widget)
        if needed > there + ROUNDING:
            kind = type(widget).__name__
            yield f"{kind} {read(widget)!r} needs {needed} pixels and has {there}"


def _room(widget: QWidget) -> tuple[int, int]:
    """Return how many pixels a widget's text needs in the direction in which it may be cut."""
    if isinstance(widget, QLabel):
        if not widget.text():
            return 0, 0
        if widget.wordWrap():
            return widget.heightForWidth(widget.width()), widget.height()
        return widget.minimumSizeHint().width(), widget.width()
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        inside = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )
        return widget.fontMetrics().horizontalAdvance(widget.currentText()), inside.width()
    if isinstance(widget, QLineEdit):
        left, right = widget.textMargins().left(), widget.textMargins().right()
        return widget.fontMetrics().horizontalAdvance(widget.text()), widget.width() - left - right
    if isinstance(widget, QAbstractButton) and widget.text():
        if isinstance(widget, QToolButton):
            return widget.fontMetrics().horizontalAdvance(widget.text()), widget.width()
        return widget.minimumSizeHint().width(), widget.width()
    if isinstance(widget, QTabBar):
        rects = [widget.tabRect(number) for number in range(widget.count())]
        return max((rect.right() for rect in rects), default=0), widget.width()
    return 0, 0


def _out_of_line(outer: QWidget) -> Iterator[str]:
    """Compare what stands beside labels that are below one another."""
    columns: dict[tuple[int, int], list[tuple[int, int, str]]] = {}
    for label in _shown(outer, QLabel):
        row = label.parentWidget()
        form = row.parentWidget() if row is not None else None
        if form is None or not label.text():
            continue
        own = _place(label)
        beside = [
            _place(field)
            for field in _shown(row, QWidget)
            if isinstance(field, FIELDS)
            and not isinstance(field.parentWidget(), FIELDS)
            and _place(field).left() > own.left()
            and _place(field).top() <= own.center().y() <= _place(field).bottom()
        ]
        if beside:
            left, right = min(one.left() for one in beside), max(one.right() for one in beside)
            columns.setdefault((id(form), own.left()), []).append((left, right, label.text()))
    for rows in columns.values():
        for edge, places in (
            ("left", [row[0] for row in rows]),
            ("right", [row[1] for row in rows]),
        ):
            usual = max(places, key=places.count)
            for place, (_, _, text) in zip(places, rows, strict=True):
                if abs(place - usual) > LINE:
                    yield f"the field {text!r} is {place - usual:+d} pixels out of line, {edge}"


def _sideways(outer: QWidget) -> Iterator[str]:
    for area in _shown(outer, QScrollArea):
        bar = area.horizontalScrollBar()
        if bar is not None and bar.maximum() > 0:
            yield f"{type(area).__name__} scrolls sideways by {bar.maximum()} pixels"


def _shown(outer: QWidget, kind: type) -> list:
    """Return the widgets of a kind in another that are shown, but for the cells of a table."""
    found = [one for one in [outer, *outer.findChildren(kind)] if isinstance(one, kind)]
    return [
        one
        for one in found
        if one.isVisible() and not isinstance(one.parentWidget(), QAbstractItemView)
    ]


def _place(widget: QWidget) -> QRect:
    return QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
