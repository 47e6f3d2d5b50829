"""How likely a model makes an image, from the sums that a solver makes over its voxels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from napari_psf_distiller.compute.engine import Likelihoods, Problem

__all__ = ["TINY", "Sums", "Yardstick"]

# The smallest normal number of single precision, to take a logarithm of in 0's place.
TINY = np.finfo(np.float32).tiny


class Sums(NamedTuple):
    """What a solver adds up over the voxels that count.

    Attributes
    ----------
    logarithms : float
        Of image * log(image / model), whose terms are small where the model is near: single
        precision is enough for them, unlike for those of log(model).
    light : float
        Of the model.
    held_out : float
        Of the held-out image * log(model), or 0.
    """

    logarithms: float
    light: float
    held_out: float


class Yardstick:
    """Turns a problem's sums into log-likelihoods."""

    def __init__(self, problem: Problem) -> None:
        mask = problem.mask
        self._highest = self._light = self._held_out_light = 0.0
        for z, plane in enumerate(problem.image):
            counts = True if mask is None else mask[z]
            terms = special.xlogy(plane, plane) - plane
            self._highest += float(terms.sum(dtype=np.float64, where=counts))
            self._light += float(plane.sum(dtype=np.float64, where=counts))
            if problem.held_out is not None:
                held_out = problem.held_out.image[z]
                self._held_out_light += float(held_out.sum(dtype=np.float64, where=counts))
        self._share = 0.0 if problem.held_out is None else problem.held_out.scale
        self._has_background = isinstance(problem.background, np.ndarray) or bool(
            problem.background
        )

    def likelihoods(self, sums: Sums) -> Likelihoods:
        """Return the log-likelihoods of a model.

        Without a background a model is taken at its best scale: a Richardson-Lucy step does not
        depend on the scale of what it starts from, but an accelerated step changes it.
        """
        light = sums.light
        divergence = sums.logarithms + light - self._light
        scale = 1.0
        if not self._has_background and light > 0 and self._light > 0:
            scale = self._light / light
            divergence -= light - self._light + self._light * math.log(scale)
        held_out = None
        if self._share:
            held_out = (
                sums.held_out
                + self._held_out_light * math.log(self._share * scale)
                - self._share * scale * light
            )
        return Likelihoods(self._highest - divergence, held_out, divergence)
