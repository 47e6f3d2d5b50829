"""Light that is neither beads nor background."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, stats

from napari_psf_distiller.joint.misfit import haze
from napari_psf_distiller.joint.misfit.haze import haze_level, uneven_light

SHAPES = st.sampled_from([(24, 72, 84), (150, 170), (2, 60, 7), (5, 60, 60)])


def noise(shape, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10, shape).astype(np.float32)


def blobs(shape, seed: int) -> np.ndarray:
    """Light that varies slowly, with a standard deviation of 1."""
    light = ndimage.gaussian_filter(noise(shape, seed), (4, 12, 12), mode="wrap")
    return (light - light.mean()) / light.std()


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_noise_is_no_haze(shape, seed):
    assert haze_level(noise(shape, seed)) < 3.5


@pytest.mark.parametrize("seed", range(3))
def test_haze_is_as_strong_as_it_is(seed):
    shape = (36, 180, 180)
    image = noise(shape, seed) + 5 * blobs(shape, seed + 10)
    assert haze_level(image) == pytest.approx(5, rel=0.3)
    # A few bright specks do not count.
    image[:, 40:60, 40:60] += 1000
    assert haze_level(image) == pytest.approx(5, rel=0.3)


def test_of_a_large_image_some_planes_are_enough(monkeypatch):
    shape = (60, 120, 120)
    image = noise(shape, 1) + 5 * blobs(shape, 2)
    every = haze_level(image)
    monkeypatch.setattr(haze, "MAX_VOXELS", image.size // 4)
    assert haze_level(image) == pytest.approx(every, rel=0.2)


@given(st.sampled_from([(24, 132, 144), (150, 170)]), st.integers(0, 2**32 - 1))
def test_noise_is_even(shape, seed):
    assert uneven_light(noise(shape, seed), (31, 31)) < 10 / np.sqrt(np.prod(shape) / 100)


@pytest.mark.parametrize("seed", range(3))
def test_light_that_falls_off_to_the_corners_is_uneven(seed):
    shape = (20, 200, 200)
    y, x = (np.linspace(-1, 1, n) for n in shape[1:])
    fall = 3 * (y[:, None] ** 2 + x**2)
    found = uneven_light(noise(shape, seed) + fall, (41, 41))
    assert found == pytest.approx(stats.median_abs_deviation(fall, None, scale="normal"), rel=0.2)


def test_a_small_image_does_not_tell():
    assert uneven_light(100 * noise((5, 40, 40), 1), (41, 41)) == 0
