"""What a PSF that changes over the grid adds to a convolution and to its adjoint, with NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.engine import Array, Problem, Variation
from napari_psf_distiller.compute.grid import wrapped_psf
from napari_psf_distiller.compute.host.fft import Spectrum
from napari_psf_distiller.compute.host.transform import HostTransform

__all__ = ["HostVariation"]


class HostVariation:
    """The kernels of a `Variation` in Fourier space, and the sums of what they make.

    `convolve` and `light` belong together, and so do `keep`, `correlate` and `correction`: they use
    the same array one after the other.

    Parameters
    ----------
    problem : Problem
    variation : Variation
        The problem's.
    transform : HostTransform
        Of the problem's grid.
    """

    def __init__(self, problem: Problem, variation: Variation, transform: HostTransform) -> None:
        self._transform = transform
        self._weights_in = variation.weights_in
        self._otfs = np.empty((len(variation.kernels), *transform.spectrum_shape), np.complex64)
        for kernel, otf in zip(variation.kernels, self._otfs, strict=True):
            transform.forward(wrapped_psf(problem, kernel), otf)
        self._sum = np.empty(transform.spectrum_shape, np.complex64)
        self._part = np.empty(transform.spectrum_shape, np.complex64)
        self._correction = np.empty(problem.grid, np.float32)

    def convolve(self, point: Array) -> None:
        """Spread the point's light by the kernels; see `light`.

        Parameters
        ----------
        point : numpy.ndarray
            Of the grid's shape.
        """
        transform, fft, part, total = self._transform, self._transform.fft, self._part, self._sum
        depth = len(part)
        for number, otf in enumerate(self._otfs):

            def forward(planes: slice, threads: int, number: int = number) -> None:
                weighed = point[planes] * self._weights_in(number, planes)
                fft.planes(weighed, transform.plane, part[planes], threads)

            def multiply(
                rows: slice, threads: int, otf: Spectrum = otf, first: bool = number == 0
            ) -> None:
                block = part[:, rows]
                if depth > 1:
                    block = fft.lines(block, depth, threads)
                if first:
                    np.multiply(block, otf[:, rows], out=total[:, rows])
                else:
                    block *= otf[:, rows]
                    total[:, rows] += block

            transform.over_planes(forward, depth)
            transform.over_rows(multiply)

    def light(self, rows: slice) -> Spectrum:
        """Return some rows of the spectrum of what `convolve` has made."""
        light: Spectrum = self._sum[:, rows]
        return light

    def keep(self, rows: slice, quotient: NDArray[np.complex64]) -> None:
        """Take some rows of the spectrum of the quotient of image and model; see `correlate`."""
        self._sum[:, rows] = quotient

    def correlate(self) -> None:
        """Correlate what was kept with the kernels; see `correction`."""
        transform, fft, part, kept = self._transform, self._transform.fft, self._part, self._sum
        depth = len(part)
        for number, otf in enumerate(self._otfs):

            def multiply(rows: slice, threads: int, otf: Spectrum = otf) -> None:
                block = kept[:, rows] * otf[:, rows].conj()
                part[:, rows] = fft.lines_back(block, threads) if depth > 1 else block

            def back(planes: slice, threads: int, number: int = number) -> None:
                found = fft.planes_back(part[planes], transform.plane, transform.plane, threads)
                weights = self._weights_in(number, planes)
                if number == 0:
                    np.multiply(found, weights, out=self._correction[planes])
                else:
                    found *= weights
                    self._correction[planes] += found

            transform.over_rows(multiply)
            transform.over_planes(back, depth)

    def correction(self, planes: slice) -> Array:
        """Return some planes of what `correlate` has made."""
        correction: Array = self._correction[planes]
        return correction
