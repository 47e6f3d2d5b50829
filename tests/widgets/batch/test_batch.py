"""Distil several images: what is listed, the run, one that fails, cancelling, and the results."""

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.io import write_image
from napari_psf_distiller.widgets.batch.panel import TITLE

SPACING = (0.2, 0.08, 0.08)
UNITS = ("micrometer",) * 3


@pytest.fixture(scope="module")
def field() -> Any:
    return psfd.simulate_beads((24, 64, 64), SPACING, beads=4, seed=1)


@pytest.fixture(scope="module")
def folder(field: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good image, one without beads, and a file that is none."""
    made = tmp_path_factory.mktemp("monday")
    write_image(made / "a.tif", field.image, spacing=SPACING)
    dark = np.random.default_rng(1).poisson(100, (9, 40, 40)).astype(np.uint16)
    write_image(made / "dark.tif", dark, spacing=SPACING)
    (made / "notes.txt").write_text("no image")
    return made


@pytest.fixture
def gui(viewer: napari.Viewer, user: Any, tmp_path: Path) -> Any:
    return user.opens(TITLE, output=tmp_path / "psfs", device="numpy", bead_diameter=0.1)


def texts(gui: Any, column: int) -> list[str]:
    table = gui.panel.table
    return [table.item(row, column).text() for row in range(table.rowCount())]


def test_a_folder_is_listed_and_each_of_its_images_distilled(
    gui: Any, viewer: napari.Viewer, folder: Path, tmp_path: Path, user: Any
) -> None:
    gui.panel.add_paths([folder])
    assert texts(gui, 0) == ["a.tif", "dark.tif"]
    # The same again is not listed twice.
    gui.panel.add_paths([folder / "a.tif"])
    assert texts(gui, 0) == ["a.tif", "dark.tif"]
    assert user.runs(gui) == []
    assert gui.runner.status.value.startswith("done: 1 of 2 PSFs; 1 gave none, see the table")
    psf = psfd.read_psf(tmp_path / "psfs/a/psf.tif")
    assert texts(gui, 1)[0].startswith(f"{1000 * psf.fwhm()[0]:.0f} ± ")
    assert texts(gui, 2) == ["4 of 4", ""]
    assert "No bead was found" in texts(gui, 3)[1]
    table = pd.read_csv(tmp_path / "psfs/psfs.csv", index_col="image")
    assert list(table.index) == ["a.tif", "dark.tif"]
    # What came of an image opens from its row.
    assert not gui.panel.buttons["Open PSF"].isEnabled()
    gui.panel.table.selectRow(1)
    assert not gui.panel.buttons["Open PSF"].isEnabled()
    gui.panel.table.selectRow(0)
    gui.panel.buttons["Open PSF"].click()
    user.waits(lambda: len(viewer.layers) == 1)
    layer = viewer.layers["a.tif PSF"]
    np.testing.assert_array_equal(layer.data, psf.array)
    np.testing.assert_allclose(layer.scale, SPACING, rtol=1e-4)


def test_layers_and_volumes_along_an_axis_are_listed(
    gui: Any, viewer: napari.Viewer, field: Any, tmp_path: Path, user: Any
) -> None:
    viewer.add_image(field.image, name="slide", scale=SPACING, units=UNITS)
    series = np.stack([field.image, field.image[:, ::-1]])
    viewer.add_image(series, name="series", axis_labels=("t", "z", "y", "x"), scale=(1, *SPACING))
    gui.panel.offer_layers()
    actions = gui.panel.layers_menu.actions()
    assert [action.text() for action in actions] == [
        "slide",
        "series",
        "series: each of 2 along t",
    ]
    actions[0].trigger()
    actions[2].trigger()
    assert texts(gui, 0) == ["slide", "series [t=0]", "series [t=1]"]
    gui.voxel_size.value = SPACING
    user.runs(gui)
    assert texts(gui, 2) == ["4 of 4"] * 3
    assert sorted(path.name for path in (tmp_path / "psfs").iterdir()) == [
        "psfs.csv",
        "series [t=0]",
        "series [t=1]",
        "slide",
    ]
    # No layer of the user's is touched, and none is added.
    assert [layer.name for layer in viewer.layers] == ["slide", "series"]


def test_a_cancelled_run_keeps_what_is_done(
    gui: Any, folder: Path, tmp_path: Path, user: Any
) -> None:
    gui.panel.add_paths([folder / "dark.tif", folder / "a.tif"])
    user.starts(gui)
    assert not gui.panel.buttons["Add files"].isEnabled()
    user.waits(lambda: len(gui.runner.task.rows) == 1)
    gui.runner.cancel()
    user.waits(lambda: not gui.runner.running)
    assert gui.runner.status.value.startswith("cancelled")
    assert gui.panel.buttons["Add files"].isEnabled()
    table = pd.read_csv(tmp_path / "psfs/psfs.csv", index_col="image")
    assert list(table.index) == ["dark.tif"]
    assert not (tmp_path / "psfs/a").exists()


def test_rows_can_be_taken_off(gui: Any, folder: Path, qtbot: Any) -> None:
    gui.panel.add_paths([folder])
    gui.panel.table.selectRow(0)
    gui.panel.buttons["Remove"].click()
    assert texts(gui, 0) == ["dark.tif"]
    gui.panel.table.clearSelection()
    gui.panel.buttons["Remove"].click()
    assert texts(gui, 0) == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "The list of images is empty"),
        ({"output": Path("/nowhere/there/psfs")}, "/nowhere/there is not there"),
        ({"recipe": Path("/nowhere.json")}, "nowhere.json cannot be read"),
        ({"numerical_aperture": 1.4, "refractive_index": 1.0}, "numerical aperture is 1.4"),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    gui: Any, folder: Path, user: Any, told: Any, values: Any, sentence: str
) -> None:
    if values:
        gui.panel.add_paths([folder])
    user.chooses(gui, **values)
    user.clicks(gui.call_button)
    assert sentence in gui.panel.problem.text()
    assert sentence in told.errors[0]
    assert not gui.runner.running


def test_a_folder_without_images_says_so(gui: Any, tmp_path: Path) -> None:
    gui.panel.add_paths([tmp_path])
    assert "has no TIFF file" in gui.panel.problem.text()


def test_a_layer_that_was_removed_is_told(
    gui: Any, viewer: napari.Viewer, field: Any, user: Any
) -> None:
    layer = viewer.add_image(field.image, name="slide", scale=SPACING, units=UNITS)
    gui.panel.add_layer(layer)
    viewer.layers.remove(layer)
    user.clicks(gui.call_button)
    assert "was removed from the viewer" in gui.panel.problem.text()
