"""What a joint fit of one image does to its model, one operation a method.

`fit` and `rounds` say in which order.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.bead_operations import BeadOperations, Judgement
from napari_psf_distiller.joint.field_admission import field_with_evidence
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.detection import Candidates, may_shape_psf
from napari_psf_distiller.joint.model.field_model import FieldModel
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.psf_operations import PSFOperations, padded
from napari_psf_distiller.joint.results import JointState, Settings
from napari_psf_distiller.joint.start import (
    gaussian,
    initial_deviations,
    initial_frequencies,
    inner_window,
    most_isolated_first,
    window_shape,
)

__all__ = ["FitOperations"]

logger = logging.getLogger(__name__)


Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The very first PSF, from centres that a Gaussian gave, is fitted within this many widths of a bead
# to each side only, along z and in the plane.
FIRST_FIT_REACH_WIDTHS = (4.0, 4.5)


class FitOperations(PSFOperations[JointModel, Judgement]):
    """A joint fit of one image: its model, the device's windows, and what was spent on it.

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
    new_beads : list of int
        Beads that the earlier fit did not know.
    iterations : int
        Iterations of linear solutions so far.
    nats : float
        By how much these made the image likelier.
    spent : float
        What these cost, see `cost`, of what may be spent next.
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
        super().__init__(settings, preview_every)
        self.device, self._candidates, self.before = device, candidates, before
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
        self._windows = open_windows(device, self.basis.voxel_functions)
        self.model = JointModel(bead_image, self.basis, self._windows, centres[self.order], start)
        self._beads = BeadOperations(self.model, self.widths, preset[self.order], settings.judge)
        self._expect_theory(self.model)
        # Beads that an earlier fit did not know.
        self.new_beads: list[int] = []
        if before is None:
            self.model.update_spectrum_prior()
        else:
            self.new_beads = self._resume(before)

    def close(self) -> None:
        """Give back what is held on the device."""
        self._windows.close()

    # Beads.

    @property
    def preset_status(self) -> NDArray[np.str_]:
        """What was decided of the beads before the fit, str, (beads,); see `Candidates`."""
        return self._beads.preset_status

    def improve_beads(self, times: int, beads: list[int] | None = None) -> None:
        """Take steps of all beads' centres and amplitudes, or of some beads'."""
        self._beads.improve(times, beads)

    def gain_left_in_beads(self) -> float:
        """Return by how many nats better centres and amplitudes would make the image likelier."""
        return self._beads.gain_left()

    def judge_beads(self) -> Judgement:
        """Judge the beads; those without a reason against them are used from now on."""
        return self._beads.judge()

    def admit_hidden_beads(self) -> None:
        """Add the peaks in others' halos that are more than these."""
        self._beads.admit_hidden(self._candidates.voxels[self._candidates.in_halo])

    def _displace_beads(self, planes: float) -> None:
        self._beads.displace(planes)

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
        psf = padded(inner.psf(model.coefficients), basis.shape)
        self._change_basis(basis, basis.fitted(psf), [None])
        model.update_spectrum_prior()

    def vary_over_field(self) -> bool:
        """Let the PSF change over the field and with depth as far as there is evidence for it."""
        if not self.settings.may_vary_over_field:
            return False
        used = self.model.used
        self._beads.use_refused_by_place()
        admitted = field_with_evidence(self.model, self.widths, self.settings.max_angular_order)
        if admitted is None:
            self.model.used = used
            return False
        basis, parameters, priors, field_model, scales, variation_priors = admitted
        self._change_basis(basis, parameters, priors, field_model, variation_priors)
        self.model.field_scales = scales
        return True

    def _change_basis(
        self,
        basis: FourierBessel,
        coefficients: Floats,
        priors: list[Floats | None],
        field_model: FieldModel | None = None,
        variation_priors: Sequence[list[Floats | None]] = (),
    ) -> None:
        """Let the PSF be a sum of other functions; see `JointModel.change_basis`."""
        self.basis = basis
        self._windows.close()
        self._windows = open_windows(self.device, basis.voxel_functions)
        self.model.change_basis(
            basis, self._windows, coefficients, priors, field_model, variation_priors
        )
