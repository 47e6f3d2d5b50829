"""PSF distilling: the roles of object and PSF swapped, the PSF is deconvolved from the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from napari_psf_distiller.checks import check_choice, check_image, check_iterations
from napari_psf_distiller.compute import BOUNDARIES, Boundary, Compatibility, Engine
from napari_psf_distiller.deconvolution.model import STARTS, Model, Start
from napari_psf_distiller.deconvolution.tiled import deconvolution
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.results import Deconvolved
from napari_psf_distiller.steps import StepId

__all__ = ["distill_psf"]


def distill_psf(
    image: ArrayLike,
    true_object: ArrayLike,
    engine: Engine,
    *,
    iterations: int = 300,
    boundary: Boundary = "circulant",
    start: Start = "image",
    compatibility: Compatibility | None = None,
    memory: int | None = None,
    preview_every: int = 0,
) -> Steps[Deconvolved]:
    """Distil the PSF from a bead image and its true object, as a generator of progress.

    A field of beads is the convolution of the PSF with a known object. So the PSF is what
    Richardson-Lucy gives when it deconvolves the image with that object in the PSF's place.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), preprocessed; not negative.
    true_object : array_like
        Of the same shape; see `true_object`.
    engine : Engine
        See `open_engine`.
    iterations : int
    boundary : {"circulant", "noncirculant"}
    start : {"image", "flat"}
        The first estimate: the image, as the notebook has it, whose noise and beads the PSF then
        keeps in part; or its mean everywhere, which is smooth where the data say nothing.
    compatibility : {"clij2-fft"}, optional
        Where the image's size is even and the grid's odd, have the PSF's centre one voxel before
        n // 2, as clij2-fft has it.
    memory : int, optional
        Bytes that may be used. An object as large as the image cannot be cut into tiles: what does
        not fit the device is done on the processor.
    preview_every : int
        See `richardson_lucy`.

    Yields
    ------
    Progress

    Returns
    -------
    Deconvolved
        Its array is the PSF about the centre, not yet cropped or scaled.

    Raises
    ------
    InputError
        The image or the object cannot be used.
    DeviceError
        See `richardson_lucy`.
    """
    array = check_image(image)
    iterations = check_iterations(iterations)
    check_choice(boundary, "boundary", BOUNDARIES)
    check_choice(start, "start", STARTS)
    field = np.ascontiguousarray(true_object, dtype=np.float32)
    if field.shape != array.shape:
        raise InputError(
            f"The true object has the shape {field.shape}, the image {array.shape}; they must be "
            "the same."
        )
    if not field.any():
        raise InputError("The true object is empty: there is no bead to distil a PSF from.")
    if array.min() < 0:
        raise InputError(
            "The image has negative values; subtract the background with a floor of 0 or more."
        )
    return (
        yield from deconvolution(
            array,
            field,
            iterations,
            Model(boundary, start=start, compatibility=compatibility),
            engine,
            StepId.DISTILL,
            preview_every,
            memory,
        )
    )
