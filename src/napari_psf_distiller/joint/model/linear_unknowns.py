"""How the unknowns that enter a model linearly, PSF and background, are found together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.conjugate_gradients import conjugate_gradients

__all__ = ["LinearUnknowns"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# A variance is found in at most this many iterations, to this part of itself.
VARIANCE_MAX_ITERATIONS, VARIANCE_RELATIVE_GAIN = 16, 0.1

# Iterations end where less is left to gain than this, in nats an unknown: it changes nothing, as
# the noise alone is worth half a nat.
MIN_NATS_PER_UNKNOWN = 0.01


class LinearUnknowns(ABC):
    """A model's PSF and background, which are improved together while its beads are held."""

    def __init__(self) -> None:
        # How far the iterations have come that are under way.
        self._step: Floats = np.zeros(0)

    @abstractmethod
    def linearise(self) -> Linearised:
        """Compute weights, gradient and (about) the curvature at the present state."""

    @abstractmethod
    def curvature_times(self, weights: Sequence[Array]) -> Callable[[Floats], Floats]:
        """Return a function that multiplies a vector by the curvature with these weights."""

    @abstractmethod
    def add_step(self, step: Floats) -> None:
        """Change PSF and background by a step of the unknowns."""

    @abstractmethod
    def divide_psf_by(self, factor: float) -> None:
        """Scale the PSF, and the amplitudes by the inverse."""

    @property
    @abstractmethod
    def excess_height(self) -> float:
        """How many times as high as at the beginning the PSF is in its middle."""

    def solve(
        self, max_iterations: int, relative_gain: float, worthwhile_nats: float = 0.0
    ) -> Generator[float, None, Linearised]:
        """Improve PSF and background by conjugate gradients, weights and beads held.

        Parameters
        ----------
        max_iterations : int
        relative_gain : float
            It ends where less than this part of what was gained seems to be left to gain, or less
            than `MIN_NATS_PER_UNKNOWN`.
        worthwhile_nats : float
            Nothing is changed where less than this seems to be there to gain.

        Yields
        ------
        float
            By how many nats each iteration made the image likelier.

        Returns
        -------
        Linearised
            The model as it was before.
        """
        state = self.linearise()
        steps = self._conjugate_gradients(
            state,
            state.gradient,
            max_iterations,
            relative_gain,
            MIN_NATS_PER_UNKNOWN * len(state.gradient),
            worthwhile_nats,
        )
        step = yield from steps
        if not step.any():
            return state
        self.add_step(step)
        # The scale belongs to the amplitudes. It is told by the PSF's middle, as its sum is known
        # only as well as the background.
        self.divide_psf_by(self.excess_height)
        return state

    def variance_of(self, state: Linearised, functional: Floats) -> float:
        """Return the variance of a linear functional of PSF and background.

        Parameters
        ----------
        state : Linearised
            The model's linearisation as it is.
        functional : numpy.ndarray
            (unknowns,): its derivative by the unknowns, as `Linearised` orders them.
        """
        gains = self._conjugate_gradients(
            state, functional, VARIANCE_MAX_ITERATIONS, VARIANCE_RELATIVE_GAIN, 0.0
        )
        # What the steps gain adds up to half of the functional times the covariance times itself.
        return 2 * sum(gains)

    def _conjugate_gradients(
        self,
        state: Linearised,
        target: Floats,
        max_iterations: int,
        relative_gain: float,
        least_gain: float,
        worthwhile_gain: float = 0.0,
    ) -> Generator[float, None, Floats]:
        """Solve ``curvature @ step = target``; yield the gains, return the step."""
        self._step = np.zeros_like(target)
        for step, gain in conjugate_gradients(
            self.curvature_times(state.weights),
            state.preconditioner,
            target,
            max_iterations=max_iterations,
            relative_gain=relative_gain,
            least_gain=least_gain,
            worthwhile_gain=worthwhile_gain,
        ):
            self._step = step
            yield gain
        return self._step
