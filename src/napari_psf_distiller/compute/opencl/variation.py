"""What a PSF that changes over the grid adds to a convolution and to its adjoint, with OpenCL."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.engine import Array, Problem, Variation
from napari_psf_distiller.compute.grid import wrapped_psf
from napari_psf_distiller.compute.opencl.transforms import Transform

__all__ = ["OpenCLVariation"]


class Run(Protocol):
    """Runs a kernel of a name over so many work-items, with its arguments."""

    def __call__(self, name: str, size: tuple[int, ...], *arguments: Any) -> None:
        """Run it."""


class OpenCLVariation:
    """The kernels of a `Variation` in Fourier space, and the sums of what they make.

    Parameters
    ----------
    problem : Problem
    variation : Variation
        The problem's.
    transform : Transform
        Of the problem's grid, whose arrays are used on the way.
    queue : pyopencl.CommandQueue
    allocate, upload, run : callable
        Give a buffer of so many bytes, one with an array, and run a kernel.
    """

    def __init__(
        self,
        problem: Problem,
        variation: Variation,
        transform: Transform,
        queue: cl.CommandQueue,
        allocate: Callable[[int], cl.Buffer],
        upload: Callable[[Array], cl.Buffer],
        run: Run,
    ) -> None:
        self._transform, self._queue, self._run = transform, queue, run
        z, y, x = problem.grid
        self._size, self._bins = (x, y, z), z * y * (x // 2 + 1)
        self._pitch = np.uint32(transform.pitch)
        self._sum = allocate(8 * self._bins)
        self._correction = allocate(4 * math.prod(problem.grid))
        # Of each kernel what the device's `weight_at` takes; without depths none of them is read.
        self._weights: list[tuple[Any, ...]] = []
        further, depths = variation.further_weights, variation.depths
        if further is None or depths is None:
            uploaded = [upload(weights) for weights in variation.weights]
            self._weights = [(weights, weights, weights, np.uint32(0)) for weights in uploaded]
        else:
            counts = np.uint32(len(depths))
            of_planes = upload(np.ascontiguousarray(depths))
            self._weights = [
                (upload(weights), upload(more), of_planes, counts)
                for weights, more in zip(variation.weights, further, strict=True)
            ]
        self._otfs = [allocate(8 * self._bins) for _ in variation.kernels]
        for kernel, otf in zip(variation.kernels, self._otfs, strict=True):
            cl.enqueue_copy(queue, self._correction, wrapped_psf(problem, kernel))
            run("place", self._size, self._correction, transform.real, self._pitch)
            transform.forward()
            self._copy(otf, transform.spectrum)

    def convolve(self, point: cl.Buffer, otf: cl.Buffer) -> None:
        """Make of the point, which lies in the transform's real array, its convolution there.

        Parameters
        ----------
        point : pyopencl.Buffer
            The same, without gaps between its rows.
        otf : pyopencl.Buffer
            Of the problem's PSF.
        """
        transform = self._transform
        transform.forward()
        self._run("convolve", (self._bins,), transform.spectrum, otf)
        self._copy(self._sum, transform.spectrum)
        for own, weights in zip(self._otfs, self._weights, strict=True):
            self._run("weigh", self._size, point, transform.real, self._pitch, *weights)
            transform.forward()
            self._run("add_convolved", (self._bins,), self._sum, transform.spectrum, own)
        self._copy(transform.spectrum, self._sum)
        transform.inverse()

    def correlate(self, otf: cl.Buffer) -> None:
        """Make of the quotient in the transform's real array its correlation there.

        Parameters
        ----------
        otf : pyopencl.Buffer
            Of the problem's PSF.
        """
        transform = self._transform
        transform.forward()
        self._copy(self._sum, transform.spectrum)
        for number, (own, weights) in enumerate(zip(self._otfs, self._weights, strict=True)):
            if number:
                self._copy(transform.spectrum, self._sum)
            self._run("correlate", (self._bins,), transform.spectrum, own)
            transform.inverse()
            self._run(
                "add_weighed",
                self._size,
                self._correction,
                transform.real,
                self._pitch,
                *weights,
                np.uint32(number == 0),
            )
        self._copy(transform.spectrum, self._sum)
        self._run("correlate", (self._bins,), transform.spectrum, otf)
        transform.inverse()
        self._run("add", self._size, self._correction, transform.real, self._pitch)

    def _copy(self, to: cl.Buffer, source: cl.Buffer) -> None:
        cl.enqueue_copy(self._queue, to, source, byte_count=8 * self._bins)
