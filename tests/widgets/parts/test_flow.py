"""A row of widgets goes on in the next line where it has no room."""

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_psf_distiller.widgets.parts.flow import SPACING, flowing_row


@pytest.fixture
def buttons() -> list[QPushButton]:
    return [QPushButton(text) for text in ("Export recipe", "Load recipe", "Reset to defaults")]


@pytest.fixture
def outer(qtbot: QtBot, buttons: list[QPushButton]) -> QWidget:
    """A row, and what is below it."""
    made = QWidget()
    layout = QVBoxLayout(made)
    layout.addWidget(flowing_row(buttons))
    layout.addWidget(QLabel("below"))
    layout.addStretch(1)
    qtbot.addWidget(made)
    return made


def show(outer: QWidget, qtbot: QtBot, width: int) -> None:
    outer.resize(width, 400)
    outer.show()
    qtbot.waitExposed(outer)
    qtbot.wait(10)


def lines(buttons: list[QPushButton]) -> int:
    return len({button.y() for button in buttons})


def test_where_there_is_room_it_is_one_line_that_fills_the_width(
    outer: QWidget, buttons: list[QPushButton], qtbot: QtBot
) -> None:
    show(outer, qtbot, 700)
    assert lines(buttons) == 1
    row = buttons[0].parentWidget()
    assert row is not None
    assert sum(button.width() for button in buttons) + 2 * SPACING == row.width()
    assert buttons[-1].geometry().right() == row.width() - 1


def test_where_there_is_none_it_goes_on_below_and_nothing_is_cut(
    outer: QWidget, buttons: list[QPushButton], qtbot: QtBot
) -> None:
    show(outer, qtbot, 700)
    one_line = outer.findChild(QLabel).y()
    show(outer, qtbot, outer.minimumSizeHint().width())
    assert lines(buttons) > 1
    assert outer.findChild(QLabel).y() > one_line
    for button in buttons:
        assert button.width() >= button.sizeHint().width()
        assert button.height() >= button.sizeHint().height()


def test_what_is_hidden_takes_no_room(
    outer: QWidget, buttons: list[QPushButton], qtbot: QtBot
) -> None:
    buttons[1].setVisible(False)
    show(outer, qtbot, 700)
    assert buttons[2].x() == buttons[0].geometry().right() + 1 + SPACING


def test_what_expands_takes_what_is_left_over(qtbot: QtBot) -> None:
    choice, button = QComboBox(), QPushButton("File")
    choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    row = flowing_row([choice, button])
    qtbot.addWidget(row)
    row.resize(400, 40)
    row.show()
    qtbot.waitExposed(row)
    assert button.width() == button.sizeHint().width()
    assert choice.width() == 400 - SPACING - button.width()
