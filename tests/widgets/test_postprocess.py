from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import PostProcess, SimulatedBeads, fwhm
from napari_psf_distiller.postprocess import postprocess_step
from napari_psf_distiller.progress import finish

NAME = "Post-process PSF"


@pytest.fixture
def distilled(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    """A distilled PSF as Distil PSF leaves it: off the centre, of any scale."""
    return viewer.add_image(
        (1000 * np.roll(field.psf, (1, -5, 7), (0, 1, 2))).astype(np.float32),
        name="distilled",
        scale=field.spacing,
        translate=(1, 2, 3),
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
    )


def test_it_writes_the_psf(
    user: Any, distilled: Image, recipe_of: Any, assert_made_from: Any, told: Any
) -> None:
    gui = user.opens(NAME, image=distilled, crop=(15, 33, 31))
    (layer,) = user.runs(gui)
    assert layer.name == "distilled PSF"
    # It is cropped about its peak, so it does not lie on what it was made from.
    assert_made_from(layer, distilled, same_grid=False)
    recipe = recipe_of(layer)
    assert recipe.postprocess == PostProcess(crop=(15, 33, 31))
    np.testing.assert_array_equal(layer.data, finish(postprocess_step(distilled.data, recipe)))
    assert layer.data.shape == (15, 33, 31)
    assert layer.data.sum() == pytest.approx(1, abs=1e-5)
    assert np.unravel_index(layer.data.argmax(), layer.data.shape) == (7, 16, 15)
    z, y, x = (f"{1000 * width:.0f} nm" for width in fwhm(layer.data, recipe.spacing))
    assert gui.runner.status.value == f"done: FWHM z {z}, y {y}, x {x}"
    assert told.warnings == []


def test_its_settings_are_the_recipes(user: Any, distilled: Image, recipe_of: Any) -> None:
    settings = {"crop": (9, 21, 21), "background": 0.01, "clip": False, "normalise": False}
    layer = user.makes(NAME, image=distilled, **settings)
    recipe = recipe_of(layer)
    assert recipe.postprocess == PostProcess(**settings)
    np.testing.assert_array_equal(layer.data, finish(postprocess_step(distilled.data, recipe)))
    assert layer.data.min() < 0


def test_a_2d_psf_without_a_voxel_size(
    user: Any, add_small: Callable[..., Image], recipe_of: Any, assert_made_from: Any
) -> None:
    source = add_small(scale=(1, 1), units=("pixel",) * 2)
    gui = user.opens(NAME, image=source, crop=(51, 15, 13))
    (layer,) = user.runs(gui)
    assert_made_from(layer, source)
    assert layer.data.shape == (15, 13)
    np.testing.assert_array_equal(
        layer.data, finish(postprocess_step(source.data, recipe_of(layer)))
    )
    assert gui.runner.status.value == (
        "done: FWHM y 4.72 voxels, x 4.72 voxels (the layer has no voxel size)"
    )


def test_a_crop_larger_than_the_image_works_with_a_warning(
    user: Any, distilled: Image, told: Any, warnings_of: Any
) -> None:
    layer = user.makes(NAME, image=distilled, crop=(51, 21, 21))
    assert layer.data.shape == (distilled.data.shape[0], 21, 21)
    (warning,) = warnings_of(layer)
    assert told.warnings == ["Post-process PSF: a warning, below its button."]
    assert warning.startswith("The PSF asked for is larger than the image (51 > ")
    assert told.errors == []


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, told: Any
) -> None:
    gui = user.opens(NAME)
    user.runs(gui)
    user.runs(user.chooses(gui, image=viewer.add_image(np.full((8, 8), 3.0))))
    negative = -np.random.default_rng(0).random((8, 8))
    user.runs(user.chooses(gui, image=viewer.add_image(negative), clip=False))
    no_layer, constant, negative_sum = told.errors
    assert "No layer is chosen. Open or make a distilled PSF and choose it." in no_layer
    assert "The distilled PSF is constant" in constant
    assert "The PSF's sum is not positive" in negative_sum
    assert len(viewer.layers) == 2
