"""Voxels that were cut off at a lowest value: what they tell of what was there before.

A background that was subtracted and set to 0 where that left less, or a camera without an offset,
leaves voxels of which only this is known: that they were below a bound. What such a voxel tells of
its expected value is the logarithm of the normal distribution below the bound (J. Tobin,
"Estimation of relationships for limited dependent variables", Econometrica 26, 1958), whose
derivatives stand in place of a residual and a weight, so that weighted least squares need not know
of it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["Censoring", "censored", "normal_below_bound", "score_variance"]

Array = NDArray[np.float32]
Floating = NDArray[np.floating[Any]]

# A voxel whose expected value is far below the bound tells nothing, which leaves equations without
# a solution: it weighs at least this part of a voxel that was not cut off.
MIN_RELATIVE_WEIGHT = 1e-5


class Censoring(NamedTuple):
    """Where an image was cut off.

    Attributes
    ----------
    lowest : float
        The value at which voxels were cut off.
    bound : float
        They were below this: half a step of the grey levels above, where these are rounded.
    share : float
        The part of the darker voxels that was cut off.
    level : float
        The mean of the dark part of the image before it was cut off; NaN where too little is left.
    variance : float
        The variance of the dark part before it was cut off; NaN where too little is left.
    """

    lowest: float
    bound: float
    share: float
    level: float = math.nan
    variance: float = math.nan

    @property
    def dark_level_known(self) -> bool:
        """Whether enough of the dark is left to tell how dark it was."""
        return math.isfinite(self.level)

    def mean_of(self, expected: Floating, variance: Floating) -> Floating:
        """Return the mean of what an image shows, by what was expected before it was cut off.

        Parameters
        ----------
        expected : numpy.ndarray
            The expected values of voxels before they were cut off.
        variance : numpy.ndarray
            The variances of these voxels' noise.
        """
        deviation = np.sqrt(variance)
        above = (self.bound - expected) / deviation
        below = special.ndtr(above)
        density = np.exp(-0.5 * above * above) * np.float32(1 / math.sqrt(2 * math.pi))
        mean: Floating = self.lowest * below + expected * (1 - below) + deviation * density
        return mean


def censored(below: Floating, weight: Floating) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return residuals and weights that stand for voxels of which only a bound is known.

    Parameters
    ----------
    below : numpy.ndarray
        By how much the expected value lies below the bound; negative where it lies above.
    weight : numpy.ndarray
        One over the variance of the noise.

    Returns
    -------
    residual : numpy.ndarray
        Times the weight it is the derivative of the log-likelihood by the expected value.
    weight : numpy.ndarray
        Minus the log-likelihood's second derivative: between 0 and the weight of a voxel that was
        not cut off.
    """
    inverse = np.sqrt(np.asarray(weight, np.float64))
    hazard, slack = _hazard(np.asarray(below, np.float64) * inverse)
    part = np.maximum(hazard * slack, MIN_RELATIVE_WEIGHT)
    return -hazard / (part * inverse), part * inverse**2


def score_variance(below: Floating, weight: Floating) -> NDArray[np.float64]:
    """Return what part of a whole voxel's Fisher information one tells that may be cut off.

    Parameters
    ----------
    below : numpy.ndarray
        By how much the expected value lies below the bound; negative where it lies above.
    weight : numpy.ndarray
        One over the variance of the noise.

    Notes
    -----
    Also the expected square of residual times weight, where the weight is one over the variance:
    over all voxels, those that were cut off and those that were not.
    """
    above = np.asarray(below, np.float64) * np.sqrt(np.asarray(weight, np.float64))
    hazard, slack = _hazard(above)
    cut = special.ndtr(above)
    information: NDArray[np.float64] = (1 - cut) + cut * hazard * slack
    return information


def normal_below_bound(
    levels: NDArray[np.float64], counts: NDArray[np.intp], bound: float, step: float
) -> tuple[float, float]:
    """Return mean and standard deviation of a normal distribution that was cut off below a bound.

    Parameters
    ----------
    levels, counts : numpy.ndarray
        The values that there are, increasing, and how often each is there. The first one is that of
        all that lay below the bound.
    bound : float
    step : float
        The values were rounded to steps of this; 0 if they were not.

    Notes
    -----
    By two quantiles, the part that was cut off and the half of what was not: beads' light is far
    above both.
    """
    below = np.cumsum(counts) / counts.sum()
    if len(levels) < 2:
        return math.nan, math.nan
    middle = 1 + int(np.abs(below[1:] - (1 + below[0]) / 2).argmin())
    first, second = special.ndtri(below[0]), special.ndtri(min(below[middle], 1 - 1e-6))
    deviation = (float(levels[middle]) + step / 2 - bound) / float(second - first)
    return bound - float(first) * deviation, deviation


def _hazard(above: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the hazard, a normal density over the probability below, and it plus the argument."""
    hazard = math.sqrt(2 / math.pi) / special.erfcx(-above / math.sqrt(2))
    return hazard, hazard + above
