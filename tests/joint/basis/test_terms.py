"""Terms of a PSF: combinations of functions, and which of them are expected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import relative_l2, seeds
from scipy import special

from napari_psf_distiller.joint.basis.terms import PRODUCTS_PER_COMBINATION, Term, products

# Planes, rings, waves and functions of the plane.
SIZES = [(9, 20, 13, 12), (1, 15, 1, 10), (7, 30, 9, 25)]


def functions(planes: int, rings: int, waves: int, radial: int, order: int = 2):
    """Return waves along z, Bessel functions, and how many pixels a ring has."""
    z = np.arange(planes) - planes // 2
    frequencies = np.linspace(-0.3, 0.3, waves) if waves > 1 else np.zeros(1)
    phase = 2 * np.pi * z[:, None] * frequencies - np.where(frequencies < 0, np.pi / 2, 0)
    radii = 0.7 * np.arange(rings)
    bessel = special.jv(order, 2 * np.pi * radii[:, None] * np.linspace(0, 0.4, radial))
    return np.cos(phase), bessel, np.maximum(2 * np.pi * radii, 1)


def envelope_of(planes: int, rings: int, seed: int = 0):
    """Return one that falls off, unevenly."""
    rng = np.random.default_rng(seed)
    z, r = np.arange(planes)[:, None] - planes // 2, np.arange(rings)
    smooth = np.exp(-((z / (0.2 * planes + 1)) ** 2) - (r / (0.2 * rings)) ** 2)
    return smooth * rng.uniform(0.3, 3, (planes, rings)) ** 2


def even(envelope):
    """Return the mean of an envelope and its mirror image along z."""
    return (envelope + envelope[::-1]) / 2


def term(size, envelope=None, most: int = 300) -> Term:
    waves, bessel, weights = functions(*size)
    return Term(waves, bessel, weights, envelope, most)


def values_of(of: Term):
    """Return what each coefficient adds, (planes * rings, size), and the rings' pixels."""
    each = [
        (of.axial_values @ of.expanded(unit) @ of.ring_values.T).ravel() for unit in np.eye(of.size)
    ]
    return np.stack(each, axis=1)


def both(size, seed: int = 0, most: int = 40):
    return [term(size), term(size, envelope_of(size[0], size[1], seed), most)]


@pytest.mark.parametrize("size", SIZES)
def test_combinations_are_orthonormal(size):
    pixels = np.tile(functions(*size)[2], size[0])[:, None]
    for of in both(size):
        values = values_of(of)
        np.testing.assert_allclose(values.T @ (pixels * values), np.eye(of.size), atol=1e-8)


@given(size=st.sampled_from(SIZES), seed=seeds, most=st.integers(1, 60))
def test_what_is_expected_is_the_variance_within_the_envelope(size, seed, most):
    envelope = envelope_of(size[0], size[1], seed)
    of = term(size, envelope, most)
    assert of.size == len(of.prior_variances) <= most
    assert (np.diff(of.prior_variances) <= 0).all()
    assert of.prior_variances[-1] > 0
    values = values_of(of)
    inside = (even(envelope) * functions(*size)[2]).ravel()[:, None]
    # They are independent.
    found = values.T @ (inside * values)
    np.testing.assert_allclose(
        found, np.diag(of.prior_variances), atol=1e-9 * of.prior_variances[0]
    )


@given(size=st.sampled_from(SIZES), seed=seeds)
def test_the_strongest_combinations_are_kept(size, seed):
    envelope = envelope_of(size[0], size[1], seed)
    every = term(size)
    strongest = np.linalg.eigvalsh(every.products(even(envelope) * functions(*size)[2]))[::-1]
    most = 30
    found = term(size, envelope, most).prior_variances
    # Less than all of it, as they are looked for among few products.
    # Eigenvalues are known to some rounding errors of the largest one.
    assert (found <= strongest[: len(found)] + 1e-12 * strongest[0]).all()
    assert found.sum() >= 0.95 * strongest[:most].sum()
    # Among all of them they are the same.
    found = term(size, envelope, 10**4).prior_variances
    assert round(PRODUCTS_PER_COMBINATION * 10**4) > every.size
    np.testing.assert_allclose(found, strongest[: len(found)], atol=1e-9 * strongest[0])


@given(size=st.sampled_from(SIZES), seed=seeds)
def test_combinations_are_even_or_odd_along_z(size, seed):
    of = term(size, envelope_of(size[0], size[1], seed), 40)
    values = values_of(of).reshape(*size[:2], of.size)
    signs = np.where(of.odd, -1, 1)
    np.testing.assert_allclose(values[::-1], signs * values, atol=1e-8)
    assert of.odd.any() == (size[0] > 1)


@given(size=st.sampled_from(SIZES), seed=seeds)
def test_the_variance_is_that_of_the_values(size, seed):
    rng = np.random.default_rng(seed)
    for of in both(size, seed):
        factor = rng.standard_normal((of.size, 5))
        found = of.variance(functions(*size)[0], factor)
        expected = ((values_of(of) @ factor) ** 2).sum(axis=1).reshape(size[:2])
        np.testing.assert_allclose(found, expected, atol=1e-9 * expected.max())


@pytest.mark.parametrize("size", SIZES)
def test_without_an_envelope_all_are_kept(size):
    of, few = both(size, most=5)
    assert of.prior_variances is None
    assert of.odd is None
    assert of.size == of.axial.shape[1] * of.lateral.shape[1]
    assert few.size == 5


@given(size=st.sampled_from(SIZES), seed=seeds)
def test_expanded_and_reduced_are_adjoint(size, seed):
    rng = np.random.default_rng(seed)
    for of in both(size, seed):
        coefficients = rng.standard_normal(of.size)
        matrices = rng.standard_normal((3, *of.expanded(coefficients).shape))
        found = of.reduced(matrices)
        assert found.shape == (3, of.size)
        expected = [np.vdot(of.expanded(coefficients), matrix) for matrix in matrices]
        np.testing.assert_allclose(found @ coefficients, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(of.reduced(matrices[1]), found[1])


@given(size=st.sampled_from(SIZES), seed=seeds)
def test_a_congruent_matrix_has_the_same_squares(size, seed):
    rng = np.random.default_rng(seed)
    for of in both(size, seed):
        coefficients = rng.standard_normal(of.size)
        expanded = of.expanded(coefficients).ravel()
        matrix = rng.standard_normal((len(expanded),) * 2)
        found = coefficients @ of.congruent(matrix) @ coefficients
        scale = np.abs(expanded) @ np.abs(matrix) @ np.abs(expanded)
        assert found == pytest.approx(expanded @ matrix @ expanded, abs=1e-9 * scale)


@pytest.mark.parametrize("size", SIZES)
def test_covariance_is_that_of_the_functions(size):
    waves, bessel, weights = functions(*size)
    power = np.random.default_rng(1).uniform(0, 1, (waves.shape[1], bessel.shape[1]))
    each = np.einsum("zf,rk->zrfk", waves, bessel).reshape(-1, power.size)
    pixels = np.tile(weights, size[0])[:, None]
    for of in both(size):
        projected = values_of(of).T @ (pixels * each)
        expected = (projected * power.ravel()) @ projected.T
        assert relative_l2(of.covariance(power), expected) <= 1e-9


@given(seed=seeds)
def test_products_are_sums_over_planes_and_rings(seed):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((4, 5))
    one, other = ((rng.standard_normal((4, 2)), rng.standard_normal((5, 3))) for _ in range(2))
    left, right = (np.einsum("za,rb->zrab", *pair).reshape(20, 6) for pair in (one, other))
    expected = left.T @ (weights.ravel()[:, None] * right)
    np.testing.assert_allclose(products(weights, one, other), expected, atol=1e-12)
