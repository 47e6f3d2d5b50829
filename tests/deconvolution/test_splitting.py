"""Splitting an image's counts, the noise model it needs, and the rule that stops iterations."""

import math

import numpy as np
import pytest
from scipy import fft, ndimage

from napari_psf_distiller.deconvolution.splitting import Stopping, informative_block, split_counts
from napari_psf_distiller.measure.noise import NoiseModel, noise_model

SHAPES = [(200, 200), (20, 50, 50)]


def structure(shape, bright: float) -> np.ndarray:
    """Return blurred points and lines, as a microscope's image is."""
    rng = np.random.default_rng(1)
    light = np.zeros(shape)
    light[tuple(rng.integers(0, n, max(20, light.size // 1000)) for n in shape)] = 1
    light[..., shape[-2] // 2, :] += 0.2
    blurred = ndimage.gaussian_filter(light, [2.5, 1.4, 1.4][-len(shape) :])
    return blurred * bright / np.quantile(blurred, 0.999)


def measured(photons, gain=1.0, offset=0.0, read_noise=0.0, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(photons) + rng.normal(0, read_noise, photons.shape)
    return (gain * electrons + offset).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("gain", "offset", "read_noise"),
    [(1, 0, 0), (0.5, 200, 5), (2, 100, 1.5), (10, 0, 0), (10, 100, 3), (0.004, 0.1, 1)],
)
def test_gain_and_variance_are_recovered(shape, gain, offset, read_noise):
    photons = structure(shape, 300) + 3
    model = noise_model(measured(photons, gain, offset, read_noise))
    assert model.gain == pytest.approx(gain, rel=0.2)
    # What matters is the variance where the light is.
    for level in (3, 30, 300):
        intensity = gain * level + offset
        variance = gain**2 * (level + read_noise**2)
        assert model.gain * intensity + model.at_zero == pytest.approx(variance, rel=0.25)
    assert model.independent
    assert not model.absent


@pytest.mark.parametrize("shape", SHAPES)
def test_faint_light_has_its_gain(shape):
    # Most voxels hold no photon: a median of differences would say there is no noise.
    model = noise_model(measured(structure(shape, 5) + 0.2, 2))
    assert model.gain == pytest.approx(2, rel=0.1)


def test_bright_structure_is_no_noise():
    photons = structure((20, 50, 50), 1e4) + 50
    assert noise_model(measured(photons)).gain == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize("shape", SHAPES)
def test_constant_noise_has_no_gain(shape):
    image = structure(shape, 300) + np.random.default_rng(0).normal(0, 20, shape)
    model = noise_model(image.astype(np.float32))
    assert model.gain * 300 < 0.15 * 400
    assert model.at_zero == pytest.approx(400, rel=0.1)


def test_a_large_image_is_sampled():
    photons = np.broadcast_to(np.linspace(1, 50, 2400), (2000, 2400))
    model = noise_model(measured(photons, 3, 100))
    assert model.gain == pytest.approx(3, rel=0.05)
    assert model.at_zero == pytest.approx(-300, rel=0.05)


@pytest.mark.parametrize("image", [np.full((40, 50), 7), np.zeros((5, 40, 50)), np.ones((3, 4))])
def test_no_noise(image):
    model = noise_model(image.astype(np.float32))
    assert model.absent
    assert model.independent


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "smooth", [lambda i: ndimage.median_filter(i, 3), lambda i: ndimage.gaussian_filter(i, 0.6)]
)
def test_smoothed_noise_is_not_independent(shape, smooth):
    image = measured(structure(shape, 100) + 5, 2, 100, 1)
    assert noise_model(image).independent
    assert not noise_model(smooth(image)).independent


def test_a_computed_image_is_not_taken_for_noise():
    photons = structure((20, 50, 50), 300) + 3
    model = noise_model(photons.astype(np.float32))
    # Either there is none, or it is as smooth as the object.
    assert not model.independent
    assert model.gain < 1e-3


@pytest.mark.parametrize("fraction", [0.5, 0.9])
@pytest.mark.parametrize("level", [1, 5, 200, 20000])
@pytest.mark.parametrize(("gain", "offset", "read_noise"), [(1, 0, 0), (2, 100, 1.5), (0.01, 5, 3)])
def test_the_parts_are_independent(level, gain, offset, read_noise, fraction):
    model = NoiseModel(gain, (gain * read_noise) ** 2 - gain * offset)
    image = measured(np.full((500, 500), float(level)), gain, offset, read_noise)
    training, held_out = split_counts(image, model, fraction)
    np.testing.assert_allclose(training + held_out, image, rtol=1e-5, atol=1e-4 * gain)
    assert training.dtype == held_out.dtype == np.float32
    assert training.min() >= 0
    mean, deviation = gain * level + offset, gain * math.sqrt(level + read_noise**2)
    for part, share in ((training, fraction), (held_out, 1 - fraction)):
        # Six standard errors of the mean; that of a variance is 0.3 %.
        assert part.mean() == pytest.approx(share * mean, abs=6 * deviation / 500)
        assert part.var() == pytest.approx(share * deviation**2, rel=0.04)
    # 250000 voxels tell a correlation to 0.002.
    assert np.corrcoef(training.ravel(), held_out.ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_normal_noise_is_split_where_there_is_no_gain():
    image = np.random.default_rng(0).normal(100, 4, (300, 300)).astype(np.float32)
    training, held_out = split_counts(image, NoiseModel(0, 16), 0.8)
    assert np.corrcoef(training.ravel(), held_out.ravel())[0, 1] == pytest.approx(0, abs=0.02)
    assert training.var() == pytest.approx(0.8 * 16, rel=0.04)


def test_whole_photons_stay_whole():
    image = measured(np.full((50, 50), 3.0))
    training, held_out = split_counts(image, NoiseModel(1, 0), 0.5)
    for part in (training, held_out):
        np.testing.assert_allclose(part, np.rint(part), atol=1e-6)
        assert part.min() >= -1e-6


def test_the_training_image_is_never_negative():
    image = measured(np.zeros((100, 100)), 1, 0, 4)
    training, held_out = split_counts(image, NoiseModel(1, 16), 0.9)
    assert training.min() == 0
    # What is held out keeps its expectation and so may not be clipped.
    assert held_out.min() < 0
    assert held_out.mean() == pytest.approx(0, abs=0.1)


def test_without_noise_nothing_is_drawn():
    image = structure((30, 40), 100).astype(np.float32)
    training, held_out = split_counts(image, NoiseModel(0, 0), 0.9)
    np.testing.assert_allclose(training, 0.9 * image, rtol=1e-6)
    np.testing.assert_allclose(held_out, 0.1 * image, rtol=1e-5)


def test_the_seed_decides():
    image = measured(structure((40, 40), 30) + 1)
    first, again, other = (split_counts(image, NoiseModel(1, 0), seed=s)[0] for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("fraction", [0, 1, -0.5, math.nan])
def test_a_fraction_is_between_0_and_1(fraction):
    with pytest.raises(ValueError, match="fraction"):
        split_counts(np.ones((4, 4), np.float32), NoiseModel(1, 0), fraction)


def test_stopping_keeps_the_best_iteration():
    stopping = Stopping(patience=3, share=0)
    values = [1.0, 5.0, 4.0, 6.0, 5.0, 5.5, 5.9, 9.0]
    went_on = [stopping.go_on(i, value) for i, value in enumerate(values[:7], 1)]
    assert went_on == [True] * 6 + [False]
    assert stopping.best == 4
    assert stopping.log_likelihood == 6.0


def test_late_in_a_run_stopping_waits_longer():
    stopping = Stopping(patience=3, share=0.3)
    for iteration in range(1, 101):
        assert stopping.go_on(iteration, float(iteration))
    last = next(i for i in range(101, 200) if not stopping.go_on(i, 0.0))
    assert (stopping.best, last) == (100, 130)


def test_stopping_goes_on_while_it_rises():
    stopping = Stopping()
    assert all(stopping.go_on(i, -1 / i) for i in range(1, 1000))
    assert stopping.best == 999


def test_stopping_ends_where_nothing_is_told():
    stopping = Stopping(patience=5)
    assert [stopping.go_on(i, math.nan) for i in range(7)] == [True] * 5 + [False] * 2
    assert stopping.best == 0


def test_a_small_image_is_its_own_block():
    image = np.zeros((10, 20, 30), np.float32)
    assert informative_block(image, (5, 5, 5)) == (slice(0, 10), slice(0, 20), slice(0, 30))


@pytest.mark.parametrize("corner", [(0, 0), (130, 0), (70, 190), (200, 240)])
def test_the_block_is_where_the_detail_is(corner):
    rng = np.random.default_rng(0)
    image = rng.poisson(5, (260, 300)).astype(np.float32)
    # Haze is bright, but tells nothing of the PSF.
    image += 200 * np.exp(-np.square(np.linspace(-2, 2, 300)))
    y, x = corner
    image[y : y + 60, x : x + 60] += 100 * (rng.random((60, 60)) < 0.2)
    block = informative_block(image, (33, 33), 100 * 100)
    assert block[0].start <= y + 12
    assert block[0].stop >= y + 48
    assert block[1].start <= x + 12
    assert block[1].stop >= x + 48


@pytest.mark.parametrize(
    ("shape", "psf_shape", "voxels"),
    [((50, 300, 200), (31, 25, 25), 50_000), ((64, 64), (257, 257), 1000), ((7, 900), (3, 3), 99)],
)
def test_the_block_fits(shape, psf_shape, voxels):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    block = informative_block(image, psf_shape, voxels)
    part = image[block]
    assert 0.5 * voxels < part.size <= voxels
    assert all(0 <= b.start < b.stop <= n for b, n in zip(block, shape, strict=True))


def test_the_rule_ends_near_the_best_iteration():
    shape, sigma = (96, 96), 2.0
    rng = np.random.default_rng(2)
    truth = np.full(shape, 1.0)
    for row in rng.integers(5, 90, 8):
        truth[row : row + 2, 8:88] += 100 * rng.random()
    axes = np.meshgrid(*(fft.fftfreq(n) for n in shape), indexing="ij")
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * sum(k**2 for k in axes))

    def blurred(light):
        return np.maximum(fft.ifft2(fft.fft2(light) * transfer).real, 1e-9)

    def estimates(image):
        estimate = np.full(shape, image.mean())
        while True:
            model = blurred(estimate)
            yield estimate, model
            estimate = estimate * blurred(image / model)

    image = measured(blurred(truth), 2, 0, 1)
    errors = [
        np.linalg.norm(estimate / 2 - truth)
        for (estimate, _), _ in zip(estimates(np.maximum(image, 0)), range(400), strict=False)
    ]
    fraction = 0.9
    training, held_out = split_counts(image, noise_model(image), fraction)
    stopping = Stopping()
    for iteration, (_, model) in enumerate(estimates(training)):
        told = model * (1 - fraction) / fraction
        if not stopping.go_on(iteration, float((held_out * np.log(told) - told).sum())):
            break
    assert 5 < stopping.best < 390
    assert errors[stopping.best] < 1.05 * min(errors)
    assert errors[-1] > 1.2 * min(errors)


def test_saturated_voxels_have_no_part_in_the_noise():
    rng = np.random.default_rng(0)
    light = ndimage.gaussian_filter(rng.gamma(0.3, 300, (24, 96, 96)), (1, 2, 2))
    spots = np.zeros(light.shape)
    spots[tuple(rng.integers(0, n, 40) for n in light.shape)] = 3e6
    light += ndimage.gaussian_filter(spots, (1, 1.5, 1.5))
    clipped = np.minimum(2 * rng.poisson(light), 1500).astype(np.float32)
    # The spots are sharper than a PSF, and count for noise in part.
    assert 1.5 < noise_model(clipped, clipped < 1500).gain < 3
    assert noise_model(clipped).gain < 0.5


def test_a_saturated_part_is_not_the_informative_one():
    image = np.random.default_rng(0).poisson(5, (8, 256, 256)).astype(np.float32)
    image[:, 40:60:4, 40:60:4] = 65535
    image[:, 180:220:8, 180:220:8] = 500
    mask = image < 65535
    block = informative_block(image, (5, 9, 9), 8 * 90 * 90, mask)
    assert block[1].start > 100
    assert informative_block(image, (5, 9, 9), 8 * 90 * 90)[1].start < 60
