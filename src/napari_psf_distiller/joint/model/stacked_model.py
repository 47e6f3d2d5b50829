"""The joint model of several bead images that one microscope took: one PSF for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.windows import BeadWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.linear_unknowns import LinearUnknowns
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["StackedModel"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class StackedModel(LinearUnknowns):
    """Models of several images, of which one PSF is found.

    Each image has its own background, noise, beads, saturation and defective pixels, in a model of
    its own; the normal equations of their PSF are summed. So an image counts by what it tells, and
    how bright its beads are, or how long it was exposed, makes no difference.

    Its unknowns are the PSF's parameters, then the coefficients of each image's background.

    Parameters
    ----------
    models : sequence of JointModel
        One an image, all of the same basis, with the same PSF and priors to begin with.

    Attributes
    ----------
    models : list of JointModel
        Their beads are improved one model at a time. The priors of the PSF are those of the first:
        what is expected of it counts once, however many images there are.
    """

    def __init__(self, models: Sequence[JointModel]) -> None:
        super().__init__()
        self.models = list(models)
        self._set_priors(self.priors)

    def _set_priors(self, priors: list[Floats | None]) -> None:
        first, *others = self.models
        first.priors = list(priors)
        for model in others:
            model.priors = [None] * len(priors)

    @property
    def basis(self) -> FourierBessel:
        """The PSF's."""
        return self.models[0].basis

    @property
    def priors(self) -> list[Floats | None]:
        """The prior precision of the coefficients of each of the basis's terms."""
        return self.models[0].priors

    @property
    def coefficients(self) -> Floats:
        """The PSF's coefficients."""
        return self.models[0].coefficients

    @coefficients.setter
    def coefficients(self, coefficients: Floats) -> None:
        for model in self.models:
            model.coefficients = coefficients

    @property
    def coefficients_so_far(self) -> Floats:
        """`coefficients`, as the iterations under way have improved them."""
        return self.models[0].coefficients_after(self._step)

    @property
    def total(self) -> float:
        """The PSF's sum over the window; see `JointModel.total`."""
        return self.models[0].total

    @property
    def background(self) -> Floats:
        """The coefficients of all backgrounds, one image after the other."""
        return np.concatenate([model.background for model in self.models])

    @property
    def centres_used(self) -> Floats:
        """The centres of all images' used beads, (beads, 3) in voxels."""
        return np.concatenate([model.centres_used for model in self.models])

    @property
    def beads_used(self) -> int:
        """The number of beads that shape the PSF."""
        return sum(model.beads_used for model in self.models)

    @property
    def bead_count(self) -> int:
        """The number of beads, used or not."""
        return sum(model.bead_count for model in self.models)

    def change_basis(
        self,
        basis: FourierBessel,
        windows: Sequence[BeadWindows],
        coefficients: Floats,
        priors: list[Floats | None],
    ) -> None:
        """Let the PSF be a sum of other functions; see `JointModel.change_basis`.

        Parameters
        ----------
        basis : FourierBessel
        windows : sequence of BeadWindows
            One for each model.
        coefficients : numpy.ndarray
        priors : list of (numpy.ndarray or None)
        """
        for model, own in zip(self.models, windows, strict=True):
            model.change_basis(basis, own, coefficients, priors)
        self._set_priors(priors)

    def divide_psf_by(self, factor: float) -> None:
        """Scale the PSF, and all amplitudes by the inverse."""
        for model in self.models:
            model.divide_psf_by(factor)

    @property
    def excess_height(self) -> float:
        """How many times as high as at the beginning the PSF is in its middle."""
        return self.models[0].excess_height

    def add_step(self, step: Floats) -> None:
        """Change PSF and backgrounds by a step of the unknowns."""
        for model, own in zip(self.models, self._by_model(step), strict=True):
            model.add_step(own)

    def linearise(self) -> Linearised:
        """Compute weights, gradient and (about) the curvature of all images together."""
        states = [model.linearise() for model in self.models]
        size = self.models[0].parameters.size
        psf_gradient = np.sum([state.gradient[:size] for state in states], axis=0)
        precisions = zip(*(state.precision for state in states), strict=True)
        return Linearised(
            np.concatenate([psf_gradient, *(state.gradient[size:] for state in states)]),
            [weight for state in states for weight in state.weights],
            [[np.sum(of_term, axis=0) for of_term in precisions]],
            [block for state in states for block in state.background_blocks],
            np.concatenate([state.coupling for state in states]),
            np.sum([state.schur_term for state in states], axis=0),
            np.sum([state.stacked_residual for state in states], axis=0),
            np.sum([state.stacked_weight for state in states], axis=0),
        )

    def curvature_times(self, weights: Sequence[Array]) -> Callable[[Floats], Floats]:
        """Return a function that multiplies a vector by the curvature of all images together.

        Parameters
        ----------
        weights : sequence of numpy.ndarray
            Of all models' active beads, one model after the other; see `Linearised`.
        """
        parts, first = [], 0
        for model in self.models:
            count = min(model.active_count, len(model.used))
            parts.append(model.curvature_times(weights[first : first + count]))
            first += count
        size = self.models[0].parameters.size

        def times(vector: Floats) -> Floats:
            products = [part(own) for part, own in zip(parts, self._by_model(vector), strict=True)]
            psf = np.sum([product[:size] for product in products], axis=0)
            return np.concatenate([psf, *(product[size:] for product in products)])

        return times

    def _by_model(self, vector: Floats) -> list[Floats]:
        """Return for each model the part of a vector of unknowns that is its: PSF, background."""
        size = self.models[0].parameters.size
        ends = size + np.cumsum([len(model.background) for model in self.models])[:-1]
        levels = np.split(vector[size:], ends - size)
        return [np.concatenate([vector[:size], level]) for level in levels]

    @property
    def far_light_error(self) -> float:
        """Which part of the light beyond the windows is not known, at most in an image."""
        return max(model.far_light_error for model in self.models)

    def update_far_light(self) -> None:
        """Learn each image's light beyond its windows; see `JointModel.update_far_light`."""
        for model in self.models:
            model.update_far_light()

    def update_noise(self) -> None:
        """Learn each image's noise from its residuals; see `JointModel.update_noise`."""
        for model in self.models:
            model.update_noise()

    def update_spectrum_prior(self) -> None:
        """Expect the spectrum that the PSF has; see `JointModel.update_spectrum_prior`."""
        self.models[0].update_spectrum_prior()

    def update_order_priors(self, state: Linearised) -> None:
        """Learn how strong each angular order is; see `JointModel.update_order_priors`."""
        self.models[0].update_order_priors(state)
