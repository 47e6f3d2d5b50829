"""The way of the data: image, beads, PSF, one step after the other.

Each ``*_step`` is a generator of progress that takes arrays and a recipe; `distill` runs them all.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.advice import bead_warnings, deconvolve_warnings, psf_warnings
from napari_psf_distiller.checks import check_array, check_image, check_iterations, check_spacing
from napari_psf_distiller.clock import Clock
from napari_psf_distiller.compute import FFT, Boundary, Engine, Method, open_engine
from napari_psf_distiller.deconvolution import deconvolve as deconvolve_steps
from napari_psf_distiller.errors import DistillerWarning, InputError, shown
from napari_psf_distiller.joint.pipeline import joint_steps, postprocess_step
from napari_psf_distiller.measure import widths as psf_steps
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.results import Distilled, Result, noting
from napari_psf_distiller.stepwise import distill as distill_steps
from napari_psf_distiller.stepwise import find_beads as bead_steps
from napari_psf_distiller.stepwise import preprocess as preprocess_steps
from napari_psf_distiller.stepwise import threshold as threshold_steps
from napari_psf_distiller.stepwise.preprocess import Preprocessed

__all__ = [
    "Distilled",
    "Result",
    "deconvolve",
    "deconvolve_step",
    "distill",
    "distill_step",
    "distill_steps_of",
    "find_beads_step",
    "postprocess_step",
    "preprocess_step",
    "threshold_step",
]


T = TypeVar("T")


def distill(
    image: ArrayLike,
    spacing: Sequence[float] | None = None,
    recipe: Recipe | None = None,
    device: str | None = None,
) -> Result:
    """Distil the PSF from an image of fluorescent beads.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers. A stack of one plane is taken as that plane.
    spacing : sequence of float, optional
        Voxel size in micrometres; by default the recipe's.
    recipe : Recipe, optional
        By default ``Recipe()``.
    device : str, optional
        See `choose_device`; by default the recipe's, which is "auto" unless set.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        The image, the spacing or the recipe cannot be used, or no bead was found.
    DeviceError
        The device cannot be used, or failed.

    Warns
    -----
    DistillerWarning
        For each of the result's warnings.

    Examples
    --------
    >>> import napari_psf_distiller as pd
    >>> field = pd.simulate_beads((24, 64, 64), beads=4, seed=1)
    >>> recipe = pd.Recipe(bead_diameter=0.1, optics=pd.Optics(1.2, 0.52, 1.33))
    >>> result = pd.distill(field.image, spacing=field.spacing, recipe=recipe, device="numpy")
    >>> result.psf.ndim, round(float(result.psf.sum()), 3), int(result.beads["used"].sum())
    (3, 1.0, 4)
    """
    recipe = recipe if recipe is not None else Recipe()
    if not isinstance(recipe, Recipe):
        raise InputError(f"The recipe is {shown(recipe)}; it should be a Recipe.")
    image = check_array(image)
    if spacing is not None:
        sizes = check_spacing(spacing, image.ndim)
        recipe = dataclasses.replace(recipe, spacing=sizes)
    if device is not None:
        recipe = dataclasses.replace(recipe, device=device)
    result = finish(distill_steps_of(image, recipe))
    for warning in result.warnings:
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    return result


def distill_steps_of(image: ArrayLike, recipe: Recipe) -> Steps[Result]:
    """Do all steps from an image to its PSF, as a generator of progress.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers.
    recipe : Recipe
        With the spacing.

    Yields
    ------
    Progress
        Of each step in turn.

    Returns
    -------
    Result

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    original = check_array(image)
    spacing = check_spacing(recipe.spacing, original.ndim)
    if len(original) == 1 and original.ndim == 3:
        # What a single plane says nothing of is no part of its PSF.
        original, spacing = original[0], spacing[1:]
        recipe = dataclasses.replace(recipe, spacing=spacing)
    # What cannot be done is an error before the work, not after half of it.
    _check_lengths(recipe, original.ndim)
    _engine(recipe)
    if recipe.distill.method == "joint":
        # It looks at the image as it is; a large one need not lie in memory twice.
        return (yield from joint_steps(original, recipe))
    array = np.ascontiguousarray(original, np.float32)
    clock = Clock()
    preprocessed = yield from preprocess_step(array, recipe)
    clock.note("preprocess")
    mask = yield from threshold_step(preprocessed.image, recipe)
    clock.note("threshold")
    beads = yield from find_beads_step(preprocessed.image, mask, recipe, preprocessed.background)
    clock.note("find_beads")
    distilled = yield from distill_step(preprocessed.image, beads, recipe)
    clock.note("distill")
    psf = yield from postprocess_step(distilled.array, recipe)
    clock.note("postprocess")
    return Result(
        psf=psf,
        beads=beads,
        recipe=dataclasses.replace(recipe, provenance=provenance_of(original, distilled.device)),
        timings=clock.total(),
        spacing=spacing,
        fwhm=psf_steps.fwhm(psf, spacing),
        fwhm_error=(float("nan"),) * array.ndim,
        psf_error=None,
        log_likelihood=distilled.log_likelihood,
        warnings=(
            *bead_warnings(beads),
            *psf_warnings(array.shape, psf, recipe),
            *distilled.warnings,
        ),
        residual=None,
        preprocessed=preprocessed.image,
    )


def preprocess_step(image: ArrayLike, recipe: Recipe) -> Steps[Preprocessed]:
    """Subtract the background and filter; see `preprocess`."""
    part = recipe.preprocess
    return preprocess_steps.preprocess(
        image,
        part.background,
        factor=part.factor,
        level=part.level,
        radius=part.radius,
        noise_margin=part.noise_margin,
        floor=part.floor,
        median=part.median,
        spacing=recipe.spacing,
    )


def threshold_step(image: ArrayLike, recipe: Recipe) -> Steps[NDArray[np.bool_]]:
    """Decide what is bead; see `threshold`."""
    yield Progress("Threshold", 0, 1)
    part = recipe.threshold
    mask = threshold_steps.threshold(
        image,
        part.method,
        factor=part.factor,
        value=part.value,
        window=part.window,
        offset=part.offset,
        spacing=recipe.spacing,
    )
    yield Progress("Threshold", 1, 1)
    return mask


def find_beads_step(
    image: ArrayLike,
    mask: ArrayLike,
    recipe: Recipe,
    background: float | NDArray[np.float32] = 0.0,
) -> Steps[pd.DataFrame]:
    """Find the beads of a thresholded image; see `find_beads`."""
    yield Progress("Find beads", 0, 1)
    part = recipe.find_beads
    beads = bead_steps.find_beads(
        image,
        mask,
        centre=part.centre,
        min_voxels=part.min_voxels,
        max_voxels=part.max_voxels,
        margin=part.margin,
        placement=recipe.distill.placement,
        spacing=recipe.spacing,
        background=background,
    )
    yield Progress("Find beads", 1, 1)
    return beads


def distill_step(
    image: ArrayLike, beads: pd.DataFrame, recipe: Recipe, preview_every: int = 0
) -> Steps[Distilled]:
    """Distil the PSF from a preprocessed image and its beads; see `distill_psf`.

    Parameters
    ----------
    image : array_like
        Preprocessed.
    beads : pandas.DataFrame
        As `find_beads` gives it; the used ones count. Their ``amplitude`` may be missing, and is
        then the image's value at their centres.
    recipe : Recipe
    preview_every : int
        See `richardson_lucy`.
    """
    array = check_image(image)
    part = recipe.distill
    used = beads[beads["used"]] if "used" in beads else beads
    centres = bead_steps.centres_of(used)
    if "amplitude" in used:
        amplitudes = used["amplitude"].to_numpy(dtype=float)
    else:
        voxels = bead_steps.bead_voxels(centres, array.shape, part.placement)
        amplitudes = array[tuple(voxels.T)].astype(float)
    field = bead_steps.true_object(array.shape, centres, amplitudes, part.placement)
    engine = _engine(recipe)
    curve: list[tuple[int, float]] = []
    steps = distill_steps.distill_psf(
        array,
        field,
        engine,
        iterations=part.iterations,
        boundary=part.boundary,
        start=part.start,
        memory=_bytes(recipe.memory),
        preview_every=preview_every,
    )
    done = yield from noting(steps, curve)
    return Distilled(done.array, done.device, tuple(curve), part.iterations, done.warnings)


def deconvolve_step(
    image: ArrayLike,
    psf: ArrayLike,
    recipe: Recipe,
    preview_every: int = 0,
    *,
    background: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Steps[Distilled]:
    """Deconvolve an image with a PSF; see `deconvolve_image`. The array has the image's shape.

    Parameters
    ----------
    image, psf : array_like
    recipe : Recipe
    background : array_like, optional
        Of the image's shape, in the place of the recipe's number.
    mask : array_like, optional
        bool, of the image's shape: the voxels that count, of those that are not saturated.
    preview_every : int
        See `richardson_lucy`.
    """
    part = recipe.deconvolve
    engine = _engine(recipe)
    if part.saturation is not None:
        unsaturated = check_array(image) < part.saturation
        if not unsaturated.any():
            raise InputError(
                f"All voxels of the image are at the saturation of {part.saturation:g} or above; "
                "give the value at which the camera saturates."
            )
        mask = (
            unsaturated
            if mask is None
            else deconvolve_steps.check_mask(mask, unsaturated.shape) & unsaturated
        )
    curve: list[tuple[int, float]] = []
    steps = deconvolve_steps.deconvolve_image(
        image,
        psf,
        engine,
        iterations=part.iterations,
        boundary=part.boundary,
        method=part.method,
        total_variation=part.total_variation,
        background=part.background if background is None else background,
        mask=mask,
        memory=_bytes(recipe.memory),
        preview_every=preview_every,
    )
    done = yield from noting(steps, curve)
    return Distilled(done.array, done.device, tuple(curve), done.iterations, done.warnings)


def deconvolve(
    image: ArrayLike,
    psf: ArrayLike,
    iterations: int | None = 100,
    boundary: Boundary = "noncirculant",
    device: str = "auto",
    *,
    method: Method = "plain",
    total_variation: float = 0.0,
    background: ArrayLike = 0.0,
    mask: ArrayLike | None = None,
    fft: FFT = "auto",
    memory: float | None = None,
) -> NDArray[np.float32]:
    """Deconvolve an image with a PSF by Richardson-Lucy.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers; negative values count as 0.
    psf : array_like
        As many axes, any size, not negative, its centre at n // 2. Its scale does not matter.
    iterations : int or None
        None stops where the image's noise begins to be fitted; see `enough_iterations`.
    boundary : {"noncirculant", "circulant"}
        What lies beyond the image: unknown light, or its other side.
    device : str
        See `choose_device`.
    method : {"plain", "accelerated"}
        Accelerated, 20 iterations get as far as 200 plain ones.
    total_variation : float
        Weight of the total variation, less than 3/14; 0 is none, 0.001 to 0.01 are usual.
    background : array_like
        Light in the image that is no object's, in its intensity units: a number, or an array of
        the image's shape.
    mask : array_like, optional
        bool, of the image's shape: the voxels that count.
    fft : {"auto", "fftw", "ducc0", "scipy", "vkfft", "opencl"}
        See `open_engine`.
    memory : float, optional
        GiB that may be used on the device; what needs more is done in tiles.

    Returns
    -------
    numpy.ndarray
        float32, of the image's shape, not negative.

    Raises
    ------
    InputError
        The image, the PSF or a parameter cannot be used.
    DeviceError
        The device cannot be used, or failed.

    Warns
    -----
    DistillerWarning
        The PSF is larger than the image, the image has negative values, the result is displaced by
        one voxel, which an even PSF can do (see `richardson_lucy`), the noise could not be told, or
        the device had too little memory.

    See Also
    --------
    napari_psf_distiller.deconvolution.richardson_lucy : what is computed.
    """
    array = check_image(image)
    kernel = deconvolve_steps.check_psf(psf, array.shape)
    settings = Deconvolve(
        iterations=None if iterations is None else check_iterations(iterations),
        boundary=boundary,
        method=method,
        total_variation=total_variation,
    )
    recipe = Recipe(device=device, fft=fft, memory=memory, deconvolve=settings)
    result = finish(deconvolve_step(array, kernel, recipe, background=background, mask=mask))
    for warning in (*deconvolve_warnings(array, kernel, boundary), *result.warnings):
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    return result.array.reshape(np.shape(image))


def _engine(recipe: Recipe) -> Engine:
    return open_engine(recipe.device, recipe.fft)


def _bytes(memory: float | None) -> int | None:
    """Return GiB as bytes."""
    return None if memory is None else int(memory * 2**30)


def _check_lengths(recipe: Recipe, ndim: int) -> None:
    """Refuse a recipe whose lists are too short for an image of so many axes."""
    for name, values in (
        ("margin", recipe.find_beads.margin),
        ("crop", recipe.postprocess.crop),
    ):
        if values is not None and len(values) < ndim:
            raise InputError(
                f"The {name} {values} has {len(values)} values, but the image has {ndim} axes."
            )
