"""Whether beads lie at enough different places within their voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.voxel_phases import phase_coverage, subvoxel_places

factors = st.integers(1, 4)


@given(factor=factors, beads=st.integers(8, 40), offset=st.floats(-5, 5))
def test_beads_that_are_spread_evenly_tell_all(factor, beads, offset):
    places = (offset + np.arange(beads) / beads)[:, None] * np.ones(3)
    assert phase_coverage(places, (factor,) * 3) == pytest.approx((1.0,) * 3, abs=1e-9)


@given(factor=st.integers(2, 4), beads=st.integers(1, 40), offset=st.floats(-5, 5))
def test_beads_at_the_same_place_tell_nothing_finer(factor, beads, offset):
    places = np.full((beads, 3), offset) + np.arange(beads)[:, None]
    assert phase_coverage(places, (factor, 1, factor)) == pytest.approx((0, 1, 0), abs=1e-9)


@given(factor=factors, seed=st.integers(0, 2**32 - 1))
def test_it_does_not_depend_on_where_voxels_begin(factor, seed):
    places = np.random.default_rng(seed).uniform(0, 9, (12, 3))
    moved = phase_coverage(places + 0.37, (factor,) * 3)
    assert moved == pytest.approx(phase_coverage(places, (factor,) * 3), abs=1e-9)


@pytest.mark.parametrize("where", [(0.0, 0.0, 0.0), (0.3, -0.2, 0.4)])
def test_places_within_voxels(where):
    z, y, x = (np.arange(9) - 4 - d for d in where)
    blob = np.exp(-(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) / 8)
    found = subvoxel_places(3 * blob + 100, np.array([[4, 4, 4]]), np.array([100.0]))
    np.testing.assert_allclose(found[0], where, atol=0.03)


@given(where=st.floats(-0.5, 0.5))
def test_places_within_voxels_as_large_as_a_bead(where):
    line = np.arange(7) - 3 - where
    blob = np.exp(-4 * np.log(2) * (line[:, None] ** 2 + (line / 1.2) ** 2))[None]
    found = subvoxel_places(500 * blob + 20, np.array([[0, 3, 3]]), np.array([20.0]))
    np.testing.assert_allclose(found[0], (0, where, where), atol=0.1)


def test_at_the_images_side_and_on_a_plateau_no_place_is_told():
    image = np.ones((1, 5, 5))
    assert not subvoxel_places(image, np.array([[0, 0, 4], [0, 2, 2]]), np.zeros(2)).any()
