"""The plugin's entries of the command palette run, and ask for what they need."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.layers import Image
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_psf_distiller import PSF, SimulatedBeads, read_psf
from napari_psf_distiller.widgets.files.folders import begin_in, note_folder

PLUGIN = "napari-psf-distiller"


@pytest.fixture
def chooses(viewer: napari.Viewer) -> Iterator[Callable[[str], QFileDialog]]:
    """Run an entry of the palette, and return the dialog that it opens."""
    opened: list[QFileDialog] = []

    def run(entry: str) -> QFileDialog:
        get_app_model().commands.execute_command(f"{PLUGIN}.{entry}").result()
        dialogs = [one for one in QApplication.topLevelWidgets() if isinstance(one, QFileDialog)]
        windows = [one.findChildren(QFileDialog) for one in QApplication.topLevelWidgets()]
        found = [*dialogs, *(one for several in windows for one in several)]
        opened.append(found[-1])
        return found[-1]

    yield run
    for dialog in opened:
        dialog.close()


def test_a_saved_psf_is_asked_for_and_opened(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path, chooses: Any
) -> None:
    # Whatever its name.
    PSF(field.psf, spacing=field.spacing).save(tmp_path / "mine.tif")
    dialog = chooses("open_psf")
    assert viewer.layers == []
    dialog.fileSelected.emit(str(tmp_path / "mine.tif"))
    (layer,) = viewer.layers
    np.testing.assert_array_equal(layer.scale, field.spacing)
    # The next dialog begins there.
    assert begin_in() == tmp_path


def test_a_file_that_is_none_is_refused_in_a_sentence(
    viewer: napari.Viewer, tmp_path: Path, chooses: Any, told: Any
) -> None:
    (tmp_path / "no.txt").write_text("nothing")
    chooses("open_psf").fileSelected.emit(str(tmp_path / "no.txt"))
    chooses("open_zarr").fileSelected.emit(str(tmp_path))
    assert len(told.errors) == 2
    assert told.errors[0] == (
        "no.txt could not be opened: it is no PSF that PSF Distiller can read."
    )
    assert viewer.layers == []


def test_the_selected_psf_is_saved(
    viewer: napari.Viewer, psf: Image, tmp_path: Path, chooses: Any, told: Any
) -> None:
    viewer.layers.selection = {psf}
    dialog = chooses("write_psf")
    dialog.fileSelected.emit(str(tmp_path / "mine.psf.tif"))
    assert read_psf(tmp_path / "mine.psf.tif").spacing == pytest.approx(tuple(psf.scale))
    viewer.layers.selection.clear()
    get_app_model().commands.execute_command(f"{PLUGIN}.write_psf").result()
    assert told.infos[-1] == "Select the layer of the PSF that is to be saved."


def test_dialogs_begin_beside_the_image_and_then_where_the_last_ended(
    viewer: napari.Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, add_small: Any
) -> None:
    monkeypatch.setattr("napari_psf_distiller.widgets.files.folders._last", [])
    assert begin_in() is None
    add_small()
    np.save(tmp_path / "image.npy", np.random.default_rng(0).random((8, 9)))
    viewer.open(str(tmp_path / "image.npy"))
    assert begin_in() == tmp_path.resolve()
    (tmp_path / "results").mkdir()
    note_folder(tmp_path / "results" / "psf.tif")
    assert begin_in() == tmp_path / "results"
    (tmp_path / "results").rmdir()
    assert begin_in() == tmp_path.resolve()
