"""Accelerated Richardson-Lucy: far sooner there, never behind the plain one, never NaN."""

import importlib

import numpy as np
import pytest
from problems import (
    BOUNDARIES,
    asymmetric_psf,
    dense,
    points,
    poisson,
    random_problem,
    relative_l2,
    run,
    whole_grid,
)

from napari_psf_distiller import Progress
from napari_psf_distiller.compute import Engine
from napari_psf_distiller.compute.grid import wrapped_psf
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate, richardson_lucy
from napari_psf_distiller.progress import finish

# The package exports a function of the module's name.
module = importlib.import_module("napari_psf_distiller.deconvolution.richardson_lucy")

SHAPE, PSF = (8, 32, 36), asymmetric_psf((5, 9, 9))
IMAGES = {
    "points": lambda: points(SHAPE, PSF),
    "dense": lambda: dense(SHAPE, PSF),
    "few photons": lambda: dense(SHAPE, PSF, light=0.02, background=0.1),
    "bright points": lambda: points((48, 50), asymmetric_psf((11, 9)), light=100),
}


def psf_of(image) -> np.ndarray:
    return PSF if image.ndim == 3 else asymmetric_psf((11, 9))


def plain_curve(image, model: Model, iterations: int, engine: Engine) -> list[float]:
    """Return the likelihoods of the start and after each iteration."""
    solver = engine.solver(problem_of(image, psf_of(image), model, engine))
    curve = []
    for _ in range(iterations + 1):
        curve.append(solver.project(likelihood=True).image)
        solver.update()
    solver.close()
    return curve


def accelerated_curve(image, model: Model, iterations: int, engine: Engine) -> list[float]:
    problem = problem_of(image, psf_of(image), model, engine)
    return [found.image for _, found, _ in iterate(problem, engine, iterations + 1, "accelerated")]


def models(boundary: str) -> tuple[Model, Model]:
    return Model(boundary), Model(boundary, "accelerated")


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image", IMAGES)
def test_25_iterations_are_worth_200(one_of_each, image, boundary):
    plain, accelerated = models(boundary)
    image = IMAGES[image]()
    expected = plain_curve(image, plain, 200, one_of_each)
    found = accelerated_curve(image, accelerated, 25, one_of_each)
    assert found[25] >= expected[200] > expected[25]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("image", IMAGES)
def test_it_is_never_behind_the_plain_one(host, image, boundary, seed):
    plain, accelerated = models(boundary)
    image = np.rot90(IMAGES[image](), seed, axes=(-2, -1)).copy()
    expected = plain_curve(image, plain, 60, host)
    found = accelerated_curve(image, accelerated, 60, host)
    slack = 1e-6 * abs(np.array(expected))
    assert (np.array(found) >= np.array(expected) - slack).all()
    assert found[20] > expected[20]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image", IMAGES)
def test_its_estimate_is_as_likely_as_it_says(host, image, boundary):
    # Double precision, Poisson's own formula: the estimate after 25 of one and 200 of the other.
    image = IMAGES[image]()
    told = []
    for iterations, model in zip((200, 25), models(boundary), strict=True):
        problem = whole_grid(image, psf_of(image), model, host)
        for iteration, _, solver in iterate(problem, host, iterations, model.method):
            if iteration == iterations:
                estimate = solver.estimate().astype(float)
        otf = np.fft.fftn(wrapped_psf(problem).astype(float))
        light = np.fft.ifftn(np.fft.fftn(estimate) * otf).real
        light = np.maximum(light[tuple(slice(n) for n in problem.image.shape)], 1e-12)
        told.append(poisson(problem.image, light * problem.image.sum(dtype=float) / light.sum()))
    assert told[1] >= told[0] - 1e-7 * abs(told[0])


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image", IMAGES)
def test_300_iterations_stay_finite_and_rise(one_of_each, image, boundary):
    image = IMAGES[image]()
    seen: list[Progress] = []
    model = Model(boundary, "accelerated")
    result = finish(richardson_lucy(image, psf_of(image), 300, model, one_of_each), seen.append)
    assert np.isfinite(result).all()
    assert result.min() >= 0
    curve = np.array([progress.log_likelihood for progress in seen])
    assert np.isfinite(curve).all()
    # Rounding of a model where little light is seen may take back a little.
    assert curve[-1] >= curve.max() - 1e-4 * np.ptp(curve)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_300_iterations_of_random_images_stay_finite(host, boundary):
    for seed in range(10):
        for shape in ((7, 8), (8, 9, 10), (1, 12, 14)):
            image, psf = random_problem(shape, seed)
            result = run(image, psf, 300, Model(boundary, "accelerated"), host)
            assert np.isfinite(result).all()
            assert result.min() >= 0


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image", ["points", "dense"])
def test_it_goes_where_the_plain_one_goes(host, image, boundary):
    plain, accelerated = models(boundary)
    image = IMAGES[image]()
    psf = psf_of(image)
    far = run(image, psf, 200, plain, host)
    near = [relative_l2(run(image, psf, n, plain, host), far) for n in (20, 100)]
    assert relative_l2(run(image, psf, 20, accelerated, host), far) < near[0]


class Backward:
    """An engine that counts the updates that are undone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.undone = 0

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def solver(self, problem):
        solver = self._engine.solver(problem)
        back = solver.back

        def counted() -> None:
            self.undone += 1
            back()

        solver.back = counted
        return solver


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image", IMAGES)
def test_a_step_too_far_is_taken_back(monkeypatch, one_of_each, image, boundary):
    plain, accelerated = models(boundary)
    image = IMAGES[image]()
    proper = module._nu_method

    # All that a step may be longer.
    def overshoot(k: int) -> tuple[float, float]:
        return (1000.0, 0.0) if k == 15 else proper(k)

    monkeypatch.setattr(module, "_nu_method", overshoot)
    engine = Backward(one_of_each)
    found = accelerated_curve(image, accelerated, 25, engine)
    assert engine.undone >= 1
    expected = plain_curve(image, plain, 25, one_of_each)
    assert found[25] >= expected[25]
    # What it shows is what it went on from: no step too far among it.
    assert np.diff(found).min() >= -0.02 * (max(found) - min(found))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("image", IMAGES)
def test_where_every_step_is_too_far_the_plain_ones_remain(monkeypatch, host, image, boundary):
    plain, accelerated = models(boundary)
    image = IMAGES[image]()
    monkeypatch.setattr(module, "_nu_method", lambda k: (1000.0, 0.0))
    engine = Backward(host)
    found = accelerated_curve(image, accelerated, 40, engine)
    assert engine.undone >= 1
    # Every other step is a plain one.
    expected = plain_curve(image, plain, 20, host)
    assert found[40] >= expected[20] - 1e-6 * abs(expected[20])


def test_the_plain_one_has_no_momentum(monkeypatch, host):
    def fail(k: int) -> tuple[float, float]:
        raise AssertionError("asked for")

    monkeypatch.setattr(module, "_nu_method", fail)
    image = IMAGES["points"]()
    run(image, PSF, 5, "circulant", host)


def test_its_last_step_is_a_plain_one(monkeypatch, host):
    # So the result cannot have gone too far: a plain step never does.
    monkeypatch.setattr(module, "_nu_method", lambda k: (1000.0, 0.0) if k == 5 else (0.0, 0.0))
    image = IMAGES["dense"]()
    plain, accelerated = models("circulant")
    expected = run(image, PSF, 5, plain, host)
    assert relative_l2(run(image, PSF, 5, accelerated, host), expected) <= 1e-5
    steps = richardson_lucy(image, PSF, 6, accelerated, host, preview_every=5)
    seen: list[Progress] = []
    # In a longer run the fifth is one too far; the sixth is the fifth again, and plain.
    result = finish(steps, seen.append)
    assert relative_l2(seen[4].preview, expected) > 1e-2
    assert relative_l2(result, expected) <= 1e-5
