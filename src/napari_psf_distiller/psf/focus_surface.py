"""The surface on which beads on a slide are in focus: its tilt, and how it is curved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

__all__ = ["FocusSurface", "focus_surface"]

Floats = NDArray[np.float64]

# A surface needs so many times as many beads as it has unknowns: three of a plane, six of a curved
# one.
BEADS_PER_UNKNOWN = 3
PLANE, CURVED = 3, 6

# Heights that differ from the surface by more than so many standard deviations count by less: with
# this, 95 % as exact as least squares if all are well (P. J. Huber, 1964).
HUBER = 1.345
ROUNDS = 50

# The median of the magnitudes of normally distributed numbers of the standard deviation 1.
NORMAL_MEDIAN = 0.6745


class FocusSurface(NamedTuple):
    """A plane or a curved surface through the beads, seen from its height at a place.

    Attributes
    ----------
    middle : tuple of float
        That place, y and x in micrometres.
    coefficients : numpy.ndarray
        Of 1, y, x and, of a curved one, y y, y x, x x, with y and x from the middle.
    covariance : numpy.ndarray
        Of the coefficients.
    scatter : float
        By how much beads lie off the surface, in micrometres: the standard deviation.
    """

    middle: tuple[float, float]
    coefficients: Floats
    covariance: Floats
    scatter: float

    @property
    def is_curved(self) -> bool:
        """Whether it is more than a plane."""
        return len(self.coefficients) == CURVED

    def heights(self, places: Floats) -> tuple[Floats, Floats]:
        """Return how much higher the surface is than at its middle, and the standard errors.

        Parameters
        ----------
        places : numpy.ndarray
            (..., 2): y and x in micrometres.
        """
        design = _design(places - np.array(self.middle), len(self.coefficients))
        design[..., 0] = 0
        return design @ self.coefficients, self._errors(design)

    def tilt(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the slopes along y and x in the middle in degrees, and their standard errors."""
        (dy, dx), (ey, ex) = self.coefficients[1:3], np.sqrt(np.diag(self.covariance)[1:3])
        degrees = np.degrees(np.arctan([dy, dx]))
        # Slopes are small.
        errors = np.degrees([ey, ex])
        return (float(degrees[0]), float(degrees[1])), (float(errors[0]), float(errors[1]))

    def sag(self, half: tuple[float, float]) -> tuple[float, float]:
        """Return how much higher the sides are than the middle, and the standard error.

        Parameters
        ----------
        half : tuple of float
            Distances of the sides along y and x, in micrometres. Their mean is returned, in which
            a tilt has no part.
        """
        sides = np.array([(half[0], 0), (-half[0], 0), (0, half[1]), (0, -half[1])], np.float64)
        mean = _design(sides, len(self.coefficients)).mean(axis=0)
        mean[0] = 0
        return float(mean @ self.coefficients), float(self._errors(mean))

    def _errors(self, design: Floats) -> Floats:
        errors: Floats = np.sqrt(np.einsum("...i,ij,...j", design, self.covariance, design))
        return errors


def focus_surface(
    places: Floats, heights: Floats, middle: tuple[float, float]
) -> FocusSurface | None:
    """Fit a surface to the heights of beads, of which some may lie anywhere.

    Parameters
    ----------
    places : numpy.ndarray
        (beads, 2): y and x in micrometres.
    heights : numpy.ndarray
        (beads,): the z at which each is brightest, in micrometres.
    middle : tuple of float
        The place that heights are told from, y and x.

    Returns
    -------
    FocusSurface or None
        A curved one, of the second degree, where there are 18 beads or more, a plane from 9 on;
        None of fewer, or of beads that all lie on one line.

    Notes
    -----
    By iteratively reweighted least squares with Huber's weights; the covariance is Huber's too,
    from what the beads scatter by, and not from how well each one's place is known, and wider for
    few beads as Student's t is.
    """
    unknowns = CURVED if len(places) >= BEADS_PER_UNKNOWN * CURVED else PLANE
    if len(places) < BEADS_PER_UNKNOWN * unknowns:
        return None
    relative = places - np.array(middle)
    design = _design(relative, unknowns)
    # Of columns that are about as large.
    sizes = np.abs(design).max(axis=0)
    scaled = design / np.where(sizes > 0, sizes, 1)
    if np.linalg.matrix_rank(scaled) < unknowns:
        return None
    weights = np.ones(len(places))
    scale = 0.0
    for _ in range(ROUNDS):
        root = np.sqrt(weights)
        solution = linalg.lstsq(scaled * root[:, None], heights * root)[0]
        off = heights - scaled @ solution
        scale = float(np.median(np.abs(off))) / NORMAL_MEDIAN
        if scale == 0:
            break
        before, weights = weights, np.minimum(1, HUBER * scale / np.maximum(np.abs(off), 1e-300))
        if np.abs(weights - before).max() < 1e-6:
            break
    moderate = np.clip(off, -HUBER * scale, HUBER * scale)
    left = len(places) - unknowns
    inner = max(float((np.abs(off) <= HUBER * scale).mean()), 1e-6)
    # Huber's correction for few beads (1981).
    correction = 1 + unknowns / len(places) * (1 - inner) / inner
    variance = correction**2 * float((moderate**2).sum()) / left / inner**2
    # So that 1.96 errors are a 95 % interval though the scatter is known from few beads, too.
    doubt = float(stats.t.ppf(0.975, left) / stats.norm.ppf(0.975))
    covariance = doubt**2 * variance * np.linalg.inv(scaled.T @ scaled)
    return FocusSurface(
        middle, solution / sizes, covariance / np.outer(sizes, sizes), float(np.sqrt(variance))
    )


def _design(places: Floats, unknowns: int) -> Floats:
    y, x = places[..., 0], places[..., 1]
    columns = [np.ones_like(y), y, x, y * y, y * x, x * x]
    return np.stack(columns[:unknowns], axis=-1)
