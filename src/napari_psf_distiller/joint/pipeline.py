"""The joint way of the data: from the raw image to beads, PSF and errors in one fit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.spatial import cKDTree

from napari_psf_distiller.advice import bead_warnings, psf_warnings
from napari_psf_distiller.beads import AXES, HELD_OUT, IN_HALO, bead_voxels, centres_of
from napari_psf_distiller.checks import check_array, check_spacing
from napari_psf_distiller.compute import Device, choose_device
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.advice.fit import joint_warnings
from napari_psf_distiller.joint.advice.image import history_warnings
from napari_psf_distiller.joint.fit import distill_jointly
from napari_psf_distiller.joint.image.bead_image import BeadImage, bead_image_from
from napari_psf_distiller.joint.image.detection import (
    EXCLUDED,
    KEPT,
    Candidates,
    candidates_at,
    find_candidates,
    may_shape_psf,
)
from napari_psf_distiller.joint.image.plausibility import check_plausible
from napari_psf_distiller.joint.results import (
    SAME_BEAD_WIDTHS,
    JointFitResult,
    JointState,
    Settings,
)
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.postprocess import postprocess_step
from napari_psf_distiller.progress import Progress, Steps, noting
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.psf.postprocessing import with_post_processed
from napari_psf_distiller.recipe import JointFit, MatchedFilter, Optics, Recipe
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.results import Clock, Result
from napari_psf_distiller.steps import StepId

__all__ = ["find_raw_beads_step", "fit_of_image", "joint_step", "joint_steps", "psf_of_fit"]

# With a filter of known width, noise alone stands out at this many places of an image, at most.
FALSE_ALARMS = 0.1


def joint_steps(original: NDArray[Any], recipe: Recipe) -> Steps[Result]:
    """Do all steps from a raw image to its PSF, as a generator of progress.

    Parameters
    ----------
    original : numpy.ndarray
        (Z, Y, X) or (Y, X), numbers.
    recipe : Recipe
        Whose method is "joint".

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    clock = Clock()
    # What cannot be done is an error before the work.
    settings = _settings(recipe, original.ndim)
    device = choose_device(recipe.device)
    yield Progress(StepId.FIND_BEADS, 0, 1)
    bead_image, candidates = _found_beads(original, recipe, settings)
    yield Progress(StepId.FIND_BEADS, 1, 1)
    clock.note(StepId.FIND_BEADS)
    curve: list[tuple[int, float]] = []
    fit = yield from noting(distill_jointly(bead_image, candidates, settings, device), curve)
    clock.note(StepId.DISTILL)
    record = provenance_of(original, f"{device.name}, float32")
    recipe = dataclasses.replace(recipe, provenance=record)
    psf = yield from psf_of_fit(fit, recipe)
    clock.note(StepId.POSTPROCESS)
    return Result(
        psf=psf,
        beads=fit.beads,
        recipe=recipe,
        timings=clock.total(),
        fwhm=psf.fwhm(),
        fwhm_error=fit.fwhm_error,
        log_likelihood=tuple(curve),
        warnings=(
            *bead_warnings(fit.beads),
            *joint_warnings(fit, psf.spacing, recipe),
            *history_warnings(fit.state.bead_image.history, fit.widths),
            *psf_warnings(original.shape, psf.array, recipe),
        ),
        image=original,
        residual=fit.residual,
        preprocessed=None,
    )


def psf_of_fit(fit: JointFitResult, recipe: Recipe) -> Steps[PSF]:
    """Make the PSF of a fit, post-processed, as a generator of progress.

    Parameters
    ----------
    fit : JointFitResult
    recipe : Recipe
        With the provenance, which the PSF keeps.
    """
    spacing = check_spacing(recipe.spacing, fit.psf.ndim)
    array = yield from postprocess_step(fit.psf, recipe)
    distilled = PSF(fit.psf, spacing, fit.psf_error, recipe, fit.functions)
    return with_post_processed(distilled, array, recipe.postprocess)


def fit_of_image(
    original: NDArray[Any],
    recipe: Recipe,
    device: Device,
    widths: NDArray[np.float64] | None = None,
) -> Steps[JointFitResult]:
    """Find an image's beads and fit its PSF, the same everywhere, as a generator of progress.

    Parameters
    ----------
    original : numpy.ndarray
        (Z, Y, X) or (Y, X), numbers.
    recipe : Recipe
        Whose method is "joint".
    device : Device
    widths : numpy.ndarray, optional
        What other images of the microscope tell of a bead's width along z, y and x, in voxels. As
        it need not be sought, dimmer beads are certain.

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    settings = _settings(recipe, original.ndim)._replace(may_vary_over_field=False)
    bead_image, candidates = _found_beads(original, recipe, settings, widths)
    yield Progress(StepId.FIND_BEADS, 1, 1)
    return (yield from distill_jointly(bead_image, candidates, settings, device))


def _found_beads(
    original: NDArray[Any],
    recipe: Recipe,
    settings: Settings,
    widths: NDArray[np.float64] | None = None,
) -> tuple[BeadImage, Candidates]:
    """Return an image with its noise and its background, and where its beads may be."""
    bead_image, significance = raw_bead_image(original, recipe), _filter_of(recipe).significance
    if widths is not None:
        significance = min(significance, float(stats.norm.isf(FALSE_ALARMS / original.size)))
    candidates = find_candidates(bead_image, significance, widths)
    candidates = _with_held_out(_with_saturated(bead_image, candidates, recipe), recipe)
    check_plausible(candidates.widths, bead_image.spacing, settings.bead_diameter, settings.support)
    return bead_image, candidates


def raw_bead_image(image: ArrayLike, recipe: Recipe) -> BeadImage:
    """Return a raw image with its noise and its background; see `bead_image_from`."""
    original = array = check_array(image)
    # Small whole numbers stay as they are, which takes half of the memory or less.
    if original.dtype.kind == "f" or original.dtype.itemsize > 2:
        array = np.ascontiguousarray(array, np.float32)
    return bead_image_from(
        array,
        check_spacing(recipe.spacing, array.ndim),
        recipe.camera,
        _fit_of(recipe).background_scale,
        original.dtype,
    )


def find_raw_beads_step(image: ArrayLike, recipe: Recipe) -> Steps[pd.DataFrame]:
    """Find the beads of a raw image by a matched filter; see `find_candidates`.

    Returns
    -------
    pandas.DataFrame
        Like that of `find_beads`, without ``voxels``: the joint fit has the last word on centres,
        amplitudes, and on which are used. What may be another bead's halo is not yet.
    """
    yield Progress(StepId.FIND_BEADS, 0, 1)
    bead_image = raw_bead_image(image, recipe)
    found = find_candidates(bead_image, _filter_of(recipe).significance)
    axes = AXES[-np.ndim(np.asarray(image)) :]
    beads = pd.DataFrame(found.voxels[:, -len(axes) :].astype(float), columns=list(axes))
    beads.index = pd.RangeIndex(1, len(beads) + 1, name="bead")
    beads["amplitude"] = found.heights
    beads["background"] = bead_image.level(found.voxels)
    beads["used"] = ~found.in_halo
    beads["reason"] = np.where(found.in_halo, IN_HALO, "").astype(object)
    yield Progress(StepId.FIND_BEADS, 1, 1)
    return beads


def joint_step(
    image: ArrayLike,
    beads: pd.DataFrame,
    recipe: Recipe,
    preview_every: int = 0,
    before: JointFitResult | None = None,
) -> Steps[JointFitResult]:
    """Distil the PSF from a raw image and its beads; see `distill_jointly`.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), raw.
    beads : pandas.DataFrame
        With their centres. Those that are not ``used`` do not shape the PSF, but their light is
        modelled; the others are judged. Those that may be a halo are beads if the first PSF does
        not explain them.
    recipe : Recipe
    preview_every : int
    before : JointFitResult, optional
        A fit of the same image and recipe, with other beads: it goes on from there. Beads that it
        refused and that are ``used`` now are not judged again.
    """
    original = np.asarray(image)
    state = before.state if before is not None else None
    if state is None:
        bead_image, settings = raw_bead_image(original, recipe), _settings(recipe, original.ndim)
    else:
        bead_image, settings = state.bead_image, state.settings
    centres = centres_of(beads)
    # A bead outside the image is an error with a sentence.
    bead_voxels(centres, original.shape)
    if original.ndim == 2:
        centres = np.insert(centres, 0, 0.0, axis=1)
    preset = _preset_status(beads, centres, state)
    if not may_shape_psf(preset).any():
        raise InputError("None of the beads is marked as used. Mark at least one, or find beads.")
    widths = state.widths if state is not None else None
    candidates = _without_doubles(candidates_at(bead_image, centres, preset, widths))
    candidates = _with_held_out(_with_saturated(bead_image, candidates, recipe), recipe)
    check_plausible(candidates.widths, bead_image.spacing, settings.bead_diameter, settings.support)
    device = choose_device(recipe.device)
    return (
        yield from distill_jointly(bead_image, candidates, settings, device, preview_every, state)
    )


def _with_saturated(bead_image: BeadImage, candidates: Candidates, recipe: Recipe) -> Candidates:
    """Refuse beads whose peaks are saturated at once, as a PSF from them has no top.

    Raises
    ------
    InputError
        There is no other.
    """
    if not _fit_of(recipe).judge:
        return candidates
    preset = candidates.preset_status
    if preset is None:
        preset = np.full(len(candidates.voxels), "", "U16")
    saturated = (preset == "") & bead_image.saturated(candidates.voxels)
    # The fit begins without what may be a halo's.
    in_halo = candidates.in_halo & ~saturated
    if saturated.any() and not (may_shape_psf(preset) & ~saturated & ~in_halo).any():
        halos = f", and {int(in_halo.sum())} may be their halos" if in_halo.any() else ""
        raise InputError(
            f"None of the {len(saturated)} beads can be used: {int(saturated.sum())} are "
            f"saturated, at {bead_image.saturation:g}{halos}. Expose for a shorter time, or use "
            "the image before its contrast was changed."
        )
    return candidates._replace(preset_status=np.where(saturated, "saturated", preset))


def _with_held_out(candidates: Candidates, recipe: Recipe) -> Candidates:
    """Hold some of the beads that were found out, evenly from the brightest on, to test the PSF."""
    part = _fit_of(recipe).held_out
    if part == 0:
        return candidates
    preset = candidates.preset_status
    if preset is None:
        preset = np.full(len(candidates.voxels), "", "U16")
    # The brightest one shapes the PSF.
    numbers = np.arange(1, len(preset) + 1)
    chosen = np.floor(numbers * part) > np.floor((numbers - 1) * part)
    return candidates._replace(
        preset_status=np.where(chosen & (preset == ""), HELD_OUT, preset).astype("U16")
    )


def _without_doubles(candidates: Candidates) -> Candidates:
    """Leave out the excluded beads that another one was put in the place of."""
    assert candidates.preset_status is not None
    usable = may_shape_psf(candidates.preset_status)
    places = candidates.voxels / candidates.widths
    apart, _ = cKDTree(places[usable]).query(places)
    kept = usable | (np.asarray(apart) > SAME_BEAD_WIDTHS)
    return candidates._replace(
        voxels=candidates.voxels[kept],
        heights=candidates.heights[kept],
        in_halo=candidates.in_halo[kept],
        preset_status=candidates.preset_status[kept],
    )


def _preset_status(
    beads: pd.DataFrame, centres: NDArray[np.float64], state: JointState | None
) -> NDArray[np.str_]:
    """Return what a table of beads decides for each; see `Candidates`."""
    preset = np.full(len(beads), "", "U16")
    if state is not None:
        nearest = state.nearest(centres)
        refused = (state.reasons != "") | (state.preset_status == KEPT)
        preset[(nearest >= 0) & refused[nearest]] = KEPT
    if "used" in beads:
        out = ~beads["used"].to_numpy(bool)
        preset[out] = EXCLUDED
        if "reason" in beads:
            given = beads["reason"].to_numpy(str)
            preset = np.where(out & (given != ""), given, preset).astype("U16")
    return preset


# Beads can be found in a raw image, and fitted, whatever its recipe does else.


def _filter_of(recipe: Recipe) -> MatchedFilter:
    part = recipe.find_beads
    return part if isinstance(part, MatchedFilter) else MatchedFilter()


def _fit_of(recipe: Recipe) -> JointFit:
    part = recipe.distill
    return part if isinstance(part, JointFit) else JointFit()


def _far_light_optics(optics: Optics) -> Optics | None:
    """Return the optics by which beads' light goes on beyond their windows, if any do."""
    if optics.microscope != "widefield":
        return None
    # What the data contradict is not taken for known here either.
    return Optics() if optics.support == "data" else optics


def _settings(recipe: Recipe, ndim: int) -> Settings:
    part, optics = _fit_of(recipe), recipe.optics
    support = None if optics.support == "data" else support_of(optics)
    window = part.window
    if window is not None:
        if len(window) < ndim:
            raise InputError(
                f"The window {window} has {len(window)} values, but the image has {ndim} axes."
            )
        window = (*((1.0,) * (3 - ndim)), *window[-ndim:])
    return Settings(
        recipe.bead_diameter or 0.0,
        support,
        window,
        part.judge,
        optics.support == "auto",
        part.angular_orders,
        part.most_iterations,
        None if support is None or support.light_fills_it else optics,
        optics.measures_points,
        part.over_field == "auto" and ndim == 3,
        _far_light_optics(optics) if ndim == 3 else None,
    )
