"""How well a distilled PSF is known: standard errors of its voxels and of its widths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.voxel_psf import PSFOnGrid
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.measure.widths import profile_width_slope
from napari_psf_distiller.negative_values import without_negative_values

__all__ = ["ChangeErrors", "PSFErrors", "change_errors", "inverses", "order_errors", "psf_errors"]

Floats = NDArray[np.float64]

# Columns of a triangular matrix that are solved for together.
COLUMNS_AT_ONCE = 64

# Added to the variances of coefficients, in units of the largest: rounding errors are larger.
LEAST_VARIANCE_RATIO = 1e-12

# Where the window's outermost twentieth begins, as a part of the way from its middle to its side.
RIM_START = 0.95


class PSFErrors(NamedTuple):
    """Standard errors of a PSF.

    Attributes
    ----------
    voxels : numpy.ndarray
        float32, (Z, Y, X): standard errors of the voxels of the PSF with the sum 1.
    widths : tuple of float
        Standard errors of the full width at half maximum along each axis, in voxels; NaN where
        there is no width.
    """

    voxels: NDArray[np.float32]
    widths: tuple[float, ...]


class ChangeErrors(NamedTuple):
    """Standard errors of what a polynomial of the place adds to a PSF, of the mean square 1.

    Attributes
    ----------
    voxels : numpy.ndarray
        float32, (Z, Y, X): of the voxels of the PSF with the sum 1.
    widths : tuple of float
        By which they make the full width at half maximum along each axis uncertain, in voxels.
    orders : tuple of float
        For each angular order of the basis: the root of the sum over the voxels of its variance,
        relative to the PSF's own root of the sum of squares.
    """

    voxels: NDArray[np.float32]
    widths: tuple[float, ...]
    orders: tuple[float, ...]


def psf_errors(
    basis: PSFOnGrid,
    coefficients: Floats,
    state: Linearised,
    total_variance: float,
    displacement: float = 0.0,
    far_light_error: float = 1.0,
) -> PSFErrors:
    """Return the standard errors of a PSF that was fitted to beads.

    Parameters
    ----------
    basis : PSFOnGrid
        The PSF on the voxels that the errors are of.
    coefficients : numpy.ndarray
        The PSF's coefficients; its sum may be any.
    state : Linearised
        At these coefficients.
    total_variance : float
        Variance of the PSF's sum over the window, relative to the sum's square, when the
        background is fitted with the PSF.
    displacement : float
        By which the PSF is displaced along z, in voxels, where it is looked at.
    far_light_error : float
        Which part of the beads' light beyond their windows is not known.

    Notes
    -----
    The covariance is the inverse of the Fisher information. What the background and the PSF's halo
    share is in the variance of the sum, and so in every voxel of a PSF with the sum 1; and since
    what is not known of the light beyond the window is taken for background, the sum is uncertain
    by that part of what lies in the window's outermost twentieth. What beads differ by more than
    the camera's noise is in the weights, and so in the errors: see `JointModel.update_noise`.
    """
    factors = _covariance_roots(state.precision)
    psf, total = basis.psf(coefficients, displacement), basis.total(coefficients)
    sum_doubt = total_variance + (far_light_error * _light_at_rim(psf)) ** 2
    variance = basis.variance(factors, displacement) + sum_doubt * psf**2
    voxels = (np.sqrt(variance) / total).astype(np.float32)
    return PSFErrors(voxels, _width_errors(basis, coefficients, factors, displacement))


def change_errors(
    basis: FourierBessel,
    coefficients: Floats,
    covariances: Sequence[Sequence[Floats]],
    displacement: float = 0.0,
) -> ChangeErrors:
    """Return the standard errors of what a PSF changes by over the field.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        Of the mean PSF; its sum may be any.
    covariances : sequence of sequence of numpy.ndarray
        Of each of some polynomials of the place, for each term, the covariance of the coefficients.
    displacement : float
        By which the PSF is displaced along z, in voxels, where it is looked at.
    """
    on_voxels = basis.on_voxels
    means = [np.mean(of_term, axis=0) for of_term in zip(*covariances, strict=True)]
    orders = [order for order, _ in basis.terms]
    # What points along the radius points anywhere: cosine and sine have the same share.
    shared = [
        np.mean([mean for mean, own in zip(means, orders, strict=True) if own == order], axis=0)
        for order in orders
    ]
    roots = [_root(matrix) for matrix in shared]
    variance = on_voxels.variance(roots, displacement)
    return ChangeErrors(
        (np.sqrt(variance) / on_voxels.total(coefficients)).astype(np.float32),
        _width_errors(on_voxels, coefficients, roots, displacement),
        order_errors(basis, coefficients, means),
    )


def order_errors(
    basis: FourierBessel, coefficients: Floats, covariance: Sequence[Floats]
) -> tuple[float, ...]:
    """Return the standard error of each angular order of a PSF; see `ChangeErrors.orders`.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        Of the PSF.
    covariance : sequence of numpy.ndarray
        For each term, that of the coefficients.
    """
    norm = float(coefficients @ coefficients)
    energies = dict.fromkeys(basis.orders, 0.0)
    for (order, _), matrix in zip(basis.terms, covariance, strict=True):
        energies[order] += float(np.trace(matrix))
    return tuple(math.sqrt(energy / norm) for energy in energies.values())


def _root(covariance: Floats) -> Floats:
    """Return R with the covariance R R^T; of one that is 0, without columns."""
    if not covariance.any():
        return np.zeros((len(covariance), 0))
    # Of some combinations of coefficients nothing may be expected.
    least = LEAST_VARIANCE_RATIO * covariance.diagonal().max()
    root: Floats = linalg.cholesky(
        covariance + least * np.eye(len(covariance)), lower=True, check_finite=False
    )
    return root


def inverses(precisions: Sequence[Floats]) -> list[Floats]:
    """Return the covariances of some terms' coefficients by their precisions; see `Linearised`."""
    return [
        np.zeros((len(matrix),) * 2) if matrix.ndim == 1 else linalg.inv(matrix, check_finite=False)
        for matrix in precisions
    ]


def _width_errors(
    basis: PSFOnGrid, coefficients: Floats, roots: Sequence[Floats], displacement: float
) -> tuple[float, ...]:
    """Return the standard errors of the widths, in voxels; NaN where there is no width."""
    starts = np.cumsum([0, *(len(root) for root in roots)])
    # Through the brightest voxel, which is near enough to the peak for errors.
    psf = basis.psf(coefficients, displacement)
    top = tuple(int(place) for place in np.unravel_index(int(psf.argmax()), psf.shape))
    widths = []
    for axis, n in enumerate(basis.shape):
        if n < 4:
            widths.append(float("nan"))
            continue
        _, values_at = basis.profile_gradient(axis, displacement, top)
        slope = profile_width_slope(values_at @ coefficients) @ values_at
        parts = np.split(slope, starts[1:-1])
        pieces = [root.T @ part for root, part in zip(roots, parts, strict=True)]
        widths.append(float(np.sqrt(sum(float((piece**2).sum()) for piece in pieces))))
    return tuple(widths)


def _covariance_roots(precision: Sequence[Floats]) -> list[Floats]:
    """Return for each term R, with the covariance R R^T of its coefficients."""
    factors = []
    for matrix in precision:
        lower = linalg.cholesky(matrix, lower=True, check_finite=False)
        # Some columns at a time: SciPy keeps Python's lock meanwhile, and a viewer would stand
        # still.
        columns = np.array_split(np.eye(len(lower)), -(-len(lower) // COLUMNS_AT_ONCE), axis=1)
        solved = [linalg.solve_triangular(lower, some, lower=True, trans="T") for some in columns]
        factors.append(np.concatenate(solved, axis=1))
    return factors


def _light_at_rim(psf: Floats) -> float:
    """Return how much of a PSF lies in the outermost twentieth of its window."""
    distance = [
        np.abs(np.arange(n) - n // 2) / max(n // 2, 1) if n > 1 else np.zeros(1) for n in psf.shape
    ]
    across = np.hypot(distance[1][:, None], distance[2])
    outer = (distance[0][:, None, None] > RIM_START) | ((across > RIM_START) & (across <= 1))
    # Noise is no light.
    light = without_negative_values(psf)
    return float(light[outer].sum() / max(light.sum(), 1e-300))
