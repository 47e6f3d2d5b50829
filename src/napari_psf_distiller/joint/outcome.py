"""What becomes of a joint fit: the PSF with its errors, the beads' table, the residual image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.joint.basis.extension import extended_basis
from napari_psf_distiller.joint.errors import PSFErrors
from napari_psf_distiller.joint.field_outcome import psf_field
from napari_psf_distiller.joint.judging import check_one_kind
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.locate import BeadFit
from napari_psf_distiller.joint.misfit.second_peak import SecondPeak, second_peak
from napari_psf_distiller.joint.misfit.summary import Misfit, find_misfit
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.model.stacked_model import StackedModel
from napari_psf_distiller.joint.outcome_errors import OutcomeErrors, about_plane, errors_of
from napari_psf_distiller.joint.results import JointFitResult, JointState, Settings
from napari_psf_distiller.joint.table import bead_table
from napari_psf_distiller.measure.widths import peak_profiles, profile_width
from napari_psf_distiller.psf.field import PSFField

__all__ = ["finished_fit", "relative_sum_variance", "result_of"]

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
    moved = about_plane(basis.on_voxels.psf(model.coefficients, errors.fraction), errors.planes)
    voxel_errors = about_plane(errors.of_psf.voxels, errors.planes)
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
