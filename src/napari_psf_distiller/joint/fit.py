"""Joint distilling: PSF, places, amplitudes and background fitted to the raw image together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.compute.threads import on_one_thread
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.basis.extension import (
    extended_basis,
    orders_with_evidence,
    term_priors,
    wider_band,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import OrderScale
from napari_psf_distiller.joint.errors import PSFErrors, psf_errors
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.detection import KEPT, Candidates
from napari_psf_distiller.joint.judging import check_one_kind, judge, why_none_is_used
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.locate import fit_beads, position_steps
from napari_psf_distiller.joint.misfit.hidden_beads import hidden_beads
from napari_psf_distiller.joint.misfit.second_peak import SecondPeak, second_peak
from napari_psf_distiller.joint.misfit.summary import find_misfit
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.results import JointFit, JointState, Settings
from napari_psf_distiller.joint.start import (
    gaussian,
    initial_band,
    initial_deviations,
    inner_window,
    most_isolated_first,
    window_shape,
)
from napari_psf_distiller.joint.table import bead_table
from napari_psf_distiller.measure.widths import peak_profiles, profile_width
from napari_psf_distiller.optics import Band
from napari_psf_distiller.progress import Progress, Steps

__all__ = ["distill_jointly"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The first PSF is made from so many beads, those that stand alone: it must be good enough to place
# and to judge the others with. At the very first, from a Gaussian's places, it is not looked at
# further out than so many widths of a bead along z and in the plane.
FIRST_BEADS, FIRST_REACH = 16, (4.0, 4.5)

# Rounds after the first, at most, and iterations in each.
ROUNDS, ITERATIONS = 6, 60

# What all iterations may cost, admissions of orders included, in iterations of a PSF that does not
# turn: each order makes one dearer; see `_Run._cost`. An ordinary image takes 7 to 20.
MOST_COST = 80.0

# They end where they gain less than this part of what the round gained: the first PSF, from a
# Gaussian's places, need not be found to the end, and what is left of the last one needs another
# round.
FIRST, LAST = 0.01, 0.001

# Rounds end where one makes the image likelier by less than this, or can only do that, in nats a
# coefficient of the PSF: the noise alone is worth half of one.
ENOUGH = 0.02

# After a round that gained less than this there is no other if better places would gain less than
# the above: it could gain no more, as PSF and places are improved in turns.
FEW = 0.1

# Where rounds end for their number or their cost, what the last one gained by less than this is
# within the PSF's errors: as much as the noise alone is worth.
HARMLESS = 0.5

# The PSF is given more freedom so many times, each time with what was found before: orders that
# turn, and higher frequencies.
ADMISSIONS, WIDENINGS = 3, 2

# And so many times its peak is put into the middle of its window.
CENTRINGS = 3


def distill_jointly(
    bead_image: BeadImage,
    candidates: Candidates,
    settings: Settings,
    device: Device,
    preview_every: int = 0,
    before: JointState | None = None,
) -> Steps[JointFit]:
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
        Of a fit to the same image with the same settings, and other beads: this one goes on from
        it, which takes a fraction of the time. The orders that turn are those it had.

    Yields
    ------
    Progress
        Its likelihood is Gaussian, and relative to the start's.

    Returns
    -------
    JointFit

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
    run = _Run(bead_image, candidates, settings, device, preview_every, before)
    try:
        return (yield from on_one_thread(run.steps()))
    finally:
        run.close()


class _Run:
    """One fit."""

    def __init__(
        self,
        bead_image: BeadImage,
        candidates: Candidates,
        settings: Settings,
        device: Device,
        preview_every: int,
        before: JointState | None,
    ) -> None:
        self._bead_image, self._settings, self._device = bead_image, settings, device
        self._candidates, self._preview_every = candidates, preview_every
        self._before = before
        # Those that it does not know.
        self._new: list[int] = []
        shown = ~candidates.in_halo
        places = candidates.voxels[shown].astype(np.float64)
        self._verdicts = np.full(len(places), "", "U16")
        if candidates.preset_status is not None:
            self._verdicts = candidates.preset_status[shown]
        if before is None:
            self._widths = candidates.widths
            self._window: tuple[int, ...] = window_shape(settings.window, bead_image, candidates)
            self._basis = FourierBessel(
                inner_window(self._window, self._widths, FIRST_REACH),
                bead_image.spacing,
                initial_band(settings.band, bead_image, candidates),
                settings.bead_diameter,
            )
            deviations = initial_deviations(
                self._widths, self._basis.band, bead_image.spacing, settings.bead_diameter
            )
            start = self._basis.fitted(gaussian(self._basis.window, deviations))
            start /= self._basis.total(start)
            self._order = most_isolated_first(places / self._widths, candidates.heights[shown])
            # Who must not shape the PSF does not shape the first one.
            excluded = ~np.isin(self._verdicts[self._order], ["", KEPT])
            self._order = self._order[np.argsort(excluded, kind="stable")]
        else:
            self._widths, self._basis = before.widths, before.basis
            self._window = before.basis.window
            start = before.fitted.coefficients
            self._order = np.arange(len(places))
        self._verdicts = self._verdicts[self._order]
        self._windows = open_windows(device, self._basis)
        self._model = JointModel(bead_image, self._basis, self._windows, places[self._order], start)
        if before is None:
            self._model.update_spectrum_prior()
        else:
            self._resume(before)
        # Beads that were refused for their shape, and those that later were not.
        self._doubted: NDArray[np.bool_] | bool = False
        self._taken_back: NDArray[np.bool_] | bool = False
        self._iterations, self._gained = 0, 0.0
        self._spent, self._settled_in_time = 0.0, True
        self._total = ITERATIONS

    def close(self) -> None:
        """Give back what is held on the device."""
        self._windows.close()

    def steps(self) -> Steps[JointFit]:
        if self._before is None:
            yield from self._first()
        else:
            if self._new:
                self._improve(2, self._new)
            self._improve(1)
        reasons = yield from self._settled(self._judged())
        if self._before is None:
            reasons = yield from self._freed(reasons)
        return (yield from self._finished(reasons))

    def _freed(self, reasons: NDArray[np.str_]) -> Steps[NDArray[np.str_]]:
        """Give the PSF the freedom that the beads ask for; return why beads are not used."""
        widenings, admissions, centrings = WIDENINGS, ADMISSIONS, CENTRINGS
        while self._spent < MOST_COST:
            if centrings and self._centre():
                centrings -= 1
            elif widenings and self._widen_band():
                widenings -= 1
            elif admissions and self._admit_orders():
                admissions -= 1
            else:
                break
            reasons = yield from self._settled(reasons)
        return reasons

    def _first(self) -> Steps[None]:
        """Find a PSF that is good enough to judge the beads with."""
        model = self._model
        logarithm = np.log(model.amplitudes)
        # Who is far off the typical brightness does not shape the first PSF.
        usual = np.abs(logarithm - np.median(logarithm)) < 1.2
        allowed = np.isin(self._verdicts, ["", KEPT])
        model.used = usual & allowed if (usual & allowed).any() else allowed
        model.active_count = min(FIRST_BEADS, len(model.used))
        self._improve(2, list(range(model.active_count)))
        yield from self._solve(FIRST)
        self._learn()
        self._improve(2)
        self._look_further()
        yield from self._solve(FIRST)
        self._learn()
        model.active_count = len(model.used)
        self._improve(1)
        self._admit_hidden()

    def _look_further(self) -> None:
        """Go on with all of the window."""
        first, model = self._basis, self._model
        if first.window == self._window:
            return
        basis = FourierBessel(self._window, first.spacing, first.band, first.diameter)
        psf = self._in_window(first.psf(model.coefficients))
        self._take(basis, basis.fitted(psf), [None])
        model.update_spectrum_prior()

    def _in_window(self, psf: Floats) -> Floats:
        """Return a PSF in all of the window; beyond what was looked at so far it is 0."""
        missing = [n - part for n, part in zip(self._window, psf.shape, strict=True)]
        return np.pad(psf, [(n // 2, n // 2) for n in missing])

    def _take(
        self, basis: FourierBessel, coefficients: Floats, priors: list[Floats | None]
    ) -> None:
        """Let the PSF be a sum of other functions."""
        self._basis = basis
        self._windows.close()
        self._windows = open_windows(self._device, basis)
        self._model.take(basis, self._windows, coefficients, priors)

    def _resume(self, before: JointState) -> None:
        """Begin where an earlier fit ended: with its PSF, and the beads that it had."""
        model = self._model
        model.resume(before.fitted)
        centres, amplitudes = model.centres.copy(), model.amplitudes.copy()
        nearest = before.nearest(centres)
        same = nearest >= 0
        centres[same] = before.centres[nearest[same]]
        amplitudes[same] = before.amplitudes[nearest[same]]
        model.used = np.isin(self._verdicts, ["", KEPT])
        model.move(centres, amplitudes)
        self._new = np.flatnonzero(~same).tolist()

    def _settled(self, reasons: NDArray[np.str_]) -> Steps[NDArray[np.str_]]:
        """Improve and judge in turns until nothing is gained; return why beads are not used."""
        # What turns is held by its prior, so that its coefficients are worth much less than one.
        enough, few = ENOUGH * self._basis.sizes[0], FEW * self._basis.sizes[0]
        for _ in range(ROUNDS):
            before = self._gained
            yield from self._solve(LAST, enough)
            gained = self._gained - before
            # Who is not used must not have shaped the PSF: so it is not judged after the last.
            if gained < enough or (gained < few and self._left() < enough):
                self._settled_in_time = True
                break
            if self._spent >= MOST_COST:
                self._settled_in_time = gained < HARMLESS * self._basis.sizes[0]
                break
            self._learn()
            self._improve(1)
            reasons = self._judged()
        else:
            self._settled_in_time = gained < HARMLESS * self._basis.sizes[0]
            self._state = self._model.linearise()
        return reasons

    def _left(self) -> float:
        """Return by how many nats better places would make the used beads likelier."""
        self._model.render()
        return float(position_steps(self._model, self._widths).gains[self._model.used].sum())

    def _improve(self, times: int, beads: list[int] | None = None) -> None:
        """Improve all beads' places, or some beads'."""
        model = self._model
        for _ in range(times):
            model.render()
            steps = position_steps(model, self._widths, beads).steps
            shape = np.array(self._bead_image.intensity.shape)
            centres = np.clip(model.centres + steps[:, 1:], -0.5, shape - 0.5)
            model.move(centres, model.amplitudes + steps[:, 0])
        model.invalidate_surroundings()

    def _solve(self, relative: float, enough: float = 0.0) -> Steps[None]:
        cost = self._cost
        most = max(1, min(ITERATIONS, round((MOST_COST - self._spent) / cost)))
        steps = self._model.solve(most, relative, enough)
        while True:
            try:
                gain = next(steps)
            except StopIteration as stop:
                self._state = stop.value
                break
            self._iterations += 1
            self._spent += cost
            self._gained += gain
            preview = None
            if self._preview_every and self._iterations % self._preview_every == 0:
                preview = self._preview()
            self._total = max(self._total, self._iterations)
            yield Progress("Distil PSF", self._iterations, self._total, self._gained, preview)

    @property
    def _cost(self) -> float:
        """What an iteration takes, in those of a PSF that does not turn.

        A window's voxel is a sum over the waves, and each of these a sum over the terms, two of
        whose tables' places are looked at, forwards and backwards.
        """
        waves, terms = len(self._basis.waves), len(self._basis.terms)
        return (waves + 4 * terms) / (waves + 4)

    def _learn(self) -> None:
        """Learn the noise and the PSF's spectrum, for what is solved next."""
        self._model.update_noise()
        self._model.update_spectrum_prior()
        self._model.update_order_priors(self._state)

    def _preview(self) -> Array:
        """Return the PSF so far, of the sum 1 if that can be told yet."""
        coefficients = self._model.coefficients_so_far
        psf = self._in_window(self._basis.psf(coefficients))
        total = self._basis.total(coefficients)
        scaled = (psf / (total if total > 0 else psf.max())).astype(np.float32)
        return scaled[0] if len(scaled) == 1 else scaled

    def _judged(self) -> NDArray[np.str_]:
        """Judge the beads; those without a reason against them are used from now on."""
        model = self._model
        model.render()
        self._fit = fit_beads(model, self._widths)
        reasons = judge(self._fit, model.amplitudes, self._widths, model.used)
        if not self._settings.judge:
            reasons[:] = ""
        # If a PSF that was made without a bead fits it, it is a single one. Were it judged again
        # with those that shape the PSF, it could be refused and taken back for ever.
        self._taken_back = self._taken_back | (self._doubted & (reasons == ""))
        reasons[self._taken_back & (reasons == "touching")] = ""
        self._doubted = reasons == "touching"
        told = self._verdicts != ""
        reasons[told] = np.where(self._verdicts == KEPT, "", self._verdicts)[told]
        good = reasons == ""
        if not good.any():
            raise InputError(why_none_is_used(reasons))
        model.used = good
        return reasons

    def _admit_hidden(self) -> None:
        """Add the peaks in others' halos that are more than these."""
        model = self._model
        hidden = self._candidates.voxels[self._candidates.in_halo]
        if len(hidden) == 0:
            return
        model.render()
        voxels, amplitudes = hidden_beads(model, hidden, self._widths)
        if len(voxels) == 0:
            return
        model.used = np.r_[model.used, np.ones(len(voxels), bool)]
        self._verdicts = np.r_[self._verdicts, np.full(len(voxels), "", "U16")]
        model.active_count = len(model.used)
        model.move(np.vstack([model.centres, voxels]), np.r_[model.amplitudes, amplitudes])
        self._improve(2)

    def _admit_orders(self) -> bool:
        """Let the PSF differ around its axis as far as the residuals ask for it."""
        model, basis = self._model, self._basis
        found = orders_with_evidence(
            basis, model.coefficients, self._state, self._settings.max_angular_order
        )
        if not found:
            return False
        orders = tuple(sorted({*basis.orders, *found}))
        self._free(basis.band, orders, found)
        return True

    def _widen_band(self) -> bool:
        """Let the PSF have higher frequencies where beads show them and no optics forbid them."""
        if self._settings.band is not None:
            return False
        basis = self._basis
        band = wider_band(basis, self._state, self._widths)
        if band is None:
            return False
        self._free(band, basis.orders, {})
        return True

    def _centre(self) -> bool:
        """Put the PSF's peak along z into the middle of the window, and the beads' places to it."""
        model, basis = self._model, self._basis
        # It is looked for in all of the window: a later centring finds it if it lies farther.
        peak = _axial_peak(basis, model.coefficients, basis.window[0] // 2)
        farthest = basis.window[0] // 4
        planes = max(-farthest, min(round(peak), farthest))
        if planes == 0:
            return False
        model.coefficients = basis.projected(basis, model.coefficients, -planes)
        centres = model.centres + np.array([planes, 0.0, 0.0])
        model.move(centres, model.amplitudes)
        model.invalidate_surroundings()
        if basis.orders != (0,):
            # What turns keeps within the light, which is elsewhere now.
            self._free(basis.band, basis.orders, {})
        return True

    def _free(self, band: Band, orders: tuple[int, ...], scales: dict[int, OrderScale]) -> None:
        """Go on with a PSF of more freedom."""
        model = self._model
        more = extended_basis(self._basis, model.coefficients, band, orders)
        even = model.priors[0] if band == self._basis.band else None
        coefficients = more.projected(self._basis, model.coefficients)
        self._take(more, coefficients, term_priors(more, even, scales))
        if even is None:
            model.update_spectrum_prior()

    def _finished(self, reasons: NDArray[np.str_]) -> Steps[JointFit]:
        model, basis = self._model, self._basis
        if not basis.total(model.coefficients) > 0:
            check_one_kind(reasons)
        # Before its errors, which take as long again where a fit only went on from another.
        preview = self._preview() if self._preview_every else None
        done = self._iterations
        yield Progress("Distil PSF", done, done, preview=preview)
        # The last round changed next to nothing: its linearisation is the present one.
        variance = self._sum_variance(self._state)
        displacement = _axial_peak(basis, model.coefficients, basis.window[0] // 4)
        planes = round(displacement)
        # Beyond the window's ends the functions are anything: displaced by more than a fraction of
        # a plane, the PSF has fewer.
        part = planes - displacement
        errors = psf_errors(basis, model.coefficients, self._state, variance, part)
        misfit = find_misfit(model, self._fit, self._state, self._widths, reasons, errors.voxels)
        model.normalise()
        moved = _about_plane(basis.psf(model.coefficients, part), planes)
        voxel_errors = _about_plane(errors.voxels, planes)
        psf = (moved / moved.sum()).astype(np.float32)
        centres = model.centres + np.array([displacement, 0.0, 0.0])
        beads = bead_table(model, self._fit, centres, reasons, self._order)
        # Where the light was: an image's memory less.
        model.render()
        residual = model.light
        for z in range(len(residual)):
            residual[z] += self._bead_image.background.plane(model.background, z)
            np.subtract(
                self._bead_image.intensity[z], self._bead_image.shown(residual[z]), out=residual[z]
            )
        blank = self._bead_image.history.blank
        if blank is not None:
            # What was never measured leaves nothing.
            residual[blank] = 0
        rival = second_peak(psf, voxel_errors)
        widths = np.array(_width_errors(psf, errors, rival)) * self._bead_image.spacing
        shaping = int(model.used.sum())
        flat = len(residual) == 1
        return JointFit(
            psf[0] if flat else psf,
            voxel_errors[0] if flat else voxel_errors,
            tuple(float(w) for w in (widths[1:] if flat else widths)),
            beads,
            residual[0] if flat else residual,
            self._iterations,
            self._settled_in_time,
            basis.band,
            self._widths,
            misfit,
            rival,
            JointState(
                self._bead_image,
                self._settings,
                self._widths,
                basis,
                model.fitted(),
                model.centres,
                model.amplitudes,
                displacement,
                self._verdicts,
                reasons,
                variance * shaping,
            ),
        )

    def _sum_variance(self, state: Linearised) -> float:
        """Return the relative variance of the PSF's sum, or an earlier fit's: it is the same."""
        model, before = self._model, self._before
        if before is not None:
            return before.sum_variance / int(model.used.sum())
        basis, coefficients, priors = self._basis, model.coefficients, model.priors
        if basis.orders == (0,):
            return _sum_variance_of(model, state)
        # What turns adds nothing to the sum, and is not mistaken for background, which does not
        # turn: without it the same is found in a fraction of the time.
        still = extended_basis(basis, coefficients, basis.band, (0,))
        windows = open_windows(self._device, still)
        try:
            model.take(still, windows, basis.split(coefficients)[0], priors[:1])
            return _sum_variance_of(model, replace(state, precision=state.precision[:1]))
        finally:
            windows.close()
            model.take(basis, self._windows, coefficients, priors)


def _sum_variance_of(model: JointModel, state: Linearised) -> float:
    """Return the relative variance of a model's PSF's sum."""
    every = np.concatenate([model.basis.sums, np.zeros(len(model.background))])
    return model.variance_of(state, every) / model.total**2


def _width_errors(psf: Array, errors: PSFErrors, rival: SecondPeak | None) -> list[float]:
    """Return the widths' standard errors, of which a second peak may be as high as the first."""
    found = list(errors.widths)
    if rival is None:
        return found
    own = [profile_width(profile) for profile in peak_profiles(psf)]
    for axis, other in zip((1, 2), rival.widths, strict=True):
        # Either is the width, as likely as not: half of what they differ by.
        found[axis] = float(np.hypot(found[axis], (other - own[axis]) / 2))
    return found


def _about_plane(array: NDArray[Any], planes: int) -> NDArray[Any]:
    """Return what lies about the plane so many after the middle, as far on both sides."""
    middle = len(array) // 2 + planes
    reach = len(array) // 2 - abs(planes)
    return array[middle - reach : middle + reach + 1]


def _axial_peak(basis: FourierBessel, coefficients: Floats, farthest: int) -> float:
    """Return where along z the PSF's centre line is highest, in voxels from the middle.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
    farthest : int
        Planes from the middle; what is higher beyond is not looked at.
    """
    if basis.window[0] == 1:
        return 0.0
    positions, values_at = basis.profile_gradient(0)
    line = np.where(np.abs(positions) <= farthest, values_at @ coefficients, -np.inf)
    top = int(line.argmax())
    # Between voxels, by halving steps; the line is a sum of waves and can be computed anywhere.
    best = -float(positions[top])
    step = 0.5
    while step > 1e-3:
        places = (best - step, best, best + step)
        heights = [float(basis.value_at_middle(coefficients, place)) for place in places]
        best = places[int(np.argmax(heights))]
        step /= 2
    return -best
