"""The noise of an image that is mostly background."""

import numpy as np
import pytest

from napari_psf_distiller.steps import noise as module
from napari_psf_distiller.steps.noise import noise_level


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
