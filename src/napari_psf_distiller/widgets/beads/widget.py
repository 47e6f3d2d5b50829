"""The widget Find beads: an image becomes a points layer of its beads."""

import dataclasses
from typing import Any, Literal

import napari
import numpy as np
from magicgui.widgets import FunctionGui

from napari_psf_distiller.joint.pipeline import find_raw_beads_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import (
    Distill,
    JointFit,
    MatchedFilter,
    RichardsonLucy,
    ThresholdedObjects,
)
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise.pipeline import find_beads_step
from napari_psf_distiller.widgets.beads.points import points_layer
from napari_psf_distiller.widgets.beads.table import offer_table
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.agreement import not_raw
from napari_psf_distiller.widgets.layers.choices import choose_newest, choose_source
from napari_psf_distiller.widgets.layers.record import (
    marked_by_hand,
    with_image,
)
from napari_psf_distiller.widgets.layers.source import (
    NOT_PREPROCESSED,
    Source,
    read_image_layer,
    read_labels_layer,
    with_voxel_size,
)
from napari_psf_distiller.widgets.layers.voxel_size import VOXEL_SIZE_OPTIONS, offer_voxel_size
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.running.job import ImageTask, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.running.superseding import hide_fitted_beads

__all__ = ["find_beads"]

STEP = StepId.FIND_BEADS
TITLE = STEP.title
MATCHED, THRESHOLD = MatchedFilter.tag(), ThresholdedObjects.tag()
FORM = Form(
    (*declared(MatchedFilter), *declared(ThresholdedObjects)),
    conditions={
        "voxel_size": ("method", (MATCHED,)),
        "mask": ("method", (THRESHOLD,)),
    },
)


@dataclasses.dataclass(frozen=True)
class ThresholdedTask(ImageTask):
    """An image and what Threshold marked in it, as they were read in the main thread.

    Attributes
    ----------
    source : Source
        The preprocessed image.
    recipe : Recipe
        Its own, and how beads are found.
    objects : Source
        The labels.
    """

    objects: Source


def _init(gui: FunctionGui[Any, Any]) -> None:
    runner = StepRunner(gui, TITLE)
    runner.ended.connect(hide_fitted_beads)
    offer_table(gui, runner)
    share_dock(gui)
    attend(gui)
    set_scale = offer_voxel_size(gui, TITLE)
    FORM.attach(gui)

    def offer_to_set_scale(method: str) -> None:
        set_scale.visible = method == MATCHED

    def prefer() -> None:
        # Who made a threshold means to go on from it.
        if choose_newest(gui.mask, StepId.THRESHOLD):
            choose_source(gui.image, gui.mask.value)
            gui.method.value = THRESHOLD

    gui.method.changed.connect(offer_to_set_scale)
    when_docked(gui, prefer)
    offer_to_set_scale(gui.method.value)


@FORM.widget(
    widget_init=_init,
    call_button=TITLE,
    image={
        "label": "image",
        "tooltip": "An image layer of fluorescent beads, 2D or 3D: the raw image for the method "
        "matched, and for threshold the one that Preprocess beads wrote. Of a time series "
        "or of channels, the one that the viewer shows.",
    },
    mask={
        "label": "threshold",
        "tooltip": "The labels layer that Threshold wrote from the image.",
    },
    method={
        "tooltip": "Matched finds them in the raw image by a matched filter, for Distil PSF's "
        "method joint; threshold takes what Threshold marked, for richardson-lucy."
    },
    voxel_size=VOXEL_SIZE_OPTIONS,
)
def find_beads(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    mask: "napari.layers.Labels",
    method: Literal["matched", "threshold"] = "matched",
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    **parameters: Any,
) -> Job[Any]:
    """Find the centre of each bead."""
    values = parameters | {"method": method}
    if method == MATCHED:
        matched = FORM.taken(MatchedFilter, values)
        return Job(
            viewer,
            lambda: _matched_task(viewer, image, voxel_size, matched),
            matched_steps,
        )

    def read() -> ThresholdedTask:
        source = read_image_layer(image, "a preprocessed image", viewer)
        objects = read_labels_layer(mask, viewer)
        recipe = dataclasses.replace(
            source.recipe,
            threshold=objects.recipe.threshold,
            find_beads=ThresholdedObjects(**FORM.taken(ThresholdedObjects, values)),
            distill=_way_of(source, RichardsonLucy),
        )
        return ThresholdedTask(source, recipe, objects)

    return Job(viewer, read, thresholded_steps)


def _matched_task(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    voxel_size: tuple[float, float, float],
    settings: dict[str, Any],
) -> ImageTask:
    source = with_voxel_size(read_image_layer(image, "a bead image", viewer), voxel_size)
    recipe = dataclasses.replace(
        source.recipe,
        find_beads=MatchedFilter(**settings),
        distill=_way_of(source, JointFit),
    )
    if recipe.preprocess != NOT_PREPROCESSED:
        recipe = marked_by_hand(recipe, StepId.PREPROCESS.value)
    return ImageTask(source, recipe)


def matched_steps(task: ImageTask) -> Steps[Outcome]:
    """Find beads in a raw image by a matched filter; the generator of the step's worker."""
    source, array = task.source, np.asarray(task.source.data)
    beads = yield from find_raw_beads_step(array, task.recipe)
    layer = points_layer(
        source,
        beads,
        f"{source.short_name} beads",
        with_image(task.recipe, array),
        step=STEP,
    )
    sure = int(beads["used"].sum())
    message = f"done: {sure} beads"
    if sure < len(beads):
        message += f", and {len(beads) - sure} peaks that may be their halos"
    return Outcome([layer], message, not_raw(source, "the matched filter"))


def thresholded_steps(task: ThresholdedTask) -> Steps[Outcome]:
    """Find beads among what was marked; the generator of the step's worker."""
    source, objects, recipe = task.source, task.objects, task.recipe
    if objects.edited:
        recipe = marked_by_hand(recipe, StepId.THRESHOLD.value)
    beads = yield from find_beads_step(np.asarray(source.data), np.asarray(objects.data), recipe)
    layer = points_layer(
        source,
        # What was subtracted is not known here; a column of zeros would be untrue.
        beads.drop(columns="background"),
        f"{source.short_name} beads",
        recipe,
        step=STEP,
        others=[objects],
    )
    used = int(beads["used"].sum())
    return Outcome([layer], f"done: {len(beads)} beads, {used} of them used")


def _way_of(source: Source, way: type[Distill]) -> Distill:
    """Return how the PSF is distilled from beads found so: as the recipe says, if it does."""
    known = source.recipe.distill
    return known if isinstance(known, way) else way()
