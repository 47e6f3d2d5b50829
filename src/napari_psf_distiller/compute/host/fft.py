"""The host's Fourier transforms of planes and of lines, by whichever library is installed.

An FFT of three axes is one of each plane's two and then one of the lines across the planes. Taken
apart, what lies between two transforms is done while its plane is still in the processor's cache,
and of an array that is mostly zeros only the planes that are not need a transform.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.errors import DeviceError, InputError

__all__ = ["HOST_FFTS", "HostFFT", "Spectrum", "host_fft"]

Spectrum = NDArray[np.complex64]

# The fastest first, and the package that each needs.
HOST_FFTS = {"ducc0": "ducc0", "scipy": "scipy"}


class HostFFT(Protocol):
    """A library's transforms of (planes, rows, columns), on so many threads."""

    name: str

    def planes(self, real: Array, shape: tuple[int, int], out: Spectrum, threads: int) -> None:
        """Transform planes, filled up with zeros to a shape, to half spectra, unnormalised.

        Parameters
        ----------
        real : numpy.ndarray
            float32; not changed.
        shape : tuple of int
            Rows and columns.
        out : numpy.ndarray
            complex64, (planes, rows, columns // 2 + 1).
        threads : int
        """

    def planes_back(
        self, spectra: Spectrum, shape: tuple[int, int], part: tuple[int, int], threads: int
    ) -> Array:
        """Return the first rows and columns of the planes of half spectra, which are lost."""

    def lines(self, spectra: Spectrum, length: int, threads: int) -> Spectrum:
        """Return the unnormalised spectra across planes, filled up with zeros to a length."""

    def lines_back(self, spectra: Spectrum, threads: int) -> Spectrum:
        """Return the inverse of `lines`; its input is lost."""


def host_fft(name: str = "auto") -> HostFFT:
    """Return the transforms of a library, or of the fastest that is installed.

    Raises
    ------
    InputError
        No such FFT.
    DeviceError
        Not installed.
    """
    if name == "auto":
        name = next(known for known in HOST_FFTS if _installed(known))
    if name not in HOST_FFTS:
        raise InputError(
            f"There is no FFT {name!r} with NumPy; choose auto, {', '.join(HOST_FFTS)}, or an "
            "OpenCL device."
        )
    if not _installed(name):
        package = HOST_FFTS[name]
        raise DeviceError(
            f"The FFT {name!r} needs {package}, which is not installed: pip install {package}."
        )
    libraries: dict[str, type[HostFFT]] = {"ducc0": _Ducc, "scipy": _SciPy}
    return libraries[name]()


def _installed(name: str) -> bool:
    try:
        if name == "ducc0":
            import ducc0  # noqa: F401
    except Exception:  # it may be there and broken, which fails in several ways
        return False
    return True


class _SciPy:
    """SciPy's pocketfft."""

    name = "scipy"

    def planes(self, real: Array, shape: tuple[int, int], out: Spectrum, threads: int) -> None:
        rows, columns = shape
        spectra = scipy_fft.rfft(real, n=columns, axis=2, workers=threads)
        out[...] = scipy_fft.fft(spectra, n=rows, axis=1, workers=threads, overwrite_x=True)

    def planes_back(
        self, spectra: Spectrum, shape: tuple[int, int], part: tuple[int, int], threads: int
    ) -> Array:
        half = scipy_fft.ifft(spectra, axis=1, workers=threads, overwrite_x=True)
        result: Array = scipy_fft.irfft(
            half[:, : part[0]], n=shape[1], axis=2, workers=threads, overwrite_x=True
        )
        return result[:, :, : part[1]]

    def lines(self, spectra: Spectrum, length: int, threads: int) -> Spectrum:
        result: Spectrum = scipy_fft.fft(spectra, n=length, axis=0, workers=threads)
        return result

    def lines_back(self, spectra: Spectrum, threads: int) -> Spectrum:
        result: Spectrum = scipy_fft.ifft(spectra, axis=0, workers=threads, overwrite_x=True)
        return result


class _Ducc:
    """ducc0, the successor of pocketfft."""

    name = "ducc0"

    def __init__(self) -> None:
        import ducc0

        self._fft: Any = ducc0.fft

    def planes(self, real: Array, shape: tuple[int, int], out: Spectrum, threads: int) -> None:
        rows = real.shape[1]
        real = _filled(real, 2, shape[1])
        out[:, rows:] = 0
        self._fft.r2c(real, axes=(2,), out=out[:, :rows], nthreads=threads)
        self._in_place(out, 1, True, threads)

    def planes_back(
        self, spectra: Spectrum, shape: tuple[int, int], part: tuple[int, int], threads: int
    ) -> Array:
        half = self._in_place(spectra, 1, False, threads)[:, : part[0]]
        real: Array = self._fft.c2r(
            half, axes=(2,), lastsize=shape[1], forward=False, inorm=2, nthreads=threads
        )
        return real[:, :, : part[1]]

    def lines(self, spectra: Spectrum, length: int, threads: int) -> Spectrum:
        if spectra.shape[0] == length:
            result: Spectrum = self._fft.c2c(spectra, axes=(0,), nthreads=threads)
            return result
        return self._in_place(_filled(spectra, 0, length), 0, True, threads)

    def lines_back(self, spectra: Spectrum, threads: int) -> Spectrum:
        return self._in_place(spectra, 0, False, threads)

    def _in_place(self, spectra: Spectrum, axis: int, forward: bool, threads: int) -> Spectrum:
        inorm = 0 if forward else 2
        self._fft.c2c(
            spectra, axes=(axis,), forward=forward, inorm=inorm, out=spectra, nthreads=threads
        )
        return spectra


def _filled(array: NDArray[Any], axis: int, length: int) -> NDArray[Any]:
    """Return an array filled up with zeros along an axis; itself if it is that long."""
    if array.shape[axis] == length:
        return array
    shape = list(array.shape)
    shape[axis] = length
    result = np.zeros(shape, array.dtype)
    result[tuple(slice(n) for n in array.shape)] = array
    return result
