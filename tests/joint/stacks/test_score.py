"""Whether a gradient is more than noise makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.stacks.score import score_test

# Of the unknowns of two blocks: what an image tells of them, and how large changes are.
SIZES = (30, 12)


def problem(seed, change=0.0, told=4e4):
    """Return what `score_test` takes, of a change as expected times a factor."""
    rng = np.random.default_rng(seed)
    spectra = [np.exp(-np.arange(n) / 6) for n in SIZES]
    total = sum(float((spectrum**2).sum()) for spectrum in spectra)
    expected = [np.diag(spectrum**2) / total for spectrum in spectra]
    mixed = [rng.normal(size=(n, 2 * n)) for n in SIZES]
    information = [told * one @ one.T / one.shape[1] for one in mixed]
    changes = [rng.multivariate_normal(np.zeros(len(one)), one) * change for one in expected]
    gradients = [
        block @ own + np.linalg.cholesky(block) @ rng.normal(size=len(own))
        for block, own in zip(information, changes, strict=True)
    ]
    allowed = [rng.normal(size=(n, 3)) for n in SIZES]
    return gradients, information, expected, allowed, changes


@given(st.integers(0, 2**31))
def test_noise_is_not_significant(seed):
    assert abs(score_test(*problem(seed)[:4]).significance) < 6


def test_the_significance_of_noise_has_the_mean_0_and_the_deviation_1():
    found = [score_test(*problem(seed)[:4]).significance for seed in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=0.15)
    assert np.std(found) == pytest.approx(1, abs=0.15)


def test_changes_that_are_allowed_do_not_count():
    gradients, information, expected, allowed, _ = problem(1)
    moved = [
        gradient + 3 * block @ own @ [1.0, -2.0, 0.5]
        for gradient, block, own in zip(gradients, information, allowed, strict=True)
    ]
    one, other = (
        score_test(values, information, expected, allowed) for values in (gradients, moved)
    )
    assert one.significance == pytest.approx(other.significance, abs=1e-6)
    assert one.change == pytest.approx(other.change, abs=1e-6)


def test_a_change_is_told_as_surely_as_was_said():
    said = score_test(*problem(0)[:4]).deviations_per_square
    found = [score_test(*problem(seed, 0.1)[:4]).significance for seed in range(200)]
    assert np.mean(found) == pytest.approx(0.1**2 * said, rel=0.3)


def test_the_change_has_its_size():
    found = [score_test(*problem(seed, 0.2, told=4e6)[:4]).change for seed in range(50)]
    assert np.mean(found) == pytest.approx(0.2, rel=0.2)


def test_where_nothing_is_told_nothing_changed():
    gradients, information, expected, allowed, _ = problem(1)
    nothing = [np.zeros_like(block) for block in information]
    found = score_test([0 * one for one in gradients], nothing, expected, allowed)
    assert found.change == 0
    assert np.isnan(found.significance) or abs(found.significance) < 1e-3
