"""The transforms that Richardson-Lucy on an OpenCL device can use, behind one interface."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import pyopencl as cl
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.host.fft import HOST_FFTS, host_fft
from napari_psf_distiller.compute.host.transform import HostTransform
from napari_psf_distiller.compute.opencl.fft import OpenCLFFT
from napari_psf_distiller.errors import DeviceError, InputError

__all__ = ["OPENCL_FFTS", "Transform", "chosen_fft", "open_transform", "works_in_place"]

OPENCL_FFTS = ("vkfft", "opencl", *HOST_FFTS)

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
        No such FFT.
    DeviceError
        Not installed.
    """
    if fft == "auto":
        if device.kind == "cpu":
            return host_fft().name
        return "vkfft" if _vkfft_installed() else "opencl"
    if fft not in OPENCL_FFTS:
        raise InputError(
            f"There is no FFT {fft!r} on OpenCL devices; choose auto, {', '.join(OPENCL_FFTS)}."
        )
    if fft == "vkfft" and not _vkfft_installed():
        raise DeviceError(
            "The FFT 'vkfft' needs pyvkfft, which is not installed: pip install pyvkfft, with "
            "VKFFT_BACKEND=opencl in the environment and the OpenCL headers."
        )
    if fft in HOST_FFTS:
        if device.kind != "cpu":
            raise InputError(
                f"The FFT {fft!r} works in the host's memory, not in that of {device.name}; choose "
                "auto, vkfft or opencl."
            )
        return host_fft(fft).name
    return fft


def works_in_place(fft: str, columns: int) -> bool:
    """Return whether an FFT's real array and spectrum are one buffer.

    VkFFT does it where rows are even; this package's own kernels never.
    """
    return fft in HOST_FFTS or (fft == "vkfft" and columns % 2 == 0)


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
    if fft == "opencl":
        return _OwnFFT(queue, shape, real, spectrum, pitch)
    return _HostFFT(fft, queue, shape, spectrum, pitch)


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
        self._fft = OpenCLFFT(queue, shape)

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


class _HostFFT:
    """A host's transform on a device whose memory is the host's, through a mapped buffer."""

    def __init__(
        self,
        fft: str,
        queue: cl.CommandQueue,
        shape: tuple[int, ...],
        spectrum: cl.Buffer,
        pitch: int,
    ) -> None:
        self.real = self.spectrum = spectrum
        self.pitch = pitch
        self._queue = queue
        self._shape = shape
        self._transform = HostTransform(shape, fft)

    def forward(self) -> None:
        with self._mapped() as (real, spectrum):
            self._transform.forward(real, spectrum)

    def inverse(self) -> None:
        with self._mapped() as (real, spectrum):
            self._transform.inverse(spectrum, real)

    def release(self) -> None:
        self._transform.close()

    @contextmanager
    def _mapped(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.complex64]]]:
        kind: Any = cl.map_flags.READ | cl.map_flags.WRITE
        dtype: Any = np.complex64
        spectrum, _ = cl.enqueue_map_buffer(
            self._queue,
            self.spectrum,
            kind,
            0,
            self._transform.spectrum_shape,
            dtype,
            is_blocking=True,
        )
        try:
            yield spectrum.view(np.float32)[:, :, : self._shape[2]], spectrum
        finally:
            spectrum.base.release(self._queue)


@functools.cache
def _vkfft_installed() -> bool:
    try:
        import pyvkfft.opencl  # noqa: F401
    except Exception:  # it may be there without its OpenCL half, which fails in several ways
        return False
    return True
