"""Whether the PSF is to change over the field of view, by the evidence of the residuals."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.extension import (
    EVIDENCE_COMBINATIONS,
    MIN_EVIDENCE_NATS,
    extended_basis,
    term_priors,
)
from napari_psf_distiller.joint.basis.field_evidence import (
    FieldScales,
    field_evidence,
    field_priors,
    symmetric_precision,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.model.field_model import PolynomialField
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.psf.field import Extent

__all__ = ["AdmittedField", "field_with_evidence"]

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

# Polynomials up to this degree are looked at: field curvature is of the second, and what it does to
# a PSF, whose shape is not linear in the focus, of the fourth. So many degrees are looked at
# together.
MAX_DEGREE, DEGREES_AT_ONCE = 4, 2

# Angular orders of the PSF that are looked at: spherical aberration has 0, coma 1, astigmatism 2,
# trefoil 3.
MAX_ORDER = 4

# Polynomials need at least this many times as many beads, and these must be spread so that each
# combination of the polynomials has at least this part of its mean square over the field.
MIN_BEADS_PER_POLYNOMIAL, MIN_MEAN_SQUARE = 3.0, 0.05


class AdmittedField(NamedTuple):
    """A PSF that changes over the field as far as there is evidence for it.

    Attributes
    ----------
    basis : FourierBessel
        With the angular orders that change.
    parameters : numpy.ndarray
        (modes, coefficients): to begin with; what is new is 0.
    priors : list of (numpy.ndarray or None)
        Of each term, of the mean PSF.
    field_model : PolynomialField
    scales : mapping
        How strong each change is; see `field_evidence`.
    variation_priors : list of list of (numpy.ndarray or None)
        Of each of the modes but the first.
    """

    basis: FourierBessel
    parameters: Floats
    priors: list[Floats | None]
    field_model: PolynomialField
    scales: FieldScales
    variation_priors: list[list[Floats | None]]


def field_with_evidence(
    model: JointModel, max_angular_order: int | None = None
) -> AdmittedField | None:
    """Return the PSF with the changes over the field that the residuals have evidence for.

    Parameters
    ----------
    model : JointModel
        Fitted. Its PSF may change already: then polynomials of the next degrees are looked at.
    max_angular_order : int, optional
        No higher ones of the PSF are looked at.

    Returns
    -------
    AdmittedField or None
        None where there is no evidence for more than the model has.
    """
    basis, field_model = model.basis, model.field_model
    known, extent = 0, _extent_of(model)
    if isinstance(field_model, PolynomialField):
        known, extent = field_model.degree, field_model.extent
    degrees = [
        degree
        for degree in range(known + 1, min(known + DEGREES_AT_ONCE, MAX_DEGREE) + 1)
        if _is_told(PolynomialField(degree, extent), model.centres_used)
    ]
    if not degrees:
        return None
    trial = PolynomialField(max(degrees), extent)
    stacks = model.stacked(trial)
    of_degrees = {
        degree: [stack for stack, own in zip(stacks, trial.degrees, strict=True) if own == degree]
        for degree in degrees
    }
    highest = MAX_ORDER if max_angular_order is None else min(MAX_ORDER, max_angular_order)
    orders = tuple(sorted({*basis.orders, *range(highest + 1)}))
    envelope = basis.envelope(model.coefficients)
    wide = extended_basis(basis, model.coefficients, basis.band, orders, EVIDENCE_COMBINATIONS)
    evidence = field_evidence(wide, envelope, of_degrees)
    found = {key: one.scale for key, one in evidence.items() if one.nats > MIN_EVIDENCE_NATS}
    if not found:
        logger.info("joint fit: no evidence for changes over the field of degree %s", degrees)
        return None
    logger.info(
        "joint fit: changes over the field admitted, %s",
        ", ".join(f"order {order} of degree {degree}" for order, degree in sorted(found)),
    )
    grown = PolynomialField(max(degree for _, degree in found), extent)
    orders = tuple(sorted({*basis.orders, *(order for order, _ in found)}))
    extended = extended_basis(basis, model.coefficients, basis.band, orders)
    parameters = np.zeros((grown.modes, extended.size))
    for row, own in zip(parameters, model.parameters, strict=False):
        row[:] = extended.projected(basis, own)
    scales = {**model.field_scales, **found}
    return AdmittedField(
        extended,
        parameters,
        term_priors(extended, model.priors[0], {}),
        grown,
        scales,
        field_priors(extended, symmetric_precision(extended, envelope), grown.degrees[1:], scales),
    )


def _extent_of(model: JointModel) -> Extent:
    """Return the rectangle that the beads lie in."""
    low, high = (edge.tolist() for edge in (model.centres.min(axis=0), model.centres.max(axis=0)))
    return (low[1], high[1]), (low[2], high[2])


def _is_told(field_model: PolynomialField, centres: Floats) -> bool:
    """Return whether beads are enough, and spread enough, for a field's polynomials."""
    if len(centres) < MIN_BEADS_PER_POLYNOMIAL * field_model.modes:
        return False
    values = field_model.weights(centres)
    return bool(np.linalg.eigvalsh(values.T @ values / len(centres))[0] >= MIN_MEAN_SQUARE)
