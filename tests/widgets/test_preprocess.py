import dataclasses
import re
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import Preprocess, Recipe
from napari_psf_distiller.progress import finish
from napari_psf_distiller.stepwise.pipeline import preprocess_step
from napari_psf_distiller.widgets.layers.note import METADATA_KEY
from napari_psf_distiller.widgets.layers.source import read_image_layer

NAME = "Preprocess beads"


def preprocessed(layer: Image, recipe: Recipe) -> Any:
    return finish(preprocess_step(layer.data, recipe)).image


def test_it_subtracts_a_local_background(
    user: Any, bead_layer: Image, recipe_of: Any, assert_made_from: Any
) -> None:
    layer = user.makes(NAME, image=bead_layer)
    assert isinstance(layer, Image)
    assert layer.name == "beads preprocessed"
    assert_made_from(layer, bead_layer)
    recipe = recipe_of(layer)
    assert recipe.preprocess == Preprocess()
    assert recipe.spacing == pytest.approx((0.2, 0.08, 0.08))
    np.testing.assert_array_equal(layer.data, preprocessed(bead_layer, recipe))


def test_its_settings_are_the_recipes(user: Any, bead_layer: Image, recipe_of: Any) -> None:
    gui = user.opens(NAME, image=bead_layer)
    chosen: dict[str, Any] = {}
    for settings in (
        {"background": "mean", "factor": 1.3, "floor": 0.1, "median": 3},
        {"background": "constant", "level": 120.0},
        {"background": "none"},
        {"background": "local", "radius": 2.0, "noise_margin": 0.5},
    ):
        chosen |= settings
        (layer,) = user.runs(user.chooses(gui, **settings))
        recipe = recipe_of(layer)
        assert recipe.preprocess == Preprocess(**chosen)
        np.testing.assert_array_equal(layer.data, preprocessed(bead_layer, recipe))


def test_the_image_is_on_record_and_unchanged(user: Any, bead_layer: Image, recipe_of: Any) -> None:
    before = bead_layer.data.copy()
    layer = user.makes(NAME, image=bead_layer)
    record = recipe_of(layer).provenance
    assert (record.image_shape, record.image_dtype) == (before.shape, "uint16")
    np.testing.assert_array_equal(bead_layer.data, before)
    assert bead_layer.metadata == {"mine": 1}


def test_a_2d_image(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any
) -> None:
    source = add_small(axis_labels=("y", "x"), translate=(3, 4))
    gui = user.opens(NAME, image=source)
    assert gui.voxel_size.value == (0.0, 0.1, 0.1)
    (layer,) = user.runs(gui)
    assert_made_from(layer, source)
    recipe = recipe_of(layer)
    assert recipe.spacing == (0.1, 0.1)
    np.testing.assert_array_equal(layer.data, preprocessed(source, recipe))


def test_only_the_settings_that_count_are_shown(user: Any, viewer: napari.Viewer) -> None:
    gui = user.opens(NAME)
    optional = ("factor", "level", "radius", "noise_margin")
    for background, shown in {
        "mean": {"factor"},
        "constant": {"level"},
        "local": {"radius", "noise_margin"},
        "none": set(),
    }.items():
        gui.background.value = background
        hidden = {name for name in optional if getattr(gui, name).native.isHidden()}
        assert hidden == set(optional) - shown


# --- voxel size


def test_the_voxel_size_is_the_first_layers_and_follows_the_choice(
    user: Any, bead_layer: Image, add_small: Callable[..., Image]
) -> None:
    gui = user.opens(NAME)
    assert gui.image.value is bead_layer
    assert gui.voxel_size.value == (0.2, 0.08, 0.08)
    gui.image.value = add_small(scale=(80, 72.5), units=("nanometer",) * 2)
    assert gui.voxel_size.value == (0.0, 0.08, 0.0725)
    gui.image.value = add_small(scale=(1, 1), units=("pixel",) * 2)
    assert gui.voxel_size.value == (0.0, 0.0, 0.0)


def test_the_layers_own_voxel_size_is_neither_rounded_nor_converted(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any
) -> None:
    fine = add_small(scale=(0.0323719123, 1 / 30), translate=(5, 6))
    layer = user.makes(NAME, image=fine)
    assert_made_from(layer, fine)
    assert recipe_of(layer).spacing == (0.0323719123, 1 / 30)
    nanometres = add_small(scale=(80, 72.5), units=("nanometer",) * 2, translate=(800, 725))
    layer = user.makes(NAME, image=nanometres)
    assert_made_from(layer, nanometres)
    assert recipe_of(layer).spacing == pytest.approx((0.08, 0.0725))
    # What needs no voxel size works without one.
    unknown = add_small(scale=(1, 1), units=("pixel",) * 2)
    layer = user.makes(NAME, image=unknown, background="mean")
    assert_made_from(layer, unknown)
    assert recipe_of(layer).spacing is None


def test_a_corrected_voxel_size_counts_from_here_on(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any, told: Any
) -> None:
    source = add_small(scale=(80, 72.5), units=("nanometer",) * 2, translate=(800, 725))
    layer = user.makes(NAME, image=source, voxel_size=(0.0, 0.1, 0.0725))
    assert recipe_of(layer).spacing == pytest.approx((0.1, 0.0725))
    assert_made_from(layer, source)
    np.testing.assert_allclose(source.scale, (80, 72.5))
    assert read_image_layer(layer).recipe.spacing == pytest.approx((0.1, 0.0725))
    # Whoever gives the new layer a scale of its own means that.
    layer.scale = (90, 70)
    assert read_image_layer(layer).recipe.spacing == pytest.approx((0.09, 0.07))
    # One that is given stands in for one that is unknown.
    unknown = add_small(scale=(1, 1), units=("pixel",) * 2, translate=(10, 20))
    layer = user.makes(NAME, image=unknown, voxel_size=(0.0, 0.2, 0.1))
    assert recipe_of(layer).spacing == (0.2, 0.1)
    assert_made_from(layer, unknown)
    assert [text for text in told.warnings if text.startswith(NAME)] == []


# --- bad input


def with_nan(array: Any) -> Any:
    array = array.copy()
    array[3, 4] = np.nan
    return array


SMALL = np.random.default_rng(0).random((16, 18)).astype(np.float32)
STACK = np.random.default_rng(0).random((4, 16, 18)).astype(np.float32)


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "rgb": (STACK[..., :3], {"rgb": True}, "is an RGB picture"),
    "spectrum": (STACK, {"axis_labels": ("t", "c", "x")}, "has the axes t, c, x; an image has y"),
    "nan": (with_nan(SMALL), {"contrast_limits": (0, 1)}, "1 voxels that are NaN or infinite"),
    "constant": (np.full((16, 18), 7), {}, "is constant: every voxel is 7"),
    "overflow": (np.arange(2**31, 2**31 + 256).reshape(16, 16), {}, "overflow single precision"),
    "no voxel size": (SMALL, {}, "voxel size is not known; give it in micrometres"),
}


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, told: Any
) -> None:
    gui = user.opens(NAME)
    for name, (data, keywords, sentence) in BAD.items():
        told.forget()
        layer = viewer.add_image(data, name=name, **keywords)
        gui.image.value = layer
        assert user.runs(gui) == []
        (error,) = told.errors
        assert re.match(f"Preprocess beads: .*{sentence}.*\\.$", error)
        assert f"Preprocess beads: {gui.runner.status.value}".replace("not done: ", "") == error
        assert gui.call_button.enabled
    assert [layer.name for layer in viewer.layers] == list(BAD)


def test_settings_that_cannot_be_used_are_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, bead_layer: Image, told: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, voxel_size=(0.0, 0.1, 0.1))
    assert user.runs(gui) == []
    assert user.runs(user.chooses(gui, voxel_size=(0.2, 0.1, 0.1), median=4)) == []
    settings = {"median": 1, "background": "constant", "level": 1e6}
    assert user.runs(user.chooses(gui, **settings)) == []
    viewer.layers.remove(bead_layer)
    assert user.runs(gui) == []
    partly_zero, even, above, no_layer = told.errors
    assert "voxel size 0 x 0.1 x 0.1 must be positive on every axis" in partly_zero
    assert "the filter's size must be odd" in even
    assert "Nothing is left of the image after the background was subtracted" in above
    assert no_layer == (
        "Preprocess beads: No layer is chosen. Open or make a bead image and choose it."
    )


def test_a_second_step_starts_from_the_firsts_recipe(
    user: Any, bead_layer: Image, recipe_of: Any
) -> None:
    first = user.makes(NAME, image=bead_layer)
    again = user.makes(NAME, image=first, background="none", median=3)
    assert again.name == "beads preprocessed [1]"
    assert again.metadata[METADATA_KEY].source.name == "beads preprocessed"
    assert again.metadata[METADATA_KEY].origin == "beads"
    expected = Preprocess(background="none", median=3)
    assert dataclasses.replace(recipe_of(again), provenance=None) == dataclasses.replace(
        recipe_of(first), preprocess=expected, provenance=None
    )
