"""The guide's column: what is open stays in view while it grows."""

from typing import Any

import numpy as np
import pytest
from event_loop import wait_for_what_was_put_off
from qtpy.QtWidgets import QAbstractSlider, QLabel

from napari_psf_distiller.widgets.parts.column import Column, label_of


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


def test_one_within_another_is_as_high_as_its_content(qtbot: Any) -> None:
    outer, inner = Column(), Column()
    outer.resize(400, 300)
    words = QLabel("It can be read without scrolling twice. " * 30)
    words.setWordWrap(True)
    inner.column.addWidget(words)
    inner.unroll()
    outer.column.addWidget(inner)
    qtbot.addWidget(outer)
    outer.show()
    qtbot.waitExposed(outer)
    qtbot.waitUntil(lambda: inner.height() >= words.heightForWidth(words.width()))
    words.setText("Short.")
    qtbot.waitUntil(lambda: inner.height() < 100)
    assert inner.verticalScrollBar().maximum() == 0


@pytest.mark.parametrize(
    "name", ["Preprocess beads", "Post-process PSF", "Find beads", "Inspect PSF", "Prove PSF"]
)
def test_fields_stand_in_line(make_napari_viewer: Any, user_of: Any, name: str) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.eye(24, dtype=np.float32), name="small")
    user = user_of(viewer)
    gui = user.opens(name)
    user.waits(gui.native.isVisible)
    labelled = [
        (widget.native, label)
        for widget in gui
        if widget.native.isVisible() and (label := label_of(widget, gui.native)) is not None
    ]
    assert len(labelled) > 2
    assert len({label.width() for _, label in labelled}) == 1
    assert all(label.sizeHint().width() <= label.width() for _, label in labelled)
    lefts = {field.mapTo(gui.native, field.rect().topLeft()).x() for field, _ in labelled}
    assert len(lefts) == 1
