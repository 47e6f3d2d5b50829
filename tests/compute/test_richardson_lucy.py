"""Richardson-Lucy: as clij2-fft does it, the same on every engine, and what must always hold."""

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyopencl as cl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft

from napari_psf_distiller import DeviceError, Progress
from napari_psf_distiller.compute import Device, Engine, open_engine, richardson_lucy
from napari_psf_distiller.compute.engine import Problem
from napari_psf_distiller.compute.opencl import OpenCLEngine
from napari_psf_distiller.compute.richardson_lucy import padded_problem, smooth_size
from napari_psf_distiller.progress import finish

opencl = importlib.import_module("napari_psf_distiller.compute.opencl")

# What clij2-fft 0.30 gives on an OpenCL CPU device (PoCL) after 50 iterations: richardson_lucy for
# "circulant", richardson_lucy_nc for "noncirculant", the latter with three times the PSF, since it
# scales it to sum 1 itself. For each case NAME_image (float32 there, whole numbers, stored as
# uint16), NAME_psf, NAME_circulant and NAME_noncirculant (float32). The images are points blurred
# by a Gaussian with Poisson noise; the PSFs are Gaussians of sum 1, brighter on one side of x, so
# that a mirrored one would show.
PARITY = Path(__file__).parent.parent / "data" / "clij2fft_parity.npz"
CASES = ["even", "odd", "mixed", "small", "evenpsf_oddgrid"]
FLAT_SHAPE, FLAT_PSF = (37, 40), (9, 8)

BOUNDARIES = ["circulant", "noncirculant"]
FFTS = ["scipy", "opencl", "vkfft"]


def opencl_engine(request: pytest.FixtureRequest, fft: str) -> Engine:
    device = request.getfixturevalue("opencl_device")
    if fft == "vkfft":
        pytest.importorskip("pyvkfft.opencl", reason="pyvkfft is not installed")
    return open_engine(device.name, fft)


def on_opencl(fft: str):
    return pytest.param(fft, marks=pytest.mark.opencl)


@pytest.fixture(scope="module", params=["numpy", *map(on_opencl, FFTS)])
def engine(request) -> Engine:
    """NumPy, and OpenCL with each FFT."""
    return (
        open_engine("numpy") if request.param == "numpy" else opencl_engine(request, request.param)
    )


@pytest.fixture(scope="module", params=map(on_opencl, FFTS))
def device_engine(request) -> Engine:
    """OpenCL with each FFT."""
    return opencl_engine(request, request.param)


@pytest.fixture(scope="module", params=["numpy", on_opencl("scipy"), on_opencl("opencl")])
def one_of_each(request) -> Engine:
    """NumPy, and OpenCL with this project's means alone: for what is shown by many examples."""
    return (
        open_engine("numpy") if request.param == "numpy" else opencl_engine(request, request.param)
    )


def relative_l2(found, expected) -> float:
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def run(image, psf, iterations, boundary, engine, **options) -> np.ndarray:
    image, psf = np.asarray(image, np.float32), np.asarray(psf, np.float32)
    return finish(richardson_lucy(image, psf, iterations, boundary, engine, **options))


def asymmetric_psf(shape) -> np.ndarray:
    """Of sum 1, about n // 2, different on each side."""
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    psf = np.exp(-0.5 * sum((g / (1 + 0.2 * a)) ** 2 for a, g in enumerate(grids)))
    for grid in grids:
        psf = psf * (1 + 0.3 * np.sign(grid))
    return (psf / psf.sum()).astype(np.float32)


def delta(shape) -> np.ndarray:
    psf = np.zeros(shape, np.float32)
    psf[tuple(n // 2 for n in shape)] = 1
    return psf


def blurred(shape, seed=0) -> np.ndarray:
    """A noisy image of a few points."""
    rng = np.random.default_rng(seed)
    points = np.zeros(shape)
    for _ in range(6):
        points[tuple(rng.integers(0, n) for n in shape)] = rng.uniform(200, 2000)
    model = padded_problem(
        points.astype(np.float32), asymmetric_psf((5,) * len(shape)), "circulant"
    )
    spectrum = fft.rfftn(model.image) * fft.rfftn(model.psf)
    grid = fft.irfftn(spectrum, s=model.image.shape)
    return rng.poisson(np.maximum(grid[model.valid], 0) + 2).astype(np.float32)


# Without padding the grid is the image's, and all that holds on the grid can be seen.
smooth_shapes = st.sampled_from([(8, 9, 10), (1, 12, 14), (7, 8), (15, 16)])
seeds = st.integers(0, 2**32 - 1)


def random_problem(shape, seed) -> tuple[np.ndarray, np.ndarray]:
    """An image with zeros and bright voxels, and a PSF of sum 1, both at random."""
    rng = np.random.default_rng(seed)
    image = rng.poisson(rng.gamma(0.3, 30, shape)).astype(np.float32)
    image[(0,) * len(shape)] = 50
    psf = rng.gamma(
        0.5, 1, tuple(min(n, m) for n, m in zip(shape, (3, 5, 4)[-len(shape) :], strict=True))
    )
    return image, (psf / psf.sum()).astype(np.float32)


# As others do it, and the same on every engine.


def stored(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and PSF of a parity case, and of one in 2D."""
    if case == "2D":
        return blurred(FLAT_SHAPE), asymmetric_psf(FLAT_PSF)
    with np.load(PARITY) as data:
        return data[f"{case}_image"], data[f"{case}_psf"]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", CASES)
def test_parity_with_clij2fft(engine, case, boundary):
    with np.load(PARITY) as data:
        expected = data[f"{case}_{boundary}"]
    result = run(*stored(case), 50, boundary, engine)
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


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", [*CASES, "2D"])
def test_opencl_gives_what_numpy_gives(device_engine, case, boundary):
    expected = run(*stored(case), 50, boundary, open_engine("numpy"))
    assert relative_l2(run(*stored(case), 50, boundary, device_engine), expected) <= 1e-4


@pytest.mark.parametrize("start", ["image", "flat"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_opencl_gives_what_numpy_gives_from_either_start(device_engine, boundary, start):
    problem = stored("2D")
    expected = run(*problem, 20, boundary, open_engine("numpy"), start=start)
    assert relative_l2(run(*problem, 20, boundary, device_engine, start=start), expected) <= 1e-4


@pytest.mark.opencl
@pytest.mark.parametrize("fft", FFTS)
def test_the_way_of_a_gpu_gives_the_same(request, monkeypatch, fft):
    # Other memory flags than on a CPU; which CPUs take as well.
    device = opencl_engine(request, fft).device
    handle = opencl.opencl_device(device)
    monkeypatch.setattr(opencl, "opencl_device", lambda device: handle)
    engine = OpenCLEngine(dataclasses.replace(device, kind="gpu"), fft)
    expected = run(*stored("odd"), 10, "noncirculant", open_engine("numpy"))
    assert relative_l2(run(*stored("odd"), 10, "noncirculant", engine), expected) <= 1e-4


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", ["mixed", "2D"])
def test_opencl_sees_the_likelihood_that_numpy_sees(device_engine, case, boundary):
    curves = []
    for engine in (open_engine("numpy"), device_engine):
        seen: list[Progress] = []
        image, psf = (np.asarray(array, np.float32) for array in stored(case))
        finish(richardson_lucy(image, psf, 12, boundary, engine), seen.append)
        curves.append([p.log_likelihood for p in seen if p.log_likelihood is not None])
    # Partial sums in single precision.
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-5)


def test_the_likelihood_is_poissons():
    # One iteration's is that of its start: the flat image's here, which a delta leaves as it is.
    image = np.random.default_rng(0).poisson(5, (7, 8)).astype(np.float32)
    seen: list[Progress] = []
    finish(
        richardson_lucy(image, delta((3, 3)), 1, "circulant", open_engine("numpy"), start="flat"),
        seen.append,
    )
    mean = image.mean(dtype=float)
    expected = image.sum(dtype=float) * np.log(mean) - image.size * mean
    assert seen[0].log_likelihood == pytest.approx(expected, rel=1e-5)


# What holds for the method.


@given(smooth_shapes, seeds)
def test_correlation_is_the_adjoint_of_convolution(one_of_each, shape, seed):
    # <H x, y / H x> = <x, H* (y / H x)>: so the light in the image is the light in the estimate,
    # after each iteration, whatever the PSF of sum 1.
    image, psf = random_problem(shape, seed)
    seen: list[Progress] = []
    finish(richardson_lucy(image, psf, 5, "circulant", one_of_each, preview_every=1), seen.append)
    sums = [progress.preview.sum(dtype=np.float64) for progress in seen]
    assert sums == pytest.approx([image.sum(dtype=np.float64)] * 5, rel=1e-4)


@given(smooth_shapes, seeds)
def test_noncirculant_keeps_the_light_that_can_be_seen(one_of_each, shape, seed):
    problem = padded_problem(*random_problem(shape, seed), "noncirculant")
    solver = one_of_each.solver(problem)
    try:
        for _ in range(5):
            solver.step()
            seen = np.sum(solver.estimate() * problem.normaliser, dtype=np.float64)
            assert seen == pytest.approx(problem.image.sum(dtype=np.float64), rel=1e-4)
    finally:
        solver.close()


@given(smooth_shapes, seeds, st.sampled_from(BOUNDARIES))
def test_the_estimate_stays_positive(one_of_each, shape, seed, boundary):
    image, psf = random_problem(shape, seed)
    result = run(image, psf, 10, boundary, one_of_each)
    assert np.isfinite(result).all()
    # An FFT in single precision leaves about 1e-7 of the largest value where there is none.
    assert result.min() >= -1e-6 * result.max()


@given(smooth_shapes, seeds, st.sampled_from(["image", "flat"]))
def test_the_likelihood_never_falls(one_of_each, shape, seed, start):
    # Richardson-Lucy is an expectation-maximisation algorithm.
    problem = padded_problem(*random_problem(shape, seed), "circulant", start)
    solver = one_of_each.solver(problem)
    try:
        curve = np.array([solver.step(likelihood=True) for _ in range(15)])
    finally:
        solver.close()
    # Each voxel's term is rounded to single precision.
    terms = problem.image * (1 + np.log(np.maximum(problem.image, 1)))
    assert np.diff(curve).min() >= -1e-6 * terms.sum()
    assert curve[-1] >= curve[0]


@given(smooth_shapes, seeds, st.tuples(*[st.integers(-20, 20)] * 3))
def test_a_shifted_image_gives_the_shifted_result(one_of_each, shape, seed, shift):
    image, psf = random_problem(shape, seed)
    axes = tuple(range(len(shape)))
    shifted = run(np.roll(image, shift[: len(shape)], axes), psf, 4, "circulant", one_of_each)
    expected = np.roll(run(image, psf, 4, "circulant", one_of_each), shift[: len(shape)], axes)
    assert relative_l2(shifted, expected) <= 1e-4


@given(smooth_shapes, seeds, st.sampled_from(BOUNDARIES), st.floats(0.01, 1000))
def test_a_brighter_image_gives_a_brighter_result(one_of_each, shape, seed, boundary, factor):
    image, psf = random_problem(shape, seed)
    expected = factor * run(image, psf, 4, boundary, one_of_each)
    assert relative_l2(run(factor * image, psf, 4, boundary, one_of_each), expected) <= 1e-4


@given(smooth_shapes, seeds, st.sampled_from(BOUNDARIES), st.floats(0.01, 1000))
def test_the_psfs_scale_does_not_matter(one_of_each, shape, seed, boundary, factor):
    # The non-circulant form scales it to sum 1; in the circulant one it cancels in each update.
    image, psf = random_problem(shape, seed)
    expected = run(image, psf, 4, boundary, one_of_each)
    assert relative_l2(run(image, factor * psf, 4, boundary, one_of_each), expected) <= 1e-4


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "size"), [((8, 9, 10), 3), ((7, 8), 1), ((15, 16), 5)])
def test_a_delta_gives_the_image_back(one_of_each, boundary, shape, size):
    image = random_problem(shape, 0)[0]
    result = run(image, delta((size,) * len(shape)), 3, boundary, one_of_each)
    np.testing.assert_allclose(result, image, atol=1e-5 * image.max())


def test_an_even_psf_on_an_odd_grid_displaces_by_one_voxel(one_of_each):
    # As with clij2-fft; the notes of richardson_lucy say so.
    image = random_problem((8, 9), 0)[0] + 1
    result = run(image, delta((4, 4)), 1, "circulant", one_of_each)
    np.testing.assert_allclose(result, np.roll(image, -1, axis=1), atol=1e-5 * image.max())


@pytest.mark.parametrize(
    ("n", "expected"), [(1, 1), (7, 7), (11, 12), (13, 14), (121, 125), (2048, 2048), (2059, 2100)]
)
def test_smooth_sizes(n, expected):
    assert smooth_size(n) == expected


# The generator.


@pytest.mark.parametrize(
    ("iterations", "likelihoods"), [(1, [1]), (10, [1, 10]), (22, [1, 11, 21, 22])]
)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_its_progress(one_of_each, boundary, iterations, likelihoods):
    image, psf = random_problem((15, 16), 1)
    seen: list[Progress] = []
    steps = richardson_lucy(
        image, psf, iterations, boundary, one_of_each, "A step", preview_every=4
    )
    result = finish(steps, seen.append)
    assert [progress.iteration for progress in seen] == list(range(1, iterations + 1))
    assert {(progress.step, progress.total) for progress in seen} == {("A step", iterations)}
    assert [p.iteration for p in seen if p.log_likelihood is not None] == likelihoods
    previews = {p.iteration: p.preview for p in seen if p.preview is not None}
    assert list(previews) == list(range(4, iterations + 1, 4))
    for iteration, preview in previews.items():
        assert preview.shape == image.shape
        np.testing.assert_allclose(
            preview, run(image, psf, iteration, boundary, one_of_each), rtol=1e-4, atol=1e-4
        )
    assert result.flags.c_contiguous
    assert result.shape == image.shape


def test_no_preview_unless_asked(one_of_each):
    seen: list[Progress] = []
    finish(richardson_lucy(*random_problem((7, 8), 1), 5, "circulant", one_of_each), seen.append)
    assert all(progress.preview is None for progress in seen)


def test_a_preview_is_a_copy(one_of_each):
    image, psf = random_problem((7, 8), 1)
    steps = richardson_lucy(image, psf, 3, "circulant", one_of_each, preview_every=1)
    preview = next(steps).preview
    preview[...] = np.nan
    assert np.isfinite(finish(steps)).all()


def test_its_input_is_not_changed(one_of_each):
    for boundary in BOUNDARIES:
        image, psf = random_problem((7, 8), 1)
        before = image.copy(), psf.copy()
        run(image, psf, 3, boundary, one_of_each)
        np.testing.assert_array_equal(image, before[0])
        np.testing.assert_array_equal(psf, before[1])


class WatchedEngine:
    """NumPy's engine, whose solvers note that they are closed and may fail in an iteration."""

    device = open_engine("numpy").device
    fft = "scipy"
    description = "watched"

    def __init__(self, fails_at: int = 0) -> None:
        self.events: list[str] = []
        self._fails_at = fails_at

    def solver(self, problem: Problem):
        self.events.append("opened")
        inner = open_engine("numpy").solver(problem)

        def step(likelihood: bool = False) -> float | None:
            self.events.append("step")
            if self.events.count("step") == self._fails_at:
                raise DeviceError("The device is gone.")
            return inner.step(likelihood)

        def close() -> None:
            self.events.append("closed")
            inner.close()

        return SimpleNamespace(step=step, estimate=inner.estimate, close=close)


def test_closing_it_midway_frees_the_device():
    engine = WatchedEngine()
    steps = richardson_lucy(*random_problem((7, 8), 1), 100, "circulant", engine)
    next(steps)
    next(steps)
    assert engine.events == ["opened", "step", "step"]
    steps.close()
    assert engine.events == ["opened", "step", "step", "closed"]
    with pytest.raises(StopIteration):
        next(steps)
    assert engine.events[-1] == "closed"


def test_its_end_frees_the_device():
    engine = WatchedEngine()
    run(*random_problem((7, 8), 1), 2, "circulant", engine)
    assert engine.events == ["opened", "step", "step", "closed"]


def test_a_failure_frees_the_device():
    engine = WatchedEngine(fails_at=2)
    with pytest.raises(DeviceError, match="is gone"):
        run(*random_problem((7, 8), 1), 5, "circulant", engine)
    assert engine.events == ["opened", "step", "step", "closed"]


def test_an_error_where_the_progress_is_shown_frees_the_device():
    engine = WatchedEngine()

    def fail(progress: Progress) -> None:
        raise KeyboardInterrupt

    steps = richardson_lucy(*random_problem((7, 8), 1), 5, "circulant", engine)
    with pytest.raises(KeyboardInterrupt):
        finish(steps, fail)
    assert engine.events == ["opened", "step", "closed"]


def test_one_that_was_never_started_holds_nothing():
    engine = WatchedEngine()
    richardson_lucy(*random_problem((7, 8), 1), 5, "circulant", engine).close()
    assert engine.events == []


def test_a_closed_solver_may_be_closed_again(one_of_each):
    solver = one_of_each.solver(padded_problem(*random_problem((7, 8), 1), "noncirculant"))
    solver.step()
    solver.close()
    solver.close()


# What a device holds, and how it fails.


@pytest.fixture
def held(monkeypatch) -> Iterator[list[int]]:
    """The bytes of each buffer that was allocated on a device and not released."""
    buffers: dict[int, int] = {}

    class Buffer(cl.Buffer):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            buffers[self.int_ptr] = self.size

        def release(self) -> None:
            del buffers[self.int_ptr]
            super().release()

    monkeypatch.setattr(cl, "Buffer", Buffer)
    view = SimpleNamespace(total=lambda: sum(buffers.values()), count=lambda: len(buffers))
    yield view
    buffers.clear()


@pytest.mark.opencl
@pytest.mark.parametrize("fft", ["scipy", "opencl"])
def test_runs_that_are_closed_midway_leave_nothing_on_the_device(opencl_device, held, fft):
    image, psf = random_problem((15, 16), 1)
    for _ in range(20):
        steps = richardson_lucy(image, psf, 9, "noncirculant", open_engine(opencl_device.name, fft))
        next(steps)
        # At least the image, the estimate and the work array.
        assert held.total() >= 3 * image.nbytes
        steps.close()
        assert held.total() == 0


def test_a_run_to_the_end_leaves_nothing_on_the_device(device_engine, held):
    run(*random_problem((15, 16), 1), 2, "noncirculant", device_engine)
    assert held.total() == 0


FAILURES = [
    cl.RuntimeError("clEnqueueNDRangeKernel failed: OUT_OF_RESOURCES"),
    cl.MemoryError("clEnqueueNDRangeKernel failed: MEM_OBJECT_ALLOCATION_FAILURE"),
    cl.LogicError("clEnqueueNDRangeKernel failed: INVALID_COMMAND_QUEUE"),
]


def kernels_that(monkeypatch, what: Callable) -> None:
    """Let every kernel do something else from the second iteration on."""
    calls = {"multiply": 0}

    class Kernel(cl.Kernel):
        def __call__(self, queue, *args, **kwargs):
            calls[self.function_name] = calls.get(self.function_name, 0) + 1
            if calls["multiply"] > 1:
                return what(self, queue, *args, **kwargs)
            return super().__call__(queue, *args, **kwargs)

    monkeypatch.setattr(cl, "Kernel", Kernel)


@pytest.mark.opencl
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_device_that_fails_on_the_way(monkeypatch, held, opencl_device, error):
    def fail(*args, **kwargs):
        raise error

    kernels_that(monkeypatch, fail)
    engine = open_engine(opencl_device.name)
    steps = richardson_lucy(*random_problem((15, 16), 1), 10, "circulant", engine)
    next(steps)
    with pytest.raises(DeviceError) as raised:
        finish(steps)
    assert opencl_device.name in str(raised.value)
    assert str(error) in str(raised.value)
    assert "'numpy'" in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
@pytest.mark.parametrize("preview_every", [0, 1])
def test_a_device_that_gives_nan(monkeypatch, held, opencl_device, preview_every):
    def fill(self, queue, size, local, estimate, *args, **kwargs):
        if self.function_name == "multiply":
            return cl.enqueue_fill_buffer(queue, estimate, np.float32("nan"), 0, estimate.size)
        return None

    kernels_that(monkeypatch, fill)
    engine = open_engine(opencl_device.name)
    problem = random_problem((15, 16), 1)
    with pytest.raises(DeviceError, match="gave NaN") as raised:
        finish(richardson_lucy(*problem, 10, "circulant", engine, preview_every=preview_every))
    assert opencl_device.name in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_device_without_memory_left(monkeypatch, held, opencl_device, after):
    class Buffer(cl.Buffer):
        def __init__(self, *args, **kwargs) -> None:
            if held.count() >= after:
                raise cl.MemoryError("create_buffer failed: OUT_OF_HOST_MEMORY")
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(cl, "Buffer", Buffer)
    with pytest.raises(DeviceError, match="OUT_OF_HOST_MEMORY") as raised:
        run(*random_problem((15, 16), 1), 2, "circulant", open_engine(opencl_device.name))
    assert opencl_device.name in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
@pytest.mark.parametrize(
    ("largest", "memory", "enough"),
    [(10**9, 10**9, True), (10**3, 10**9, False), (10**9, 10**4, False)],
)
def test_an_image_too_large_for_the_device(
    monkeypatch, held, opencl_device, largest, memory, enough
):
    limits = SimpleNamespace(max_mem_alloc_size=largest, global_mem_size=memory)
    engine = open_engine(opencl_device.name)
    problem = random_problem((30, 32), 1)
    run(*problem, 1, "circulant", engine)  # so that the kernels are built with the real device
    monkeypatch.setattr(opencl, "opencl_device", lambda device: limits)
    if enough:
        run(*problem, 1, "circulant", engine)
    else:
        with pytest.raises(DeviceError, match="with its padding needs") as raised:
            run(*problem, 1, "circulant", engine)
        assert opencl_device.name in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
def test_a_device_that_passes_the_self_test_and_cannot_build_the_kernels(
    monkeypatch, opencl_device
):
    def fail(self, *args, **kwargs):
        raise cl.RuntimeError("clBuildProgram failed: BUILD_PROGRAM_FAILURE\nlog")

    handle = opencl.opencl_device(opencl_device)
    monkeypatch.setattr(opencl, "opencl_device", lambda device: handle)
    monkeypatch.setattr(cl.Program, "build", fail)
    # Another name, so that its kernels are not built already.
    device: Device = dataclasses.replace(opencl_device, name="Half a driver")
    with pytest.raises(DeviceError, match=r"Half a driver.*BUILD_PROGRAM_FAILURE"):
        run(*random_problem((7, 8), 1), 1, "circulant", OpenCLEngine(device, "scipy"))
