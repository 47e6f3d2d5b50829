"""What was done to an image before: blank areas, grey levels, cut-off backgrounds, smoothing."""

import numpy as np
import pytest
from joint_fields import simulated
from scipy import ndimage

from napari_psf_distiller.joint.image.blank_areas import blank_areas
from napari_psf_distiller.joint.image.history import image_history
from napari_psf_distiller.joint.image.noise_correlation import filtered_variance, noise_correlation

SHAPE = (20, 96, 96)


def beads(**options) -> np.ndarray:
    options = {"beads": 8, "photons": 3e4, "background": 20.0, "seed": 5} | options
    return simulated(SHAPE, **options).image.copy()


def circle(reach: int) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    return (y - 48) ** 2 + (x - 48) ** 2 < reach**2


# Raw images, in all sorts of units: nothing was done to them.

RAW = {
    "16 bit": lambda image: image,
    "fractions": lambda image: (image / image.max()).astype(np.float32),
    "8 bit": lambda image: np.round((image - image.min()) / np.ptp(image) * 255).astype(np.uint8),
    "gain 10": lambda image: (image * 10).astype(np.uint16),
    "negative": lambda image: image.astype(np.float32) - np.float32(121.5),
    "one plane": lambda image: image[10:11],
}


@pytest.mark.parametrize("unit", RAW)
@pytest.mark.parametrize("background", [0.0, 20.0, 1000.0])
def test_nothing_was_done_to_a_raw_image(unit, background):
    history = image_history(RAW[unit](beads(background=background)))
    assert history.blank is None
    assert history.censoring is None
    assert history.correlation.independent
    assert history.correlation.excess == 1


@pytest.mark.parametrize("rate", [0.02, 0.3, 2.0])
def test_zeros_of_a_counting_detector_are_counts(rate):
    counts = np.random.default_rng(2).poisson(rate, SHAPE).astype(np.uint16)
    assert image_history(counts).censoring is None


@pytest.mark.parametrize("spread", [3.0, 8.0])
def test_a_pattern_of_the_camera_is_no_smoothing(spread):
    rng = np.random.default_rng(3)
    image = beads() + rng.normal(0, spread, (1, *SHAPE[1:])) + rng.normal(0, 3, (20, 96, 1))
    assert noise_correlation(image).independent


# The grey levels.


@pytest.mark.parametrize(
    ("step", "offset"), [(1.0, 0.0), (16.0, 3.0), (0.25, -7.0), (1 / 255, 0.0)]
)
def test_the_step_of_the_grey_levels(step, offset):
    image = np.round(beads()) * step + offset
    assert image_history(image).step == pytest.approx(step)


def test_continuous_values_have_no_step():
    image = beads() + np.random.default_rng(0).random(SHAPE)
    assert image_history(image).step == 0


# Cut off below.


@pytest.mark.parametrize("less", [115.0, 120.0, 126.0])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_background_that_was_cut_off(less, kind):
    image = beads()
    if kind is np.float32:
        image = image + np.random.default_rng(0).random(SHAPE) - 0.5
    cut = np.maximum(image - less, 0).astype(kind)
    censoring = image_history(cut).censoring
    assert censoring is not None
    assert censoring.lowest == 0
    assert censoring.bound == pytest.approx(0.5 if kind is np.uint16 else 0.0, abs=0.01)
    # 20 photons, and the beads' halos.
    deviation = np.sqrt(20 + 1.6**2)
    assert censoring.level == pytest.approx(120.5 - less, abs=0.4 * deviation)
    assert np.sqrt(censoring.variance) == pytest.approx(deviation, rel=0.2)


def test_the_lowest_level_may_be_any():
    cut = np.maximum(beads(), 121).astype(np.uint16)
    censoring = image_history(cut).censoring
    assert censoring is not None
    assert (censoring.lowest, censoring.bound) == (121, 121.5)


def test_dead_lines_were_not_cut_off():
    image = beads()
    image[:, :, ::20] = 100
    assert image_history(image).censoring is None


def test_nothing_but_beads_left_does_not_tell_the_dark():
    cut = np.maximum(beads() - 160.0, 0)
    censoring = image_history(cut).censoring
    assert censoring is not None
    assert not censoring.dark_level_known
    assert censoring.share > 0.97


# Areas that were never measured.


def test_a_masked_image_is_blank_outside():
    image = beads()
    blank = blank_areas(image * circle(40))
    assert blank is not None
    assert blank[:, ~circle(40)].all()
    assert not blank[:, circle(36)].any()


def test_planes_may_be_blank():
    image = beads()
    image[[3, 11]] = 0
    blank = blank_areas(image)
    assert blank is not None
    assert np.flatnonzero(blank.any(axis=(1, 2))).tolist() == [3, 11]
    assert blank[[3, 11]].all()


@pytest.mark.parametrize("order", [1, 3])
def test_corners_of_a_turned_image_are_blank(order):
    turned = ndimage.rotate(beads(), 25, (1, 2), reshape=False, order=order, output=np.float32)
    blank = blank_areas(turned)
    assert blank is not None
    assert blank[:, :4, :4].all()
    assert not blank[:, 40:56, 40:56].any()
    assert (turned[~blank] > 90).all()


@pytest.mark.parametrize("less", [110.0, 121.0, 126.0, 160.0])
def test_a_dark_background_is_not_blank(less):
    assert blank_areas(np.maximum(beads() - less, 0)) is None


# Smoothing.


@pytest.mark.parametrize("sigma", [(0.5,) * 3, (1.0,) * 3, (0.0, 1.0, 1.0), (0.0, 0.0, 1.3)])
def test_smoothing_is_measured(sigma):
    rng = np.random.default_rng(4)
    noise = rng.normal(100, 5, (32, 96, 96))
    smoothed = ndimage.gaussian_filter(noise, sigma)
    found = noise_correlation(smoothed)
    np.testing.assert_allclose(found.blurs, [_width_of_kernel(s) for s in sigma], atol=0.08)
    assert found.variance == pytest.approx(smoothed.var(), rel=0.05)
    # The mean of many voxels is as it was before.
    assert found.excess * smoothed.var() == pytest.approx(25, rel=0.15)


def _width_of_kernel(sigma: float) -> float:
    """A sampled Gaussian's standard deviation, less than that of the one that was sampled."""
    one = np.zeros(31)
    one[15] = 1
    kernel = ndimage.gaussian_filter1d(one, sigma) if sigma else one
    return float(np.sqrt(kernel @ (np.arange(31) - 15) ** 2))


def test_beads_do_not_look_like_smoothing_and_do_not_hide_it():
    image = beads().astype(np.float32)
    assert noise_correlation(image).independent
    smoothed = noise_correlation(ndimage.gaussian_filter(image, 1.0))
    # The halos of beads that fill so small an image are alike, too.
    np.testing.assert_allclose(smoothed.blurs, 1, atol=0.2)


def test_the_noise_of_a_filtered_image_is_foretold():
    rng = np.random.default_rng(6)
    image = ndimage.gaussian_filter(rng.normal(0, 3, (32, 96, 96)), (0.0, 0.8, 0.8))
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.4) ** 2)
    along = noise_correlation(image).along
    found = np.prod([filtered_variance(kernel / kernel.sum(), line) for line in along])
    filtered = image
    for axis in range(3):
        filtered = ndimage.convolve1d(filtered, kernel / kernel.sum(), axis=axis, mode="wrap")
    assert found * image.var() == pytest.approx(filtered.var(), rel=0.1)


def test_masked_voxels_do_not_count():
    image = beads().astype(np.float32)
    image[:, :, :50] = ndimage.gaussian_filter(image, 1.0)[:, :, :50]
    mask = np.zeros(SHAPE, bool)
    mask[:, :, 52:] = True
    assert noise_correlation(image, mask).independent
    assert noise_correlation(image, np.zeros(SHAPE, bool)).independent
