"""Richardson-Lucy on an OpenCL device."""

from __future__ import annotations

import functools
import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import psutil
import pyopencl as cl
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device, kernel_source, opencl_device
from napari_psf_distiller.compute.engine import (
    LEAST_CORRECTION,
    MOST_STRETCH,
    Array,
    Likelihoods,
    Memory,
    Problem,
    ProblemSize,
)
from napari_psf_distiller.compute.grid import normaliser_of, smooth_size, wrapped_psf
from napari_psf_distiller.compute.likelihood import Sums, Yardstick
from napari_psf_distiller.compute.opencl.context import context_of, reported_errors
from napari_psf_distiller.compute.opencl.transforms import (
    Transform,
    chosen_fft,
    in_plain_passes,
    open_transform,
    works_in_place,
)
from napari_psf_distiller.compute.opencl.variation import OpenCLVariation
from napari_psf_distiller.errors import DeviceError

__all__ = ["OpenCLEngine", "OpenCLSolver"]

# Work-items along rows and over rows that share a likelihood's sum: enough for a GPU, few enough
# to add up on the host.
LANES, ROW_GROUPS = 64, 128

# Work-items of a group, by the number of dimensions. Left to choose, a driver takes others for each
# grid: single ones where its lengths are prime, and PoCL builds each kernel anew for each choice.
GROUPS = {1: (64,), 2: (LANES, 1), 3: (64, 1, 1)}

# Of a device's memory, so much is left to the driver, the transform's tables and the screen.
SPARED = 0.1

# An axis longer than this may not fit a device's local memory.
LONG = 2048


class OpenCLEngine:
    """A usable OpenCL device with an FFT for it.

    Parameters
    ----------
    device : Device
        Of `devices`, usable.
    fft : str
        See `open_engine`.

    Raises
    ------
    InputError
        An FFT of another name.
    DeviceError
        The FFT is not installed.
    """

    def __init__(self, device: Device, fft: str = "auto") -> None:
        self.device = device
        self.fft = chosen_fft(device, fft)

    @property
    def description(self) -> str:
        """The device, the FFT and the precision, for people."""
        kind = self.device.kind.upper()
        return f"{self.device.name} (OpenCL {kind}), FFT {self.fft}, float32"

    def good_size(self, n: int) -> int:
        """Return a size from n on that the FFT is fast for."""
        return smooth_size(n)

    def memory_needed(self, size: ProblemSize) -> Memory:
        """Return the device's memory that a problem of this size needs."""
        # The image, and its model where that is not on the grid's voxels.
        total = size.array_bytes + 4 * math.prod(size.image) * (1 + size.finer)
        if not works_in_place(self.fft, size.grid[2]):
            total += 4 * math.prod(size.grid)
        # The FFTs need a spectrum more where they do without local memory, as where an axis is too
        # long for it.
        largest = half = size.spectrum_bytes
        plain = self.fft == "opencl" and in_plain_passes(self.device.kind, size.grid)
        if plain or max(size.grid) > LONG:
            # Rows of odd length are complex ones of full length on their way.
            largest = 2 * half if size.grid[2] % 2 else half
            total += 2 * largest if size.grid[2] % 2 else half
        return Memory(total, largest)

    def memory_limit(self) -> Memory:
        """Return the device's memory that a problem may take."""
        handle = opencl_device(self.device)
        total = int(handle.global_mem_size)
        if self.device.kind == "cpu":
            # Its memory is the host's, and of that others have a part.
            total = min(total, psutil.virtual_memory().available)
        total = int((1 - SPARED) * total)
        return Memory(total, min(total, int(handle.max_mem_alloc_size)))

    def solver(self, problem: Problem) -> OpenCLSolver:
        """Put a problem on the device."""
        return OpenCLSolver(self.device, self.fft, problem)


class OpenCLSolver:
    """Richardson-Lucy iterations (Richardson 1972, Lucy 1974) in a device's memory."""

    def __init__(self, device: Device, fft: str, problem: Problem) -> None:
        self._device = device
        self._problem = problem
        self._buffers: list[cl.Buffer] = []
        self._transform: Transform | None = None
        self._yardstick: Yardstick | None = None
        with self._reported_errors():
            self._prepare(fft)

    def _prepare(self, fft: str) -> None:
        problem, grid = self._problem, self._problem.grid
        self._bins = grid[0] * grid[1] * (grid[2] // 2 + 1)
        normaliser = normaliser_of(problem)
        background = problem.background if isinstance(problem.background, np.ndarray) else None
        self._level = np.float32(0 if background is not None else problem.background)
        context = context_of(self._device)
        self._kernels = _kernels(
            context,
            BACKGROUND=background is not None,
            MASK=problem.mask is not None,
            NORMALISER=normaliser is not None,
            FACTOR=problem.total_variation > 0,
            MOMENTUM=problem.momentum,
            CLIJ2_FFT=problem.compatibility == "clij2-fft",
        )
        self._queue = cl.CommandQueue(context)
        self._transform = transform = open_transform(fft, self._queue, grid, self._allocate)
        self._otf = self._allocate(8 * self._bins)
        self._image = self._upload(problem.image)
        self._model = self._allocate(problem.image.nbytes) if max(problem.finer) > 1 else None
        self._point = self._allocate(4 * math.prod(grid))
        self._pitch = np.uint32(transform.pitch)
        # What the kernels take in the order of their arguments.
        boxes = (background, None if problem.mask is None else problem.mask.astype(np.uint8))
        self._boxes = [self._upload(box) for box in boxes if box is not None]
        self._held_out = None if problem.held_out is None else self._upload(problem.held_out.image)
        self._factor = self._allocate(4 * math.prod(grid)) if problem.total_variation > 0 else None
        self._step = self._allocate(4 * math.prod(grid)) if problem.momentum else None
        self._more = [] if normaliser is None else [self._upload(normaliser)]
        self._more += [buffer for buffer in (self._factor, self._step) if buffer is not None]
        self._partial = self._allocate(8 * LANES * ROW_GROUPS)
        # The OTF, by way of the transform's own arrays.
        self._write(self._point, wrapped_psf(problem))
        self._transform_point()
        transform.forward()
        cl.enqueue_copy(self._queue, self._otf, transform.spectrum, byte_count=8 * self._bins)
        self._variation: OpenCLVariation | None = None
        if problem.variation is not None:
            self._variation = OpenCLVariation(
                problem,
                problem.variation,
                transform,
                self._queue,
                self._allocate,
                self._upload,
                self._run,
            )
        if isinstance(problem.start, np.ndarray):
            self._write(self._point, problem.start)
        else:
            self._fill(self._point, problem.start)
        if self._step is not None:
            self._fill(self._step, 0.0)
        self._transform_point()
        self._queue.finish()

    def project(self, likelihood: bool = False) -> Likelihoods | None:
        """Compare the model of the present point with the image; tell how likely it is, if asked.

        The transform's real array becomes the quotient of image and model.
        """
        problem, found = self._problem, None
        with self._reported_errors():
            if self._variation is None:
                self._filter("convolve")
            else:
                self._variation.convolve(self._point, self._otf)
            self._collect()
            if likelihood:
                if self._yardstick is None:
                    self._yardstick = Yardstick(problem)
                logarithms, light = self._sums(self._image)
                held_out = 0.0
                if problem.held_out is not None and self._held_out is not None:
                    held_out = self._sums(self._held_out, problem.held_out.floor)[0]
                found = self._yardstick.likelihoods(Sums(logarithms, light, held_out))
            model, pitch, size = self._modelled
            self._run(
                "quotient",
                size,
                model,
                pitch,
                self._image,
                *self._box,
                self._level,
                *self._boxes,
            )
            self._spread()
            # Without this a generator would run ahead of the device, and cancel late.
            self._queue.finish()
        return found

    def update(self, relaxation: float = 0.0, momentum: float = 0.0) -> None:
        """Take one Richardson-Lucy step from the point; see `Solver`."""
        problem = self._problem
        with self._reported_errors():
            if self._factor is not None:
                self._run(
                    "total_variation",
                    (math.prod(problem.grid),),
                    self._point,
                    self._factor,
                    np.float32(problem.total_variation),
                    *(np.uint64(n) for n in (*problem.grid, *problem.origin)),
                    *(np.float32(1 / size) for size in problem.spacing),
                )
            if self._variation is None:
                self._filter("correlate")
            else:
                self._variation.correlate(self._otf)
            rest: tuple[float, ...] = ()
            if problem.momentum:
                rest = (relaxation, momentum, math.log(MOST_STRETCH), LEAST_CORRECTION)
            self._run(
                "advance",
                self._grid_size,
                self._point,
                self._transformed.real,
                self._pitch,
                *self._more,
                *(np.float32(number) for number in rest),
            )
            self._queue.finish()

    def back(self) -> None:
        """Undo the last update, of a problem with a momentum."""
        if self._step is None:
            raise ValueError("Without a momentum the last step is not kept.")
        with self._reported_errors():
            self._run("back", (math.prod(self._problem.grid),), self._point, self._step)
            self._transform_point()

    def estimate(self) -> Array:
        """Return a copy of the point in the problem's region."""
        region, grid = self._problem.region, self._problem.grid
        estimate = np.empty([s.stop - s.start for s in region], np.float32)
        with self._reported_errors():
            # Only the region crosses over; x comes first here, and is in bytes. pyopencl's types
            # have another name for the buffer's origin than its code.
            copy: Any = cl.enqueue_copy
            copy(
                self._queue,
                estimate,
                self._point,
                buffer_origin=(4 * region[2].start, region[1].start, region[0].start),
                host_origin=(0, 0, 0),
                region=(4 * estimate.shape[2], estimate.shape[1], estimate.shape[0]),
                buffer_pitches=(4 * grid[2], 4 * grid[2] * grid[1]),
                host_pitches=(4 * estimate.shape[2], 4 * estimate.shape[2] * estimate.shape[1]),
            )
        return estimate

    def close(self) -> None:
        """Free the device's memory; it may be called twice."""
        if self._transform is not None:
            self._transform.release()
            self._transform = None
        while self._buffers:
            self._buffers.pop().release()

    @property
    def _transformed(self) -> Transform:
        if self._transform is None:
            raise DeviceError("The deconvolution has been closed.")
        return self._transform

    @property
    def _grid_size(self) -> tuple[int, int, int]:
        z, y, x = self._problem.grid
        return x, y, z

    @property
    def _finer(self) -> tuple[np.uint32, ...]:
        return tuple(np.uint32(f) for f in self._problem.finer)

    @property
    def _box(self) -> tuple[np.uint32, ...]:
        return tuple(np.uint32(n) for n in self._problem.image.shape)

    @property
    def _modelled(self) -> tuple[cl.Buffer, np.uint32, tuple[int, int, int]]:
        """Where the image's model is: its buffer, the length of its rows, and its size."""
        if self._model is None:
            return self._transformed.real, self._pitch, self._grid_size
        z, y, x = self._problem.image.shape
        return self._model, np.uint32(x), (x, y, z)

    def _collect(self) -> None:
        """Let the image's voxels see the grid's, where those are finer."""
        if self._model is not None:
            rows = np.uint32(self._problem.grid[1])
            size = self._modelled[2]
            real = self._transformed.real
            self._run("collect", size, real, self._pitch, rows, self._model, *self._finer)

    def _spread(self) -> None:
        """Give the grid's voxels what the image has, the adjoint of `_collect`."""
        if self._model is not None:
            real, box = self._transformed.real, self._box
            self._run("spread", self._grid_size, real, self._pitch, self._model, *box, *self._finer)

    def _filter(self, kernel: str) -> None:
        transform = self._transformed
        transform.forward()
        self._run(kernel, (self._bins,), transform.spectrum, self._otf)
        transform.inverse()

    def _sums(self, image: cl.Buffer, floor: float = 0.0) -> tuple[float, float]:
        model, pitch, size = self._modelled
        self._run(
            "sums",
            (LANES, ROW_GROUPS),
            model,
            pitch,
            np.uint32(size[1]),
            image,
            *self._box,
            self._level,
            np.float32(floor),
            self._partial,
            *self._boxes,
        )
        partial = np.empty((LANES * ROW_GROUPS, 2), np.float32)
        cl.enqueue_copy(self._queue, partial, self._partial)
        first, second = partial.sum(axis=0, dtype=np.float64)
        return float(first), float(second)

    def _transform_point(self) -> None:
        """Put the point where the transform takes it from."""
        transform = self._transformed
        self._run("place", self._grid_size, self._point, transform.real, self._pitch)

    def _run(self, name: str, size: tuple[int, ...], *arguments: Any) -> None:
        group = GROUPS[len(size)]
        whole = tuple(-(-items // own) * own for items, own in zip(size, group, strict=True))
        self._kernels[name](self._queue, whole, group, *map(np.uint64, size), *arguments)

    def _allocate(self, nbytes: int) -> cl.Buffer:
        buffer = cl.Buffer(self._queue.context, cl.mem_flags.READ_WRITE, nbytes)
        self._buffers.append(buffer)
        return buffer

    def _upload(self, array: NDArray[Any]) -> cl.Buffer:
        buffer = self._allocate(array.nbytes)
        self._write(buffer, array)
        return buffer

    def _write(self, buffer: cl.Buffer, array: NDArray[Any]) -> None:
        cl.enqueue_copy(self._queue, buffer, np.ascontiguousarray(array))

    def _fill(self, buffer: cl.Buffer, value: float) -> None:
        cl.enqueue_fill_buffer(self._queue, buffer, np.full(1, value, np.float32), 0, buffer.size)

    def _reported_errors(self) -> AbstractContextManager[None]:
        return reported_errors(self._device, self.close, _program.cache_clear)


@functools.lru_cache(maxsize=64)
def _program(context: cl.Context, definitions: tuple[str, ...]) -> cl.Program:
    """Return the kernels built in a context."""
    text = "".join(f"#define {name}\n" for name in definitions)
    text += kernel_source("richardson_lucy") + kernel_source("total_variation")
    program: cl.Program = cl.Program(context, text).build()
    return program


def _kernels(context: cl.Context, **definitions: bool) -> dict[str, cl.Kernel]:
    """Return kernels that no other thread has: a kernel object carries its arguments."""
    program = _program(context, tuple(name for name, wanted in definitions.items() if wanted))
    return {kernel.function_name: kernel for kernel in program.all_kernels()}
