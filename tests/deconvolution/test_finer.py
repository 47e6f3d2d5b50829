"""A result on finer voxels than the image's: against dense matrices, on each engine, in tiles."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import BOUNDARIES, Exact, asymmetric_psf, dense, poisson, relative_l2, run, seeds

from napari_psf_distiller.compute.grid import seen_light, seen_through
from napari_psf_distiller.compute.total_variation import total_variation_factor
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of, size_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate, richardson_lucy
from napari_psf_distiller.deconvolution.tiled import deconvolution
from napari_psf_distiller.progress import finish

# Shapes of images that a circulant grid does not pad, of PSFs, and factors.
cases = st.sampled_from(
    [
        ((9, 10), (5, 4), (2, 2)),
        ((7, 12), (6, 7), (3, 3)),
        ((8, 7), (3, 3), (2, 3)),
        ((5, 6, 7), (3, 5, 4), (1, 2, 2)),
        ((4, 5, 6), (4, 5, 5), (2, 2, 2)),
        ((5, 4, 5), (6, 3, 5), (3, 2, 2)),
        ((6, 8, 7), (5, 3, 4), (4, 1, 1)),
        ((1, 8, 9), (1, 4, 5), (1, 3, 3)),
    ]
)
boundaries = st.sampled_from(BOUNDARIES)


def example(shape, psf_shape, seed):
    """An image and a PSF at random, both different on each side."""
    rng = np.random.default_rng(seed)
    image = rng.poisson(rng.gamma(0.5, 40, shape)).astype(np.float32)
    image.flat[0] = 60
    return image, (rng.gamma(0.7, 1, psf_shape) * asymmetric_psf(psf_shape)).astype(np.float32)


# The update, on every engine.


@given(case=cases, seed=seeds, boundary=boundaries)
def test_it_is_the_dense_update(one_of_each, case, seed, boundary):
    shape, psf_shape, finer = case
    image, psf = example(shape, psf_shape, seed)
    model = Model(boundary, finer=finer)
    found = run(image, psf, 6, model, one_of_each)
    assert found.shape == tuple(n * f for n, f in zip(shape, finer, strict=True))
    expected = Exact(image, psf, boundary, finer=finer).result(6)
    assert relative_l2(found, expected) <= 2e-4


@given(case=cases, seed=seeds, boundary=boundaries)
def test_a_background_and_a_mask_are_the_images(one_of_each, case, seed, boundary):
    shape, psf_shape, finer = case
    image, psf = example(shape, psf_shape, seed)
    rng = np.random.default_rng(seed)
    background = rng.uniform(1, 4, shape).astype(np.float32)
    mask = rng.random(shape) < 0.8
    mask.flat[0] = True
    image += background
    model = Model(boundary, background=background, mask=mask, finer=finer)
    exact = Exact(image, psf, boundary, background=background, mask=mask, finer=finer)
    assert relative_l2(run(image, psf, 6, model, one_of_each), exact.result(6)) <= 2e-4


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("finer", [(1, 2, 2), (3, 2, 2), (2, 1, 1)])
def test_every_engine_gives_the_same_with_all_there_is(other_engine, host, finer, boundary):
    psf = asymmetric_psf((5, 7, 6))
    image = dense((6, 20, 22), psf, light=5)
    rng = np.random.default_rng(3)
    model = Model(
        boundary,
        "accelerated",
        total_variation=0.003,
        spacing=(2.0, 1.0, 1.0),
        background=rng.uniform(0, 2, image.shape).astype(np.float32),
        mask=rng.random(image.shape) < 0.95,
        finer=finer,
    )
    # With each iteration more of what rounding makes of a gradient that is hardly one comes back.
    expected = run(image, psf, 6, model, host)
    assert relative_l2(run(image, psf, 6, model, other_engine), expected) <= 2e-3


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_the_total_variation_is_the_results(host, method, boundary):
    image, psf = example((4, 10, 9), (3, 5, 5), 1)
    model = Model(boundary, method, total_variation=0.01, spacing=(3.0, 1.0, 1.0), finer=(1, 2, 2))
    problem = problem_of(image, psf, model, host)
    problem = dataclasses.replace(problem, region=tuple(slice(0, n) for n in problem.grid))
    rng = np.random.default_rng(0)
    start = rng.uniform(1, 2, problem.grid).astype(np.float32)
    problem = dataclasses.replace(problem, start=start)
    without = after_one(dataclasses.replace(problem, total_variation=0.0), host)
    factor = np.empty(problem.grid, np.float32)
    total_variation_factor(start, 0.01, factor, first=problem.origin, spacing=(3.0, 1.0, 1.0))
    np.testing.assert_allclose(after_one(problem, host), without * factor, rtol=1e-4, atol=1e-4)


def after_one(problem, engine) -> np.ndarray:
    """Return the estimate after one plain iteration."""
    running = iterate(problem, engine, 1, "plain")
    try:
        _, _, solver = next(running)
        return solver.estimate()
    finally:
        running.close()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_likelihood_is_the_images(one_of_each, boundary):
    finer = (2, 2, 2)
    image, psf = example((4, 8, 7), (3, 5, 4), 5)
    exact = Exact(image, psf, boundary, background=1.0, finer=finer)
    model = Model(boundary, background=1.0, finer=finer)
    told = []
    steps = richardson_lucy(image, psf, 3, model, one_of_each)
    finish(steps, lambda progress: told.append(progress.log_likelihood))
    assert told[0] == pytest.approx(poisson(image, exact.forward(exact.estimate)), rel=1e-5)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("finer", [(1, 1, 1), None])
def test_once_as_fine_is_bit_for_bit_what_it_was(one_of_each, finer, boundary):
    image, psf = example((5, 12, 13), (3, 6, 5), 2)
    expected = run(image, psf, 5, Model(boundary, "accelerated"), one_of_each)
    found = run(image, psf, 5, Model(boundary, "accelerated", finer=finer), one_of_each)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("finer", [(1, 2, 2), (3, 3, 3), (2, 2, 2)])
def test_the_light_is_the_images(host, finer, boundary):
    z, y, x = np.meshgrid(*(np.arange(n) - n // 2 for n in (13, 15, 15)), indexing="ij")
    psf = np.exp(-0.5 * ((z / 2) ** 2 + (y / 2.5) ** 2 + (x / 2.5) ** 2)).astype(np.float32)
    image = np.zeros((12, 20, 20), np.float32)
    coarse = psf[::2, ::2, ::2]
    image[3:10, 6:14, 6:14] = 1000 * coarse
    found = run(image, psf, 10, Model(boundary, "accelerated", finer=finer), host)
    assert found.sum() == pytest.approx(image.sum(), rel=5e-3)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("finer", [(1, 2, 2), (3, 2, 1), (2, 3, 3)])
def test_the_light_that_is_seen(host, finer, boundary):
    image, psf = example((4, 8, 7), (5, 5, 4), 3)
    problem = problem_of(image, psf, Model(boundary, finer=finer), host)
    # What a mask of all voxels gives, by way of transforms.
    masked = dataclasses.replace(problem, mask=np.ones(problem.image.shape, bool))
    np.testing.assert_allclose(seen_light(problem), seen_through(masked), rtol=2e-4, atol=2e-5)


# In tiles.


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("finer", [(2, 2), (3, 3)])
def test_tiles_do_not_show(host, finer, boundary):
    psf = asymmetric_psf((9, 9))
    image = dense((120, 130), psf, light=3)
    model = Model(boundary, finer=finer, background=1.0)
    whole = run(image, psf, 15, model, host)
    memory = int(0.4 * host.memory_needed(size_of(image.shape, psf.shape, model, host)).total)
    done = finish(deconvolution(image, psf, 15, model, host, memory=memory))
    assert done.device.endswith(" tiles")
    assert done.shape == whole.shape
    assert relative_l2(done.array, whole) <= 2e-3


def test_what_is_needed_counts_the_finer_voxels(host):
    model = Model(finer=(1, 2, 2))
    fine = host.memory_needed(size_of((10, 60, 60), (5, 9, 9), model, host)).total
    same = host.memory_needed(size_of((10, 120, 120), (5, 9, 9), Model(), host)).total
    assert fine == pytest.approx(same, rel=0.02)
