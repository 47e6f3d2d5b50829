"""The light of beads in windows about them on an OpenCL device."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device, kernel_source
from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.compute.opencl_context import context_of, reported_errors
from napari_psf_distiller.compute.rings import turn_of
from napari_psf_distiller.errors import DeviceError

__all__ = ["OpenCLWindows"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# See kernels/windows.cl.
WIDTH, PIXELS, PLANES, LANES, SLICES = 8, 4, 8, 8, 8

# Of the kernel `light`, along the pixels.
GROUP = 64

# Windows go to the device and back in parts of about so many bytes.
PART_BYTES = 64 * 2**20


class OpenCLWindows:
    """Windows in a device's memory; see `BeadWindows`.

    Parameters
    ----------
    device : Device
        Of `devices`, usable.
    basis : FourierBessel

    Raises
    ------
    DeviceMemoryError
        The device has too little memory; any method may raise it.
    DeviceError
        The device failed; likewise.
    """

    def __init__(self, device: Device, basis: FourierBessel) -> None:
        self._device, self._basis = device, basis
        self._depth, self._height, self._width = basis.window
        self._pitch = _rounded_up(len(basis.radial), WIDTH)
        self._buffers: dict[str, cl.Buffer] = {}
        self._beads = 0
        self._closed = False
        with self._reported_errors():
            context = context_of(device)
            self._queue = cl.CommandQueue(context)
            # A kernel object carries its arguments, so each of these has its own.
            self._light = cl.Kernel(_program(context), "light")
            self._light_adjoint = cl.Kernel(_program(context), "light_adjoint")
            places = len(basis.tables[0])
            tables = np.zeros((len(basis.tables), places, self._pitch), np.float32)
            tables[:, :, : len(basis.radial)] = basis.tables
            self._upload("tables", tables)
            self._numbers = [
                np.uint32(n) for n in (places, self._pitch, len(basis.radial), len(basis.terms))
            ]

    def place(self, displacements: Floats) -> None:
        """Take new beads; see `BeadWindows`."""
        basis = self._basis
        displacements = np.asarray(displacements, np.float64)
        self._beads = len(displacements)
        if not self._beads:
            return
        middle = np.array([self._height // 2, self._width // 2])
        y = np.arange(self._height) - middle[0] - displacements[:, :1]
        x = np.arange(self._width) - middle[1] - displacements[:, 1:]
        across, along = y[:, :, None] * basis.spacing[1], x[:, None] * basis.spacing[2]
        # In double precision: in single, some pixels would take a ring's neighbour.
        rows = basis.rows_at(across, along).astype(np.int32)
        turns = np.ones((self._beads, len(basis.terms), *rows.shape[1:]), np.float32)
        if any(basis.orders):
            angle = np.arctan2(across, along)
            for index, (order, sine) in enumerate(basis.terms):
                turns[:, index] = turn_of(order, sine, angle)
        with self._reported_errors():
            self._upload("rows", rows)
            self._upload("turns", turns)

    def light(self, factors: Array, first: int, out: Array | None = None) -> Array:
        """Return the light in some windows; see `BeadWindows`."""
        self._check(len(factors), first)
        shape = (len(factors), *self._basis.window)
        result = np.empty(shape, np.float32) if out is None else out
        planes = _rounded_up(self._depth, WIDTH)
        pixels = _rounded_up(-(-self._height * self._width // PIXELS), GROUP)
        with self._reported_errors():
            for part in self._parts(len(factors)):
                count = part.stop - part.start
                turned = np.zeros((count, self._basis.columns, planes), np.float32)
                turned[:, :, : self._depth] = factors[part].transpose(0, 2, 1)
                self._upload("factors", turned)
                self._reserve("windows", result[part].nbytes)
                self._light(
                    self._queue,
                    (pixels, planes // WIDTH, count),
                    (GROUP, 1, 1),
                    *self._arguments(first + part.start),
                    self._buffers["factors"],
                    self._buffers["windows"],
                )
                cl.enqueue_copy(self._queue, result[part], self._buffers["windows"])
        return result

    def light_adjoint(self, windows: Array, first: int) -> Array:
        """Return the adjoint of `light`; see `BeadWindows`."""
        self._check(len(windows), first)
        result = np.empty((len(windows), self._depth, self._basis.columns), np.float32)
        lanes = _rounded_up(self._pitch // WIDTH * len(self._basis.terms), LANES)
        with self._reported_errors():
            for part in self._parts(len(windows)):
                count = part.stop - part.start
                self._upload("windows", windows[part])
                self._reserve("factors", result[part].nbytes)
                self._light_adjoint(
                    self._queue,
                    (lanes * SLICES, count * -(-self._depth // PLANES)),
                    (LANES * SLICES, 1),
                    *self._arguments(first + part.start),
                    self._buffers["windows"],
                    self._buffers["factors"],
                )
                cl.enqueue_copy(self._queue, result[part], self._buffers["factors"])
        return result

    def close(self) -> None:
        """Free the device's memory; it may be called twice."""
        self._closed = True
        while self._buffers:
            self._buffers.popitem()[1].release()

    def _check(self, count: int, first: int) -> None:
        # What the device would read beyond its arrays it may not tell of.
        if first < 0 or first + count > self._beads:
            raise ValueError(f"Of {self._beads} beads there are no {count} from number {first} on.")

    def _parts(self, count: int) -> Iterator[slice]:
        most = max(1, PART_BYTES // (4 * self._depth * self._height * self._width))
        for start in range(0, count, most):
            yield slice(start, min(start + most, count))

    def _arguments(self, first: int) -> list[Any]:
        """Return what both kernels take before their arrays."""
        beads = [self._buffers[name] for name in ("rows", "turns")]
        box = [np.uint32(n) for n in (first, self._depth, self._height, self._width)]
        return [self._buffers["tables"], *self._numbers, *beads, *box]

    def _upload(self, name: str, array: NDArray[Any]) -> None:
        self._reserve(name, array.nbytes)
        cl.enqueue_copy(self._queue, self._buffers[name], np.ascontiguousarray(array))

    def _reserve(self, name: str, nbytes: int) -> None:
        """Have a buffer of so many bytes at least, whatever it holds."""
        if self._closed:
            raise DeviceError("The windows have been closed.")
        held = self._buffers.get(name)
        if held is not None and held.size >= nbytes:
            return
        if held is not None:
            del self._buffers[name]
            held.release()
        # Memory that the host can map: on a CPU device it is the host's own.
        flags = cl.mem_flags
        kind = flags.ALLOC_HOST_PTR if self._device.kind == "cpu" else 0
        self._buffers[name] = cl.Buffer(self._queue.context, flags.READ_WRITE | kind, nbytes)

    def _reported_errors(self) -> AbstractContextManager[None]:
        return reported_errors(self._device, self.close, _program.cache_clear)


@functools.lru_cache(maxsize=8)
def _program(context: cl.Context) -> cl.Program:
    """Return the kernels built in a context."""
    numbers = {
        "WIDTH": WIDTH,
        "PIXELS": PIXELS,
        "PLANES": PLANES,
        "LANES": LANES,
        "SLICES": SLICES,
    }
    text = "".join(f"#define {name} {number}\n" for name, number in numbers.items())
    program: cl.Program = cl.Program(context, text + kernel_source("windows")).build()
    return program


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
