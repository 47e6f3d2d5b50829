"""The light of beads in windows about them, computed on an OpenCL device."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device, kernel_source
from napari_psf_distiller.compute.opencl.context import context_of, reported_errors
from napari_psf_distiller.compute.psf_basis import PSFBasis
from napari_psf_distiller.compute.windows import tabulate, tabulate_adjoint
from napari_psf_distiller.errors import DeviceError

__all__ = ["OpenCLWindows"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# See kernels/windows.cl.
WIDTH, PIXELS = 8, 4

# Work-items of a group.
GROUP = 64

# Bytes of the parts, about, in which windows go to the device and back.
PART_BYTES = 64 * 2**20


class OpenCLWindows:
    """Windows in a device's memory; see `BeadWindows`.

    Parameters
    ----------
    device : Device
        Of `devices`, usable.
    basis : PSFBasis

    Raises
    ------
    DeviceMemoryError
        The device has too little memory; any method may raise it.
    DeviceError
        The device failed; likewise.
    """

    def __init__(self, device: Device, basis: PSFBasis) -> None:
        self._device, self._basis = device, basis
        self._depth, self._height, self._width = basis.window
        self._pixels = self._height * self._width
        self._pitch = _rounded_up(len(basis.waves), WIDTH)
        self._buffers: dict[str, cl.Buffer] = {}
        self._beads = 0
        self._closed = False
        with self._reported_errors():
            context = context_of(device)
            self._queue = cl.CommandQueue(context)
            # A kernel object carries its arguments, so each of these has its own.
            self._interpolate, self._interpolate_adjoint, self._light, self._light_adjoint = (
                cl.Kernel(_program(context), name)
                for name in ("interpolate", "interpolate_adjoint", "light", "light_adjoint")
            )
            self._upload("orders", np.array(basis.orders, np.uint32))

    def set_displacements(self, displacements: Floats) -> None:
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
        # In double precision: in single, some pixels would take a row's neighbour.
        rows, fractions = (
            values.reshape(self._beads, -1) for values in basis.table_rows_at(across, along)
        )
        angle = np.arctan2(across, along)
        units = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        numbers = np.arange(basis.table_length + 1)
        listed = np.argsort(rows, axis=1, kind="stable")
        ordered = np.take_along_axis(rows, listed, axis=1)
        starts = np.stack([np.searchsorted(own, numbers) for own in ordered])
        with self._reported_errors():
            self._upload("rows", rows.astype(np.int32))
            self._upload("fractions", fractions.astype(np.float32))
            self._upload("units", units.astype(np.float32))
            self._upload("listed", listed.astype(np.int32))
            self._upload("starts", starts.astype(np.int32))

    def set_spectrum(self, spectrum: Floats) -> None:
        """Take the functions' amplitudes; see `BeadWindows`."""
        sums = tabulate(self._basis, spectrum)
        padded = np.zeros((len(sums), self._pitch), np.float32)
        padded[:, : sums.shape[1]] = sums
        with self._reported_errors():
            self._upload("sums", padded)

    def light(self, waves: Floats, first: int, out: Array | None = None) -> Array:
        """Return the light in some windows; see `BeadWindows`."""
        self._check(len(waves), first)
        shape = (len(waves), *self._basis.window)
        result = np.empty(shape, np.float32) if out is None else out
        planes = _rounded_up(self._depth, WIDTH)
        with self._reported_errors():
            for part in self._parts(len(waves)):
                count = part.stop - part.start
                along = np.zeros((count, len(self._basis.waves), planes), np.float32)
                along[:, :, : self._depth] = waves[part].swapaxes(1, 2)
                self._upload("waves", along)
                self._reserve("values", 4 * count * self._pixels * self._pitch)
                self._reserve("windows", result[part].nbytes)
                self._run(
                    self._interpolate,
                    (self._pixels * self._pitch // WIDTH, count),
                    *(
                        "sums",
                        "orders",
                        len(self._basis.orders),
                        self._basis.table_length,
                        self._pitch,
                    ),
                    *("rows", "fractions", "units", first + part.start, self._pixels, "values"),
                )
                self._run(
                    self._light,
                    (-(-self._pixels // PIXELS), planes // WIDTH, count),
                    *("values", len(self._basis.waves), self._pitch),
                    *("waves", self._depth, self._pixels, "windows"),
                )
                cl.enqueue_copy(self._queue, result[part], self._buffers["windows"])
        return result

    def light_adjoint(self, windows: Array, waves: Floats, first: int) -> Floats:
        """Return the adjoint of `light`; see `BeadWindows`."""
        self._check(len(windows), first)
        basis = self._basis
        sums = np.zeros((len(basis.terms) * basis.table_length, self._pitch), np.float32)
        with self._reported_errors():
            self._reserve("collected", sums.nbytes)
            for part in self._parts(len(windows)):
                count = part.stop - part.start
                along = np.zeros((count, self._depth, self._pitch), np.float32)
                along[:, :, : len(basis.waves)] = waves[part]
                self._upload("waves", along)
                self._upload("windows", windows[part])
                self._reserve("values", 4 * count * self._pixels * self._pitch)
                self._run(
                    self._light_adjoint,
                    (-(-self._pixels // PIXELS), self._pitch // WIDTH, count),
                    *("windows", self._pitch, "waves", self._depth, self._pixels, "values"),
                )
                self._run(
                    self._interpolate_adjoint,
                    (basis.table_length * self._pitch // WIDTH, len(basis.orders)),
                    *("values", "orders", basis.table_length, self._pitch, "listed", "starts"),
                    *("fractions", "units", first + part.start, self._pixels, count),
                    *(part.start > 0, "collected"),
                )
            if len(windows):
                cl.enqueue_copy(self._queue, sums, self._buffers["collected"])
        adjoint = tabulate_adjoint(basis, sums[:, : len(basis.waves)])
        return adjoint.astype(np.float64)

    def light_of_each(
        self, spectra: Floats, waves: Floats, first: int, out: Array | None = None
    ) -> Array:
        """Return the light in windows of their own amplitudes; see `BeadWindows`."""
        result = np.empty((len(waves), *self._basis.window), np.float32) if out is None else out
        for index, spectrum in enumerate(spectra):
            self.set_spectrum(spectrum)
            own = slice(index, index + 1)
            self.light(waves[own], first + index, result[own])
        return result

    def light_adjoint_of_each(self, windows: Array, waves: Floats, first: int) -> Floats:
        """Return the adjoint of `light_of_each`; see `BeadWindows`."""
        shape = (len(windows), len(self._basis.waves), self._basis.columns)
        result = np.zeros(shape)
        for index in range(len(windows)):
            own = slice(index, index + 1)
            result[index] = self.light_adjoint(windows[own], waves[own], first + index)
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

    def _run(self, kernel: cl.Kernel, items: tuple[int, ...], *arguments: str | int) -> None:
        """Run a kernel on buffers, given by their names, and numbers; in full groups."""
        kernel(
            self._queue,
            (_rounded_up(items[0], GROUP), *items[1:]),
            (GROUP,) + (1,) * (len(items) - 1),
            *(self._buffers[a] if isinstance(a, str) else np.uint32(a) for a in arguments),
        )

    def _upload(self, name: str, array: NDArray[Any]) -> None:
        self._reserve(name, array.nbytes)
        cl.enqueue_copy(self._queue, self._buffers[name], np.ascontiguousarray(array))

    def _reserve(self, name: str, nbytes: int) -> None:
        """Have a buffer of at least some number of bytes, whatever it holds."""
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
    numbers = {"WIDTH": WIDTH, "PIXELS": PIXELS}
    text = "".join(f"#define {name} {number}\n" for name, number in numbers.items())
    program: cl.Program = cl.Program(context, text + kernel_source("windows")).build()
    return program


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
