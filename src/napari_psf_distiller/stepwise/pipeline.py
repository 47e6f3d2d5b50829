"""The stepwise way of the data: image, mask, beads, PSF, one step after the other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.advice import bead_warnings, psf_warnings
from napari_psf_distiller.beads import bead_voxels, centres_of, true_object
from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.deconvolution.pipeline import bytes_of, engine_of
from napari_psf_distiller.postprocess import postprocess_step
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe, RichardsonLucy, ThresholdedObjects
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.results import Clock, Deconvolved, Result
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise import distill as distill_steps
from napari_psf_distiller.stepwise import find_beads as bead_steps
from napari_psf_distiller.stepwise import preprocess as preprocess_steps
from napari_psf_distiller.stepwise import threshold as threshold_steps
from napari_psf_distiller.stepwise.preprocess import Preprocessed

__all__ = ["distill_step", "find_beads_step", "preprocess_step", "stepwise_steps", "threshold_step"]


def stepwise_steps(original: NDArray[Any], recipe: Recipe) -> Steps[Result]:
    """Do all steps from an image to its PSF, as a generator of progress.

    Parameters
    ----------
    original : numpy.ndarray
        (Z, Y, X) or (Y, X), numbers.
    recipe : Recipe
        Whose method is "richardson-lucy".

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    array = np.ascontiguousarray(original, np.float32)
    spacing = check_spacing(recipe.spacing, original.ndim)
    clock = Clock()
    preprocessed = yield from preprocess_step(array, recipe)
    clock.note(StepId.PREPROCESS)
    mask = yield from threshold_step(preprocessed.image, recipe)
    clock.note(StepId.THRESHOLD)
    beads = yield from find_beads_step(preprocessed.image, mask, recipe, preprocessed.background)
    clock.note(StepId.FIND_BEADS)
    distilled = yield from distill_step(preprocessed.image, beads, recipe)
    clock.note(StepId.DISTILL)
    voxels = yield from postprocess_step(distilled.array, recipe)
    clock.note(StepId.POSTPROCESS)
    recipe = dataclasses.replace(recipe, provenance=provenance_of(original, distilled.device))
    psf = PSF(voxels, spacing, recipe=recipe)
    return Result(
        psf=psf,
        beads=beads,
        recipe=recipe,
        timings=clock.total(),
        fwhm=psf.fwhm(),
        fwhm_error=(float("nan"),) * array.ndim,
        log_likelihood=distilled.log_likelihood,
        warnings=(
            *bead_warnings(beads),
            *psf_warnings(array.shape, voxels, recipe),
            *distilled.warnings,
        ),
        image=original,
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
    yield Progress(StepId.THRESHOLD, 0, 1)
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
    yield Progress(StepId.THRESHOLD, 1, 1)
    return mask


def find_beads_step(
    image: ArrayLike,
    mask: ArrayLike,
    recipe: Recipe,
    background: float | NDArray[np.float32] = 0.0,
) -> Steps[pd.DataFrame]:
    """Find the beads of a thresholded image; see `find_beads`."""
    yield Progress(StepId.FIND_BEADS, 0, 1)
    part = recipe.find_beads
    if not isinstance(part, ThresholdedObjects):
        part = ThresholdedObjects()
    beads = bead_steps.find_beads(
        image,
        mask,
        centre=part.centre,
        min_voxels=part.min_voxels,
        max_voxels=part.max_voxels,
        margin=part.margin,
        placement=_lucy_of(recipe).placement,
        spacing=recipe.spacing,
        background=background,
    )
    yield Progress(StepId.FIND_BEADS, 1, 1)
    return beads


def _lucy_of(recipe: Recipe) -> RichardsonLucy:
    part = recipe.distill
    return part if isinstance(part, RichardsonLucy) else RichardsonLucy()


def distill_step(
    image: ArrayLike, beads: pd.DataFrame, recipe: Recipe, preview_every: int = 0
) -> Steps[Deconvolved]:
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
    part = _lucy_of(recipe)
    used = beads[beads["used"]] if "used" in beads else beads
    centres = centres_of(used)
    if "amplitude" in used:
        amplitudes = used["amplitude"].to_numpy(dtype=float)
    else:
        voxels = bead_voxels(centres, array.shape, part.placement)
        amplitudes = array[tuple(voxels.T)].astype(float)
    field = true_object(array.shape, centres, amplitudes, part.placement)
    engine = engine_of(recipe)
    steps = distill_steps.distill_psf(
        array,
        field,
        engine,
        iterations=part.iterations,
        boundary=part.boundary,
        start=part.start,
        compatibility=recipe.compatibility,
        memory=bytes_of(recipe.memory),
        preview_every=preview_every,
    )
    return (yield from steps)
