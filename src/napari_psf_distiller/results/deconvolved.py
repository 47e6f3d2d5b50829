"""What Richardson-Lucy gives, and why it ended where it did."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.arrays import HoldsArray
from napari_psf_distiller.wording import sizes_text

__all__ = ["Deconvolved", "WhyEnded"]


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
        float32, of the image's shape, not negative; on finer voxels of so many times that shape; of
        a field of beads the PSF about the centre, before post-processing.
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
    spacing : tuple of float or None
        Size of its voxels in micrometres, where it is known.
    first_voxel : tuple of float or None
        Where the centre of its first voxel lies from that of the image's, in micrometres; None on
        the image's own voxels.
    notes : tuple of str
        What was done unasked and needs no care: that the PSF was evaluated on the image's voxels,
        or that their size was not known and taken to be the PSF's.
    """

    array: NDArray[np.float32]
    device: str
    log_likelihood: tuple[tuple[int, float], ...]
    iterations: int
    warnings: tuple[str, ...]
    why_ended: WhyEnded = WhyEnded.GIVEN
    spacing: tuple[float, ...] | None = None
    first_voxel: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Deconvolved({sizes_text(self.shape)} voxels, {self.iterations} iterations, ended by: "
            f"{self.why_ended}, on {self.device})"
        )
