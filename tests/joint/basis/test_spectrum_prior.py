"""What is expected of a PSF's coefficients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import FLAT_WINDOW, WINDOW, basis_of, relative_l2, true_coefficients

from napari_psf_distiller.joint.basis.spectrum_prior import (
    VARIANCE_FLOOR_RATIO,
    expected_spectrum,
    floored_variances,
    prior_precision,
    prior_times,
)

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("window", [WINDOW, FLAT_WINDOW], ids=["3D", "2D"])
@pytest.mark.parametrize("orders", [(0,), (0, 2)])
def test_the_spectrum_has_the_psfs_power(window, orders):
    basis = basis_of(window, orders)
    coefficients = true_coefficients(basis)
    coefficients[basis.sizes[0] :] = 0.01 * np.abs(coefficients).max()
    power = expected_spectrum(basis, coefficients)
    expected = (coefficients**2).sum()
    assert np.trace(basis.covariance(power, 0)) == pytest.approx(expected)
    # What is even along z and what is odd are alike.
    np.testing.assert_allclose(power, power[::-1])
    np.testing.assert_allclose(expected_spectrum(basis, 3 * coefficients), 9 * power)


@given(seed=seeds)
def test_the_precision_is_the_inverse_of_what_is_expected(seed):
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((6, 6)) + 3 * np.eye(6)
    covariance = factor @ factor.T
    found = prior_precision(covariance)
    np.testing.assert_allclose(found, found.T, atol=1e-9 * np.abs(found).max())
    held = VARIANCE_FLOOR_RATIO * np.abs(covariance).sum(axis=1).max()
    np.testing.assert_allclose(found @ (covariance + held * np.eye(6)), np.eye(6), atol=1e-8)
    variances = rng.uniform(0.1, 10, 5)
    np.testing.assert_allclose(1 / floored_variances(variances), 1 / variances)


def test_what_is_not_expected_is_held_at_0_all_but():
    assert list(1 / floored_variances(np.array([2.0, 1e-6, 0.0]))) == pytest.approx(
        [0.5, 1 / (2 * VARIANCE_FLOOR_RATIO), 1 / (2 * VARIANCE_FLOOR_RATIO)]
    )
    found = prior_precision(np.diag([2.0, 1.0, 0.0]))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.diagonal()[:2], [0.5, 1], rtol=1e-3)
    assert found[2, 2] == pytest.approx(1 / (2 * VARIANCE_FLOOR_RATIO))


@given(seed=seeds)
def test_times_a_psfs_coefficients(seed):
    rng = np.random.default_rng(seed)
    matrix, variances = rng.standard_normal((3, 3)), rng.uniform(1, 2, 2)
    parts = [rng.standard_normal(size) for size in (3, 2, 4)]
    found = prior_times([matrix, variances, None], parts)
    expected = np.concatenate([matrix @ parts[0], variances * parts[1], np.zeros(4)])
    assert relative_l2(found, expected) < 1e-12
