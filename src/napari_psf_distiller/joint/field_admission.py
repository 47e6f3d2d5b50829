"""Whether the PSF is to change over the field of view, by the evidence of the residuals."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.extension import (
    EVIDENCE_COMBINATIONS,
    extended_basis,
    term_priors,
)
from napari_psf_distiller.joint.basis.field_evidence import FieldEvidence, LeftOut
from napari_psf_distiller.joint.basis.field_priors import (
    FieldScales,
    field_priors,
    symmetric_precision,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.model.field_model import PolynomialField
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.psf.polynomials import Extent, Pattern, field_patterns

__all__ = ["AdmittedField", "changes_left_out", "field_with_evidence"]

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

# Field curvature is a polynomial of the second degree, and what it does to a PSF, whose shape is
# not linear in the focus, of the fourth and sixth: of optics that are symmetrical about their axis
# there are few changes of each degree. Of all others these degrees are looked at.
MAX_SYMMETRICAL_DEGREE, MAX_DEGREE = 6, 4

# With depth spherical aberration grows where the sample has another refractive index than the
# immersion has: linearly, and its PSF not linearly with it. It is looked for where the beads lie
# within a layer that is at least so many times as thick as a bead's image is along z.
MAX_DEPTH_DEGREE, MIN_DEPTH_WIDTHS = 4, 4.0

# What changes with the place in the plane changes with depth, too, where the PSF does. Of these
# products, those of symmetrical optics are looked at up to this sum of degrees.
MAX_PRODUCT_DEGREE = 4

# Angular orders of the PSF that are looked at: spherical aberration has 0, coma 1, astigmatism 2,
# trefoil 3.
MAX_ORDER = 4

# A first change is admitted with this much evidence, since beads that lie in each other's light can
# feign some; and others where there is one. Some hundred kinds are looked at, and in fields without
# any the largest evidence is about 7.
MIN_FIRST_NATS, MIN_NATS = 50.0, 20.0

# Beads that are needed at least, and how many for each polynomial.
MIN_BEADS, MIN_BEADS_PER_POLYNOMIAL = 12, 3.0


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
        How strong each change is; see `FieldEvidence`.
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
    model: JointModel, widths: Floats, max_angular_order: int | None = None
) -> AdmittedField | None:
    """Return the PSF with the changes over the field that the residuals have evidence for.

    Parameters
    ----------
    model : JointModel
        Fitted. Its PSF may change already: then other kinds of changes are looked for.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    max_angular_order : int, optional
        No higher ones of the PSF are looked at.

    Returns
    -------
    AdmittedField or None
        None where there is no evidence for more than the model has.
    """
    basis, field_model = model.basis, model.field_model
    looked_at = _looked_at(model, widths, max_angular_order)
    if looked_at is None:
        return None
    envelope, looked_at_field = looked_at.envelope, looked_at.field
    known = field_patterns(0)
    if isinstance(field_model, PolynomialField):
        known = field_model.patterns
    evidence = looked_at.evidence.kinds(MIN_FIRST_NATS if len(known) == 1 else MIN_NATS)
    if not evidence:
        logger.info("joint fit: no evidence for more changes over the field")
        return None
    for kind, (_, nats) in evidence.items():
        logger.info(
            "joint fit: change over the field of order %d, degree %d, %d turns, %s, "
            "degree %d of the depth: %.0f nats",
            *(*kind, nats),
        )
    needed = {(kind.degree, abs(kind.turns), kind.depth) for kind in evidence}
    added = tuple(
        pattern
        for pattern in looked_at_field.patterns
        if (pattern.degree, abs(pattern.turns), pattern.depth) in needed and pattern not in known
    )
    grown = PolynomialField((*known, *added), looked_at_field.extent, looked_at_field.depth_extent)
    orders = tuple(sorted({*basis.orders, *(kind.order for kind in evidence)}))
    extended = extended_basis(basis, model.coefficients, basis.band, orders, alike=True)
    parameters = np.zeros((grown.modes, extended.size))
    for row, own in zip(parameters, model.parameters, strict=False):
        row[:] = extended.projected(basis, own)
    scales = {**model.field_scales, **{kind: one.scale for kind, one in evidence.items()}}
    symmetric = symmetric_precision(extended, envelope)
    return AdmittedField(
        extended,
        parameters,
        term_priors(extended, model.priors[0], {}),
        grown,
        scales,
        field_priors(
            extended, symmetric, grown.patterns[1:], scales, basis.total(model.coefficients)
        ),
    )


def changes_left_out(
    model: JointModel, widths: Floats, max_angular_order: int | None = None
) -> tuple[FourierBessel, list[LeftOut]] | None:
    """Return what a PSF that changes over the field may change by beyond what is fitted.

    There is too little evidence for each of these changes, but there are many, and each of them
    that the PSF has makes it wrong.

    Parameters
    ----------
    model : JointModel
        Fitted.
    widths, max_angular_order
        See `field_with_evidence`.

    Returns
    -------
    FourierBessel
        Whose coefficients the changes are of, as those of the model's PSF.
    list of LeftOut
    """
    looked_at = _looked_at(model, widths, max_angular_order)
    return None if looked_at is None else (looked_at.basis, looked_at.evidence.left_out())


class _LookedAt(NamedTuple):
    """Changes of a PSF with the place that are looked at.

    Attributes
    ----------
    basis : FourierBessel
    envelope : numpy.ndarray
        (Z, rings): see `FourierBessel.envelope`.
    field : PolynomialField
    evidence : FieldEvidence
    """

    basis: FourierBessel
    envelope: Floats
    field: PolynomialField
    evidence: FieldEvidence


def _looked_at(
    model: JointModel, widths: Floats, max_angular_order: int | None
) -> _LookedAt | None:
    """Look at as many changes as the beads are enough for; None where they are for none."""
    basis, field_model = model.basis, model.field_model
    centres = model.centres[model.fits_psf]
    symmetrical, most = _affordable_degrees(len(centres))
    if not symmetrical:
        return None
    depth_extent, rows, columns = _extents(centres)
    extent: Extent = (rows, columns)
    deep = depth_extent[1] - depth_extent[0] > MIN_DEPTH_WIDTHS * widths[0]
    if isinstance(field_model, PolynomialField):
        extent, depth_extent = field_model.extent, field_model.depth_extent
    highest = MAX_ORDER if max_angular_order is None else min(MAX_ORDER, max_angular_order)
    orders = tuple(sorted({*basis.orders, *range(highest + 1)}))
    envelope = basis.envelope(model.coefficients)
    wide = extended_basis(
        basis, model.coefficients, basis.band, orders, EVIDENCE_COMBINATIONS, alike=True
    )
    patterns = field_patterns(symmetrical)
    if deep:
        patterns += _patterns_in_depth(symmetrical)
    field = PolynomialField(patterns, extent, depth_extent)
    evidence = FieldEvidence(
        wide,
        envelope,
        model.bead_gradients(wide),
        field.patterns,
        field.weights(centres),
        model.field_scales,
        lambda kind: (
            kind.is_symmetrical
            if kind.depth and kind.degree
            else kind.degree <= (symmetrical if kind.is_symmetrical else most)
        ),
    )
    return _LookedAt(wide, envelope, field, evidence)


def _patterns_in_depth(most: int) -> tuple[Pattern, ...]:
    """Return the polynomials of the depth, of no higher degree than this, and the products."""
    depths = range(1, min(MAX_DEPTH_DEGREE, most) + 1)
    products = (
        pattern._replace(depth=depth)
        for depth in depths
        for pattern in field_patterns(max(min(MAX_PRODUCT_DEGREE, most) - depth, 0))
        if pattern.degree
    )
    return (*(Pattern(0, 0, depth) for depth in depths), *products)


def _extents(centres: Floats) -> list[tuple[float, float]]:
    """Return where the outermost beads lie, (first, last) along z, y and x, in voxels."""
    low, high = (edge.tolist() for edge in (centres.min(axis=0), centres.max(axis=0)))
    return list(zip(low, high, strict=True))


def _affordable_degrees(beads: int) -> tuple[int, int]:
    """Return the highest degrees that beads are enough for: of symmetrical changes, and of all."""
    if beads < MIN_BEADS:
        return 0, 0
    found = []
    for highest, symmetrical in ((MAX_SYMMETRICAL_DEGREE, True), (MAX_DEGREE, False)):
        fitting = [
            degree
            for degree in range(highest + 1)
            if MIN_BEADS_PER_POLYNOMIAL
            * sum(not symmetrical or 0 <= of.turns <= MAX_ORDER for of in field_patterns(degree))
            <= beads
        ]
        found.append(max(fitting, default=0))
    return found[0], found[1]
