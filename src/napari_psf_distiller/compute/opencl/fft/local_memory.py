"""Transforms of an axis whose lines fit into the local memory of a work-group."""

from __future__ import annotations

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.opencl.fft.plan import Plan
from napari_psf_distiller.compute.opencl.fft.workspace import Workspace, built_kernels

__all__ = ["LocalAxis", "LocalRows"]


class LocalRows:
    """The last axis, whole rows in local memory."""

    def __init__(self, workspace: Workspace, samples: int, rows: int, plan: Plan) -> None:
        self._queue = workspace.queue
        self._table = workspace.table(samples)
        definitions = plan.definitions(table_length=samples) | {"FFT_SAMPLES": samples}
        program = built_kernels(self._queue.context, _preamble(definitions))
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


class LocalAxis:
    """An axis but the last, lines side by side in local memory."""

    def __init__(self, workspace: Workspace, outer: int, inner: int, plan: Plan) -> None:
        self._queue = workspace.queue
        self._table = workspace.table(plan.length)
        definitions = plan.definitions(table_length=plan.length)
        program = built_kernels(self._queue.context, _preamble(definitions))
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


def _preamble(definitions: dict[str, int | str]) -> str:
    return "".join(f"#define {name} {value}\n" for name, value in definitions.items())
