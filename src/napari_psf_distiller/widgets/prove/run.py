"""What Prove PSF does in its thread: deconvolve, and measure."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Layer, Points
from numpy.typing import NDArray

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.beads import centres_of
from napari_psf_distiller.boxes import Box, relative_to, whole, widened
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.pipeline import find_raw_beads_step
from napari_psf_distiller.measure.beads import PSFOfBead, widths_of
from napari_psf_distiller.measure.proof import (
    Proof,
    background_of,
    beads_in_part,
    measurable,
    prove,
)
from napari_psf_distiller.measure.structure import (
    Structure,
    psf_structure_steps,
    residual_structure,
)
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import JointFit, Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.agreement import found_elsewhere, not_raw
from napari_psf_distiller.widgets.layers.new_layer import LayerData, layer_like
from napari_psf_distiller.widgets.layers.note import LayerNote
from napari_psf_distiller.widgets.layers.psf_layer import psf_of_layer
from napari_psf_distiller.widgets.layers.record import used_device
from napari_psf_distiller.widgets.layers.source import Source, placed_now
from napari_psf_distiller.widgets.prove.region import around, moved, offset_of
from napari_psf_distiller.widgets.running.job import Outcome

__all__ = ["TITLE", "Proven", "Task", "prove_steps"]

STEP = StepId.PROVE
TITLE = STEP.title

# About a bead, at least so many pixels are shown.
LEAST_SHOWN = 33


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What is proven, as it was read in the main thread.

    Attributes
    ----------
    image, psf : Source
    note : LayerNote or None
        What the PSF's layer says of how it was made.
    beads : pandas.DataFrame or None
        Centres in voxels of the image, ``used``, and what else is known; None has them sought.
    points, deconvolved, residual : Source or None
        Where the beads come from; made before; of the joint fit.
    from_image : bool
        Whether a step of ours deconvolved it, and from this image.
    box : tuple of slice or None
        The region of interest.
    recipe : Recipe
        With the deconvolution.
    points_layer, residual_layer : napari.layers.Layer or None
        What is looked at beside the images.
    """

    image: Source
    psf: Source
    note: LayerNote | None
    beads: pd.DataFrame | None
    points: Source | None
    deconvolved: Source | None
    residual: Source | None
    from_image: bool
    box: Box | None
    recipe: Recipe
    points_layer: Points | None
    residual_layer: Image | None


@dataclasses.dataclass(frozen=True, eq=False)
class Proven:
    """A proof, and what is needed to look at it.

    Attributes
    ----------
    task : Task
    proof : Proof
    structure : Structure or str
        What is left of the beads, or why it is not known.
    beads : pandas.DataFrame
    raw, deconvolved : numpy.ndarray
        Of the part that was deconvolved.
    box : tuple of slice
        This part, in voxels of the image.
    inner : tuple of slice
        This part, in voxels of what was measured, which may have a margin.
    shown : tuple of int
        Pixels along each axis that a view of one bead has.
    over_field : bool
        Whether each bead has the PSF of its place.
    """

    task: Task
    proof: Proof
    structure: Structure | str
    beads: pd.DataFrame
    raw: NDArray[Any]
    deconvolved: NDArray[Any]
    box: Box
    inner: Box
    shown: tuple[int, ...]
    over_field: bool = False

    def placed_now(self, layers: Iterable[Layer]) -> "Proven":
        """Return it for the image as it is drawn now; see `layers.placed_now`."""
        task = dataclasses.replace(self.task, image=placed_now(self.task.image, layers))
        return dataclasses.replace(self, task=task)

    def box_of_bead(self, centre: NDArray[np.float64] | None = None) -> Box:
        """Return a square about a bead; by default the brightest that was measured."""
        if centre is None:
            brightest = self.proof.beads["peak_before"].idxmax()
            centre = centres_of(self.proof.beads.loc[[brightest]])[0]
            centre = centre + [
                outer.start - part.start for outer, part in zip(self.box, self.inner, strict=True)
            ]
        return around(centre, self.shown, self.box)


def prove_steps(task: Task) -> Steps[Outcome]:
    """Deconvolve where that was not done, and measure; the generator of the step's worker.

    Returns
    -------
    Outcome
        The deconvolved image, if it was not there, with what was `Proven`.
    """
    source = task.image
    raw, axes = np.asarray(source.data), np.ndim(task.psf.data)
    if axes != raw.ndim:
        raise InputError(
            f"The PSF {task.psf.name!r} has {axes} axes, the image {source.name!r} has "
            f"{raw.ndim}; choose two that belong together."
        )
    known = psf_of_layer(task.psf, task.note)
    psf, note, variation = psf_on_image(known, raw.shape, task.recipe, task.psf.recipe.spacing)
    widths = widths_of(psf)
    beads = task.beads
    if beads is None:
        beads = yield from find_raw_beads_step(raw, task.recipe)
    box, kept = _boxes(task, psf)
    inner = relative_to(box, kept)
    # What cannot be measured is told before the work, not after it.
    counted = beads_in_part(beads, box, inner)
    measurable(counted, tuple(part.stop - part.start for part in box), widths)
    layers: list[LayerData] = []
    warnings = (*not_raw(source, "the proof"), *_mismatches(task))
    there = None if variation is None else variation.part(box)
    if task.deconvolved is None:
        array, layer, more = yield from _deconvolved(task, raw[box], psf, there, kept, inner)
        layers.append(layer)
        warnings += more
    else:
        array = np.asarray(task.deconvolved.data)
    yield Progress(STEP, 0, 1, phase="Measure the beads")
    level = background_of(raw[box], beads)
    levels = level, _background_after(task, array, level)
    of_bead = None if there is None else lambda c: there.psf_at(c[-2], c[-1], c[0])
    proof = prove(
        raw[box],
        array,
        counted,
        psf,
        levels,
        source.recipe.spacing,
        of_bead,
        _diameter_beside(task.note, source.recipe),
    )
    yield Progress(STEP, 0, 1, phase="Look at what is left of them")
    structure: Structure | str | None = _structure(task, beads, widths, psf)
    if structure is None:
        structure = yield from _fitted_structure(task, raw[box], psf, counted, widths, of_bead)
    yield Progress(STEP, 1, 1, phase="Look at what is left of them")
    least = [max(LEAST_SHOWN, n) for n in psf.shape]
    proven = Proven(
        task,
        proof,
        structure,
        beads,
        raw[kept],
        array[inner],
        kept,
        inner,
        tuple(least),
        over_field=there is not None,
    )
    message = f"done: {_message(proof, structure)}"
    return Outcome(layers, f"{message} {note}".rstrip(), warnings, found=proven)


def _boxes(task: Task, psf: NDArray[Any]) -> tuple[Box, Box]:
    """Return which part is deconvolved, and which of it is kept: all but its margin."""
    shape = np.shape(task.image.data)
    if task.deconvolved is not None:
        box = offset_of(task.deconvolved, task.image)
        return box, box
    kept = task.box or whole(shape)
    return widened(kept, psf.shape, shape), kept


def _deconvolved(
    task: Task,
    part: NDArray[Any],
    psf: NDArray[Any],
    variation: PSFVariation | None,
    kept: Box,
    inner: Box,
) -> Steps[tuple[NDArray[np.float32], LayerData, tuple[str, ...]]]:
    """Deconvolve a part of the image; the layer shows it without its margin."""
    source = task.image
    result = yield from deconvolve_step(part, psf, task.recipe, variation=variation)
    region = " region" if task.box is not None else ""
    layer = layer_like(
        source,
        np.ascontiguousarray(result.array[inner]),
        "image",
        f"{source.short_name}{region} deconvolved",
        used_device(task.recipe, result.device),
        step=STEP,
        others=[task.psf],
        iterations=result.iterations,
        **(moved(source.geometry, kept) if task.box is not None else {}),
        colormap="gray",
        # It would hide the image and the beads' rings once the view is left.
        visible=False,
    )
    recipe = task.recipe
    found = deconvolve_warnings(part, psf, recipe.deconvolve.boundary, recipe.compatibility)
    return result.array, layer, (*found, *result.warnings)


def _background_after(task: Task, array: NDArray[Any], level: float) -> float:
    """Return what of the background is in the deconvolved image: what its model did not have."""
    if task.deconvolved is None:
        return level - task.recipe.deconvolve.background
    if task.from_image:
        return max(level - task.deconvolved.recipe.deconvolve.background, 0.0)
    return background_of(array)


def _structure(
    task: Task, beads: pd.DataFrame, widths: NDArray[np.float64], psf: NDArray[Any]
) -> Structure | None:
    """Return what the fit that made this PSF left of the image, if it is there."""
    residual = task.residual
    if residual is None or "chi_squared" not in beads:
        return None
    array = np.asarray(residual.data)
    if array.shape != np.shape(task.image.data):
        return None
    try:
        return residual_structure(array, beads, widths, np.asarray(task.image.data), psf)
    except InputError:
        return None


def _fitted_structure(
    task: Task,
    part: NDArray[Any],
    psf: NDArray[Any],
    beads: pd.DataFrame,
    widths: NDArray[np.float64],
    of_bead: PSFOfBead | None,
) -> Steps[Structure | str]:
    """Return what this PSF leaves of the beads, where no fit that made it tells; or why not."""
    try:
        return (
            yield from psf_structure_steps(
                part,
                psf,
                beads,
                widths,
                task.image.recipe.spacing,
                _diameter_beside(task.note, task.image.recipe),
                of_bead,
            )
        )
    except InputError as error:
        return str(error)


def _diameter_beside(note: LayerNote | None, of_image: Recipe) -> float:
    """Return the bead diameter that is not in a PSF already, in micrometres."""
    recipe = of_image if note is None else note.recipe
    # The stepwise way leaves the beads' size in the PSF.
    return (recipe.bead_diameter or 0.0) if isinstance(recipe.distill, JointFit) else 0.0


def _mismatches(task: Task) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    if task.deconvolved is not None and not task.from_image:
        found += (
            f"It is not known that {task.deconvolved.name!r} was deconvolved from "
            f"{task.image.name!r}: its background is taken as its median, so the flux is a guess.",
        )
    for other in (task.points, task.deconvolved):
        if other is not None:
            found += found_elsewhere(task.image, other)
    return found


def _message(proof: Proof, structure: Structure | str) -> str:
    """Return what the proof comes to; the residual's own sentence says more of what is left."""
    left = ""
    if isinstance(structure, Structure):
        left = f" {'Only noise' if structure.is_noise else 'More than noise'} is left of them."
    return proof.verdict() + left
