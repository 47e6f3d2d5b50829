"""Richardson-Lucy on an OpenCL device."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.compute.devices import Device, kernel_source, opencl_device
from napari_psf_distiller.compute.engine import Array, Problem, host_threads
from napari_psf_distiller.errors import DeviceError, InputError

__all__ = ["FFTS", "OpenCLEngine", "OpenCLSolver"]

FFTS = ("scipy", "vkfft", "opencl")

# Work-items that share the likelihood's sum: enough for a GPU, few enough to add on the host.
PARTIAL_SUMS = 8192


class Transform(Protocol):
    """A real FFT between two device buffers."""

    def forward(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        """Real float32 to complex64, unnormalised."""

    def inverse(self, spectrum: cl.Buffer, real: cl.Buffer) -> None:
        """Complex64 to real float32, divided by the number of elements."""

    def release(self) -> None:
        """Free what the transform holds."""


class OpenCLEngine:
    """A usable OpenCL device with an FFT for it.

    Parameters
    ----------
    device : Device
        Of `devices`, usable.
    fft : {"scipy", "vkfft", "opencl"} or None
        See `open_engine`.

    Raises
    ------
    InputError
        An FFT of another name.
    DeviceError
        VkFFT is asked for and pyvkfft is not installed.
    """

    def __init__(self, device: Device, fft: str | None = None) -> None:
        self.device = device
        self.fft = fft if fft is not None else _usual_fft(device)
        if self.fft not in FFTS:
            raise InputError(f"There is no FFT {fft!r}; choose one of {', '.join(FFTS)}.")
        if self.fft == "vkfft" and not _vkfft_installed():
            raise DeviceError(
                "The FFT 'vkfft' needs pyvkfft, which is not installed: "
                'pip install "napari-psf-distiller[vkfft]".'
            )

    @property
    def description(self) -> str:
        """The device, the FFT and the precision, for people."""
        kind = self.device.kind.upper()
        return f"{self.device.name} (OpenCL {kind}), FFT {self.fft}, float32"

    def solver(self, problem: Problem) -> OpenCLSolver:
        """Put a problem on the device."""
        return OpenCLSolver(self.device, self.fft, problem)


class OpenCLSolver:
    """Richardson-Lucy iterations on a padded grid in a device's memory."""

    def __init__(self, device: Device, fft: str, problem: Problem) -> None:
        self._device = device
        self._buffers: list[cl.Buffer] = []
        self._transform: Transform | None = None
        self._shape = problem.image.shape
        self._size = math.prod(self._shape)
        self._bins = self._size // self._shape[-1] * (self._shape[-1] // 2 + 1)
        self._valid = problem.valid
        _check_memory(device, self._bins, problem.normaliser is not None)
        with self._reported_errors():
            context, program = _program(device)
            self._queue = cl.CommandQueue(context)
            # Kernel objects carry their arguments: each solver has its own, for its own thread.
            self._kernels = {
                name: cl.Kernel(program, name)
                for name in (
                    "divide",
                    "multiply",
                    "multiply_normalised",
                    "convolve",
                    "correlate",
                    "log_likelihood",
                )
            }
            self._transform = _transform(fft, self._queue, self._shape)
            self._image = self._upload(problem.image)
            self._estimate = self._upload(problem.start)
            self._work = self._allocate(4 * self._size)
            self._spectrum = self._allocate(8 * self._bins)
            self._otf = self._allocate(8 * self._bins)
            self._partial = self._allocate(4 * PARTIAL_SUMS)
            self._write(self._work, problem.psf)
            self._transform.forward(self._work, self._otf)
            self._normaliser: cl.Buffer | None = None
            if problem.normaliser is not None:
                self._normaliser = self._upload(problem.normaliser)

    def step(self, likelihood: bool = False) -> float | None:
        """Do one iteration; return the log-likelihood before it, if asked."""
        with self._reported_errors():
            self._filter("convolve", self._estimate, self._work)
            value = self._log_likelihood() if likelihood else None
            self._run("divide", self._size, self._image, self._work)
            self._filter("correlate", self._work, self._work)
            if self._normaliser is None:
                self._run("multiply", self._size, self._estimate, self._work)
            else:
                self._run(
                    "multiply_normalised",
                    self._size,
                    self._estimate,
                    self._work,
                    self._normaliser,
                )
            # Without this a generator would run ahead of the device, and cancel late.
            self._queue.finish()
        return value

    def estimate(self) -> Array:
        """Return a copy of the present estimate on the padded grid.

        Raises
        ------
        DeviceError
            The device gave NaN or infinite values.
        """
        with self._reported_errors():
            estimate = np.empty(self._shape, np.float32)
            cl.enqueue_copy(self._queue, estimate, self._estimate)
        if not np.isfinite(estimate).all():
            raise DeviceError(
                f"The device {self._device.name} gave NaN or infinite values. Choose 'numpy', or "
                "update its OpenCL driver."
            )
        return estimate

    def close(self) -> None:
        """Free the device's memory; it may be called twice."""
        if self._transform is not None:
            self._transform.release()
            self._transform = None
        while self._buffers:
            self._buffers.pop().release()

    def _filter(self, kernel: str, source: cl.Buffer, target: cl.Buffer) -> None:
        assert self._transform is not None
        self._transform.forward(source, self._spectrum)
        self._run(kernel, self._bins, self._spectrum, self._otf)
        self._transform.inverse(self._spectrum, target)

    def _log_likelihood(self) -> float:
        shape = (1,) * (3 - len(self._shape)) + self._shape
        valid = (slice(0, 1),) * (3 - len(self._shape)) + self._valid
        box = [s.indices(n) for s, n in zip(valid, shape, strict=True)]
        self._run(
            "log_likelihood",
            PARTIAL_SUMS,
            self._image,
            self._work,
            *(np.uint64(n) for n in (self._size, *shape[1:])),
            *(np.array([edge[i] for edge in box] + [0], np.uint64) for i in (0, 1)),
            self._partial,
        )
        partial = np.empty(PARTIAL_SUMS, np.float32)
        cl.enqueue_copy(self._queue, partial, self._partial)
        return float(partial.sum(dtype=np.float64))

    def _run(self, name: str, size: int, *arguments: Any) -> None:
        self._kernels[name](self._queue, (size,), None, *arguments)

    def _allocate(self, nbytes: int) -> cl.Buffer:
        # Memory that the host can map: on a CPU device it is the host's own, and no copy is made.
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.ALLOC_HOST_PTR
        if self._device.kind == "gpu":
            flags = cl.mem_flags.READ_WRITE
        buffer = cl.Buffer(self._queue.context, flags, nbytes)
        self._buffers.append(buffer)
        return buffer

    def _upload(self, array: Array) -> cl.Buffer:
        buffer = self._allocate(array.nbytes)
        self._write(buffer, array)
        return buffer

    def _write(self, buffer: cl.Buffer, array: Array) -> None:
        cl.enqueue_copy(self._queue, buffer, np.ascontiguousarray(array, np.float32))

    @contextmanager
    def _reported_errors(self) -> Iterator[None]:
        try:
            yield
        except (cl.Error, RuntimeError) as error:
            self.close()
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DeviceError(
                f"The device {self._device.name} failed: {first}. Choose the device 'numpy', or a "
                "smaller part of the image."
            ) from None


class HostFFT:
    """The host's transform (scipy.fft) on device buffers, through mapped memory."""

    def __init__(self, queue: cl.CommandQueue, shape: tuple[int, ...]) -> None:
        self._queue = queue
        self._shape = shape
        self._spectrum_shape = (*shape[:-1], shape[-1] // 2 + 1)
        self._threads = host_threads()

    def forward(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        """Real float32 to complex64, unnormalised."""
        with (
            self._mapped(real, self._shape, np.float32, cl.map_flags.READ) as source,
            self._mapped(
                spectrum,
                self._spectrum_shape,
                np.complex64,
                cl.map_flags.WRITE_INVALIDATE_REGION,
            ) as target,
        ):
            target[...] = scipy_fft.rfftn(source, workers=self._threads)

    def inverse(self, spectrum: cl.Buffer, real: cl.Buffer) -> None:
        """Complex64 to real float32, divided by the number of elements."""
        with (
            self._mapped(
                spectrum,
                self._spectrum_shape,
                np.complex64,
                cl.map_flags.READ | cl.map_flags.WRITE,
            ) as source,
            self._mapped(
                real, self._shape, np.float32, cl.map_flags.WRITE_INVALIDATE_REGION
            ) as target,
        ):
            target[...] = scipy_fft.irfftn(
                source, s=self._shape, workers=self._threads, overwrite_x=True
            )

    def release(self) -> None:
        """Nothing is held."""

    @contextmanager
    def _mapped(
        self, buffer: cl.Buffer, shape: tuple[int, ...], dtype: Any, flags: Any
    ) -> Iterator[NDArray[Any]]:
        array, _ = cl.enqueue_map_buffer(
            self._queue, buffer, flags, 0, shape, dtype, is_blocking=True
        )
        try:
            yield array
        finally:
            array.base.release(self._queue)


class VkFFT:
    """VkFFT through pyvkfft, out of place."""

    def __init__(self, queue: cl.CommandQueue, shape: tuple[int, ...]) -> None:
        from pyvkfft.opencl import VkFFTApp

        self._queue = queue
        self._shape = shape
        self._spectrum_shape = (*shape[:-1], shape[-1] // 2 + 1)
        self._plan: Any = VkFFTApp(
            shape, np.float32, queue, ndim=len(shape), inplace=False, r2c=True, norm=1
        )

    def forward(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        """Real float32 to complex64, unnormalised."""
        self._plan.fft(*self._arrays(real, spectrum))

    def inverse(self, spectrum: cl.Buffer, real: cl.Buffer) -> None:
        """Complex64 to real float32, divided by the number of elements; the input is lost."""
        source, target = self._arrays(real, spectrum)[::-1]
        self._plan.ifft(source, target)

    def release(self) -> None:
        """Free the plan."""
        self._plan = None

    def _arrays(self, real: cl.Buffer, spectrum: cl.Buffer) -> tuple[Any, Any]:
        import pyopencl.array as cl_array

        return (
            cl_array.Array(self._queue, self._shape, np.float32, data=real),
            cl_array.Array(self._queue, self._spectrum_shape, np.complex64, data=spectrum),
        )


def _transform(fft: str, queue: cl.CommandQueue, shape: tuple[int, ...]) -> Transform:
    if fft == "scipy":
        return HostFFT(queue, shape)
    if fft == "vkfft":
        return VkFFT(queue, shape)
    from napari_psf_distiller.compute.opencl_fft import OpenCLFFT

    return OpenCLFFT(queue, shape)


def _usual_fft(device: Device) -> str:
    if device.kind == "cpu":
        return "scipy"
    return "vkfft" if _vkfft_installed() else "opencl"


@functools.cache
def _vkfft_installed() -> bool:
    try:
        import pyvkfft.opencl  # noqa: F401
    except Exception:  # it may be there without its OpenCL half, which fails in several ways
        return False
    return True


@functools.cache
def _program(device: Device) -> tuple[cl.Context, cl.Program]:
    """Return a context for the device and the kernels built in it, once a process."""
    context = cl.Context([opencl_device(device)])
    return context, cl.Program(context, kernel_source("richardson_lucy")).build()


def _check_memory(device: Device, bins: int, normalised: bool) -> None:
    """Refuse what cannot fit, before the device is touched."""
    handle = opencl_device(device)
    largest = 8 * bins
    total = largest * (2 + (4 if normalised else 3) / 2)
    limit, memory = int(handle.max_mem_alloc_size), int(handle.global_mem_size)
    if largest > limit or total > memory:
        raise DeviceError(
            f"The image with its padding needs {total / 2**30:.1f} GiB on the device "
            f"{device.name}, {largest / 2**30:.1f} GiB in one piece; it has {memory / 2**30:.1f} "
            f"GiB and allows pieces of {limit / 2**30:.1f} GiB. Choose the device 'numpy', or a "
            "smaller part of the image."
        )
