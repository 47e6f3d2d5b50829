from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_psf_distiller import Recipe, Threshold
from napari_psf_distiller.progress import finish
from napari_psf_distiller.stepwise.pipeline import threshold_step
from napari_psf_distiller.widgets.layers.note import METADATA_KEY

NAME = "Threshold"


def thresholded(layer: Image, recipe: Recipe) -> Any:
    return finish(threshold_step(layer.data, recipe))


def test_it_writes_labels(
    user: Any, bead_layer: Image, recipe_of: Any, assert_made_from: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer)
    chosen: dict[str, Any] = {}
    for settings in (
        {"method": "noise", "factor": 6.0},
        {"method": "otsu"},
        {"method": "li"},
        {"method": "triangle"},
        {"method": "local", "window": 2.0, "offset": 50.0},
    ):
        chosen |= settings
        (layer,) = user.runs(user.chooses(gui, **settings))
        assert isinstance(layer, Labels)
        assert_made_from(layer, bead_layer)
        recipe = recipe_of(layer)
        assert recipe.threshold == Threshold(**chosen)
        # The user's own image went in: nothing was done to it before.
        assert recipe.preprocess.background == "none"
        np.testing.assert_array_equal(layer.data.astype(bool), thresholded(bead_layer, recipe))
        assert 0 < layer.data.mean() < 0.5
    assert user.viewer.layers[1].name == "beads threshold"
    assert bead_layer.metadata == {"mine": 1}


def test_a_2d_image(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any
) -> None:
    source = add_small(axis_labels=("y", "x"), translate=(3, 4))
    layer = user.makes(NAME, image=source, method="otsu")
    assert_made_from(layer, source)
    np.testing.assert_array_equal(layer.data.astype(bool), thresholded(source, recipe_of(layer)))


def test_the_recipe_keeps_the_preprocessing(user: Any, bead_layer: Image, recipe_of: Any) -> None:
    before = user.makes("Preprocess beads", image=bead_layer, background="mean")
    layer = user.makes(NAME, image=before, method="otsu")
    assert recipe_of(layer).preprocess == recipe_of(before).preprocess
    assert recipe_of(layer).provenance == recipe_of(before).provenance
    assert layer.name == "beads threshold"


def test_only_the_settings_that_count_are_shown(user: Any, viewer: napari.Viewer) -> None:
    gui = user.opens(NAME)
    optional = ("factor", "value", "window", "offset")
    for method, shown in {
        "noise": {"factor"},
        "otsu": set(),
        "manual": {"value"},
        "local": {"window", "offset"},
    }.items():
        gui.method.value = method
        hidden = {name for name in optional if getattr(gui, name).native.isHidden()}
        assert hidden == set(optional) - shown


# --- the manual value


def test_the_sliders_range_is_the_images(
    user: Any, bead_layer: Image, add_small: Callable[..., Image]
) -> None:
    gui = user.opens(NAME)
    low, high = bead_layer.contrast_limits_range
    assert (gui.value.min, gui.value.max) == (low, high)
    assert low <= gui.value.value <= high
    gui.image.value = add_small()
    expected = tuple(gui.image.value.contrast_limits_range)
    assert (gui.value.min, gui.value.max) == pytest.approx(expected, abs=1e-5)


def manual(user: Any, layer: Image, value: float, **values: Any) -> tuple[Any, Labels]:
    """Open the widget and threshold by hand once."""
    gui = user.opens(NAME, image=layer, method="manual", **values)
    with gui.value.changed.blocked():
        gui.value.value = value
    (mask,) = user.runs(gui)
    np.testing.assert_array_equal(mask.data.astype(bool), layer.data > value)
    return gui, mask


def test_the_button_replaces_what_it_made_of_the_same_image(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], recipe_of: Any
) -> None:
    source = add_small()
    gui, mask = manual(user, source, 50)
    gui.value.value = 70
    assert user.runs(gui) == [mask]
    assert list(viewer.layers) == [source, mask]
    np.testing.assert_array_equal(mask.data.astype(bool), source.data > 70)
    assert recipe_of(mask).threshold == Threshold(method="manual", value=70)


def test_a_layer_edited_by_hand_is_left_alone(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image]
) -> None:
    source = add_small()
    gui, mask = manual(user, source, 50)
    mask.paint((2, 2), 3)
    edited = mask.data.copy()
    gui.value.value = 60
    (third,) = user.runs(gui)
    np.testing.assert_array_equal(mask.data, edited)
    assert list(viewer.layers) == [source, mask, third]
    np.testing.assert_array_equal(third.data.astype(bool), source.data > 60)


def test_a_deleted_layer_is_written_anew(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image]
) -> None:
    source = add_small()
    gui, mask = manual(user, source, 50)
    viewer.layers.remove(mask)
    (second,) = user.runs(gui)
    assert list(viewer.layers) == [source, second]
    assert isinstance(second, Labels)


def test_another_image_gets_its_own_layer(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image]
) -> None:
    source = add_small()
    gui, mask = manual(user, source, 50)
    other = add_small("other")
    gui.image.value = other
    user.runs(gui)
    np.testing.assert_array_equal(mask.data.astype(bool), source.data > 50)
    assert mask.metadata[METADATA_KEY].origin == "small"
    assert viewer.layers[-1].name == "other threshold"


def test_without_live_each_run_adds_a_layer(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image]
) -> None:
    source = add_small()
    gui, mask = manual(user, source, 50, live=False)
    gui.value.value = 60
    (again,) = user.runs(gui)
    np.testing.assert_array_equal(again.data.astype(bool), source.data > 60)
    np.testing.assert_array_equal(mask.data.astype(bool), source.data > 50)
    assert list(viewer.layers) == [source, mask, again]


# --- bad input


def test_a_threshold_that_takes_nothing_or_everything(
    user: Any, viewer: napari.Viewer, told: Any
) -> None:
    image = np.random.default_rng(0).random((16, 18)) * 0.8 + 0.1
    layer = viewer.add_image(image, contrast_limits=(0, 1))
    gui = user.opens(NAME, image=layer, method="manual", live=False)
    gui.value.value = gui.value.max
    assert user.runs(gui) == []
    gui.value.value = gui.value.min
    assert user.runs(gui) == []
    nothing, everything = told.errors
    assert nothing.startswith("Threshold: No voxel is above the manual threshold")
    assert everything.startswith("Threshold: The manual threshold of ")
    assert "takes 100 % of the image; beads are a small part of it" in everything
    assert list(viewer.layers) == [layer]


def test_no_layer_and_layers_that_no_step_takes(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], told: Any
) -> None:
    gui = user.opens(NAME)
    assert user.runs(gui) == []
    unknown = add_small(scale=(1, 1), units=("pixel",) * 2)
    assert user.runs(user.chooses(gui, image=unknown, method="local")) == []
    gui.image.value = viewer.add_image(np.zeros((3, 8, 8, 3)), rgb=True)
    assert user.runs(gui) == []
    no_layer, no_voxel_size, rgb = told.errors
    assert "The voxel size is not known" in no_voxel_size
    assert "No layer is chosen" in no_layer
    assert "is an RGB picture" in rgb


@pytest.mark.parametrize("factor", [1e-9, 1e-6, 1, 1e3, 1e6])
def test_the_slider_fits_whatever_the_image_s_range(
    user: Any, bead_layer: Image, factor: float
) -> None:
    small = factor * bead_layer.data.astype(float)
    layer = user.viewer.add_image(small, name="scaled")
    gui = user.opens(NAME, image=layer, method="manual")
    low, high = layer.contrast_limits_range
    assert (gui.value.min, gui.value.max) == (low, high)
    value = low + 0.123456 * (high - low)
    gui.value.value = value
    assert gui.value.value == value


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1, 1e3, 1e6])
def test_the_value_is_not_cut(user: Any, bead_layer: Image, factor: float) -> None:
    layer = user.viewer.add_image(factor * bead_layer.data.astype(float), name="scaled")
    gui = user.opens(NAME, image=layer, method="manual")
    low, high = layer.contrast_limits_range
    (label,) = gui.value.native.findChildren(QLineEdit)
    QTest.qWait(1)  # type: ignore[call-arg]  # its types miss that it is static
    for part in (0.1, 0.123456, 0.9):
        gui.value.value = low + part * (high - low)
        # What a line edit keeps free on both sides.
        assert label.fontMetrics().horizontalAdvance(label.text()) + 4 <= label.width()
        assert float(label.text()) == pytest.approx(gui.value.value, rel=1e-2)
