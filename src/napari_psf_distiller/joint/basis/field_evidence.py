"""Whether an image shows that its PSF changes with the place, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import (
    OrderScale,
    likeliest_scale,
    order_precision,
    order_scale,
)
from napari_psf_distiller.joint.basis.spectrum_prior import prior_precision

__all__ = ["FieldScales", "field_evidence", "field_priors", "field_scales"]

Floats = NDArray[np.float64]
Stack = tuple[NDArray[np.float32], NDArray[np.float32]]

# By the angular order of the PSF and the degree of the field's polynomials: how strong they are,
# in units of what the envelope lets through.
FieldScales = Mapping[tuple[int, int], OrderScale]

# Combinations of the functions of order 0 that the evidence looks at: those of the largest variance
# within the envelope.
SYMMETRIC_COMBINATIONS = 100


class FieldEvidence(NamedTuple):
    """What residuals say of a change of the PSF with the place.

    Attributes
    ----------
    scale : OrderScale
        The powers that make the residuals likeliest.
    nats : float
        By how much likelier these make the residuals than a PSF without the change.
    """

    scale: OrderScale
    nats: float


def field_evidence(
    basis: FourierBessel, envelope: Floats, stacks: Mapping[int, Sequence[Stack]]
) -> dict[tuple[int, int], FieldEvidence]:
    """Return what the residuals of a model say of changes of its PSF with the place.

    Parameters
    ----------
    basis : FourierBessel
        With the orders to be looked at, and their envelope.
    envelope : numpy.ndarray
        (Z, rings): see `FourierBessel.envelope`.
    stacks : mapping
        For each degree, of each mode of that degree the stacked residuals and weights; see
        `JointModel.stacked`.

    Returns
    -------
    dict
        By angular order and degree.

    Notes
    -----
    As in `order_evidence`: the coefficients of an angular order, times the polynomials of a degree,
    are normally distributed about 0 within the envelope, with a scale of those that are even along
    z, and one of those that are odd (of order 0: one scale); the likeliest scale is taken.
    """
    found = {}
    for degree, of_modes in stacks.items():
        for order in basis.orders:
            terms = [n for n, (of, _) in enumerate(basis.terms) if of == order]
            pairs = [(term, stack) for term in terms for stack in of_modes]
            if order == 0:
                whitened = in_turn(partial(_whitened_symmetric, basis, envelope), of_modes)
                scale, nats = likeliest_scale(whitened)
                found[order, degree] = FieldEvidence(OrderScale(scale, scale), nats)
                continue
            sides = in_turn(lambda pair: _whitened(basis, *pair), pairs)
            (even, even_nats), (odd, odd_nats) = (
                likeliest_scale([data[side] for data in sides]) for side in (0, 1)
            )
            found[order, degree] = FieldEvidence(OrderScale(even, odd), even_nats + odd_nats)
    return found


def _whitened(basis: FourierBessel, term: int, stack: Stack) -> list[tuple[Floats, Floats]]:
    """Return information and gradient of a term's combinations of variance 1, even and odd."""
    residual, weight = stack
    deviations = np.sqrt(basis.prior_variances_of(term))
    matrix = basis.hessian(weight, term) * deviations[:, None] * deviations
    gradient = deviations * basis.bead_adjoint(residual, term)
    odd = basis.odd(term)
    return [_independent(matrix[np.ix_(side, side)], gradient[side]) for side in (~odd, odd)]


def _whitened_symmetric(
    basis: FourierBessel, envelope: Floats, stack: Stack
) -> tuple[Floats, Floats]:
    """Return information and gradient of combinations of order 0, each of variance 1."""
    residual, weight = stack
    variances, vectors = np.linalg.eigh(basis.parts[0].envelope_covariance(envelope))
    kept = vectors[:, -SYMMETRIC_COMBINATIONS:] * np.sqrt(
        np.maximum(variances[-SYMMETRIC_COMBINATIONS:], 0)
    )
    matrix = kept.T @ basis.hessian(weight, 0) @ kept
    return _independent(matrix, kept.T @ basis.bead_adjoint(residual, 0))


def _independent(matrix: Floats, gradient: Floats) -> tuple[Floats, Floats]:
    information, vectors = np.linalg.eigh(matrix)
    return np.maximum(information, 0), vectors.T @ gradient


def field_priors(
    basis: FourierBessel, envelope: Floats, degrees: Sequence[int], scales: FieldScales
) -> list[list[Floats | None]]:
    """Return the prior precision of what a PSF changes by with the place.

    Parameters
    ----------
    basis : FourierBessel
        With an envelope, if it has orders beyond 0.
    envelope : numpy.ndarray
        (Z, rings)
    degrees : sequence of int
        Of each of the field's modes but the first.
    scales : mapping
        See `field_evidence`. What is not there is all but 0.

    Returns
    -------
    list of list of numpy.ndarray
        For each of these modes, of each term: (coefficients,), or (coefficients, the same).
    """
    symmetric = prior_precision(basis.parts[0].envelope_covariance(envelope))
    none = OrderScale(0.0, 0.0)
    by_degree: dict[int, list[Floats | None]] = {}
    for degree in set(degrees):
        priors: list[Floats | None] = []
        for term, (order, _) in enumerate(basis.terms):
            scale = scales.get((order, degree), none)
            if order == 0:
                priors.append(symmetric / max(scale.even, MIN_SCALE))
            else:
                variances, odd = basis.prior_variances_of(term), basis.odd(term)
                priors.append(order_precision(variances, odd, scale))
        by_degree[degree] = priors
    return [by_degree[degree] for degree in degrees]


# What has no evidence is held at 0 by this scale.
MIN_SCALE = 1e-6


def field_scales(
    basis: FourierBessel,
    envelope: Floats,
    degrees: Sequence[int],
    parameters: Floats,
    precisions: Sequence[Sequence[Floats]],
) -> dict[tuple[int, int], OrderScale]:
    """Return how strong a PSF's changes with the place are, as they were fitted.

    Parameters
    ----------
    basis, envelope, degrees
        See `field_priors`.
    parameters : numpy.ndarray
        (modes but the first, coefficients).
    precisions : sequence of sequence of numpy.ndarray
        Of each of these modes and each term, the curvature with the prior; see `Linearised`.

    Notes
    -----
    See `order_scale`.
    """
    symmetric = prior_precision(basis.parts[0].envelope_covariance(envelope))
    parts = [basis.split(row) for row in parameters]
    found = {}
    for degree in set(degrees):
        modes = [index for index, of in enumerate(degrees) if of == degree]
        for order in basis.orders:
            terms = [n for n, (of, _) in enumerate(basis.terms) if of == order]
            if order == 0:
                powers = [
                    parts[mode][0] @ symmetric @ parts[mode][0]
                    + (symmetric * linalg.inv(precisions[mode][0], check_finite=False)).sum()
                    for mode in modes
                ]
                scale = float(np.mean(powers)) / len(symmetric)
                found[order, degree] = OrderScale(scale, scale)
                continue
            pairs = [(mode, term) for mode in modes for term in terms]
            found[order, degree] = order_scale(
                [basis.prior_variances_of(term) for _, term in pairs],
                [parts[mode][term] for mode, term in pairs],
                [precisions[mode][term] for mode, term in pairs],
                [basis.odd(term) for _, term in pairs],
            )
    return found
