"""What is expected of a PSF's changes with the place, and how strong they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.joint.basis.field_patterns import ChangeKind, kind_of
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import (
    SCALE_BOUNDS,
    OrderScale,
    order_precision,
    order_scale,
)
from napari_psf_distiller.joint.basis.spectrum_prior import held, prior_precision
from napari_psf_distiller.psf.polynomials import Pattern

__all__ = ["FieldScales", "field_priors", "field_scales", "symmetric_precision"]

Floats = NDArray[np.float64]

# By what part of itself a PSF's sum changes with the place, as a standard deviation, in each of the
# polynomials. Aberrations move light, but hardly out of the window; and its change cannot be told
# from one of the beads' brightness, nor from an uneven background, which voxels far from the beads
# tell so firmly that no looser bound would hold.
SUM_CHANGE = 0.0003

# How strong changes are, in units of what the envelope lets through.
FieldScales = Mapping[ChangeKind, OrderScale]


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
    basis: FourierBessel,
    symmetric: Floats,
    patterns: Sequence[Pattern],
    scales: FieldScales,
    total: float,
) -> list[list[Floats | None]]:
    """Return the prior precision of what a PSF changes by with the place.

    Parameters
    ----------
    basis : FourierBessel
        With an envelope, if it has orders beyond 0.
    symmetric : numpy.ndarray
        See `symmetric_precision`.
    patterns : sequence of Pattern
        Of each of the field's modes but the first.
    scales : mapping
        See `FieldEvidence`. What is not there is `held`.
    total : float
        The PSF's sum.

    Returns
    -------
    list of list of numpy.ndarray
        For each of these modes, of each term: (coefficients,), or (coefficients, the same).
    """
    sums = basis.sums[: basis.sizes[0]] / (SUM_CHANGE * total)
    same_sum = np.outer(sums, sums)
    found: list[list[Floats | None]] = []
    for pattern in patterns:
        priors: list[Floats | None] = []
        for term, (order, sine) in enumerate(basis.terms):
            scale = scales.get(kind_of(pattern, order, sine))
            if scale is None:
                priors.append(held(basis.sizes[term]))
            elif order == 0:
                priors.append(symmetric / max(scale.even, SCALE_BOUNDS[0]) + same_sum)
            else:
                variances, odd = basis.prior_variances_of(term), basis.odd(term)
                priors.append(order_precision(variances, odd, scale))
        found.append(priors)
    return found


def field_scales(
    basis: FourierBessel,
    symmetric: Floats,
    patterns: Sequence[Pattern],
    kinds: Collection[ChangeKind],
    turned: Floats,
    precisions: Sequence[Sequence[Floats]],
) -> dict[ChangeKind, OrderScale]:
    """Return how strong a PSF's changes with the place are, as they were fitted.

    Parameters
    ----------
    basis, symmetric, patterns
        See `field_priors`.
    kinds : collection of ChangeKind
        That are fitted.
    turned : numpy.ndarray
        (modes but the first, coefficients): the parameters; see `FieldModel.turned`.
    precisions : sequence of sequence of numpy.ndarray
        Of each of these modes and each term, the curvature with the prior; see `Linearised`.

    Notes
    -----
    See `order_scale`.
    """
    parts = [basis.split(row) for row in turned]
    slots: dict[ChangeKind, list[tuple[int, int]]] = {}
    for mode, pattern in enumerate(patterns):
        for term, (order, sine) in enumerate(basis.terms):
            kind = kind_of(pattern, order, sine)
            if kind in kinds:
                slots.setdefault(kind, []).append((mode, term))
    found = {}
    for kind, pairs in slots.items():
        if kind.order == 0:
            powers = [
                parts[mode][0] @ symmetric @ parts[mode][0]
                + (symmetric * linalg.inv(precisions[mode][0], check_finite=False)).sum()
                for mode, _ in pairs
            ]
            scale = float(np.mean(powers)) / len(symmetric)
            found[kind] = OrderScale(scale, scale)
            continue
        found[kind] = order_scale(
            [basis.prior_variances_of(term) for _, term in pairs],
            [parts[mode][term] for mode, term in pairs],
            [precisions[mode][term] for mode, term in pairs],
            [basis.odd(term) for _, term in pairs],
        )
    return found
