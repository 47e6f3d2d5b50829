"""What distilling gives, and the time that its steps take."""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.progress import Progress, Steps, note_likelihood, passed_on
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId

__all__ = ["Clock", "Deconvolved", "Result", "noting"]

T = TypeVar("T")


class Deconvolved(NamedTuple):
    """What Richardson-Lucy made of an image, or of a field of beads.

    Attributes
    ----------
    array : numpy.ndarray
        float32, of the image's shape, not negative; of a field of beads the PSF about the centre,
        before post-processing.
    device : str
        What was used: device, FFT, precision, and the tiles if there was more than one.
    log_likelihood : tuple of (int, float)
        (iteration, log-likelihood before it), where it was computed.
    iterations : int
        How many were done.
    warnings : tuple of str
        What a user should know of the way there.
    """

    array: NDArray[np.float32]
    device: str
    log_likelihood: tuple[tuple[int, float], ...]
    iterations: int
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """A distilled PSF and how it came about.

    Attributes
    ----------
    psf : numpy.ndarray
        float32, (Z, Y, X) or (Y, X), sum 1, peak at n // 2.
    beads : pandas.DataFrame
        See `find_beads`.
    recipe : Recipe
        All that is needed to run it again, versions and device included.
    timings : dict of str to float
        Seconds for each step, and "total".
    spacing : tuple of float
        Voxel size in micrometres.
    fwhm : tuple of float
        Along each axis, in micrometres; see `fwhm`.
    fwhm_error : tuple of float
        Their standard errors; NaN where the method gives none. A 95 % interval is 1.96 of them to
        each side.
    psf_error : numpy.ndarray or None
        float32, of the PSF's shape: the standard error of each of its voxels.
    log_likelihood : tuple of (int, float)
        See `Deconvolved`.
    warnings : tuple of str
        What a user should know before using the PSF.
    residual : numpy.ndarray or None
        float32, of the image's shape: what the joint fit leaves of the image, in its units.
    preprocessed : numpy.ndarray or None
        float32, the image that the PSF was distilled from where that is not the raw one.
    """

    psf: NDArray[np.float32]
    beads: pd.DataFrame
    recipe: Recipe
    timings: dict[str, float]
    spacing: tuple[float, ...]
    fwhm: tuple[float, ...]
    fwhm_error: tuple[float, ...]
    psf_error: NDArray[np.float32] | None
    log_likelihood: tuple[tuple[int, float], ...]
    warnings: tuple[str, ...]
    residual: NDArray[np.float32] | None
    preprocessed: NDArray[np.float32] | None


def noting(steps: Steps[T], curve: list[tuple[int, float]]) -> Steps[T]:
    """Pass a generator on, keeping the likelihoods that come by."""

    def note(progress: Progress) -> Progress:
        note_likelihood(curve, progress)
        return progress

    return passed_on(steps, note)


class Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def note(self, step: StepId) -> None:
        """Count the time since the last note to a step."""
        now = time.perf_counter()
        self._seconds[step.value] = now - self._last
        self._last = now

    def total(self) -> dict[str, float]:
        """Return the seconds of each step and of all."""
        return self._seconds | {"total": time.perf_counter() - self._start}
