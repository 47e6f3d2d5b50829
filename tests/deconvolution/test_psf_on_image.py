"""The PSF on the voxels of an image: as it is, evaluated, interpolated, or refused."""

import dataclasses

import numpy as np
import psutil
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller import Deconvolve, InputError, Recipe
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image

SPACING = (0.2, 0.08, 0.08)
OTHER = (0.25, 0.1, 0.1)
IMAGE = (24, 70, 66)
QUICK = {"iterations": 2, "device": "numpy", "fft": "scipy"}


@pytest.fixture(scope="module")
def fitted():
    """A PSF with functions."""
    field = psfd.simulate_beads((24, 96, 96), SPACING, beads=8, seed=1)
    optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    return psfd.distill(
        field.image, spacing=field.spacing, bead_diameter=0.1, optics=optics, device="numpy"
    ).psf


@pytest.fixture(scope="module")
def bare(fitted):
    """The same without functions, as another program would have written it."""
    return psfd.PSF(fitted.array, fitted.spacing)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).poisson(9, IMAGE).astype(np.float32)


def recipe_with(spacing, **options):
    return Recipe(spacing=spacing, deconvolve=Deconvolve(**options))


@pytest.mark.parametrize("spacing", [SPACING, (0.2, 0.0804, 0.0804)])
def test_on_its_own_voxels_it_stays_as_it_is(bare, fitted, spacing):
    for psf in (bare, fitted):
        found = psf_on_image(psf, IMAGE, recipe_with(spacing))
        np.testing.assert_array_equal(found.array, psf.array)
        assert found.note == ""


def test_one_with_functions_is_evaluated_and_that_is_said(fitted, image):
    found = psf_on_image(fitted, IMAGE, recipe_with(OTHER))
    np.testing.assert_array_equal(found.array, fitted.evaluate(OTHER).array)
    assert found.note == (
        "The PSF was evaluated on the image's voxels, 0.25 x 0.1 x 0.1 micrometres; its own are "
        "0.2 x 0.08 x 0.08."
    )
    done = psfd.deconvolve(image, fitted, spacing=OTHER, **QUICK)
    assert done.notes == (found.note,)
    assert (done.spacing, done.warnings) == (OTHER, ())
    expected = psfd.deconvolve(image, found.array, spacing=OTHER, **QUICK)
    np.testing.assert_array_equal(done, expected)


@pytest.mark.parametrize("finer", [{}, {"finer": 2, "finer_z": 2}])
def test_it_goes_on_as_far_as_light_reaches(fitted, finer):
    found = psf_on_image(fitted, (20, 40, 130), recipe_with(SPACING, tails="continued", **finer))
    z, y, x = found.array.shape
    factor = 2 if finer else 1
    # Along z from end to end; across, as far as the cone of light is wide over the depth.
    cone = 2 * 19 * 0.2 * np.tan(np.arcsin(1.2 / 1.33)) / 0.08
    assert z == 2 * 20 * factor - 1
    assert y == max(2 * 40 * factor - 1, fitted.shape[1] * factor)
    assert abs(x - factor * min(2 * 130 - 1, cone + fitted.shape[2])) < 0.07 * x
    before = fitted.evaluate([size / factor for size in SPACING]).shape
    own, there = (" x ".join(map(str, one)) for one in (before, found.array.shape))
    size = "0.1 x 0.04 x 0.04" if finer else "0.2 x 0.08 x 0.08"
    assert found.note == (
        f"The PSF was continued as theory says, from {own} to {there} voxels of {size} micrometres."
    )
    light = found.array.sum(axis=(1, 2), dtype=float)
    assert light[0] > 0.2 * light[z // 2]


def test_a_deconvolution_with_tails_is_one_with_the_continued_psf(fitted, image):
    done = psfd.deconvolve(image, fitted, tails="continued", **QUICK)
    kernel = psf_on_image(fitted, IMAGE, recipe_with(SPACING, tails="continued")).array
    assert done.warnings == ()
    assert done.notes[0].endswith(
        "x 0.08 micrometres. The image's voxel size is not known: it was "
        "taken to be the PSF's, 0.2 x 0.08 x 0.08 micrometres."
    )
    larger = psfd.PSF(kernel, SPACING, measured=np.ones(kernel.shape, bool))
    np.testing.assert_array_equal(done, psfd.deconvolve(image, larger, **QUICK))


def test_a_scanned_psf_without_functions_is_split_into_parts_of_its_voxels():
    optics = psfd.Optics(1.2, 0.52, 1.33, microscope="confocal", excitation=0.488)
    array = psfd.simulate_psf((21, 21), SPACING[1:])
    psf = psfd.PSF(array, SPACING[1:], recipe=Recipe(optics=optics))
    options = {"finer": 3, "interpolate": True}
    fine = psf_on_image(psf, (40, 40), recipe_with(SPACING[1:], **options)).array
    n = fine.shape[0] // 2
    middle = fine[n - 10 : n + 11, n - 10 : n + 11]
    whole, own = middle.reshape(7, 3, 7, 3).sum(axis=(1, 3)), array[7:14, 7:14]
    np.testing.assert_allclose(whole / whole.sum(), own / own.sum(), rtol=1e-3)


def test_it_is_said_where_theory_takes_the_place_of_what_was_measured(fitted):
    optics = dataclasses.replace(fitted.recipe.optics, numerical_aperture=1.0)
    wrong = dataclasses.replace(fitted, recipe=dataclasses.replace(fitted.recipe, optics=optics))
    note = psf_on_image(wrong, IMAGE, recipe_with(SPACING, tails="continued")).note
    assert f"Of its own {fitted.shape[0]} planes only 1 stayed" in note
    assert "Check the numerical aperture" in note


def test_tails_that_do_not_fit_the_memory_are_told(fitted, monkeypatch):
    free = psutil.virtual_memory()._replace(available=10**7)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(
        InputError,
        match=r"in an image of 200 x 900 x 900 voxels that the PSF would have .* with tails "
        r"continued, more than there is memory for: crop the image",
    ):
        psf_on_image(fitted, (200, 900, 900), recipe_with(SPACING, tails="continued"))


def test_an_array_is_not_continued(bare, image):
    for psf in (bare, bare.array):
        with pytest.raises(InputError, match="Only a PSF of the joint fit"):
            psfd.deconvolve(image, psf, tails="continued", spacing=SPACING, **QUICK)
    with pytest.raises(InputError, match="tails"):
        psfd.deconvolve(image, bare, tails="guessed", **QUICK)


def test_a_deep_widefield_image_is_said_to_be_so(fitted):
    deep = (3 * fitted.shape[0], 40, 40)
    assert "Choose tails continued" in psf_on_image(fitted, deep, recipe_with(SPACING)).note
    assert "Choose tails continued" in psf_on_image(fitted, deep, recipe_with(OTHER)).note
    optics = dataclasses.replace(fitted.recipe.optics, microscope="confocal", excitation=0.488)
    confocal = dataclasses.replace(fitted, recipe=dataclasses.replace(fitted.recipe, optics=optics))
    assert psf_on_image(confocal, deep, recipe_with(SPACING)).note == ""


def test_larger_pixels_than_the_band_needs_are_allowed(fitted):
    found = psf_on_image(fitted, IMAGE, recipe_with((0.6, 0.5, 0.5)))
    np.testing.assert_allclose(found.array.sum(dtype=float), 1, atol=1e-6)
    assert "0.6 x 0.5 x 0.5" in found.note


def test_one_without_functions_is_refused_or_interpolated(bare, image):
    with pytest.raises(InputError, match=r"voxels of 0\.2 x .* image has such of 0\.25 x") as told:
        psfd.deconvolve(image, bare, spacing=OTHER, **QUICK)
    assert str(told.value).endswith("or choose interpolate.")
    done = psfd.deconvolve(image, bare, spacing=OTHER, interpolate=True, **QUICK)
    (note,) = done.notes
    assert note.startswith("The PSF was interpolated on the image's voxels, 0.25 x 0.1 x 0.1 ")
    there = bare.evaluate(OTHER, interpolate=True)
    np.testing.assert_array_equal(done, psfd.deconvolve(image, there, **QUICK))


def test_a_voxel_size_that_is_not_known_is_the_others_and_that_is_said(bare, image):
    assert "0.2 x 0.08 x 0.08" in psf_on_image(bare, IMAGE, Recipe()).note
    assert "The image's voxel size is not known" in psf_on_image(bare, IMAGE, Recipe()).note
    found = psf_on_image(bare.array, IMAGE, recipe_with(OTHER))
    assert found.note == (
        "The PSF's voxel size is not known: it was taken to be the image's, 0.25 x 0.1 x 0.1 "
        "micrometres."
    )
    assert psf_on_image(bare.array, IMAGE, Recipe()).note == ""
    done = psfd.deconvolve(image, bare, **QUICK)
    assert done.spacing == SPACING
    assert len(done.notes) == 1


def test_an_array_has_the_voxel_size_that_is_said_of_it(bare):
    recipe = recipe_with(OTHER, interpolate=True)
    found = psf_on_image(bare.array, IMAGE, recipe, SPACING)
    np.testing.assert_array_equal(found.array, psf_on_image(bare, IMAGE, recipe).array)


def test_finer_voxels_are_those_of_the_result(fitted, bare):
    recipe = recipe_with((0.2, 0.12, 0.12), finer=2)
    found = psf_on_image(fitted, IMAGE, recipe)
    np.testing.assert_array_equal(found.array, fitted.evaluate((0.2, 0.06, 0.06)).array)
    assert "on the result's voxels, 0.2 x 0.06 x 0.06" in found.note
    settings = dataclasses.replace(recipe.deconvolve, interpolate=True)
    found = psf_on_image(bare, IMAGE, dataclasses.replace(recipe, deconvolve=settings))
    assert "was interpolated on the result's voxels" in found.note


def test_a_plane_and_a_stack_of_one_are_the_same(bare):
    flat = psfd.PSF(bare.array[len(bare.array) // 2], SPACING[1:])
    found = psf_on_image(flat, (1, 40, 40), recipe_with(OTHER, interpolate=True))
    assert found.array.ndim == 3
    stack = psfd.PSF(flat.array[None], SPACING)
    other = psf_on_image(stack, (40, 40), recipe_with(OTHER[1:], interpolate=True))
    np.testing.assert_array_equal(other.array, found.array[0])


@pytest.mark.parametrize(
    ("shape", "spacing", "words"),
    [
        ((40, 40), (0.1, 0.1), "The PSF has 3 axes, the image 2"),
        (IMAGE, (0.1, 0.1), "has 2 values, but the image has 3 axes"),
        (IMAGE, (1e-3, 1e-3, 1e-3), "does not fit into the memory"),
        (IMAGE, (40, 40, 40), "one alone would be the PSF"),
    ],
)
def test_what_cannot_be_is_refused(fitted, shape, spacing, words):
    with pytest.raises(InputError, match=words) as told:
        psf_on_image(fitted, shape, recipe_with(spacing))
    assert str(told.value).endswith(".")


def test_an_image_is_not_deconvolved_with_itself(image, bare):
    with pytest.raises(InputError, match=r"24 x 70 x 66 voxels, is as large as the image, and its"):
        psfd.deconvolve(image, image, **QUICK)
    # What a PSF looks like is one, be it the image too.
    done = psfd.deconvolve(bare.array, bare, **QUICK)
    assert done.array.argmax() == bare.array.argmax()
