"""Deconvolution of an image with a PSF: the use of a PSF, and its test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.checks import check_choice, check_image, check_iterations
from napari_psf_distiller.compute import BOUNDARIES, Boundary, Engine, richardson_lucy
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Steps

__all__ = ["check_psf", "deconvolve_image"]


def deconvolve_image(
    image: ArrayLike,
    psf: ArrayLike,
    engine: Engine,
    *,
    iterations: int = 100,
    boundary: Boundary = "noncirculant",
    preview_every: int = 0,
) -> Steps[NDArray[np.float32]]:
    """Deconvolve an image with a PSF by Richardson-Lucy, as a generator of progress.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X); negative values count as 0.
    psf : array_like
        As many axes; of any size, not negative, its centre at n // 2.
    engine : Engine
        See `open_engine`.
    iterations : int
    boundary : {"circulant", "noncirculant"}
        See `richardson_lucy`.
    preview_every : int
        See `richardson_lucy`.

    Yields
    ------
    Progress

    Returns
    -------
    numpy.ndarray
        float32, of the image's shape.

    Raises
    ------
    InputError
        The image, the PSF or the iterations cannot be used.
    DeviceError
        See `richardson_lucy`.
    """
    array = check_image(image)
    iterations = check_iterations(iterations)
    kernel = check_psf(psf)
    if kernel.ndim != array.ndim:
        raise InputError(
            f"The PSF has {kernel.ndim} axes, the image {array.ndim}; they must have the same."
        )
    check_choice(boundary, "boundary", BOUNDARIES)
    return (
        yield from richardson_lucy(
            np.maximum(array, 0), kernel, iterations, boundary, engine, "Deconvolve", preview_every
        )
    )


def check_psf(psf: ArrayLike) -> NDArray[np.float32]:
    """Return a PSF as float32, or say why it cannot be used.

    Raises
    ------
    InputError
        As `check_image`, but for a constant one; negative values; 0 everywhere.
    """
    # A box is a PSF too, and so is a single voxel.
    kernel = check_image(psf, "The PSF", constant=True)
    if kernel.min() < 0:
        raise InputError("The PSF has negative values; post-process it with clipping first.")
    if not kernel.any():
        raise InputError("The PSF is 0 everywhere; it must have a positive sum.")
    return kernel
