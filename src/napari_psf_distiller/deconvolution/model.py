"""What is assumed of an image that is deconvolved, and how it is fitted."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.compute.engine import Array, Compatibility
from napari_psf_distiller.compute.grid import Boundary
from napari_psf_distiller.compute.sampling import extent
from napari_psf_distiller.deconvolution.variation import PSFVariation

__all__ = ["METHODS", "STARTS", "Method", "Model", "Start", "flat_start", "mean_light"]

Start = Literal["image", "flat"]
STARTS: tuple[str, ...] = get_args(Start)
Method = Literal["plain", "accelerated"]
METHODS: tuple[str, ...] = get_args(Method)


@dataclass(frozen=True)
class Model:
    """What is assumed of the image, and how it is fitted.

    Attributes
    ----------
    boundary : {"circulant", "noncirculant"}
        What lies beyond the image: its other side, or anything (unknown light).
    method : {"plain", "accelerated"}
        See `richardson_lucy`.
    start : {"image", "flat"}, float or None
        The first estimate: the padded image, or its mean everywhere; a number is that everywhere,
        so that a part of an image begins as the whole does, see `flat_start`. None is clij2-fft's:
        "image" for circulant, "flat" for non-circulant; on a grid of finer voxels, which would show
        the image's own as blocks, it is "flat".
    total_variation : float
        Weight of the total variation; 0 is none.
    spacing : tuple of float or None
        Of voxels along the image's axes, in units of the finest, for the total variation; None is
        the same along each.
    compatibility : {"clij2-fft"} or None
        "clij2-fft" gives its own results where they differ: its total variation (see
        `total_variation_factor`), and a PSF of even size that displaces the result by one voxel
        where the grid is odd (see `centre_of`).
    background : numpy.ndarray or float
        Light in the image that is no object's, in its intensity units; float32 of the image's
        shape, or a number.
    mask : numpy.ndarray or None
        bool, of the image's shape: the voxels that count.
    finer : tuple of int or None
        How many voxels of the estimate, and of the PSF, one of the image has along each of its
        axes; None is 1. See `compute.sampling`.
    variation : PSFVariation or None
        How the PSF, then the mean, changes over the image; None of one that is the same everywhere.
    """

    boundary: Boundary = "noncirculant"
    method: Method = "plain"
    start: Start | float | None = None
    total_variation: float = 0.0
    spacing: tuple[float, ...] | None = None
    compatibility: Compatibility | None = None
    background: Array | float = 0.0
    mask: NDArray[np.bool_] | None = None
    finer: tuple[int, ...] | None = None
    variation: PSFVariation | None = None

    @property
    def first(self) -> Start | float:
        """The first estimate where `start` leaves it open."""
        if self.start is not None:
            return self.start
        return "image" if self.boundary == "circulant" and not self.is_finer else "flat"

    @property
    def is_finer(self) -> bool:
        """Whether the estimate's voxels are finer than the image's."""
        return self.finer is not None and max(self.finer) > 1

    def factors(self, ndim: int) -> tuple[int, ...]:
        """Return how many voxels of the result one of the image has along each axis."""
        return self.finer or (1,) * ndim

    def result_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what is made of an image."""
        return extent(image_shape, self.factors(len(image_shape)))

    def result_box(self, box: Box) -> Box:
        """Return where a part of an image lies in the result."""
        factors = self.factors(len(box))
        return tuple(slice(s.start * f, s.stop * f) for s, f in zip(box, factors, strict=True))

    def psf_reach(self, psf_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return over how many voxels of the image a PSF reaches along each axis."""
        factors = self.factors(len(psf_shape))
        return tuple(-(-m // f) for m, f in zip(psf_shape, factors, strict=True))


def flat_start(image: Array, model: Model) -> Model:
    """Return a model of which parts of an image begin as the whole one does.

    Parameters
    ----------
    image : numpy.ndarray
        The whole one.
    model : Model
        One that begins with the image stays as it is.
    """
    if model.first != "flat":
        return model
    level = mean_light(image, model.background, model.mask)
    return dataclasses.replace(model, start=level / math.prod(model.factors(image.ndim)))


def mean_light(image: Array, background: Array | float, mask: NDArray[np.bool_] | None) -> float:
    """Return the mean of what is to be estimated, above 0 where there is any light."""
    if mask is not None and not mask.any():
        # A tile may have no voxel that counts.
        return 0.0
    where = True if mask is None else mask
    light = image.mean(dtype=np.float64, where=where)
    dark = np.mean(background, dtype=np.float64, where=where if np.ndim(background) else True)
    return float(max(light - dark, 1e-3 * light))
