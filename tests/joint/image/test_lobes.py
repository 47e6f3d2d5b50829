"""Candidates that are the lobes of one PSF."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.image.lobes import single_lobes

seeds = st.integers(0, 2**32 - 1)


def beads(count, seed=0, extent=(4.0, 40.0, 40.0)):
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (count, 3)) * extent
    return places, np.exp(rng.normal(0, 0.3, count))


@pytest.mark.parametrize("displacement", [(3.0, 0.0, 0.0), (0.0, 1.5, 0.0), (1.0, -1.0, 2.0)])
@pytest.mark.parametrize("ratio", [0.4, 0.9])
def test_of_two_lobes_the_brighter_stays(displacement, ratio):
    places, heights = beads(20)
    rng = np.random.default_rng(1)
    others = places + displacement + rng.normal(0, 0.05, places.shape)
    dimmer = heights * ratio * np.exp(rng.normal(0, 0.02, 20))
    kept = single_lobes(np.concatenate([others, places]), np.concatenate([dimmer, heights]))
    np.testing.assert_array_equal(kept, np.arange(40) >= 20)


def test_of_three_lobes_one_stays():
    places, heights = beads(15)
    lobes = [places + np.array([step, 0.0, 0.0]) for step in (-2.5, 0.0, 2.5)]
    kept = single_lobes(
        np.concatenate(lobes), np.concatenate([heights * 0.5, heights, heights * 0.3])
    )
    np.testing.assert_array_equal(np.flatnonzero(kept), np.arange(15, 30))


@given(seed=seeds, count=st.integers(1, 60))
def test_beads_that_lie_anywhere_stay(seed, count):
    places, heights = beads(count, seed)
    assert single_lobes(places, heights).all()


def test_touching_pairs_of_any_direction_stay():
    rng = np.random.default_rng(2)
    places, heights = beads(20)
    directions = rng.normal(size=(20, 3))
    directions *= 1.2 / np.linalg.norm(directions, axis=1, keepdims=True)
    assert single_lobes(np.concatenate([places, places + directions]), np.tile(heights, 2)).all()


def test_a_grid_of_beads_stays():
    grid = np.array([(0.0, 4.0 * row, 4.0 * column) for row in range(6) for column in range(6)])
    assert single_lobes(grid, np.ones(len(grid))).all()


def test_no_candidates():
    assert single_lobes(np.zeros((0, 3)), np.zeros(0)).shape == (0,)
