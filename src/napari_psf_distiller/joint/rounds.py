"""The rounds of a joint fit: PSF and beads are improved in turns, and the basis is extended."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.psf_operations import PSFOperations
from napari_psf_distiller.progress import Steps

__all__ = ["Solution", "alternate_until_converged", "extend_basis_while_evident"]

# How the beads were judged: of one image, or of several.
Judged = TypeVar("Judged")

# Rounds of improving PSF and beads alternately, at most.
MAX_ROUNDS = 6

# A linear solution ends where it gains less than this part of what the round gained: what is left
# of it needs another round.
LATER_GAIN_RATIO = 0.001

# Rounds end where one makes the image likelier by less than this, or can only do that, in nats a
# coefficient of the PSF's symmetric part: the noise alone is worth half a nat.
CONVERGED_NATS_PER_COEFFICIENT = 0.02

# After a round that gained less than this there is no other if better centres would gain less than
# the above: it could gain no more, as PSF and beads are improved in turns.
NEARLY_CONVERGED_NATS_PER_COEFFICIENT = 0.1

# Where rounds end for their number or their cost, and the last one gained less than this, what is
# missing is within the PSF's errors: as much as the noise alone is worth.
HARMLESS_NATS_PER_COEFFICIENT = 0.5

# How often, at most, the PSF's basis is extended by angular orders, and by higher frequencies, each
# time with what was found before; how often its grid is refined; and how often the PSF's peak is
# put into the window's middle.
MAX_ORDER_ADMISSIONS, MAX_BAND_WIDENINGS, MAX_GRID_REFINEMENTS, MAX_CENTRINGS = 3, 2, 2, 3

# What people read while the fit goes on with what the beads show.
CENTRED = "Fit the PSF about its peak"
FINER_GRID, FINER_DETAIL = "Fit the PSF on a finer grid", "Fit the PSF's finer detail"
NOT_ROUND = "Fit a PSF that is not round"


class Solution(NamedTuple, Generic[Judged]):
    """Where alternating between PSF and beads has ended.

    Attributes
    ----------
    state : Linearised
        The model before the last linear solution, which changed next to nothing.
    judgement : Judgement, or list of them
        How the beads of the image, or of each image, fit the model.
    converged : bool
        Whether the rounds ended because they gained nothing more, and not for their number.
    """

    state: Linearised
    judgement: Judged
    converged: bool


def alternate_until_converged(
    fit: PSFOperations[Any, Judged], judgement: Judged
) -> Steps[Solution[Judged]]:
    """Improve PSF and beads alternately, and judge the beads, until nothing is gained."""
    # Orders beyond 0 are held by their prior: their coefficients are worth much less than one.
    coefficients = fit.basis.sizes[0]
    converged_nats = CONVERGED_NATS_PER_COEFFICIENT * coefficients
    nearly_converged_nats = NEARLY_CONVERGED_NATS_PER_COEFFICIENT * coefficients
    harmless_nats = HARMLESS_NATS_PER_COEFFICIENT * coefficients
    for number in range(MAX_ROUNDS):
        before = fit.nats
        fit.model.update_far_light()
        state = yield from fit.solve_psf_and_background(
            LATER_GAIN_RATIO, converged_nats, nearly_converged_nats, MAX_ROUNDS - 1 - number
        )
        gain = fit.nats - before
        # The last round does not judge: a bead that it refused would have shaped the PSF.
        if gain < converged_nats or (
            gain < nearly_converged_nats and fit.gain_left_in_beads() < converged_nats
        ):
            return Solution(state, judgement, converged=True)
        if fit.spent >= fit.settings.most_iterations:
            return Solution(state, judgement, gain < harmless_nats)
        fit.update_noise_and_priors(state)
        fit.improve_beads(1)
        judgement = fit.judge_beads()
    return Solution(fit.model.linearise(), judgement, gain < harmless_nats)


def extend_basis_while_evident(
    fit: PSFOperations[Any, Judged], solution: Solution[Judged]
) -> Steps[Solution[Judged]]:
    """Give the PSF what the beads show and its basis lacks; return the solution with it.

    The PSF's peak is put into the middle of its window first, then its grid is refined and the band
    widened, then angular orders are admitted: after each all is fitted again.
    """
    centrings, refinements = MAX_CENTRINGS, MAX_GRID_REFINEMENTS
    widenings, admissions = MAX_BAND_WIDENINGS, MAX_ORDER_ADMISSIONS
    while fit.spent < fit.settings.most_iterations:
        if centrings and fit.centre_peak():
            centrings, title = centrings - 1, CENTRED
        elif refinements and fit.refine_grid(solution.state):
            refinements, title = refinements - 1, FINER_GRID
        elif widenings and fit.widen_band(solution.state):
            widenings, title = widenings - 1, FINER_DETAIL
        elif admissions and fit.admit_orders(solution.state):
            admissions, title = admissions - 1, NOT_ROUND
        else:
            break
        fit.begin_part(title)
        solution = yield from alternate_until_converged(fit, solution.judgement)
    return solution
