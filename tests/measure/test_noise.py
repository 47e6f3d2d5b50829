"""The noise of an image that is mostly background."""

import numpy as np
import pytest

from napari_psf_distiller.measure import noise as module
from napari_psf_distiller.measure.noise import noise_level, noise_model
from napari_psf_distiller.measure.stored_values import cut_share, step_of


def noise(shape=(200, 200)) -> np.ndarray:
    return np.random.default_rng(0).normal(30, 4, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(200, 200), (10, 60, 70)])
def test_normal_noise(shape):
    level = noise_level(noise(shape))
    # 40000 voxels tell the median to 0.6 % of the noise, and its deviation to 0.7 %.
    assert level.median == pytest.approx(30, abs=0.03 * 4)
    assert level.deviation == pytest.approx(4, rel=0.03)


def test_a_few_bright_voxels_change_little():
    image = noise()
    image[:20, :20] = 1e6
    level = noise_level(image)
    # One voxel in a hundred: a mean would be 10000 and a standard deviation 100000.
    assert level.median == pytest.approx(30, abs=0.05 * 4)
    assert level.deviation == pytest.approx(4, rel=0.05)


def test_it_scales_with_the_image():
    one, other = noise_level(noise()), noise_level(1000 * noise() - 7)
    assert other.median == pytest.approx(1000 * one.median - 7, rel=1e-5)
    assert other.deviation == pytest.approx(1000 * one.deviation, rel=1e-5)


def test_a_large_image_is_sampled(monkeypatch):
    image = noise()
    whole = noise_level(image)
    monkeypatch.setattr(module, "SAMPLE", 5000)
    sampled = noise_level(image)
    assert sampled != whole
    assert sampled.median == pytest.approx(whole.median, abs=0.1 * 4)
    assert sampled.deviation == pytest.approx(whole.deviation, rel=0.1)


def test_a_sample_sees_every_column(monkeypatch):
    # Cameras have columns of their own level: a stride that divides a row would see only a few.
    image = noise((100, 128))
    image[:, ::4] += 300
    monkeypatch.setattr(module, "SAMPLE", image.size // 4)
    assert noise_level(image).median < 100


def test_no_noise():
    image = np.zeros((20, 20), np.float32)
    image[0, 0] = 5
    assert noise_level(image) == (0, 0)


@pytest.mark.parametrize("step", [1.0, 16.0, 1 / 255, 0.3])
def test_a_step_of_the_values_is_found(step):
    whole = np.rint(noise())
    assert step_of((step * whole).astype(np.float32)) == pytest.approx(step, rel=1e-3)
    assert step_of((step * whole + 7 * step).astype(np.float32)) == pytest.approx(step, rel=1e-3)


def test_values_without_a_step():
    assert step_of(noise()) == 0
    assert step_of(np.full((9, 9), 3.0)) == 0
    assert step_of(noise().astype(np.uint16)) == 1


def test_noise_below_a_step_is_that_of_rounding():
    rng = np.random.default_rng(0)
    slope = np.linspace(3, 9, 200) + rng.normal(0, 0.05, (200, 200))
    told = noise_model(np.rint(slope), step=1)
    assert told.variance(np.array([3.0, 6, 9])) == pytest.approx(1 / 12, rel=0.6)
    assert told.variance(np.array([6.0])) >= 1 / 12 - 1e-9
    assert told.independent
    # Noise of many steps is not changed.
    wide = np.rint(noise((300, 300)) * 5)
    one, other = noise_model(wide), noise_model(wide, step=1)
    assert other.at_zero == pytest.approx(one.at_zero, rel=1e-3, abs=1e-3)


def test_a_cut_is_told_from_faint_light_and_from_coarse_steps():
    rng = np.random.default_rng(1)
    for more in (0, 1, 2):
        cut = np.maximum(rng.normal(-more, 2, (10, 80, 80)), 0)
        assert cut_share(cut) == pytest.approx(np.mean(cut == 0), abs=0.1)
        assert cut_share(np.rint(cut)) > 0.2
        assert cut_share(cut + 7) > 0.2
    for photons in (0.01, 0.1, 0.7, 2):
        assert cut_share(rng.poisson(photons, (10, 80, 80))) == 0
    assert cut_share(np.rint(rng.normal(2, 0.2, (10, 80, 80)))) == 0
    assert cut_share(rng.normal(0, 1, (10, 80, 80))) == 0
