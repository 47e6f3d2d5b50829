"""What the widgets read of layers, without a viewer."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Labels, Points

from napari_psf_distiller import Recipe
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import beads_from
from napari_psf_distiller.widgets.layers.agreement import is_made_from
from napari_psf_distiller.widgets.layers.geometry import spacing_of
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, LayerSummary
from napari_psf_distiller.widgets.layers.record import is_edited, marked_by_hand, used_device
from napari_psf_distiller.widgets.layers.source import (
    NOT_PREPROCESSED,
    read_image_layer,
    read_labels_layer,
    with_voxel_size,
)

IMAGE = np.random.default_rng(0).random((6, 8, 10)).astype(np.float32)
MICROMETRES = ("micrometer",) * 3


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.2, 0.1, 0.1), MICROMETRES, (0.2, 0.1, 0.1)),
        ((200, 100, 80), ("nm",) * 3, (0.2, 0.1, 0.08)),
        ((2e-4, 1e-4, 1e-4), ("mm",) * 3, (0.2, 0.1, 0.1)),
        ((200, 0.1, 1e-4), ("nm", "um", "mm"), (0.2, 0.1, 0.1)),
        # A scale without a unit is meant in micrometres; no scale is no voxel size.
        ((0.2, 0.1, 0.1), ("pixel",) * 3, (0.2, 0.1, 0.1)),
        ((0.2, 0.1), (), (0.2, 0.1)),
        ((1, 1, 1), ("pixel",) * 3, None),
        ((1, 1), (), None),
        # Micrometre voxels, said so, are known.
        ((1, 1, 1), MICROMETRES, (1, 1, 1)),
        ((-0.2, 0.1, 0.1), MICROMETRES, (0.2, 0.1, 0.1)),
        ((0, 0.1, 0.1), MICROMETRES, None),
    ],
)
def test_spacing_of(scale: Any, units: Any, expected: Any) -> None:
    found = spacing_of(scale, units)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_an_image_layer_is_read_without_loading_it() -> None:
    layer = Image(IMAGE, name="raw", scale=(200, 80, 80), units=("nm",) * 3, translate=(1, 2, 3))
    source = read_image_layer(layer)
    assert source.data is layer.data
    assert (source.name, source.origin, source.edited) == ("raw", "raw", False)
    assert source.recipe.spacing == pytest.approx((0.2, 0.08, 0.08))
    assert source.recipe.preprocess.background == "none"
    assert source.geometry["translate"] == (1, 2, 3)
    assert source.summary == LayerSummary("raw", (6, 8, 10), "float32")


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (None, "No layer is chosen. Open or make a PSF and choose it."),
        (Image(np.zeros((8, 8, 3)), rgb=True), "RGB picture"),
        (Image(IMAGE, axis_labels=("T", "channel", "x")), "has the axes T, channel, x; an image"),
    ],
)
def test_image_layers_that_no_step_takes(layer: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read_image_layer(layer, "a PSF")
    assert sentence in str(caught.value)


def test_of_several_resolutions_the_finest_is_read() -> None:
    source = read_image_layer(Image([IMAGE, IMAGE[:, ::2, ::2]], multiscale=True, name="levels"))
    np.testing.assert_array_equal(np.asarray(source.data), IMAGE)
    assert source.summary == LayerSummary("levels", (6, 8, 10), str(IMAGE.dtype))


def test_labels_layers_that_no_step_takes() -> None:
    with pytest.raises(InputError, match="Run Threshold first, or paint the beads"):
        read_labels_layer(None)
    levels = [np.zeros((8, 8), int), np.zeros((4, 4), int)]
    with pytest.raises(InputError, match="is multiscale; it must have one level"):
        read_labels_layer(Labels(levels, multiscale=True))


# --- voxel size


def source_of(**keywords: Any) -> Any:
    return read_image_layer(Image(IMAGE, **keywords))


def test_a_voxel_size_that_is_the_layers_as_it_is_shown_changes_nothing() -> None:
    source = source_of(scale=(0.2, 1 / 30, 0.0723456), units=MICROMETRES)
    assert with_voxel_size(source, (0.2, 0.0333333333333333, 0.0723456)) is source
    assert with_voxel_size(source, (0, 0, 0)) is source
    changed = with_voxel_size(source, (0.3, 0.0333333333333333, 0.0723456))
    assert changed.recipe.spacing == (0.3, 1 / 30, 0.0723456)
    typed = with_voxel_size(source, (0.2, 0.03333, 0.0723456))
    assert typed.recipe.spacing == (0.2, 0.03333, 0.0723456)


@pytest.mark.parametrize("sizes", [(0, 0.1, 0.1), (0.2, 0.1, 0), (-0.2, 0.1, 0.1)])
def test_a_voxel_size_that_is_none_is_refused(sizes: Any) -> None:
    with pytest.raises(InputError, match="must be positive on every axis"):
        with_voxel_size(source_of(), sizes)


# --- beads


def test_beads_on_the_images_grid_are_taken_to_the_last_bit() -> None:
    image = source_of(scale=(0.2, 0.1, 0.07), units=MICROMETRES, translate=(0.3, 0.1, 0.7))
    points = np.random.default_rng(1).uniform(0, 5, (20, 3))
    layer = Points(points, scale=(0.2, 0.1, 0.07), units=MICROMETRES, translate=(0.3, 0.1, 0.7))
    table, source = beads_from(layer, image)
    np.testing.assert_array_equal(table[["z", "y", "x"]], points)
    assert table["used"].all()
    assert source.edited


def test_a_bead_in_the_middle_of_a_voxel_stays_there_on_the_way_through_the_world() -> None:
    image = source_of(scale=(0.2, 0.1, 0.07), units=MICROMETRES, translate=(0.3, 0.1, 0.7))
    voxels = np.indices((5, 7, 9)).reshape(3, -1).T.astype(float)
    world = voxels * (0.2, 0.1, 0.07) + (0.3, 0.1, 0.7)
    table, _ = beads_from(Points(1000 * world, units=("nm",) * 3), image)
    np.testing.assert_array_equal(table[["z", "y", "x"]], voxels)


def test_a_points_layer_without_units_is_in_the_images() -> None:
    image = source_of(scale=(0.2, 0.1, 0.1), units=MICROMETRES)
    table, _ = beads_from(Points([[0.4, 0.5, 0.6]], units=("pixel",) * 3), image)
    np.testing.assert_array_equal(table[["z", "y", "x"]], [[2, 5, 6]])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_point_without_a_word_on_its_use_is_used(missing: Any) -> None:
    features = pd.DataFrame({"used": pd.Series([True, missing, False], dtype=object)})
    table, _ = beads_from(Points(np.ones((3, 3)), features=features), source_of())
    assert list(table["used"]) == [True, True, False]


# --- what a layer says of itself


def test_layers_are_known_as_edited_or_not() -> None:
    source = source_of(scale=(0.2, 0.1, 0.1), units=MICROMETRES)
    mask = (IMAGE > 0.5).astype(np.uint8)
    data, keywords, _ = layer_like(
        source, mask, "labels", "mask", source.recipe, step=StepId.THRESHOLD
    )
    labels = Labels(data, **keywords)
    assert not is_edited(labels)
    assert not read_labels_layer(labels).edited
    labels.data_setitem((np.array([0]), np.array([0]), np.array([0])), 7)
    assert is_edited(labels)
    assert read_labels_layer(labels).edited
    # A layer that no step wrote is not its edited work, but it is made by hand.
    assert not is_edited(Labels(mask))
    assert read_labels_layer(Labels(mask)).edited


def test_a_bead_switched_off_is_an_edit_and_other_features_are_none() -> None:
    source = source_of()
    features = pd.DataFrame({"used": [True, True], "mine": [1, 2]})
    data, keywords, _ = layer_like(
        source,
        np.ones((2, 3)),
        "points",
        "b",
        source.recipe,
        step=StepId.FIND_BEADS,
        features=features,
    )
    layer = Points(data, **keywords)
    assert not is_edited(layer)
    layer.features = pd.DataFrame({"used": [True, True], "mine": [3, 4]})
    assert not is_edited(layer)
    layer.features = pd.DataFrame({"used": [True, False], "mine": [3, 4]})
    assert is_edited(layer)


def test_the_recipe_in_a_layer_is_read_strictly() -> None:
    note = LayerNote(StepId.DISTILL, Recipe(), "x").to_dict() | {"recipe": {"colour": 1}}
    layer = Image(IMAGE, metadata={METADATA_KEY: note})
    with pytest.raises(InputError, match="unknown field 'colour'"):
        read_image_layer(layer)


def test_the_layers_scale_counts_more_than_the_recipes_spacing() -> None:
    note = LayerNote(StepId.DISTILL, Recipe(spacing=(9, 9, 9)), "x")
    layer = Image(IMAGE, scale=(0.2, 0.1, 0.1), metadata={METADATA_KEY: note})
    assert read_image_layer(layer).recipe.spacing == (0.2, 0.1, 0.1)


def test_records_are_added_to() -> None:
    recipe = marked_by_hand(marked_by_hand(Recipe(), "threshold"), "find_beads")
    assert marked_by_hand(recipe, "threshold") is recipe
    record = used_device(recipe, "some device").provenance
    assert record is not None
    assert record.by_hand == ("threshold", "find_beads")
    assert record.device == "some device"


def test_another_plugins_note_is_not_ours(make_napari_viewer: Any) -> None:
    layer = make_napari_viewer().add_image(np.eye(16), metadata={METADATA_KEY: {"foo": 1}})
    source = read_image_layer(layer)
    assert source.origin == layer.name
    assert source.recipe.preprocess == NOT_PREPROCESSED


# --- how a new layer looks


@pytest.mark.parametrize(
    ("values", "limits"),
    [((-2, 0, 5), (-2, 5)), ((3, 3, 3), (3, 4)), ((0, np.nan, 1), (0, 1))],
)
def test_a_new_image_shows_all_its_values(values: Any, limits: Any) -> None:
    # In one plane of many, which napari itself does not look at.
    image = np.full((40, 300, 900), values[0], np.float32)
    image[7, 0, :2] = values[1:]
    source = source_of()
    data, keywords, _ = layer_like(source, image, "image", "new", source.recipe, step=StepId.PROVE)
    layer = Image(data, **keywords)
    assert tuple(layer.contrast_limits) == limits
    own = layer_like(
        source, image, "image", "new", source.recipe, step=StepId.PROVE, contrast_limits=(0, 9)
    )
    assert own[1]["contrast_limits"] == (0, 9)


def test_what_was_made_from_a_layer_is_known_by_the_layer_not_by_its_name() -> None:
    image = Image(np.zeros((4, 5)), name="image")
    source = read_image_layer(image)
    points = np.zeros((1, 2))
    data, keywords, _ = layer_like(
        source, points, "points", "p", source.recipe, step=StepId.FIND_BEADS
    )
    made = Points(data, **keywords)
    image.name = "renamed"
    assert is_made_from(made, read_image_layer(image))
    assert not is_made_from(made, read_image_layer(Image(np.zeros((4, 5)), name="image")))
    assert not is_made_from(Points(points), read_image_layer(image))
    image.data = np.zeros((4, 6))
    assert not is_made_from(made, read_image_layer(image))
