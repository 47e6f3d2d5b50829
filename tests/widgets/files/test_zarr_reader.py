"""An OME-Zarr is opened lazily, as its file says, and each step works on its full resolution."""

import json
from pathlib import Path
from typing import Any

import dask.array
import napari
import numpy as np
import pytest
import tifffile
import zarr
from dask.callbacks import Callback
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from napari.plugins import _npe2
from napari.settings import get_settings
from npe2 import DynamicPlugin
from ome_files import OBJECTIVE, SETTINGS
from zarr_files import write_zarr

from napari_psf_distiller import PSF, InputError, Recipe, SimulatedBeads
from napari_psf_distiller.widgets.files.zarr_reader import get_zarr_reader
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.viewer.opening import open_by

PLUGIN = "napari-psf-distiller"
SPACING = (0.2, 0.08, 0.07)
SERIES = np.random.default_rng(0).integers(0, 999, (2, 2, 3, 8, 12)).astype(np.uint16)
GFP = {"label": "GFP", "color": "00FF00", "window": {"start": 100, "end": 900}}
RFP = {"label": "RFP", "color": "FF0000", "window": {"start": 5, "end": 5}, "active": False}


@pytest.fixture(autouse=True)
def no_preferences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as somebody who never used the plugin."""
    monkeypatch.setattr(get_settings().plugins, "extension2reader", {})


class Computed(Callback):
    """How many tasks dask has done."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = 0

    def _pretask(self, *_: Any) -> None:
        self.tasks += 1


def opens(viewer: napari.Viewer, path: Path) -> list[Any]:
    """Open a folder with the reader of OME-Zarr, and return the layers."""
    read = get_zarr_reader(str(path))
    assert read is not None
    return open_by(viewer, path, read, PLUGIN)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_each_channel_is_a_lazy_layer_as_the_file_says(
    viewer: napari.Viewer, tmp_path: Path, version: str
) -> None:
    path = tmp_path / "my cells.ome.zarr"
    options: dict[str, Any] = {"channels": (GFP, RFP), "version": version, "levels": 2}
    write_zarr(path, SERIES, "tczyx", spacing=SPACING, **options)
    with Computed() as computed:
        layers = get_zarr_reader(str(path))(str(path))
    assert computed.tasks == 0
    assert [kind for _, _, kind in layers] == ["image", "image"]
    green, red = opens(viewer, path)
    assert [green.name, red.name] == ["my cells GFP", "my cells RFP"]
    for channel, layer in enumerate((green, red)):
        assert layer.multiscale
        assert [type(level) for level in layer.data] == [dask.array.Array] * 2
        np.testing.assert_array_equal(layer.data[0], SERIES[:, channel])
        assert layer.data[1].shape == (2, 3, 4, 6)
        assert tuple(layer.scale) == pytest.approx((1, *SPACING))
        assert [str(unit) for unit in layer.units] == ["pixel"] + ["micrometer"] * 3
        assert layer.axis_labels == ("t", "z", "y", "x")
    assert green.contrast_limits == [100, 900]
    np.testing.assert_allclose(green.colormap.colors[-1], (0, 1, 0, 1))
    assert (green.visible, red.visible) == (True, False)
    source = read_image_layer(green, "an image", viewer)
    np.testing.assert_array_equal(np.asarray(source.data), SERIES[0, 0])
    assert source.recipe.spacing == pytest.approx(SPACING)


def test_axes_in_any_order_and_no_voxel_size(viewer: napari.Viewer, tmp_path: Path) -> None:
    image = SERIES[0, 0]
    write_zarr(tmp_path / "one.zarr", image.transpose(2, 1, 0), "xyz", unit=None)
    (layer,) = opens(viewer, tmp_path / "one.zarr")
    np.testing.assert_array_equal(layer.data, image)
    assert (layer.name, layer.multiscale) == ("one", False)
    assert read_image_layer(layer, "an image", viewer).recipe.spacing is None


def test_a_voxel_size_is_told_in_micrometres_whatever_its_unit(
    viewer: napari.Viewer, tmp_path: Path
) -> None:
    write_zarr(tmp_path / "one.zarr", SERIES[0, 0], spacing=(200, 80, 70), unit="nanometer")
    (layer,) = opens(viewer, tmp_path / "one.zarr")
    assert tuple(layer.scale) == pytest.approx(SPACING)
    assert {str(unit) for unit in layer.units} == {"micrometer"}


@pytest.mark.parametrize(
    ("unit", "step", "shown"),
    [
        ("second", 30.0, (30.0, "second")),
        ("weeks of (", 2.0, (1.0, "pixel")),
        ("", 1.0, (1.0, "pixel")),
    ],
)
def test_the_time_between_images_is_told_where_it_is_known(
    viewer: napari.Viewer, tmp_path: Path, unit: str, step: float, shown: tuple[float, str]
) -> None:
    group = write_zarr(tmp_path / "one.zarr", SERIES[:, 0], "tzyx", spacing=SPACING)
    ome: Any = group.attrs["ome"]
    (scales,) = ome["multiscales"]
    scales["axes"][0] |= {"unit": unit} if unit else {}
    scales["datasets"][0]["coordinateTransformations"][0]["scale"][0] = step
    group.attrs["ome"] = ome
    (layer,) = opens(viewer, tmp_path / "one.zarr")
    assert (layer.scale[0], str(layer.units[0])) == shown
    assert read_image_layer(layer, "an image", viewer).recipe.spacing == pytest.approx(SPACING)


def test_of_a_plate_the_first_field_is_opened_and_the_others_are_told(
    viewer: napari.Viewer, tmp_path: Path, told: Any
) -> None:
    path = tmp_path / "plate.zarr"
    group = zarr.open_group(path, mode="w")
    group.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "B/2"}, {"path": "A/1"}]}}
    for number, name in enumerate(("B/2", "A/1")):
        well = group.create_group(name)
        well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
        write_zarr(path / name / "0", SERIES[0, number])
    (layer,) = opens(viewer, path)
    assert layer.name == "plate B/2/0"
    np.testing.assert_array_equal(layer.data, SERIES[0, 0])
    (sentence,) = told.infos
    assert sentence.startswith("plate.zarr holds 2 images; B/2/0, the first, is opened.")
    (layer,) = opens(viewer, path / "A/1/0")
    np.testing.assert_array_equal(layer.data, SERIES[0, 1])


@pytest.mark.parametrize(
    "channel",
    [
        5,
        {},
        {"color": "green"},
        {"window": 5},
        {"window": {"start": "a", "end": float("nan")}},
        {"window": {"start": 0, "end": 65535, "min": 0, "max": 65535}},
    ],
)
def test_what_a_file_says_wrongly_of_its_look_is_left_out(
    viewer: napari.Viewer, tmp_path: Path, channel: Any
) -> None:
    group = write_zarr(tmp_path / "one.zarr", SERIES[0, 0])
    group.attrs["ome"] = group.attrs["ome"] | {"omero": {"channels": [channel]}}
    (layer,) = opens(viewer, tmp_path / "one.zarr")
    assert (layer.name, layer.colormap.name) == ("one", "gray")
    assert layer.contrast_limits == [SERIES[0, 0].min(), SERIES[0, 0].max()]


def test_what_is_none_of_ours_is_left_to_other_readers(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "plain.zarr", mode="w").create_array("0", shape=(4, 4), dtype="u2")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "a.tif").write_bytes(b"II*")
    for name in ("plain.zarr", "folder", "empty.zarr", "gone.zarr", "a.tif"):
        assert get_zarr_reader(str(tmp_path / name)) is None


def test_a_damaged_one_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = str(tmp_path / "one.zarr")
    group = write_zarr(tmp_path / "one.zarr", SERIES[0, 0], levels=2)
    del group["s1"]
    read = get_zarr_reader(path)
    with pytest.raises(InputError, match="names the array s1, which cannot be opened"):
        read(path)
    write_zarr(tmp_path / "one.zarr", SERIES[0, 0], version="0.4")
    said = tmp_path / "one.zarr/s0/.zarray"
    said.write_text(json.dumps(json.loads(said.read_text()) | {"chunks": [0, 8, 12]}))
    with pytest.raises(InputError, match="cut into too many chunks"):
        read(path)


def test_a_saved_psf_comes_back(viewer: napari.Viewer, tmp_path: Path) -> None:
    recipe = Recipe(spacing=SPACING, bead_diameter=0.1)
    array = SERIES[0, 0] / np.float32(1e6)
    PSF(array, SPACING, recipe=recipe).save(tmp_path / "a.psf.zarr")
    (layer,) = opens(viewer, tmp_path / "a.psf.zarr")
    np.testing.assert_array_equal(layer.data, array)
    assert (layer.name, tuple(layer.scale)) == ("a", SPACING)
    assert read_image_layer(layer, "a PSF", viewer).recipe == recipe


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that napari's dialog asks a reader for; it is always cancelled."""
    questions: list[str] = []

    def cancel(dialog: QtReaderDialog) -> tuple[str, bool]:
        questions.append(dialog._current_file)
        return "", False

    monkeypatch.setattr(QtReaderDialog, "get_user_choices", cancel)
    return questions


def drops(viewer: napari.Viewer, *paths: Path) -> list[Any]:
    """Do what dropping files or folders on the viewer does, and return the new layers."""
    before = list(viewer.layers)
    viewer.window._qt_viewer._qt_open([str(path) for path in paths], stack=False)
    return [layer for layer in viewer.layers if layer not in before]


@pytest.fixture
def folder_of_tiffs(tmp_path: Path) -> Path:
    (tmp_path / "slices").mkdir()
    for number in range(2):
        tifffile.imwrite(tmp_path / f"slices/{number}.tif", SERIES[0, 0, number])
    return tmp_path / "slices"


def test_a_folder_of_images_is_napari_s_and_nobody_is_asked(
    user: Any, viewer: napari.Viewer, folder_of_tiffs: Path, asked: list[str]
) -> None:
    assert set(_npe2.get_readers(str(folder_of_tiffs))) == {"napari"}
    (before,) = drops(viewer, folder_of_tiffs)
    user.opens("Find beads")
    (after,) = drops(viewer, folder_of_tiffs)
    assert {before.source.reader_plugin, after.source.reader_plugin} == {"napari"}
    assert asked == []


def test_an_ome_zarr_is_opened_whole_as_soon_as_a_widget_is_there(
    user: Any, viewer: napari.Viewer, tmp_path: Path, folder_of_tiffs: Path, asked: list[str]
) -> None:
    path = tmp_path / "cells.ome.zarr"
    write_zarr(path, SERIES[0], "czyx", spacing=SPACING, channels=(GFP, RFP))
    user.opens("Distil PSF")
    green, red, slices = drops(viewer, path, folder_of_tiffs)
    assert [green.name, red.name, slices.name] == ["cells GFP", "cells RFP", "slices"]
    assert tuple(green.scale) == pytest.approx(SPACING)
    assert (green.source.path, green.source.reader_plugin) == (str(path), PLUGIN)
    assert asked == []


def test_who_chose_another_reader_of_folders_keeps_it(
    user: Any, viewer: napari.Viewer, tmp_path: Path
) -> None:
    path = tmp_path / "cells.zarr"
    write_zarr(path, SERIES[0, 0], spacing=SPACING)
    get_settings().plugins.extension2reader = {"*.zarr/": "napari"}
    user.opens("Distil PSF")
    (layer,) = drops(viewer, path)
    assert layer.source.reader_plugin == "napari"


def test_where_another_plugin_reads_folders_its_user_is_asked(
    user: Any, viewer: napari.Viewer, tmp_path: Path, asked: list[str]
) -> None:
    path = tmp_path / "cells.zarr"
    write_zarr(path, SERIES[0, 0], spacing=SPACING)
    user.opens("Distil PSF")
    with DynamicPlugin("another") as another:

        @another.contribute.reader(filename_patterns=["*.zarr"], accepts_directories=True)
        def get_reader(_path: str) -> None: ...

        assert drops(viewer, path) == []
    assert asked == [str(path)]


def test_a_damaged_one_that_is_dropped_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, tmp_path: Path, told: Any
) -> None:
    group = write_zarr(tmp_path / "one.zarr", SERIES[0, 0], levels=2)
    del group["s1"]
    user.opens("Distil PSF")
    assert drops(viewer, tmp_path / "one.zarr") == []
    (sentence,) = told.errors
    assert sentence.startswith("one.zarr could not be opened: ")
    assert "names the array s1, which cannot be opened" in sentence


def test_what_a_series_says_of_the_microscope_fills_in_the_fields(
    user: Any, viewer: napari.Viewer, tmp_path: Path
) -> None:
    path = tmp_path / "series.zarr"
    group = zarr.open_group(path, mode="w")
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    write_zarr(path / "0", SERIES[0], "czyx", spacing=SPACING)
    (path / "OME").mkdir()
    channels = "".join(f'<Channel EmissionWavelength="{n}"/>' for n in (520, 610))
    (path / "OME/METADATA.ome.xml").write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Instrument ID="Instrument:0">{OBJECTIVE}</Instrument><Image ID="Image:0">{SETTINGS}'
        f'<Pixels SizeX="12" SizeY="8" SizeZ="3">{channels}</Pixels></Image></OME>'
    )
    _, red = opens(viewer, path)
    gui = user.opens("Distil PSF", image=red)
    user.waits(lambda: gui.wavelength.value == pytest.approx(0.61))
    assert gui.numerical_aperture.value == pytest.approx(1.4)


def test_steps_work_on_the_full_resolution_and_compute_when_they_run(
    user: Any, viewer: napari.Viewer, tmp_path: Path, field: SimulatedBeads
) -> None:
    path, beads = tmp_path / "beads.zarr", field.image.astype(np.uint16)
    write_zarr(path, beads, spacing=field.spacing, levels=2)
    (layer,) = opens(viewer, path)
    with Computed() as computed:
        gui = user.opens("Find beads", image=layer)
        assert gui.voxel_size.value == pytest.approx(field.spacing)
        assert computed.tasks == 0
        (points,) = user.runs(gui)
        assert computed.tasks > 0
    assert len(points.data) == len(field.centres)
    np.testing.assert_allclose(points.scale, layer.scale)
    labels = user.makes("Threshold", image=layer)
    assert labels.data.shape == beads.shape
    np.testing.assert_allclose(labels.scale, layer.scale)
    psf = viewer.add_image(field.psf, scale=field.spacing, units=("micrometer",) * 3)
    made = user.makes("Deconvolve", image=layer, psf=psf, iterations=2)
    assert made.data.shape == beads.shape
    np.testing.assert_allclose(made.scale, layer.scale)
