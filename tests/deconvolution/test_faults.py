"""What happens where a device has too little memory, fails, or gives NaN."""

import dataclasses
import importlib
from typing import Any

import numpy as np
import pytest
from problems import BOUNDARIES, asymmetric_psf, dense, random_problem, relative_l2, run

from napari_psf_distiller import Device, DeviceError, InputError, Progress
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.compute.engine import Memory
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import size_of
from napari_psf_distiller.deconvolution.richardson_lucy import richardson_lucy
from napari_psf_distiller.deconvolution.tiled import deconvolution
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.progress import finish

host_fft_module = importlib.import_module("napari_psf_distiller.compute.host.fft")
transforms_module = importlib.import_module("napari_psf_distiller.compute.opencl.transforms")

SHAPE, PSF = (120, 126), asymmetric_psf((9, 7))
GIB = 2**30


class Failing:
    """A device of its own name, that is NumPy, and fails in some updates.

    Parameters
    ----------
    error : Exception
    updates : container of int
        Those, counted over all solvers, that fail.
    """

    device = Device("Card", "gpu", "Maker", True)
    description = "Card (OpenCL GPU)"

    def __init__(self, error: Exception, updates) -> None:
        self._inner = open_engine("numpy", "scipy")
        self._error, self._updates = error, updates
        self.done = self.opened = self.closed = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def memory_limit(self) -> Memory:
        return Memory(GIB, GIB)

    def solver(self, problem):
        solver = self._inner.solver(problem)
        update, close = solver.update, solver.close
        self.opened += 1

        def failing(*args) -> None:
            self.done += 1
            if self.done in self._updates:
                raise self._error
            update(*args)

        def counted() -> None:
            self.closed += 1
            close()

        solver.update, solver.close = failing, counted
        return solver


FULL = DeviceMemoryError("The device Card is out of memory.")


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_out_of_memory_once_makes_smaller_tiles(host, boundary, method):
    # Tiles of half the memory are so small that most of the image is near a seam.
    image, model = dense((120, 126), PSF), Model(boundary, method)
    engine = Failing(FULL, {5})
    seen: list[Progress] = []
    done = finish(deconvolution(image, PSF, 15, model, engine), seen.append)
    assert relative_l2(done.array, run(image, PSF, 15, model, host)) <= 1e-3
    assert done.device.startswith("Card")
    assert "tiles" in done.device
    assert "Card is out of memory" in done.warnings[0]
    assert "smaller tiles" in done.warnings[0]
    assert engine.opened == engine.closed
    # Told while it runs, too, and counted from there to the end.
    notes = [p for p in seen if p.note]
    assert len(notes) == 2
    assert "tiles" in notes[1].note
    assert seen[-1].iteration == seen[-1].total


def test_what_was_done_before_is_kept(host):
    # In tiles from the start; the third fails, and only what is left is cut again.
    image, model = dense(SHAPE, PSF), Model()
    engine = Failing(FULL, {25})
    steps = deconvolution(image, PSF, 10, model, engine, memory=150_000)
    first = next(steps)
    assert "tiles" in first.note
    tiles = first.total // 10
    done = finish(steps)
    assert relative_l2(done.array, run(image, PSF, 10, model, host)) <= 1e-3
    assert "smaller tiles" in done.warnings[0]
    assert engine.opened > tiles + 1
    assert engine.done == 10 * (engine.opened - 1) + 5


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_always_out_of_memory_ends_on_the_processor(host, boundary):
    image, model = dense(SHAPE, PSF), Model(boundary)
    engine = Failing(FULL, range(1, 10**6))
    done = finish(deconvolution(image, PSF, 10, model, engine))
    assert relative_l2(done.array, run(image, PSF, 10, model, host)) <= 1e-3
    assert done.device.startswith("NumPy")
    # Each turn is told: smaller tiles some times, then the processor.
    assert len(done.warnings) >= 2
    assert "Card is out of memory" in done.warnings[0]
    assert any("Card" in warning and "NumPy did the rest" in warning for warning in done.warnings)
    assert engine.opened == engine.closed == engine.done


def test_out_of_memory_on_the_way_to_the_device(monkeypatch, host):
    image = dense(SHAPE, PSF)
    engine = Failing(FULL, ())
    opened = []

    def none(problem):
        opened.append(problem)
        raise FULL

    engine.solver = none
    done = finish(deconvolution(image, PSF, 10, Model(), engine))
    assert relative_l2(done.array, run(image, PSF, 10, Model(), host)) <= 1e-3
    assert done.device.startswith("NumPy")
    assert opened


def test_too_small_a_device_is_passed_over(host):
    image = dense(SHAPE, PSF)
    engine = Failing(FULL, ())
    engine.memory_limit = lambda: Memory(3000, 3000)
    done = finish(deconvolution(image, PSF, 10, Model(), engine))
    assert relative_l2(done.array, run(image, PSF, 10, Model(), host)) <= 1e-5
    assert engine.opened == 0
    (warning,) = done.warnings
    assert "Card" in warning
    assert "NumPy did the rest" in warning


@pytest.mark.parametrize("error", [DeviceError("The device Card is gone."), InputError("No.")])
def test_other_errors_are_errors(error):
    engine = Failing(error, {5})
    with pytest.raises(type(error), match=str(error)):
        finish(deconvolution(dense(SHAPE, PSF), PSF, 10, Model(), engine))
    assert engine.opened == engine.closed == 1


@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_nan_is_an_error_with_the_devices_name(method):
    engine = Failing(FULL, ())
    inner = engine._inner.solver

    def broken(problem):
        solver: Any = inner(problem)
        update = solver.update

        def spoiled(*args) -> None:
            update(*args)
            solver._point[0, 3, 4] = np.nan
            solver._transform_point()

        solver.update = spoiled
        return solver

    engine.solver = broken
    with pytest.raises(DeviceError, match=r"Card \(OpenCL GPU\) gave NaN or infinite"):
        finish(deconvolution(dense(SHAPE, PSF), PSF, 10, Model(method=method), engine))


# A real device.


@pytest.fixture
def opencl():
    return pytest.importorskip("napari_psf_distiller.compute.opencl.solver")


@pytest.fixture
def cl():
    return pytest.importorskip("pyopencl")


def kernels_that(monkeypatch, opencl, what) -> None:
    """Let every kernel do something else from the second iteration on."""
    real, calls = opencl._kernels, {"quotient": 0}

    def kernels(*args, **kwargs):
        def counted(name, kernel):
            def call(*args):
                calls[name] = calls.get(name, 0) + 1
                return what(name, *args) if calls["quotient"] > 1 else kernel(*args)

            return call

        return {name: counted(name, kernel) for name, kernel in real(*args, **kwargs).items()}

    monkeypatch.setattr(opencl, "_kernels", kernels)


@pytest.mark.opencl
@pytest.mark.parametrize("kind", ["RuntimeError", "MemoryError", "LogicError"])
def test_a_device_that_fails_on_the_way(monkeypatch, held, opencl_device, opencl, cl, kind):
    error = getattr(cl, kind)("clEnqueueNDRangeKernel failed: INVALID_COMMAND_QUEUE")

    def fail(*args, **kwargs):
        raise error

    engine = open_engine(opencl_device.name, "opencl")
    kernels_that(monkeypatch, opencl, fail)
    steps = richardson_lucy(*random_problem((15, 16), 1), 10, Model("circulant"), engine)
    next(steps)
    with pytest.raises(DeviceError) as raised:
        finish(steps)
    assert opencl_device.name in str(raised.value)
    assert str(error) in str(raised.value)
    assert "'numpy'" in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
@pytest.mark.parametrize("preview_every", [0, 1])
def test_a_device_that_gives_nan(monkeypatch, held, opencl_device, opencl, cl, preview_every):
    def fill(name, queue, whole, group, *args):
        if name == "advance":
            estimate = args[3]  # after the grid's three lengths
            return cl.enqueue_fill_buffer(queue, estimate, np.float32("nan"), 0, estimate.size)
        return None

    engine = open_engine(opencl_device.name, "opencl")
    kernels_that(monkeypatch, opencl, fill)
    with pytest.raises(DeviceError, match="gave NaN") as raised:
        finish(
            richardson_lucy(
                *random_problem((15, 16), 1),
                10,
                Model("circulant"),
                engine,
                preview_every=preview_every,
            )
        )
    assert opencl_device.name in str(raised.value)
    assert held.total() == 0


def without_memory(monkeypatch, cl, held, allowed: int) -> None:
    """Let the device hold so many bytes; more is an error of its own."""

    class Buffer(cl.Buffer):
        def __init__(self, context, flags, nbytes=0, **kwargs) -> None:
            if held.total() + nbytes > allowed:
                nbytes = 2**62  # what no device has
            super().__init__(context, flags, nbytes, **kwargs)

    monkeypatch.setattr(cl, "Buffer", Buffer)


@pytest.mark.opencl
@pytest.mark.parametrize("allowed", [0, 2_000, 9_000])
def test_a_device_without_memory_left(monkeypatch, held, opencl_device, cl, allowed):
    engine = open_engine(opencl_device.name, "opencl")
    without_memory(monkeypatch, cl, held, allowed)
    with pytest.raises(DeviceMemoryError, match="out of memory") as raised:
        run(*random_problem((15, 16), 1), 2, "noncirculant", engine)
    assert opencl_device.name in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
def test_a_device_that_has_less_memory_than_it_says(monkeypatch, host, held, opencl_device, cl):
    image = dense(SHAPE, PSF)
    engine = open_engine(opencl_device.name, "opencl")
    without_memory(monkeypatch, cl, held, 250_000)
    done = finish(deconvolution(image, PSF, 5, Model(), engine))
    assert opencl_device.name in done.device
    assert "tiles" in done.device
    assert any("out of memory" in warning for warning in done.warnings)
    assert relative_l2(done.array, run(image, PSF, 5, Model(), host)) <= 1e-3
    assert held.total() == 0


@pytest.mark.opencl
def test_a_device_that_is_limited(monkeypatch, host, held, opencl_device, opencl):
    # It never asks for more than there is, and so never fails.
    image, engine = dense(SHAPE, PSF), open_engine(opencl_device.name, "opencl")
    monkeypatch.setattr(opencl.OpenCLEngine, "memory_limit", lambda self: Memory(300_000, 100_000))
    most = []
    steps = deconvolution(image, PSF, 5, Model(), engine)
    done = finish(steps, lambda progress: most.append((held.total(), held.count())))
    assert "tiles" in done.device
    assert done.warnings == ()
    # But for the few sums of the likelihood.
    assert max(total for total, _ in most) <= 300_000 + 2**17
    assert relative_l2(done.array, run(image, PSF, 5, Model(), host)) <= 1e-3


@pytest.mark.opencl
def test_a_device_that_passes_the_self_test_and_cannot_build_the_kernels(
    monkeypatch, opencl_device, opencl, cl
):
    def fail(self, *args, **kwargs):
        raise cl.RuntimeError("clBuildProgram failed: BUILD_PROGRAM_FAILURE\nlog")

    contexts = importlib.import_module("napari_psf_distiller.compute.opencl.context")
    handle = contexts.opencl_device(opencl_device)
    monkeypatch.setattr(contexts, "opencl_device", lambda device: handle)
    monkeypatch.setattr(cl.Program, "build", fail)
    # Another name, so that its kernels are not built already.
    device = dataclasses.replace(opencl_device, name="Half a driver")
    with pytest.raises(DeviceError, match=r"Half a driver.*BUILD_PROGRAM_FAILURE"):
        run(*random_problem((7, 8), 1), 1, "circulant", opencl.OpenCLEngine(device, "opencl"))


def test_the_host_without_memory(monkeypatch, host):
    module = importlib.import_module("napari_psf_distiller.compute.host.solver")

    def none(*args):
        raise MemoryError

    monkeypatch.setattr(module, "wrapped_psf", none)
    with pytest.raises(DeviceMemoryError, match="too little free memory"):
        run(*random_problem((7, 8), 1), 1, "circulant", host)


@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_nan_from_a_transform_is_seen(monkeypatch, host, method):
    # Between two likelihoods, too: nothing on the way may turn it into a number.
    image = dense((32, 40), PSF)
    real = host_fft_module._SciPy.planes_back
    calls = []

    def spoiled(self, *arguments):
        array = real(self, *arguments)
        calls.append(1)
        if len(calls) == 6:
            array[0, 3, 4] = np.nan
        return array

    monkeypatch.setattr(host_fft_module._SciPy, "planes_back", spoiled)
    with pytest.raises(DeviceError, match="gave NaN"):
        run(image, PSF, 9, Model(method=method), host)


@pytest.mark.opencl
@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_nan_from_a_devices_transform_is_seen(monkeypatch, cl, opencl_device, method):
    engine = open_engine(opencl_device.name, "opencl")
    image = dense((32, 40), PSF)
    real = transforms_module._OwnFFT.inverse
    calls = []

    def spoiled(self):
        real(self)
        calls.append(1)
        if len(calls) == 6:
            nan = np.full(1, np.nan, np.float32)
            cl.enqueue_fill_buffer(self._fft._workspace.queue, self.real, nan, 0, 400)

    monkeypatch.setattr(transforms_module._OwnFFT, "inverse", spoiled)
    with pytest.raises(DeviceError, match="gave NaN"):
        run(image, PSF, 9, Model(method=method), engine)


def test_a_tile_where_no_voxel_counts_is_dark(host):
    image = dense((200, 210), PSF)
    mask = np.zeros(image.shape, bool)
    mask[:60, :60] = True
    model = Model(mask=mask)
    need = host.memory_needed(size_of(image.shape, PSF.shape, model, host)).total
    done = finish(deconvolution(image, PSF, 10, model, host, memory=int(0.6 * need)))
    assert "tiles" in done.device
    expected = run(image, PSF, 10, model, host)
    assert relative_l2(done.array[mask], expected[mask]) <= 1e-3
    assert done.array[-20:, -20:].max() == 0
