"""Conjugate gradients: they solve, they count their gains, they end in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.model.conjugate_gradients import conjugate_gradients


def system(size: int, seed: int):
    """A symmetric, positive definite matrix whose condition is some ten thousand, and a vector."""
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.standard_normal((size, size)))[0]
    matrix = (vectors * np.geomspace(1e-2, 1e2, size)) @ vectors.T
    return matrix, rng.standard_normal(size)


def descended(matrix, target, *, inverse=None, most=1000, relative=0.0, least=0.0, enough=0.0):
    inverse = np.diag(1 / np.diag(matrix)) if inverse is None else inverse
    iterations = conjugate_gradients(
        lambda vector: matrix @ vector,
        lambda vector: inverse @ vector,
        target,
        max_iterations=most,
        relative_gain=relative,
        least_gain=least,
        worthwhile_gain=enough,
    )
    return [(step.copy(), gain) for step, gain in iterations]


@given(st.integers(1, 12), st.integers(0, 1000))
def test_it_solves_and_counts_what_it_gains(size, seed):
    matrix, target = system(size, seed)
    found = descended(matrix, target, least=1e-12)
    solution = np.linalg.solve(matrix, target)
    np.testing.assert_allclose(found[-1][0], solution, rtol=1e-3, atol=1e-4 * abs(solution).max())
    # The quadratic form's least value is minus half of this product.
    assert sum(gain for _, gain in found) == pytest.approx(target @ solution / 2, rel=1e-6)
    assert all(gain > 0 for _, gain in found)


def test_the_inverse_needs_one_iteration():
    matrix, target = system(9, 3)
    [(step, _)] = descended(matrix, target, inverse=np.linalg.inv(matrix), relative=1e-9)
    np.testing.assert_allclose(matrix @ step, target)


@pytest.mark.parametrize("ends", [{"relative": 0.003}, {"least": 0.5}])
def test_it_ends_where_little_is_left(ends):
    matrix, target = system(12, 5)
    # Within some 30 % of the inverse: what it expects is about what is left.
    root = np.linalg.cholesky(np.linalg.inv(matrix))
    inverse = root @ np.diag(np.linspace(0.7, 1.3, 12)) @ root.T
    every = [gain for _, gain in descended(matrix, target, inverse=inverse, least=1e-12)]
    few = [gain for _, gain in descended(matrix, target, inverse=inverse, **ends)]
    assert 0 < len(few) < len(every)
    assert few == every[: len(few)]
    bound = ends["least"] if "least" in ends else ends["relative"] * sum(few)
    assert sum(every[len(few) :]) < 2 * bound
    assert sum(every[len(few) - 1 :]) > bound


def test_it_does_not_begin_where_little_is_to_gain():
    matrix, target = system(6, 1)
    there = float(target @ np.linalg.solve(matrix, target)) / 2
    inverse = np.linalg.inv(matrix)
    assert descended(matrix, target, inverse=inverse, enough=1.01 * there) == []
    assert descended(matrix, target, inverse=inverse, enough=0.99 * there) != []


def test_it_takes_no_more_iterations_than_allowed():
    matrix, target = system(12, 2)
    assert len(descended(matrix, target, most=3)) == 3
