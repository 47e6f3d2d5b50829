"""The reference: Richardson-Lucy with NumPy and SciPy, used where there is no OpenCL device."""

from __future__ import annotations

import numpy as np
from scipy import fft as scipy_fft

from napari_psf_distiller.compute.devices import NUMPY, Device
from napari_psf_distiller.compute.engine import Array, Problem, host_threads

__all__ = ["NumpyEngine", "NumpySolver"]


class NumpyEngine:
    """Runs on the CPU without OpenCL."""

    device: Device = NUMPY
    fft: str = "scipy"

    @property
    def description(self) -> str:
        """The device, the FFT and the precision, for people."""
        return "NumPy (CPU), FFT scipy, float32"

    def solver(self, problem: Problem) -> NumpySolver:
        """Set a problem up."""
        return NumpySolver(problem)


class NumpySolver:
    """Richardson-Lucy iterations (Richardson 1972, Lucy 1974) on a padded grid."""

    def __init__(self, problem: Problem) -> None:
        self._shape = problem.image.shape
        self._threads = host_threads()
        self._image = problem.image
        self._valid = problem.valid
        self._estimate = problem.start.copy()
        self._otf = self._forward(problem.psf)
        self._normaliser = problem.normaliser

    def step(self, likelihood: bool = False) -> float | None:
        """Do one iteration; return the log-likelihood before it, if asked."""
        model = self._filtered(self._estimate, self._otf)
        value = self._log_likelihood(model) if likelihood else None
        positive = model > 0
        np.divide(self._image, model, out=model, where=positive)
        model[~positive] = 0
        correction = self._filtered(model, self._otf.conj())
        if self._normaliser is not None:
            correction /= self._normaliser
        self._estimate *= correction
        return value

    def estimate(self) -> Array:
        """Return a copy of the present estimate on the padded grid."""
        return self._estimate.copy()

    def close(self) -> None:
        """Let go of the arrays."""
        empty = np.empty(0, np.float32)
        self._image = self._estimate = empty
        self._otf = np.empty(0, np.complex64)
        self._normaliser = None

    def _forward(self, array: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.complex64]]:
        spectrum: np.ndarray[tuple[int, ...], np.dtype[np.complex64]] = scipy_fft.rfftn(
            array, workers=self._threads
        )
        return spectrum

    def _filtered(
        self, array: Array, transfer: np.ndarray[tuple[int, ...], np.dtype[np.complex64]]
    ) -> Array:
        spectrum = self._forward(array)
        spectrum *= transfer
        result: Array = scipy_fft.irfftn(
            spectrum, s=self._shape, workers=self._threads, overwrite_x=True
        )
        return result

    def _log_likelihood(self, model: Array) -> float:
        image, model = self._image[self._valid], model[self._valid]
        counts = model > 0
        logarithm = np.log(model, out=np.zeros_like(model), where=counts)
        terms = np.where(image > 0, image * logarithm, 0) - np.where(counts, model, 0)
        return float(terms.sum(dtype=np.float64))
