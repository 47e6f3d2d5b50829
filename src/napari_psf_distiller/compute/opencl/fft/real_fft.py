"""Real-input Fourier transforms over all axes of an array.

A line that fits into the local memory of a work-group goes through all its passes there; a longer
one makes each pass through global memory.
"""

from __future__ import annotations

from math import prod

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.opencl.fft.global_memory import GlobalAxis, GlobalRows
from napari_psf_distiller.compute.opencl.fft.local_memory import LocalAxis, LocalRows
from napari_psf_distiller.compute.opencl.fft.plan import (
    GROUP_SIZES,
    LEAST_ADJACENT_LINES,
    Limits,
    plan_lines,
    radices_of,
)
from napari_psf_distiller.compute.opencl.fft.workspace import COMPLEX_BYTES, Workspace

__all__ = ["OpenCLFFT"]

_REAL_BYTES = np.dtype(np.float32).itemsize


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
        self._workspace = Workspace(queue)
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
            ("spectrum", spectrum, prod(self.spectrum_shape) * COMPLEX_BYTES),
        ):
            if buffer.size < needed:
                raise ValueError(
                    f"The {name} buffer has {buffer.size} bytes, but shape {self.shape} "
                    f"needs {needed}."
                )


def _rows(workspace: Workspace, limits: Limits, samples: int, rows: int) -> LocalRows | GlobalRows:
    """Return the transform of the last axis, in local memory if the rows fit."""
    length = samples // 2 if samples % 2 == 0 else samples
    plan = plan_lines(length, rows, 1, limits)
    if plan is None:
        return GlobalRows(workspace, samples, rows)
    return LocalRows(workspace, samples, rows, plan)


def _axis(
    workspace: Workspace, limits: Limits, outer: int, length: int, inner: int
) -> LocalAxis | GlobalAxis:
    """Return the transform of an axis but the last, in local memory if the lines fit."""
    plan = plan_lines(length, inner, LEAST_ADJACENT_LINES, limits)
    if plan is None:
        return GlobalAxis(workspace, outer, length, inner)
    return LocalAxis(workspace, outer, inner, plan)


def _check_shape(shape: tuple[int, ...]) -> None:
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"The shape must have 1 to 3 axes, but {shape} has {len(shape)}.")
    for length in shape:
        if length < 1 or prod(radices_of(length)) != length:
            raise ValueError(
                f"An axis of length {length} cannot be transformed: its length must be a product "
                "of the primes 2, 3, 5 and 7."
            )
