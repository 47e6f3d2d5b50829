"""What a joint fit does to its PSF, of one image or of several; `rounds` says in which order."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections import Counter
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.extension import (
    extended_basis,
    orders_with_evidence,
    term_priors,
    wider_band,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import OrderScale
from napari_psf_distiller.joint.basis.theory_spectrum import theory_spectrum
from napari_psf_distiller.joint.expected_iterations import ExpectedIterations
from napari_psf_distiller.joint.grid_refinement import refined_psf
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.model.stacked_model import StackedModel
from napari_psf_distiller.joint.outcome_errors import axial_peak
from napari_psf_distiller.joint.results import Settings
from napari_psf_distiller.joint.start import within_support
from napari_psf_distiller.optics import Band
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = ["MAX_ITERATIONS_PER_ROUND", "PSFOperations", "band_in_words", "padded"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The model of one image or of several, and how their beads were judged.
Model = TypeVar("Model", JointModel, StackedModel)
Judged = TypeVar("Judged")

# Iterations of a linear solution, at most.
MAX_ITERATIONS_PER_ROUND = 60


class PSFOperations(ABC, Generic[Model, Judged]):
    """A joint fit's model, and what was spent on it.

    Parameters
    ----------
    settings : Settings
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.

    Attributes
    ----------
    model : JointModel or StackedModel
    basis : FourierBessel
        The model's.
    window : tuple of int
        (Z, Y, X) voxels of the PSF in the end.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    iterations : int
        Iterations of linear solutions so far.
    nats : float
        By how much these made the image likelier.
    spent : float
        What these cost, see `cost`, of what may be spent next.
    """

    model: Model
    basis: FourierBessel
    window: tuple[int, ...]
    widths: Floats

    def __init__(self, settings: Settings, preview_every: int) -> None:
        self.settings, self.preview_every = settings, preview_every
        self.iterations, self._expected = 0, ExpectedIterations()
        self._part, self._parts = "", Counter[str]()
        self.nats, self.spent = 0.0, 0.0

    @abstractmethod
    def close(self) -> None:
        """Give back what is held on the device."""

    @abstractmethod
    def improve_beads(self, times: int) -> None:
        """Take steps of all beads' centres and amplitudes."""

    @abstractmethod
    def gain_left_in_beads(self) -> float:
        """Return by how many nats better centres and amplitudes would make the image likelier."""

    @abstractmethod
    def judge_beads(self) -> Judged:
        """Judge the beads; those without a reason against them are used from now on."""

    @abstractmethod
    def _displace_beads(self, planes: float) -> None:
        """Move all centres along z, in voxels of the image."""

    @abstractmethod
    def _change_basis(
        self, basis: FourierBessel, coefficients: Floats, priors: list[Floats | None]
    ) -> None:
        """Let the PSF be a sum of other functions."""

    def _expect_theory(self, model: JointModel) -> None:
        """Let an image's model have what theory says of the microscope, as far as it is known."""
        if self.settings.limiting_optics is not None:
            model.spectrum_limit = theory_spectrum(self.settings.limiting_optics)
        model.far_light_optics = self.settings.far_light_optics

    # PSF and background.

    def begin_part(self, title: str) -> None:
        """Begin a part of the fit that nobody knew of before, under a title for people."""
        self._parts[title] += 1
        count = self._parts[title]
        self._part = title if count == 1 else f"{title} ({count})"
        self._expected.begin_part()

    def solve_psf_and_background(
        self,
        relative_gain: float,
        worthwhile_nats: float = 0.0,
        converged_nats: float = 0.0,
        rounds_left: int = 0,
    ) -> Steps[Linearised]:
        """Improve PSF and background, beads held; return the model as it was before.

        Parameters
        ----------
        relative_gain, worthwhile_nats, converged_nats : float
        rounds_left : int
            See `ExpectedIterations.begin`; the solution ends by the first two.
        """
        cost, first, nats = self.cost, self.iterations, self.nats
        affordable = round((self.settings.most_iterations - self.spent) / cost)
        most = max(1, min(MAX_ITERATIONS_PER_ROUND, affordable))
        self._expected.begin(relative_gain, worthwhile_nats, converged_nats, rounds_left)
        gains = self.model.solve(most, relative_gain, worthwhile_nats)
        while True:
            try:
                gain = next(gains)
            except StopIteration as stop:
                logger.debug(
                    "joint fit: %d iterations gained %.4g nats, %d of %d beads",
                    self.iterations - first,
                    self.nats - nats,
                    self.model.beads_used,
                    self.model.bead_count,
                )
                state: Linearised = stop.value
                return state
            self.iterations += 1
            self.spent += cost
            self.nats += gain
            preview = None
            if self.preview_every and self.iterations % self.preview_every == 0:
                preview = self.preview()
            total = self._expected.after(gain)
            yield Progress(
                StepId.DISTILL,
                self.iterations,
                total,
                self.nats,
                preview,
                phase=self._part,
                estimated=True,
            )

    def update_noise_and_priors(self, state: Linearised) -> None:
        """Learn the noise and the priors from the fit so far, for what is solved next."""
        self.model.update_noise()
        self.model.update_spectrum_prior()
        self.model.update_order_priors(state)
        if isinstance(self.model, JointModel):
            self.model.update_variation_priors(state)

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
        psf = padded(self.basis.on_voxels.psf(coefficients), self.window)
        total = self.basis.total(coefficients)
        scaled = (psf / (total if total > 0 else psf.max())).astype(np.float32)
        return scaled[0] if len(scaled) == 1 else scaled

    # The PSF's basis.

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
        self._displace_beads(planes / basis.sampling[0])
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
            self.basis, model.coefficients, state, model.centres_used, self.widths, bound
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
        basis: FourierBessel = self.basis
        scales: dict[int, OrderScale] = orders_with_evidence(
            basis, self.model.coefficients, state, self.settings.max_angular_order
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


def padded(psf: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a PSF in a larger window; beyond what was fitted so far it is 0."""
    missing = [n - part for n, part in zip(shape, psf.shape, strict=True)]
    return np.pad(psf, [(n // 2, n // 2) for n in missing])


def band_in_words(band: Band) -> str:
    """Return a band for a line of the log."""
    return f"{band.lateral:.3g} cycles/µm in the plane, {band.axial:.3g} along z"
