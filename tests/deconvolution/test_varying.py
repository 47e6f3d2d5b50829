"""Deconvolution with a PSF that changes over the image: in one piece, in tiles, by `deconvolve`."""

import dataclasses

import numpy as np
import pytest
from problems import BOUNDARIES, asymmetric_psf, relative_l2, run
from scipy import ndimage
from varying import blurred, fitted, over_image

from napari_psf_distiller import Deconvolve, InputError, Recipe, deconvolve, try_region
from napari_psf_distiller.compute.tiles import tile_around
from napari_psf_distiller.datasets import as_volume
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import size_of
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.deconvolution.stopping import enough_iterations
from napari_psf_distiller.deconvolution.tiled import deconvolution, overlap_of, tile_steps
from napari_psf_distiller.progress import finish


def four_ends(shape) -> list[np.ndarray]:
    """Return PSFs of the four sides of a field: one of them bent to each side."""
    ends = []
    for axis, back in ((-2, False), (-2, True), (-1, False), (-1, True)):
        psf = asymmetric_psf(shape) ** 1.5
        grid = np.arange(shape[axis]) - shape[axis] // 2
        slope = np.expand_dims(
            1 + 0.6 * np.tanh(grid), [a for a in range(len(shape)) if a != axis % len(shape)]
        )
        ends.append(
            psf * (slope[::-1] if back and axis == -2 else slope[..., ::-1] if back else slope)
        )
    return ends


def object_of(shape, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = np.zeros(shape)
    for _ in range(int(np.prod(shape)) // 150):
        truth[tuple(rng.integers(0, n) for n in shape)] = rng.uniform(500, 5000)
    return truth


SHAPE = (4, 96, 110)
MEAN, VARIATION = over_image(four_ends((3, 7, 7)), SHAPE)
TRUTH = object_of(SHAPE)
IMAGE = np.random.default_rng(1).poisson(blurred(TRUTH, VARIATION) + 20).astype(np.float32)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_it_finds_what_the_mean_psf_does_not(host, boundary, method):
    iterations = 25 if method == "accelerated" else 150
    model = Model(boundary, method, background=20.0)
    varying = dataclasses.replace(model, variation=VARIATION)
    errors = {}
    for name, assumed in (("mean", model), ("varying", varying)):
        found = run(IMAGE, MEAN, iterations, assumed, host)
        # Beyond the single voxels nothing can be told apart: both are seen as by a voxel's width.
        edge = (slice(None), slice(0, 24), slice(None))
        errors[name] = relative_l2(found[edge], TRUTH[edge])
    assert errors["varying"] < 0.9 * errors["mean"]


def test_without_a_change_it_is_the_same(engine):
    model = Model(background=20.0)
    one = dataclasses.replace(
        VARIATION.eigen,
        kernels=VARIATION.eigen.kernels[:1],
        coefficients=np.ones((1, 1, 1)),
        shares=(1.0,),
    )
    same = dataclasses.replace(VARIATION, eigen=one)
    expected = run(IMAGE[:2], MEAN[:2], 5, model, engine)
    found = run(IMAGE[:2], MEAN[:2], 5, dataclasses.replace(model, variation=same), engine)
    np.testing.assert_array_equal(found, expected)


WIDE = (1, 191, 211)
WIDE_MEAN, WIDE_VARIATION = over_image(four_ends((1, 7, 7)), WIDE)
WIDE_TRUTH = ndimage.gaussian_filter(object_of(WIDE), (0, 1.5, 1.5), mode="wrap")
WIDE_IMAGE = np.random.default_rng(2).poisson(blurred(WIDE_TRUTH, WIDE_VARIATION) + 20)
WIDE_IMAGE = WIDE_IMAGE.astype(np.float32)


@pytest.mark.parametrize(("method", "finer"), [("accelerated", None), ("plain", (1, 2, 2))])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_tiles_make_no_difference(host, boundary, method, finer):
    model = Model(boundary, method, background=20.0, variation=WIDE_VARIATION, finer=finer)
    expected = run(WIDE_IMAGE, WIDE_MEAN, 12, model, host)
    need = host.memory_needed(size_of(WIDE, WIDE_MEAN.shape, model, host)).total
    done = finish(deconvolution(WIDE_IMAGE, WIDE_MEAN, 12, model, host, memory=int(0.55 * need)))
    assert int(done.device.split(", ")[-1].removesuffix(" tiles")) > 1
    assert relative_l2(done.array, expected) <= 1e-3


def test_a_tile_of_a_volume_has_the_psfs_of_its_place(host):
    model = Model(method="plain", background=20.0, variation=WIDE_VARIATION)
    core = (slice(0, 1), slice(120, 170), slice(20, 60))
    tile = tile_around(core, WIDE, overlap_of(WIDE_MEAN, model), wraps=False)
    found = finish(tile_steps(as_volume(WIDE_IMAGE), WIDE_MEAN, 15, model, host, tile))
    assert relative_l2(found, run(WIDE_IMAGE, WIDE_MEAN, 15, model, host)[core]) < 1e-3


def test_the_number_of_iterations_is_sought_with_it(host):
    model = Model(background=20.0, variation=VARIATION, method="accelerated")
    enough = finish(enough_iterations(IMAGE, MEAN, host, model))
    assert enough.warnings == ()
    assert 3 < enough.iterations < 100


def test_a_part_of_an_image_is_that_part(host):
    part = VARIATION.part((slice(0, 2), slice(10, 40), slice(5, 60)))
    np.testing.assert_array_equal(part.rows, np.arange(10, 40))
    np.testing.assert_array_equal(part.columns, np.arange(5, 60))
    assert part.step == VARIATION.step
    assert part.count == 2


FITTED = fitted()


def of_fitted(shape=(8, 120, 160)) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.poisson(rng.gamma(0.3, 100, shape)).astype(np.float32)


def test_deconvolve_takes_it_as_another():
    image = of_fitted()
    done = deconvolve(image, FITTED, 5, device="numpy")
    assert any("sum of" in note and "eigen-PSFs" in note for note in done.notes)
    mean = deconvolve(image, FITTED, 5, device="numpy", over_field="mean")
    np.testing.assert_array_equal(mean, deconvolve(image, FITTED.array, 5, device="numpy"))
    assert relative_l2(done, mean) > 0.02


def test_deconvolve_turns_with_the_image():
    # The columns mirrored, the field mirrored: so is the result.
    image = of_fitted()
    model = FITTED.model
    # Of the polynomials 1, x and y, and of each term, whether the mirror changes its sign.
    places = np.array([1, -1, 1])[:, None, None, None]
    terms = np.array([(-1) ** (order + sine) for order, sine in model.terms])[:, None, None]
    turned = dataclasses.replace(
        model,
        amplitudes=model.amplitudes * terms,
        over_field=dataclasses.replace(
            model.over_field, amplitudes=model.over_field.amplitudes * places * terms
        ),
    )
    psf = dataclasses.replace(FITTED, array=FITTED.array[..., ::-1], model=turned)
    found = deconvolve(image[..., ::-1], psf, 5, device="numpy").array[..., ::-1]
    assert relative_l2(found, deconvolve(image, FITTED, 5, device="numpy")) < 1e-3


def test_a_region_is_that_of_the_whole_image():
    image = of_fitted()
    settings = [Deconvolve(iterations=6), Deconvolve(iterations=6, over_field="mean")]
    box = [slice(0, 8), slice(70, 110), slice(100, 150)]
    trial = try_region(image, FITTED, box, settings, device="numpy")
    for attempt, choice in zip(trial.attempts, ("varying", "mean"), strict=True):
        whole = deconvolve(image, FITTED, 6, device="numpy", over_field=choice)
        assert relative_l2(attempt.array, whole.array[tuple(box)]) < 1e-3
    assert any("eigen-PSFs" in note for note in trial.notes)


def test_finer_voxels_have_the_psf_of_their_place():
    image = of_fitted((8, 60, 80))
    done = deconvolve(image, FITTED, 4, device="numpy", spacing=(0.3, 0.2, 0.2), finer=2)
    assert done.shape == (8, 120, 160)
    mean = deconvolve(
        image, FITTED, 4, device="numpy", spacing=(0.3, 0.2, 0.2), finer=2, over_field="mean"
    )
    assert relative_l2(done, mean) > 0.02


def test_an_image_of_another_field_needs_its_place():
    image = of_fitted((8, 50, 60))
    with pytest.raises(
        InputError, match=r"12 x 16 micrometres; this image has 5 x 6.*field placed"
    ):
        deconvolve(image, FITTED, 3, device="numpy")
    placed = deconvolve(
        image, FITTED, 3, device="numpy", over_field="placed", field_y=6.5, field_x=9.5
    )
    whole = np.zeros((8, 120, 160), np.float32)
    whole[:, 65:115, 95:155] = image
    inner = (slice(None), slice(15, 35), slice(15, 45))
    # As in the whole image, away from the sides.
    expected = deconvolve(whole, FITTED, 3, device="numpy").array[:, 65:115, 95:155]
    other = deconvolve(image, FITTED, 3, device="numpy", over_field="mean")
    assert relative_l2(placed.array[inner], expected[inner]) < 0.5 * relative_l2(
        other.array[inner], expected[inner]
    )
    with pytest.raises(InputError, match="lies beside"):
        deconvolve(image, FITTED, 3, device="numpy", over_field="placed", field_x=500.0)
    with pytest.raises(InputError, match=r"field y .* is 3, but over field is 'varying'"):
        deconvolve(image, FITTED, 3, device="numpy", field_y=3.0)
    with pytest.raises(InputError, match="over_field"):
        deconvolve(image, FITTED, 3, device="numpy", over_field="somewhere")


def test_tails_and_a_change_do_not_go_together():
    recipe_needed = dataclasses.replace(FITTED, recipe=None)
    with pytest.raises(InputError):
        deconvolve(of_fitted(), recipe_needed, 3, device="numpy", tails="continued")


def test_the_share_beyond_the_beads_is_said():
    image = of_fitted((8, 120, 160))
    done = deconvolve(
        image, FITTED, 3, device="numpy", over_field="placed", field_y=-4.0, field_x=0.0
    )
    assert any("lie beyond the outermost beads" in note for note in done.notes)
    done = deconvolve(image, FITTED, 3, device="numpy")
    assert not any("beyond" in note for note in done.notes)


def test_a_magnified_image_has_the_psfs_of_its_places():
    # A quarter of the field, whose pixels, all the same 0.1 micrometres, show half as much of it.
    recipe = Recipe(
        spacing=FITTED.spacing,
        deconvolve=Deconvolve(over_field="placed", field_y=2.0, field_x=3.0, field_scale=0.5),
    )
    found = psf_on_image(FITTED, (8, 120, 160), recipe).variation
    np.testing.assert_allclose(found.rows[[0, -1]], [20, 20 + 119 / 2])
    np.testing.assert_allclose(found.columns[[0, -1]], [30, 30 + 159 / 2])


def test_pixels_of_another_size_lie_in_the_same_field():
    recipe = Recipe(spacing=(0.3, 0.2, 0.2))
    found = psf_on_image(FITTED, (8, 60, 80), recipe).variation
    # The middle of the first pixel is that of the bead image's first two.
    np.testing.assert_allclose(found.rows[:2], [0.5, 2.5])
    np.testing.assert_allclose(found.columns[-1], 158.5)
    # Cropped by a few pixels it is another one.
    with pytest.raises(InputError, match="Say where it lies"):
        psf_on_image(FITTED, (8, 58, 80), recipe)


def test_a_psf_whose_voxel_size_was_changed_is_its_mean():
    recipe = Recipe(spacing=(0.6, 0.1, 0.1))
    found = psf_on_image(FITTED, (8, 120, 160), recipe, (0.6, 0.1, 0.1))
    assert found.variation is None
    assert "its mean was taken" in found.note
