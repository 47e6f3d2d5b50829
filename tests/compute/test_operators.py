"""What must hold for a Richardson-Lucy step, on every engine: adjointness, positivity, light."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import (
    BOUNDARIES,
    Exact,
    asymmetric_psf,
    dense,
    points,
    random_problem,
    relative_l2,
    run,
    seeds,
    smooth_shapes,
    whole_grid,
)

from napari_psf_distiller.compute.engine import Problem
from napari_psf_distiller.compute.grid import seen_light, wrapped_psf
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.richardson_lucy import iterate

shapes = st.sampled_from([(8, 9, 10), (1, 11, 14), (7, 8), (15, 16), (5, 13, 6)])
psf_shapes = st.sampled_from([(3, 5, 4), (4, 3, 7), (1, 1, 2), (9, 9, 9)])
boundaries = st.sampled_from(BOUNDARIES)

# So little that it changes no sum; with a background the model is taken as it is, at its own scale.
NEXT_TO_NOTHING = 1e-30


def bare(shape, psf_shape, boundary, seed, engine) -> Problem:
    """A problem on a grid, with a random PSF, that does not divide by the light that is seen."""
    rng = np.random.default_rng(seed)
    psf = rng.gamma(0.5, 1, psf_shape[-len(shape) :]) + 1e-6
    problem = whole_grid(np.ones(shape), psf, boundary, engine)
    return dataclasses.replace(problem, normalised=False)


def backward(problem: Problem, image, engine) -> np.ndarray:
    """Return the correlation of an image with the PSF.

    From an even estimate of 1 whose image is 1 as well, a step leads there.
    """
    solver = engine.solver(dataclasses.replace(problem, image=image, start=1.0))
    try:
        solver.project()
        solver.update()
        return solver.estimate().astype(float)
    finally:
        solver.close()


def forward_sum(problem: Problem, estimate, where, engine) -> float:
    """Return the sum, over some voxels, of an estimate's image.

    It is the divergence from darkness, of the voxels that count.
    """
    solver = engine.solver(
        dataclasses.replace(
            problem,
            image=np.zeros_like(problem.image),
            start=estimate,
            background=NEXT_TO_NOTHING,
            mask=where,
        )
    )
    try:
        return solver.project(likelihood=True).divergence
    finally:
        solver.close()


@given(shapes, psf_shapes, boundaries, seeds)
def test_correlation_is_the_adjoint_of_convolution(one_of_each, shape, psf_shape, boundary, seed):
    problem = bare(shape, psf_shape, boundary, seed, one_of_each)
    rng = np.random.default_rng(seed + 1)
    estimate = rng.gamma(0.3, 100, problem.grid).astype(np.float32)
    where = rng.random(problem.image.shape) < 0.5
    where[0, 0, 0] = True
    found = forward_sum(problem, estimate, where, one_of_each)
    expected = (estimate * backward(problem, where.astype(np.float32), one_of_each)).sum()
    # Every term is positive: rounding is the only difference.
    assert found == pytest.approx(expected, rel=1e-5)


@given(shapes, psf_shapes, boundaries, seeds)
def test_correlation_is_the_fouriers(one_of_each, shape, psf_shape, boundary, seed):
    # That the two belong together is not enough: they could be mirrored both.
    problem = bare(shape, psf_shape, boundary, seed, one_of_each)
    image = np.random.default_rng(seed + 1).gamma(0.3, 100, problem.image.shape)
    box = np.zeros(problem.grid)
    box[tuple(slice(n) for n in image.shape)] = image
    otf = np.fft.fftn(wrapped_psf(problem).astype(float))
    expected = np.fft.ifftn(np.fft.fftn(box) * otf.conj()).real
    found = backward(problem, image.astype(np.float32), one_of_each)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6 * expected.max())


@given(shapes, psf_shapes, boundaries, seeds)
def test_one_step_is_that_of_double_precision(one_of_each, shape, psf_shape, boundary, seed):
    problem = bare(shape, psf_shape, boundary, seed, one_of_each)
    rng = np.random.default_rng(seed + 1)
    start = rng.gamma(1, 100, problem.grid).astype(np.float32)
    image = rng.gamma(0.3, 100, problem.image.shape).astype(np.float32)
    background = rng.uniform(0, 30, image.shape).astype(np.float32)
    mask = rng.random(image.shape) < 0.7
    otf = np.fft.fftn(wrapped_psf(problem).astype(float))
    inside = tuple(slice(n) for n in image.shape)
    model = np.fft.ifftn(np.fft.fftn(start) * otf).real[inside] + background
    box = np.zeros(problem.grid)
    box[inside] = np.where(mask, image / model, 0)
    expected = start * np.fft.ifftn(np.fft.fftn(box) * otf.conj()).real
    box[inside] = mask
    seen = np.fft.ifftn(np.fft.fftn(box) * otf.conj()).real
    clear = seen > 1e-4
    solver = one_of_each.solver(
        dataclasses.replace(
            problem, image=image, start=start, background=background, mask=mask, normalised=True
        )
    )
    solver.project()
    solver.update()
    found = solver.estimate()
    solver.close()
    np.testing.assert_allclose(
        (found * seen)[clear], expected[clear], rtol=2e-3, atol=1e-5 * expected.max()
    )


@given(smooth_shapes, seeds)
def test_circulant_keeps_the_light(one_of_each, shape, seed):
    image, psf = random_problem(shape, seed)
    problem = whole_grid(image, psf, "circulant", one_of_each)
    for _, _, solver in iterate(problem, one_of_each, 5, "plain"):
        light = solver.estimate().sum(dtype=np.float64)
        assert light == pytest.approx(image.sum(dtype=np.float64), rel=1e-4)


@given(smooth_shapes, seeds)
def test_noncirculant_keeps_the_light_that_can_be_seen(one_of_each, shape, seed):
    image, psf = random_problem(shape, seed)
    problem = whole_grid(image, psf, "noncirculant", one_of_each)
    normaliser = seen_light(problem).astype(float)
    for _, _, solver in iterate(problem, one_of_each, 5, "plain"):
        light = (solver.estimate() * normaliser).sum()
        assert light == pytest.approx(image.sum(dtype=np.float64), rel=1e-4)


@given(smooth_shapes, seeds, boundaries, st.sampled_from(["plain", "accelerated"]), st.booleans())
def test_the_estimate_is_never_negative(one_of_each, shape, seed, boundary, method, varied):
    image, psf = random_problem(shape, seed)
    weight = 0.02 if varied else 0.0
    background = np.full(shape, 2, np.float32) if varied else 0.0
    model = Model(boundary, method, total_variation=weight, background=background)
    result = run(image, psf, 10, model, one_of_each)
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() > 0


@given(smooth_shapes, seeds, boundaries, st.sampled_from(["image", "flat"]), st.booleans())
def test_the_likelihood_never_falls(one_of_each, shape, seed, boundary, start, background):
    # Richardson-Lucy is an expectation-maximisation algorithm.
    image, psf = random_problem(shape, seed)
    model = Model(boundary, start=start, background=3.0 if background else 0.0)
    problem = whole_grid(image, psf, model, one_of_each)
    solver = one_of_each.solver(problem)
    curve = []
    for _ in range(15):
        curve.append(solver.project(likelihood=True).image)
        solver.update()
    solver.close()
    # Each voxel's term is rounded to single precision.
    terms = problem.image * (1 + np.log(np.maximum(problem.image, 1)))
    assert np.diff(curve).min() >= -1e-6 * terms.sum()
    assert curve[-1] > curve[0]


@given(smooth_shapes, seeds, boundaries)
def test_every_engine_takes_the_same_steps(other_engine, host, shape, seed, boundary):
    image, psf = random_problem(shape, seed)
    expected = run(image, psf, 6, boundary, host)
    assert relative_l2(run(image, psf, 6, boundary, other_engine), expected) <= 1e-4


# An update and its undoing.


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image_of", [points, dense])
def test_back_undoes_an_accelerated_step(engine, boundary, image_of):
    psf = asymmetric_psf((5, 7, 6))
    problem = whole_grid(image_of((9, 20, 22), psf), psf, Model(boundary, "accelerated"), engine)
    solver = engine.solver(problem)
    for relaxation, momentum in ((0, 0), (0.5, 0.3)):
        solver.project()
        solver.update(relaxation, momentum)
    before, likelihoods = solver.estimate(), solver.project(likelihood=True)
    solver.update(0.9, 0.9)
    assert relative_l2(solver.estimate(), before) > 1e-3
    solver.back()
    after, again = solver.estimate(), solver.project(likelihood=True)
    lit = before > 1e-6 * before.max()
    np.testing.assert_allclose(after[lit], before[lit], rtol=1e-4)
    assert relative_l2(after, before) <= 1e-5
    assert again.image == pytest.approx(likelihoods.image, rel=1e-6)
    # The step is forgotten: the next one is a plain one, whatever the momentum.
    solver.update(0.0, 0.9)
    found = solver.estimate()
    solver.close()
    plain = engine.solver(dataclasses.replace(problem, start=before, momentum=False))
    plain.project()
    plain.update()
    assert relative_l2(found, plain.estimate()) <= 1e-4
    plain.close()


def test_back_needs_a_momentum(engine):
    problem = whole_grid(*random_problem((7, 8), 1), "circulant", engine)
    solver = engine.solver(problem)
    try:
        solver.project()
        solver.update()
        with pytest.raises(ValueError, match="Without a momentum"):
            solver.back()
    finally:
        solver.close()


@pytest.mark.parametrize(("relaxation", "momentum"), [(0.0, 0.0), (0.6, 0.0), (0.4, 0.8), (50, 0)])
def test_an_accelerated_step_is_the_longer_one(engine, relaxation, momentum):
    psf = asymmetric_psf((7, 6))
    image = dense((30, 32), psf)
    problem = whole_grid(image, psf, Model("circulant", "accelerated"), engine)
    exact = Exact(image, psf, "circulant")
    first = exact.estimate.copy()
    exact.step()
    second = exact.estimate.copy()
    solver = engine.solver(problem)
    solver.project()
    solver.update()
    found_second = solver.estimate()[0]
    solver.project()
    solver.update(relaxation, momentum)
    found = solver.estimate()[0]
    solver.close()
    if exact.inside:
        exact.step()
    lit = (image > 0) & (second > 1e-3) & (exact.estimate > 1e-3)
    assert lit.mean() > 0.9
    assert relative_l2(found_second[lit], second[lit]) <= 1e-5
    with np.errstate(divide="ignore", invalid="ignore"):
        plain, last = np.log(exact.estimate / second), np.log(second / first)
        more = np.clip(relaxation * plain + momentum * last, -np.log(5), np.log(5))
    expected = second * np.exp(plain + more)
    np.testing.assert_allclose(found[lit], expected[lit], rtol=1e-3, atol=1e-5 * image.max())


def test_a_closed_solver_may_be_closed_again(engine):
    solver = engine.solver(whole_grid(*random_problem((7, 8), 1), "noncirculant", engine))
    solver.project()
    solver.close()
    solver.close()


def test_the_problem_is_not_changed(engine):
    image, psf = random_problem((7, 8), 1)
    for boundary in BOUNDARIES:
        model = Model(boundary, "accelerated", background=np.ones_like(image), mask=image > 3)
        problem = whole_grid(image, psf, model, engine)
        arrays = {
            field.name: value
            for field in dataclasses.fields(problem)
            if isinstance(value := getattr(problem, field.name), np.ndarray)
        }
        before = {name: array.copy() for name, array in arrays.items()}
        for _ in iterate(problem, engine, 3, "accelerated"):
            pass
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, before[name])
