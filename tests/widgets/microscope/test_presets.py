"""Microscopes that are kept by name, in a real viewer: chosen, changed, saved, handed out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import pytest
from magicgui.widgets import FunctionGui
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog, QLineEdit, QMessageBox

from napari_psf_distiller import Camera, MicroscopePreset, MicroscopePresets, Optics
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.dock import GuideDock
from napari_psf_distiller.widgets.guide.guide import Guide
from napari_psf_distiller.widgets.microscope.presets import PresetRow
from napari_psf_distiller.widgets.parts.column import label_of

LAB = "Lab confocal 63x"
CONFOCAL = MicroscopePreset(
    Optics(1.4, 0.52, 1.518, microscope="confocal", excitation=0.488, pinhole=1.0),
    Camera(offset=100.0),
)
WIDEFIELD = MicroscopePreset(Optics(1.2, 0.5236, 1.33))
OPTICS = (
    "microscope",
    "numerical_aperture",
    "wavelength",
    "refractive_index",
    "excitation",
    "pinhole",
    "sheet",
)


@pytest.fixture
def image(add_small: Callable[..., Image]) -> Image:
    return add_small()


@pytest.fixture
def open_guide(viewer: napari.Viewer, image: Image) -> Callable[[], Guide]:
    def opened() -> Guide:
        _, dock = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
        return dock.guide

    return opened


@pytest.fixture
def guide(open_guide: Callable[[], Guide]) -> Guide:
    MicroscopePresets().save(LAB, CONFOCAL)
    MicroscopePresets().save("Water", WIDEFIELD)
    return open_guide()


@pytest.fixture
def row(guide: Guide) -> PresetRow:
    return guide.microscope.presets


def values(gui: FunctionGui[Any, Any]) -> dict[str, Any]:
    return {name: gui[name].value for name in OPTICS}


def shown(gui: FunctionGui[Any, Any]) -> list[str]:
    return [name for name in OPTICS if not gui[name].native.isHidden()]


def label(row: PresetRow, gui: FunctionGui[Any, Any]) -> str:
    return label_of(row.row, gui.native).text()


def answers(qtbot: Any, row: PresetRow, name: str) -> None:
    """Type a name into the dialog that is open, and confirm it."""
    dialog = row.dialog
    assert isinstance(dialog, QInputDialog)
    field = dialog.findChild(QLineEdit)
    field.selectAll()
    qtbot.keyClicks(field, name)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def confirms(qtbot: Any, row: PresetRow, answer: str) -> None:
    dialog = row.dialog
    assert isinstance(dialog, QMessageBox)
    (button,) = (button for button in dialog.buttons() if button.text().strip("&") == answer)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# --- the fields of each kind


@pytest.mark.parametrize("name", ["PSF Distiller", "Distil PSF"])
def test_each_kind_asks_for_what_it_has(
    viewer: napari.Viewer, image: Image, name: str, user: Any
) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("napari-psf-distiller", name)
    gui = widget.head if isinstance(widget, GuideDock) else widget
    always = ["microscope", "numerical_aperture", "wavelength", "refractive_index"]
    for kind, more in {
        "widefield": [],
        "confocal": ["excitation", "pinhole"],
        "light sheet": ["sheet"],
        "two-photon": ["excitation"],
        "STED": [],
    }.items():
        gui.microscope.value = kind
        assert shown(gui) == [*always, *more], kind
    # The stepwise way asks for nothing of a microscope.
    gui.method.value = "richardson-lucy"
    assert shown(gui) == []
    part = gui.microscope_part
    assert part.presets.row.native.isHidden()


def test_the_guide_begins_with_the_microscope(guide: Guide) -> None:
    names = [widget.name for widget in guide.head if widget.name not in ("viewer", "image", "")]
    assert names[:3] == ["my_microscope", "microscope", "numerical_aperture"]


def test_what_the_guide_asks_goes_to_distil_psf(guide: Guide, row: PresetRow) -> None:
    row.choice.value = LAB
    assert values(guide.steps[StepId.DISTILL].gui) == values(guide.head)
    # And is not asked for twice.
    section = guide.sections[StepId.DISTILL]
    assert not section.step.gui.microscope.native.isVisibleTo(section)
    assert section.step.gui.microscope_part is guide.microscope


# --- choosing


def test_choosing_one_fills_in_the_fields(guide: Guide, row: PresetRow) -> None:
    assert row.choice.choices == ("", LAB, "Water")
    assert (row.name, row.choice.value) == ("", "")
    row.choice.value = LAB
    assert values(guide.head) == {
        "microscope": "confocal",
        "numerical_aperture": 1.4,
        "wavelength": 0.52,
        "refractive_index": 1.518,
        "excitation": 0.488,
        "pinhole": 1.0,
        "sheet": 0.0,
    }
    assert guide.steps[StepId.DISTILL].gui.camera_offset.value == 100
    assert not row.changed
    row.choice.value = "Water"
    assert guide.head.microscope.value == "widefield"
    assert guide.head.excitation.value == 0
    assert guide.steps[StepId.DISTILL].gui.camera_offset.value == 0
    assert guide.microscope.fields.optics() == Optics(1.2, 0.5236, 1.33)
    assert not row.changed


def test_a_changed_field_is_told(guide: Guide, row: PresetRow) -> None:
    row.choice.value = LAB
    assert label(row, guide.head) == "my microscope"
    guide.head.numerical_aperture.value = 1.3
    assert row.changed
    assert label(row, guide.head) == "changed from"
    assert row.choice.value == LAB
    # What comes and goes in the viewer changes nothing of that.
    guide.reset_choices()
    assert (row.choice.value, guide.head.numerical_aperture.value) == (LAB, 1.3)
    guide.head.numerical_aperture.value = 1.4
    assert label(row, guide.head) == "my microscope"
    # Of the camera too.
    guide.steps[StepId.DISTILL].gui.camera_offset.value = 90
    assert row.changed


def test_what_a_kind_does_not_ask_for_is_no_change(guide: Guide, row: PresetRow) -> None:
    row.choice.value = "Water"
    guide.head.microscope.value = "confocal"
    guide.head.excitation.value = 0.488
    assert row.changed
    guide.head.microscope.value = "widefield"
    assert not row.changed


def test_choosing_none_leaves_the_fields(guide: Guide, row: PresetRow) -> None:
    row.choice.value = LAB
    row.choice.value = ""
    assert row.name == ""
    assert guide.head.numerical_aperture.value == 1.4
    assert label(row, guide.head) == "my microscope"


def test_it_is_there_again_in_the_next_session(
    guide: Guide, row: PresetRow, viewer: napari.Viewer
) -> None:
    for name, value in (("microscope", "widefield"), ("numerical_aperture", 1.2)):
        guide.head[name].value = value
    guide.head.wavelength.value, guide.head.refractive_index.value = 0.5236, 1.33
    again = Guide(viewer)
    viewer.window.add_dock_widget(again, name="again")
    again.microscope.fields.show(WIDEFIELD)
    again.microscope.presets.read()
    assert again.microscope.presets.name == "Water"


def test_another_program_kept_one_meanwhile(guide: Guide, row: PresetRow, qtbot: Any) -> None:
    MicroscopePresets().save("New", WIDEFIELD)
    assert "New" not in row.choice.choices
    qtbot.mouseClick(row.choice.native, Qt.MouseButton.LeftButton)
    row.choice.native.hidePopup()
    assert "New" in row.choice.choices


def test_one_that_was_deleted_meanwhile(guide: Guide, row: PresetRow) -> None:
    row.choice.value = LAB
    MicroscopePresets().delete(LAB)
    row.read()
    assert (row.name, row.choice.value) == ("", "")
    assert guide.head.numerical_aperture.value == 1.4


def test_what_has_no_field_is_told(open_guide: Callable[[], Guide]) -> None:
    MicroscopePresets().save("Bright", MicroscopePreset(Optics(1.2), Camera(saturation=4095.0)))
    row = open_guide().microscope.presets
    row.choice.value = "Bright"
    assert "It has camera saturation too, which is not used here." in row.problem.text()
    # It stays with the microscope when that is saved.
    row._save("Copy")
    assert MicroscopePresets()["Copy"].camera.saturation == 4095


# --- keeping


def test_saving_asks_for_a_name(guide: Guide, row: PresetRow, qtbot: Any) -> None:
    guide.head.microscope.value = "confocal"
    guide.head.numerical_aperture.value = 1.3
    guide.steps[StepId.DISTILL].gui.camera_gain.value = 0.5
    qtbot.mouseClick(row.save.native, Qt.MouseButton.LeftButton)
    answers(qtbot, row, "Mine")
    kept = MicroscopePresets()["Mine"]
    assert kept.optics == Optics(1.3, microscope="confocal")
    assert kept.camera == Camera(gain=0.5)
    assert (row.name, row.choice.value, row.changed) == ("Mine", "Mine", False)
    assert row.problem.isHidden()


def test_saving_changes_asks_whether_to_replace(guide: Guide, row: PresetRow, qtbot: Any) -> None:
    row.choice.value = LAB
    guide.head.pinhole.value = 2.0
    for answer, pinhole in (("Cancel", 1.0), ("Replace", 2.0)):
        qtbot.mouseClick(row.save.native, Qt.MouseButton.LeftButton)
        # Its own name is offered.
        assert row.dialog.textValue() == LAB
        answers(qtbot, row, LAB)
        confirms(qtbot, row, answer)
        assert MicroscopePresets()[LAB].optics.pinhole == pinhole
    assert not row.changed


def test_a_name_that_cannot_be(guide: Guide, row: PresetRow, qtbot: Any) -> None:
    qtbot.mouseClick(row.save.native, Qt.MouseButton.LeftButton)
    answers(qtbot, row, " ")
    assert "name is empty" in row.problem.text()
    assert not row.problem.isHidden()
    qtbot.mouseClick(row.save.native, Qt.MouseButton.LeftButton)
    answers(qtbot, row, "Good")
    assert row.problem.isHidden()


def test_what_cannot_be_is_not_kept(guide: Guide, row: PresetRow, told: Any) -> None:
    row.choice.value = LAB
    guide.head.refractive_index.value = 1.33
    notice = guide.microscope.file.notice
    assert "always less than the refractive index" in notice.text()
    assert not notice.isHidden()
    row._save("Mine")
    assert "always less than the refractive index" in row.problem.text()
    assert "Mine" not in MicroscopePresets()
    guide.head.refractive_index.value = 1.518
    assert notice.isHidden()
    assert told.errors == []


def test_renaming_and_deleting(guide: Guide, row: PresetRow, qtbot: Any) -> None:
    assert not row.actions["Rename"].isEnabled()
    assert not row.actions["Delete"].isEnabled()
    row.choice.value = LAB
    row.actions["Rename"].trigger()
    answers(qtbot, row, "LSM")
    assert (row.name, list(MicroscopePresets())) == ("LSM", ["LSM", "Water"])
    row.actions["Rename"].trigger()
    answers(qtbot, row, "Water")
    assert "There is a microscope 'Water' already" in row.problem.text()
    row.actions["Delete"].trigger()
    confirms(qtbot, row, "Cancel")
    assert "LSM" in MicroscopePresets()
    row.actions["Delete"].trigger()
    confirms(qtbot, row, "Delete")
    assert (row.name, list(MicroscopePresets())) == ("", ["Water"])
    # The fields stay as they are.
    assert guide.head.numerical_aperture.value == 1.4


def test_handing_out(guide: Guide, row: PresetRow, tmp_path: Path, told: Any) -> None:
    row.choice.value = LAB
    row.actions["Export"].trigger()
    assert isinstance(row.dialog, QFileDialog)
    path = tmp_path / "lab.json"
    row.dialog.fileSelected.emit(str(path))
    row.dialog.reject()
    assert list(MicroscopePresets(path)) == [LAB]
    assert told.infos == [f"Written: {path}"]
    MicroscopePresets().delete(LAB)
    row.choice.value = "Water"
    row.actions["Import"].trigger()
    row.dialog.fileSelected.emit(str(path))
    row.dialog.reject()
    assert LAB in MicroscopePresets()
    # Who imports one wants to use it.
    assert (row.name, row.changed) == (LAB, False)
    assert guide.head.numerical_aperture.value == 1.4


def test_an_import_of_something_else(row: PresetRow, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")
    row.actions["Import"].trigger()
    row.dialog.fileSelected.emit(str(path))
    row.dialog.reject()
    assert "is not a file of microscopes" in row.problem.text()


# --- a broken file


def test_a_broken_file_is_told_beside_the_row_and_stays(
    open_guide: Callable[[], Guide], own_microscopes: Path, qtbot: Any, told: Any
) -> None:
    own_microscopes.write_text("{")
    row = open_guide().microscope.presets
    assert "is not valid JSON" in row.problem.text()
    assert not row.problem.isHidden()
    assert row.choice.native.currentText() == "cannot be read"
    qtbot.mouseClick(row.save.native, Qt.MouseButton.LeftButton)
    answers(qtbot, row, "Mine")
    assert "is not valid JSON" in row.problem.text()
    assert own_microscopes.read_text() == "{"
    assert told.errors == []
    # Mended, it is read.
    own_microscopes.unlink()
    MicroscopePresets().save(LAB, CONFOCAL)
    row.read()
    assert row.problem.isHidden()
    assert row.choice.choices == ("", LAB)


# --- keys


def test_keys_reach_it_all(guide: Guide) -> None:
    guide.head.microscope.value = "confocal"
    order = [guide.microscope.presets.choice, guide.microscope.presets.save]
    order += [guide.microscope.presets.more]
    order += [guide.head[name] for name in OPTICS if name != "sheet"]
    natives = [one.native for one in order]
    widget, reached = natives[0], []
    for _ in range(100):
        if widget in natives and widget not in reached:
            assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            assert widget.isVisibleTo(guide)
            reached.append(widget)
        widget = widget.nextInFocusChain()
    assert reached == natives


def test_fields_line_up_and_stay(guide: Guide, viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.window._qt_window.show()
    guide.head.microscope.value = "confocal"
    qtbot.waitExposed(viewer.window._qt_window)
    qtbot.wait(50)
    fields = [guide.head[name].native for name in OPTICS if name != "sheet"]

    def places() -> set[int]:
        return {field.mapTo(guide.head.native, field.rect().topLeft()).x() for field in fields}

    before = places()
    assert len(before) == 1
    guide.microscope.fields.fill({"numerical_aperture": 1.4}, {"numerical_aperture": "OME"})
    qtbot.wait(50)
    assert places() == before
