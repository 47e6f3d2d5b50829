"""The mean residual of beads: noise alone has no structure, and what all beads share has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.mean_residual import LIMIT, mean_residual

SHAPE = (9, 120, 120)
CORE, WINDOW = (2, 4, 4), (4, 9, 9)


def places(count: int, seed: int = 0) -> np.ndarray:
    """Return centres anywhere in the image, between voxels, some with windows beyond it."""
    rng = np.random.default_rng(seed)
    return rng.uniform((3, 2, 2), (6, 118, 118), (count, 3))


def offsets(centre: np.ndarray, shape=SHAPE) -> tuple[np.ndarray, ...]:
    z, y, x = np.indices(shape, np.float32)
    return z - centre[0], y - centre[1], x - centre[2]


def noise(seed: int, deviation: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, deviation, SHAPE).astype(np.float32)


def variance(deviation: float = 3.0) -> np.ndarray:
    return np.full(SHAPE, deviation**2, np.float32)


@pytest.mark.parametrize("count", [1, 3, 8, 31])
def test_noise_alone_seldom_has_structure(count):
    found = [
        mean_residual(
            noise(seed), variance(), places(count, seed), np.full(count, 50), CORE, WINDOW
        )
        for seed in range(40)
    ]
    assert sum(each.structured for each in found) <= 2
    assert np.mean([each.window for each in found]) == pytest.approx(1, abs=0.03)
    assert np.mean([each.core for each in found]) == pytest.approx(1, abs=0.03)
    assert all(each.core_limit >= LIMIT for each in found)


def dipole(y, x, width):
    return y * np.exp(-0.5 * (y**2 + x**2) / width**2) / width


def rings(y, x, width):
    r = np.hypot(y, x)
    return np.cos(2 * np.pi * r / (2.5 * width)) * np.exp(-0.5 * (r / (2 * width)) ** 2)


def lobes(y, x, width):
    return (y**2 - x**2) * np.exp(-0.5 * (y**2 + x**2) / width**2) / width**2


def planted(pattern, centres, amplitudes, part: float, width: float = 2.0) -> np.ndarray:
    """Return a structure of some part of each bead's peak, exactly at its centre."""
    total = np.zeros(SHAPE, np.float32)
    for centre, amplitude in zip(centres, amplitudes, strict=True):
        z, y, x = offsets(centre)
        total += amplitude * part * pattern(y, x, width) * np.exp(-0.5 * (z / 1.5) ** 2)
    return total


@pytest.mark.parametrize(
    ("pattern", "name"), [(dipole, "dipole"), (rings, "rings"), (lobes, "lobes")]
)
def test_what_no_single_bead_shows_is_seen_in_the_mean(pattern, name):
    count = 40
    centres = places(count)
    amplitudes = np.random.default_rng(1).uniform(30, 60, count)
    # Less than the noise of one voxel.
    residual = noise(1) + planted(pattern, centres, amplitudes, 0.05)
    found = mean_residual(residual, variance(), centres, amplitudes, CORE, WINDOW)
    assert found.structured
    assert found.core > found.core_limit
    assert found.beads == count
    assert found.scatter == pytest.approx(1, abs=0.05)
    assert found.patterns[0].name == name
    assert found.patterns[0].share > 0.5
    truth = 0.05 * np.abs(pattern(*np.mgrid[-4:5, -4:5] * 1.0, 2.0)).max()
    assert found.patterns[0].size == pytest.approx(truth, rel=0.4)


def test_the_nearest_voxel_is_near_enough():
    count = 60
    centres, amplitudes = places(count), np.full(count, 100.0)
    for width in (1.5, 2.5):
        whole = np.floor(centres + 0.5)
        between, exact = (
            mean_residual(
                planted(dipole, where, amplitudes, 0.1, width),
                variance(),
                where,
                amplitudes,
                CORE,
                WINDOW,
            )
            for where in (centres, whole)
        )
        middle = np.abs(exact.mean[4]).max(), np.abs(between.mean[4]).max()
        assert middle[1] > {1.5: 0.88, 2.5: 0.95}[width] * middle[0]


def test_the_edge_of_a_window_is_seen_where_the_core_is_clean():
    y, x = (each.ravel() for each in np.mgrid[10:120:20, 10:120:20])
    centres, amplitudes = np.c_[np.full(len(y), 4.0), y, x], np.full(len(y), 100.0)
    apart = np.maximum(*(abs(each % 20 - 10) for each in np.mgrid[:120, :120]))
    residual = noise(2) + np.where((apart > 5) & (apart < 8), 2, 0).astype(np.float32)
    found = mean_residual(residual, variance(), centres, amplitudes, CORE, WINDOW)
    assert found.core < found.core_limit
    assert found.window > found.window_limit
    assert found.structured
    assert found.patterns[0].name == "rings"


@given(st.floats(0.3, 3), st.floats(0.1, 1e4))
@settings(max_examples=15, deadline=None)
def test_a_noise_that_was_not_told_right_is_no_structure(factor, unit):
    centres, amplitudes = places(20), np.full(20, 50 * unit)
    residual = noise(5) * np.float32(unit)
    stated = variance(factor * 3.0 * unit)
    found = mean_residual(residual, stated, centres, amplitudes, CORE, WINDOW)
    assert not found.structured
    assert found.scatter == pytest.approx(1 / factor, rel=0.05)


def test_a_speck_at_one_bead_is_nothing_that_all_have():
    centres, amplitudes = places(20), np.full(20, 50.0)
    residual = noise(6)
    z, y, x = np.floor(centres[3] + 0.5).astype(int)
    residual[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] += 500
    found = mean_residual(residual, variance(), centres, amplitudes, CORE, WINDOW)
    assert not found.structured


def test_a_callable_gives_the_variance_box_by_box_and_the_image_may_end():
    centres, amplitudes = places(7), np.full(7, 50.0)
    centres[0] = (0, 0, 0)
    stated = np.random.default_rng(0).uniform(1, 9, SHAPE).astype(np.float32)
    one, other = (
        mean_residual(noise(7), given_, centres, amplitudes, CORE, WINDOW)
        for given_ in (stated, lambda box: stated[box])
    )
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.error, other.error)


def test_voxels_of_infinite_variance_do_not_count():
    centres, amplitudes = np.array([[4.0, 60, 60], [4, 30, 30]]), np.array([50.0, 50])
    residual, stated = noise(8), variance()
    residual[4, 60, 60] = residual[4, 30, 30] = 1e6
    stated[4, 60, 60] = stated[4, 30, 30] = np.inf
    found = mean_residual(residual, stated, centres, amplitudes, CORE, WINDOW)
    assert not found.structured
    assert np.isinf(found.error[4, 9, 9])
    assert found.mean[4, 9, 9] == 0


def test_a_plane_is_an_image_of_one():
    rng = np.random.default_rng(0)
    residual = rng.normal(0, 1, (1, 90, 90)).astype(np.float32)
    centres = np.c_[np.zeros(10), rng.uniform(5, 85, (10, 2))]
    found = mean_residual(
        residual, np.ones_like(residual), centres, np.full(10, 9.0), (0, 3, 3), (0, 8, 8)
    )
    assert found.mean.shape == (1, 17, 17)
    assert not found.structured
    assert not found.patterns


def test_beads_beyond_the_image_tell_nothing():
    found = mean_residual(
        noise(0), variance(), np.array([[4.0, 400, 400]]), np.ones(1), CORE, WINDOW
    )
    assert np.isnan(found.core)
    assert not found.structured


def test_what_does_not_belong_together_is_told_in_a_sentence():
    one, amplitude = np.array([[4.0, 60, 60]]), np.ones(1)
    with pytest.raises(InputError, match="three axes"):
        mean_residual(noise(0)[0], variance(), one, amplitude, CORE, WINDOW)
    with pytest.raises(InputError, match="the same shape"):
        mean_residual(noise(0), variance()[1:], one, amplitude, CORE, WINDOW)
    with pytest.raises(InputError, match="at least one bead"):
        mean_residual(noise(0), variance(), one[:0], amplitude[:0], CORE, WINDOW)
    with pytest.raises(InputError, match="not above 0"):
        mean_residual(noise(0), variance(), one, -amplitude, CORE, WINDOW)
