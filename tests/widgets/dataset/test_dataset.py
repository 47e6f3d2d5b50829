"""Deconvolve data set: what is found, the PSFs, a trial, the run, and what is said of errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
import zarr
from dask_clusters import local_scheduler
from napari.layers import Image

import napari_psf_distiller as psfd
from napari_psf_distiller.datasets.ome_zarr import ImageLayout, create_image, open_images
from napari_psf_distiller.datasets.volume import StoredVolume
from napari_psf_distiller.widgets.dataset.panel import TITLE
from napari_psf_distiller.widgets.dataset.psfs import NONE, SAME
from napari_psf_distiller.widgets.files.saving import ask_for_folder
from napari_psf_distiller.widgets.trial.region import MIDDLE

SPACING = (0.2, 0.08, 0.08)
SHAPE = (2, 2, 6, 40, 50)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "cells.zarr"
    layout = ImageLayout(tuple("tczyx"), SHAPE, "f4", SPACING, ("green", "red"), "0.5")
    create_image(path, layout, "cells")
    values = np.random.default_rng(1).poisson(20, SHAPE)
    stored: Any = zarr.open_group(path, mode="r+")["0"]
    stored[...] = values.astype(np.float32)
    return path


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with local_scheduler() as address:
        yield address


@pytest.fixture
def psf(viewer: napari.Viewer) -> Image:
    made = psfd.simulate_psf((5, 7, 7), SPACING).astype(np.float32)
    return viewer.add_image(made, name="psf", scale=SPACING, units=("micrometer",) * 3)


@pytest.fixture
def opened(user: Any, psf: Image, source: Path, scheduler: str, tmp_path: Path) -> Any:
    """The widget, filled in."""
    gui = user.opens(
        TITLE,
        source=source,
        output=tmp_path / "sharp.zarr",
        scheduler=scheduler,
        iterations=2,
        device="numpy",
    )
    user.waits(lambda: gui.panel.survey is not None)
    choose_layer(gui, 0, psf)
    return gui


def choose_layer(gui: Any, row: int, layer: Image) -> None:
    choice = gui.panel.psfs.choices[row]
    choice.offer_layers()
    choice.setCurrentText(layer.name)
    assert choice.layer() is layer


def test_it_says_what_it_found(opened: Any) -> None:
    assert opened.panel.found.text().startswith(
        "1 position x 2 times x 2 channels (green, red), 6 x 40 x 50 voxels of 0.2 x 0.08 x 0.08"
    )
    assert len(opened.panel.psfs.choices) == 2
    assert opened.panel.psfs.choices[1].fixed == SAME
    assert opened.panel.place.channel.count() == 2
    assert opened.panel.place.time.maximum() == 1
    assert opened.panel.open_button.native.isHidden()


def test_it_deconvolves_the_data_set_and_opens_the_result(
    user: Any, opened: Any, source: Path, psf: Image, tmp_path: Path, told: Any
) -> None:
    assert user.runs(opened) == []
    assert opened.runner.status.value.startswith("done: ")
    assert "2, 2 iterations" in opened.runner.status.value
    (before,), (after,) = open_images(source), open_images(tmp_path / "sharp.zarr")
    kernel = psfd.PSF(psf.data, SPACING)
    for channel in (0, 1):
        stack = np.asarray(before.volume(1, channel))
        expected = np.asarray(psfd.deconvolve(stack, kernel, 2, device="numpy"))
        found = np.asarray(after.volume(1, channel))
        assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)
    assert not opened.panel.open_button.native.isHidden()
    user.clicks(opened.panel.open_button)
    opened_layers = [layer for layer in user.viewer.layers if layer is not psf]
    assert len(opened_layers) == 2
    np.testing.assert_array_equal(np.asarray(opened_layers[1].data)[1], found)
    assert told.errors == []


def test_each_channel_has_its_psf_from_a_layer_or_a_file(
    user: Any, opened: Any, source: Path, tmp_path: Path
) -> None:
    wider = psfd.PSF(psfd.simulate_psf((5, 9, 9), SPACING), SPACING)
    wider.save(tmp_path / "red.tif")
    opened.panel.psfs.choose(1, tmp_path / "red.tif")
    assert opened.panel.psfs.choices[1].fixed == "red.tif"
    user.runs(opened)
    (before,), (after,) = open_images(source), open_images(tmp_path / "sharp.zarr")
    stack = np.asarray(before.volume(0, 1))
    expected = np.asarray(psfd.deconvolve(stack, wider, 2, device="numpy"))
    found = np.asarray(after.volume(0, 1))
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_planes_need_no_voxel_size_along_z(
    user: Any, viewer: napari.Viewer, scheduler: str, tmp_path: Path
) -> None:
    source = tmp_path / "planes.zarr"
    create_image(source, ImageLayout(tuple("yx"), (40, 50), "f4", None, (), "0.5"), "planes")
    stored: Any = zarr.open_group(source, mode="r+")["0"]
    stored[...] = np.random.default_rng(1).poisson(20, (40, 50)).astype(np.float32)
    kernel = psfd.simulate_psf((7, 7), SPACING[1:]).astype(np.float32)
    layer = viewer.add_image(kernel, name="psf", scale=SPACING[1:], units=("micrometer",) * 2)
    gui = user.opens(
        TITLE,
        source=source,
        output=tmp_path / "sharp.zarr",
        voxel_size=(0, *SPACING[1:]),
        scheduler=scheduler,
        iterations=2,
        device="numpy",
    )
    user.waits(lambda: gui.panel.survey is not None)
    choose_layer(gui, 0, layer)
    user.runs(gui)
    assert gui.runner.status.value.startswith("done: ")
    (written,) = open_images(tmp_path / "sharp.zarr")
    assert written.layout.spacing == SPACING[1:]


def test_a_psf_of_other_voxels_is_interpolated_if_that_is_chosen(
    user: Any, opened: Any, told: Any
) -> None:
    opened.voxel_size.value = (0.2, 0.1, 0.1)
    assert "choose interpolate" in refused(user, opened, "psf")
    opened.interpolate.value = True
    user.runs(opened)
    assert opened.runner.status.value.startswith("done: ")
    assert any("The PSF was interpolated" in one for one in opened.runner.display.warnings)


def test_a_stack_needs_one_along_z(user: Any, opened: Any) -> None:
    opened.voxel_size.value = (0, *SPACING[1:])
    assert "2 values, but the image has 3 axes" in refused(user, opened, "voxel_size")


def test_files_of_one_name_in_two_folders_are_two_psfs(opened: Any, tmp_path: Path) -> None:
    shapes = (5, 7, 7), (5, 9, 9), (5, 11, 11)
    paths = [tmp_path / folder / "psf.tif" for folder in ("green", "red", "blue")]
    for path, shape in zip(paths, shapes, strict=True):
        path.parent.mkdir()
        psfd.PSF(psfd.simulate_psf(shape, SPACING), SPACING).save(path)
    rows = opened.panel.psfs
    rows.choose(0, paths[0])
    rows.choose(1, paths[1])
    assert [one().shape for one in rows.read()] == list(shapes[:2])
    # A row can go back to the file that it had before another of that name.
    rows.choose(1, paths[2])
    assert [one().shape for one in rows.read()] == [shapes[0], shapes[2]]
    rows.choices[1].setCurrentText("psf.tif")
    assert [one().shape for one in rows.read()] == list(shapes[:2])


def test_a_region_is_tried_before(
    user: Any, opened: Any, source: Path, viewer: napari.Viewer, psf: Image
) -> None:
    opened.panel.place.channel.setCurrentText("red")
    opened.panel.place.time.setValue(1)
    user.clicks(opened.trial.button)
    user.waits(lambda: not opened.trial.busy)
    trial = opened.trial.shown.trial
    (image,) = open_images(source)
    np.testing.assert_array_equal(trial.image, np.asarray(image.volume(1, 1))[trial.region])
    assert [one.name for one in trial.attempts][1] == "2 iterations"
    assert "cells.zarr: 2 iterations" in viewer.layers
    user.clicks(opened.trial.use_buttons[2])
    assert (opened.iterations.value, opened.total_variation.value) == (2, 0.005)
    user.clicks(opened.trial.back)
    user.waits(lambda: not opened.trial.busy)
    assert list(viewer.layers) == [psf]


def test_a_cancelled_run_keeps_what_is_done_and_goes_on(
    user: Any, opened: Any, tmp_path: Path, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first region ends before the run does.
    monkeypatch.setattr("napari_psf_distiller.deconvolution.datasets.cluster.LOOK_EVERY", 60.0)
    user.starts(opened)
    user.waits(lambda: gate.entered)
    user.clicks(opened.runner.cancel_button)
    assert "the regions under way are given up" in opened.runner.status.value
    gate.open()
    user.waits(lambda: not opened.runner.running)
    assert opened.runner.status.value == "cancelled"
    assert "Regions that are done are kept" in opened.panel.kept.text()
    assert (tmp_path / "sharp.zarr.progress.jsonl").exists()
    user.runs(opened)
    assert " before" in opened.runner.status.value
    assert opened.panel.kept.text() == ""


def test_a_trial_waits_for_the_run(user: Any, opened: Any, gate: Any) -> None:
    user.starts(opened)
    user.waits(lambda: gate.entered)
    assert not opened.trial.button.enabled
    opened.trial.start()
    assert "The run is under way: wait for it" in opened.trial.notice.text()
    gate.open()
    user.waits(lambda: not opened.runner.running)
    assert opened.trial.button.enabled


def test_a_run_waits_for_the_trial(user: Any, opened: Any, gate: Any, told: Any) -> None:
    user.clicks(opened.trial.button)
    user.waits(lambda: gate.entered)
    assert not opened.call_button.enabled
    opened()
    assert not opened.runner.running
    assert opened.runner.status.value.startswith("not done: The trial is under way: wait for it")
    assert "The trial is under way" in told.errors[-1]
    gate.open()
    user.waits(lambda: not opened.trial.busy)
    assert opened.call_button.enabled


def test_a_psf_is_kept_by_its_channel_s_name(opened: Any, psf: Image, tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.tif" for name in ("green", "red", "blue")}
    for side, path in enumerate(paths.values()):
        size = 5 + 2 * side
        psfd.PSF(psfd.simulate_psf((5, size, size), SPACING), SPACING).save(path)
    rows = opened.panel.psfs
    rows.choose(0, paths["green"])
    rows.choose(1, paths["red"])
    # The next data set has them in another order, and a further one.
    rows.show_channels(("red", "blue", "green"))
    assert [choice.fixed for choice in rows.choices] == ["red.tif", SAME, "green.tif"]
    assert [one().shape for one in rows.read()] == [(5, 7, 7), (5, 7, 7), (5, 5, 5)]
    assert rows.names == ("red", "blue", "green")
    rows.show_channels(("blue", "red"))
    assert [choice.fixed for choice in rows.choices] == [NONE, "red.tif"]
    with pytest.raises(psfd.InputError, match="No PSF is chosen"):
        rows.read()
    rows.show_channels(("green", "green"))
    assert [choice.fixed for choice in rows.choices] == ["green.tif", SAME]
    assert rows.names == ()


def test_images_with_their_channels_in_another_order(
    user: Any, opened: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    values = np.random.default_rng(2).poisson(20, (2, 6, 40, 50)).astype(np.uint16)
    for name, channels in (("a", ["green", "red"]), ("b", ["red", "blue"])):
        tifffile.imwrite(
            folder / f"{name}.ome.tif",
            values,
            photometric="minisblack",
            metadata={"axes": "CZYX", "Channel": {"Name": channels}}
            | {f"PhysicalSize{axis}": n for axis, n in zip("ZYX", SPACING, strict=True)},
        )
    wider = psfd.PSF(psfd.simulate_psf((5, 9, 9), SPACING), SPACING)
    wider.save(tmp_path / "red.tif")
    opened.source.value = folder
    user.waits(lambda: not opened.panel.looking)
    rows = opened.panel.psfs
    assert rows.names == ("green", "red", "blue")
    rows.choose(1, tmp_path / "red.tif")
    user.runs(opened)
    first, second = open_images(tmp_path / "sharp.zarr")
    for image, channel in ((first, 1), (second, 0)):
        expected = psfd.deconvolve(values[channel], wider, 2, device="numpy")
        found = np.asarray(image.volume(0, channel))
        np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-3)
    opened.panel.place.position.setCurrentIndex(1)
    opened.panel.place.channel.setCurrentText("red")
    user.clicks(opened.trial.button)
    user.waits(lambda: not opened.trial.busy)
    trial = opened.trial.shown.trial
    np.testing.assert_array_equal(trial.image, values[0][trial.region])


def test_a_psf_chosen_before_the_data_set_is_the_first_channel_s(
    user: Any, psf: Image, source: Path
) -> None:
    gui = user.opens(TITLE)
    choose_layer(gui, 0, psf)
    gui.source.value = source
    user.waits(lambda: gui.panel.survey is not None)
    assert gui.panel.psfs.choices[0].layer() is psf
    assert gui.panel.psfs.choices[1].fixed == SAME


def test_a_psf_saved_as_a_zarr_is_chosen_by_its_folder(
    user: Any, opened: Any, source: Path, tmp_path: Path
) -> None:
    wider = psfd.PSF(psfd.simulate_psf((5, 9, 9), SPACING), SPACING)
    wider.save(tmp_path / "red.zarr")
    dialog = ask_for_folder(opened.native, "Open a PSF", lambda path: rows.choose(1, path))
    rows = opened.panel.psfs
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(str(tmp_path / "red.zarr"))
    dialog.accept()
    assert rows.choices[1].fixed == "red.zarr"
    assert [one().shape for one in rows.read()] == [(5, 7, 7), (5, 9, 9)]


def test_a_drawn_rectangle_is_tried(
    user: Any, opened: Any, source: Path, viewer: napari.Viewer
) -> None:
    corners = np.array([(10, 20), (10, 39), (29, 39), (29, 20)]) * SPACING[1:]
    viewer.add_shapes([corners], name="here", units=("micrometer",) * 2)
    region = opened.panel.place.region
    region.offer_layers()
    region.setCurrentText("here")
    user.clicks(opened.trial.button)
    user.waits(lambda: not opened.trial.busy)
    trial = opened.trial.shown.trial
    assert trial.region == (slice(0, 6), slice(10, 30), slice(20, 40))
    measured = viewer.layers["cells.zarr: measured"]
    np.testing.assert_allclose(measured.data_to_world((0, 0, 0)), (0, 10 * 0.08, 20 * 0.08))
    region.setCurrentText(MIDDLE)
    user.clicks(opened.trial.button)
    user.waits(lambda: not opened.trial.busy)
    assert opened.trial.shown.trial.region == (slice(0, 6), slice(0, 40), slice(0, 50))


def test_a_rectangle_drawn_on_voxels_is_in_voxels(opened: Any, viewer: napari.Viewer) -> None:
    place = opened.panel.place
    layout = ImageLayout(tuple("zyx"), (6, 40, 50), "f4", SPACING, (), "0.5", (0.0, 9.0, 9.0))
    corners = np.array([(10, 20), (10, 39), (29, 39), (29, 20)])
    viewer.add_shapes([corners], name="here")
    place.region.offer_layers()
    place.region.setCurrentText("here")
    expected = (slice(0, 6), slice(10, 30), slice(20, 40))
    assert place.read().box(layout, psfd.Recipe(), "cells") == expected
    # With a scale it is in micrometres, from the origin of the data, though no unit says so.
    viewer.layers["here"].scale = SPACING[1:]
    viewer.layers["here"].translate = (9.0, 9.0)
    assert place.read().box(layout, psfd.Recipe(), "cells") == expected
    viewer.layers["here"].translate = (0.0, 0.0)
    with pytest.raises(psfd.InputError, match="frames nothing of the image 'cells'"):
        place.read().box(layout, psfd.Recipe(), "cells")


def test_failures_are_listed(user: Any, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = StoredVolume.read

    def damaged(volume: Any, box: Any) -> Any:
        raise psfd.InputError("chunk 7 is damaged")

    monkeypatch.setattr(StoredVolume, "read", damaged)
    user.runs(opened)
    assert "could not be done, see below" in opened.runner.status.value
    failed = opened.panel.failures.toPlainText().splitlines()
    assert len(failed) == 4
    assert all("chunk 7 is damaged" in line for line in failed)
    monkeypatch.setattr(StoredVolume, "read", read)
    user.runs(opened)
    assert "could not be done" not in opened.runner.status.value
    assert opened.panel.failures.isHidden()


def refused(user: Any, gui: Any, field: str) -> str:
    """Press the button, and return what is said beside a field."""
    user.clicks(gui.call_button)
    user.waits(lambda: not gui.runner.running)
    assert gui.runner.status.value.startswith("not done: ")
    return str(gui.panel.notices[field].text())


def test_what_is_wrong_is_said_beside_its_field(
    user: Any, opened: Any, source: Path, viewer: napari.Viewer, tmp_path: Path
) -> None:
    good = {"source": source, "output": tmp_path / "sharp.zarr"}
    for field, value, sentence in (
        ("output", tmp_path / "sharp.tif", "must end in .zarr"),
        ("output", None, "No output is chosen"),
        ("output", tmp_path / "no" / "sharp.zarr", "is not there"),
        ("source", None, "No data set is chosen"),
        ("source", tmp_path / "nowhere", "nowhere"),
    ):
        user.chooses(opened, **(good | {field: value}))
        user.waits(lambda: not opened.panel.looking)
        assert sentence in refused(user, opened, field)
    user.chooses(opened, **good)
    assert opened.panel.notices["source"].text() == ""
    point = np.zeros((5, 5, 5), np.float32)
    point[2, 2, 2] = 1
    bare = viewer.add_image(point, name="bare")
    choose_layer(opened, 0, bare)
    assert "has no voxel size" in refused(user, opened, "psf")
    opened.panel.psfs.choices[0].setCurrentIndex(0)
    assert "No PSF is chosen" in refused(user, opened, "psf")
    # What is no PSF is not offered.
    viewer.add_image(np.ones((5, 5, 5), np.float32), name="image")
    choice = opened.panel.psfs.choices[0]
    choice.offer_layers()
    assert choice.findText("bare") > 0
    assert choice.findText("image") == -1


def test_a_folder_that_is_no_data_set_is_said_at_once(
    user: Any, opened: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    opened.source.value = tmp_path / "empty"
    user.waits(lambda: not opened.panel.looking)
    assert opened.panel.notices["source"].text()
    assert opened.panel.found.text() == ""
