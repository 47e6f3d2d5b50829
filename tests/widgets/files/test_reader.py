"""A saved PSF comes back into napari as it was, and nobody else's file is touched."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from napari.plugins import _npe2
from napari.settings import get_settings
from npe2.manifest import PluginManifest

from napari_psf_distiller import PSF, InputError, Recipe, SimulatedBeads
from napari_psf_distiller.widgets.files.reader import (
    PSF_NAMES,
    get_reader,
    prefer_own_reader,
    read_psf_layer,
)
from napari_psf_distiller.widgets.layers.source import read_image_layer

PLUGIN = "napari-psf-distiller"
SPACING = (0.2, 0.1, 0.08)
RECIPE = dataclasses.replace(Recipe.notebook(), spacing=SPACING, bead_diameter=0.1)
VOXELS = np.random.default_rng(0).random((5, 7, 9)).astype(np.float32)


@pytest.fixture(autouse=True)
def no_preferences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as somebody who never used the plugin."""
    monkeypatch.setattr(get_settings().plugins, "extension2reader", {})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The readers that napari's dialog offers, one set a question; it is always cancelled."""
    questions: list[set[str]] = []

    def cancel(dialog: QtReaderDialog) -> tuple[str, bool]:
        questions.append({button.text() for button in dialog.reader_btn_group.buttons()})
        return "", False

    monkeypatch.setattr(QtReaderDialog, "get_user_choices", cancel)
    return questions


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(name: str, psf: Any = VOXELS, recipe: Recipe | None = RECIPE) -> Path:
        PSF(psf, spacing=SPACING[-np.ndim(psf) :], recipe=recipe).save(tmp_path / name)
        return tmp_path / name

    return save


def drops(viewer: napari.Viewer, path: Path) -> list[Any]:
    """Do what dropping a file on the viewer does, and return the new layers."""
    before = list(viewer.layers)
    viewer.window._qt_viewer._qt_open([str(path)], stack=False)
    return [layer for layer in viewer.layers if layer not in before]


@pytest.mark.parametrize("name", ["a.psf.tif", "a.psf.tiff", "a.psf.ome.tif", "A.PSF.OME.TIFF"])
def test_a_saved_psf_is_a_layer_that_every_step_takes(
    viewer: napari.Viewer, saved: Callable[..., Path], name: str
) -> None:
    (layer,) = viewer.open(str(saved(name)), plugin=PLUGIN)
    np.testing.assert_array_equal(layer.data, VOXELS)
    assert layer.name.lower() == "a"
    assert tuple(layer.scale) == SPACING
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.colormap.name == "inferno"
    assert layer.contrast_limits == [0, pytest.approx(VOXELS.max())]
    source = read_image_layer(layer, "a PSF", viewer)
    assert source.recipe == RECIPE
    assert source.origin == layer.name


def test_a_plane_and_a_psf_without_a_recipe(
    viewer: napari.Viewer, saved: Callable[..., Path]
) -> None:
    (layer,) = viewer.open(str(saved("plane.psf.tif", VOXELS[2], None)), plugin=PLUGIN)
    assert (layer.ndim, layer.axis_labels) == (2, ("y", "x"))
    source = read_image_layer(layer)
    assert source.recipe.spacing == SPACING[1:]
    assert source.recipe.preprocess.background == "none"


def test_after_the_first_save_a_psf_dropped_on_the_viewer_is_opened_without_a_question(
    viewer: napari.Viewer, saved: Callable[..., Path], asked: list[set[str]], tmp_path: Path
) -> None:
    assert drops(viewer, saved("first.psf.tif")) == []
    assert asked == [{"PSF Distiller", "napari builtins"}]
    layer = viewer.add_image(VOXELS, scale=SPACING, units=("micrometer",) * 3)
    viewer.layers.save(str(tmp_path / "mine.psf.ome.tif"), plugin=PLUGIN)
    for path in (tmp_path / "mine.psf.ome.tif", saved("first.psf.tif")):
        (opened,) = drops(viewer, path)
        np.testing.assert_array_equal(opened.scale, layer.scale)
        assert opened.source.reader_plugin == PLUGIN
    assert len(asked) == 1


def test_who_chose_another_reader_keeps_it(
    viewer: napari.Viewer, saved: Callable[..., Path], asked: list[set[str]]
) -> None:
    get_settings().plugins.extension2reader = {"*.psf.tif": "napari"}
    path = saved("a.psf.tif")
    assert get_reader(str(path)) is not None
    (layer,) = drops(viewer, path)
    assert layer.source.reader_plugin == "napari"
    assert asked == []


@pytest.mark.parametrize("name", ["image.tif", "image.tiff", "image.ome.tif", "mypsf.tif", "x.lsm"])
def test_other_names_have_the_readers_that_they_had(
    viewer: napari.Viewer, tmp_path: Path, asked: list[set[str]], name: str
) -> None:
    path = tmp_path / name
    tifffile.imwrite(path, VOXELS)
    get_reader(str(path))
    assert set(_npe2.get_readers(str(path))) == {"napari"}
    (layer,) = drops(viewer, path)
    assert layer.source.reader_plugin == "napari"
    assert asked == []


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif", "a.psf.tif"])
def test_with_a_widget_open_a_psf_comes_back_without_a_question(
    user: Any, viewer: napari.Viewer, saved: Callable[..., Path], asked: list[set[str]], name: str
) -> None:
    user.opens("Inspect PSF")
    path = saved(name)
    (layer,) = drops(viewer, path)
    assert layer.source.reader_plugin == PLUGIN
    assert tuple(layer.scale) == SPACING
    # Those of the command line all have one name, and each a folder of its own.
    assert layer.name == ("a" if name.startswith("a") else f"{path.parent.name} psf")
    assert read_image_layer(layer, "a PSF", viewer).recipe == RECIPE
    assert asked == []


def test_a_foreign_file_of_our_name_is_opened_by_napari_s_reader(
    viewer: napari.Viewer, asked: list[set[str]], tmp_path: Path
) -> None:
    prefer_own_reader()
    for name in ("foreign.psf.tif", "psf.tif"):
        tifffile.imwrite(tmp_path / name, VOXELS)
        (layer,) = drops(viewer, tmp_path / name)
        np.testing.assert_array_equal(layer.data, VOXELS)
        assert "psf_distiller" not in layer.metadata
    viewer.window._qt_viewer._qt_open([str(tmp_path / "psf.tif")] * 2, stack=True)
    assert viewer.layers[-1].data.shape == (2, *VOXELS.shape)
    assert asked == []


def test_what_napari_kept_of_the_reader_for_all_tiffs_is_taken_back(
    viewer: napari.Viewer, tmp_path: Path
) -> None:
    kept = {"*.tif": PLUGIN, "*.zarr/": PLUGIN, "*.tiff": "another", "*-gfp.psf.tif": PLUGIN}
    get_settings().plugins.extension2reader = kept
    prefer_own_reader()
    chosen = get_settings().plugins.extension2reader
    assert {name: chosen.get(name) for name in kept} == {
        "*.tif": None,
        "*.zarr/": None,
        "*.tiff": "another",
        "*-gfp.psf.tif": PLUGIN,
    }


def test_what_the_reader_does_not_take(saved: Callable[..., Path], tmp_path: Path) -> None:
    path = saved("a.psf.tif")
    broken = tmp_path / "broken.tif"
    broken.write_bytes(path.read_bytes()[:20])
    (tmp_path / "folder.psf.tif").mkdir()
    (tmp_path / "a.txt").write_text("napari-psf-distiller psf")
    refused: list[Any] = [
        broken,
        tmp_path / "missing.psf.tif",
        tmp_path / "folder.psf.tif",
        tmp_path / "a.txt",
        tmp_path,
        "https://somewhere/a.psf.tif",
        "",
    ]
    assert [get_reader(str(other)) for other in refused] == [None] * len(refused)
    assert get_reader([str(path), str(broken)]) is None
    assert get_reader([]) is None
    assert get_reader(None) is None
    assert get_reader() is None
    assert get_settings().plugins.extension2reader == {}


def test_of_a_foreign_file_only_its_head_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.psf.tif"
    tifffile.imwrite(path, np.zeros((300, 64, 64), np.uint16), imagej=True)
    read: list[int] = []
    plain = tifffile.FileHandle.read

    def counted(handle: tifffile.FileHandle, size: int = -1, /) -> bytes:
        content: bytes = plain(handle, size)
        read.append(len(content))
        return content

    monkeypatch.setattr(tifffile.FileHandle, "read", counted)
    assert get_reader(str(path)) is not read_psf_layer
    assert 0 < sum(read) < 20_000


def test_a_damaged_psf_is_refused_with_a_sentence(
    viewer: napari.Viewer, saved: Callable[..., Path]
) -> None:
    path = saved("a.psf.tif")
    path.write_bytes(path.read_bytes()[:-700])
    read = get_reader(str(path))
    assert read is not None
    with pytest.raises(InputError, match=r"a\.psf\.tif cannot be read"):
        read(str(path))


def test_an_opened_psf_is_what_the_next_widgets_choose(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, tmp_path: Path
) -> None:
    PSF(field.psf, spacing=field.spacing, recipe=RECIPE).save(tmp_path / "a.psf.tif")
    (layer,) = viewer.open(str(tmp_path / "a.psf.tif"), plugin=PLUGIN)
    viewer.add_image(field.image, name="beads", scale=field.spacing, units=("micrometer",) * 3)
    gui = user.opens("Deconvolve", iterations=1)
    assert gui.psf.value is layer
    gui.image.value = viewer.layers["beads"]
    (result,) = user.runs(gui)
    assert result.name == "beads deconvolved"
    assert result.metadata["psf_distiller"].others[0].name == "a"


def test_of_a_psf_that_another_reader_opened_the_file_is_asked(
    viewer: napari.Viewer, saved: Callable[..., Path], tmp_path: Path
) -> None:
    (layer,) = viewer.open(str(saved("psf.tif")))
    assert layer.source.reader_plugin == "napari"
    source = read_image_layer(layer, "a PSF", viewer)
    assert source.recipe == RECIPE
    # The user's layer stays as it is, and a scale that was given to it counts more.
    assert (layer.scale == 1).all()
    assert source.geometry["scale"] == (1, 1, 1)
    assert "psf_distiller" not in layer.metadata
    layer.scale = (0.5, 0.5, 0.5)
    assert read_image_layer(layer, "a PSF", viewer).recipe.spacing == (0.5, 0.5, 0.5)


def test_the_manifest_names_the_same_files() -> None:
    (reader,) = PluginManifest.from_distribution(PLUGIN).contributions.readers
    assert tuple(reader.filename_patterns) == PSF_NAMES
    assert not reader.accepts_directories
