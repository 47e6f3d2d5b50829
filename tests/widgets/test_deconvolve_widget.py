from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import Deconvolve, SimulatedBeads
from napari_psf_distiller.pipeline import deconvolve_step
from napari_psf_distiller.progress import finish
from napari_psf_distiller.widgets.record import (
    METADATA_KEY,
)

NAME = "Deconvolve"
QUICK = {"iterations": 3, "device": "numpy"}


@pytest.fixture
def psf(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    middle = tuple(slice(n // 2 - 4, n // 2 + 5) for n in field.psf.shape)
    return viewer.add_image(
        field.psf[middle].astype(np.float32),
        name="psf",
        scale=field.spacing,
        units=("micrometer",) * 3,
    )


def test_it_writes_the_deconvolved_image(
    user: Any, bead_layer: Image, psf: Image, recipe_of: Any, assert_made_from: Any, told: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, psf=psf, device="numpy")
    for settings in (
        {"iterations": 3, "boundary": "noncirculant"},
        {"iterations": 2, "boundary": "circulant"},
    ):
        (layer,) = user.runs(user.chooses(gui, **settings))
        assert layer.name.startswith("beads deconvolved")
        assert_made_from(layer, bead_layer)
        assert layer.metadata[METADATA_KEY]["others"][0]["name"] == "psf"
        recipe = recipe_of(layer)
        assert recipe.deconvolve == Deconvolve(**settings)
        assert recipe.provenance.device.startswith("NumPy")
        expected = finish(deconvolve_step(bead_layer.data, psf.data, recipe)).array
        np.testing.assert_array_equal(layer.data, expected)
    assert told.warnings == told.errors == []


def test_a_2d_image_smaller_than_its_psf_works_with_a_warning(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    recipe_of: Any,
    assert_made_from: Any,
    told: Any,
) -> None:
    psf = add_small("psf")
    source = viewer.add_image(
        psf.data[4:20, 4:24], name="crop", scale=psf.scale, units=psf.units, translate=(1, 1)
    )
    layer = user.makes(NAME, image=source, psf=psf, **QUICK)
    assert_made_from(layer, source)
    np.testing.assert_array_equal(
        layer.data, finish(deconvolve_step(source.data, psf.data, recipe_of(layer))).array
    )
    (warning,) = told.warnings
    assert "The PSF is larger than the image (24 > 16 along y, 28 > 20 along x)" in warning
    assert told.errors == []


def test_other_voxels_than_the_images_are_warned_of(
    user: Any, add_small: Callable[..., Image], told: Any
) -> None:
    source = add_small(scale=(100, 100), units=("nanometer",) * 2)
    gui = user.opens(NAME, image=source, psf=add_small("same"), **QUICK)
    assert len(user.runs(gui)) == 1
    assert told.warnings == []
    gui.psf.value = add_small("other", scale=(0.1, 0.12))
    assert len(user.runs(gui)) == 1
    (warning,) = told.warnings
    assert "voxel sizes differ: image (0.1, 0.1), PSF (0.1, 0.12) micrometres" in warning


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], psf: Image, told: Any
) -> None:
    source = add_small()
    gui = user.opens(NAME, image=source, **QUICK)
    # A PSF of another number of axes, one with negative values, no iterations.
    user.runs(user.chooses(gui, psf=psf))
    negative = add_small("negative")
    negative.data = negative.data - 50
    user.runs(user.chooses(gui, psf=negative))
    user.runs(user.chooses(gui, psf=source, iterations=0))
    stack = np.zeros((2, 3, 8, 8))
    user.runs(user.chooses(gui, image=viewer.add_image(stack), iterations=3))
    names = [layer.name for layer in viewer.layers]
    viewer.layers.clear()
    user.runs(gui)
    expected = (
        "The PSF has 3 axes, the image 2",
        "The PSF has negative values; post-process it with clipping first.",
        "Deconvolve.iterations is 0",
        "has 4 axes (2, 3, 8, 8)",
        "No layer is chosen. Open or make an image",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert error.startswith("Deconvolve: ")
        assert sentence in error
    assert names == ["psf", "small", "negative", "stack"]
