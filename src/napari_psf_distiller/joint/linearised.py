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
    precision : list of numpy.ndarray
        For each of the basis's terms (modes * its coefficients, the same): about the curvature by
        its coefficients, as if each bead stood alone on its nearest voxel.
    background_blocks : list of numpy.ndarray
        The curvature by the background: a block (its coefficients, the same) for each image.
    coupling : numpy.ndarray
        (background, modes * coefficients of order 0): about the curvature by the background and the
        PSF's symmetric part.
    schur_term : numpy.ndarray
        What the background takes from the precision of the PSF's symmetric part; see
        `BackgroundCoupling`.
    stacked_residual : numpy.ndarray
        float32, of the window's shape: the used beads' weighted residuals times their amplitudes,
        summed over the beads, laid upon each other by their nearest voxels.
    stacked_weight : numpy.ndarray
        float32, of the window's shape: the used beads' weights times their squared amplitudes,
        summed likewise. Where noise is all, `stacked_residual` has this variance.
    modes : int
        Number of the field model's vectors of parameters.
    """

    gradient: Floats
    weights: list[Array]
    precision: list[Floats]
    background_blocks: list[Floats]
    coupling: Floats
    schur_term: Floats
    stacked_residual: Array
    stacked_weight: Array
    modes: int = 1

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
        sizes = [len(matrix) // self.modes for matrix in self.precision]
        ends = np.cumsum(sizes)[:-1]
        unknowns = self.modes * sum(sizes)
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
        complement = self.precision[0] - SCHUR_FRACTION * self.schur_term
        factors = [
            linalg.cho_factor(matrix, check_finite=False)
            for matrix in (complement, *self.precision[1:])
        ]

        def times(vector: Floats) -> Floats:
            psf, level = vector[:unknowns].reshape(self.modes, -1), vector[unknowns:]
            parts = [part.ravel() for part in np.split(psf, ends, axis=1)]
            parts[0] = parts[0] - through.T @ level
            solved = [
                linalg.cho_solve(factor, part, check_finite=False)
                for factor, part in zip(factors, parts, strict=True)
            ]
            level = solved_by_background(level) - through @ solved[0]
            by_mode = [part.reshape(self.modes, -1) for part in solved]
            return np.concatenate([np.concatenate(by_mode, axis=1).ravel(), level])

        return times
