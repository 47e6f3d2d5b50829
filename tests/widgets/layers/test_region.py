"""Time series, channels, and arrays that are too large to load: what a step reads of them."""

import threading
from typing import Any

import dask.array as da
import napari
import numpy as np
import pytest
from dask.callbacks import Callback
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_psf_distiller import SimulatedBeads, simulate_beads
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.agreement import found_elsewhere
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, own_note
from napari_psf_distiller.widgets.layers.region import axes_of_space, shown_region
from napari_psf_distiller.widgets.layers.source import (
    read_image_layer,
    read_labels_layer,
    voxel_size_of,
)
from napari_psf_distiller.widgets.layers.voxel_size import set_voxel_size

SHAPE = (4, 3, 5, 8, 9)
SERIES = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
SCALE = (2.0, 1.0, 0.3, 0.2, 0.1)
WORLD = {
    "scale": SCALE,
    "translate": (10.0, 0.0, 1.0, 2.0, 3.0),
    "units": ("second", "pixel", "micrometer", "micrometer", "micrometer"),
    "axis_labels": ("t", "c", "z", "y", "x"),
}


def shows(viewer: napari.Viewer, **steps: int) -> None:
    """Move the sliders."""
    for label, step in steps.items():
        viewer.dims.set_current_step(viewer.dims.axis_labels.index(label), step)


@pytest.mark.parametrize(
    ("ndim", "labels", "axes"),
    [
        (2, None, (0, 1)),
        (3, None, (0, 1, 2)),
        (4, None, (1, 2, 3)),
        (5, None, (2, 3, 4)),
        (3, ("t", "y", "x"), (1, 2)),
        (3, ("Channel", "y", "x"), (1, 2)),
        (4, ("z", "c", "y", "x"), (0, 2, 3)),
        (5, ("position", "t", "z", "y", "x"), (2, 3, 4)),
    ],
)
def test_axes_of_space(ndim: int, labels: Any, axes: tuple[int, ...]) -> None:
    assert axes_of_space(Image(np.zeros((2,) * ndim), axis_labels=labels)) == axes


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((1, 8, 9), None, (1, 2)),
        ((5, 8, 9, 1), None, (0, 1, 2)),
        ((1, 1, 8, 9), None, (2, 3)),
        ((4, 1, 8, 9), None, (2, 3)),
        ((1, 5, 8, 9), ("c", "z", "y", "x"), (1, 2, 3)),
        ((8, 1), None, (0, 1)),
        ((1, 1, 9), None, (1, 2)),
    ],
)
def test_an_axis_of_length_1_is_none_of_space(
    shape: tuple[int, ...], labels: Any, axes: tuple[int, ...]
) -> None:
    data = np.random.default_rng(0).random(shape)
    assert axes_of_space(Image(data, axis_labels=labels)) == axes
    levels = [data, data[..., ::2, :]]
    assert axes_of_space(Image(levels, axis_labels=labels, multiscale=True)) == axes
    scale = range(1, 1 + len(shape))
    layer = Image(data, axis_labels=labels, scale=scale, name="image")
    source = read_image_layer(layer)
    expected = data[0] if shape[0] == 4 else data.reshape([shape[axis] for axis in axes])
    np.testing.assert_array_equal(np.asarray(source.data), expected.reshape(np.shape(source.data)))
    assert source.geometry["scale"] == tuple(1.0 + axis for axis in axes)
    assert source.origin == ("image [0]" if shape[0] == 4 else "image")


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_stack_of_one_plane_is_distilled_as_a_plane(
    user: Any, viewer: napari.Viewer, by_hand: bool, told: Any
) -> None:
    field = simulate_beads((48, 48), (0.08, 0.08), beads=3, seed=1)
    image = viewer.add_image(
        field.image[None], scale=(0.2, 0.08, 0.08), units=("micrometer",) * 3, name="plane"
    )
    if by_hand:
        places = np.insert(field.centres, 0, 0, axis=1)
        beads = viewer.add_points(places, scale=image.scale, units=image.units)
    else:
        beads = user.makes("Find beads", image=image)
        assert beads.ndim == 2
    gui = user.opens("Distil PSF", image=image, beads=beads, device="numpy", bead_diameter=0.1)
    layers = user.runs(gui)
    assert told.errors == []
    psf = next(layer for layer in layers if own_note(layer.metadata).psf is not None)
    assert psf.ndim == 2
    assert own_note(psf.metadata).recipe.spacing == (0.08, 0.08)


def test_the_volume_that_the_viewer_shows_is_read(viewer: napari.Viewer) -> None:
    layer = viewer.add_image(SERIES, name="series", **WORLD)
    # Another layer's world is not this one's: sliders tell places in the world, not indices.
    viewer.add_image(np.zeros((9, 3, 5, 8, 9)), units=WORLD["units"])
    viewer.dims.set_point(0, 14.0)
    viewer.dims.set_point(1, 1.0)
    source = read_image_layer(layer, "an image", viewer)
    np.testing.assert_array_equal(source.data, SERIES[2, 1])
    assert source.name == "series"
    assert source.origin == "series [t=2, c=1]"
    assert source.chosen == {"t": 2, "c": 1}
    assert source.recipe.spacing == SCALE[2:]
    assert source.geometry == {
        "scale": SCALE[2:],
        "translate": (1, 2, 3),
        "units": layer.units[2:],
        "axis_labels": ("z", "y", "x"),
    }


def test_a_series_of_planes_is_a_plane(viewer: napari.Viewer) -> None:
    layer = viewer.add_image(SERIES[:, 0, 0], axis_labels=("time", "y", "x"))
    shows(viewer, time=3)
    source = read_image_layer(layer, "an image", viewer)
    np.testing.assert_array_equal(source.data, SERIES[3, 0, 0])
    assert source.origin.endswith(" [time=3]")


def test_axes_without_labels_are_shown_by_their_number(viewer: napari.Viewer) -> None:
    layer = viewer.add_image(SERIES, name="series")
    viewer.dims.current_step = (1, 2, 0, 0, 0)
    assert read_image_layer(layer, "an image", viewer).origin == "series [1, 2]"


def test_each_viewer_shows_its_own(make_napari_viewer: Any) -> None:
    viewers = [make_napari_viewer(), make_napari_viewer()]
    layers = [viewer.add_image(SERIES, **WORLD) for viewer in viewers]
    for viewer, time in zip(viewers, (3, 1), strict=True):
        shows(viewer, t=time, c=0)
    for viewer, layer, time in zip(viewers, layers, (3, 1), strict=True):
        assert shown_region(layer, viewer).chosen == {"t": time, "c": 0}


def test_a_layer_in_units_of_its_own(viewer: napari.Viewer) -> None:
    labels = ("depth", "z", "y", "x")
    layer = viewer.add_image(
        SERIES[:, 0], scale=(2, 1, 1, 1), units=("mm",) * 4, axis_labels=labels
    )
    viewer.add_image(SERIES[:, 0], units=("micrometer",) * 4)
    assert viewer.layers.units is not None
    viewer.dims.set_point(0, 4000.0)
    assert shown_region(layer, viewer).chosen == {"depth": 2}


def test_sliders_beyond_a_layers_data(viewer: napari.Viewer) -> None:
    layer = viewer.add_image(SERIES[:, 0], name="short")
    viewer.add_image(np.zeros((9, 5, 8, 9)))
    viewer.dims.set_current_step(0, 7)
    with pytest.raises(InputError, match=r"'short' has 4 along .* shows number 7, counted from 0"):
        read_image_layer(layer, "an image", viewer)


def test_labels_are_read_at_the_same_place(viewer: napari.Viewer) -> None:
    layer = viewer.add_labels(SERIES.astype(np.int32), **WORLD)
    shows(viewer, t=1, c=2)
    source = read_labels_layer(layer, viewer)
    np.testing.assert_array_equal(source.data, SERIES[1, 2].astype(np.int32))


def test_a_turned_layer_is_followed_and_a_psf_is_not_turned(viewer: napari.Viewer) -> None:
    turn = np.eye(5)
    turn[3:, 3:] = [[0.8, -0.6], [0.6, 0.8]]
    affine = np.eye(6)
    affine[2, 5] = 7
    layer = viewer.add_image(SERIES, rotate=turn, shear=[0] * 9 + [0.25], affine=affine, **WORLD)
    source = read_image_layer(layer, "an image", viewer)
    data, keywords, _ = layer_like(
        source, np.array(source.data), "image", "new", source.recipe, step=StepId.PROVE
    )
    new = viewer.add_image(data, **keywords)
    corner = np.array([4.0, 7.0, 8.0])
    at = viewer.dims.current_step[:2]
    expected = layer.data_to_world([*at, *corner])[2:]
    np.testing.assert_allclose(new.data_to_world(corner), expected, rtol=1e-12)
    _, keywords, _ = layer_like(
        source, data, "image", "PSF", source.recipe, step=StepId.PROVE, same_grid=False
    )
    assert not {"translate", "rotate", "shear", "affine"} & set(keywords)


def test_the_voxel_size_of_a_series_is_that_of_its_space() -> None:
    layer = Image(SERIES, **WORLD)
    assert voxel_size_of(layer) == SCALE[2:]
    set_voxel_size(layer, (0.6, 0.4, 0.2))
    assert tuple(layer.scale) == (2, 1, 0.6, 0.4, 0.2)
    assert [str(unit) for unit in layer.units] == list(WORLD["units"])
    np.testing.assert_allclose(layer.translate, (10, 0, 2, 4, 6))
    assert voxel_size_of(None) is None


def test_what_was_found_at_another_time_is_told(viewer: napari.Viewer) -> None:
    layer = viewer.add_image(SERIES, **WORLD)
    shows(viewer, t=1, c=0)
    there = read_image_layer(layer, "an image", viewer)
    shows(viewer, t=2, c=0)
    here = read_image_layer(layer, "an image", viewer)
    (warning,) = found_elsewhere(here, there)
    assert "was made at t 1, c 0, and the image is that of t 2, c 0" in warning
    assert found_elsewhere(here, here) == ()


# --- in the widgets


class Stored:
    """An array on a disk, as zarr's: reads what it is asked for, and tells in which thread."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.size = array.size
        self.read: list[tuple[Any, threading.Thread]] = []

    def __getitem__(self, index: Any) -> NDArray[Any]:
        self.read.append((index, threading.current_thread()))
        return self._array[index]


def test_only_the_volume_shown_is_read_and_not_in_the_main_thread(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, told: Any
) -> None:
    volumes = np.stack([np.zeros_like(field.image), field.image, np.zeros_like(field.image)])
    stored = Stored(volumes)
    layer = viewer.add_image(
        stored,
        name="movie",
        scale=(1, *field.spacing),
        translate=(0, 1, 2, 3),
        units=("second", *("micrometer",) * 3),
        axis_labels=("t", "z", "y", "x"),
        contrast_limits=(0, 1000),
    )
    shows(viewer, t=1)
    gui = user.opens("Preprocess beads", background="none", median=1)
    assert gui.voxel_size.value == pytest.approx(field.spacing)
    stored.read.clear()
    (result,) = user.runs(gui)
    elsewhere = [index for index, thread in stored.read if thread is not threading.main_thread()]
    assert elsewhere == [(1, slice(None), slice(None), slice(None))]
    # The viewer itself reads the planes that it draws, no volume.
    assert all(
        thread is not threading.main_thread() or np.ndim(volumes[index]) == 2
        for index, thread in stored.read
    )
    assert (result.name, result.ndim) == ("movie [t=1] preprocessed", 3)
    np.testing.assert_array_equal(result.data.argmax(), field.image.argmax())
    note = result.metadata[METADATA_KEY]
    assert note.chosen == {"t": 1}
    np.testing.assert_array_equal(result.scale, field.spacing)
    np.testing.assert_array_equal(result.translate, (1, 2, 3))
    assert result.units == layer.units[1:]
    assert result.axis_labels == ("z", "y", "x")
    # It lies on the image: the same voxel at the same place of the world.
    place = layer.data_to_world((1, 4, 5, 6))[1:]
    np.testing.assert_allclose(result.data_to_world((4, 5, 6)), place)
    assert told.errors == told.warnings == []


def test_a_whole_way_in_a_time_series_says_which_time_it_was(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, told: Any
) -> None:
    movie = da.stack(
        [da.from_array(image, chunks=-1) for image in (field.image[::-1], field.image)]
    )
    viewer.add_image(
        movie,
        name="movie",
        scale=(1, *field.spacing),
        axis_labels=("t", "z", "y", "x"),
        units=("second", *("micrometer",) * 3),
        contrast_limits=(0, 1000),
    )
    shows(viewer, t=1)
    (beads,) = user.runs(user.opens("Find beads"))
    assert beads.name == "movie [t=1] beads"
    assert beads.data.shape[1] == 3
    distil = user.opens("Distil PSF", method="richardson-lucy", iterations=1, device="numpy")
    assert distil.beads.value is beads
    (distilled,) = user.runs(distil)
    assert distilled.name == "movie [t=1] distilled"
    assert distilled.metadata[METADATA_KEY].chosen == {"t": 1}
    (psf,) = user.runs(user.opens("Post-process PSF", image=distilled))
    assert psf.name == "movie [t=1] PSF"
    assert psf.metadata[METADATA_KEY].chosen == {"t": 1}
    assert told.errors == []


def test_beads_of_another_time_are_warned_of(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, told: Any
) -> None:
    viewer.add_image(
        np.stack([field.image, field.image]),
        name="movie",
        scale=(1, *field.spacing),
        axis_labels=("t", "z", "y", "x"),
        units=("second", *("micrometer",) * 3),
    )
    shows(viewer, t=0)
    user.runs(user.opens("Find beads"))
    gui = user.opens("Distil PSF", device="numpy", window=(1.0, 0.6, 0.6))
    shows(viewer, t=1)
    names = [layer.name for layer in user.runs(gui)]
    assert names[-1] == "movie [t=1] distilled"
    assert any(
        "'movie [t=0] beads' was made at t 0" in warning for warning in gui.runner.display.warnings
    )


def test_of_a_dask_array_only_the_chunks_needed_are_computed(viewer: napari.Viewer) -> None:
    computed: list[tuple[int, threading.Thread]] = []

    def volume(block: NDArray[Any], block_info: Any = None) -> NDArray[Any]:
        computed.append((block_info[0]["chunk-location"][0], threading.current_thread()))
        return block

    lazy = da.from_array(SERIES, chunks=(1, *SHAPE[1:])).map_blocks(
        volume, dtype=SERIES.dtype, meta=np.empty((0,) * 5, SERIES.dtype)
    )
    layer = viewer.add_image(lazy, contrast_limits=(0, 1), **WORLD)
    shows(viewer, t=2, c=1)
    computed.clear()
    with Callback(start=lambda _: pytest.fail("a layer was read where it is only looked at")):
        source = read_image_layer(layer, "an image", viewer)
        voxel_size_of(layer)
        assert source.summary.shape == SHAPE[2:]
        layer_like(source, SERIES[0, 0], "image", "new", source.recipe, step=StepId.PROVE)
    assert computed == []
    np.testing.assert_array_equal(np.asarray(source.data), SERIES[2, 1])
    assert {place for place, _ in computed} == {2}


def test_labels_kept_elsewhere_are_not_read_to_tell_whether_they_were_edited() -> None:
    stored = Stored(SERIES[0, 0].astype(np.int32))
    recipe = read_image_layer(Image(SERIES[0, 0])).recipe
    note = LayerNote(StepId.THRESHOLD, recipe, "x", digest="y")
    layer = Labels(stored, metadata={METADATA_KEY: note})
    stored.read.clear()
    read_labels_layer(layer)
    assert stored.read == []
