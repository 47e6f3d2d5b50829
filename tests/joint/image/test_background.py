"""The background as a smooth spline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import centres_3d, simulated, spline_of

from napari_psf_distiller.joint.image import background as module
from napari_psf_distiller.joint.image.background import SplineBackground, first_background

SHAPE, SPACING = (10, 70, 84), (0.3, 0.1, 0.1)
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([30.0, 3.0])


def spline(shape=SHAPE, scale: float = 3.0, level: float = 50.0) -> SplineBackground:
    return SplineBackground(shape, SPACING, scale, level)


def planes(of: SplineBackground, coefficients) -> np.ndarray:
    return np.stack([of.plane(coefficients, z) for z in range(of.shape[0])])


def points(shape) -> np.ndarray:
    return np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3).astype(float)


def fitted(of: SplineBackground, image, weights=1.0) -> np.ndarray:
    """The spline nearest to an image, by its normal equations."""
    image = np.asarray(image, np.float32)
    weights = np.broadcast_to(np.float32(weights), image.shape)

    def sampled(z, step):
        part = np.ascontiguousarray(weights[z, ::step, ::step])
        return part, part * (image[z, ::step, ::step] - of.plane(start, z)[::step, ::step])

    start = np.zeros(of.size)
    matrix, vector = of.normal_equations(start, sampled)
    assert matrix.shape == (of.size, of.size)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9 * np.abs(matrix).max())
    found: np.ndarray = np.linalg.lstsq(matrix, vector, rcond=1e-12)[0]
    return found


# The functions.


@given(seed=seeds, scale=scales)
def test_a_plane_is_a_spline(seed, scale):
    slopes = np.random.default_rng(seed).uniform(-1, 1, 3)
    of = spline(scale=scale)
    coefficients = spline_of(of, lambda at: 100 + at @ slopes)
    expected = (100 + points(SHAPE) @ slopes).reshape(SHAPE)
    np.testing.assert_allclose(planes(of, coefficients), expected, rtol=1e-5, atol=1e-4)


@given(seed=seeds, scale=scales, shape=st.sampled_from([SHAPE, (1, 40, 70), (2, 33, 16)]))
def test_at_is_the_plane_and_its_slopes(seed, scale, shape):
    rng = np.random.default_rng(seed)
    of = spline(shape, scale)
    coefficients = rng.standard_normal(of.size)
    at = points(shape)[rng.integers(0, np.prod(shape), 40)]
    values = of.design_at(at)
    assert values.shape == (40, 4, of.size)
    whole = planes(of, coefficients)
    found = values @ coefficients
    np.testing.assert_allclose(found[:, 0], whole[tuple(at.astype(int).T)], atol=1e-5)
    # Within the image, half a voxel about a place between voxels.
    at = rng.uniform(0.3, np.maximum(np.array(shape) - 1.3, 0.31), (40, 3))
    found = of.design_at(at) @ coefficients
    for axis, n in enumerate(shape):
        step = 0.25 * np.eye(3)[axis] if n > 1 else np.zeros(3)
        rise = (of.design_at(at + step)[:, 0] - of.design_at(at - step)[:, 0]) @ coefficients
        np.testing.assert_allclose(found[:, 1 + axis], 2 * rise, atol=1e-9)


def test_slopes_at_the_border_and_beyond():
    of = spline()
    coefficients = spline_of(of, lambda at: 5 + at @ [0.5, -0.2, 0.1])
    corners = np.array([[-0.5, -0.5, -0.5], [9.5, 69.5, 83.5]])
    np.testing.assert_allclose(of.design_at(corners)[:, 1:] @ coefficients, [[0.5, -0.2, 0.1]] * 2)
    # Beyond, it stays as it is at the border.
    outside = np.array([[-3.0, -9, -4], [20, 90, 100]])
    np.testing.assert_allclose(
        of.design_at(outside)[:, 0] @ coefficients, of.design_at(corners)[:, 0] @ coefficients
    )


# The penalty.


@given(seed=seeds, scale=scales)
def test_the_penalty_is_that_of_a_quadratic_form(seed, scale):
    of = spline(scale=scale)
    vector = np.random.default_rng(seed).standard_normal(of.size)
    np.testing.assert_allclose(of.penalty, of.penalty.T)
    assert vector @ of.penalty @ vector >= 0
    # A constant costs nothing.
    assert np.abs(of.penalty @ np.ones(of.size)).max() < 1e-12 * np.abs(of.penalty).max() + 1e-30
    # It is measured in parts of the level.
    assert of.penalty == pytest.approx(4 * spline(scale=scale, level=100.0).penalty)


@pytest.mark.parametrize("scale", [30.0, 3.0])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_slope_costs_nothing(scale, axis):
    of = spline((10, 84, 84), scale)
    coefficients = spline_of(of, lambda at: 50 + 0.5 * at[:, axis])
    assert abs(coefficients @ of.penalty @ coefficients) < 1e-6


def test_a_slope_along_z_costs_nothing():
    of = spline((20, 40, 40), 1.0)
    coefficients = spline_of(of, lambda at: 50 + 2 * at[:, 0])
    assert abs(coefficients @ of.penalty @ coefficients) < 1e-6


def test_a_hill_costs_more_than_a_bow():
    of = spline(scale=1.5)
    bow = spline_of(of, lambda at: 50 - 20 * ((at[:, 1] - 35) / 35) ** 2)
    hill = spline_of(
        of, lambda at: 50 + 20 * np.exp(-((at[:, 1] - 35) ** 2 + (at[:, 2] - 42) ** 2) / 100)
    )
    assert hill @ of.penalty @ hill > 5 * (bow @ of.penalty @ bow)


# The fit.


@given(seed=seeds, scale=scales)
def test_a_plane_is_recovered(seed, scale):
    slopes = np.random.default_rng(seed).uniform(-1, 1, 3)
    of = spline(scale=scale)
    image = (100 + points(SHAPE) @ slopes).reshape(SHAPE)
    np.testing.assert_allclose(planes(of, fitted(of, image)), image, atol=0.02)


def test_a_slow_bow_is_recovered():
    of = spline()
    _, y, x = points(SHAPE).T
    image = (80 - 15 * ((y - 30) / 40) ** 2 + 10 * ((x - 20) / 40) * ((y - 30) / 40)).reshape(SHAPE)
    # Over the squares that it looks at the bow is a tenth.
    np.testing.assert_allclose(planes(of, fitted(of, image)), image, atol=0.3)


def test_weights_count():
    of = spline()
    image = np.full(SHAPE, 20.0)
    image[:, :32] = 1000
    weights = np.ones(SHAPE)
    weights[:, :32] = 0
    found = planes(of, fitted(of, image, weights))
    np.testing.assert_allclose(found[:, 32:], 20, atol=0.2)


def test_of_a_large_image_every_other_voxel_is_enough(monkeypatch):
    shape = (3, 150, 170)
    of = spline(shape, scale=8.0)
    assert of.step == 1
    image = (100 + points(shape) @ [0.5, 0.1, -0.2]).reshape(shape)
    every = planes(of, fitted(of, image))
    monkeypatch.setattr(module, "MAX_SAMPLED_VOXELS", np.prod(shape) // 4)
    assert of.step == 2
    np.testing.assert_allclose(planes(of, fitted(of, image)), every, atol=0.05)
    assert np.abs(every - image).max() < 0.05


# The first one, below beads.


@pytest.mark.parametrize("sampled", [1, 4])
@pytest.mark.parametrize("shape", [(16, 64, 64), (96, 96)], ids=["3D", "2D"])
def test_beads_do_not_disturb_it(monkeypatch, shape, sampled):
    field = simulated(shape, beads=5, photons=2e4, background=40.0)
    image = field.image.reshape(-1, *shape[-2:]).astype(np.float32)
    slopes = np.array([0.0, 0.05, -0.03])
    image += (points(image.shape) @ slopes).reshape(image.shape).astype(np.float32)
    of = SplineBackground(image.shape, (0.3, 0.1, 0.1), 30.0, 40.0)
    monkeypatch.setattr(module, "MAX_SAMPLED_VOXELS", image.size // sampled)

    def variance(intensity):
        return intensity - 100 + np.float32(1.6**2)

    found = planes(of, first_background(image, of, variance))
    expected = (140 + points(image.shape) @ slopes).reshape(image.shape)
    # A noise of 6.5, and halos that add up to some photons.
    away = np.ones(image.shape, bool)
    for centre in centres_3d(field):
        distance = np.linalg.norm((points(image.shape) - centre) * (0.3, 0.1, 0.1), axis=1).reshape(
            image.shape
        )
        away &= distance > 1.0
    off = (found - expected)[away]
    assert abs(off.mean()) < 2
    assert np.abs(off).max() < 5
    assert image[~away].mean() - expected[~away].mean() > 3


def test_saturated_voxels_do_not_count_and_holes_do_not_hurt():
    image = np.full(SHAPE, 30, np.float32)
    image[:, :, 40:] = 31
    of = spline(scale=1.0, level=30.0)

    # All of a half is saturated: the rest goes on.
    def settle(part, off, weight):
        weight *= image[part] < 31

    found = planes(of, first_background(image, of, np.ones_like, settle))
    np.testing.assert_allclose(found, 30, atol=0.05)


@pytest.mark.parametrize("spacing", [(50.0, 50.0, 50.0), (0.2, 50.0, 50.0), (50.0, 0.1, 0.1)])
@pytest.mark.parametrize("scale", [1e-3, 30.0])
def test_knots_are_not_nearer_than_what_they_could_tell(spacing, scale):
    background = SplineBackground((12, 50, 50), spacing, scale, 10.0)
    assert background.size <= 100


def test_a_large_image_has_a_bounded_number_of_knots():
    background = SplineBackground((3, 4000, 4000), (1.0, 1.0, 1.0), 30.0, 10.0)
    assert 1000 < background.size <= 2500


@given(seed=seeds)
def test_sums_are_over_all_voxels(seed):
    of = spline()
    values = np.random.default_rng(seed).random(SHAPE).astype(np.float32)
    # Of a constant, as the splines are smooth in the squares that voxels are summed over.
    np.testing.assert_allclose(of.sums(values).sum(), values.sum(), rtol=1e-4)
    design = of.design_at(points(SHAPE))[:, 0]
    expected = design.T @ values.ravel()
    np.testing.assert_allclose(of.sums(values), expected, atol=0.03 * expected.max())
