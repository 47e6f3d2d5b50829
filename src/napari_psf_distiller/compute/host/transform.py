"""A Fourier transform of three axes on the host, on threads that do the work between, too."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.compute.host.fft import Spectrum, host_fft
from napari_psf_distiller.compute.threads import host_threads

__all__ = ["PIECE", "HostTransform"]

T = TypeVar("T")

# What a thread works on at a time: some 500 kB, which the second-level cache of one core holds
# together with the transform's own copy.
PIECE = 2**16


class HostTransform:
    """A real FFT of three axes on threads of its own, plane by plane."""

    def __init__(self, shape: tuple[int, ...], fft: str) -> None:
        self.shape = shape
        self.spectrum_shape = (*shape[:2], shape[2] // 2 + 1)
        self.plane = (shape[1], shape[2])
        self.fft = host_fft(fft)
        self._threads = host_threads()
        self._pool = ThreadPoolExecutor(self._threads, "richardson-lucy")

    def over_planes(self, work: Callable[[slice, int], T], planes: int) -> list[T]:
        """Do some work for all planes, a few at a time; it is given them and its threads."""
        return self._over(work, planes, math.prod(self.plane), 2 * PIECE)

    def over_rows(self, work: Callable[[slice, int], T]) -> list[T]:
        """Do some work for all rows, a few at a time across all planes."""
        values = self.spectrum_shape[2] * self.shape[0]
        return self._over(work, self.plane[0], values, PIECE)

    def over_pieces(
        self, work: Callable[[slice], T], shape: tuple[int, ...], threads: int
    ) -> list[T]:
        """Do some work for all rows of some planes, as many at a time as a cache holds."""
        size = max(1, 2 * PIECE // (shape[0] * shape[2]))
        pieces = [slice(i, min(i + size, shape[1])) for i in range(0, shape[1], size)]
        if threads > 1:
            return list(self._pool.map(work, pieces))
        return [work(rows) for rows in pieces]

    def forward(self, real: Array, spectrum: Spectrum) -> None:
        """Transform an array of the transform's shape into a half spectrum."""

        def planes(part: slice, threads: int) -> None:
            self.fft.planes(real[part], self.plane, spectrum[part], threads)

        def lines(rows: slice, threads: int) -> None:
            spectrum[:, rows] = self.fft.lines(spectrum[:, rows], self.shape[0], threads)

        self.over_planes(planes, self.shape[0])
        if self.shape[0] > 1:
            self.over_rows(lines)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _over(
        self, work: Callable[[slice, int], T], count: int, values: int, piece: int
    ) -> list[T]:
        """Do some work for so many planes or rows of so many values, a piece at a time."""
        size = max(1, piece // values)
        parts = [slice(i, min(i + size, count)) for i in range(0, count, size)]
        if len(parts) >= self._threads:
            return list(self._pool.map(work, parts, [1] * len(parts)))
        # Few large parts are worth the threads of a library, whose start costs more than a small
        # one's work.
        threads = self._threads if values * count > piece else 1
        return [work(part, threads) for part in parts]
