"""Bead candidates, and how wide beads are."""

import functools

import numpy as np
import pytest
from joint_fields import (
    DIAMETER,
    SPACING,
    centres_3d,
    comatic_psf,
    image_of,
    nearest,
    observed,
    simulated,
)

import napari_psf_distiller as psfd
from napari_psf_distiller import InputError
from napari_psf_distiller.joint.image import matched_filter
from napari_psf_distiller.joint.image.detection import candidates_at, find_candidates

SIGNIFICANCE = 6.0
SHAPES = pytest.mark.parametrize("shape", [(16, 64, 64), (80, 80)], ids=["3D", "2D"])


def found_in(image, **options):
    return find_candidates(observed(image, **options), SIGNIFICANCE)


def places(candidates) -> np.ndarray:
    """Those that are beads for sure."""
    return candidates.voxels[~candidates.in_halo]


def assert_all(candidates, field, away: float = 1.5) -> None:
    """All beads are found, and nothing else."""
    truth = centres_3d(field)
    found = places(candidates)
    distances, index = nearest(found, truth)
    assert (distances < away).all()
    assert len(set(index)) == len(truth) == len(found)


@SHAPES
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("photons", [1e4, 1e5, 2e6])
def test_all_beads_and_nothing_else(shape, seed, photons):
    field = simulated(shape, beads=8, photons=photons, seed=seed)
    candidates = found_in(field.image)
    assert_all(candidates, field)
    assert (np.diff(candidates.heights) <= 0).all()
    assert candidates.voxels.dtype == np.intp


@SHAPES
def test_dim_beads_may_be_missed_but_nothing_is_made_up(shape):
    field = simulated(shape, beads=10, photons=1500, spread=1.0, seed=3)
    candidates = found_in(field.image)
    back, _ = nearest(centres_3d(field), candidates.voxels)
    assert (back < 2).all()
    truth, _ = nearest(candidates.voxels, centres_3d(field))
    bright = field.amplitudes > (3000 if len(shape) == 3 else 1000)
    assert bright.any()
    assert (truth[bright] < 2).all()


def test_a_lower_significance_finds_more():
    field = observed(simulated(photons=2000, beads=10, spread=0.6).image)
    counts = [len(find_candidates(field, s).voxels) for s in (4, 6, 9)]
    assert counts[0] >= counts[1] >= counts[2]
    assert counts[0] > counts[2]


@SHAPES
@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (1e3, -1e4), (2.0, 500.0)])
def test_the_unit_and_the_offset_do_not_matter(shape, scale, shift):
    image = simulated(shape, photons=3e4).image.astype(np.float64)
    one = found_in(image)
    other = found_in(scale * image + shift)
    np.testing.assert_array_equal(places(other), places(one))
    np.testing.assert_allclose(other.widths, one.widths, rtol=0.02)
    count = len(places(one))
    np.testing.assert_allclose(other.heights[:count], scale * one.heights[:count], rtol=0.02)


def test_eight_bits_with_most_voxels_equal():
    field = simulated(photons=8e3, background=0.05, offset=3.0, read_noise=0.2, seed=2)
    image = np.minimum(field.image, 255).astype(np.uint8)
    _, counts = np.unique(image, return_counts=True)
    assert counts.max() > 0.5 * image.size
    assert_all(found_in(image), field)


def test_on_haze_that_slopes():
    field = simulated(photons=2e4)
    _, y, x = np.indices(field.image.shape)
    haze = 2.0 * y + 120 * np.exp(-((x - 20) ** 2 + (y - 40) ** 2) / 2000.0)
    image = np.random.default_rng(1).poisson(haze) + field.image
    assert_all(found_in(image.astype(np.uint16)), field)


@pytest.mark.parametrize("seed", range(4))
def test_beads_that_lie_apart_do_not_overshadow_each_other(seed):
    field = simulated(beads=8, photons=1e6, seed=seed)
    found = found_in(field.image)
    _, index = nearest(found.voxels, centres_3d(field))
    assert not found.in_halo[index].any()


def test_two_bright_beads_are_enough():
    places = [[8, 24, 24], [8, 60, 60]]
    image = image_of(comatic_psf((15, 41, 41), 0.0), places, [5e5] * 2, (16, 84, 84), seed=1)
    assert (nearest(found_in(image).voxels, places)[0] < 2).all()


@pytest.mark.parametrize("voxels", [1, 30_000, 100_000])
def test_tiles_change_nothing(monkeypatch, voxels):
    image = simulated((16, 150, 130), beads=25, photons=3e4).image
    field = observed(image)
    whole = find_candidates(field, SIGNIFICANCE)
    monkeypatch.setattr(matched_filter, "TILE_VOXELS", voxels)
    parts = find_candidates(field, SIGNIFICANCE)
    for one, other in zip(whole[:4], parts[:4], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6)


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [((0.3, 0.1, 0.1), (20, 64, 64)), ((0.2, 0.07, 0.07), (30, 96, 96)), ((0.1, 0.1), (80, 80))],
)
def test_widths_are_those_of_a_beads_image(spacing, shape):
    field = psfd.simulate_beads(
        shape, spacing, beads=8, bead_diameter=DIAMETER, photons=1e5, separation=1.2, seed=5
    )
    candidates = found_in(field.image, spacing=spacing)
    expected = np.array(psfd.fwhm(field.psf, spacing)) / spacing
    np.testing.assert_allclose(candidates.widths[-len(shape) :], expected, rtol=0.1)


def test_beads_of_many_voxels():
    # Much wider than the filter begins with.
    field = simulated(
        (150, 150), numerical_aperture=0.35, wavelength=0.7, photons=1e6, separation=4, seed=3
    )
    candidates = found_in(field.image)
    expected = np.array(psfd.fwhm(field.psf, SPACING[1:])) / SPACING[1:]
    assert expected.min() > 9
    np.testing.assert_allclose(candidates.widths[1:], expected, rtol=0.15)
    assert_all(candidates, field, 4.0)


@SHAPES
def test_given_places(shape):
    field = simulated(shape, photons=3e4)
    known = observed(field.image)
    candidates = candidates_at(known, centres_3d(field))
    expected = np.floor(centres_3d(field) + 0.5)
    np.testing.assert_array_equal(candidates.voxels, expected)
    assert not candidates.in_halo.any()
    levels = known.level(candidates.voxels)
    values = known.intensity[tuple(candidates.voxels.T)]
    np.testing.assert_allclose(candidates.heights, values - levels)
    axes = len(shape)
    found = find_candidates(known, SIGNIFICANCE)
    np.testing.assert_allclose(candidates.widths[-axes:], found.widths[-axes:], rtol=0.1)


def cut_through_the_middle() -> np.ndarray:
    """One bead, of which the image shows a half."""
    field = simulated((16, 32, 32), beads=1, photons=1e5)
    return field.image[:, round(field.centres[0, 1]) :]


@functools.cache
def large_psf() -> np.ndarray:
    """Return a PSF that reaches as far as light does in small images."""
    return comatic_psf((41, 81, 81), 0.0)


@pytest.mark.parametrize("photons", [1e5, 1e7])
@pytest.mark.parametrize("shape", [(16, 16, 16), (41, 24, 24), (41, 96, 96), (5, 48, 48)], ids=str)
def test_a_single_bead_however_small_the_image(shape, photons):
    # At 1e7 photons its rings and its cone stand out from the noise all over the image.
    place = np.array(shape) // 2 + (0.2, -0.3, 0.4)
    image = image_of(large_psf(), [place], [photons], shape, seed=3)
    found = found_in(image.clip(0, 65535).astype(np.uint16))
    assert np.abs(places(found) - place).max() < 1
    assert len(places(found)) == 1
    expected = np.array(psfd.fwhm(large_psf()[20].astype(np.float32), SPACING[1:])) / SPACING[1:]
    np.testing.assert_allclose(found.widths[1:], expected, rtol=0.15)


def test_noise_in_the_corners_is_no_bead():
    # The filter looks at an eighth as many voxels there.
    for seed in range(6):
        image = np.random.default_rng(seed).poisson(50, (30, 40, 40)).astype(np.uint16)
        with pytest.raises(InputError, match="nothing stands out"):
            found_in(image)


def test_a_ring_is_no_bead_but_a_dim_bead_far_away_may_be_one():
    at = [[20, 40, 40], [20, 42, 150]]
    image = image_of(large_psf(), at, [1e7, 1.5e5], (41, 80, 180), seed=3)
    found = found_in(image.clip(0, 65535).astype(np.uint16))
    away, index = nearest(found.voxels, at)
    assert (away < 2).all()
    assert len(places(found)) <= 2
    assert not found.in_halo[index[0]]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.random.default_rng(0).poisson(50, (16, 64, 64)), "No bead"),
        (np.random.default_rng(0).poisson(50, (64, 64)), "nothing stands out .* by 6 of"),
        (cut_through_the_middle(), "lie at the image's sides, or where it begins"),
    ],
    ids=["noise", "flat noise", "cut"],
)
def test_no_bead_is_an_error_with_a_sentence(image, words):
    with pytest.raises(InputError, match=words) as raised:
        found_in(image.astype(np.uint16))
    assert str(raised.value).endswith(".")


def test_no_place_is_an_error_with_a_sentence():
    with pytest.raises(InputError, match="list of beads is empty"):
        candidates_at(observed(simulated().image), np.zeros((0, 3)))
