"""What a joint fit does to its model, one operation a method; `fit` says in which order."""

from __future__ import annotations

import logging
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.basis.extension import (
    extended_basis,
    orders_with_evidence,
    term_priors,
    wider_band,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import OrderScale
from napari_psf_distiller.joint.basis.theory_spectrum import theory_spectrum
from napari_psf_distiller.joint.grid_refinement import refined_psf
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.detection import KEPT, Candidates, may_shape_psf
from napari_psf_distiller.joint.judging import judge, why_none_is_used
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.locate import BeadFit, fit_beads, position_steps
from napari_psf_distiller.joint.misfit.hidden_beads import hidden_beads
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.outcome import axial_peak
from napari_psf_distiller.joint.results import JointState, Settings
from napari_psf_distiller.joint.start import (
    gaussian,
    initial_deviations,
    initial_frequencies,
    inner_window,
    most_isolated_first,
    window_shape,
    within_support,
)
from napari_psf_distiller.optics import Band
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = ["FitOperations", "Judgement", "band_in_words"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The very first PSF, from centres that a Gaussian gave, is fitted within this many widths of a bead
# to each side only, along z and in the plane.
FIRST_FIT_REACH_WIDTHS = (4.0, 4.5)

# Iterations of a linear solution, at most.
MAX_ITERATIONS_PER_ROUND = 60


class Judgement(NamedTuple):
    """How the beads fit the model, and which may shape the PSF.

    Attributes
    ----------
    bead_fit : BeadFit
    reasons : numpy.ndarray
        str, (beads,): why a bead must not shape the PSF; empty where it may.
    """

    bead_fit: BeadFit
    reasons: NDArray[np.str_]


class FitOperations:
    """A joint fit's model, the device's windows, and what was spent on it.

    Parameters
    ----------
    bead_image : BeadImage
    candidates : Candidates
    settings : Settings
    device : Device
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.
    before : JointState or None
        Where an earlier fit ended that this one goes on from.

    Attributes
    ----------
    model : JointModel
    basis : FourierBessel
        The model's.
    window : tuple of int
        (Z, Y, X) voxels of the PSF in the end.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    order : numpy.ndarray
        (beads that were found first,): their rank among the candidates.
    preset_status : numpy.ndarray
        str, (beads,): what was decided before the fit; see `Candidates`.
    new_beads : list of int
        Beads that the earlier fit did not know.
    iterations : int
        Iterations of linear solutions so far.
    nats : float
        By how much these made the image likelier.
    spent : float
        What these cost; see `cost`.
    """

    def __init__(
        self,
        bead_image: BeadImage,
        candidates: Candidates,
        settings: Settings,
        device: Device,
        preview_every: int,
        before: JointState | None,
    ) -> None:
        self._bead_image, self.settings, self.device = bead_image, settings, device
        self._candidates, self.preview_every = candidates, preview_every
        self.before = before
        shown = ~candidates.in_halo
        centres = candidates.voxels[shown].astype(np.float64)
        preset = np.full(len(centres), "", "U16")
        if candidates.preset_status is not None:
            preset = candidates.preset_status[shown]
        if before is None:
            self.widths = candidates.widths
            self.window: tuple[int, ...] = window_shape(settings.window, bead_image, candidates)
            band, sampling = initial_frequencies(settings.support, bead_image, candidates)
            self.basis = FourierBessel(
                inner_window(self.window, self.widths, FIRST_FIT_REACH_WIDTHS),
                bead_image.spacing,
                band,
                settings.bead_diameter,
                sampling=sampling,
            )
            start = self._gaussian_start()
            order = most_isolated_first(centres / self.widths, candidates.heights[shown])
            # Beads that must not shape the PSF do not shape the first one.
            excluded = ~may_shape_psf(preset[order])
            self.order = order[np.argsort(excluded, kind="stable")]
        else:
            self.widths, self.basis = before.widths, before.basis
            self.window = before.basis.window
            start = before.fitted.coefficients
            self.order = np.arange(len(centres))
        self.preset_status = preset[self.order]
        self._windows = open_windows(device, self.basis.voxel_functions)
        self.model = JointModel(bead_image, self.basis, self._windows, centres[self.order], start)
        if settings.limiting_optics is not None:
            self.model.spectrum_limit = theory_spectrum(settings.limiting_optics)
        # Beads that an earlier fit did not know.
        self.new_beads: list[int] = []
        if before is None:
            self.model.update_spectrum_prior()
        else:
            self.new_beads = self._resume(before)
        # Beads that were refused for their shape in the last round, and those that were once and
        # then fitted a PSF that was made without them.
        self._refused_for_shape: NDArray[np.bool_] | bool = False
        self._readmitted: NDArray[np.bool_] | bool = False
        self.iterations, self._total_iterations = 0, MAX_ITERATIONS_PER_ROUND
        self.nats, self.spent = 0.0, 0.0

    def close(self) -> None:
        """Give back what is held on the device."""
        self._windows.close()

    # PSF and background.

    def solve_psf_and_background(
        self, relative_gain: float, worthwhile_nats: float = 0.0
    ) -> Steps[Linearised]:
        """Improve PSF and background, beads held; return the model as it was before."""
        cost, first, nats = self.cost, self.iterations, self.nats
        affordable = round((self.settings.most_iterations - self.spent) / cost)
        most = max(1, min(MAX_ITERATIONS_PER_ROUND, affordable))
        gains = self.model.solve(most, relative_gain, worthwhile_nats)
        while True:
            try:
                gain = next(gains)
            except StopIteration as stop:
                logger.debug(
                    "joint fit: %d iterations gained %.4g nats, %d of %d beads",
                    self.iterations - first,
                    self.nats - nats,
                    int(self.model.fits_psf.sum()),
                    len(self.model.used),
                )
                state: Linearised = stop.value
                return state
            self.iterations += 1
            self.spent += cost
            self.nats += gain
            preview = None
            if self.preview_every and self.iterations % self.preview_every == 0:
                preview = self.preview()
            self._total_iterations = max(self._total_iterations, self.iterations)
            yield Progress(
                StepId.DISTILL, self.iterations, self._total_iterations, self.nats, preview
            )

    def update_noise_and_priors(self, state: Linearised) -> None:
        """Learn the noise and the priors from the fit so far, for what is solved next."""
        self.model.update_noise()
        self.model.update_spectrum_prior()
        self.model.update_order_priors(state)

    @property
    def cost(self) -> float:
        """What an iteration takes, in those of a PSF that is the same all around its axis.

        A window's voxel is a sum over the waves, and each of these a sum over the terms, two of
        whose tables' rows are looked at, forwards and backwards.
        """
        waves, terms = len(self.basis.waves), len(self.basis.voxel_functions.terms)
        return (waves + 4 * terms) / (waves + 4)

    def preview(self) -> Array:
        """Return the PSF so far, of the sum 1 if that can be told yet."""
        coefficients = self.model.coefficients_so_far
        psf = _padded(self.basis.on_voxels.psf(coefficients), self.window)
        total = self.basis.total(coefficients)
        scaled = (psf / (total if total > 0 else psf.max())).astype(np.float32)
        return scaled[0] if len(scaled) == 1 else scaled

    # Beads.

    def improve_beads(self, times: int, beads: list[int] | None = None) -> None:
        """Take Gauss-Newton steps of all beads' centres and amplitudes, or of some beads'."""
        model = self.model
        for _ in range(times):
            steps = position_steps(model, self.widths, beads).steps
            shape = np.array(self._bead_image.intensity.shape)
            centres = np.clip(model.centres + steps[:, 1:], -0.5, shape - 0.5)
            model.move(centres, model.amplitudes + steps[:, 0])
        model.invalidate_surroundings()

    def gain_left_in_beads(self) -> float:
        """Return by how many nats better centres and amplitudes would make the image likelier."""
        gains = position_steps(self.model, self.widths).gains
        return float(gains[self.model.used].sum())

    def judge_beads(self) -> Judgement:
        """Judge the beads; those without a reason against them are used from now on."""
        model = self.model
        bead_fit = fit_beads(model, self.widths)
        reasons = judge(bead_fit, model.amplitudes, self.widths, model.used)
        if not self.settings.judge:
            reasons[:] = ""
        # If a PSF that was made without a bead fits it, it is a single one. Were it judged again
        # with those that shape the PSF, it could be refused and readmitted for ever.
        self._readmitted = self._readmitted | (self._refused_for_shape & (reasons == ""))
        reasons[self._readmitted & (reasons == "touching")] = ""
        self._refused_for_shape = reasons == "touching"
        preset = self.preset_status != ""
        status = self.preset_status[preset]
        reasons[preset] = np.where(status == KEPT, "", status)
        good = reasons == ""
        if not good.any():
            raise InputError(why_none_is_used(reasons))
        model.used = good
        return Judgement(bead_fit, reasons)

    def admit_hidden_beads(self) -> None:
        """Add the peaks in others' halos that are more than these."""
        model = self.model
        in_halo = self._candidates.voxels[self._candidates.in_halo]
        if len(in_halo) == 0:
            return
        voxels, amplitudes = hidden_beads(model, in_halo, self.widths)
        if len(voxels) == 0:
            return
        logger.info("joint fit: %d beads found in others' halos", len(voxels))
        model.used = np.r_[model.used, np.ones(len(voxels), bool)]
        self.preset_status = np.r_[self.preset_status, np.full(len(voxels), "", "U16")]
        model.active_count = len(model.used)
        model.move(np.vstack([model.centres, voxels]), np.r_[model.amplitudes, amplitudes])
        self.improve_beads(2)

    def _resume(self, before: JointState) -> list[int]:
        """Begin where an earlier fit ended; return the beads that it did not know."""
        model = self.model
        model.resume(before.fitted)
        centres, amplitudes = model.centres.copy(), model.amplitudes.copy()
        nearest = before.nearest(centres)
        same = nearest >= 0
        centres[same] = before.centres[nearest[same]]
        amplitudes[same] = before.amplitudes[nearest[same]]
        model.used = may_shape_psf(self.preset_status)
        model.move(centres, amplitudes)
        new_beads: list[int] = np.flatnonzero(~same).tolist()
        logger.info(
            "joint fit: goes on from an earlier one, with %d beads of which %d are new",
            len(centres),
            len(new_beads),
        )
        return new_beads

    # The PSF's basis.

    def _gaussian_start(self) -> Floats:
        """Return the coefficients of a Gaussian as wide as a bead's image, with the sum 1."""
        basis = self.basis
        deviations = initial_deviations(
            self.widths * basis.sampling,
            basis.band,
            basis.grid_spacing,
            self.settings.bead_diameter,
        )
        start = basis.fitted(gaussian(basis.shape, deviations))
        return start / basis.total(start)

    def extend_window(self) -> None:
        """Go on with all of the window."""
        inner, model = self.basis, self.model
        if inner.window == self.window:
            return
        basis = FourierBessel(
            self.window, inner.spacing, inner.band, inner.diameter, sampling=inner.sampling
        )
        psf = _padded(inner.psf(model.coefficients), basis.shape)
        self._change_basis(basis, basis.fitted(psf), [None])
        model.update_spectrum_prior()

    def centre_peak(self) -> bool:
        """Put the PSF's peak along z into the middle of the window, and the centres to it."""
        model, basis = self.model, self.basis
        # It is looked for in all of the window: a later centring finds it if it lies farther.
        peak = axial_peak(basis, model.coefficients, basis.shape[0] // 2)
        farthest = basis.shape[0] // 4
        planes = max(-farthest, min(round(peak), farthest))
        if planes == 0:
            return False
        logger.info("joint fit: the PSF's peak is moved by %d planes", -planes)
        model.coefficients = basis.projected(basis, model.coefficients, -planes)
        centres = model.centres + np.array([planes / basis.sampling[0], 0.0, 0.0])
        model.move(centres, model.amplitudes)
        model.invalidate_surroundings()
        if basis.orders != (0,):
            # The envelope of the orders beyond 0 is the PSF's own light, which is elsewhere now.
            self._extend_basis(basis.band, basis.orders, {})
        return True

    def refine_grid(self, state: Linearised) -> bool:
        """Give the PSF a finer grid where its spectrum goes on to the end of the voxels' sampling.

        It is done where the optics do not say already how fine it is to be.
        """
        model, settings, support = self.model, self.settings, self.settings.support
        known = support is not None and math.isfinite(support.band.axial) and support.light_fills_it
        if self.basis.orders != (0,) or (known and not settings.beads_may_contradict):
            return False
        bound = None if settings.beads_may_contradict else support
        refined = refined_psf(
            self.basis, model.coefficients, state, model.centres[model.used], self.widths, bound
        )
        if refined is None:
            return False
        logger.info("joint fit: the PSF's grid is refined, %s", band_in_words(refined.basis.band))
        self._change_basis(refined.basis, refined.coefficients, [None])
        model.update_spectrum_prior()
        return True

    def widen_band(self, state: Linearised) -> bool:
        """Let the PSF have higher frequencies where beads show them and no optics forbid them."""
        settings, support = self.settings, self.settings.support
        known = support is not None and math.isfinite(support.band.axial)
        if known and not settings.beads_may_contradict:
            return False
        band = wider_band(self.basis, state, self.widths, forbidden=known)
        if band is not None and not settings.beads_may_contradict:
            band = within_support(band, support)
        if band is None or band == self.basis.band:
            return False
        logger.info("joint fit: band widened to %s", band_in_words(band))
        self._extend_basis(band, self.basis.orders, {})
        return True

    def admit_orders(self, state: Linearised) -> bool:
        """Let the PSF differ around its axis as far as the residuals have evidence for it."""
        model, basis = self.model, self.basis
        scales = orders_with_evidence(
            basis, model.coefficients, state, self.settings.max_angular_order
        )
        if not scales:
            logger.info("joint fit: no evidence for angular orders beyond %s", basis.orders)
            return False
        orders = tuple(sorted({*basis.orders, *scales}))
        logger.info("joint fit: angular orders %s admitted", tuple(scales))
        self._extend_basis(basis.band, orders, scales)
        return True

    def _extend_basis(
        self, band: Band, orders: tuple[int, ...], scales: dict[int, OrderScale]
    ) -> None:
        """Go on with a PSF of another band and other orders, which begins as the present one."""
        model = self.model
        extended = extended_basis(self.basis, model.coefficients, band, orders)
        symmetric_prior = model.priors[0] if band == self.basis.band else None
        coefficients = extended.projected(self.basis, model.coefficients)
        self._change_basis(extended, coefficients, term_priors(extended, symmetric_prior, scales))
        if symmetric_prior is None:
            model.update_spectrum_prior()

    def _change_basis(
        self, basis: FourierBessel, coefficients: Floats, priors: list[Floats | None]
    ) -> None:
        """Let the PSF be a sum of other functions."""
        self.basis = basis
        self._windows.close()
        self._windows = open_windows(self.device, basis.voxel_functions)
        self.model.change_basis(basis, self._windows, coefficients, priors)


def _padded(psf: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a PSF in a larger window; beyond what was fitted so far it is 0."""
    missing = [n - part for n, part in zip(shape, psf.shape, strict=True)]
    return np.pad(psf, [(n // 2, n // 2) for n in missing])


def band_in_words(band: Band) -> str:
    """Return a band for a line of the log."""
    return f"{band.lateral:.3g} cycles/um in the plane, {band.axial:.3g} along z"
