"""Where a file goes is asked for, and it is written beside the viewer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.files.saving import Saver, ask_for_file, ask_where

KINDS = {"Picture": ".png", "PSF": ".psf.tif", "TIFF": ".tif"}


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def shown(dialog: QFileDialog) -> str:
    return Path(dialog.selectedFiles()[0]).name


def test_the_name_ends_as_the_kind_that_is_chosen(parent: QWidget, tmp_path: Path) -> None:
    chosen: list[Path] = []
    dialog = ask_where(parent, "Save it", "beads 1.2", KINDS, chosen.append)
    dialog.setDirectory(str(tmp_path))
    assert shown(dialog) == "beads 1.2.png"
    for kind, name in (("PSF (*.psf.tif)", "beads 1.2.psf.tif"), ("TIFF (*.tif)", "beads 1.2.tif")):
        dialog.selectNameFilter(kind)
        dialog.filterSelected.emit(kind)
        assert shown(dialog) == name
    dialog.accept()
    assert chosen == [tmp_path / "beads 1.2.tif"]


def test_a_name_that_no_file_can_have(parent: QWidget, tmp_path: Path) -> None:
    dialog = ask_where(parent, "Save it", "63x/1.4 oil: red", KINDS, pytest.fail)
    assert shown(dialog) == "63x-1.4 oil- red.png"
    dialog.reject()


def test_nothing_is_chosen_in_a_dialog_that_is_closed(parent: QWidget, tmp_path: Path) -> None:
    ask_where(parent, "Save it", "beads", KINDS, pytest.fail).reject()
    ask_for_file(parent, "Load it", "Recipe (*.json)", pytest.fail).reject()


def test_a_file_to_read_is_one_that_there_is(parent: QWidget, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text("{}")
    chosen: list[Path] = []
    dialog = ask_for_file(parent, "Load it", "Recipe (*.json)", chosen.append)
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(path.name)
    dialog.accept()
    assert chosen == [path]


def writes(text: str) -> Callable[[Path], Callable[[], Any]]:
    return lambda path: lambda: path.write_text(text) and None


def refuses(path: Path) -> Any:
    raise InputError(f"{path.name} cannot be made.")


def test_a_file_is_written_and_told(parent: QWidget, user: Any, told: Any, tmp_path: Path) -> None:
    saver = Saver(parent, "Inspect", {"Table": ".csv"})
    saver.save(tmp_path / "a.csv", writes("1"))
    saver.save(tmp_path / "b.csv", writes("2"))
    user.waits(lambda: not saver.busy)
    assert told.infos == [f"Inspect: saved {tmp_path / 'a.csv'}"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    saver.save(tmp_path / "c.txt", writes("3"))
    saver.save(tmp_path / "d.csv", refuses)
    assert told.errors == [
        "Inspect: b.csv was not saved; a file is being written.",
        "Inspect: c.txt was not saved; its name must end in .csv.",
        "Inspect: d.csv cannot be made.",
    ]


def test_of_several_kinds_all_are_named(parent: QWidget, told: Any, tmp_path: Path) -> None:
    Saver(parent, "Inspect", KINDS).save(tmp_path / "a.txt", writes("1"))
    assert told.errors == [
        "Inspect: a.txt was not saved; its name must end in .png, .psf.tif or .tif."
    ]
