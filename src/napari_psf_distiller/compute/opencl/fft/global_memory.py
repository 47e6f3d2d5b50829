"""Transforms of an axis whose lines are too long: each pass goes through global memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.opencl.fft.plan import radices_of
from napari_psf_distiller.compute.opencl.fft.workspace import (
    COMPLEX_BYTES,
    Workspace,
    built_kernels,
)

__all__ = ["GlobalAxis", "GlobalRows"]

# Work-group of the kernels that do without local memory.
_PLAIN_GROUP_SIZE = 64


class _GlobalPasses:
    """The passes of one axis through global memory, of an array seen as (outer, length, inner)."""

    def __init__(
        self, workspace: Workspace, outer: int, length: int, inner: int, table: cl.Buffer
    ) -> None:
        self.radices = radices_of(length)
        self._queue = workspace.queue
        self._kernel = cl.Kernel(built_kernels(self._queue.context, ""), "radix_pass")
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
                np.uint32(self._table.size // COMPLEX_BYTES),
                self._inner,
                np.float32(sign),
            )
            source = target
            span *= radix


class GlobalAxis:
    """An axis but the last, in passes through global memory."""

    def __init__(self, workspace: Workspace, outer: int, length: int, inner: int) -> None:
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
                self._workspace.queue, values, scratch, byte_count=self._values * COMPLEX_BYTES
            )


class GlobalRows:
    """The last axis, in passes through global memory."""

    def __init__(self, workspace: Workspace, samples: int, rows: int) -> None:
        self._workspace = workspace
        self._even = samples % 2 == 0
        self._length = samples // 2 if self._even else samples
        self._table = workspace.table(samples)
        self._passes = _GlobalPasses(workspace, rows, self._length, 1, self._table)
        values, stored = rows * self._length, rows * (samples // 2 + 1)
        self._values, self._value_count = _sizes(workspace.queue, values), np.uint64(values)
        self._stored, self._stored_count = _sizes(workspace.queue, stored), np.uint64(stored)
        program = built_kernels(workspace.queue.context, "")
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
