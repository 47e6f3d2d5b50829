"""How likely a model makes an image: Poisson's formula in double precision, on every engine."""

import dataclasses

import numpy as np
import pytest
from problems import BOUNDARIES, Exact, asymmetric_psf, dense, poisson

from napari_psf_distiller.compute.engine import HeldOut
from napari_psf_distiller.compute.likelihood import Sums, Yardstick
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of

PSF = asymmetric_psf((3, 7, 5))
IMAGE = dense((8, 21, 24), PSF)


def problem_with(model: Model, engine, held_out: bool = True):
    """A problem, and the model of its image in double precision, at the start."""
    rng = np.random.default_rng(0)
    # As `split_counts` makes it: some of it is negative.
    other = HeldOut((0.1 * IMAGE + rng.normal(0, 0.5, IMAGE.shape)).astype(np.float32), 1 / 9, 1e-5)
    problem = problem_of(IMAGE, PSF, model, engine, other if held_out else None)
    solver = engine.solver(problem)
    start = solver.estimate()
    found = solver.project(likelihood=True)
    solver.close()
    return problem, start.astype(float), found


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("background", [0.0, 3.0, "array"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_likelihoods_are_those_of_double_precision(engine, boundary, background, masked):
    rng = np.random.default_rng(1)
    if background == "array":
        background = rng.uniform(0, 9, IMAGE.shape).astype(np.float32)
    mask = rng.random(IMAGE.shape) < 0.8 if masked else None
    model = Model(boundary, start="image", background=background, mask=mask)
    problem, start, found = problem_with(model, engine)
    # The image is the start; what lies beyond it is its other side, or dark.
    exact = Exact(IMAGE, PSF, boundary)
    canvas = np.zeros(exact.shape)
    canvas[exact.inside] = start
    light = exact.forward(canvas) + background
    counts = np.ones(IMAGE.shape, bool) if mask is None else mask
    scale = 1.0
    if isinstance(background, float) and background == 0:
        # Without a background at the best scale.
        scale = IMAGE[counts].sum(dtype=float) / light[counts].sum()
    light = light * scale
    assert found.image == pytest.approx(poisson(IMAGE, light, counts), rel=1e-6)
    best = poisson(IMAGE, np.maximum(IMAGE, 1e-30), counts)
    assert found.divergence == pytest.approx(best - found.image, rel=1e-4)
    held_out = problem.held_out.image.astype(float)
    told = np.maximum(light, 1e-5 * scale) / 9
    expected = (held_out[counts] * np.log(told[counts])).sum() - light[counts].sum() / 9
    assert found.held_out == pytest.approx(expected, rel=1e-5)


def test_without_held_out_light_there_is_no_likelihood_of_it(engine):
    _, _, found = problem_with(Model("circulant"), engine, held_out=False)
    assert found.held_out is None


def test_the_likelihood_is_told_only_if_asked(engine):
    solver = engine.solver(problem_of(IMAGE, PSF, Model(), engine))
    assert solver.project() is None
    solver.close()


@pytest.mark.parametrize("factor", [1e-3, 0.5, 7.0])
def test_the_models_scale_does_not_matter(one_of_each, factor):
    _, start, expected = problem_with(Model("circulant"), one_of_each)
    problem = problem_of(IMAGE, PSF, Model("circulant"), one_of_each)
    start = np.float32(factor) * problem.start
    solver = one_of_each.solver(dataclasses.replace(problem, start=start))
    found = solver.project(likelihood=True)
    solver.close()
    assert found.image == pytest.approx(expected.image, rel=1e-6)


def test_what_is_dark_in_image_and_model_is_no_trouble(engine):
    image = np.zeros((12, 14), np.float32)
    image[3, 4] = 50
    problem = problem_of(image, asymmetric_psf((3, 3)), Model("circulant"), engine)
    solver = engine.solver(problem)
    found = solver.project(likelihood=True)
    solver.close()
    exact = Exact(image, asymmetric_psf((3, 3)), "circulant")
    assert found.image == pytest.approx(poisson(image, exact.forward(image)), rel=1e-5)


def test_a_masked_voxel_may_be_anything(host):
    mask = np.ones(IMAGE.shape, bool)
    mask[2, 3, 4] = False
    image = IMAGE.copy()
    image[2, 3, 4] = 1e9
    model = Model("noncirculant", mask=mask)
    found = [
        Yardstick(problem_of(i, PSF, model, host)).likelihoods(Sums(5.0, 1000.0, 0.0))
        for i in (IMAGE, image)
    ]
    assert found[0] == found[1]
