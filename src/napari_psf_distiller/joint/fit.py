"""The joint fit: PSF, beads' centres and amplitudes, and background, fitted to the raw image.

This module is the algorithm for one image, from the first PSF to the last of the `rounds`; each
line is an operation of `FitOperations`.
"""

from __future__ import annotations

import logging

import numpy as np

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.threads import on_one_thread
from napari_psf_distiller.joint.bead_operations import Judgement
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.detection import Candidates, may_shape_psf
from napari_psf_distiller.joint.operations import FitOperations
from napari_psf_distiller.joint.outcome import finished_fit
from napari_psf_distiller.joint.psf_operations import band_in_words
from napari_psf_distiller.joint.results import JointFitResult, JointState, Settings
from napari_psf_distiller.joint.rounds import (
    Solution,
    alternate_until_converged,
    extend_basis_while_evident,
)
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = ["distill_jointly"]

logger = logging.getLogger(__name__)

# The first PSF is made from this many beads, those that stand most alone: it must be good enough to
# place and to judge the others with.
FIRST_FIT_BEADS = 16

# Beads whose amplitude differs from the median by more than this, as a logarithm, do not shape the
# first PSF.
FIRST_FIT_LOG_AMPLITUDE = 1.2

# How often, at most, changes of the PSF over the field are looked for, each time with those found.
MAX_FIELD_ADMISSIONS = 3

# What people read while these are fitted, and at the end.
OVER_FIELD, ERRORS = "Fit the PSF over the field", "Work out the PSF's errors"

# A linear solution ends where it gains less than this part of what the round gained: the first PSF,
# from a Gaussian's centres, need not be found to the end.
FIRST_GAIN_RATIO = 0.01


def distill_jointly(
    bead_image: BeadImage,
    candidates: Candidates,
    settings: Settings,
    device: Device,
    preview_every: int = 0,
    before: JointState | None = None,
) -> Steps[JointFitResult]:
    """Fit PSF, beads and background to a bead image, as a generator of progress.

    Parameters
    ----------
    bead_image : BeadImage
    candidates : Candidates
    settings : Settings
    device : Device
        See `choose_device`.
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.
    before : JointState, optional
        Where a fit to the same image with the same settings, and other beads, ended: this one goes
        on from there, which takes a fraction of the time. The angular orders are those it had.

    Yields
    ------
    Progress
        Its likelihood is Gaussian, and relative to the start's.

    Returns
    -------
    JointFitResult

    Raises
    ------
    InputError
        No bead can be used.
    DeviceError
        The device failed.

    Notes
    -----
    In turns, the PSF and the background are found by weighted least squares over all voxels of all
    used beads' windows, with weights one over the model's variance (which makes it Fisher's
    scoring for Poisson noise), and each bead's amplitude and centre by Gauss-Newton steps on its
    core, until neither gains anything. The PSF has no frequency that the optics do not pass, and is
    the same all around its axis where the image has no evidence for more: that leaves some
    hundreds of numbers to be told by millions of voxels, and nothing to be regularised.
    """
    fit = FitOperations(bead_image, candidates, settings, device, preview_every, before)
    try:
        return (yield from on_one_thread(_fit(fit)))
    finally:
        fit.close()


def _fit(fit: FitOperations) -> Steps[JointFitResult]:
    """Fit from the start, or on from an earlier fit, to the end."""
    if fit.before is None:
        yield from _fit_first_psf(fit)
        solution = yield from alternate_until_converged(fit, fit.judge_beads())
        solution = yield from extend_basis_while_evident(fit, solution)
        solution = yield from _vary_over_field_while_evident(fit, solution)
    else:
        if fit.new_beads:
            fit.improve_beads(2, fit.new_beads)
        fit.improve_beads(1)
        solution = yield from alternate_until_converged(fit, fit.judge_beads())
    # Before the errors, which take as long again where a fit only went on from another.
    preview = fit.preview() if fit.preview_every else None
    yield Progress(StepId.DISTILL, fit.iterations, fit.iterations, preview=preview, phase=ERRORS)
    logger.info(
        "joint fit: %s after %d iterations, %d of %d beads used, orders %s, band %s",
        "converged" if solution.converged else "not converged",
        fit.iterations,
        int(fit.model.used.sum()),
        len(fit.model.used),
        fit.basis.orders,
        band_in_words(fit.basis.band),
    )
    return finished_fit(
        fit.model,
        solution.state,
        solution.judgement.bead_fit,
        solution.judgement.reasons,
        fit.settings,
        fit.widths,
        fit.order,
        fit.preset_status,
        fit.device,
        fit.before,
        iterations=fit.iterations,
        converged=solution.converged,
    )


def _vary_over_field_while_evident(
    fit: FitOperations, solution: Solution[Judgement]
) -> Steps[Solution[Judgement]]:
    """Let the PSF change over the field where the beads show it; return the solution with it."""
    # What was spent before was for a PSF that is the same everywhere.
    fit.spent = 0.0
    for _ in range(MAX_FIELD_ADMISSIONS):
        # What is begun should converge.
        if fit.spent > fit.settings.most_iterations / 2 or not fit.vary_over_field():
            break
        fit.begin_part(OVER_FIELD)
        solution = yield from alternate_until_converged(fit, solution.judgement)
    return solution


def _fit_first_psf(fit: FitOperations) -> Steps[None]:
    """Find a PSF that is good enough to judge the beads with."""
    model = fit.model
    logger.info(
        "joint fit: begins with %d beads, window %s voxels, band %s",
        len(model.used),
        "x".join(map(str, fit.window)),
        band_in_words(fit.basis.band),
    )
    logarithm = np.log(model.amplitudes)
    typical = np.abs(logarithm - np.median(logarithm)) < FIRST_FIT_LOG_AMPLITUDE
    allowed = may_shape_psf(fit.preset_status)
    model.used = typical & allowed if (typical & allowed).any() else allowed
    model.active_count = min(FIRST_FIT_BEADS, len(model.used))
    fit.improve_beads(2, list(range(model.active_count)))
    state = yield from fit.solve_psf_and_background(FIRST_GAIN_RATIO)
    fit.update_noise_and_priors(state)
    fit.improve_beads(2)
    fit.extend_window()
    state = yield from fit.solve_psf_and_background(FIRST_GAIN_RATIO)
    fit.update_noise_and_priors(state)
    logger.info(
        "joint fit: first PSF after %d iterations, from %d beads; noise %.3g times the camera's",
        fit.iterations,
        int(model.fits_psf.sum()),
        model.noise.scale,
    )
    model.active_count = len(model.used)
    fit.improve_beads(1)
    fit.admit_hidden_beads()
