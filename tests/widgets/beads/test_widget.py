from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels, Points

from napari_psf_distiller import MatchedFilter, SimulatedBeads, ThresholdedObjects
from napari_psf_distiller.figures import NOT_USED, USED
from napari_psf_distiller.joint.pipeline import find_raw_beads_step
from napari_psf_distiller.progress import finish
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.stepwise.pipeline import find_beads_step
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerSummary

NAME = "Find beads"
THRESHOLD = {"method": "threshold"}


@pytest.fixture
def preprocessed(user: Any, bead_layer: Image) -> Image:
    return user.makes("Preprocess beads", image=bead_layer)


@pytest.fixture
def mask(user: Any, preprocessed: Image) -> Labels:
    return user.makes("Threshold", image=preprocessed)


# --- in the raw image, by a matched filter


def test_it_finds_beads_in_the_raw_image(
    user: Any,
    bead_layer: Image,
    field: SimulatedBeads,
    recipe_of: Any,
    assert_made_from: Any,
    told: Any,
) -> None:
    gui = user.opens(NAME, image=bead_layer)
    assert gui.method.value == "matched"
    (layer,) = user.runs(gui)
    assert isinstance(layer, Points)
    assert layer.name == "beads beads"
    assert_made_from(layer, bead_layer)
    assert layer.metadata[METADATA_KEY].others == ()
    recipe = recipe_of(layer)
    assert recipe.find_beads == MatchedFilter()
    assert recipe.distill.method == "joint"
    assert recipe.provenance == provenance_of(bead_layer.data, "")
    beads = finish(find_raw_beads_step(bead_layer.data, recipe))
    np.testing.assert_array_equal(layer.data, beads[["z", "y", "x"]])
    for name in ("amplitude", "background", "used", "reason"):
        assert list(layer.features[name]) == list(beads[name])
    assert list(layer.features["bead"]) == list(beads.index)
    distances = np.abs(field.centres[:, None] - layer.data).max(axis=-1).min(axis=1)
    assert len(layer.data) == len(field.centres)
    assert distances.max() < 1
    assert gui.runner.status.value == "done: 8 beads"
    colour = np.array([0x56, 0xB4, 0xE9, 0xFF]) / 255
    np.testing.assert_allclose(layer.border_color, np.tile(colour, (8, 1)), atol=1e-6)
    layer.add((3.0, 10.0, 70.0))
    assert bool(layer.features["used"].iloc[-1]) is True
    assert np.isnan(layer.features["amplitude"].iloc[-1])
    assert (told.errors, told.warnings) == ([], [])
    assert bead_layer.metadata == {"mine": 1}


def test_beads_show_in_the_planes_of_their_light(
    user: Any, bead_layer: Image, viewer: napari.Viewer
) -> None:
    raw = bead_layer.metadata.copy(), bead_layer.projection_mode
    layer = user.makes(NAME, image=bead_layer)
    place = layer.data_to_world(layer.data[4])

    def bead_below_the_mouse(planes: float) -> int | None:
        position = place + np.array([planes, 0, 0]) * layer.scale
        viewer.dims.set_point(0, position[0])
        return layer.get_value(position, world=True)

    # Its ring is 1 µm wide, and its light twice as long.
    reach = 1.0 / layer.scale[0]
    for planes in (0, 1, -1, reach - 1, 1 - reach):
        assert bead_below_the_mouse(planes) == 4
    for planes in (reach + 1, -reach - 1):
        assert bead_below_the_mouse(planes) is None
    # A smaller ring reaches less far.
    layer.size = layer.size / 2
    assert bead_below_the_mouse(reach - 1) is None
    assert bead_below_the_mouse(1) == 4
    # Nothing else shows anything else for that.
    assert viewer.dims.thickness == (0, 0, 0)
    assert (bead_layer.metadata, bead_layer.projection_mode) == raw


def test_the_significance_is_the_recipes(
    user: Any, bead_layer: Image, recipe_of: Any, told: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, significance=9.0)
    (layer,) = user.runs(gui)
    assert recipe_of(layer).find_beads == MatchedFilter(significance=9.0)
    assert user.runs(user.chooses(gui, significance=900.0)) == []
    (error,) = told.errors
    assert "nothing stands out from the noise by 900 of its standard deviations" in error


def test_the_raw_2d_image(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any
) -> None:
    source = add_small(axis_labels=("y", "x"), translate=(3, 4))
    layer = user.makes(NAME, image=source)
    assert_made_from(layer, source)
    beads = finish(find_raw_beads_step(source.data, recipe_of(layer)))
    np.testing.assert_array_equal(layer.data, beads[["y", "x"]])
    np.testing.assert_array_equal(layer.data, [[12, 14]])


def test_a_preprocessed_image_is_no_raw_one(
    user: Any, preprocessed: Image, recipe_of: Any, warnings_of: Any
) -> None:
    layer = user.makes(NAME, image=preprocessed, method="matched")
    assert warnings_of(layer) == (
        "The image 'beads preprocessed' was preprocessed: its noise and background are not the "
        "camera's any more, and the matched filter needs them. Choose the raw image.",
    )
    recipe = recipe_of(layer)
    assert recipe.provenance.by_hand == ("preprocess",)
    # The record is still of the image that all began with.
    record = recipe_of(preprocessed).provenance
    assert recipe.provenance.image_sha256 == record.image_sha256 != ""


def test_a_voxel_size_that_the_file_did_not_say(
    user: Any,
    viewer: napari.Viewer,
    field: SimulatedBeads,
    recipe_of: Any,
    assert_made_from: Any,
    told: Any,
) -> None:
    source = viewer.add_image(field.image, name="unknown", translate=(10, 20, 30))
    gui = user.opens(NAME)
    assert gui.image.value is source
    assert gui.voxel_size.value == (0.0, 0.0, 0.0)
    assert user.runs(gui) == []
    (error,) = told.errors
    assert "The voxel size is not known; give it in micrometres, z, y and x." in error
    (layer,) = user.runs(user.chooses(gui, voxel_size=field.spacing))
    assert recipe_of(layer).spacing == field.spacing
    assert_made_from(layer, source)
    assert (source.scale == 1).all()
    button = gui[gui.index("voxel_size") + 1]
    assert button.text == "Set as the layer's scale"
    user.clicks(button)
    np.testing.assert_allclose(source.scale, field.spacing)
    np.testing.assert_allclose(source.translate, np.multiply(field.spacing, (10, 20, 30)))
    assert_made_from(layer, source)
    (again,) = user.runs(gui)
    assert_made_from(again, source)
    assert told.warnings == []
    # It is live where it does something: not with the layer's own, nor with a part of one.
    assert not button.enabled
    user.chooses(gui, voxel_size=(0.0, 0.1, 0.1))
    assert not button.enabled
    assert user.runs(gui) == []
    assert "must be positive on every axis" in told.errors[-1]
    np.testing.assert_allclose(source.scale, field.spacing)


# --- which method


def test_only_the_settings_that_count_are_shown(user: Any, viewer: napari.Viewer) -> None:
    gui = user.opens(NAME)
    own = {
        "matched": {"voxel_size", "significance"},
        "threshold": {"mask", "centre", "min_voxels", "max_voxels", "margin"},
    }
    for method in ("threshold", "matched"):
        gui.method.value = method
        for name in own["matched"] | own["threshold"]:
            assert getattr(gui, name).native.isHidden() == (name not in own[method]), name


def test_it_goes_on_from_a_threshold(
    user: Any, bead_layer: Image, preprocessed: Image, mask: Labels
) -> None:
    gui = user.opens(NAME)
    assert gui.method.value == "threshold"
    assert (gui.image.value, gui.mask.value) == (preprocessed, mask)


# --- in a preprocessed and thresholded image


def test_it_writes_points(
    user: Any, preprocessed: Image, mask: Labels, recipe_of: Any, assert_made_from: Any
) -> None:
    layer = user.makes(NAME, image=preprocessed, mask=mask, **THRESHOLD)
    assert isinstance(layer, Points)
    assert layer.name == "beads beads"
    assert_made_from(layer, preprocessed)
    assert layer.metadata[METADATA_KEY].others == (
        LayerSummary(mask.name, mask.data.shape, "uint8"),
    )
    recipe = recipe_of(layer)
    assert recipe.find_beads == ThresholdedObjects()
    assert recipe.distill.method == "richardson-lucy"
    assert recipe.threshold == recipe_of(mask).threshold
    assert recipe.preprocess == recipe_of(preprocessed).preprocess
    assert recipe.provenance.by_hand == ()
    beads = finish(find_beads_step(preprocessed.data, mask.data, recipe))
    np.testing.assert_array_equal(layer.data, beads[["z", "y", "x"]])
    for name in ("amplitude", "voxels", "used", "reason"):
        assert list(layer.features[name]) == list(beads[name])
    assert list(layer.features["bead"]) == list(beads.index)
    # Used and unused beads are there, and told apart by their colour.
    assert set(layer.features["used"]) == {True, False}
    colours = np.array([[0x56, 0xB4, 0xE9, 0xFF], [0xE6, 0x9F, 0x00, 0xFF]]) / 255
    assert (USED, NOT_USED) == ("#56B4E9", "#E69F00")
    expected = colours[np.where(beads["used"], 0, 1)]
    np.testing.assert_allclose(layer.border_color, expected, atol=1e-6)
    # A point added by hand is there to be used.
    layer.add((3.0, 10.0, 70.0))
    added = layer.features.iloc[-1]
    assert (bool(added["used"]), added["reason"]) == (True, "")
    assert np.isnan(added["amplitude"])
    np.testing.assert_allclose(layer.border_color[-1], colours[0], atol=1e-6)


def test_a_point_added_after_a_bead_that_is_not_used(
    user: Any, preprocessed: Image, mask: Labels
) -> None:
    # The last bead has 126 voxels, and the one before it, which is used, 98.
    layer = user.makes(NAME, image=preprocessed, mask=mask, **THRESHOLD, max_voxels=125)
    assert list(layer.features["used"].iloc[-2:]) == [True, False]
    layer.add((3.0, 10.0, 70.0))
    added = layer.features.iloc[-1]
    assert (bool(added["used"]), added["reason"]) == (True, "")
    np.testing.assert_allclose(layer.border_color[-1], layer.border_color[-3], atol=1e-6)


def test_its_settings_are_the_recipes(
    user: Any, preprocessed: Image, mask: Labels, recipe_of: Any
) -> None:
    settings = {
        "method": "threshold",
        "centre": "centroid",
        "min_voxels": 1,
        "max_voxels": 130,
        "margin": (0.0, 0.9, 0.9),
    }
    layer = user.makes(NAME, image=preprocessed, mask=mask, **settings)
    recipe = recipe_of(layer)
    assert recipe.find_beads == ThresholdedObjects(**settings)
    beads = finish(find_beads_step(preprocessed.data, mask.data, recipe))
    assert list(layer.features["used"]) == list(beads["used"])
    assert {"border", "large", ""} == set(layer.features["reason"])


def test_a_2d_image(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any
) -> None:
    source = add_small(axis_labels=("y", "x"), translate=(3, 4))
    mask = user.makes("Threshold", image=source)
    layer = user.makes(NAME, image=source, mask=mask, **THRESHOLD)
    assert_made_from(layer, source)
    beads = finish(find_beads_step(source.data, mask.data, recipe_of(layer)))
    np.testing.assert_array_equal(layer.data, beads[["y", "x"]])
    np.testing.assert_allclose(layer.data, [[12, 14]], atol=0.2)


def test_painted_labels_are_respected_and_on_record(
    user: Any, viewer: napari.Viewer, preprocessed: Image, mask: Labels, recipe_of: Any
) -> None:
    before = user.makes(NAME, image=preprocessed, mask=mask, **THRESHOLD)
    erased = tuple(np.round(before.data[0]).astype(int))
    mask.n_edit_dimensions, mask.brush_size = 3, 7
    mask.fill(erased, 0)
    painted = (3, 10, 70)
    assert mask.data[painted] == 0
    mask.paint(painted, 1)
    layer = user.makes(NAME, image=preprocessed, mask=mask, **THRESHOLD)
    assert recipe_of(layer).provenance.by_hand == ("threshold",)
    distances = np.abs(layer.data[:, None] - [erased, painted]).max(axis=-1).min(axis=0)
    assert distances[0] > 1
    assert distances[1] < 1
    # Painted from nothing.
    viewer.layers.selection.active = preprocessed
    viewer._new_labels()
    labels = viewer.layers[-1]
    labels.n_edit_dimensions, labels.brush_size = 3, 5
    labels.paint((12, 15, 22), 1)
    layer = user.makes(NAME, image=preprocessed, mask=labels, **THRESHOLD)
    assert recipe_of(layer).provenance.by_hand == ("threshold",)
    assert len(layer.data) == 1


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], told: Any
) -> None:
    source = add_small()
    gui = user.opens(NAME, image=source, **THRESHOLD)
    empty = np.zeros((24, 28), np.uint8)
    one, other = empty.copy(), np.ones((8, 9), np.uint8)
    one[12, 14] = 1
    # No labels; nothing in them; of another shape; all beads too small; all too near to the border;
    # a volume's; no image.
    user.runs(gui)
    user.runs(user.chooses(gui, mask=viewer.add_labels(empty)))
    user.runs(user.chooses(gui, mask=viewer.add_labels(other)))
    user.runs(user.chooses(gui, mask=viewer.add_labels(one)))
    user.runs(user.chooses(gui, min_voxels=1, margin=(0.0, 2.0, 2.0)))
    user.runs(user.chooses(gui, mask=viewer.add_labels(np.zeros((2, 2, 3, 3), np.uint8))))
    viewer.layers.remove(source)
    user.runs(gui)
    expected = (
        "No labels layer is chosen. Run Threshold first, or paint the beads.",
        "No bead was found: no voxel is above the threshold.",
        "The thresholded image has the shape (8, 9), the image (24, 28)",
        "None of the 1 objects can be used: 1 too small.",
        "None of the 1 objects can be used: 1 too near to the border.",
        "The thresholded image has the shape (2, 3, 3), the image (24, 28)",
        "No layer is chosen. Open or make a preprocessed image",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert error.startswith("Find beads: ")
        assert sentence in error
    assert not any(isinstance(layer, Points) for layer in viewer.layers)
