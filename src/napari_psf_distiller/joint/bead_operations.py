"""What a joint fit does to the beads of one image: places them, and judges them."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.beads import HELD_OUT
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.image.detection import KEPT, may_shape_psf
from napari_psf_distiller.joint.judging import judge, why_none_is_used
from napari_psf_distiller.joint.locate import BeadFit, fit_beads, position_steps
from napari_psf_distiller.joint.misfit.field_variation import (
    MAX_PLACE_P_VALUE,
    MIN_REFUSED_BEADS,
    refused_by_place,
)
from napari_psf_distiller.joint.misfit.hidden_beads import hidden_beads
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["BeadOperations", "Judgement"]

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]


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


class BeadOperations:
    """The beads of one image's model, and what was decided of them.

    Parameters
    ----------
    model : JointModel
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    preset_status : numpy.ndarray
        str, (beads,): what was decided before the fit; see `Candidates`.
    judging : bool
        Whether beads that do not look single are refused.

    Attributes
    ----------
    model : JointModel
    preset_status : numpy.ndarray
    """

    def __init__(
        self, model: JointModel, widths: Floats, preset_status: NDArray[np.str_], judging: bool
    ) -> None:
        self.model, self.preset_status = model, preset_status
        self._widths, self._judging = widths, judging
        # Beads that were refused for their shape in the last round, and those that were once and
        # then fitted a PSF that was made without them.
        self._refused_for_shape: NDArray[np.bool_] | bool = False
        self._readmitted: NDArray[np.bool_] | bool = False

    def improve(self, times: int, beads: list[int] | None = None) -> None:
        """Take Gauss-Newton steps of all beads' centres and amplitudes, or of some beads'."""
        model = self.model
        for _ in range(times):
            steps = position_steps(model, self._widths, beads).steps
            shape = np.array(model.bead_image.intensity.shape)
            centres = np.clip(model.centres + steps[:, 1:], -0.5, shape - 0.5)
            model.move(centres, model.amplitudes + steps[:, 0])
        model.invalidate_surroundings()

    def gain_left(self) -> float:
        """Return by how many nats better centres and amplitudes would make the image likelier."""
        gains = position_steps(self.model, self._widths).gains
        return float(gains[self.model.used].sum())

    def judge(self) -> Judgement:
        """Judge the beads; those without a reason against them are used from now on."""
        model = self.model
        bead_fit = fit_beads(model, self._widths)
        reasons = judge(bead_fit, model.amplitudes, self._widths, model.used)
        if not self._judging:
            reasons[:] = ""
        # If a PSF that was made without a bead fits it, it is a single one. Were it judged again
        # with those that shape the PSF, it could be refused and readmitted for ever.
        self._readmitted = self._readmitted | (self._refused_for_shape & (reasons == ""))
        reasons[self._readmitted & (reasons == "touching")] = ""
        self._refused_for_shape = reasons == "touching"
        held_out = self.preset_status == HELD_OUT
        reasons[held_out & (reasons == "")] = HELD_OUT
        preset = (self.preset_status != "") & ~held_out
        status = self.preset_status[preset]
        reasons[preset] = np.where(status == KEPT, "", status)
        good = reasons == ""
        if not good.any():
            raise InputError(why_none_is_used(reasons))
        model.used = good
        return Judgement(bead_fit, reasons)

    def use_refused_by_place(self) -> None:
        """Use the beads refused for their shape, too, if it depends on the place which these are.

        Where a PSF changes over the field or with depth, beads far from the middle look like
        touching ones to its mean. They are judged again with a PSF that may change.
        """
        model = self.model
        refused = self._refused_for_shape & may_shape_psf(self.preset_status)
        looked_at = model.used | refused
        shape = model.bead_image.intensity.shape
        p_value = min(
            refused_by_place(refused[looked_at], model.centres[looked_at], shape, depth=depth)
            for depth in (False, True)
        )
        if refused.sum() >= MIN_REFUSED_BEADS and p_value < MAX_PLACE_P_VALUE:
            logger.info("joint fit: %d beads refused by their place are used", refused.sum())
            model.used = looked_at

    def admit_hidden(self, in_halo: NDArray[np.intp]) -> None:
        """Add the peaks in others' halos that are more than these.

        Parameters
        ----------
        in_halo : numpy.ndarray
            (peaks, 3): their voxels.
        """
        model = self.model
        if len(in_halo) == 0:
            return
        voxels, amplitudes = hidden_beads(model, in_halo, self._widths)
        if len(voxels) == 0:
            return
        logger.info("joint fit: %d beads found in others' halos", len(voxels))
        model.used = np.r_[model.used, np.ones(len(voxels), bool)]
        self.preset_status = np.r_[self.preset_status, np.full(len(voxels), "", "U16")]
        model.active_count = len(model.used)
        model.move(np.vstack([model.centres, voxels]), np.r_[model.amplitudes, amplitudes])
        self.improve(2)

    def displace(self, planes: float) -> None:
        """Move all centres along z, in voxels of the image."""
        model = self.model
        model.move(model.centres + np.array([planes, 0.0, 0.0]), model.amplitudes)
        model.invalidate_surroundings()
