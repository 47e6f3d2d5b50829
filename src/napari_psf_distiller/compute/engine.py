"""What a step asks of the machinery: an engine for a device, and a solver for a problem."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import NUMPY, Device, choose_device

__all__ = ["Engine", "Problem", "Solver", "host_threads", "open_engine"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Problem:
    """A Richardson-Lucy deconvolution on a padded grid.

    Attributes
    ----------
    image, psf, start : numpy.ndarray
        float32, 1 to 3 axes, all of one shape. The PSF's centre lies at index 0 of each axis; the
        convolution is circulant on this grid.
    valid : tuple of slice
        Where in the grid the image was measured: what the likelihood counts.
    normaliser : numpy.ndarray or None
        float32, of the same shape: each update is divided by it.
    """

    image: Array
    psf: Array
    start: Array
    valid: tuple[slice, ...]
    normaliser: Array | None


class Solver(Protocol):
    """One running deconvolution; it holds the device's memory until it is closed."""

    def step(self, likelihood: bool = False) -> float | None:
        """Do one iteration; return the log-likelihood before it, if asked."""

    def estimate(self) -> Array:
        """Return a copy of the present estimate on the padded grid."""

    def close(self) -> None:
        """Free what the solver holds; it may be called twice."""


class Engine(Protocol):
    """A device with the FFT it is used with."""

    device: Device
    fft: str

    @property
    def description(self) -> str:
        """The device, the FFT and the precision, for people."""

    def solver(self, problem: Problem) -> Solver:
        """Put a problem on the device."""


def open_engine(device: str = "auto", fft: str | None = None) -> Engine:
    """Return the engine for a device's name.

    Parameters
    ----------
    device : str
        See `choose_device`.
    fft : {"scipy", "vkfft", "opencl"}, optional
        On an OpenCL device: the host's transform through mapped memory, VkFFT, or this package's
        own kernels. None takes "scipy" on a CPU, whose memory is the host's and where it measured
        fastest; on a GPU "vkfft" where pyvkfft is installed, else "opencl".

    Raises
    ------
    InputError, DeviceError
        No such device, or not usable.
    """
    chosen = choose_device(device)
    if chosen is NUMPY:
        from napari_psf_distiller.compute.reference import NumpyEngine

        return NumpyEngine()
    from napari_psf_distiller.compute.opencl import OpenCLEngine

    return OpenCLEngine(chosen, fft)


def host_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
