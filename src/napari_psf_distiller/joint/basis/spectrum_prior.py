"""What is expected of a PSF's coefficients: the spectrum that it has by now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel

__all__ = [
    "expected_spectrum",
    "floored_variances",
    "held",
    "is_held",
    "prior_precision",
    "prior_times",
    "spectrum_prior",
]

Floats = NDArray[np.float64]

# Coefficients, or combinations of them, whose expected variance is less than this part of the
# largest are held as firmly as if it were this part: what is expected of them is a rough guess.
VARIANCE_FLOOR_RATIO = 1e-4

# What is expected of a PSF whose spectrum has a known limit is a better guess.
LIMITED_FLOOR_RATIO = 1e-5

# The PSF may have this many times as much power at any frequency as its spectrum by now.
PRIOR_POWER_FACTOR = 10.0


def spectrum_prior(
    basis: FourierBessel, coefficients: Floats, limit: Floats | None = None
) -> Floats:
    """Return the prior precision of a PSF's symmetric part by the spectrum that the PSF has.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        (coefficients,): of the PSF.
    limit : numpy.ndarray, optional
        (waves, radial): the power that a PSF of the sum 1 has at most, see `FourierBessel.power`.

    Returns
    -------
    numpy.ndarray
        (coefficients of order 0, the same).
    """
    power, least = expected_spectrum(basis, coefficients), VARIANCE_FLOOR_RATIO
    if limit is not None:
        power = np.minimum(power, limit * basis.total(coefficients) ** 2)
        least = LIMITED_FLOOR_RATIO
    return prior_precision(PRIOR_POWER_FACTOR * basis.covariance(power, 0), least)


def expected_spectrum(basis: FourierBessel, coefficients: Floats) -> Floats:
    """Return a PSF's spectrum, of its coefficients' power, to expect other terms of.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        The PSF's coefficients.

    Returns
    -------
    numpy.ndarray
        (waves, radial), see `FourierBessel.power`, so scaled that the variances of the symmetric
        part's coefficients add up to the sum of the squares of all coefficients.
    """
    power = basis.power(coefficients)
    trace = float(np.trace(basis.covariance(power, 0)))
    scaled: Floats = power * (float((coefficients**2).sum()) / trace)
    return scaled


def prior_precision(covariance: Floats, least: float = VARIANCE_FLOOR_RATIO) -> Floats:
    """Return the precision of coefficients of some covariance.

    What is not expected at all is held all but at 0.

    Parameters
    ----------
    covariance : numpy.ndarray
        (coefficients, coefficients).
    least : float
        Of the largest variance, that part which any combination of them is taken to have.

    Returns
    -------
    numpy.ndarray
        The precision, of the same shape.
    """
    floored = covariance.copy()
    # The largest row's sum is no less than the largest eigenvalue.
    floored[np.diag_indices_from(floored)] += least * np.abs(covariance).sum(axis=1).max()
    factor, _ = linalg.cho_factor(floored, lower=True, check_finite=False, overwrite_a=True)
    # Of a factor the inverse is half as much work as the solution for a unit matrix.
    inverse, failed = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError("The covariance of a prior is singular.")
    lower = np.tril(inverse)
    precision: Floats = lower + np.tril(lower, -1).T
    return precision


def floored_variances(variances: Floats) -> Floats:
    """Return variances of independent coefficients, none less than a part of the largest.

    Parameters
    ----------
    variances : numpy.ndarray
        (coefficients,)
    """
    floored: Floats = np.maximum(variances, VARIANCE_FLOOR_RATIO * variances.max())
    return floored


def held(size: int) -> Floats:
    """Return the prior precision of coefficients that are not fitted, and stay 0."""
    return np.full(size, np.inf)


def is_held(prior: Floats | None) -> bool:
    """Return whether a prior precision holds coefficients at 0; see `held`."""
    return prior is not None and prior.ndim == 1 and bool(np.isinf(prior[0]))


def prior_times(priors: Sequence[Floats | None], parts: Sequence[Floats]) -> Floats:
    """Return the priors' precisions times each term's coefficients; None expects nothing.

    Of what is held it is the coefficients themselves.
    """
    found = []
    for prior, part in zip(priors, parts, strict=True):
        if prior is None:
            found.append(np.zeros(part.size))
        elif is_held(prior):
            found.append(part)
        else:
            found.append(prior * part if prior.ndim == 1 else prior @ part)
    return np.concatenate(found)
