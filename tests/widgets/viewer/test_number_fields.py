"""A field takes every key, and what was typed counts whole or not at all."""

import sys
from typing import Any

import pytest
from magicgui.application import use_app
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_psf_distiller.lengths import EMISSION, Likely
from napari_psf_distiller.typed_numbers import TypedNumber
from napari_psf_distiller.widgets.viewer.number_fields import NumberBox, NumberField

LENGTH = TypedNumber("emission wavelength", "µm", bound=EMISSION, unset="not known")
COUNT = TypedNumber("iterations", whole=True, unset="automatic")


@pytest.fixture
def field(qtbot: QtBot) -> NumberField:
    made = NumberField(LENGTH, value=0.0, min=0.0, max=10.0, step=0.01)
    qtbot.addWidget(made.native)
    made.native.show()
    return made


@pytest.fixture
def types(qtbot: QtBot) -> Any:
    """Type into a field in the place of what it shows, and leave it."""

    def type_in(field: NumberField, text: str, key: Qt.Key = Qt.Key.Key_Return) -> None:
        field.native.selectAll()
        if text:
            qtbot.keyClicks(field.native.lineEdit(), text)
        else:
            qtbot.keyClick(field.native.lineEdit(), Qt.Key.Key_Delete)
        qtbot.keyClick(field.native, key)

    return type_in


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("0.175", 0.175, "0.175"),
        ("1.515", 1.515, "1.515"),
        ("0,52", 0.52, "0.52"),
        ("520 nm", 0.52, "0.52"),
        (".1", 0.1, "0.1"),
        ("1e-1", 0.1, "0.1"),
        ("0.123456789012345", 0.123456789012345, "0.123456789012345"),
        ("", 0.0, "not known"),
        ("0", 0.0, "not known"),
    ],
)
def test_what_is_typed_is_what_counts(
    field: NumberField, types: Any, text: str, value: float, shown: str
) -> None:
    field.value = 0.3
    types(field, text)
    assert field.value == value
    assert field.native.text() == shown
    assert field.native.problem is None


def test_what_cannot_be_stays_and_does_not_count(field: NumberField, types: Any) -> None:
    types(field, "0.488")
    types(field, "520")
    assert field.native.text() == "520"
    # Not the 5 that was typed on the way to it.
    assert field.value == 0.488
    assert field.native.problem.likely == Likely(0.52, "520 nm")
    types(field, "green")
    assert field.native.text() == "green"
    assert field.value == 0.488
    assert "is no number" in field.native.accessibleDescription()
    types(field, "0.561")
    assert (field.native.text(), field.value, field.native.problem) == ("0.561", 0.561, None)


def test_a_value_that_is_set_takes_the_place_of_what_was_typed(
    field: NumberField, types: Any
) -> None:
    types(field, "520")
    field.value = 0.0
    assert (field.native.text(), field.native.problem) == ("not known", None)


def test_text_can_be_pasted(field: NumberField, qtbot: QtBot) -> None:
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    clipboard.setText("  561\u00a0nm\n")
    field.native.selectAll()
    field.native.lineEdit().paste()
    qtbot.keyClick(field.native, Qt.Key.Key_Return)
    assert (field.value, field.native.text()) == (0.561, "0.561")


def test_keys_step_within_what_can_be(field: NumberField, types: Any, qtbot: QtBot) -> None:
    qtbot.keyClick(field.native, Qt.Key.Key_Up)
    assert field.value == 0.1
    qtbot.keyClick(field.native, Qt.Key.Key_Up)
    assert (field.value, field.native.text()) == (0.11, "0.11")
    for _ in range(2):
        qtbot.keyClick(field.native, Qt.Key.Key_Down)
    assert field.native.text() == "not known"
    types(field, "4.995")
    qtbot.keyClick(field.native, Qt.Key.Key_Up)
    assert field.value == 5.0
    types(field, "520")
    qtbot.keyClick(field.native, Qt.Key.Key_Up)
    assert field.native.text() == "520"


def test_a_whole_number_is_one(types: Any, qtbot: QtBot) -> None:
    field = NumberField(COUNT, value=30, min=0, max=100_000)
    qtbot.addWidget(field.native)
    assert isinstance(field.value, int)
    types(field, "1e3")
    assert (field.value, field.native.text()) == (1000, "1000")
    types(field, "2.5")
    assert field.value == 1000
    assert field.native.problem is not None
    types(field, "")
    assert field.native.text() == "automatic"
    qtbot.keyClick(field.native, Qt.Key.Key_Up)
    assert field.value == 1


def test_a_wheel_that_scrolls_past_changes_nothing(field: NumberField) -> None:
    field.value = 0.5
    field.native.clearFocus()
    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field.native, event)
    assert not event.isAccepted()
    assert field.value == 0.5


def test_a_prefix_and_a_suffix_are_no_part_of_the_number(qtbot: QtBot) -> None:
    box = NumberBox(TypedNumber("time", whole=True))
    box.setPrefix("t ")
    qtbot.addWidget(box)
    box.setValue(3)
    assert box.text() == "t 3"
    memory = NumberField(TypedNumber("memory", "GiB"), suffix=" GiB", value=4.0, max=1e6)
    qtbot.addWidget(memory.native)
    assert memory.native.text() == "4 GiB"
    box.selectAll()
    qtbot.keyClicks(box, "2.5")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert box.problem is not None
    assert (box.text(), box.value()) == ("t 2.5", 3)


def test_a_field_may_be_magicguis_own(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="napari_psf_distiller")
    _ = use_app().get_obj("FloatSpinBox")
    monkeypatch.setitem(sys.modules, "magicgui.backends._qtpy.widgets", None)
    field = NumberField(COUNT, value=0, min=0, max=100)
    assert field.native.text() == "automatic"
    field.value = 7
    assert field.value == 7
    assert "number box" in caplog.text
    field.close()
