"""Pixels that tell nothing of the light."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import observed, simulated

from napari_psf_distiller.joint.image.defective_pixels import defective_pixels, without_defects
from napari_psf_distiller.joint.image.detection import find_candidates

seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, shape=(12, 24, 30)) -> np.ndarray:
    return np.random.default_rng(seed).poisson(20, shape) + 100


@given(seeds)
def test_noise_has_none(seed):
    assert defective_pixels(noise(seed)) is None


@pytest.mark.parametrize("planes", [slice(None), slice(4, 12)], ids=["deep", "eight planes"])
@pytest.mark.parametrize("photons", [1e4, 1e6, 1e8])
def test_beads_have_none(planes, photons):
    assert defective_pixels(simulated(photons=photons, separation=0.8).image[planes]) is None


@given(seeds, st.integers(0, 23), st.integers(0, 29), st.sampled_from([-60.0, 80.0, 3000.0]))
def test_a_hot_and_a_dark_pixel_are_seen(seed, y, x, off):
    image = noise(seed)
    image[:, y, x] = np.maximum(image[:, y, x] + off, 0)
    blind = defective_pixels(image)
    assert np.argwhere(blind).tolist() == [[y, x]]


def test_lines_that_are_dead_are_seen():
    image = noise(1)
    image[:, 7] = image[:, :, 11] = 100
    blind = defective_pixels(image)
    expected = np.zeros((24, 30), bool)
    expected[7] = expected[:, 11] = True
    # Where they cross most of the neighbours are dead too.
    blind[6:9, 10:13] = expected[6:9, 10:13] = False
    np.testing.assert_array_equal(blind, expected)


def test_few_planes_and_large_parts_are_left_alone():
    image = noise(1)
    image[:, 5, 5] = 5000
    assert defective_pixels(image[:7]) is None
    assert defective_pixels(np.zeros((9, 20, 20))) is None


@given(seeds)
def test_mended_pixels_are_their_neighbours_mean(seed):
    image = noise(seed).astype(np.uint16)
    before = image.copy()
    blind = np.zeros(image.shape[1:], bool)
    blind[3, 4] = blind[0, 0] = True
    new = without_defects(image, blind)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(new[:, ~blind], image[:, ~blind])
    around = image[:, 2:5, 3:6].sum(axis=(1, 2)) - image[:, 3, 4].astype(int)
    np.testing.assert_allclose(new[:, 3, 4], around / 8, atol=0.51)
    corner = [image[:, 0, 1], image[:, 1, 0], image[:, 1, 1]]
    np.testing.assert_allclose(new[:, 0, 0], np.mean(corner, axis=0), atol=0.51)


def test_in_the_middle_of_a_hole_the_nearest_count():
    image = np.full((6, 15, 15), 10.0)
    blind = np.zeros((15, 15), bool)
    blind[5:10, 5:10] = True
    image[:, blind] = 0
    np.testing.assert_allclose(without_defects(image, blind), 10)


def test_hot_pixels_are_no_beads_and_do_not_count():
    field = simulated(photons=3e4)
    image = field.image.astype(int)
    rng = np.random.default_rng(2)
    hot = np.unravel_index(rng.choice(64 * 64, 12, replace=False), (64, 64))
    image[:, *hot] += rng.integers(200, 4000, 12)
    known = observed(image.astype(np.uint16))
    assert known.defective is not None
    assert known.defective[hot].all()
    assert not known.measured((3, slice(None), slice(None)))[hot].any()
    clean = find_candidates(observed(field.image), 7.0)
    found = find_candidates(known, 7.0)
    np.testing.assert_array_equal(
        np.sort(found.voxels[~found.in_halo], axis=0),
        np.sort(clean.voxels[~clean.in_halo], axis=0),
    )
