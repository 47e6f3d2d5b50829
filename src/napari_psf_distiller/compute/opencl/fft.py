"""Real-input Fourier transforms on OpenCL devices, without a vendor library.

The transforms are mixed-radix Stockham autosort FFTs [1]_ in single precision, with twiddle
factors computed in double precision.  A line that fits into the local memory of a work-group
goes through all its passes there; a longer one makes each pass through global memory.  Real lines
of even length are transformed as complex lines of half the length [2]_.

References
----------
.. [1] N. K. Govindaraju, B. Lloyd, Y. Dotsenko, B. Smith and J. Manferdelli, "High performance
   discrete Fourier transforms on graphics processors", SC '08 (2008).
.. [2] W. H. Press, S. A. Teukolsky, W. T. Vetterling and B. P. Flannery, *Numerical Recipes*,
   3rd ed., section 12.3 (2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.devices import kernel_source
from napari_psf_distiller.compute.opencl.fft_plan import (
    GROUP_SIZES,
    LEAST_ADJACENT_LINES,
    Limits,
    Plan,
    plan_lines,
    radices_of,
)

__all__ = ["OpenCLFFT"]

_REAL_BYTES = np.dtype(np.float32).itemsize
_COMPLEX_BYTES = np.dtype(np.complex64).itemsize
# Work-group of the kernels that do without local memory.
_PLAIN_GROUP_SIZE = 64


class OpenCLFFT:
    """Real-input FFT over all axes of a 1- to 3-dimensional array on an OpenCL device.

    All calls enqueue their work on `queue`, which must be in-order, and return without waiting.

    Parameters
    ----------
    queue : pyopencl.CommandQueue
        In-order queue of the device to use.
    shape : tuple of int
        Shape of the real array, 1 to 3 axes.  Each length must have no prime factors but 2, 3, 5
        and 7; 1 is allowed.
    local_memory_bytes : int, optional
        Local memory that a work-group may use; by default what the device has.  Lines that do not
        fit are transformed through global memory, so 0 does that for all axes.

    Attributes
    ----------
    shape : tuple of int
        Shape of the real array, float32.
    spectrum_shape : tuple of int
        Shape of the half spectrum, complex64: as `shape`, with ``n // 2 + 1`` on the last axis.
    scratch_bytes : int
        Device memory held beyond the caller's buffers, in bytes: twiddle tables, and scratch if
        an axis is too long for local memory.

    Raises
    ------
    ValueError
        If the shape has no or more than three axes, or a length that is not allowed.
    """

    def __init__(
        self,
        queue: cl.CommandQueue,
        shape: tuple[int, ...],
        *,
        local_memory_bytes: int | None = None,
    ) -> None:
        self.shape = tuple(int(length) for length in shape)
        _check_shape(self.shape)
        self.spectrum_shape = (*self.shape[:-1], self.shape[-1] // 2 + 1)
        self._workspace = _Workspace(queue)
        self._released = False

        device = queue.device
        most_items = min(device.max_work_group_size, device.max_work_item_sizes[0])
        limits = Limits(
            device.local_mem_size if local_memory_bytes is None else local_memory_bytes,
            tuple(size for size in GROUP_SIZES if size <= most_items),
        )
        self._rows = _rows(self._workspace, limits, self.shape[-1], prod(self.shape[:-1]))
        self._axes = [
            _axis(
                self._workspace,
                limits,
                prod(self.shape[:axis]),
                self.shape[axis],
                prod(self.spectrum_shape[axis + 1 :]),
            )
            for axis in reversed(range(len(self.shape) - 1))
            if self.shape[axis] > 1
        ]
        self._workspace.allocate()
        self.scratch_bytes = self._workspace.size

    def forward(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        """Enqueue the unnormalised forward transform, as `scipy.fft.rfftn` does it.

        Parameters
        ----------
        real : pyopencl.Buffer
            Input, float32 of `shape` in C order; not changed.
        spectrum : pyopencl.Buffer
            Output, complex64 of `spectrum_shape` in C order.

        Raises
        ------
        ValueError
            If a buffer is too small.
        RuntimeError
            If `release` has been called.
        """
        self._check_buffers(real, spectrum)
        self._rows.forward(real, spectrum)
        for axis in self._axes:
            axis.transform(spectrum, sign=1)

    def inverse(self, spectrum: cl.Buffer, real: cl.Buffer) -> None:
        """Enqueue the inverse transform, as `scipy.fft.irfftn` with ``s=shape`` does it.

        The result is divided by the number of elements.

        Parameters
        ----------
        spectrum : pyopencl.Buffer
            Input, complex64 of `spectrum_shape` in C order.  Its contents are overwritten: the
            axes but the last are transformed in place.
        real : pyopencl.Buffer
            Output, float32 of `shape` in C order.

        Raises
        ------
        ValueError
            If a buffer is too small.
        RuntimeError
            If `release` has been called.
        """
        self._check_buffers(real, spectrum)
        for axis in reversed(self._axes):
            axis.transform(spectrum, sign=-1)
        self._rows.inverse(spectrum, real, scale=1.0 / prod(self.shape))

    def release(self) -> None:
        """Free the device memory held here; the object cannot be used afterwards.

        Work already enqueued still finishes.  Calling this again does nothing.
        """
        self._released = True
        self._workspace.release()
        self.scratch_bytes = 0

    def _check_buffers(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        if self._released:
            raise RuntimeError("This transform has been released.")
        for name, buffer, needed in (
            ("real", real, prod(self.shape) * _REAL_BYTES),
            ("spectrum", spectrum, prod(self.spectrum_shape) * _COMPLEX_BYTES),
        ):
            if buffer.size < needed:
                raise ValueError(
                    f"The {name} buffer has {buffer.size} bytes, but shape {self.shape} "
                    f"needs {needed}."
                )


class _Workspace:
    """The queue, the twiddle tables and the scratch that the axes of one transform share."""

    def __init__(self, queue: cl.CommandQueue) -> None:
        self.queue = queue
        self.scratch: list[cl.Buffer] = []
        self._tables: dict[int, cl.Buffer] = {}
        self._wanted = (0, 0)

    def table(self, length: int) -> cl.Buffer:
        """Return the table of ``exp(-2 pi i k / length)``, complex64 of ``length`` values."""
        if length not in self._tables:
            # Rounded once, from double precision: products of single-precision factors would
            # lose accuracy with the number of passes.
            values = np.exp(-2j * np.pi * np.arange(length) / length).astype(np.complex64)
            flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
            self._tables[length] = cl.Buffer(self.queue.context, flags, hostbuf=values)
        return self._tables[length]

    def want_scratch(self, buffers: int, values: int) -> None:
        """Ask `allocate` for at least so many buffers of so many complex values."""
        self._wanted = (max(self._wanted[0], buffers), max(self._wanted[1], values))

    def allocate(self) -> None:
        """Make the scratch buffers, once all axes have said what they want."""
        count, values = self._wanted
        self.scratch = [
            cl.Buffer(self.queue.context, cl.mem_flags.READ_WRITE, values * _COMPLEX_BYTES)
            for _ in range(count)
        ]

    @property
    def size(self) -> int:
        """Device memory held, in bytes."""
        return sum(buffer.size for buffer in (*self._tables.values(), *self.scratch))

    def release(self) -> None:
        """Free the device memory."""
        for buffer in (*self._tables.values(), *self.scratch):
            buffer.release()
        self._tables.clear()
        self.scratch.clear()


def _rows(
    workspace: _Workspace, limits: Limits, samples: int, rows: int
) -> _LocalRows | _GlobalRows:
    """Return the transform of the last axis, in local memory if the rows fit."""
    length = samples // 2 if samples % 2 == 0 else samples
    plan = plan_lines(length, rows, 1, limits)
    if plan is None:
        return _GlobalRows(workspace, samples, rows)
    return _LocalRows(workspace, samples, rows, plan)


def _axis(
    workspace: _Workspace, limits: Limits, outer: int, length: int, inner: int
) -> _LocalAxis | _GlobalAxis:
    """Return the transform of an axis but the last, in local memory if the lines fit."""
    plan = plan_lines(length, inner, LEAST_ADJACENT_LINES, limits)
    if plan is None:
        return _GlobalAxis(workspace, outer, length, inner)
    return _LocalAxis(workspace, outer, inner, plan)


class _LocalRows:
    """The last axis, whole rows in local memory."""

    def __init__(self, workspace: _Workspace, samples: int, rows: int, plan: Plan) -> None:
        self._queue = workspace.queue
        self._table = workspace.table(samples)
        definitions = plan.definitions(table_length=samples) | {"FFT_SAMPLES": samples}
        program = _program(self._queue.context, _preamble(definitions))
        self._forward = cl.Kernel(program, "real_rows_forward")
        self._inverse = cl.Kernel(program, "real_rows_inverse")
        self._global_size = (-(-rows // plan.lines) * plan.work_items,)
        self._local_size = (plan.work_items,)
        self._count = np.uint64(rows)

    def forward(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        """Enqueue real rows to spectrum rows."""
        self._forward(
            self._queue,
            self._global_size,
            self._local_size,
            real,
            spectrum,
            self._table,
            self._count,
        )

    def inverse(self, spectrum: cl.Buffer, real: cl.Buffer, scale: float) -> None:
        """Enqueue spectrum rows to real rows, multiplied by `scale`."""
        self._inverse(
            self._queue,
            self._global_size,
            self._local_size,
            spectrum,
            real,
            self._table,
            self._count,
            np.float32(scale),
        )


class _LocalAxis:
    """An axis but the last, lines side by side in local memory."""

    def __init__(self, workspace: _Workspace, outer: int, inner: int, plan: Plan) -> None:
        self._queue = workspace.queue
        self._table = workspace.table(plan.length)
        definitions = plan.definitions(table_length=plan.length)
        program = _program(self._queue.context, _preamble(definitions))
        self._kernel = cl.Kernel(program, "complex_lines")
        tiles = -(-inner // plan.lines)
        self._global_size = (outer * tiles * plan.work_items,)
        self._local_size = (plan.work_items,)
        self._inner = np.uint64(inner)
        self._tiles = np.uint64(tiles)

    def transform(self, values: cl.Buffer, sign: int) -> None:
        """Enqueue the transform in place; `sign` is 1 for forward and -1 for inverse."""
        self._kernel(
            self._queue,
            self._global_size,
            self._local_size,
            values,
            self._table,
            self._inner,
            self._tiles,
            np.float32(sign),
        )


class _GlobalPasses:
    """The passes of one axis through global memory, of an array seen as (outer, length, inner)."""

    def __init__(
        self, workspace: _Workspace, outer: int, length: int, inner: int, table: cl.Buffer
    ) -> None:
        self.radices = radices_of(length)
        self._queue = workspace.queue
        self._kernel = cl.Kernel(_program(self._queue.context, ""), "radix_pass")
        self._values = outer * length * inner
        self._length = length
        self._inner = np.uint64(inner)
        self._table = table

    def enqueue(self, source: cl.Buffer, targets: Sequence[cl.Buffer], sign: int) -> None:
        """Enqueue all passes, each from where the one before has left its result.

        Parameters
        ----------
        source : pyopencl.Buffer
            Where the first pass reads.
        targets : sequence of pyopencl.Buffer
            Where each pass writes, as many as `radices`; each other than the one before.
        sign : int
            1 for forward and -1 for inverse.
        """
        span = 1
        for radix, target in zip(self.radices, targets, strict=True):
            self._kernel(
                self._queue,
                *_sizes(self._queue, self._values // radix),
                source,
                target,
                self._table,
                np.uint64(self._values // radix),
                np.uint32(radix),
                np.uint32(self._length),
                np.uint32(span),
                np.uint32(self._table.size // _COMPLEX_BYTES),
                self._inner,
                np.float32(sign),
            )
            source = target
            span *= radix


class _GlobalAxis:
    """An axis but the last, in passes through global memory."""

    def __init__(self, workspace: _Workspace, outer: int, length: int, inner: int) -> None:
        self._workspace = workspace
        self._passes = _GlobalPasses(workspace, outer, length, inner, workspace.table(length))
        self._values = outer * length * inner
        workspace.want_scratch(1, self._values)

    def transform(self, values: cl.Buffer, sign: int) -> None:
        """Enqueue the transform in place; `sign` is 1 for forward and -1 for inverse."""
        scratch = self._workspace.scratch[0]
        count = len(self._passes.radices)
        targets = _starting_in(scratch, values, count)
        self._passes.enqueue(values, targets, sign)
        if targets[-1] is scratch:
            cl.enqueue_copy(
                self._workspace.queue, values, scratch, byte_count=self._values * _COMPLEX_BYTES
            )


class _GlobalRows:
    """The last axis, in passes through global memory."""

    def __init__(self, workspace: _Workspace, samples: int, rows: int) -> None:
        self._workspace = workspace
        self._even = samples % 2 == 0
        self._length = samples // 2 if self._even else samples
        self._table = workspace.table(samples)
        self._passes = _GlobalPasses(workspace, rows, self._length, 1, self._table)
        values, stored = rows * self._length, rows * (samples // 2 + 1)
        self._values, self._value_count = _sizes(workspace.queue, values), np.uint64(values)
        self._stored, self._stored_count = _sizes(workspace.queue, stored), np.uint64(stored)
        program = _program(workspace.queue.context, "")
        if self._even:
            self._split = cl.Kernel(program, "split_even_rows")
            self._merge = cl.Kernel(program, "merge_even_rows")
        else:
            self._widen = cl.Kernel(program, "widen_odd_rows")
            self._halve = cl.Kernel(program, "halve_odd_rows")
            self._mirror = cl.Kernel(program, "mirror_odd_rows")
            self._narrow = cl.Kernel(program, "narrow_odd_rows")
        # The caller's buffers hold the sample pairs of even rows, but not odd rows as complex.
        workspace.want_scratch(1 if self._even else 2, rows * self._length)

    def forward(self, real: cl.Buffer, spectrum: cl.Buffer) -> None:
        """Enqueue real rows to spectrum rows."""
        queue = self._workspace.queue
        length = np.uint32(self._length)
        count = len(self._passes.radices)
        if self._even:
            scratch = self._workspace.scratch[0]
            targets = _ending_in(scratch, spectrum, count)
            self._passes.enqueue(real, targets, sign=1)
            self._split(
                queue,
                *self._stored,
                scratch,
                spectrum,
                self._table,
                self._stored_count,
                length,
            )
        else:
            first, second = self._workspace.scratch[:2]
            self._widen(queue, *self._values, real, first, self._value_count)
            targets = _starting_in(second, first, count)
            self._passes.enqueue(first, targets, sign=1)
            self._halve(queue, *self._stored, targets[-1], spectrum, self._stored_count, length)

    def inverse(self, spectrum: cl.Buffer, real: cl.Buffer, scale: float) -> None:
        """Enqueue spectrum rows to real rows, multiplied by `scale`; changes `spectrum`."""
        queue = self._workspace.queue
        length = np.uint32(self._length)
        factor = np.float32(scale)
        count = len(self._passes.radices)
        if self._even:
            scratch = self._workspace.scratch[0]
            targets = _ending_in(real, scratch, count)
            pairs = real if targets[0] is scratch else scratch
            self._merge(
                queue,
                *self._values,
                spectrum,
                pairs,
                self._table,
                self._value_count,
                length,
                factor,
            )
            self._passes.enqueue(pairs, targets, sign=-1)
        else:
            first, second = self._workspace.scratch[:2]
            self._mirror(queue, *self._values, spectrum, first, self._value_count, length, factor)
            targets = _starting_in(second, first, count)
            self._passes.enqueue(first, targets, sign=-1)
            self._narrow(queue, *self._values, targets[-1], real, self._value_count)


def _sizes(queue: cl.CommandQueue, items: int) -> tuple[tuple[int], tuple[int]]:
    """Return the global and the local size for so many work-items; kernels ignore those beyond.

    Left to choose by itself for a size of few divisors, a driver may take groups of one item.
    """
    group = min(_PLAIN_GROUP_SIZE, queue.device.max_work_group_size)
    return (-(-items // group) * group,), (group,)


def _starting_in(first: cl.Buffer, second: cl.Buffer, count: int) -> list[cl.Buffer]:
    """Return `count` buffers, `first` and `second` in turn."""
    return [second if i % 2 else first for i in range(count)]


def _ending_in(last: cl.Buffer, other: cl.Buffer, count: int) -> list[cl.Buffer]:
    """Return `count` buffers in turn, the last of them `last`."""
    return _starting_in(last, other, count)[::-1]


def _check_shape(shape: tuple[int, ...]) -> None:
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"The shape must have 1 to 3 axes, but {shape} has {len(shape)}.")
    for length in shape:
        if length < 1 or prod(radices_of(length)) != length:
            raise ValueError(
                f"An axis of length {length} cannot be transformed: its length must be a product "
                "of the primes 2, 3, 5 and 7."
            )


def _preamble(definitions: dict[str, int | str]) -> str:
    return "".join(f"#define {name} {value}\n" for name, value in definitions.items())


@lru_cache(maxsize=128)
def _program(context: cl.Context, preamble: str) -> cl.Program:
    """Return the kernels built for a context, specialised by the macros in the preamble."""
    program = cl.Program(context, preamble + kernel_source("fft"))
    program.build()
    return program
