"""A combo box's text ends in dots where it has no room."""

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QStyleOptionComboBox

from napari_psf_distiller.widgets.parts.elided import ElidedText, text_within

LONG = "simulated beads on a slide fitted beads"


@pytest.fixture
def box(qtbot: QtBot) -> QComboBox:
    made = QComboBox()
    qtbot.addWidget(made)
    made.addItems([LONG, "psf"])
    ElidedText(made)
    return made


def shown(box: QComboBox) -> str:
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    return text_within(box, option)


def test_it_keeps_the_beginning_and_the_end_of_a_long_name(box: QComboBox) -> None:
    box.resize(160, 30)
    text = shown(box)
    assert "…" in text
    assert LONG.startswith(text.split("…")[0])
    assert LONG.endswith(text.split("…")[1])
    assert text.split("…")[1]
    box.resize(600, 30)
    assert shown(box) == LONG
    box.resize(160, 30)
    box.setCurrentIndex(1)
    assert shown(box) == "psf"


def test_what_is_painted_is_what_qt_paints_where_there_is_room(
    box: QComboBox, qtbot: QtBot
) -> None:
    plain = QComboBox()
    qtbot.addWidget(plain)
    plain.addItems([LONG, "psf"])
    for one in (box, plain):
        one.resize(600, 30)
    assert box.grab().toImage() == plain.grab().toImage()
    for one in (box, plain):
        one.resize(160, 30)
    assert box.grab().toImage() != plain.grab().toImage()
