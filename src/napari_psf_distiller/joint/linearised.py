"""The joint model linearised about its present state, and a preconditioner of its curvature."""

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

# The part of the Schur term that is subtracted: a little less than all, so that the complement
# stays positive definite where the PSF's halo and the background cannot be told apart.
SCHUR_FRACTION = 0.98


@dataclass(frozen=True)
class Linearised:
    """Weighted least squares in the model's linear unknowns: PSF and background.

    The unknowns are one vector: the PSF's parameters mode by mode (see `FieldModel`), each term by
    term of the basis, then the background's coefficients. The curvature is the second derivative
    of half of chi squared, with the priors.

    Attributes
    ----------
    gradient : numpy.ndarray
        (unknowns,): minus the derivative of half of chi squared.
    weights : list of numpy.ndarray
        float32, one array a bead: the weights of the voxels of its window that lie in the image.
    precisions : list of list of numpy.ndarray
        For each mode, for each of the basis's terms (its coefficients, the same): about the
        curvature by its coefficients, as if each bead stood alone on its nearest voxel, and as if
        the modes were orthogonal over the beads. Of coefficients that are held it is (its
        coefficients,), 1.
    background_blocks : list of numpy.ndarray
        The curvature by the background: a block (its coefficients, the same) for each image.
    coupling : numpy.ndarray
        (background, coefficients of order 0): about the curvature by the background and the PSF's
        symmetric part, of the first mode.
    schur_term : numpy.ndarray
        What the background takes from the precision of the PSF's symmetric part; see
        `BackgroundCoupling`.
    stacked_residual : numpy.ndarray
        float32, of the window's shape: the used beads' weighted residuals times their amplitudes,
        summed over the beads, laid upon each other by their nearest voxels.
    stacked_weight : numpy.ndarray
        float32, of the window's shape: the used beads' weights times their squared amplitudes,
        summed likewise. Where noise is all, `stacked_residual` has this variance.
    """

    gradient: Floats
    weights: list[Array]
    precisions: list[list[Floats]]
    background_blocks: list[Floats]
    coupling: Floats
    schur_term: Floats
    stacked_residual: Array
    stacked_weight: Array

    @property
    def precision(self) -> list[Floats]:
        """Of `precisions`, those of the first mode: of a PSF that is the same everywhere."""
        return self.precisions[0]

    @property
    def background_precision(self) -> Floats:
        """The curvature by the background, (background, background)."""
        return linalg.block_diag(*self.background_blocks)

    @cached_property
    def preconditioner(self) -> Callable[[Floats], Floats]:
        """A function that multiplies a vector by about the inverse of the curvature.

        With A the PSF's symmetric part, B the background and C their coupling (see
        `BackgroundCoupling`), it eliminates the background: ``S = A - C' B^-1 C`` is solved for the
        symmetric part, and B for the background. Other orders are solved term by term.
        """
        matrices = [matrix for terms in self.precisions for matrix in terms]
        ends = np.cumsum([len(matrix) for matrix in matrices])
        images = np.cumsum([len(block) for block in self.background_blocks])[:-1]
        backgrounds = [
            linalg.cho_factor(block, check_finite=False) for block in self.background_blocks
        ]

        def solved_by_background(values: Floats) -> Floats:
            parts = [
                linalg.cho_solve(factor, part, check_finite=False)
                for factor, part in zip(backgrounds, np.split(values, images), strict=True)
            ]
            return np.concatenate(parts)

        through = solved_by_background(self.coupling)
        complement = matrices[0] - SCHUR_FRACTION * self.schur_term
        factors = [
            linalg.cho_factor(matrix, check_finite=False) if matrix.ndim > 1 else None
            for matrix in (complement, *matrices[1:])
        ]

        def times(vector: Floats) -> Floats:
            *parts, level = np.split(vector, ends)
            parts[0] = parts[0] - through.T @ level
            solved = [
                part if factor is None else linalg.cho_solve(factor, part, check_finite=False)
                for factor, part in zip(factors, parts, strict=True)
            ]
            level = solved_by_background(level) - through @ solved[0]
            return np.concatenate([*solved, level])

        return times
