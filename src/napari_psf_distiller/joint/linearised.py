"""A joint model about its present state, and about the inverse of its matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Linearised"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# What the background takes from the PSF's halo is taken for a little less than it is, so that
# something is left of what nothing else tells.
SCHUR_FRACTION = 0.98


@dataclass(frozen=True)
class Linearised:
    """The model about its present state: weighted least squares in its linear unknowns.

    Attributes
    ----------
    gradient : numpy.ndarray
        Of half of chi squared, downwards, by the PSF's and the background's coefficients.
    weights : list of numpy.ndarray
        One a voxel of each bead's window, inside the image.
    precision : list of numpy.ndarray
        For each of the PSF's terms the (approximate) matrix of half of chi squared.
    background_precision : numpy.ndarray
        The same for the background,
    coupling : numpy.ndarray
        and between the background and the PSF's symmetric part.
    schur_term : numpy.ndarray
        What of the precision of the PSF's symmetric part that coupling takes; see
        `BackgroundCoupling`.
    residual, stacked_weight : numpy.ndarray
        Of the window's shape: the used beads' weighted residuals and weights, times the amplitude
        and its square, added up on their nearest voxels.
    """

    gradient: Floats
    weights: list[Array]
    precision: list[Floats]
    background_precision: Floats
    coupling: Floats
    schur_term: Floats
    residual: Array
    stacked_weight: Array

    @cached_property
    def preconditioner(self) -> Callable[[Floats], Floats]:
        """About the inverse of the matrix of half of chi squared, times a vector.

        Between the PSF's symmetric part and the background it knows the coupling: the PSF's halo
        and the background trade for each other.
        """
        ends = np.cumsum([len(matrix) for matrix in self.precision])
        background = linalg.cho_factor(self.background_precision, check_finite=False)
        through = linalg.cho_solve(background, self.coupling, check_finite=False)
        first = self.precision[0] - SCHUR_FRACTION * self.schur_term
        factors = [
            linalg.cho_factor(matrix, check_finite=False) for matrix in (first, *self.precision[1:])
        ]

        def times(vector: Floats) -> Floats:
            *parts, level = np.split(vector, ends)
            parts[0] = parts[0] - through.T @ level
            solved = [
                linalg.cho_solve(factor, part, check_finite=False)
                for factor, part in zip(factors, parts, strict=True)
            ]
            level = linalg.cho_solve(background, level, check_finite=False) - through @ solved[0]
            return np.concatenate([*solved, level])

        return times
