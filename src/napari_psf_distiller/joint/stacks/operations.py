"""What a joint fit of several images does to its model, one operation a method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.compute.windows import BeadWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.bead_operations import BeadOperations, Judgement
from napari_psf_distiller.joint.model.model import FittedUnknowns, JointModel
from napari_psf_distiller.joint.model.stacked_model import StackedModel
from napari_psf_distiller.joint.psf_operations import PSFOperations
from napari_psf_distiller.joint.results import JointState

__all__ = ["StackOperations"]

Floats = NDArray[np.float64]


class StackOperations(PSFOperations[StackedModel, list[Judgement]]):
    """A joint fit of several images, which goes on from where one of each has ended.

    Parameters
    ----------
    states : sequence of JointState
        Where the fit of each image alone has ended.
    lead : JointState
        The one of them whose PSF it begins with, and whose basis and priors that has.
    device : Device
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.

    Attributes
    ----------
    beads : list of BeadOperations
        One an image.
    """

    def __init__(
        self,
        states: Sequence[JointState],
        lead: JointState,
        device: Device,
        preview_every: int = 0,
    ) -> None:
        super().__init__(lead.settings, preview_every)
        self._device = device
        self.basis, self.widths, self.window = lead.basis, lead.widths, lead.basis.window
        self._windows: list[BeadWindows] = []
        try:
            models = [self._model_of(state, lead) for state in states]
        except BaseException:
            self.close()
            raise
        self.model = StackedModel(models)
        self.beads = [
            BeadOperations(model, self.widths, state.preset_status, self.settings.judge)
            for model, state in zip(models, states, strict=True)
        ]

    def _model_of(self, state: JointState, lead: JointState) -> JointModel:
        """Return the model of an image with the lead's PSF, and what was learnt of the image."""
        windows = open_windows(self._device, self.basis.voxel_functions)
        self._windows.append(windows)
        # Centres are told from the middle of a PSF's window, from which its peak is displaced.
        centres = state.centres + np.array([state.displacement - lead.displacement, 0.0, 0.0])
        model = JointModel(state.bead_image, self.basis, windows, centres, lead.fitted.coefficients)
        model.resume(
            FittedUnknowns(
                lead.fitted.parameters,
                state.fitted.background,
                state.fitted.noise,
                lead.fitted.priors,
                lead.fitted.field_model,
                lead.fitted.variation_priors,
                lead.fitted.field_scales,
                lead.fitted.mean_weights,
            )
        )
        model.used = state.reasons == ""
        model.move(centres, state.amplitudes.copy())
        self._expect_theory(model)
        return model

    def close(self) -> None:
        """Give back what is held on the device."""
        for windows in self._windows:
            windows.close()
        self._windows = []

    def improve_beads(self, times: int) -> None:
        """Take steps of all beads' centres and amplitudes."""
        for beads in self.beads:
            beads.improve(times)

    def gain_left_in_beads(self) -> float:
        """Return by how many nats better centres and amplitudes would make the images likelier."""
        return sum(beads.gain_left() for beads in self.beads)

    def judge_beads(self) -> list[Judgement]:
        """Judge the beads of each image among these alone: another may have brighter ones."""
        return [beads.judge() for beads in self.beads]

    def _displace_beads(self, planes: float) -> None:
        for beads in self.beads:
            beads.displace(planes)

    def _change_basis(
        self, basis: FourierBessel, coefficients: Floats, priors: list[Floats | None]
    ) -> None:
        self.basis = basis
        self.close()
        for _ in self.model.models:
            self._windows.append(open_windows(self._device, basis.voxel_functions))
        self.model.change_basis(basis, self._windows, coefficients, priors)
