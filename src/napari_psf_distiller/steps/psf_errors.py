"""How well a distilled PSF is known: standard errors of its voxels and of its widths."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.steps.joint_model import Linearised
from napari_psf_distiller.steps.psf import profile_width

__all__ = ["PSFErrors", "psf_errors"]

Floats = NDArray[np.float64]

# The step for the derivative of a width, as a part of the profile's height.
NUDGE = 1e-4

# A spline's width does not feel what is lower than this part of its maximum, or some voxels beyond.
LEAST_HEIGHT = 0.1

# At most this correlation of the PSF with the background is believed.
MOST_SHARED = 0.95


class PSFErrors(NamedTuple):
    """Standard errors.

    Attributes
    ----------
    voxels : numpy.ndarray
        Of the window's shape, for the PSF with the sum 1.
    widths : tuple of float
        Of the full width at half maximum along each axis, in voxels; NaN where there is no width.
    """

    voxels: NDArray[np.float32]
    widths: tuple[float, ...]


def psf_errors(
    basis: FourierBessel, coefficients: Floats, state: Linearised, coupling: Floats
) -> PSFErrors:
    """Return the standard errors of a PSF that was fitted to beads.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        Of the PSF, with the sum 1.
    state : Linearised
        At these coefficients.
    coupling : numpy.ndarray
        See `JointModel.couple`.

    Notes
    -----
    The covariance is the inverse of the Fisher information, after the background was eliminated
    from it (Schur's complement). Beads that differ by more than the noise spread the PSF more: for
    each width the beads' own contributions, the infinitesimal jackknife (B. Efron, "The Jackknife,
    the Bootstrap and Other Resampling Plans", 1982; the sandwich of P. J. Huber, 1967), give a
    second figure, and the larger of the two is returned.
    """
    starts = np.cumsum([0, *(len(matrix) for matrix in state.precision)])
    below = linalg.cholesky(state.background_precision, lower=True)
    factors = [
        _root(matrix, linalg.solve_triangular(below, coupling[start:stop].T, lower=True).T)
        for matrix, start, stop in zip(state.precision, starts[:-1], starts[1:], strict=True)
    ]
    parts = np.split(coefficients, starts[1:-1])
    sums = np.split(basis.sums, starts[1:-1])
    # At the sum 1, what makes the whole brighter is no error.
    scaled = [
        root - np.outer(part, total @ root)
        for root, part, total in zip(factors, parts, sums, strict=True)
    ]
    voxels = np.sqrt(basis.variance(scaled)).astype(np.float32)
    widths = []
    for axis, n in enumerate(basis.window):
        if n < 4:
            widths.append(float("nan"))
            continue
        _, values_at = basis.profile_gradient(axis)
        slope = _width_slope(values_at @ coefficients) @ values_at
        pieces = np.split(slope, starts[1:-1])
        pushes = [root @ (root.T @ piece) for root, piece in zip(factors, pieces, strict=True)]
        noise = sum(float(piece @ push) for piece, push in zip(pieces, pushes, strict=True))
        each = state.scores @ np.concatenate(pushes)
        count = len(each)
        spread = float((each**2).sum()) * count / max(count - 1, 1)
        widths.append(float(np.sqrt(max(noise, spread))))
    return PSFErrors(voxels, tuple(widths))


def _root(precision: Floats, shared: Floats) -> Floats:
    """Return R with the covariance ``R R^T``, the inverse of ``precision - shared shared^T``."""
    lower = linalg.cholesky(precision, lower=True, check_finite=False)
    # As a part of what is known of the PSF: what the background leaves of it.
    left, lost, _ = linalg.svd(
        linalg.solve_triangular(lower, shared, lower=True), full_matrices=False
    )
    # The precision leaves out what beads in each other's windows tell together, so that the
    # background could seem to take all.
    gain = 1 / np.sqrt(1 - np.minimum(lost, MOST_SHARED) ** 2) - 1
    inner = np.eye(len(lower)) + (left * gain) @ left.T
    root: Floats = linalg.solve_triangular(lower, inner, lower=True, trans="T")
    return root


def _width_slope(profile: Floats) -> Floats:
    """Return the derivative of a profile's width by its values."""
    nudge = NUDGE * float(profile.max())
    slope = np.zeros(len(profile))
    near = np.flatnonzero(profile > LEAST_HEIGHT * profile.max())
    first, last = max(int(near[0]) - 4, 0), min(int(near[-1]) + 4, len(profile) - 1)
    for index in range(first, last + 1):
        moved = [profile.copy(), profile.copy()]
        moved[0][index] += nudge
        moved[1][index] -= nudge
        slope[index] = (profile_width(moved[0]) - profile_width(moved[1])) / (2 * nudge)
    return np.nan_to_num(slope)
