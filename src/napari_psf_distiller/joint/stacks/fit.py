"""The joint fit of several images: each alone, then those that agree together."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.threads import on_one_thread
from napari_psf_distiller.joint.bead_operations import Judgement
from napari_psf_distiller.joint.misfit.summary import find_misfit
from napari_psf_distiller.joint.outcome import relative_sum_variance, result_of
from napari_psf_distiller.joint.outcome_errors import errors_of
from napari_psf_distiller.joint.results import JointFitResult, JointState
from napari_psf_distiller.joint.rounds import (
    Solution,
    alternate_until_converged,
    extend_basis_while_evident,
)
from napari_psf_distiller.joint.stacks.agreement import Agreement, OwnPSF, own_psf, which_agree
from napari_psf_distiller.joint.stacks.operations import StackOperations
from napari_psf_distiller.progress import Steps

__all__ = ["agreement_of", "distill_together", "leading"]

logger = logging.getLogger(__name__)


def leading(states: Sequence[JointState]) -> JointState:
    """Return the state whose PSF the others are compared in: that of the most used beads."""
    return max(states, key=lambda state: int((state.reasons == "").sum()))


def agreement_of(states: Sequence[JointState], device: Device) -> Steps[Agreement]:
    """Return which of some images have the same PSF, as a generator of progress.

    Parameters
    ----------
    states : sequence of JointState
        Where the fit of each image alone has ended; see `distill_jointly`.
    device : Device
    """
    lead = leading(states)
    psfs = []
    for state in states:
        psfs.append((yield from _alone(state, lead, device)))
    return (yield from which_agree(lead.basis, psfs))


def _alone(state: JointState, lead: JointState, device: Device) -> Steps[OwnPSF]:
    """Return the PSF of an image alone, as a sum of the functions that the lead's is of."""
    fit = StackOperations([state], lead, device)
    try:

        def steps() -> Steps[Solution[list[Judgement]]]:
            fit.improve_beads(2)
            return (yield from alternate_until_converged(fit, fit.judge_beads()))

        yield from on_one_thread(steps())
        return own_psf(fit.model.coefficients, fit.model.linearise(), fit.model.priors)
    finally:
        fit.close()


def distill_together(
    states: Sequence[JointState], device: Device, preview_every: int = 0
) -> Steps[list[JointFitResult]]:
    """Fit one PSF to several images, as a generator of progress.

    Parameters
    ----------
    states : sequence of JointState
        Where the fit of each image alone has ended; see `distill_jointly`.
    device : Device
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.

    Returns
    -------
    list of JointFitResult
        Of each image its beads, its residual and its misfit; the PSF, its errors and its widths
        are the same in all.

    Raises
    ------
    InputError
        No bead of an image can be used with the others' PSF.
    DeviceError
        The device failed.

    Notes
    -----
    Each image has its own background, noise and beads, and the normal equations of the PSF are
    summed over the images: those that tell more of it count for more.
    """
    fit = StackOperations(states, leading(states), device, preview_every)
    try:
        return (yield from on_one_thread(_fit_together(fit, states)))
    finally:
        fit.close()


def _fit_together(
    fit: StackOperations, states: Sequence[JointState]
) -> Steps[list[JointFitResult]]:
    fit.improve_beads(2)
    solution = yield from alternate_until_converged(fit, fit.judge_beads())
    solution = yield from extend_basis_while_evident(fit, solution)
    model = fit.model
    logger.info(
        "joint fit: %s after %d iterations, %d of %d beads of %d images used, orders %s",
        "converged" if solution.converged else "not converged",
        fit.iterations,
        model.beads_used,
        model.bead_count,
        len(states),
        fit.basis.orders,
    )
    sum_variance = relative_sum_variance(model, solution.state)
    errors = errors_of(model, solution.state, sum_variance, model.centres_used, fit.widths)
    misfits = [
        find_misfit(
            own,
            judgement.bead_fit,
            solution.state,
            fit.widths,
            judgement.reasons,
            errors.of_psf.voxels,
            errors.on_grid,
        )
        for own, judgement in zip(model.models, solution.judgement, strict=True)
    ]
    model.divide_psf_by(model.total)
    return [
        result_of(
            own,
            errors,
            misfit,
            judgement.bead_fit,
            judgement.reasons,
            fit.settings,
            fit.widths,
            np.arange(len(own.centres)),
            beads.preset_status,
            sum_variance * model.beads_used,
            iterations=fit.iterations,
            converged=solution.converged,
        )
        for own, misfit, judgement, beads in zip(
            model.models, misfits, solution.judgement, fit.beads, strict=True
        )
    ]
