"""The widget Find beads: an image becomes a points layer of its beads."""

import dataclasses
from typing import Any, Literal

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.joint.pipeline import find_raw_beads_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import FindBeads
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise.pipeline import find_beads_step
from napari_psf_distiller.widgets.beads.points import points_layer
from napari_psf_distiller.widgets.beads.table import offer_table
from napari_psf_distiller.widgets.layers.choices import choose_newest, choose_source
from napari_psf_distiller.widgets.layers.record import (
    marked_by_hand,
    with_image,
)
from napari_psf_distiller.widgets.layers.source import (
    NOT_PREPROCESSED,
    Source,
    not_raw,
    read_image_layer,
    read_labels_layer,
    with_voxel_size,
)
from napari_psf_distiller.widgets.layers.voxel_size import VOXEL_SIZE_OPTIONS, offer_voxel_size
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.running.job import ImageTask, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["find_beads"]

STEP = StepId.FIND_BEADS
TITLE = STEP.title
DEFAULT = FindBeads()


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
    offer_table(gui, StepRunner(gui, TITLE))
    share_dock(gui)
    set_scale = offer_voxel_size(gui, TITLE)
    counting = {
        "matched": (gui.voxel_size, set_scale, gui.significance),
        "threshold": (gui.mask, gui.centre, gui.min_voxels, gui.max_voxels, gui.margin),
    }

    def show_what_counts(chosen: str) -> None:
        for method, widgets in counting.items():
            for widget in widgets:
                widget.visible = method == chosen

    def prefer() -> None:
        # Who made a threshold means to go on from it.
        if choose_newest(gui.mask, StepId.THRESHOLD):
            choose_source(gui.image, gui.mask.value)
            gui.method.value = "threshold"

    gui.method.changed.connect(show_what_counts)
    when_docked(gui, prefer)
    show_what_counts(gui.method.value)


@magic_factory(
    widget_init=_init,
    call_button=TITLE,
    image={
        "label": "image",
        "tooltip": "An image layer of fluorescent beads, 2D or 3D: for matched as it was measured, "
        "for threshold the one that Preprocess beads wrote. Of a time series or of channels, the "
        "one that the viewer shows.",
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
    significance={
        "label": "significance (x noise)",
        "min": 3.0,
        "max": 1e3,
        "step": 0.5,
        "tooltip": "A bead stands out by so many standard deviations of the noise; 7 is a good "
        "value, 5 finds dimmer beads, 20 only bright ones.",
    },
    centre={
        "tooltip": "Centroid of an object's voxels, plain as in the notebook or weighted by the "
        "image, which is finer."
    },
    min_voxels={"min": 1, "max": 10**9, "tooltip": "Smaller objects are noise; not used."},
    max_voxels={
        "min": 0,
        "max": 10**9,
        "tooltip": "Larger objects are clumps; not used. 0 is no limit.",
    },
    margin={
        "label": "margin (µm)",
        "options": {"min": 0.0, "max": 1e4, "step": 0.1},
        "tooltip": "z, y, x: beads nearer to the border are cut off; not used. 0 uses all.",
    },
)
def find_beads(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    mask: "napari.layers.Labels",
    method: Literal["matched", "threshold"] = DEFAULT.method,
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    significance: float = DEFAULT.significance,
    centre: Literal["weighted", "centroid"] = DEFAULT.centre,
    min_voxels: int = DEFAULT.min_voxels,
    max_voxels: int = 0,
    margin: tuple[float, float, float] = (0.5, 0.5, 0.5),
) -> Job[Any]:
    """Find the centre of each bead."""
    if method == "matched":
        return Job(
            viewer,
            lambda: _matched_task(viewer, image, voxel_size, significance),
            matched_steps,
        )

    def read() -> ThresholdedTask:
        source = read_image_layer(image, "a preprocessed image", viewer)
        objects = read_labels_layer(mask, viewer)
        settings = FindBeads(
            method=method,
            centre=centre,
            min_voxels=min_voxels,
            max_voxels=max_voxels or None,
            margin=margin if any(margin) else None,
        )
        recipe = dataclasses.replace(
            source.recipe,
            threshold=objects.recipe.threshold,
            find_beads=settings,
            distill=dataclasses.replace(source.recipe.distill, method="richardson-lucy"),
        )
        return ThresholdedTask(source, recipe, objects)

    return Job(viewer, read, thresholded_steps)


def _matched_task(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    voxel_size: tuple[float, float, float],
    significance: float,
) -> ImageTask:
    source = with_voxel_size(read_image_layer(image, "a bead image", viewer), voxel_size)
    recipe = dataclasses.replace(
        source.recipe,
        find_beads=FindBeads(method="matched", significance=significance),
        distill=dataclasses.replace(source.recipe.distill, method="joint"),
    )
    if recipe.preprocess != NOT_PREPROCESSED:
        recipe = marked_by_hand(recipe, "preprocess")
    return ImageTask(source, recipe)


def matched_steps(task: ImageTask) -> Steps[Outcome]:
    """Find beads in a raw image by a matched filter; the generator of the step's worker."""
    source, array = task.source, np.asarray(task.source.data)
    beads = yield from find_raw_beads_step(array, task.recipe)
    layer = points_layer(
        source,
        beads,
        f"{source.origin} beads",
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
        recipe = marked_by_hand(recipe, "threshold")
    beads = yield from find_beads_step(np.asarray(source.data), np.asarray(objects.data), recipe)
    layer = points_layer(
        source,
        # What was subtracted is not known here; a column of zeros would be untrue.
        beads.drop(columns="background"),
        f"{source.origin} beads",
        recipe,
        step=STEP,
        others=[objects],
    )
    used = int(beads["used"].sum())
    return Outcome([layer], f"done: {len(beads)} beads, {used} of them used")
