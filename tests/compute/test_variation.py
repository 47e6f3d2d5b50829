"""A PSF that changes over the grid, on every engine: its convolution, adjoint, light and memory."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import BOUNDARIES, relative_l2, run, seeds, whole_grid
from varying import random_mixture

from napari_psf_distiller.compute.engine import Problem, Variation
from napari_psf_distiller.compute.grid import LEAST_SEEN_CHANGING, normaliser_of
from napari_psf_distiller.deconvolution.model import Model

shapes = st.sampled_from([(8, 9, 10), (1, 11, 14), (7, 8), (5, 13, 6)])
psf_shapes = st.sampled_from([(3, 5, 4), (4, 3, 7), (1, 1, 2), (9, 9, 9)])
boundaries = st.sampled_from(BOUNDARIES)


def varying(shape, psf_shape, seed, engine, **model) -> Problem:
    """Return a problem with a random image and a random PSF that changes over it."""
    mean, variation = random_mixture(psf_shape[-len(shape) :], shape, seed)
    image = np.random.default_rng(seed + 1).gamma(0.3, 100, shape) + 1
    return whole_grid(image, mean, Model(variation=variation, **model), engine)


def psf_at(problem: Problem, plane: int, row: int, column: int) -> np.ndarray:
    """Return the PSF of a voxel of the grid."""
    weights = problem.variation.weights[:, row, column]
    if problem.variation.further_weights is not None:
        further = problem.variation.further_weights[:, :, row, column]
        weights = weights + further @ problem.variation.depths[:, plane]
    return problem.psf + np.tensordot(weights, problem.variation.kernels, axes=1)


def matrix(problem: Problem) -> np.ndarray:
    """Return (image's voxels, grid's): each voxel spread with the PSF of its place, one by one."""
    grid, finer = problem.grid, problem.finer
    inside = tuple(slice(n * f) for n, f in zip(problem.image.shape, finer, strict=True))
    places = [np.arange(m) - c for m, c in zip(problem.psf.shape, problem.centre, strict=True)]
    found = np.zeros((problem.image.size, int(np.prod(grid))))
    for number, voxel in enumerate(np.ndindex(*grid)):
        spread = np.zeros(grid)
        on = [(v + p) % g for v, p, g in zip(voxel, places, grid, strict=True)]
        np.add.at(spread, np.ix_(*on), psf_at(problem, *voxel))
        deep, down, across = (problem.image.shape[axis] for axis in range(3))
        seen = spread[inside].reshape(deep, finer[0], down, finer[1], across, finer[2])
        found[:, number] = seen[:, finer[0] // 2].sum(axis=(2, 4)).ravel()
    return found


def step(problem: Problem, engine) -> np.ndarray:
    solver = engine.solver(problem)
    try:
        solver.project()
        solver.update()
        return solver.estimate().astype(float)
    finally:
        solver.close()


@pytest.mark.parametrize("finer", [None, (1, 2, 2), (2, 1, 1)])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("masked", [False, True], ids=["all", "mask"])
def test_a_step_is_that_of_the_matrix(one_of_each, boundary, finer, masked):
    mask = np.random.default_rng(3).random((3, 6, 5)) < 0.7 if masked else None
    problem = varying(
        (3, 6, 5), (3, 4, 3), 5, one_of_each, boundary=boundary, finer=finer, mask=mask
    )
    start = np.random.default_rng(4).gamma(1, 100, problem.grid).astype(np.float32)
    problem = dataclasses.replace(problem, start=start)
    h = matrix(problem)
    counts = np.ones(problem.image.size) if problem.mask is None else problem.mask.ravel()
    ratio = np.where(counts, problem.image.ravel() / (h @ start.ravel().astype(float)), 0)
    seen = h.T @ counts
    expected = start.ravel() * (h.T @ ratio)
    divided = normaliser_of(problem)
    if divided is not None:
        lit = seen > LEAST_SEEN_CHANGING + 1e-5
        np.testing.assert_allclose(divided.ravel()[lit], seen[lit], rtol=1e-4)
        expected = expected / np.where(seen < LEAST_SEEN_CHANGING, 1, seen)
    found = step(problem, one_of_each).ravel()
    clear = np.abs(seen - LEAST_SEEN_CHANGING) > 1e-5
    np.testing.assert_allclose(
        found[clear], expected[clear], rtol=2e-3, atol=1e-4 * expected[clear].max()
    )


@given(shapes, psf_shapes, boundaries, seeds)
def test_the_way_back_is_the_adjoint(one_of_each, shape, psf_shape, boundary, seed):
    problem = varying(shape, psf_shape, seed, one_of_each, boundary=boundary)
    problem = dataclasses.replace(problem, normalised=False)
    rng = np.random.default_rng(seed + 2)
    estimate = rng.gamma(0.3, 100, problem.grid).astype(np.float32)
    where = rng.random(problem.image.shape) < 0.5
    where[0, 0, 0] = True
    darkness = dataclasses.replace(
        problem, image=np.zeros_like(problem.image), start=estimate, background=1e-30, mask=where
    )
    solver = one_of_each.solver(darkness)
    # The divergence from darkness is the light of the voxels that count.
    found = solver.project(likelihood=True).divergence
    solver.close()
    # From an even estimate of 1, whose image is not: the quotient is made 1 where it counts.
    ones = dataclasses.replace(problem, start=1.0)
    image = model_of_ones(ones)
    back = step(dataclasses.replace(ones, image=image * where), one_of_each)
    assert found == pytest.approx((estimate * back).sum(), rel=1e-4)


def model_of_ones(problem: Problem) -> np.ndarray:
    """Return the image of a grid that is 1 everywhere."""
    variation = problem.variation
    inside = tuple(slice(n) for n in problem.image.shape)
    total = np.zeros(problem.grid)
    all_weights = np.repeat(variation.weights[:, None], problem.grid[0], axis=1)
    if variation.further_weights is not None:
        all_weights += np.einsum("pz,kpyx->kzyx", variation.depths, variation.further_weights)
    for kernel, weights in zip(
        (problem.psf, *variation.kernels), (np.ones(problem.grid), *all_weights), strict=True
    ):
        otf = np.zeros(problem.grid)
        places = [
            (np.arange(m) - c) % g
            for m, c, g in zip(kernel.shape, problem.centre, problem.grid, strict=True)
        ]
        np.add.at(otf, np.ix_(*places), kernel)
        light = np.fft.fftn(weights) * np.fft.fftn(otf)
        total += np.fft.ifftn(light).real
    return total[inside].astype(np.float32)


@given(shapes, psf_shapes, seeds)
def test_where_the_psf_is_positive_so_is_the_model(one_of_each, shape, psf_shape, seed):
    problem = varying(shape, psf_shape, seed, one_of_each, boundary="noncirculant")
    # As deep in the dark as single precision goes in a sum with what is bright.
    start = np.random.default_rng(seed).gamma(0.3, 100, problem.grid).astype(np.float32) + 1
    solver = one_of_each.solver(dataclasses.replace(problem, start=start))
    assert np.isfinite(solver.project(likelihood=True).divergence)
    solver.update()
    assert (solver.estimate() >= 0).all()
    solver.close()
    assert (model_of_ones(problem) > 0).all()


def test_engines_agree(host, other_engine):
    mean, variation = random_mixture((3, 5, 5), (9, 20, 22), 7)
    image = np.random.default_rng(8).gamma(0.3, 100, (9, 20, 22)) + 1
    model = Model(method="accelerated", background=2.0, variation=variation)
    expected = run(image, mean, 12, model, host)
    assert relative_l2(run(image, mean, 12, model, other_engine), expected) < 1e-5


def test_kernels_without_weight_change_nothing(engine):
    problem = varying((5, 12, 13), (3, 5, 5), 8, engine, boundary="circulant")
    none = Variation(problem.variation.kernels, np.zeros_like(problem.variation.weights))
    expected = step(dataclasses.replace(problem, variation=None), engine)
    found = step(dataclasses.replace(problem, variation=none), engine)
    assert relative_l2(found, expected) < 1e-6
