"""What voxels tell that were cut off at a lowest value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from napari_psf_distiller.joint.image.censoring import (
    Censoring,
    censored,
    normal_below_bound,
    score_variance,
)

below = st.floats(-30, 8)
deviations = st.floats(0.01, 100)


def log_likelihood(expected: float, bound: float, deviation: float) -> float:
    return float(stats.norm.logcdf((bound - expected) / deviation))


@given(below, deviations)
def test_residual_and_weight_are_the_derivatives_of_the_likelihood(off, deviation):
    bound, expected, step = off * deviation, 0.0, 1e-3 * deviation
    residual, weight = censored(np.array([bound - expected]), np.array([deviation**-2]))
    before, at, after = (log_likelihood(expected + s, bound, deviation) for s in (-step, 0.0, step))
    slope, bend = (after - before) / (2 * step), -(after - 2 * at + before) / step**2
    assert residual[0] * weight[0] * deviation == pytest.approx(slope * deviation, abs=1e-5)
    # The second difference of a logarithm loses digits where that is large.
    assert weight[0] * deviation**2 == pytest.approx(bend * deviation**2, abs=2e-4)


@given(st.floats(-1e3, 1e3), deviations)
def test_they_are_finite_and_pull_below_the_bound(off, deviation):
    residual, weight = censored(np.array([off]), np.array([deviation**-2]))
    assert np.isfinite(residual[0])
    assert 0 < weight[0] * deviation**2 <= 1 + 1e-9
    assert residual[0] <= 0


def test_far_above_the_bound_it_is_a_voxel_that_shows_the_bound():
    residual, weight = censored(np.array([-50.0]), np.array([0.25]))
    assert residual[0] == pytest.approx(-50, rel=0.01)
    assert weight[0] == pytest.approx(0.25, rel=0.01)


@given(st.floats(-6, 6), deviations)
def test_the_score_has_the_variance_that_is_stated(off, deviation):
    weight = np.array([deviation**-2])
    hazard, known = censored(np.array([off * deviation]), weight)
    score = float(hazard[0] * known[0] * deviation)
    seen, _ = integrate.quad(lambda z: z * z * stats.norm.pdf(z), off, max(off, 0) + 12)
    found = score_variance(np.array([off * deviation]), weight)[0]
    assert found == pytest.approx(seen + stats.norm.cdf(off) * score**2, abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_distribution_before_it_was_cut_off_is_found(share):
    rng = np.random.default_rng(3)
    mean, deviation = 20.0, 4.0
    bound = mean + deviation * stats.norm.ppf(share)
    values = np.sort(np.maximum(rng.normal(mean, deviation, 40_000), bound))
    # Some beads.
    values[-400:] += 200
    found = normal_below_bound(*np.unique(values, return_counts=True), bound, 0.0)
    assert found[0] == pytest.approx(mean, abs=0.08 * deviation)
    assert found[1] == pytest.approx(deviation, rel=0.12)


@pytest.mark.parametrize("deviation", [1.0, 4.0])
def test_it_is_found_where_values_are_rounded(deviation):
    rng = np.random.default_rng(4)
    values = np.maximum(np.round(rng.normal(-0.5, deviation, 40_000)), 0)
    found = normal_below_bound(*np.unique(values, return_counts=True), 0.5, 1.0)
    assert found == pytest.approx((-0.5, deviation), abs=0.05 * deviation)


@given(st.floats(-20, 20), st.floats(0.5, 10))
def test_what_is_shown_is_the_mean_of_voxels_cut_off(expected, deviation):
    cut = Censoring(lowest=0.0, bound=0.5, share=0.5)
    shown = cut.mean_of(np.array([expected]), np.array([deviation**2]))[0]
    density = stats.norm(expected, deviation)
    mean, _ = integrate.quad(
        lambda v: v * density.pdf(v), 0.5, 0.5 + abs(expected) + 12 * deviation
    )
    assert shown == pytest.approx(mean, abs=1e-4 * deviation + 1e-6)
