"""What counts as bead."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import filters

from napari_psf_distiller import InputError
from napari_psf_distiller.stepwise.threshold import threshold, threshold_value


def beads(shape=(8, 32, 40), sloping=False) -> np.ndarray:
    """A few bright beads on a dim background, which may rise along x."""
    rng = np.random.default_rng(5)
    points = np.zeros(shape)
    for _ in range(6):
        points[tuple(rng.integers(3, n - 3) if n > 8 else n // 2 for n in shape)] = 1
    image = ndimage.gaussian_filter(points, 1.2)
    image = 100 * image / image.max() + rng.normal(10, 1, shape)
    if sloping:
        image += np.linspace(0, 150, shape[-1])
    return image.astype(np.float32)


@pytest.mark.parametrize("shape", [(8, 32, 40), (32, 40)])
@pytest.mark.parametrize("method", ["otsu", "li", "triangle"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.uint16])
def test_global_thresholds_are_scikit_images(shape, method, dtype):
    image = np.clip(beads(shape), 0, 255).astype(dtype)
    expected = getattr(filters, f"threshold_{method}")(image.astype(np.float32))
    value = threshold_value(image, method)
    assert type(value) is float
    assert value == expected
    mask = threshold(image, method)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, image.astype(np.float32) > np.float32(expected))


@pytest.mark.parametrize("factor", [3, 8])
def test_the_noise_threshold_is_that_many_standard_deviations_above_the_background(factor):
    # beads() has a background of 10 with a standard deviation of 1; a hundredth of it is bead.
    value = threshold_value(beads((8, 64, 64)), "noise", factor=factor)
    # A hundredth of bead among the background makes its noise seem some percent larger.
    assert value == pytest.approx(10 + factor, abs=0.1 * factor)


def test_no_noise_to_tell():
    image = np.zeros((16, 16))
    image[5, 5:9] = 3
    with pytest.raises(InputError, match="most voxels have the same value"):
        threshold(image, "noise")


def test_the_noise_of_an_image_of_few_grey_levels():
    # In an 8-bit image of a dark field more than half of the voxels often have one value.
    rng = np.random.default_rng(6)
    image = np.clip(np.round(rng.normal(10, 0.6, (64, 64))), 0, 255).astype(np.uint8)
    image[30:33, 30:33] = 200
    assert np.mean(image == 10) > 0.5
    mask = threshold(image, "noise", factor=8)
    assert mask.sum() == 9
    assert mask[30:33, 30:33].all()


def test_manual():
    image = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    np.testing.assert_array_equal(threshold(image, "manual", value=4), image > 4)
    assert threshold_value(image, "manual", value=np.float32(4)) == 4.0


def test_the_local_threshold_is_scikit_images():
    image, offset = beads(), 7.0
    # A window of 2 um: 7 and 21 voxels, the odd numbers nearest to 6.7 and 20.
    expected = filters.threshold_local(image, (7, 21, 21), offset=-offset)
    value = threshold_value(image, "local", window=2.0, offset=offset, spacing=(0.3, 0.1, 0.1))
    assert value.shape == image.shape
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_the_local_thresholds_usual_offset_is_the_standard_deviation():
    image = beads()
    options = {"window": 2.0, "spacing": (0.3, 0.1, 0.1)}
    np.testing.assert_array_equal(
        threshold_value(image, "local", **options),
        threshold_value(image, "local", offset=float(image.std(dtype=np.float64)), **options),
    )


@pytest.mark.parametrize("shape", [(8, 32, 40), (32, 40)])
def test_the_local_threshold_finds_beads_on_a_slope(shape):
    image, level = beads(shape, sloping=True), beads(shape)
    truth = level > 60
    mask = threshold(
        image, "local", window=1.0, offset=20.0, spacing=(0.3, 0.1, 0.1)[-len(shape) :]
    )
    assert mask[truth].all()
    assert not mask[level < 25].any()
    # One value for all of the image cannot do that.
    assert image[truth].min() < image[level < 25].max()


@pytest.mark.parametrize("shape", [(2, 3), (1, 4, 5), (2, 2, 2)])
def test_a_window_larger_than_the_image(shape):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    value = threshold_value(image, "local", window=100.0, spacing=(0.1,) * len(shape))
    assert value.shape == shape
    assert np.isfinite(value).all()


@pytest.mark.parametrize("value", [255, 300])
def test_a_threshold_that_takes_nothing(value):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with pytest.raises(InputError, match=f"manual threshold of {value}; the brightest is 255"):
        threshold(image, "manual", value=value)


@pytest.mark.parametrize(("value", "percent"), [(-1, 100), (50, 80)])
def test_a_threshold_that_takes_everything(value, percent):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with pytest.raises(InputError, match=f"takes {percent} % of the image") as raised:
        threshold(image, "manual", value=value)
    assert "higher threshold" in str(raised.value)


def test_half_of_the_image_is_the_most():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert threshold(image, "manual", value=127).mean() == 0.5
    with pytest.raises(InputError, match="50 % of the image"):
        threshold(image, "manual", value=126)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "manual"}, "needs a value"),
        ({"method": "yen"}, "no threshold method 'yen'; choose .*otsu"),
        ({"method": "noise", "factor": 0}, "must be positive"),
        ({"method": "local"}, "voxel size is not known"),
        ({"method": "local", "spacing": (0.1, 0.1), "window": 0}, "must be positive"),
        ({"method": "local", "spacing": (0.1, 0.1, 0.1)}, "3 values, but the image has 2"),
    ],
)
def test_what_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        threshold(beads((32, 40)), **options)


def test_what_is_no_image():
    with pytest.raises(InputError, match="NaN"):
        threshold(np.array([[1.0, np.nan], [2.0, 3.0]]))
