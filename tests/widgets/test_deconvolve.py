from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image
from scipy import ndimage

from napari_psf_distiller import Deconvolve, SimulatedBeads
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.richardson_lucy import Model, size_of
from napari_psf_distiller.progress import finish
from napari_psf_distiller.widgets.layers.note import METADATA_KEY

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
    chosen: dict[str, Any] = {}
    for settings in (
        {"iterations": 3, "boundary": "noncirculant", "method": "accelerated"},
        {"iterations": 2, "boundary": "circulant", "method": "plain"},
        {"iterations": 2, "total_variation": 0.005, "background": 90.0, "saturation": 400.0},
    ):
        chosen |= settings
        (layer,) = user.runs(user.chooses(gui, **settings))
        assert layer.name.startswith("beads deconvolved")
        assert_made_from(layer, bead_layer)
        assert layer.metadata[METADATA_KEY].others[0].name == "psf"
        recipe = recipe_of(layer)
        assert recipe.deconvolve == Deconvolve(**chosen)
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
    # A PSF of another number of axes, one with negative values, a mask of another shape, another
    # device's FFT, too little memory, a time series of nothing.
    user.runs(user.chooses(gui, psf=psf))
    negative = add_small("negative")
    negative.data = negative.data - 50
    user.runs(user.chooses(gui, psf=negative))
    other = viewer.add_labels(np.ones((24, 30), int), name="other")
    user.runs(user.chooses(gui, psf=source, mask=other))
    user.runs(user.chooses(gui, mask=None, fft="vkfft"))
    gui.memory.native.setDecimals(6)
    user.runs(user.chooses(gui, fft="auto", memory=1e-6))
    gui.memory.value = 0
    stack = np.zeros((2, 3, 8, 8))
    user.runs(user.chooses(gui, image=viewer.add_image(stack), iterations=3))
    names = [layer.name for layer in viewer.layers]
    viewer.layers.clear()
    user.runs(gui)
    expected = (
        "The PSF has 3 axes, the image 2",
        "The PSF has negative values; post-process it with clipping first.",
        "The mask has the shape (24, 30), the image (24, 28); they must be the same.",
        "There is no FFT 'vkfft' with NumPy",
        "allow more memory",
        "The image is constant: every voxel is 0.",
        "No layer is chosen. Open or make an image",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert error.startswith("Deconvolve: ")
        assert sentence in error
    assert names == ["psf", "small", "negative", "other", "stack"]


def test_without_a_number_it_stops_by_itself_and_says_when(
    user: Any, bead_layer: Image, psf: Image, recipe_of: Any, told: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, psf=psf, device="numpy")
    assert gui.iterations.value == 0
    assert gui.iterations.native.text() == "automatic"
    (layer,) = user.runs(gui)
    recipe = recipe_of(layer)
    assert recipe.deconvolve == Deconvolve()
    expected = finish(deconvolve_step(bead_layer.data, psf.data, recipe))
    np.testing.assert_array_equal(layer.data, expected.array)
    assert layer.metadata[METADATA_KEY].iterations == expected.iterations
    assert gui.runner.status.value == (
        f"done: {expected.iterations} iterations (automatic), on {expected.device}"
    )
    assert told.warnings == told.errors == []


def test_what_the_result_warns_of_is_told(
    user: Any, viewer: napari.Viewer, bead_layer: Image, psf: Image, told: Any
) -> None:
    blurred = viewer.add_image(ndimage.uniform_filter(bead_layer.data.astype(np.float32), 5))
    gui = user.opens(NAME, image=blurred, psf=psf, device="numpy")
    assert len(user.runs(gui)) == 1
    assert "(automatic)" in gui.runner.status.value
    (warning,) = (text for text in told.warnings if "when to stop" in text)
    assert warning.startswith("Deconvolve: The image has ")


@pytest.mark.parametrize("kind", ["labels", "image"])
def test_where_the_mask_is_0_no_voxel_counts(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    recipe_of: Any,
    kind: str,
    told: Any,
) -> None:
    source, psf = add_small(), add_small("psf")
    source.data[3, 4] = 5000
    counting = np.ones(source.data.shape, int)
    counting[3, 4] = 0
    if kind == "labels":
        mask = viewer.add_labels(5 * counting, name="mask")
    else:
        mask = viewer.add_image(counting.astype(np.float32), name="mask")
    viewer.add_points([[1, 1]])
    gui = user.opens(NAME, image=source, psf=psf, **QUICK)
    assert gui.mask.value is None
    assert set(gui.mask.choices) == {None, source, psf, mask}
    (layer,) = user.runs(user.chooses(gui, mask=mask))
    steps = deconvolve_step(source.data, psf.data, recipe_of(layer), mask=counting)
    np.testing.assert_array_equal(layer.data, finish(steps).array)
    assert [note.name for note in layer.metadata[METADATA_KEY].others] == ["psf", "mask"]
    assert told.errors == []
    viewer.layers.remove(mask)
    assert gui.mask.value is None


def test_fft_and_memory_are_the_recipes(
    user: Any, bead_layer: Image, psf: Image, recipe_of: Any, told: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, psf=psf, **QUICK)
    assert gui.memory.native.text() == "automatic"
    (layer,) = user.runs(user.chooses(gui, fft="scipy", memory=2.0))
    recipe = recipe_of(layer)
    assert (recipe.fft, recipe.memory) == ("scipy", 2.0)
    assert "FFT scipy" in recipe.provenance.device
    # Too little for the whole image: it is done in tiles.
    gui.memory.native.setDecimals(5)
    engine = open_engine("numpy", "scipy")
    size = size_of(bead_layer.data.shape, psf.data.shape, Model(method="accelerated"), engine)
    need = engine.memory_needed(size).total / 2**30
    (layer,) = user.runs(user.chooses(gui, memory=0.9 * need))
    assert recipe_of(layer).provenance.device.endswith(" tiles")
    assert gui.runner.status.value.endswith(" tiles")
    assert told.errors == []
