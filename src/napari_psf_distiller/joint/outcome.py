"""What becomes of a joint fit: the PSF with its errors, the beads' table, the residual image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.joint.basis.extension import extended_basis
from napari_psf_distiller.joint.basis.field_evidence import LeftOut
from napari_psf_distiller.joint.basis.field_patterns import ChangeKind
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.errors import (
    ChangeErrors,
    PSFErrors,
    change_errors,
    inverses,
    order_errors,
    psf_errors,
)
from napari_psf_distiller.joint.field_admission import changes_left_out
from napari_psf_distiller.joint.grid_refinement import unresolved_axes
from napari_psf_distiller.joint.judging import check_one_kind
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.locate import BeadFit
from napari_psf_distiller.joint.misfit.second_peak import SecondPeak, second_peak
from napari_psf_distiller.joint.misfit.summary import Misfit, find_misfit
from napari_psf_distiller.joint.model.field_model import PolynomialField
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.model.stacked_model import StackedModel
from napari_psf_distiller.joint.results import JointFitResult, JointState, Settings
from napari_psf_distiller.joint.table import bead_table
from napari_psf_distiller.measure.widths import peak_profiles, profile_width
from napari_psf_distiller.psf.field import Depth, PSFField
from napari_psf_distiller.psf.polynomials import group_of, pattern_groups

__all__ = [
    "OutcomeErrors",
    "axial_peak",
    "errors_of",
    "finished_fit",
    "relative_sum_variance",
    "result_of",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


def finished_fit(
    model: JointModel,
    state: Linearised,
    bead_fit: BeadFit,
    reasons: NDArray[np.str_],
    settings: Settings,
    widths: Floats,
    order: NDArray[np.intp],
    preset_status: NDArray[np.str_],
    device: Device,
    before: JointState | None,
    *,
    iterations: int,
    converged: bool,
) -> JointFitResult:
    """Return what a joint fit found; the model cannot be used afterwards.

    Parameters
    ----------
    model : JointModel
        Fitted.
    state : Linearised
        The model's linearisation before a last step that changed next to nothing.
    bead_fit : BeadFit
    reasons : numpy.ndarray
        str, (beads,): why each bead is not used; empty for those that are.
    settings : Settings
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    order : numpy.ndarray
        (beads that were found first,): their rank in the table.
    preset_status : numpy.ndarray
        str, (beads,): what was decided before the fit; see `Candidates`.
    device : Device
    before : JointState or None
        Where the earlier fit ended that this one went on from.
    iterations : int
    converged : bool
        Whether the iterations ended because they gained nothing more.

    Raises
    ------
    InputError
        The PSF's sum is not positive.
    """
    basis = model.basis
    if not basis.total(model.coefficients) > 0:
        check_one_kind(reasons)
    sum_variance = _sum_variance(model, state, device, before)
    errors = errors_of(model, state, sum_variance, model.centres[model.used], widths)
    over_field = psf_field(model, state, errors, widths, settings.max_angular_order)
    misfit = find_misfit(
        model, bead_fit, state, widths, reasons, errors.of_psf.voxels, errors.on_grid
    )
    model.normalise()
    return result_of(
        model,
        errors,
        misfit,
        bead_fit,
        reasons,
        settings,
        widths,
        order,
        preset_status,
        sum_variance * int(model.used.sum()),
        over_field,
        iterations=iterations,
        converged=converged,
    )


class OutcomeErrors(NamedTuple):
    """How well a finished PSF is known.

    Attributes
    ----------
    of_psf : PSFErrors
        On the image's voxels.
    on_grid : numpy.ndarray
        float32, (Z, Y, X): of the voxels of the PSF's own grid.
    finer : numpy.ndarray or None
        The same about the PSF's peak, for a PSF with the sum 1 there, where that grid is finer.
    displacement : float
        Displacement of the PSF's peak along z from the middle of its window, in voxels.
    unresolved : tuple of bool
        Along which axes what is finer cannot be told; see `unresolved_axes`.
    """

    of_psf: PSFErrors
    on_grid: Array
    finer: Array | None
    displacement: float
    unresolved: tuple[bool, bool, bool]

    @property
    def planes(self) -> int:
        """`displacement` in whole voxels."""
        return round(self.displacement)

    @property
    def fraction(self) -> float:
        """By which the PSF is displaced so that its peak is in the middle of a plane.

        Beyond the window's ends the functions are anything: displaced by more than a fraction of a
        plane, the PSF has fewer.
        """
        return self.planes - self.displacement


def errors_of(
    model: JointModel | StackedModel,
    state: Linearised,
    sum_variance: float,
    centres: Floats,
    widths: Floats,
) -> OutcomeErrors:
    """Return how well a PSF is known.

    Parameters
    ----------
    model : JointModel or StackedModel
        Of the PSF.
    state : Linearised
        Its linearisation.
    sum_variance : float
        Variance of the PSF's sum, relative to the sum's square.
    centres : numpy.ndarray
        (beads, 3), in voxels: of the beads that shape the PSF.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    """
    basis, coefficients = model.basis, model.coefficients
    # In voxels of the PSF's own grid.
    peak = axial_peak(basis, coefficients, basis.shape[0] // 4)
    displacement = peak / basis.sampling[0]
    grid = basis.on_voxels
    unknown = model.far_light_error
    fraction = round(displacement) - displacement
    errors = psf_errors(grid, coefficients, state, sum_variance, fraction, unknown)
    unresolved = unresolved_axes(basis, coefficients, state, centres, widths)
    if grid is basis:
        return OutcomeErrors(errors, errors.voxels, None, displacement, unresolved)
    finer = psf_errors(basis, coefficients, state, sum_variance, round(peak) - peak, unknown)
    # As parts of a sum over more voxels.
    part = np.float32(1 / math.prod(basis.sampling))
    of_peak: Array = part * _about_plane(finer.voxels, round(peak))
    return OutcomeErrors(errors, finer.voxels, of_peak, displacement, unresolved)


def result_of(
    model: JointModel,
    errors: OutcomeErrors,
    misfit: Misfit,
    bead_fit: BeadFit,
    reasons: NDArray[np.str_],
    settings: Settings,
    widths: Floats,
    order: NDArray[np.intp],
    preset_status: NDArray[np.str_],
    sum_variance: float,
    over_field: PSFField | None = None,
    *,
    iterations: int,
    converged: bool,
) -> JointFitResult:
    """Return what a joint fit found of an image; its model cannot be used afterwards.

    Parameters
    ----------
    model : JointModel
        Its PSF has the sum 1.
    errors : OutcomeErrors
    misfit : Misfit
    bead_fit, reasons, settings, widths, order, preset_status, iterations, converged
        See `finished_fit`.
    sum_variance : float
        Of a PSF from a single bead; see `JointState`.
    over_field : PSFField, optional
        How the PSF changes with the place.
    """
    basis, bead_image = model.basis, model.bead_image
    moved = _about_plane(basis.on_voxels.psf(model.coefficients, errors.fraction), errors.planes)
    voxel_errors = _about_plane(errors.of_psf.voxels, errors.planes)
    psf = (moved / moved.sum()).astype(np.float32)
    centres = model.centres + np.array([errors.displacement, 0.0, 0.0])
    beads = bead_table(model, bead_fit, centres, reasons, order)
    residual = model.residual_image()
    second = second_peak(psf, voxel_errors)
    fwhm_errors = np.array(_width_errors(psf, errors.of_psf, second)) * bead_image.spacing
    flat = len(residual) == 1
    return JointFitResult(
        psf=psf[0] if flat else psf,
        psf_error=voxel_errors[0] if flat else voxel_errors,
        finer_error=errors.finer,
        fwhm_error=tuple(float(w) for w in (fwhm_errors[1:] if flat else fwhm_errors)),
        beads=beads,
        residual=residual[0] if flat else residual,
        iterations=iterations,
        converged=converged,
        band=basis.band,
        widths=widths,
        misfit=misfit,
        second_peak=second,
        unresolved=errors.unresolved,
        over_field=over_field,
        state=JointState(
            bead_image=bead_image,
            settings=settings,
            widths=widths,
            basis=basis,
            fitted=model.fitted(),
            centres=model.centres,
            amplitudes=model.amplitudes,
            displacement=errors.displacement,
            preset_status=preset_status,
            reasons=reasons,
            sum_variance=sum_variance,
        ),
    )


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
        errors=np.stack([_about_plane(part.voxels, errors.planes) for part in found]),
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


def axial_peak(basis: FourierBessel, coefficients: Floats, farthest: int) -> float:
    """Return where along z the PSF is highest on its axis, in its grid's voxels from the middle.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        The PSF's coefficients.
    farthest : int
        Planes from the middle; what is higher beyond is not looked at.
    """
    if basis.shape[0] == 1:
        return 0.0
    positions, values_at = basis.profile_gradient(0)
    line = np.where(np.abs(positions) <= farthest, values_at @ coefficients, -np.inf)
    top = int(line.argmax())
    # Between voxels, by halving steps; the line is a sum of waves and can be computed anywhere.
    best = -float(positions[top])
    step = 0.5
    while step > 1e-3:
        displacements = (best - step, best, best + step)
        heights = [float(basis.value_at_middle(coefficients, d)) for d in displacements]
        best = displacements[int(np.argmax(heights))]
        step /= 2
    return -best


def _sum_variance(
    model: JointModel, state: Linearised, device: Device, before: JointState | None
) -> float:
    """Return the relative variance of the PSF's sum, or an earlier fit's: it is the same."""
    if before is not None:
        return before.sum_variance / int(model.used.sum())
    basis, windows, fitted = model.basis, model.windows, model.fitted()
    if basis.orders == (0,) and model.field_model.modes == 1:
        return relative_sum_variance(model, state)
    # Orders beyond 0 add nothing to the sum, and are not mistaken for background, which is the same
    # all around a bead: without them the same is found in a fraction of the time.
    # What a PSF changes by over the field is 0 in the mean.
    symmetric = extended_basis(basis, model.coefficients, basis.band, (0,))
    symmetric_windows = open_windows(device, symmetric.voxel_functions)
    try:
        symmetric_part = basis.split(model.coefficients)[0]
        model.change_basis(symmetric, symmetric_windows, symmetric_part, model.priors[:1])
        return relative_sum_variance(model, replace(state, precisions=[state.precision[:1]]))
    finally:
        symmetric_windows.close()
        model.change_basis(
            basis,
            windows,
            fitted.parameters,
            fitted.priors,
            fitted.field_model,
            fitted.variation_priors,
        )


def relative_sum_variance(model: JointModel | StackedModel, state: Linearised) -> float:
    """Return the variance of the sum of a model's PSF, relative to the sum's square.

    Parameters
    ----------
    model : JointModel or StackedModel
    state : Linearised
        Its linearisation.
    """
    functional = np.concatenate([model.basis.sums, np.zeros(len(model.background))])
    return model.variance_of(state, functional) / model.total**2


def _width_errors(psf: Array, errors: PSFErrors, second: SecondPeak | None) -> list[float]:
    """Return the widths' standard errors, of which a second peak may be as high as the first."""
    found = list(errors.widths)
    if second is None:
        return found
    own = [profile_width(profile) for profile in peak_profiles(psf)]
    for axis, other in zip((1, 2), second.widths, strict=True):
        # Either is the width, as likely as not: half of what they differ by.
        found[axis] = float(np.hypot(found[axis], (other - own[axis]) / 2))
    return found


def _about_plane(array: NDArray[Any], planes: int) -> NDArray[Any]:
    """Return the planes about one that lies off the middle, as many on both sides.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X), Z odd.
    planes : int
        From the middle plane to the one that is in the middle of the result.
    """
    middle = len(array) // 2 + planes
    reach = len(array) // 2 - abs(planes)
    return array[middle - reach : middle + reach + 1]
