import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image
from scipy import ndimage
from varying import fitted

from napari_psf_distiller import Deconvolve, SimulatedBeads, deconvolve, simulate_psf
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.problem import size_of
from napari_psf_distiller.progress import finish
from napari_psf_distiller.widgets.layers.note import METADATA_KEY
from napari_psf_distiller.widgets.layers.source import voxel_size_of
from napari_psf_distiller.widgets.layers.voxel_size import set_voxel_size

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


def test_its_fields_line_up(
    viewer: napari.Viewer, bead_layer: Image, psf: Image, user: Any, qtbot: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, psf=psf)
    viewer.window._qt_window.show()
    qtbot.waitExposed(viewer.window._qt_window)
    qtbot.wait(50)
    fields = [gui[name].native for name in ("image", "total_variation", "finer", "mask")]
    assert len({field.mapTo(gui.native, field.rect().topLeft()).x() for field in fields}) == 1


def test_a_2d_image_smaller_than_its_psf_works_with_a_warning(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    recipe_of: Any,
    assert_made_from: Any,
    warnings_of: Any,
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
    (warning,) = warnings_of(layer)
    assert "The PSF is larger than the image (24 > 16 along y, 28 > 20 along x)" in warning
    assert told.errors == []


def test_other_voxels_than_the_images_are_refused_or_interpolated(
    user: Any, add_small: Callable[..., Image], told: Any
) -> None:
    source = add_small(scale=(100, 100), units=("nanometer",) * 2)
    gui = user.opens(NAME, image=source, psf=add_small("same"), **QUICK)
    assert len(user.runs(gui)) == 1
    assert told.warnings == []
    user.chooses(gui, psf=add_small("other", scale=(0.1, 0.08)))
    assert user.runs(gui) == []
    (error,) = told.errors
    assert "voxels of 0.1 x 0.08 micrometres, and the image has such of 0.1 x 0.1" in error
    assert len(user.runs(user.chooses(gui, interpolate=True))) == 1
    assert "The PSF was interpolated on the image's voxels" in gui.runner.status.value
    assert told.warnings == []


# Where the middle of voxel 0 lies in the image, in its voxels, and how many of them it is large.
FINER = [({"finer": 2}, (0, -0.25, -0.25)), ({"finer": 3, "finer_z": 2}, (-0.5, -1 / 3, -1 / 3))]


@pytest.mark.parametrize(("options", "corner"), FINER)
def test_a_result_on_finer_voxels_lies_on_the_image(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    recipe_of: Any,
    told: Any,
    options: dict[str, int],
    corner: tuple[float, ...],
) -> None:
    factors = (options.get("finer_z", 1), options["finer"], options["finer"])
    spacing = tuple(size / f for size, f in zip(bead_layer.scale, factors, strict=True))
    made = simulate_psf((9, 15, 15), spacing)
    psf = viewer.add_image(made, name="psf", scale=spacing, units=bead_layer.units)
    bead_layer.rotate = 15
    gui = user.opens(NAME, image=bead_layer, psf=psf, **QUICK)
    (layer,) = user.runs(user.chooses(gui, **options))
    shape = np.multiply(bead_layer.data.shape, factors)
    assert layer.data.shape == tuple(shape)
    np.testing.assert_allclose(layer.scale, spacing)
    expected = bead_layer.data_to_world(corner)
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), expected, atol=1e-9)
    # What is in a voxel of the image is in its own: all of it in the plane, along z the middle one.
    there = np.array([2, 5, 7]) * factors + (factors[0] // 2, *([(factors[1] - 1) / 2] * 2))
    world = bead_layer.data_to_world((2, 5, 7))
    np.testing.assert_allclose(layer.data_to_world(there), world, atol=1e-9)
    recipe = recipe_of(layer)
    assert recipe.deconvolve == Deconvolve(iterations=3, **options)
    assert recipe.spacing == pytest.approx(spacing)
    assert voxel_size_of(layer) == pytest.approx(spacing)
    task = dataclasses.replace(recipe, spacing=tuple(bead_layer.scale))
    expected = finish(deconvolve_step(bead_layer.data, made, task)).array
    np.testing.assert_array_equal(layer.data, expected)
    assert told.warnings == told.errors == []
    # Another voxel size of the image is another one of this.
    sizes = tuple(2 * size for size in bead_layer.scale)
    set_voxel_size(bead_layer, sizes, viewer.layers)
    np.testing.assert_allclose(layer.scale, np.divide(sizes, factors))
    world = bead_layer.data_to_world((2, 5, 7))
    np.testing.assert_allclose(layer.data_to_world(there), world, atol=1e-9)
    # And given through this layer it is this layer's.
    set_voxel_size(layer, spacing, viewer.layers)
    np.testing.assert_allclose(bead_layer.scale, np.multiply(spacing, factors))
    np.testing.assert_allclose(layer.scale, spacing)


def test_a_fitted_psf_is_evaluated_on_the_finer_voxels(
    user: Any, viewer: napari.Viewer, bead_layer: Image, recipe_of: Any, told: Any
) -> None:
    beads = user.makes("Find beads", image=bead_layer)
    options = {"bead_diameter": 0.1, "window": (2.4, 2.0, 2.0), "device": "numpy"}
    *_, distilled = user.runs(user.opens("Distil PSF", image=bead_layer, beads=beads, **options))
    fitted = user.makes("Post-process PSF", image=distilled)
    gui = user.opens(NAME, image=bead_layer, psf=fitted, finer=2, **QUICK)
    (layer,) = user.runs(gui)
    known = fitted.metadata[METADATA_KEY].psf
    expected = deconvolve(
        bead_layer.data, known, 3, spacing=tuple(bead_layer.scale), finer=2, device="numpy"
    )
    np.testing.assert_allclose(layer.data, expected, rtol=1e-6)
    # And on the voxels of an image that has others.
    coarse = tuple(1.25 * size for size in bead_layer.scale)
    other = viewer.add_image(bead_layer.data, name="other", scale=coarse, units=bead_layer.units)
    (layer,) = user.runs(user.chooses(gui, image=other, finer=1))
    expected = deconvolve(other.data, known, 3, spacing=coarse, device="numpy")
    np.testing.assert_allclose(layer.data, expected, rtol=1e-6)
    assert expected.notes[0] in gui.runner.status.value
    assert told.errors == []


def test_finer_voxels_that_cannot_be_had_are_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], told: Any
) -> None:
    source, psf = add_small(), add_small("psf")
    finer = add_small("finer", scale=(0.05, 0.05))
    bare = viewer.add_image(psf.data, name="bare")
    gui = user.opens(NAME, image=source, psf=psf, **QUICK)
    user.runs(user.chooses(gui, finer=2))
    user.runs(user.chooses(gui, psf=bare))
    user.runs(user.chooses(gui, psf=finer, finer_z=2))
    user.runs(user.chooses(gui, image=bare, finer_z=1))
    expected = (
        "a PSF without functions cannot be had on other voxels than its own",
        "The PSF 'bare' has no voxel size",
        "choose finer z 1",
        "The image's voxel size is not known",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert sentence in error
    user.runs(user.chooses(gui, image=source, finer=1))
    assert told.errors[-1].endswith("choose finer 2 for a result on them.")


def test_only_a_psf_of_the_joint_fit_is_continued(
    user: Any, add_small: Callable[..., Image], told: Any
) -> None:
    gui = user.opens(NAME, image=add_small(), psf=add_small("psf"), tails="continued", **QUICK)
    user.runs(gui)
    assert "choose tails none, or distil it by the joint fit" in told.errors[-1]
    (layer,) = user.runs(user.chooses(gui, tails="none"))
    assert layer.name.endswith("deconvolved")


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
    user.runs(user.chooses(gui, psf=add_small("another"), mask=other))
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
    assert names == ["psf", "small", "negative", "other", "another", "stack"]


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
    (warning,) = (text for text in gui.runner.display.warnings if "when to stop" in text)
    assert warning.startswith("The image has ")


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


def test_a_psf_that_changes_over_the_field_does_so_here(
    user: Any, viewer: napari.Viewer, told: Any, tmp_path: Path
) -> None:
    psf = fitted()
    psf.save(tmp_path / "field.psf.tif")
    (layer,) = viewer.open(str(tmp_path / "field.psf.tif"), plugin="napari-psf-distiller")
    values = np.random.default_rng(5).poisson(20, (8, 120, 160)).astype(np.float32)
    placing = {"scale": psf.spacing, "units": ("micrometer",) * 3}
    image = viewer.add_image(values, name="image", **placing)
    gui = user.opens(NAME, image=image, psf=layer, **QUICK)
    assert gui.field_y.native.isHidden()
    (found,) = user.runs(gui)
    assert "eigen-PSFs" in gui.runner.status.value
    np.testing.assert_allclose(found.data, deconvolve(values, psf, 3, device="numpy"), rtol=1e-4)
    # A part of the image has to say where it lies.
    gui.image.value = viewer.add_image(values[:, 60:, 80:], name="part", **placing)
    assert user.runs(gui) == []
    assert "Say where it lies" in told.errors[0]
    user.chooses(gui, over_field="placed")
    assert not gui.field_y.native.isHidden()
    (part,) = user.runs(user.chooses(gui, field_y=6.0, field_x=8.0))
    expected = deconvolve(
        values[:, 60:, 80:], psf, 3, device="numpy", over_field="placed", field_y=6.0, field_x=8.0
    )
    np.testing.assert_allclose(part.data, expected, rtol=1e-4)
    assert told.warnings == []
