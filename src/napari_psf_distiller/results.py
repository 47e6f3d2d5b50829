"""What distilling gives, and the time that its steps take."""

from __future__ import annotations

import dataclasses
import time
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.arrays import HoldsArray
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.wording import sizes_text

__all__ = ["Clock", "Deconvolved", "Result", "WhyEnded"]


class WhyEnded(StrEnum):
    """Why a deconvolution ended where it did; each is a text, such as ``"noise"``.

    Attributes
    ----------
    GIVEN
        "given": as many iterations were asked for.
    NOISE
        "noise": with more, the image's noise would have been fitted.
    LIMIT
        "limit": the image bears more, but no more are done unasked.
    CUT_BACKGROUND
        "cut-background": the image's background was cut off, so that when to stop cannot be told.
    NO_NOISE
        "no-noise": the image has no noise that could be fitted.
    FILTERED
        "filtered": the image's noise is not independent from voxel to voxel.
    UNFITTED
        "unfitted": the noise was not fitted for so long that image and PSF do not agree.
    """

    GIVEN = "given"
    NOISE = "noise"
    LIMIT = "limit"
    CUT_BACKGROUND = "cut-background"
    NO_NOISE = "no-noise"
    FILTERED = "filtered"
    UNFITTED = "unfitted"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Deconvolved(HoldsArray):
    """What Richardson-Lucy made of an image, or of a field of beads, and how.

    NumPy, matplotlib and napari take it as an array: ``np.asarray(deconvolved)`` gives its voxels.

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
    why_ended : WhyEnded
        Why there were no more iterations.
    """

    array: NDArray[np.float32]
    device: str
    log_likelihood: tuple[tuple[int, float], ...]
    iterations: int
    warnings: tuple[str, ...]
    why_ended: WhyEnded = WhyEnded.GIVEN

    def __repr__(self) -> str:
        return (
            f"Deconvolved({sizes_text(self.shape)} voxels, {self.iterations} iterations, ended by: "
            f"{self.why_ended}, on {self.device})"
        )


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
