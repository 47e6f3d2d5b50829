"""Deconvolution of an image with a PSF: the use of a PSF, and its test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.checks import (
    LARGEST_INTENSITY,
    check_choice,
    check_image,
    check_iterations,
    check_spacing,
)
from napari_psf_distiller.compute import (
    BOUNDARIES,
    COMPATIBILITIES,
    Boundary,
    Compatibility,
    Engine,
)
from napari_psf_distiller.compute.total_variation import LARGEST_WEIGHT
from napari_psf_distiller.deconvolution.finer import check_finer, finer_spacing
from napari_psf_distiller.deconvolution.model import METHODS, Method, Model
from napari_psf_distiller.deconvolution.stopping import (
    PHASE,
    SEARCHED,
    Enough,
    enough_iterations,
)
from napari_psf_distiller.deconvolution.tiled import deconvolution, memory_note
from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.results import Deconvolved, WhyEnded
from napari_psf_distiller.steps import StepId

__all__ = ["check_mask", "check_psf", "checked_model", "deconvolve_image"]


def deconvolve_image(
    image: ArrayLike,
    psf: ArrayLike,
    engine: Engine,
    *,
    iterations: int | None = None,
    boundary: Boundary = "noncirculant",
    method: Method = "accelerated",
    total_variation: float = 0.0,
    spacing: Sequence[float] | None = None,
    compatibility: Compatibility | None = None,
    background: ArrayLike = 0.0,
    mask: ArrayLike | None = None,
    finer: Sequence[int] | None = None,
    variation: PSFVariation | None = None,
    memory: int | None = None,
    preview_every: int = 0,
) -> Steps[Deconvolved]:
    """Deconvolve an image with a PSF by Richardson-Lucy, as a generator of progress.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X); negative values count as 0.
    psf : array_like
        As many axes, on the result's voxels; of any size, not negative, its centre at n // 2. Its
        scale does not matter.
    engine : Engine
        See `open_engine`.
    iterations : int or None
        None stops where the image's noise begins to be fitted; see `enough_iterations`.
    boundary : {"circulant", "noncirculant"}
        What lies beyond the image: its other side, or unknown light.
    method : {"plain", "accelerated"}
        Accelerated, 20 iterations get as far as 200 plain ones; see `richardson_lucy`.
    total_variation : float
        Weight of the total variation, 0 to `LARGEST_WEIGHT`; 0 is none, 0.001 to 0.01 are usual.
        It is a length in units of the finest voxel size.
    spacing : sequence of float, optional
        Voxel size in micrometres, one an axis, for the total variation; only its ratios matter.
        Without it the size is taken to be the same along each axis, and a warning says so.
    compatibility : {"clij2-fft"}, optional
        Give clij2-fft's results where they differ; see `Model`.
    background : array_like
        Light in the image that is no object's, in its intensity units: a number, or an array of
        the image's shape. It is part of the model, which keeps the noise right, unlike an image
        that it was subtracted from.
    mask : array_like, optional
        bool, of the image's shape: the voxels that count. Saturated and dead ones should not.
    finer : sequence of int, optional
        How many voxels of the result one of the image has along each axis; by default 1. The
        image's pixels are taken to see the sum of the result's, its planes one of them.
    variation : PSFVariation, optional
        How the PSF changes over the image, of which `psf` is the mean; see `psf_on_image`.
    memory : int, optional
        Bytes that may be used; see `deconvolution`.
    preview_every : int
        See `richardson_lucy`.

    Yields
    ------
    Progress

    Returns
    -------
    Deconvolved

    Raises
    ------
    InputError
        The image, the PSF or a parameter cannot be used.
    DeviceError
        See `deconvolution`.
    """
    array = check_image(image)
    if iterations is not None:
        iterations = check_iterations(iterations)
    kernel = check_psf(psf, array.shape)
    model, warnings = checked_model(
        array.shape,
        boundary=boundary,
        method=method,
        total_variation=total_variation,
        spacing=spacing,
        compatibility=compatibility,
        background=background,
        mask=mask,
        finer=finer,
        variation=variation,
    )
    counting = array if model.mask is None else array[model.mask]
    if counting.max() <= 0:
        raise InputError(
            "No voxel of the image that counts is above 0: there is no light to deconvolve."
        )
    if iterations is None:
        note = memory_note(array, kernel, model, engine, memory)
        yield Progress(StepId.DECONVOLVE, 0, SEARCHED, note=note, phase=PHASE, at_most=True)
        enough = yield from enough_iterations(array, kernel, engine, model, memory)
    else:
        enough = Enough(iterations, (), WhyEnded.GIVEN)
    done = yield from deconvolution(
        # A large image is not copied without need.
        np.maximum(array, 0) if array.min() < 0 else array,
        kernel,
        enough.iterations,
        model,
        engine,
        StepId.DECONVOLVE,
        preview_every,
        memory,
    )
    found = (*warnings, *enough.warnings, *done.warnings)
    return replace(done, why_ended=enough.why, warnings=found)


def checked_model(
    shape: tuple[int, ...],
    *,
    boundary: Boundary = "noncirculant",
    method: Method = "accelerated",
    total_variation: float = 0.0,
    spacing: Sequence[float] | None = None,
    compatibility: Compatibility | None = None,
    background: ArrayLike = 0.0,
    mask: ArrayLike | None = None,
    finer: Sequence[int] | None = None,
    variation: PSFVariation | None = None,
) -> tuple[Model, tuple[str, ...]]:
    """Return what is assumed of an image, and what a user should know of that.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    boundary, method, total_variation, spacing, compatibility, background, mask, finer, variation
        See `deconvolve_image`.

    Raises
    ------
    InputError
        One of them cannot be used.
    """
    check_choice(boundary, "boundary", BOUNDARIES)
    check_choice(method, "method", METHODS)
    if compatibility is not None:
        check_choice(compatibility, "compatibility", COMPATIBILITIES)
    weight = _check_weight(total_variation)
    factors = None if finer is None or max(finer) == 1 else tuple(finer)
    if factors is not None:
        check_finer(factors, shape)
        if compatibility is not None:
            raise InputError(
                f"{compatibility} has no result on finer voxels than the image's: choose finer 1, "
                "or no compatibility."
            )
    sizes: tuple[float, ...] | None = None
    warnings: tuple[str, ...] = ()
    if weight > 0 and compatibility is None:
        if spacing is None:
            warnings = _assumptions(shape)
        if spacing is not None or factors is not None:
            known = (1.0,) * len(shape) if spacing is None else check_spacing(spacing, len(shape))
            sizes = _relative(finer_spacing(known, factors or (1,) * len(shape)), shape)
    model = Model(
        boundary,
        method,
        total_variation=weight,
        spacing=sizes,
        compatibility=compatibility,
        background=_check_background(background, shape),
        mask=_counting(mask, shape),
        finer=factors,
        variation=variation,
    )
    return model, warnings


def _assumptions(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return what is assumed without a voxel size; pixels are square anyway."""
    if len(shape) < 3 or shape[0] == 1:
        return ()
    return (
        "The voxel size is not known: the total variation takes it to be the same along each "
        "axis. Give the voxel size.",
    )


def _relative(spacing: tuple[float, ...], shape: tuple[int, ...]) -> tuple[float, ...]:
    """Return voxel sizes in units of the finest.

    An axis of a single voxel has no slope, and its size is no length of the image.
    """
    finest = min((size for size, n in zip(spacing, shape, strict=True) if n > 1), default=1.0)
    return tuple(size / finest if n > 1 else 1.0 for size, n in zip(spacing, shape, strict=True))


def _check_weight(weight: float) -> float:
    number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
    if not number or not 0 <= weight < LARGEST_WEIGHT:
        raise InputError(
            f"The weight of the total variation is {shown(weight)}; it must be from 0 to less than "
            f"{LARGEST_WEIGHT:.3f}. 0.001 to 0.01 are usual."
        )
    return float(weight)


def _check_background(background: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32] | float:
    try:
        array = np.asarray(background)
    except (ValueError, TypeError, OverflowError):
        array = np.asarray("ragged")
    if array.dtype.kind not in "uif":
        raise InputError(
            f"The background is {shown(background)}; it must be a number, or an array of numbers "
            "of the image's shape."
        )
    if array.ndim and array.shape != shape:
        raise InputError(
            f"The background has the shape {array.shape}, the image {shape}; they must be the "
            "same, or the background a number."
        )
    if (
        not np.isfinite(array).all()
        or float(array.min()) < 0
        or float(array.max()) > LARGEST_INTENSITY
    ):
        raise InputError(
            "The background must be finite and not negative everywhere, and at most "
            f"{LARGEST_INTENSITY:g}."
        )
    return array.astype(np.float32) if array.ndim else float(array)


def check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask as booleans, or say why it cannot be used.

    Raises
    ------
    InputError
        It has not the image's shape, or is no mask.
    """
    try:
        array = np.asarray(mask)
    except (ValueError, TypeError, OverflowError):
        array = np.asarray("ragged")
    if array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise InputError(
            f"The mask is {shown(mask)}; it must be an array of truth values of the image's shape."
        )
    if array.shape != shape:
        raise InputError(
            f"The mask has the shape {array.shape}, the image {shape}; they must be the same."
        )
    return array.astype(bool)


def _counting(mask: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Return the mask of the voxels that count, or None where all do."""
    if mask is None:
        return None
    array = check_mask(mask, shape)
    if not array.any():
        raise InputError("The mask leaves no voxel that counts.")
    return None if array.all() else array


def check_psf(psf: ArrayLike, image_shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a PSF as float32 with the image's axes, or say why it cannot be used.

    Parameters
    ----------
    psf : array_like
    image_shape : tuple of int
        A plane and a stack of one plane are the same.

    Raises
    ------
    InputError
        As `check_image`, but for a constant one; negative values; 0 everywhere; other axes.
    """
    # A box is a PSF too, and so is a single voxel.
    kernel = check_image(psf, "The PSF", constant=True)
    if kernel.min() < 0:
        raise InputError("The PSF has negative values; post-process it with clipping first.")
    if not kernel.any():
        raise InputError("The PSF is 0 everywhere; it must have a positive sum.")
    if kernel.ndim == 2 and len(image_shape) == 3 and image_shape[0] == 1:
        return kernel[None]
    if kernel.ndim == 3 and len(image_shape) == 2 and len(kernel) == 1:
        kernel = np.ascontiguousarray(kernel[0])
    if kernel.ndim != len(image_shape):
        raise InputError(
            f"The PSF has {kernel.ndim} axes, the image {len(image_shape)}; they must have the "
            "same."
        )
    return kernel
