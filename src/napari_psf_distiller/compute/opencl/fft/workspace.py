"""What the axes of one transform share: queue, twiddle tables, scratch and built kernels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.devices import kernel_source

__all__ = ["COMPLEX_BYTES", "Workspace", "built_kernels"]

COMPLEX_BYTES = np.dtype(np.complex64).itemsize


class Workspace:
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
        """Make the scratch buffers, once all axes have said what they want.

        Where the device has too little memory for them, the tables are freed too.
        """
        count, values = self._wanted
        context, flags = self.queue.context, cl.mem_flags.READ_WRITE
        try:
            for _ in range(count):
                self.scratch.append(cl.Buffer(context, flags, values * COMPLEX_BYTES))
        except (cl.Error, MemoryError):
            self.release()
            raise

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


@lru_cache(maxsize=128)
def built_kernels(context: cl.Context, preamble: str) -> cl.Program:
    """Return the kernels built for a context, specialised by the macros in the preamble."""
    program = cl.Program(context, preamble + kernel_source("fft"))
    program.build()
    return program
