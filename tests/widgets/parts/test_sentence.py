"""A sentence that names a file with a long name wraps, and says what it was given."""

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest

from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.widgets.parts.sentence import Sentence, breakable

PATH = "/data/microscope/beads_200nm_63x_water_NA1.20_slide-07_position-003.ome.tif"


@pytest.mark.parametrize("kind", [Sentence, Notice])
def test_a_long_name_needs_no_more_room_than_a_short_one(qtbot: QtBot, kind: type) -> None:
    sentence = kind()
    qtbot.addWidget(sentence)
    sentence.setText("Written.")
    sentence.setText(f"Written: {PATH}.")
    assert sentence.text() == f"Written: {PATH}."
    letters = sentence.fontMetrics().horizontalAdvance("m" * 24)
    assert sentence.minimumSizeHint().width() < letters
    assert sentence.heightForWidth(250) > sentence.heightForWidth(2000)


def test_what_is_copied_is_what_was_said(qtbot: QtBot) -> None:
    sentence = Sentence(PATH)
    qtbot.addWidget(sentence)
    sentence.show()
    sentence.setSelection(0, len(breakable(PATH)))
    QTest.keyClick(sentence, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == PATH


def test_only_long_words_are_broken_and_no_markup() -> None:
    plain = "The layer 'beads' has no voxel size: set the layer's scale and units."
    assert breakable(plain) == plain
    rich = '<a href="0.52000000000000000000000000000" style="color:#2a88c8">Use 0.52 µm</a> &amp;c.'
    assert breakable(rich) == rich
    assert breakable("a" * 30) == f"{'a' * 24}\u200b{'a' * 6}"
    assert breakable(PATH).replace("\u200b", "") == PATH
    assert "microscope/\u200bbeads_" in breakable(PATH)
