"""Richardson-Lucy: as clij2-fft does it, as double precision has it, the same on every engine."""

import dataclasses
import functools
import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import (
    BOUNDARIES,
    Exact,
    asymmetric_psf,
    delta,
    dense,
    points,
    poisson,
    random_problem,
    relative_l2,
    run,
    seeds,
    smooth_shapes,
    whole_grid,
)

from napari_psf_distiller import Progress
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.compute.grid import seen_light, smooth_size
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.richardson_lucy import iterate, richardson_lucy
from napari_psf_distiller.progress import finish

# What clij2-fft 0.30 gives on an OpenCL CPU device (PoCL) after 50 iterations: richardson_lucy for
# "circulant", richardson_lucy_nc for "noncirculant", the latter with three times the PSF, since it
# scales it to sum 1 itself. For each case NAME_image (float32 there, whole numbers, stored as
# uint16), NAME_psf, NAME_circulant and NAME_noncirculant (float32). The images are points blurred
# by a Gaussian with Poisson noise; the PSFs are Gaussians of sum 1, brighter on one side of x, so
# that a mirrored one would show.
PARITY = Path(__file__).parent.parent / "data" / "clij2fft_parity.npz"
CASES = ["even", "odd", "mixed", "small", "evenpsf_oddgrid"]

# The same with total variation; tests/compute/test_total_variation.py says what is in it.
TV_PARITY = Path(__file__).parent.parent / "data" / "clij2fft_tv.npz"


def stored(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and PSF of a parity case, and of one in 2D."""
    if case == "2D":
        return points((37, 40), asymmetric_psf((5, 5))), asymmetric_psf((9, 8))
    with np.load(PARITY) as data:
        return data[f"{case}_image"], data[f"{case}_psf"]


# As others do it, and the same on every engine.


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", CASES)
def test_parity_with_clij2fft(engine, case, boundary):
    with np.load(PARITY) as data:
        expected = data[f"{case}_{boundary}"]
    result = run(*stored(case), 50, Model(boundary, compatibility="clij2-fft"), engine)
    assert result.dtype == np.float32
    assert relative_l2(result, expected) <= 1e-3


def test_the_parity_cases_are_what_their_names_say():
    with np.load(PARITY) as data:
        shapes = {case: (data[f"{case}_image"].shape, data[f"{case}_psf"].shape) for case in CASES}
    assert all(n % 2 == 0 for shape in shapes["even"] for n in shape)
    assert all(n % 2 == 1 for shape in shapes["odd"] for n in shape)
    image, psf = shapes["small"]
    assert any(m > n for n, m in zip(image, psf, strict=True))
    image, psf = shapes["evenpsf_oddgrid"]
    assert all(smooth_size(n) == n and n % 2 == 1 for n in image)
    assert all(m % 2 == 0 for m in psf)


# Where there is hardly a gradient its direction is rounding's, and some of that comes back with
# each iteration: clij2-fft differs from itself as much, with the last bit of the image changed.
@pytest.mark.parametrize(
    ("iterations", "weight", "tolerance"),
    [(20, 0.001, 1e-3), (20, 0.01, 1e-3), (50, 0.001, 1e-3), (50, 0.01, 1e-2)],
)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("psf", ["odd", "even"])
def test_parity_with_clij2fft_in_total_variation(
    one_of_each, psf, boundary, iterations, weight, tolerance
):
    with np.load(TV_PARITY) as data:
        image, expected = data["image"], data[f"{psf}_{boundary}_{iterations}_{weight}"]
        kernel = data[f"{psf}_psf"]
    model = Model(boundary, total_variation=weight, compatibility="clij2-fft")
    assert relative_l2(run(image, kernel, iterations, model, one_of_each), expected) <= tolerance
    # It is not the one without.
    without = run(
        image, kernel, iterations, dataclasses.replace(model, total_variation=0), one_of_each
    )
    assert relative_l2(without, expected) > 3 * tolerance


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", ["small", "evenpsf_oddgrid", "2D"])
def test_every_engine_gives_the_same(other_engine, host, case, boundary):
    expected = run(*stored(case), 50, boundary, host)
    assert relative_l2(run(*stored(case), 50, boundary, other_engine), expected) <= 1e-4


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("start", ["image", "flat"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_every_engine_gives_the_same_from_either_start(other_engine, host, boundary, start, method):
    problem, model = stored("2D"), Model(boundary, method, start)
    expected = run(*problem, 20, model, host)
    assert relative_l2(run(*problem, 20, model, other_engine), expected) <= 1e-3


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", ["2D", "mixed"])
def test_every_engine_gives_the_same_with_all_there_is(other_engine, host, case, boundary):
    image, psf = stored(case)
    rng = np.random.default_rng(0)
    model = Model(
        boundary,
        "accelerated",
        total_variation=0.002,
        background=rng.uniform(0, 3, image.shape).astype(np.float32),
        mask=rng.random(image.shape) < 0.9,
    )
    expected = run(image, psf, 12, model, host)
    assert relative_l2(run(image, psf, 12, model, other_engine), expected) <= 1e-3


@pytest.mark.opencl
@pytest.mark.parametrize("fft", ["opencl", "vkfft"])
def test_the_way_of_a_gpu_gives_the_same(monkeypatch, host, opencl_device, fft):
    # Other memory flags than on a CPU; which CPUs take as well.
    if fft == "vkfft":
        pytest.importorskip("pyvkfft.opencl", exc_type=ImportError)
    opencl = importlib.import_module("napari_psf_distiller.compute.opencl.solver")
    contexts = importlib.import_module("napari_psf_distiller.compute.opencl.context")
    handle = contexts.opencl_device(opencl_device)
    monkeypatch.setattr(contexts, "opencl_device", lambda device: handle)
    engine = opencl.OpenCLEngine(dataclasses.replace(opencl_device, kind="gpu"), fft)
    expected = run(*stored("odd"), 10, "noncirculant", host)
    assert relative_l2(run(*stored("odd"), 10, "noncirculant", engine), expected) <= 1e-4


# As double precision has it.


@functools.cache
def exact_points(shape, psf_shape, boundary, iterations: int) -> np.ndarray:
    """Return what double precision gives of points, once for all engines."""
    psf = asymmetric_psf(psf_shape)
    return Exact(points(shape, psf), psf, boundary).result(iterations)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("shape", "psf_shape"),
    [((12, 20, 21), (5, 7, 5)), ((40, 42), (9, 7)), ((1, 25, 24), (1, 5, 9))],
)
def test_500_iterations_are_those_of_double_precision(one_of_each, shape, psf_shape, boundary):
    psf = asymmetric_psf(psf_shape)
    image = points(shape, psf)
    expected = exact_points(shape, psf_shape, boundary, 500)
    problem = whole_grid(image, psf, boundary, one_of_each)
    for iteration, _, solver in iterate(problem, one_of_each, 500, "plain"):
        if iteration == 500:
            estimate = solver.estimate()
    inside = estimate[tuple(slice(n) for n in problem.image.shape)].reshape(shape)
    assert relative_l2(inside, expected) <= 1e-3
    # After so many, what was a point is one again: this is not the image.
    assert relative_l2(image, expected) > 0.5
    seen = estimate.astype(float)
    if boundary == "noncirculant":
        seen *= seen_light(problem)
    assert seen.sum() == pytest.approx(image.sum(dtype=float), rel=1e-4)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("known", ["number", "array", "more than the image"])
def test_a_background_is_part_of_the_model(one_of_each, known, boundary):
    shape, psf = (40, 42), asymmetric_psf((7, 9))
    background = {"number": 5.0, "array": np.linspace(0, 8, 42), "more than the image": 3.0}[known]
    image = points(shape, psf, background=background, light=0.1)
    if known == "more than the image":
        image *= 0.3
    expected = Exact(image, psf, boundary, background=background)
    if known == "more than the image" and boundary == "noncirculant":
        expected.estimate[...] = max(image.mean() - 3, 1e-3 * image.mean())
    background = np.float32(np.broadcast_to(background, shape)) if known == "array" else background
    result = run(image, psf, 30, Model(boundary, background=background), one_of_each)
    assert relative_l2(result, expected.result(30)) <= 1e-4
    assert relative_l2(run(image, psf, 30, boundary, one_of_each), result) > 0.01


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_mask_is_that_of_double_precision(one_of_each, boundary):
    psf = asymmetric_psf((7, 9))
    image = dense((40, 42), psf)
    mask = np.random.default_rng(0).random(image.shape) < 0.8
    mask[10:20, 12:18] = False
    expected = Exact(image, psf, boundary, mask=mask).result(30)
    result = run(image, psf, 30, Model(boundary, mask=mask), one_of_each)
    assert relative_l2(result, expected) <= 1e-4


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(40, 42), (37, 41)])
def test_what_is_masked_does_not_matter(one_of_each, shape, boundary, method):
    psf = asymmetric_psf((7, 9))
    image = dense(shape, psf)
    mask = np.ones(shape, bool)
    mask[10:20, 12:18] = mask[0, :] = mask[-3:, -1] = False
    # The start is the image where nothing else is said, and shows it.
    model = Model(boundary, method, "flat", mask=mask)
    result = run(image, psf, 15, model, one_of_each)
    for value in (0, 65535, 1e9):
        saturated = np.where(mask, image, np.float32(value))
        np.testing.assert_array_equal(run(saturated, psf, 15, model, one_of_each), result)


def test_a_saturated_point_is_told_by_its_surroundings(one_of_each):
    psf = asymmetric_psf((9, 9))
    truth = np.zeros((40, 42))
    truth[20, 21] = 5000
    exact = Exact(truth, psf, "circulant")
    image = exact.forward(truth) + 1
    clipped = np.minimum(image, 60)
    mask = clipped < 60
    assert 1 < (~mask).sum() < 40
    model = Model(start="flat", background=1.0, mask=mask)
    light = run(clipped, psf, 200, model, one_of_each).sum()
    assert light == pytest.approx(5000, rel=0.05)
    assert run(clipped, psf, 200, Model(background=1.0), one_of_each).sum() < 0.8 * 5000


# The likelihood, as it is told.


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", ["mixed", "2D"])
def test_every_engine_sees_the_same_likelihood(other_engine, host, case, boundary):
    curves = []
    for engine in (host, other_engine):
        seen: list[Progress] = []
        image, psf = (np.asarray(array, np.float32) for array in stored(case))
        finish(richardson_lucy(image, psf, 12, Model(boundary), engine), seen.append)
        curves.append([p.log_likelihood for p in seen if p.log_likelihood is not None])
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-6)


def test_the_likelihood_is_poissons(engine):
    # One iteration's is that of its start: the flat image's here, which a delta leaves as it is.
    image = np.random.default_rng(0).poisson(5, (7, 8)).astype(np.float32)
    seen: list[Progress] = []
    model = Model("circulant", start="flat")
    finish(richardson_lucy(image, delta((3, 3)), 1, model, engine), seen.append)
    expected = poisson(image, np.full(image.shape, image.mean(dtype=float)))
    assert seen[0].log_likelihood == pytest.approx(expected, rel=1e-6)


# What holds for the method.


@given(smooth_shapes, seeds, st.tuples(*[st.integers(-20, 20)] * 3), st.booleans())
def test_a_shifted_image_gives_the_shifted_result(one_of_each, shape, seed, shift, accelerated):
    image, psf = random_problem(shape, seed)
    axes = tuple(range(len(shape)))
    model = Model("circulant", "accelerated" if accelerated else "plain")
    shifted = run(np.roll(image, shift[: len(shape)], axes), psf, 4, model, one_of_each)
    expected = np.roll(run(image, psf, 4, model, one_of_each), shift[: len(shape)], axes)
    assert relative_l2(shifted, expected) <= 1e-4


@given(smooth_shapes, seeds, st.sampled_from(BOUNDARIES), st.floats(0.01, 1000))
def test_a_brighter_image_gives_a_brighter_result(one_of_each, shape, seed, boundary, factor):
    image, psf = random_problem(shape, seed)
    expected = factor * run(image, psf, 4, boundary, one_of_each)
    assert relative_l2(run(factor * image, psf, 4, boundary, one_of_each), expected) <= 1e-4


@given(smooth_shapes, seeds, st.sampled_from(BOUNDARIES), st.floats(0.01, 1000))
def test_the_psfs_scale_does_not_matter(one_of_each, shape, seed, boundary, factor):
    image, psf = random_problem(shape, seed)
    expected = run(image, psf, 4, boundary, one_of_each)
    assert relative_l2(run(image, factor * psf, 4, boundary, one_of_each), expected) <= 1e-4


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "size"), [((8, 9, 10), 3), ((7, 8), 1), ((15, 16), 5)])
def test_a_delta_gives_the_image_back(one_of_each, boundary, shape, size):
    image = random_problem(shape, 0)[0]
    result = run(image, delta((size,) * len(shape)), 3, boundary, one_of_each)
    np.testing.assert_allclose(result, image, atol=1e-5 * image.max())


def test_an_even_psf_on_an_odd_grid_displaces_by_one_voxel_with_clij2fft_only(one_of_each):
    image = random_problem((8, 9), 0)[0] + 1
    result = run(image, delta((4, 4)), 1, "circulant", one_of_each)
    np.testing.assert_allclose(result, image, atol=1e-5 * image.max())
    model = Model("circulant", compatibility="clij2-fft")
    result = run(image, delta((4, 4)), 1, model, one_of_each)
    np.testing.assert_allclose(result, np.roll(image, -1, axis=1), atol=1e-5 * image.max())


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(8, 9, 10), (9, 15, 25)])
def test_an_even_psf_is_that_of_double_precision(one_of_each, shape, boundary):
    psf = asymmetric_psf((4, 6, 8))
    image = points(shape, psf)
    exact = exact_points(shape, psf.shape, boundary, 20)
    assert relative_l2(run(image, psf, 20, boundary, one_of_each), exact) <= 1e-4


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_darkness_stays_dark(one_of_each, boundary, method):
    # And is no division by 0.
    psf = asymmetric_psf((5, 5))
    image = np.zeros((20, 21), np.float32)
    image[3, 4] = 100
    for start in ("image", "flat"):
        result = run(image, psf, 30, Model(boundary, method, start), one_of_each)
        assert np.isfinite(result).all()
        assert result[10:, 10:].max() < 1e-3
    dark = run(np.zeros((20, 21)), psf, 5, Model(boundary, method), open_engine("numpy", "scipy"))
    assert not dark.any()
