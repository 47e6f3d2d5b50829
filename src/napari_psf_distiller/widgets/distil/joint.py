"""What Distil PSF does by its method joint, and the layers that it makes of it."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.advice import bead_warnings
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.joint.advice.fit import joint_warnings
from napari_psf_distiller.joint.advice.image import history_warnings
from napari_psf_distiller.joint.pipeline import joint_step
from napari_psf_distiller.joint.results import JointFitResult
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.postprocess import crop_about_centre
from napari_psf_distiller.progress import Progress, Steps, passed_on
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import FITTED_BEADS, Beads, points_layer
from napari_psf_distiller.widgets.layers.agreement import found_elsewhere, not_raw
from napari_psf_distiller.widgets.layers.geometry import beside
from napari_psf_distiller.widgets.layers.new_layer import LayerData, layer_like
from napari_psf_distiller.widgets.layers.note import METADATA_KEY
from napari_psf_distiller.widgets.layers.record import (
    marked_by_hand,
    used_device,
    with_image,
)
from napari_psf_distiller.widgets.layers.source import NOT_PREPROCESSED, Source
from napari_psf_distiller.widgets.running.background import Interrupted
from napari_psf_distiller.widgets.running.job import Outcome
from napari_psf_distiller.wording import reasons_text, widths_text

__all__ = [
    "FITTED_BEADS",
    "PREVIEW_EVERY",
    "RESIDUAL",
    "TITLE",
    "DistilTask",
    "JointRun",
    "distilled_layer",
    "joint_outcome",
    "joint_steps",
    "psf_layer",
    "residual_layer",
    "watched",
]

T = TypeVar("T")

STEP = StepId.DISTILL
TITLE = STEP.title

# What it writes besides the PSF and the beads.
RESIDUAL = "residual"

# The residuals are shown up to what all but this part of the voxels stay below; the few beads that
# are unlike the others would else make all the rest of one colour. So many voxels tell it.
OUTLIERS, SAMPLE = 1e-3, 500_000

# Iterations from one preview of the PSF to the next, and its largest extent in voxels.
PREVIEW_EVERY, LARGEST_PREVIEW = 2, 101

# Seconds that the work waits at most until the first preview has its layer: to add one takes napari
# twice as long beside the work, and the viewer stands still so long.
PATIENCE = 0.5


@dataclasses.dataclass(frozen=True)
class JointRun:
    """A joint fit, and what it was made from.

    Attributes
    ----------
    source, beads : Source
        The image and the points.
    recipe : Recipe
    device : str
    fit : Joint
    found : pandas.DataFrame
        The beads that it began with.
    """

    source: Source
    beads: Source
    recipe: Recipe
    device: str
    fit: JointFitResult
    found: pd.DataFrame


@dataclasses.dataclass(frozen=True, eq=False)
class DistilTask:
    """What a PSF is distilled from, as it was read in the main thread.

    Attributes
    ----------
    source : Source
        The image.
    beads : Beads
    recipe : Recipe
        The image's own, and how the PSF is distilled.
    others : tuple of Source
        Further stacks that its one PSF is distilled from.
    shown : threading.Event
        Set as soon as the first preview has its layer.
    """

    source: Source
    beads: Beads
    recipe: Recipe
    others: tuple[Source, ...] = ()
    shown: threading.Event = dataclasses.field(default_factory=threading.Event)


def joint_steps(task: DistilTask) -> Steps[Outcome]:
    """Fit PSF and beads jointly; the generator of the step's worker.

    Returns
    -------
    Outcome
        Residual, fitted beads and PSF, with the `JointRun`; of a run that was cancelled the PSF as
        far as it was.
    """
    source, beads, recipe = task.source, task.beads, task.recipe
    array = np.asarray(source.data)
    if recipe.preprocess != NOT_PREPROCESSED:
        recipe = marked_by_hand(recipe, StepId.PREPROCESS.value)
    device = choose_device(recipe.device).name
    seen: list[Progress] = []
    try:
        fit = yield from watched(
            joint_step(array, beads.table, recipe, PREVIEW_EVERY), seen, task.shown
        )
    except Interrupted:
        if not seen or seen[-1].preview is None:
            raise
        preview, iterations = seen[-1].preview, seen[-1].iteration
        layer = psf_layer(source, beads.source, recipe, preview, iterations)
        return Outcome([layer], f"the PSF after {iterations} iterations")
    recipe = used_device(with_image(recipe, array), f"{device}, float32")
    return joint_outcome(JointRun(source, beads.source, recipe, device, fit, beads.table))


def joint_outcome(run: JointRun) -> Outcome:
    """Return the layers of a joint fit, what to say of it, and what to warn of."""
    source, recipe, fit = run.source, run.recipe, run.fit
    assert recipe.spacing is not None
    residual = residual_layer(source, run.beads, recipe, fit)
    fitted = points_layer(
        source,
        fit.beads,
        f"{source.short_name} fitted beads",
        recipe,
        step=STEP,
        part=FITTED_BEADS,
        others=[run.beads],
    )
    psf = psf_layer(source, run.beads, recipe, fit.psf, fit.iterations, fitted=fit)
    refused, unfitted = reasons_text(fit.beads), fit.unfitted(run.found)
    are = "that was found is" if unfitted == 1 else "that were found are"
    none = f", {unfitted} more {are} hardly there, or another's light" if unfitted else ""
    message = (
        f"done: {int(fit.beads['used'].sum())} of {len(fit.beads)} beads used"
        f"{f' ({refused})' if refused else ''}{none}; {_widths_text(fit, recipe.spacing)}, "
        f"on {run.device}"
    )
    warnings = (
        *bead_warnings(fit.beads),
        *joint_warnings(fit, recipe.spacing, recipe),
        *history_warnings(fit.state.bead_image.history, fit.widths),
        *not_raw(source, "the joint fit"),
        *found_elsewhere(source, run.beads),
    )
    return Outcome([residual, fitted, psf], message, warnings, found=run)


def watched(steps: Steps[T], seen: list[Progress], shown: threading.Event) -> Steps[T]:
    """Pass a generator on; of what it yields the last with a preview is kept.

    What is passed on has no more of a preview than a PSF needs.

    Parameters
    ----------
    steps : generator
        Yields `Progress`, returns the result.
    seen : list of Progress
        Gets the last one with a preview, whole.
    shown : threading.Event
        See `DistilTask`.
    """
    waited = False

    def cropped(progress: Progress) -> Progress:
        if progress.preview is None:
            return progress
        seen[:] = [progress]
        shape = [min(n, LARGEST_PREVIEW) for n in progress.preview.shape]
        return dataclasses.replace(progress, preview=crop_about_centre(progress.preview, shape))

    def wait_once(progress: Progress) -> None:
        nonlocal waited
        if progress.preview is not None and not waited:
            waited = True
            shown.wait(PATIENCE)

    return passed_on(steps, cropped, taken=wait_once)


def distilled_layer(
    source: Source,
    beads: Source,
    recipe: Recipe,
    array: NDArray[np.float32],
    iterations: int,
    **keywords: Any,
) -> LayerData:
    """Return the image layer of what either method distilled; see `layer_like`."""
    return layer_like(
        source,
        array,
        "image",
        f"{source.short_name} distilled",
        recipe,
        step=STEP,
        others=[beads],
        iterations=iterations,
        colormap="inferno",
        **keywords,
    )


def psf_layer(
    source: Source,
    beads: Source,
    recipe: Recipe,
    psf: NDArray[np.float32],
    iterations: int,
    *,
    fitted: JointFitResult | None = None,
) -> LayerData:
    """Return the image layer of a joint fit's PSF, with its errors where it is `fitted` to the end.

    Parameters
    ----------
    source, beads : Source
        The image and the points.
    recipe : Recipe
    psf : numpy.ndarray
        float32, (Z, Y, X) or (Y, X).
    iterations : int
    fitted : JointFitResult, optional
        Whose PSF it is.
    """
    offset = beside(source.geometry, source.recipe.spacing, np.shape(source.data), psf)
    layer = distilled_layer(
        source, beads, recipe, psf, iterations, same_grid=False, translate=offset
    )
    if fitted is not None:
        assert recipe.spacing is not None
        metadata = layer[1]["metadata"]
        metadata[METADATA_KEY] = dataclasses.replace(
            metadata[METADATA_KEY],
            fwhm_error=fitted.fwhm_error,
            psf_error=fitted.psf_error,
            psf=PSF(psf, recipe.spacing, fitted.psf_error, recipe, fitted.functions),
        )
    return layer


def residual_layer(source: Source, beads: Source, recipe: Recipe, fit: JointFitResult) -> LayerData:
    """Return the image layer of what a joint fit leaves of an image."""
    return layer_like(
        source,
        fit.residual,
        "image",
        f"{source.short_name} residual",
        recipe,
        step=STEP,
        part=RESIDUAL,
        others=[beads],
        colormap="PiYG",
        contrast_limits=_symmetric_limits(fit.residual),
        visible=False,
    )


def _symmetric_limits(residual: NDArray[np.float32]) -> tuple[float, float]:
    """Return contrast limits whose middle is 0."""
    flat = residual.reshape(-1)
    sample = np.abs(flat[:: 1 + len(flat) // SAMPLE])
    limit = float(np.quantile(sample, 1 - OUTLIERS)) or 1.0
    return -limit, limit


def _widths_text(fit: JointFitResult, spacing: Sequence[float]) -> str:
    """Return the FWHM along each axis with its standard error."""
    return f"FWHM {widths_text(fwhm(fit.psf, spacing), fit.fwhm_error)}"
