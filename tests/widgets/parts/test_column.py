"""The guide's column: what is open stays in view while it grows."""

from typing import Any

import pytest
from event_loop import wait_for_what_was_put_off
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_psf_distiller.widgets.parts.column import Column


@pytest.fixture
def column(qtbot: Any) -> Column:
    column = Column()
    column.resize(400, 300)
    for _ in range(4):
        part = QLabel("part")
        part.setFixedHeight(70)
        column.column.addWidget(part)
    qtbot.addWidget(column)
    column.show()
    qtbot.waitExposed(column)
    return column


def part_of(column: Column, number: int) -> QLabel:
    part = column.column.itemAt(number).widget()
    assert isinstance(part, QLabel)
    return part


def test_a_gap_between_two_parts_takes_its_room(column: Column) -> None:
    content = column.widget()
    assert content is not None
    before = content.minimumSizeHint().height()
    column.column.insertSpacing(2, 30)
    assert content.minimumSizeHint().height() == before + 30
    assert content.minimumSizeHint().height() == content.sizeHint().height()


def test_what_is_kept_visible_is_followed_when_it_grows(column: Column, qtbot: Any) -> None:
    bar, last = column.verticalScrollBar(), part_of(column, 3)
    column.keep_visible(last)
    last.setFixedHeight(200)
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())


def test_who_scrolls_is_left_alone(column: Column, qtbot: Any) -> None:
    bar, last = column.verticalScrollBar(), part_of(column, 3)
    column.keep_visible(last)
    last.setFixedHeight(200)
    qtbot.waitUntil(lambda: bar.value() > 0)
    bar.triggerAction(QAbstractSlider.SliderAction.SliderToMinimum)
    assert bar.value() == 0
    high = bar.maximum()
    last.setFixedHeight(300)
    qtbot.waitUntil(lambda: bar.maximum() > high)
    wait_for_what_was_put_off(qtbot)
    assert bar.value() == 0


def test_of_what_is_too_high_the_last_named_is_shown(column: Column, qtbot: Any) -> None:
    bar, first, last = column.verticalScrollBar(), part_of(column, 2), part_of(column, 3)
    column.keep_visible(last, first)
    last.setFixedHeight(900)
    qtbot.waitUntil(lambda: bar.maximum() > 600)
    qtbot.waitUntil(lambda: first.visibleRegion().boundingRect().height() == first.height())
    assert last.visibleRegion().boundingRect().height() > 0


def turn_wheel(field: QWidget) -> None:
    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(field.mapToGlobal(field.rect().center())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, event)


def test_the_wheel_scrolls_and_changes_nothing_on_its_way(column: Column) -> None:
    choice, slider = QComboBox(), QSlider(Qt.Orientation.Horizontal)
    choice.addItems(["one", "two"])
    column.column.insertWidget(0, choice)
    column.column.insertWidget(0, slider)
    place = QPointF(5, 5)
    QApplication.sendEvent(column, QEnterEvent(place, place, place))
    for field in (choice, slider):
        turn_wheel(field)
    assert (choice.currentText(), slider.value()) == ("one", 0)
    choice.setFocus()
    choice.activateWindow()
    if choice.hasFocus():
        turn_wheel(choice)
        assert choice.currentText() == "two"


def test_the_wheel_turns_the_scroll_bar_itself(column: Column, qtbot: Any) -> None:
    bar = column.verticalScrollBar()
    part_of(column, 0).setFixedHeight(900)
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    turn_wheel(bar)
    assert bar.value() > 0


def test_nothing_is_squeezed_where_there_is_no_room(column: Column, qtbot: Any) -> None:
    field = QPushButton("press")
    field.setMinimumHeight(2)
    column.column.addWidget(field)
    wanted = field.sizeHint().height()
    column.resize(400, 60)
    wait_for_what_was_put_off(qtbot)
    assert field.height() >= wanted > 10


def test_it_needs_less_room_again(column: Column, qtbot: Any) -> None:
    part = part_of(column, 0)
    least = column.minimumWidth()
    part.setMinimumWidth(900)
    qtbot.waitUntil(lambda: column.minimumWidth() > 900)
    part.setMinimumWidth(0)
    qtbot.waitUntil(lambda: column.minimumWidth() == least)
