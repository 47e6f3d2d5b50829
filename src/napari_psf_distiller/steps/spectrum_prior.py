"""What is expected of a PSF's coefficients: the spectrum that it has by now, and a little more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.fourier_bessel import FourierBessel

__all__ = ["prior_times", "spectrum_prior"]

Floats = NDArray[np.float64]

# What a prior expects less than this part of the largest from is held as firmly as that.
LEAST_EXPECTED = 1e-4


def spectrum_prior(basis: FourierBessel, coefficients: Floats, term: int, power: float) -> Floats:
    """Return the precision of a term's coefficients if it had the symmetric part's spectrum.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        Of a PSF, whose part that does not turn tells the spectrum.
    term : int
    power : float
        Expected of the term, times that part's.

    Returns
    -------
    numpy.ndarray
        (coefficients of the term, coefficients of the term); see `FourierBessel.alike`.
    """
    axial, lateral = basis.alike(coefficients, term)
    return np.asarray(np.kron(_inverse(axial), _inverse(lateral)) / power, np.float64)


def prior_times(priors: Sequence[Floats | None], parts: Sequence[Floats]) -> Floats:
    """Return the priors' precisions times each term's coefficients; None expects nothing."""
    return np.concatenate(
        [
            np.zeros(part.size) if prior is None else prior @ part.ravel()
            for prior, part in zip(priors, parts, strict=True)
        ]
    )


def _inverse(covariance: Floats) -> Floats:
    """Invert a prior's covariance, holding what it does not expect all but at 0."""
    values, vectors = np.linalg.eigh(covariance)
    kept = np.maximum(values, LEAST_EXPECTED * values[-1])
    return np.asarray((vectors / kept) @ vectors.T, np.float64)
