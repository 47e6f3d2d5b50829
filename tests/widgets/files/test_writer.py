import dataclasses
import threading
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
from napari.layers import Image
from qtpy.QtWidgets import QFileDialog

from napari_psf_distiller import PSF, Recipe, SimulatedBeads, read_psf, simulate_beads
from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.io import is_psf_file
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.progress import finish
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.files.writer import write_psf_layer
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote

PLUGIN = "napari-psf-distiller"
RECIPE = dataclasses.replace(Recipe.notebook(), spacing=(0.2, 0.08, 0.08), bead_diameter=0.1)


def add_psf(viewer: napari.Viewer, field: SimulatedBeads, **keywords: object) -> Image:
    keywords = {
        "name": "my PSF",
        "scale": field.spacing,
        "units": ("micrometer",) * 3,
        "metadata": {METADATA_KEY: LayerNote(StepId.POSTPROCESS, RECIPE, "beads")},
    } | keywords
    return viewer.add_image(field.psf.astype(np.float32), **keywords)


def test_a_saved_psf_comes_back_whole(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path
) -> None:
    layer = add_psf(viewer, field)
    for suffix in (".tif", ".tiff", ".ome.tif", ".ome.tiff"):
        path = tmp_path / f"psf{suffix}"
        assert viewer.layers.save(str(path), plugin=PLUGIN) == [str(path)]
        stored = read_psf(path)
        np.testing.assert_array_equal(stored.array, layer.data)
        assert stored.spacing == pytest.approx(field.spacing, rel=1e-6)
        assert stored.recipe == RECIPE
        with tifffile.TiffFile(path) as tiff:
            assert tiff.is_ome == (".ome" in suffix)
            assert tiff.is_imagej != tiff.is_ome


@pytest.mark.parametrize(
    "ending",
    [
        ".plain.tif",
        ".deconwolf.tif",
        ".otf.tif",
        ".dv",
        ".otf",
        ".h5",
        "_3dcal.mat",
        ".psf.zarr",
        ".psf.npz",
    ],
)
def test_an_ending_saves_it_for_another_program(
    viewer: napari.Viewer,
    field: SimulatedBeads,
    tmp_path: Path,
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr("napari_psf_distiller.widgets.files.writer.show_info", told.append)
    add_psf(viewer, field)
    typed, by_python = tmp_path / f"typed{ending}", tmp_path / f"python{ending}"
    assert viewer.layers.save(str(typed)) == [str(typed)]
    PSF(field.psf, field.spacing, recipe=RECIPE).save(by_python)
    assert typed.stat().st_size == pytest.approx(by_python.stat().st_size, abs=20)
    # What another program reads need not come back into the viewer.
    assert told == []


def test_what_is_known_of_a_psf_goes_with_it_unless_it_was_changed(
    viewer: napari.Viewer, tmp_path: Path
) -> None:
    field = simulate_beads((48, 48), (0.08, 0.08), beads=3, seed=1)
    recipe = Recipe(spacing=field.spacing, bead_diameter=0.1, device="numpy")
    psf = finish(distill_steps_of(field.image, recipe)).psf
    psf.save(tmp_path / "first.psf.tif")
    (layer,) = viewer.open(str(tmp_path / "first.psf.tif"), plugin=PLUGIN)
    path = tmp_path / "second.psf.tif"
    viewer.layers.save(str(path), plugin=PLUGIN)
    stored = read_psf(path)
    np.testing.assert_array_equal(stored.error, psf.error)
    np.testing.assert_array_equal(
        stored.evaluate((0.05, 0.05)), read_psf(tmp_path / "first.psf.tif").evaluate((0.05, 0.05))
    )
    # On other voxels it is another PSF, and so is one that was painted.
    layer.scale = (0.1, 0.1)
    viewer.layers.save(str(path), plugin=PLUGIN)
    assert (read_psf(path).error, read_psf(path).model) == (None, None)
    layer.scale = field.spacing
    layer.data = layer.data * np.float32(2)
    viewer.layers.save(str(path), plugin=PLUGIN)
    assert (read_psf(path).error, read_psf(path).model) == (None, None)


def test_other_units_and_2d(viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path) -> None:
    path = tmp_path / "psf.tif"
    add_psf(viewer, field, scale=(200, 80, 80), units=("nanometer",) * 3, metadata={})
    viewer.layers.save(str(path), plugin=PLUGIN)
    stored = read_psf(path)
    assert stored.spacing == pytest.approx((0.2, 0.08, 0.08), rel=1e-6)
    assert stored.recipe is None
    viewer.layers.clear()
    psf = field.psf[field.psf.shape[0] // 2].astype(np.float32)
    viewer.add_image(psf, scale=(0.08, 0.07), units=("micrometer",) * 2)
    viewer.layers.save(str(path), plugin=PLUGIN)
    stored = read_psf(path)
    np.testing.assert_array_equal(stored.array, psf)
    assert stored.spacing == pytest.approx((0.08, 0.07), rel=1e-6)


def test_without_a_voxel_size_nothing_is_written(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path
) -> None:
    viewer.add_image(field.psf.astype(np.float32), name="bare")
    with pytest.raises(DistillerError, match="'bare' has no voxel size; set its scale"):
        viewer.layers.save(str(tmp_path / "psf.tif"), plugin=PLUGIN)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_no_psf_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "psf.tif"
    path.write_bytes(b"precious")
    layer = Image(np.zeros((4, 5, 6)), scale=(0.2, 0.1, 0.1))
    data, attributes, _ = layer.as_layer_data_tuple()
    with pytest.raises(DistillerError, match="constant"):
        write_psf_layer(str(path), data, attributes)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_an_image_saved_without_naming_a_plugin_is_written_by_napari(
    viewer: napari.Viewer, tmp_path: Path
) -> None:
    image = np.arange(140, dtype=np.uint16).reshape(5, 4, 7)
    viewer.add_image(image, scale=(0.2, 0.1, 0.1), units=("micrometer",) * 3)
    path = tmp_path / "image.tif"
    assert viewer.layers.save(str(path)) == [str(path)]
    written = tifffile.imread(path)
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, image)
    assert not is_psf_file(path)


def test_the_save_dialog_offers_it_and_saves_with_it(
    viewer: napari.Viewer,
    field: SimulatedBeads,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = add_psf(viewer, field)
    viewer.add_image(np.zeros((2, 2)), name="another")
    viewer.layers.selection = {layer}
    path = tmp_path / "psf.tif"

    def choose(*_: object, filter: str, **__: object) -> tuple[str, str]:
        (ours,) = [entry for entry in filter.split(";;") if "PSF as TIFF" in entry]
        return str(path), ours

    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(choose))
    viewer.window._qt_viewer._save_layers_dialog(selected=True)
    assert read_psf(path).recipe == RECIPE


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("beads PSF", "beads PSF.psf.tif"),
        ("gel 0.2 PSF", "gel 0.2 PSF.psf.tif"),
        ("mine.psf", "mine.psf.tif"),
        ("mine.psf.ome.tif", "mine.psf.ome.tif"),
        ("mine.TIF", "mine.TIF"),
    ],
)
def test_a_name_gets_the_ending_that_brings_it_back(
    viewer: napari.Viewer,
    field: SimulatedBeads,
    tmp_path: Path,
    told: Any,
    typed: str,
    written: str,
) -> None:
    data, attributes, _ = add_psf(viewer, field).as_layer_data_tuple()
    assert write_psf_layer(str(tmp_path / typed), data, attributes) == [str(tmp_path / written)]
    assert read_psf(tmp_path / written).recipe == RECIPE
    assert ("Named .psf.tif it would come back" in "".join(told.infos)) == (".psf" not in written)


def test_a_name_that_was_not_typed_replaces_nothing(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path
) -> None:
    data, attributes, _ = add_psf(viewer, field).as_layer_data_tuple()
    (tmp_path / "mine.psf.tif").write_bytes(b"precious")
    with pytest.raises(DistillerError, match=r"There is a file .*mine\.psf\.tif already"):
        write_psf_layer(str(tmp_path / "mine"), data, attributes)
    with pytest.raises(DistillerError, match="must end in"):
        write_psf_layer(str(tmp_path / "mine.png"), data, attributes)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_saved_in_a_thread_it_tells_in_the_main_one(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path, told: Any, qtbot: Any
) -> None:
    data, attributes, _ = add_psf(viewer, field).as_layer_data_tuple()
    arguments = (str(tmp_path / "mine.tif"), data, attributes)
    thread = threading.Thread(target=write_psf_layer, args=arguments)
    thread.start()
    thread.join()
    assert told.infos == []
    qtbot.waitUntil(lambda: bool(told.infos))


def test_a_name_of_ours_is_saved_by_us_without_naming_a_plugin(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path
) -> None:
    add_psf(viewer, field)
    viewer.layers.save(str(tmp_path / "mine.psf.tif"))
    assert read_psf(tmp_path / "mine.psf.tif").recipe == RECIPE


def test_a_multiscale_layer_is_no_psf(
    viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path
) -> None:
    psf = field.psf.astype(np.float32)
    levels = [psf, psf[::2, ::2, ::2]]
    layer = viewer.add_image(
        levels, multiscale=True, scale=field.spacing, units=("micrometer",) * 3, name="levels"
    )
    with pytest.raises(DistillerError, match="'levels' is RGB or multiscale"):
        layer.save(str(tmp_path / "psf.tif"), plugin=PLUGIN)
    assert list(tmp_path.iterdir()) == []
