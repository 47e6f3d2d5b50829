"""The transforms that Richardson-Lucy on an OpenCL device can use, behind one interface."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pyopencl as cl

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.host.fft import HOST_FFTS
from napari_psf_distiller.compute.opencl.fft import OpenCLFFT
from napari_psf_distiller.errors import DeviceError, InputError

__all__ = [
    "OPENCL_FFTS",
    "Transform",
    "chosen_fft",
    "in_plain_passes",
    "open_transform",
    "works_in_place",
]

OPENCL_FFTS = ("vkfft", "opencl")

# Voxels of a grid up to which kernels of one length are not worth their building for a processor:
# that takes a second, as long as they save in 100 iterations of so many voxels.
SMALL_GRID = 2**18

# Allocates a device buffer of so many bytes.
Allocate = Callable[[int], cl.Buffer]


class Transform(Protocol):
    """A real FFT of three axes between two device buffers, which may be one.

    Attributes
    ----------
    real : pyopencl.Buffer
        float32, rows of `pitch` floats, of which the first are the grid's.
    spectrum : pyopencl.Buffer
        complex64, the last axis n // 2 + 1.
    pitch : int
    """

    real: cl.Buffer
    spectrum: cl.Buffer
    pitch: int

    def forward(self) -> None:
        """Transform the real array, which may be lost."""

    def inverse(self) -> None:
        """Transform the spectrum, which is lost, divided by the number of voxels."""

    def release(self) -> None:
        """Free what the transform holds beyond the buffers."""


def chosen_fft(device: Device, fft: str = "auto") -> str:
    """Return the FFT to use on a device; see `open_engine`.

    Raises
    ------
    InputError
        No such FFT, or one of the processor's.
    DeviceError
        Not installed.
    """
    if fft == "auto":
        return "vkfft" if device.kind == "gpu" and _vkfft_installed() else "opencl"
    if fft in HOST_FFTS:
        raise InputError(
            f"The FFT {fft!r} is NumPy's, not that of an OpenCL device such as {device.name}: "
            "choose the FFT auto, vkfft or opencl, or the device numpy."
        )
    if fft not in OPENCL_FFTS:
        raise InputError(
            f"There is no FFT {fft!r} on OpenCL devices; choose auto, vkfft or opencl."
        )
    if fft == "vkfft" and not _vkfft_installed():
        raise DeviceError(
            "The FFT 'vkfft' needs pyvkfft, which is not installed: pip install pyvkfft, with "
            "VKFFT_BACKEND=opencl in the environment and the OpenCL headers."
        )
    return fft


def works_in_place(fft: str, columns: int) -> bool:
    """Return whether an FFT's real array and spectrum are one buffer.

    VkFFT does it where rows are even; this package's own kernels never.
    """
    return fft == "vkfft" and columns % 2 == 0


def in_plain_passes(kind: str, shape: tuple[int, ...]) -> bool:
    """Return whether the FFT "opencl" has all passes of a grid go through global memory.

    These kernels are the same for all lengths. Those of one length keep its values in local memory,
    and take half the time.

    Parameters
    ----------
    kind : str
        Of the device; see `Device`.
    shape : tuple of int
    """
    return kind == "cpu" and math.prod(shape) <= SMALL_GRID


def open_transform(
    fft: str, queue: cl.CommandQueue, shape: tuple[int, ...], allocate: Allocate
) -> Transform:
    """Return the transform of a grid by an FFT of `chosen_fft`."""
    bins = shape[0] * shape[1] * (shape[2] // 2 + 1)
    spectrum = allocate(8 * bins)
    if works_in_place(fft, shape[2]):
        real, pitch = spectrum, 2 * (shape[2] // 2 + 1)
    else:
        real, pitch = allocate(4 * shape[0] * shape[1] * shape[2]), shape[2]
    if fft == "vkfft":
        return _VkFFT(queue, shape, real, spectrum, pitch)
    return _OwnFFT(queue, shape, real, spectrum, pitch)


class _OwnFFT:
    """The kernels of this package."""

    def __init__(
        self,
        queue: cl.CommandQueue,
        shape: tuple[int, ...],
        real: cl.Buffer,
        spectrum: cl.Buffer,
        pitch: int,
    ) -> None:
        self.real, self.spectrum, self.pitch = real, spectrum, pitch
        kind = "gpu" if queue.device.type & cl.device_type.GPU else "cpu"
        plain = in_plain_passes(kind, shape)
        self._fft = OpenCLFFT(queue, shape, local_memory_bytes=0 if plain else None)

    def forward(self) -> None:
        self._fft.forward(self.real, self.spectrum)

    def inverse(self) -> None:
        self._fft.inverse(self.spectrum, self.real)

    def release(self) -> None:
        self._fft.release()


class _VkFFT:
    """VkFFT through pyvkfft."""

    def __init__(
        self,
        queue: cl.CommandQueue,
        shape: tuple[int, ...],
        real: cl.Buffer,
        spectrum: cl.Buffer,
        pitch: int,
    ) -> None:
        import pyopencl.array as cl_array
        from pyvkfft.opencl import VkFFTApp

        self.real, self.spectrum, self.pitch = real, spectrum, pitch
        in_place = real is spectrum
        half = (*shape[:2], shape[2] // 2 + 1)
        self._real = cl_array.Array(queue, (*shape[:2], pitch), np.float32, data=real)
        self._spectrum = cl_array.Array(queue, half, np.complex64, data=spectrum)
        # Along the last axis it is from real to complex, whatever its length.
        axes = [axis for axis in range(3) if shape[axis] > 1 or axis == 2]
        self._plan: Any = VkFFTApp(
            self._real.shape,
            np.float32,
            queue,
            axes=axes,
            inplace=in_place,
            r2c=True,
            norm=1,
        )

    def forward(self) -> None:
        if self.real is self.spectrum:
            self._plan.fft(self._real)
        else:
            self._plan.fft(self._real, self._spectrum)

    def inverse(self) -> None:
        if self.real is self.spectrum:
            self._plan.ifft(self._spectrum)
        else:
            self._plan.ifft(self._spectrum, self._real)

    def release(self) -> None:
        self._plan = None


@functools.cache
def _vkfft_installed() -> bool:
    try:
        import pyvkfft.opencl  # noqa: F401
    except Exception:  # it may be there without its OpenCL half, which fails in several ways
        return False
    return True
