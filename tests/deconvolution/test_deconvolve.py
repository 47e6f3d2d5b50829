"""Deconvolution of an image with a PSF."""

import inspect

import numpy as np
import pytest
from scipy import ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller import DistillerWarning, InputError, Progress
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.deconvolve import deconvolve_image
from napari_psf_distiller.progress import finish

BOUNDARIES = ["circulant", "noncirculant"]
SHAPES = [(12, 30, 33), (30, 33)]


def psf_of(shape) -> np.ndarray:
    """A Gaussian of sum 1, wider to one side."""
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    psf = np.exp(-0.5 * sum(g**2 for g in grids) / 1.5**2)
    psf *= 1 + 0.3 * np.sign(grids[-1])
    return psf / psf.sum()


def blurred(shape, psf) -> tuple[np.ndarray, np.ndarray]:
    """Two lines four voxels apart and a point, and their image through the PSF."""
    truth = np.zeros(shape)
    truth[..., 8, 6:24] = 50
    truth[..., 12, 6:24] = 50
    truth[(*(n // 2 for n in shape[:-2]), 24, 20)] = 1000
    return truth, ndimage.convolve(truth, psf, mode="constant") + 1


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_comes_nearer_to_the_truth(boundary, shape):
    psf = psf_of((7, 9, 9)[-len(shape) :])
    truth, image = blurred(shape, psf)
    result = psfd.deconvolve(
        image, psf, iterations=50, boundary=boundary, device="numpy", method="plain"
    )
    assert result.dtype == np.float32
    assert result.shape == shape
    # Between the lines there is more than half of their light in the image, and less than a
    # quarter in the result.
    between, lines = ((..., 10, slice(10, 20)), (..., 8, slice(10, 20)))
    assert image[between].mean() > 0.5 * image[lines].mean()
    assert result[between].mean() < 0.25 * result[lines].mean()
    assert np.linalg.norm(result - 1 - truth) < 0.8 * np.linalg.norm(image - 1 - truth)
    assert np.unravel_index(np.argmax(result), shape) == np.unravel_index(truth.argmax(), shape)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_any_dtype_is_the_same_image(boundary, dtype):
    psf = psf_of((7, 7))
    image = np.round(blurred((30, 33), psf)[1]).astype(dtype)
    one = psfd.deconvolve(image, psf, 5, boundary, "numpy", method="plain")
    np.testing.assert_array_equal(
        one, psfd.deconvolve(image.astype(np.float32), psf, 5, boundary, "numpy", method="plain")
    )


def test_its_own_progress():
    psf = psf_of((7, 7))
    image = blurred((30, 33), psf)[1]
    seen: list[Progress] = []
    steps = deconvolve_image(
        image, psf, open_engine("numpy"), iterations=3, preview_every=2, method="plain"
    )
    finish(steps, seen.append)
    assert [(p.title, p.iteration, p.total) for p in seen] == [
        ("Deconvolve", n, 3) for n in range(4)
    ]
    assert [p.preview is not None for p in seen] == [False, False, True, False]
    assert seen[2].preview.shape == image.shape
    # Before anything is done, what it needs.
    assert [bool(p.note) for p in seen] == [True, False, False, False]
    assert "NumPy" in seen[0].note


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("shape", "psf_shape", "where"),
    [
        ((4, 12, 30), (9, 9, 9), "(9 > 4 along z)"),
        ((9, 8), (15, 11), "(15 > 9 along y, 11 > 8 along x)"),
    ],
)
def test_a_psf_larger_than_the_image(boundary, shape, psf_shape, where):
    image = np.random.default_rng(8).random(shape) + 1
    with pytest.warns(DistillerWarning, match="The PSF is larger than the image") as warned:
        result = psfd.deconvolve(image, psf_of(psf_shape), 10, boundary, "numpy", method="plain")
    assert len(warned) == 1
    assert where in str(warned[0].message)
    assert result.shape == shape
    assert np.isfinite(result).all()


def test_negative_voxels_count_as_nothing():
    psf = psf_of((7, 7))
    image = blurred((30, 33), psf)[1] - 1
    negative = image.copy()
    negative[:2, :3] = -5
    with pytest.warns(DistillerWarning, match="6 negative voxels of the image were taken as 0"):
        result = psfd.deconvolve(negative, psf, 5, device="numpy", method="plain")
    expected = psfd.deconvolve(np.maximum(negative, 0), psf, 5, device="numpy", method="plain")
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("image", "psf", "options", "words"),
    [
        (np.eye(8), psf_of((3, 3, 3)), {}, "The PSF has 3 axes, the image 2"),
        (np.eye(8), psf_of((3, 3)) - 0.1, {}, "The PSF has negative values"),
        (np.eye(8), np.full((3, 3), np.nan), {}, "The PSF has 9 voxels that are NaN"),
        (np.eye(8), np.zeros((3, 3)), {}, "The PSF is 0 everywhere"),
        (np.zeros((8, 8)), psf_of((3, 3)), {}, "The image is constant"),
        (np.zeros((2, 8, 8, 8)), psf_of((3, 3, 3)), {}, "4 axes"),
        (np.eye(8), psf_of((3, 3)), {"iterations": 0}, "1 or more"),
        (np.eye(8), psf_of((3, 3)), {"iterations": -1}, "1 or more"),
        (np.eye(8), psf_of((3, 3)), {"iterations": 2.5}, "1 or more"),
        (np.eye(8), psf_of((3, 3)), {"boundary": "reflect"}, "'noncirculant' or 'circulant'"),
        (np.eye(8), psf_of((3, 3)), {"device": "abacus"}, "no device 'abacus'"),
    ],
)
def test_what_cannot_be(image, psf, options, words):
    with pytest.raises(InputError, match=words):
        psfd.deconvolve(image, psf, **{"device": "numpy"} | options)


def test_a_boundary_that_does_not_exist():
    with pytest.raises(InputError, match="no boundary 'reflect'"):
        finish(
            deconvolve_image(
                np.eye(8), psf_of((3, 3)), open_engine("numpy"), boundary="reflect", method="plain"
            )
        )


@pytest.mark.parametrize("psf", [np.ones((1, 1)), np.full((3, 3), 0.5)])
@pytest.mark.parametrize("boundary", ["circulant", "noncirculant"])
def test_a_box_is_a_psf_too(psf, boundary):
    image = np.random.default_rng(5).uniform(1, 9, (12, 15))
    steps = deconvolve_image(
        image, psf, open_engine("numpy"), iterations=2, boundary=boundary, method="plain"
    )
    result = finish(steps).array
    assert np.isfinite(result).all()
    if psf.size == 1:
        # The image of a point is a point: there is nothing to undo.
        np.testing.assert_allclose(result, image, rtol=1e-4)


@pytest.mark.parametrize(
    ("planes", "boundary", "compatibility", "lies"),
    # With 25 + 24 = 49 planes the grid is odd and the PSF even, with 26 + 24 = 50 it is not.
    [
        ((25, 24), "noncirculant", "clij2-fft", 1),
        ((26, 24), "noncirculant", "clij2-fft", 0),
        ((25, 24), "circulant", "clij2-fft", 1),
        ((25, 24), "noncirculant", None, 0),
        ((25, 24), "circulant", None, 0),
    ],
)
def test_a_displaced_result_is_announced(planes, boundary, compatibility, lies):
    options = {"device": "numpy", "compatibility": compatibility, "method": "plain"}
    image, psf = np.zeros((planes[0], 8, 8)), np.zeros((planes[1], 5, 5))
    image[12, 4, 4] = image[12, 4, 3] = 1
    psf[planes[1] // 2, 2, 2] = 1
    image += 1e-3
    if lies:
        with pytest.warns(DistillerWarning, match="one voxel too low"):
            result = psfd.deconvolve(image, psf, 5, boundary, **options)
    else:
        result = psfd.deconvolve(image, psf, 5, boundary, **options)
    assert np.sum(result, axis=(1, 2)).argmax() == 12 - lies


def test_total_variation_takes_the_images_own_spacing():
    psf = np.zeros((3, 5, 5))
    psf[1, 1:4, 1:4] = psf[:, 2, 2] = 1
    image = np.random.default_rng(1).poisson(20, (9, 16, 18))
    # Of such a size nothing lies about the image, where rounding would decide on the direction.
    options = {"iterations": 5, "boundary": "circulant", "device": "numpy", "method": "plain"}
    options |= {"total_variation": 0.05}
    even = psfd.deconvolve(image, psf, **options, spacing=(0.1, 0.1, 0.1))
    apart = psfd.deconvolve(image, psf, **options, spacing=(0.3, 0.1, 0.1))
    # Only the ratios count.
    np.testing.assert_array_equal(
        psfd.deconvolve(image, psf, **options, spacing=(0.25, 0.25, 0.25)), even
    )
    # As if along x what lies along z.
    turned = psfd.deconvolve(image.T, psf.T, **options, spacing=(0.1, 0.1, 0.3))
    np.testing.assert_allclose(np.transpose(turned), apart, rtol=2e-3)
    assert np.linalg.norm(apart - even) > 0.01 * np.linalg.norm(even)
    with pytest.warns(DistillerWarning, match="voxel size is not known: the total variation"):
        unknown = psfd.deconvolve(image, psf, **options)
    np.testing.assert_array_equal(unknown, even)
    # A PSF knows the size itself.
    known = psfd.deconvolve(image, psfd.PSF(psf, (0.3, 0.1, 0.1)), **options)
    np.testing.assert_array_equal(known, apart)
    # Pixels are squares, and a plane has no other planes about it.
    plane = psfd.deconvolve(image[:1], psf[1], **options)
    again = psfd.deconvolve(image[0], psf[1], **options, spacing=(0.1, 0.1))
    np.testing.assert_array_equal(plane[0], again)
    again = psfd.deconvolve(image[:1], psf[1:2], **options, spacing=(0.01, 0.1, 0.1))
    np.testing.assert_array_equal(plane, again)


# What goes into the model.


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_what_it_says_of_itself(boundary, method):
    psf = psf_of((7, 7))
    image = blurred((30, 33), psf)[1]
    engine = open_engine("numpy", "scipy")
    done = finish(
        deconvolve_image(image, psf, engine, iterations=4, boundary=boundary, method=method)
    )
    assert done.iterations == 4
    assert done.device == engine.description
    assert done.warnings == ()
    assert done.array.dtype == np.float32


def test_accelerated_is_sooner_there():
    psf = psf_of((7, 9, 9))
    truth, image = blurred((12, 30, 33), psf)

    def error(method: str, iterations: int) -> float:
        result = psfd.deconvolve(
            image, psf, iterations, device="numpy", method=method, background=1
        )
        return float(np.linalg.norm(result - truth))

    assert error("accelerated", 15) < error("plain", 60) < error("plain", 15)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_background_is_left_out_of_the_result(boundary):
    psf = psf_of((7, 9))
    truth, image = blurred((30, 33), psf)
    image += 99
    options = {"iterations": 100, "boundary": boundary, "device": "numpy", "method": "plain"}
    known = psfd.deconvolve(image, psf, background=100, **options)
    same = psfd.deconvolve(image, psf, background=np.full((30, 33), 100.0), **options)
    np.testing.assert_allclose(known, same, rtol=1e-4, atol=1e-4)
    assert np.median(known) < 1
    unknown = psfd.deconvolve(image, psf, **options)
    assert np.linalg.norm(known - truth) < 0.95 * np.linalg.norm(unknown - 100 - truth)


def test_masked_voxels_do_not_count():
    psf = psf_of((7, 9))
    image = blurred((30, 33), psf)[1]
    mask = np.ones(image.shape, bool)
    mask[11:14, 11:14] = False
    options = {"iterations": 20, "device": "numpy", "method": "plain"}
    expected = psfd.deconvolve(image, psf, mask=mask, **options)
    dead = np.where(mask, image, 0)
    np.testing.assert_array_equal(psfd.deconvolve(dead, psf, mask=mask, **options), expected)
    assert np.linalg.norm(psfd.deconvolve(dead, psf, **options) - expected) > 1
    # Numbers are a mask too, and one that leaves all in is none.
    np.testing.assert_array_equal(
        psfd.deconvolve(dead, psf, mask=mask.astype(int), **options), expected
    )
    np.testing.assert_array_equal(
        psfd.deconvolve(image, psf, mask=np.ones(image.shape, bool), **options),
        psfd.deconvolve(image, psf, **options),
    )


def test_total_variation_evens_out():
    psf = psf_of((7, 9))
    image = np.random.default_rng(0).poisson(blurred((30, 33), psf)[1])
    even = (slice(16, 28), slice(2, 12))
    results = [
        psfd.deconvolve(image, psf, 100, device="numpy", total_variation=weight, method="plain")
        for weight in (0, 0.002, 0.02)
    ]
    spreads = [result[even].std() for result in results]
    assert spreads[0] > spreads[1] > spreads[2]


def test_a_memory_budget_makes_tiles():
    psf = psf_of((7, 9))
    image = blurred((80, 90), psf)[1]
    engine = open_engine("numpy", "scipy")
    whole = finish(deconvolve_image(image, psf, engine, iterations=20, method="plain"))
    parts = finish(
        deconvolve_image(image, psf, engine, iterations=20, memory=100_000, method="plain")
    )
    assert "tiles" in parts.device
    assert "tiles" not in whole.device
    assert np.linalg.norm(parts.array - whole.array) <= 1e-3 * np.linalg.norm(whole.array)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"total_variation": -0.1}, "weight of the total variation is -0.1"),
        ({"total_variation": 0.2}, "less than 0.167"),
        ({"total_variation": 0.1, "spacing": (0.1, 0.1, 0.1)}, "3 values, but the image has 2"),
        ({"total_variation": 0.1, "spacing": (0.1, 0)}, "must be positive"),
        ({"compatibility": "clij"}, "no compatibility 'clij'; choose clij2-fft"),
        ({"total_variation": np.nan}, "weight of the total variation"),
        ({"background": -1}, "not negative everywhere"),
        ({"background": np.nan}, "must be finite"),
        ({"background": np.ones((8, 9))}, "The background has the shape"),
        ({"background": np.full((8, 8), np.inf)}, "must be finite"),
        ({"mask": np.ones((8, 9), bool)}, "The mask has the shape"),
        ({"mask": np.zeros((8, 8), bool)}, "leaves no voxel that counts"),
        ({"method": "fast"}, "no method 'fast'"),
    ],
)
def test_what_cannot_be_in_the_model(options, words):
    engine = open_engine("numpy", "scipy")
    with pytest.raises(InputError, match=words):
        finish(deconvolve_image(np.eye(8), psf_of((3, 3)), engine, iterations=2, **options))
    with pytest.raises(InputError):
        psfd.deconvolve(np.eye(8), psf_of((3, 3)), 2, device="numpy", **options)


@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_without_a_number_it_stops_by_itself(method):
    psf = psf_of((9, 9))
    truth = np.zeros((90, 96))
    rng = np.random.default_rng(0)
    for _ in range(60):
        truth[tuple(rng.integers(0, n) for n in truth.shape)] = 3000
    image = rng.poisson(ndimage.convolve(truth, psf, mode="constant") + 5)
    seen: list[Progress] = []
    steps = deconvolve_image(
        image, psf, open_engine("numpy", "scipy"), iterations=None, method=method
    )
    done = finish(steps, seen.append)
    assert done.warnings == ()
    assert done.iterations > 2
    assert [p.title for p in seen if p.title == "Deconvolve"] == ["Deconvolve"] * (
        done.iterations + 1
    )
    assert seen[0].title == "Count iterations"
    again = finish(
        deconvolve_image(
            image, psf, open_engine("numpy", "scipy"), iterations=done.iterations, method=method
        )
    )
    np.testing.assert_array_equal(done.array, again.array)


@pytest.mark.parametrize("iterations", [3, None])
def test_an_image_without_light(iterations):
    image = -np.random.default_rng(0).random((12, 14)).astype(np.float32)
    with pytest.raises(InputError, match="no light"):
        finish(
            deconvolve_image(
                image,
                np.ones((3, 3), np.float32),
                open_engine("numpy"),
                iterations=iterations,
                method="plain",
            )
        )


def test_it_says_how_it_came_about():
    psf = psfd.PSF(psf_of((7, 9)), (0.1, 0.1))
    rng = np.random.default_rng(0)
    image = rng.poisson(10 * blurred((60, 66), np.asarray(psf))[1])
    given = psfd.deconvolve(image, psf, 7, device="numpy")
    assert (given.iterations, given.why_ended, given.warnings) == (7, psfd.WhyEnded.GIVEN, ())
    assert [iteration for iteration, _ in given.log_likelihood] == list(range(1, 8))
    assert given.device.startswith("NumPy")
    assert (given.shape, given.ndim) == (image.shape, 2)
    assert given.dtype == np.float32
    assert "7 iterations, ended by: given" in repr(given)
    assert type(given - image) is np.ndarray
    # The default is that of a recipe: accelerated, and it ends by itself.
    automatic = psfd.deconvolve(image, psf, device="numpy")
    assert automatic.why_ended == "noise"
    same = psfd.deconvolve(image, psf, automatic.iterations, device="numpy", method="accelerated")
    np.testing.assert_array_equal(automatic, same)
    default = psfd.Recipe().deconvolve
    assert (default.iterations, default.method) == (None, "accelerated")
    # An array is a PSF too.
    np.testing.assert_array_equal(psfd.deconvolve(image, psf.array, 7, device="numpy"), given)


def test_a_recipe_and_the_call_have_the_same_defaults():
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(psfd.deconvolve).parameters.items()
    }
    part, recipe = psfd.Recipe().deconvolve, psfd.Recipe()
    for name in ("iterations", "boundary", "method", "total_variation", "background"):
        assert options[name] == getattr(part, name), name
    for name in ("device", "fft", "memory"):
        assert options[name] == getattr(recipe, name), name
