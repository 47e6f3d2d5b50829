"""Below a field stands why what was typed cannot be, and what was likely meant can be pressed."""

from typing import Any

import pytest
from magicgui.widgets import FunctionGui
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import Likely
from napari_psf_distiller.widgets.guide.head import asked_once
from napari_psf_distiller.widgets.parts.field_notes import check_typed
from napari_psf_distiller.widgets.parts.notice import Notice


@pytest.fixture
def head(qtbot: QtBot) -> FunctionGui[Any, Any]:
    gui = asked_once()
    qtbot.addWidget(gui.native)
    gui.show()
    return gui


@pytest.fixture
def types(qtbot: QtBot) -> Any:
    def type_in(box: Any, text: str) -> None:
        box.selectAll()
        qtbot.keyClicks(box.lineEdit(), text)
        qtbot.keyClick(box, Qt.Key.Key_Return)

    return type_in


def below(gui: FunctionGui[Any, Any], name: str) -> Notice:
    """Return what stands directly below a parameter's row."""
    notices: list[Notice] = gui.native.findChildren(Notice)
    row = gui[name].native.parentWidget()
    bottom = row.mapTo(gui.native, row.rect().bottomLeft()).y()
    return min(
        (one for one in notices if one.isVisible() and one.y() > bottom), key=lambda one: one.y()
    )


def test_what_was_meant_can_be_pressed(head: FunctionGui[Any, Any], types: Any) -> None:
    types(head.wavelength.native, "520")
    notice = below(head, "wavelength")
    assert "520 nm is 0.52" in notice.text()
    assert ">Use 520 nm</a>" in notice.text()
    notice.linkActivated.emit("0.52")
    assert head.wavelength.value == 0.52
    assert notice.isHidden()


def test_of_a_voxel_size_that_number_is_meant(head: FunctionGui[Any, Any], types: Any) -> None:
    head.voxel_size.value = (0.0, 0.1, 0.08)
    types(head.voxel_size[0].native, "200")
    below(head, "voxel_size").linkActivated.emit("0.2")
    assert head.voxel_size.value == (0.2, 0.1, 0.08)


def test_what_cannot_be_used_is_refused_as_long_as_it_counts(
    head: FunctionGui[Any, Any], types: Any
) -> None:
    check_typed(head)
    types(head.numerical_aperture.native, "145")
    with pytest.raises(InputError, match=r"\(1\.45\?\)"):
        check_typed(head)
    head.method.value = "richardson-lucy"
    check_typed(head)
    assert head.notes.text("numerical_aperture") == ""
    head.method.value = "joint"
    assert "1.45" in head.notes.text("numerical_aperture")
    types(head.numerical_aperture.native, "1.45")
    check_typed(head)


def test_what_was_not_left_yet_is_looked_at(head: FunctionGui[Any, Any], qtbot: QtBot) -> None:
    head.bead_diameter.native.selectAll()
    qtbot.keyClicks(head.bead_diameter.native.lineEdit(), "0.1 0.2")
    with pytest.raises(InputError, match="is not one number"):
        check_typed(head)


def test_advice_stands_below_its_field_until_there_is_another(
    head: FunctionGui[Any, Any], types: Any
) -> None:
    head.bead_diameter.value = 20.0
    head.notes.advise({"bead_diameter": ("They are <large>.", Likely(0.02, "20 nm"))})
    assert "They are &lt;large&gt;." in below(head, "bead_diameter").text()
    types(head.bead_diameter.native, "x")
    assert "is no number" in head.notes.text("bead_diameter")
    types(head.bead_diameter.native, "20")
    assert "large" in head.notes.text("bead_diameter")
    head.notes.advise({})
    assert head.notes.text("bead_diameter") == ""


def test_a_step_does_not_run_with_another_value(
    user: Any, add_small: Any, told: Any, types: Any, recipe_of: Any
) -> None:
    add_small()
    gui = user.opens("Preprocess beads", background="mean")
    types(gui.factor.native, "twice")
    assert user.runs(gui) == []
    assert gui.runner.status.value == "not done: Factor x mean: 'twice' is no number."
    assert told.errors == ["Preprocess beads: Factor x mean: 'twice' is no number."]
    types(gui.factor.native, "1,5")
    (layer,) = user.runs(gui)
    assert recipe_of(layer).preprocess.factor == 1.5
