"""The guide's parameters from one session to the next, and what it reads and writes."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image
from napari.settings import NapariSettings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_psf_distiller as psfd
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.guide import Guide
from napari_psf_distiller.widgets.guide.parameters import parameters_path
from napari_psf_distiller.widgets.guide.steps import State


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session whose settings are kept, in a folder of the test's."""
    folder = tmp_path / "config"
    folder.mkdir()
    settings = NapariSettings(config_path=None)
    settings.config_path = folder / "settings.yaml"
    monkeypatch.setattr("napari.settings._SETTINGS", settings)
    path = parameters_path()
    assert path == folder / "psf-distiller.json"
    return path


@pytest.fixture
def image(viewer: napari.Viewer) -> Image:
    field = psfd.simulate_beads((72, 80), (0.08, 0.08), beads=8, separation=1.2, seed=2)
    return viewer.add_image(
        field.image, name="beads", scale=field.spacing, units=("micrometer",) * 2
    )


@pytest.fixture
def open_guide(viewer: napari.Viewer) -> Callable[[], Guide]:
    def opened() -> Guide:
        _, dock = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
        return dock.guide

    return opened


@pytest.fixture
def made(viewer: napari.Viewer, image: Image, open_guide: Callable[[], Guide], user: Any) -> Guide:
    guide = open_guide()
    guide.head.bead_diameter.value = 0.1
    guide.run_missing()
    user.waits(lambda: not (guide.chain.under_way or guide.chain.running))
    return guide


def said(guide: Guide) -> str:
    guide.refresh()
    return str(guide.status.text())


# --- parameters from one session to the next


def test_parameters_survive(
    open_guide: Callable[[], Guide], viewer: napari.Viewer, image: Image, kept_in: Path, user: Any
) -> None:
    guide = open_guide()
    assert not kept_in.exists()
    guide.head.bead_diameter.value = 0.2
    guide.head.method.value = "richardson-lucy"
    guide.steps[StepId.FIND_BEADS].gui.margin.value = (1.0, 2.0, 3.0)
    guide.steps[StepId.DISTILL].gui.start.value = "image"
    guide.steps[StepId.POSTPROCESS].gui.crop.value = (51, 33, 35)
    user.waits(kept_in.exists)
    text = kept_in.read_text(encoding="utf-8")
    # Nothing of the image or its layers.
    assert "voxel_size" not in text
    assert '"image"' not in text.replace('"start": "image"', "")
    again = Guide(viewer)
    viewer.window.add_dock_widget(again, name="again")
    assert again.head.bead_diameter.value == 0.2
    assert again.head.method.value == "richardson-lucy"
    assert again.steps[StepId.FIND_BEADS].gui.margin.value == (1.0, 2.0, 3.0)
    assert again.steps[StepId.DISTILL].gui.start.value == "image"
    assert again.steps[StepId.POSTPROCESS].gui.crop.value == (51, 33, 35)
    again.files.buttons["Reset to defaults"].click()
    assert again.head.bead_diameter.value == 0.0
    assert again.chain.method == "joint"
    assert again.steps[StepId.POSTPROCESS].gui.crop.value == (51, 65, 65)


def test_closing_at_once_keeps_what_was_just_changed(
    open_guide: Callable[[], Guide], viewer: napari.Viewer, kept_in: Path, user: Any
) -> None:
    viewer.window._qt_window.show()
    guide = open_guide()
    user.waits(guide.isVisible)
    guide.head.bead_diameter.value = 0.3
    viewer.window._qt_window.hide()
    steps = json.loads(kept_in.read_text(encoding="utf-8"))["steps"]
    assert steps["guide"]["bead_diameter"] == 0.3


GOOD = {"format": "napari-psf-distiller parameters", "version": 1, "steps": {}}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps(GOOD | {"version": 99}),
        json.dumps(GOOD | {"steps": {"find_beads": {"nothing": 1}}}),
        json.dumps(GOOD | {"steps": {"Nothing": {}}}),
        json.dumps(GOOD | {"steps": {"find_beads": {"significance": "7"}}}),
        json.dumps(GOOD | {"steps": {"find_beads": {"significance": -1.0}}}),
        json.dumps(GOOD | {"steps": {"find_beads": {"min_voxels": True}}}),
        json.dumps(GOOD | {"steps": {"find_beads": {"margin": [1.0, 2.0]}}}),
        json.dumps(GOOD | {"steps": {"guide": {"bead_diameter": 1.0, "method": "magic"}}}),
    ],
)
def test_a_broken_file_of_parameters_is_ignored_with_a_warning(
    open_guide: Callable[[], Guide], kept_in: Path, told: Any, content: str
) -> None:
    kept_in.write_text(content, encoding="utf-8")
    guide = open_guide()
    (warning,) = told.warnings
    assert warning.startswith("PSF Distiller: the parameters of the last session were not read.")
    assert guide.steps[StepId.FIND_BEADS].gui.significance.value == 7
    assert guide.head.bead_diameter.value == 0
    assert kept_in.read_text(encoding="utf-8") == content


def test_a_device_that_is_not_here_any_more(
    open_guide: Callable[[], Guide], kept_in: Path, user: Any, told: Any
) -> None:
    steps = {"distill": {"device": "Some GPU of yesterday"}}
    kept_in.write_text(json.dumps(GOOD | {"steps": steps}), encoding="utf-8")
    guide = open_guide()
    user.waits(lambda: guide.steps[StepId.DISTILL].gui.device.value == "auto")
    assert told.warnings == []


# --- recipes


@pytest.mark.parametrize("name", ["default", "notebook", "full"])
def test_a_recipe_sets_all_parameters(
    open_guide: Callable[[], Guide],
    viewer: napari.Viewer,
    image: Image,
    tmp_path: Path,
    user: Any,
    recipe_of: Any,
    told: Any,
    name: str,
) -> None:
    recipe = {
        "default": psfd.Recipe(),
        "notebook": psfd.Recipe.notebook(),
        "full": psfd.Recipe(
            bead_diameter=0.1,
            device="cpu",
            optics=psfd.Optics(1.2, 0.52, 1.33),
            preprocess=psfd.Recipe.notebook().preprocess,
            postprocess=dataclasses.replace(psfd.Recipe().postprocess, crop=None, clip=False),
        ),
    }[name]
    if isinstance(recipe.distill, psfd.RichardsonLucy):
        distill = dataclasses.replace(recipe.distill, iterations=3)
        recipe = dataclasses.replace(recipe, distill=distill)
    recipe.save(tmp_path / "recipe.json")
    guide = open_guide()
    guide.steps[StepId.DISTILL].gui.judge.value = False
    guide.steps[StepId.PREPROCESS].gui.median.value = 5
    guide.files.load_recipe(tmp_path / "recipe.json")
    user.waits(lambda: said(guide) == "The recipe was loaded.")
    guide.run_missing()
    user.waits(lambda: not (guide.chain.under_way or guide.chain.running))
    made = recipe_of(viewer.layers["beads PSF"])
    crop = recipe.postprocess.crop or (10**6,) * 3
    expected = dataclasses.replace(recipe.postprocess, crop=crop)
    assert (made.postprocess, made.optics) == (expected, recipe.optics)
    assert (made.bead_diameter, made.device) == (recipe.bead_diameter, recipe.device)
    if name == "notebook":
        assert (made.preprocess, made.threshold) == (recipe.preprocess, recipe.threshold)
        assert (made.find_beads, made.distill) == (recipe.find_beads, recipe.distill)
    else:
        assert made.distill.judge
    assert told.errors == []


def test_a_file_that_is_no_recipe(
    open_guide: Callable[[], Guide], image: Image, tmp_path: Path, user: Any, told: Any
) -> None:
    guide = open_guide()
    guide.head.bead_diameter.value = 0.3
    (tmp_path / "recipe.json").write_text("{}", encoding="utf-8")
    guide.files.load_recipe(tmp_path / "recipe.json")
    user.waits(lambda: bool(told.errors))
    (error,) = told.errors
    assert "is not a recipe" in error
    assert guide.head.bead_diameter.value == 0.3


def test_what_a_recipe_sets_that_no_widget_has(
    open_guide: Callable[[], Guide], image: Image, tmp_path: Path, user: Any, told: Any
) -> None:
    recipe = psfd.Recipe(distill=dataclasses.replace(psfd.Recipe().distill, angular_orders=2))
    recipe.save(tmp_path / "recipe.json")
    open_guide().files.load_recipe(tmp_path / "recipe.json")
    user.waits(lambda: bool(told.warnings))
    assert "distill.angular_orders" in told.warnings[0]


def test_a_recipes_voxel_size_is_for_an_image_without_one(
    open_guide: Callable[[], Guide], viewer: napari.Viewer, image: Image, tmp_path: Path, user: Any
) -> None:
    psfd.Recipe(spacing=(0.1, 0.2)).save(tmp_path / "recipe.json")
    guide = open_guide()
    guide.files.load_recipe(tmp_path / "recipe.json")
    user.waits(lambda: said(guide) == "The recipe was loaded.")
    assert guide.head.voxel_size.value == (0.0, 0.08, 0.08)
    guide.head.image.value = viewer.add_image(image.data, name="without")
    guide.files.load_recipe(tmp_path / "recipe.json")
    user.waits(lambda: guide.head.voxel_size.value == (0.0, 0.1, 0.2))


# --- what is written


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_an_exported_recipe_makes_the_psf_again(
    made: Guide, viewer: napari.Viewer, image: Image, tmp_path: Path, user: Any
) -> None:
    # What was done counts, not what the widgets show by now.
    made.head.bead_diameter.value = 0.4
    made.files.export_recipe(tmp_path / "recipe.json")
    user.waits(lambda: said(made) == "Written: recipe.json.")
    recipe = psfd.Recipe.load(tmp_path / "recipe.json")
    assert recipe.bead_diameter == 0.1
    psf = viewer.layers["beads PSF"].data
    again = psfd.distill(image.data, recipe=recipe)
    np.testing.assert_allclose(psf, again.psf, atol=1e-4 * psf.max(), rtol=0)


def test_the_report(made: Guide, viewer: napari.Viewer, tmp_path: Path, user: Any) -> None:
    made.files.export_report(tmp_path / "report.html")
    user.waits(lambda: said(made) == "Written: report.html.")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h1>PSF from beads</h1>" in text
    # The errors of the widths, the beads with their figures, the curve, the times.
    assert " ± " in text
    assert "chi_squared" in text
    assert "What the fit leaves of the image" in text
    assert "postprocess" in text
    # Without the beads there is no report, and no half of one.
    for name in ("beads beads", "beads fitted beads"):
        viewer.layers.remove(name)
    made.files.export_report(tmp_path / "second.html")
    user.waits(lambda: "The points layer of the beads is gone" in said(made))
    assert not (tmp_path / "second.html").exists()


def test_the_report_of_the_stepwise_way(
    open_guide: Callable[[], Guide], image: Image, tmp_path: Path, user: Any
) -> None:
    guide = open_guide()
    guide.head.method.value = "richardson-lucy"
    guide.run_missing()
    user.waits(lambda: guide.standing(StepId.POSTPROCESS).state is State.DONE)
    guide.files.export_report(tmp_path / "report.html")
    user.waits(lambda: said(guide) == "Written: report.html.")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "preprocess" in text
    assert "Log-likelihood against iteration" in text


def test_a_note_is_written_with_the_psf_its_recipe_and_its_report(
    made: Guide, tmp_path: Path, qtbot: Any, user: Any
) -> None:
    recipe = psfd.Recipe(bead_diameter=0.1)
    psfd.MicroscopePresets().save("Lab 63x", psfd.MicroscopePreset(recipe.optics))
    qtbot.keyClicks(made.files.note, "A. Person, new oil ")
    for name, write in (
        ("made.psf.tif", made.files.save_psf),
        ("recipe.json", made.files.export_recipe),
        ("report.html", made.files.export_report),
    ):
        write(tmp_path / name)
        user.waits(lambda name=name: said(made) == f"Written: {name}.")
    saved = psfd.read_psf(tmp_path / "made.psf.tif").recipe.provenance
    exported = psfd.Recipe.load(tmp_path / "recipe.json").provenance
    for record in (saved, exported):
        assert (record.note, record.image_name) == ("A. Person, new oil", "beads")
        # A microscope of which nothing is known is no one's.
        assert record.microscope == ""
    assert "A. Person, new oil" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", [".psf.tif", ".psf.ome.tif"])
def test_the_psf_is_saved_by_a_click(
    made: Guide,
    viewer: napari.Viewer,
    tmp_path: Path,
    qtbot: Any,
    user: Any,
    ending: str,
) -> None:
    qtbot.mouseClick(made.files.buttons["Save PSF"], Qt.MouseButton.LeftButton)
    (dialog,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QFileDialog))
    dialog.setDirectory(str(tmp_path))
    if ending == ".psf.ome.tif":
        dialog.filterSelected.emit(dialog.nameFilters()[1])
    dialog.accept()
    path = tmp_path / f"beads{ending}"
    user.waits(lambda: said(made) == f"Written: {path.name}.")
    stored = psfd.read_psf(path)
    np.testing.assert_array_equal(stored.array, viewer.layers["beads PSF"].data)
    assert stored.spacing == pytest.approx((0.08, 0.08))
    assert stored.recipe.bead_diameter == 0.1
    # All that is known of the PSF is in it.
    assert stored.error.shape == stored.shape
    again = stored.evaluate()
    np.testing.assert_allclose(again, stored, rtol=0, atol=1e-6 * stored.array.max())


def test_what_cannot_be_written(made: Guide, tmp_path: Path, user: Any, told: Any) -> None:
    told.forget()
    made.files.save_psf(tmp_path / "nowhere" / "psf.tif")
    user.waits(lambda: bool(told.errors))
    assert "does not exist" in told.errors[0]
    assert made.files.buttons["Save PSF"].isEnabled()


def test_there_is_no_psf_to_write(open_guide: Callable[[], Guide], image: Image, told: Any) -> None:
    guide = open_guide()
    guide.files.export_recipe(Path("recipe.json"))
    assert told.errors == ["PSF Distiller: There is no PSF yet. Press Distil PSF."]
    assert not guide.files.buttons["Export recipe"].isEnabled()
