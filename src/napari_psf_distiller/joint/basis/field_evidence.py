"""Whether an image shows that its PSF changes with the place, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import (
    SCALE_BOUNDS,
    OrderEvidence,
    OrderScale,
    Stack,
    evidence_of,
    independent,
    likeliest_scale,
    order_precision,
    order_scale,
    whitened_gradients,
)
from napari_psf_distiller.joint.basis.spectrum_prior import prior_precision

__all__ = [
    "FieldScales",
    "field_evidence",
    "field_priors",
    "field_scales",
    "symmetric_precision",
]

Floats = NDArray[np.float64]

# By the angular order of the PSF and the degree of the field's polynomials: how strong they are,
# in units of what the envelope lets through.
FieldScales = Mapping[tuple[int, int], OrderScale]

# Combinations of the functions of order 0 that the evidence looks at: those of the largest variance
# within the envelope.
SYMMETRIC_COMBINATIONS = 100


def field_evidence(
    basis: FourierBessel, envelope: Floats, stacks: Mapping[int, Sequence[Stack]]
) -> dict[tuple[int, int], OrderEvidence]:
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
    found, root = {}, _symmetric_root(basis, envelope)
    for degree, of_modes in stacks.items():
        for order in basis.orders:
            terms = [n for n, (of, _) in enumerate(basis.terms) if of == order]
            pairs = [(stack, term) for term in terms for stack in of_modes]
            if order == 0:
                whitened = in_turn(partial(_whitened_symmetric, basis, root), of_modes)
                scale, nats = likeliest_scale(whitened)
                found[order, degree] = OrderEvidence(OrderScale(scale, scale), nats)
                continue
            sides = in_turn(lambda pair: whitened_gradients(basis, *pair), pairs)
            found[order, degree] = evidence_of(sides)
    return found


def _symmetric_root(basis: FourierBessel, envelope: Floats) -> Floats:
    """Return the combinations of order 0 of the largest variance, scaled to the variance 1."""
    variances, vectors = np.linalg.eigh(basis.parts[0].envelope_covariance(envelope))
    deviations = np.sqrt(np.maximum(variances[-SYMMETRIC_COMBINATIONS:], 0))
    root: Floats = vectors[:, -SYMMETRIC_COMBINATIONS:] * deviations
    return root


def _whitened_symmetric(basis: FourierBessel, root: Floats, stack: Stack) -> tuple[Floats, Floats]:
    """Return information and gradient of combinations of order 0, each of variance 1."""
    residual, weight = stack
    matrix = root.T @ basis.hessian(weight, 0) @ root
    return independent(matrix, root.T @ basis.bead_adjoint(residual, 0))


def symmetric_precision(basis: FourierBessel, envelope: Floats) -> Floats:
    """Return the prior precision of changes of order 0 of the scale 1, (coefficients, the same).

    Parameters
    ----------
    basis : FourierBessel
    envelope : numpy.ndarray
        (Z, rings): see `FourierBessel.envelope`.
    """
    return prior_precision(basis.parts[0].envelope_covariance(envelope))


def field_priors(
    basis: FourierBessel, symmetric: Floats, degrees: Sequence[int], scales: FieldScales
) -> list[list[Floats | None]]:
    """Return the prior precision of what a PSF changes by with the place.

    Parameters
    ----------
    basis : FourierBessel
        With an envelope, if it has orders beyond 0.
    symmetric : numpy.ndarray
        See `symmetric_precision`.
    degrees : sequence of int
        Of each of the field's modes but the first.
    scales : mapping
        See `field_evidence`. What is not there is all but 0.

    Returns
    -------
    list of list of numpy.ndarray
        For each of these modes, of each term: (coefficients,), or (coefficients, the same).
    """
    none = OrderScale(0.0, 0.0)
    by_degree: dict[int, list[Floats | None]] = {}
    for degree in set(degrees):
        priors: list[Floats | None] = []
        for term, (order, _) in enumerate(basis.terms):
            scale = scales.get((order, degree), none)
            if order == 0:
                priors.append(symmetric / max(scale.even, SCALE_BOUNDS[0]))
            else:
                variances, odd = basis.prior_variances_of(term), basis.odd(term)
                priors.append(order_precision(variances, odd, scale))
        by_degree[degree] = priors
    return [by_degree[degree] for degree in degrees]


def field_scales(
    basis: FourierBessel,
    symmetric: Floats,
    degrees: Sequence[int],
    parameters: Floats,
    precisions: Sequence[Sequence[Floats]],
) -> dict[tuple[int, int], OrderScale]:
    """Return how strong a PSF's changes with the place are, as they were fitted.

    Parameters
    ----------
    basis, symmetric, degrees
        See `field_priors`.
    parameters : numpy.ndarray
        (modes but the first, coefficients).
    precisions : sequence of sequence of numpy.ndarray
        Of each of these modes and each term, the curvature with the prior; see `Linearised`.

    Notes
    -----
    See `order_scale`.
    """
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
