"""Whether a PSF is negative beyond its errors, which no light is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NegativeLight", "negative_light"]

Array = NDArray[np.float32]

# A voxel is negative if it is below 0 by this many of its standard errors.
MIN_SIGMAS_BELOW = 3.0

# Light below 0 that is worth a word: this part of the PSF's, or so deep, relative to its peak and
# in standard errors. Raw images make less than 0.04, and 0.014 of the peak.
MAX_NEGATIVE_LIGHT, MAX_NEGATIVE_DEPTH, MIN_DEPTH_SIGMAS = 0.1, 0.015, 8.0


class NegativeLight(NamedTuple):
    """What of a PSF is below 0.

    Attributes
    ----------
    part : float
        Light of the voxels that are negative beyond their errors, over that of the positive ones.
    depth : float
        How far the lowest voxel lies below 0, relative to the peak.
    significance : float
        The largest number of its own standard errors by which a voxel lies below 0.
    """

    part: float
    depth: float
    significance: float

    @property
    def harmful(self) -> bool:
        """Whether it is more than raw images make."""
        deep = self.depth > MAX_NEGATIVE_DEPTH and self.significance > MIN_DEPTH_SIGMAS
        return self.part > MAX_NEGATIVE_LIGHT or deep


def negative_light(psf: Array, error: Array) -> NegativeLight:
    """Return how negative a PSF is.

    Parameters
    ----------
    psf, error : numpy.ndarray
        The PSF, before negative values are cut off, and, of the same shape, its voxels' standard
        errors.

    Notes
    -----
    The fit does not keep a PSF positive. An image that was filtered so that what is wide is gone
    (unsharp masking, a difference of Gaussians, the mean of the neighbourhood subtracted) or that
    was deconvolved has dark rings around its beads, and the PSF has them too.
    """
    values = psf.astype(np.float64)
    pulls = values / np.maximum(error, np.finfo(np.float32).tiny)
    positive = float(values[values > 0].sum())
    if not positive > 0:
        return NegativeLight(0.0, 0.0, 0.0)
    part = -float(values[pulls < -MIN_SIGMAS_BELOW].sum()) / positive
    return NegativeLight(
        part, max(-float(values.min() / values.max()), 0.0), max(-float(pulls.min()), 0.0)
    )
