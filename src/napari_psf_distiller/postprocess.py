"""From the distilled array to the PSF."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.negative_values import without_negative_values
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId

__all__ = [
    "centre_on_peak",
    "crop_about_centre",
    "estimate_of_light",
    "moves_to_centre",
    "postprocess",
    "postprocess_step",
]


def postprocess(
    distilled: ArrayLike,
    *,
    crop: Sequence[int] | None = None,
    background: float = 0.0,
    clip: bool = True,
    normalise: bool = True,
) -> NDArray[np.float32]:
    """Turn a distilled array into a PSF: centre, crop, subtract background, clip, normalise.

    Parameters
    ----------
    distilled : array_like
        (Z, Y, X) or (Y, X).
    crop : sequence of int, optional
        Voxels kept about the centre; see `crop_about_centre`.
    background : float
        This fraction of the maximum is subtracted; from 0 to less than 1.
    clip : bool
        What is negative is taken from the voxels around it, so that noise adds no light; see
        `without_negative_values`. What a background makes negative becomes 0.
    normalise : bool
        Scale to sum 1.

    Returns
    -------
    numpy.ndarray
        float32; its peak at n // 2 on each axis.

    Raises
    ------
    InputError
        The array or a parameter cannot be used, or nothing is left that could be scaled.
    """
    if not 0 <= background < 1:
        raise InputError(
            f"The background is {background} of the maximum; it must be from 0 to less than 1."
        )
    psf = centre_on_peak(estimate_of_light(check_image(distilled, "The distilled PSF"), clip))
    if crop is not None:
        psf = crop_about_centre(psf, crop)
    values = psf.astype(np.float64)
    values -= background * values.max()
    if clip:
        np.maximum(values, 0, out=values)
    if normalise:
        total = values.sum()
        if not total > 0:
            raise InputError(
                "The PSF's sum is not positive, so it cannot be scaled to 1. Clip negative values, "
                "or subtract less background."
            )
        values /= total
    return values.astype(np.float32)


def estimate_of_light(distilled: NDArray[np.float32], clip: bool) -> NDArray[np.float32]:
    """Return a distilled array, without negative values if these are to be taken away."""
    if not clip or distilled.min() >= 0:
        return distilled
    return without_negative_values(distilled).astype(np.float32)


def centre_on_peak(psf: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move the brightest voxel to n // 2 on each axis; what leaves on one side enters on the other.

    The distilled array is circulant up to its padding, so nothing is lost.
    """
    return np.roll(psf, moves_to_centre(psf), axis=tuple(range(psf.ndim)))


def moves_to_centre(psf: NDArray[np.float32]) -> tuple[int, ...]:
    """Return by how many voxels, along each axis, the brightest one goes to n // 2."""
    peak = np.unravel_index(int(psf.argmax()), psf.shape)
    return tuple(n // 2 - int(p) for n, p in zip(psf.shape, peak, strict=True))


def crop_about_centre(psf: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """Keep `shape` voxels about the centre, so that n // 2 stays n // 2.

    Parameters
    ----------
    psf : numpy.ndarray
    shape : sequence of int
        One number an axis; of three the last two count for a 2D PSF. An axis that is smaller
        already is kept whole.

    Raises
    ------
    InputError
        Too few numbers, or one below 1.
    """
    if len(shape) < psf.ndim or min(shape) < 1:
        raise InputError(
            f"The crop {tuple(shape)} must have {psf.ndim} sizes of 1 or more, one an axis."
        )
    kept = [min(n, m) for n, m in zip(psf.shape, shape[-psf.ndim :], strict=True)]
    box = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(psf.shape, kept, strict=True)
    )
    return np.ascontiguousarray(psf[box])


def postprocess_step(distilled: ArrayLike, recipe: Recipe) -> Steps[NDArray[np.float32]]:
    """Turn the distilled array into the PSF; see `postprocess`."""
    yield Progress(StepId.POSTPROCESS, 0, 1)
    part = recipe.postprocess
    psf = postprocess(
        distilled,
        crop=part.crop,
        background=part.background,
        clip=part.clip,
        normalise=part.normalise,
    )
    yield Progress(StepId.POSTPROCESS, 1, 1)
    return psf
