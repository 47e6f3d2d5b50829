"""Background subtraction and median filter."""

import numpy as np
import pytest
from scipy import ndimage

from napari_psf_distiller import InputError
from napari_psf_distiller.progress import Progress, finish
from napari_psf_distiller.stepwise import preprocess as module
from napari_psf_distiller.stepwise.preprocess import (
    local_background,
    median_filter,
    preprocess,
    subtract_background,
)

SHAPES = [(6, 11, 13), (17, 12)]


def blobs(shape, dtype=np.uint16) -> np.ndarray:
    """Smooth bright and dark places from 0 to 120, wide enough for a median filter to keep."""
    values = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=shape), 1.5)
    return (120 * (values - values.min()) / np.ptp(values)).astype(dtype)


def beads_on(background: np.ndarray, sigma=2.0) -> tuple[np.ndarray, np.ndarray]:
    """An image of Gaussian beads 1/8 of its width apart on a background, and the beads alone."""
    points = np.zeros(background.shape)
    points[..., 16::32, 16::32] = 1
    # In each slice its own beads, so that a 2D and a 3D image are alike.
    beads = ndimage.gaussian_filter(points, (0,) * (points.ndim - 2) + (sigma, sigma))
    beads *= 200 / beads.max()
    return background + beads, beads


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_the_notebooks_background(shape, dtype):
    image = blobs(shape, dtype)
    expected = image.astype(np.float64) - 1.25 * image.mean(dtype=np.float64)
    expected[expected <= 0] = 0.1
    result = subtract_background(image, "mean", factor=1.25, floor=0.1)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-6 * image.max())
    assert 0 < (expected == 0.1).sum() < expected.size


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int8])
def test_whole_numbers_do_not_wrap_around(dtype):
    image = np.array([[0, 1, 99], [100, 101, 127]], dtype)
    result = subtract_background(image, "constant", level=100)
    np.testing.assert_array_equal(result, [[0, 0, 0], [0, 1, 27]])
    image = np.array([[200, 255, 0], [0, 0, 0]], np.uint8)
    result = subtract_background(image, "constant", level=-100)
    np.testing.assert_array_equal(result, [[300, 355, 100], [100, 100, 100]])


def test_the_input_is_not_changed():
    image = blobs((12, 13), np.float32)
    before = image.copy()
    subtract_background(image, "mean")
    finish(preprocess(image, "mean", median=3))
    np.testing.assert_array_equal(image, before)


def test_what_is_exactly_the_background_becomes_the_floor():
    result = subtract_background(np.array([[1.0, 2.0, 3.0]] * 2), "constant", level=2, floor=0.5)
    np.testing.assert_array_equal(result, [[0.5, 0.5, 1.0]] * 2)


def test_none_subtracts_nothing_but_keeps_the_floor():
    result = subtract_background(np.array([[-1.0, 0.0, 3.0]] * 2), "none", floor=0.0)
    np.testing.assert_array_equal(result, [[0, 0, 3]] * 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"background": "constant", "level": 1000}, "brightest voxel is"),
        ({"background": "mean", "factor": 100}, "smaller factor or level"),
        ({"background": "ball"}, "no background method 'ball'"),
    ],
)
def test_backgrounds_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        subtract_background(blobs((12, 13)), **options)
    with pytest.raises(InputError, match=words):
        finish(preprocess(blobs((12, 13)), **options))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("spacing", [(0.3, 0.1, 0.1), (0.3, 0.05, 0.1)])
def test_the_local_background_follows_a_slope(dimensions, spacing):
    shape = (3, 128, 160)[-dimensions:]
    slope = 100 + np.broadcast_to(np.linspace(0, 300, shape[-1]), shape)
    image, beads = beads_on(slope)
    low = local_background(image, 2.0, spacing[-dimensions:])
    assert low.dtype == np.float32
    assert low.shape == shape
    # A ball leaves a little below a slope, the same everywhere but at the border, and takes
    # nothing of the beads: the rest varies by less than a tenth of the slope's 87.
    dark = beads < 1
    assert np.std((image - low)[dark]) < 0.1 * np.std(slope)
    left = np.median((image - low)[dark])
    assert abs(left) < 0.2 * 200
    tops = (image - low)[beads == beads.max()]
    np.testing.assert_allclose(tops, 200 + left, atol=0.1 * 200)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 10, 1e3])
def test_the_local_background_does_not_depend_on_the_intensitys_unit(scale):
    # Photons, or a camera's counts, or a picture scaled to 1: beads are no background in any.
    image, beads = beads_on(np.full((64, 64), 50.0))
    low = local_background(scale * image, 2.0, (0.1, 0.1)) / scale
    np.testing.assert_allclose(low, 50, atol=0.05 * beads.max())


def test_the_radius_is_a_length():
    # Voxels of half the size and twice as many of them are the same image of the same sample.
    image, _ = beads_on(np.tile(np.linspace(50, 150, 96), (96, 1)))
    fine = np.kron(image, np.ones((2, 2)))
    coarse = local_background(image, 2.0, (0.1, 0.1))
    again = local_background(fine, 2.0, (0.05, 0.05))[::2, ::2]
    np.testing.assert_allclose(again, coarse, atol=0.05 * np.ptp(image))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 5), (1, 1, 7), (2, 37, 41)])
def test_an_image_smaller_than_the_ball(shape):
    low = local_background(blobs(shape), 10.0, (0.1,) * len(shape))
    assert low.shape == shape
    assert np.isfinite(low).all()


@pytest.mark.parametrize(
    ("radius", "spacing", "words"),
    [(0, (0.1, 0.1), "positive"), (-1, (0.1, 0.1), "positive"), (2.0, None, "voxel size")],
)
def test_a_ball_that_cannot_be(radius, spacing, words):
    with pytest.raises(InputError, match=words):
        local_background(blobs((12, 13)), radius, spacing)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 9, 8), (2, 2), (40, 3, 5)])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("block", [1, 60, 500, 2_000_000])
def test_the_median_is_scipys_however_it_is_split(monkeypatch, shape, size, block):
    monkeypatch.setattr(module, "BLOCK_VOXELS", block)
    image = blobs(shape)
    expected = ndimage.median_filter(image.astype(np.float32), size)
    np.testing.assert_array_equal(median_filter(image, size), expected)


def test_the_median_is_split_where_it_is_large(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_VOXELS", 500)
    image = blobs((6, 40, 13))
    seen: list[Progress] = []
    finish(preprocess(image, "none", median=3), seen.append)
    blocks = [progress for progress in seen if progress.phase == "Median filter"]
    assert [progress.iteration for progress in blocks] == list(range(1, len(blocks) + 1))
    assert {progress.total for progress in blocks} == {len(blocks)}
    assert len(blocks) > 1


@pytest.mark.parametrize("size", [0, 2, -3])
def test_medians_that_cannot_be(size):
    with pytest.raises(InputError, match="odd and at least 1"):
        median_filter(blobs((12, 13)), size)


def test_a_median_that_takes_the_beads():
    image = np.zeros((9, 9, 9))
    image[4, 4, 4] = 100
    with pytest.raises(InputError, match="After the median filter of size 3 the image is constant"):
        finish(preprocess(image, "none", median=3))


def test_all_of_it_in_the_notebooks_order():
    image = blobs((6, 11, 13))
    subtracted = subtract_background(image, "mean", factor=1.25, floor=0.1)
    result = finish(preprocess(image, "mean", factor=1.25, floor=0.1, median=3))
    np.testing.assert_array_equal(result.image, ndimage.median_filter(subtracted, 3))
    assert result.background == pytest.approx(1.25 * image.mean(), rel=1e-6)


def test_the_local_background_is_given_back():
    image, _ = beads_on(np.full((3, 64, 64), 50.0))
    seen: list[Progress] = []
    result = finish(preprocess(image, "local", radius=2.0, spacing=(0.3, 0.1, 0.1)), seen.append)
    expected = local_background(image, 2.0, (0.3, 0.1, 0.1))
    np.testing.assert_array_equal(result.background, expected)
    np.testing.assert_allclose(
        result.image, np.maximum(image - expected, 0), atol=1e-4 * image.max()
    )
    slices = [progress for progress in seen if progress.phase == "Local background"]
    assert [(progress.iteration, progress.total) for progress in slices] == [(1, 3), (2, 3), (3, 3)]
    assert (seen[-1].iteration, seen[-1].total) == (1, 1)


def test_the_noise_margin_leaves_that_much_of_the_noise():
    image, _ = beads_on(np.random.default_rng(2).normal(50, 4, (128, 128)), sigma=1)
    options = {"radius": 2.0, "spacing": (0.1, 0.1)}
    without = finish(preprocess(image, "local", **options))
    result = finish(preprocess(image, "local", noise_margin=2.5, **options))
    lower = without.background - result.background
    # The noise's standard deviation is 4; beads and the ball's own roughness add a little.
    assert np.ptp(lower) < 1e-3
    assert np.mean(lower) == pytest.approx(2.5 * 4, rel=0.15)
    assert (result.image == 0).mean() < (without.image == 0).mean()


@pytest.mark.parametrize(
    "work", [subtract_background, median_filter, lambda i: finish(preprocess(i))]
)
def test_what_is_no_image(work):
    with pytest.raises(InputError, match="4 axes"):
        work(np.zeros((2, 3, 4, 5)))


@pytest.mark.parametrize("shape", [(48, 52), (3, 48, 52)])
def test_a_ball_far_larger_than_the_image_takes_no_time(shape):
    image = blobs(shape) + 100
    flat = finish(preprocess(image, "local", radius=1e5, spacing=(0.1,) * len(shape))).image
    assert flat.shape == shape
    # What it lies under is one level for each plane.
    off = (image - flat).reshape(-1, *shape[-2:])[flat.reshape(-1, *shape[-2:]) > 0]
    assert len(np.unique(off.round(3))) <= len(image.reshape(-1, *shape[-2:]))
