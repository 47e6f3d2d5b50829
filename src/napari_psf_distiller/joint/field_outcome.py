"""How the PSF of a finished joint fit changes over the field, with its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.field_evidence import LeftOut
from napari_psf_distiller.joint.basis.field_patterns import ChangeKind
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.errors import ChangeErrors, change_errors, inverses, order_errors
from napari_psf_distiller.joint.field_admission import changes_left_out
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.field_model import PolynomialField
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.outcome_errors import OutcomeErrors, about_plane
from napari_psf_distiller.psf.field import Depth, PSFField
from napari_psf_distiller.psf.polynomials import group_of, pattern_groups

__all__ = ["psf_field"]

Floats = NDArray[np.float64]


def psf_field(
    model: JointModel,
    state: Linearised,
    errors: OutcomeErrors,
    widths: Floats,
    max_angular_order: int | None,
) -> PSFField | None:
    """Return how the PSF of a finished model changes over the field; None where it does not.

    Parameters
    ----------
    model : JointModel
        As it is before its PSF is scaled to the sum 1.
    state : Linearised
        Its linearisation.
    errors : OutcomeErrors
        Of the mean PSF.
    widths, max_angular_order
        See `changes_left_out`.

    Notes
    -----
    What is left out is not known, and so in the errors: of each group of polynomials, the changes
    that are of its degree, or of one that no polynomial is fitted of and that is nearest to it.
    """
    field_model, basis = model.field_model, model.basis
    if not isinstance(field_model, PolynomialField):
        return None
    total, weights = model.total, model.positions.field_weights[model.used]
    light = model.amplitudes[model.used] ** 2
    gram = (weights.T * light) @ weights / light.sum()
    coefficients = model.coefficients
    # The mean PSF's own have the doubt about its sum, too.
    of_orders = order_errors(basis, coefficients, inverses(state.precision))
    mean = ChangeErrors(errors.of_psf.voxels, errors.of_psf.widths, of_orders)
    found = [mean]
    # The first one is the mean.
    groups = pattern_groups(field_model.patterns)[1:]
    left_out = changes_left_out(model, widths, max_angular_order)
    for group in groups:
        modes = [n for n, pattern in enumerate(field_model.patterns) if group_of(pattern) == group]
        # They differ by how evenly the beads lie, which the polynomials' Gram matrix has.
        covariances = [
            [gram[mode, mode] * inverse for inverse in inverses(state.precisions[mode])]
            for mode in modes
        ]
        own = change_errors(basis, coefficients, covariances, errors.fraction)
        if left_out is not None:
            wide, kinds = left_out
            others = [one for one in kinds if _nearest_group(one.kind, groups) == group]
            own = _with_left_out(own, model, wide, others, len(modes), errors.fraction)
        found.append(own)
    sz, sy, sx = basis.spacing
    planes, rows, columns = model.bead_image.intensity.shape
    step, height, width = model.bead_image.spacing
    depth = None
    if any(pattern.depth for pattern in field_model.patterns):
        depth = Depth(field_model.depth_extent, planes, step)
    return PSFField(
        patterns=field_model.patterns,
        extent=field_model.extent,
        image_shape=(rows, columns),
        pixel=(height, width),
        amplitudes=np.stack(
            [np.array(basis.psf_amplitudes(mode / total)) for mode in model.parameters]
        ),
        gram=field_model.with_weak_prior(gram),
        spacing=(sz, sy, sx),
        errors=np.stack([about_plane(part.voxels, errors.planes) for part in found]),
        width_errors=np.array([part.widths for part in found]) * model.bead_image.spacing,
        order_errors=np.array([part.orders for part in found]),
        depth=depth,
    )


def _nearest_group(kind: ChangeKind, groups: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the group of the degrees that are nearest to a change's, the higher ones first."""
    return min(
        groups,
        key=lambda group: (
            abs(group[0] - kind.degree) + abs(group[1] - kind.depth),
            -group[0] - group[1],
        ),
    )


def _with_left_out(
    own: ChangeErrors,
    model: JointModel,
    wide: FourierBessel,
    left_out: Sequence[LeftOut],
    polynomials: int,
    displacement: float,
) -> ChangeErrors:
    """Return the errors of a group of polynomials with those of changes that are not fitted.

    Parameters
    ----------
    own : ChangeErrors
        Of what is fitted.
    model : JointModel
    wide : FourierBessel
    left_out : sequence of LeftOut
        Of the group, by the coefficients of `wide`.
    polynomials : int
    displacement : float
        See `change_errors`.
    """
    basis = model.basis
    covariance = []
    for (order, _), size in zip(wide.terms, wide.sizes, strict=True):
        squares = sum(
            (one.squares for one in left_out if one.kind.order == order), np.zeros((size, size))
        )
        # Cosine and sine have one half each.
        covariance.append(squares / (polynomials * (2 if order else 1)))
    coefficients = wide.projected(basis, model.coefficients)
    others = change_errors(wide, coefficients, [covariance], displacement)
    of_orders = dict(zip(wide.orders, others.orders, strict=True))
    return ChangeErrors(
        np.hypot(own.voxels, others.voxels),
        tuple(np.hypot(own.widths, others.widths).tolist()),
        tuple(
            math.hypot(error, of_orders[order])
            for order, error in zip(basis.orders, own.orders, strict=True)
        ),
    )
