"""The widget Preprocess beads: an image layer becomes a preprocessed one."""

import dataclasses
from typing import Any

import napari
import numpy as np
from magicgui.widgets import FunctionGui

from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Preprocess
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise.pipeline import preprocess_step
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.source import read_image_layer, with_voxel_size
from napari_psf_distiller.widgets.layers.voxel_size import VOXEL_SIZE_OPTIONS, offer_voxel_size
from napari_psf_distiller.widgets.parts.docks import share_dock
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.running.job import ImageTask, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["preprocess_beads"]

STEP = StepId.PREPROCESS
TITLE = STEP.title
FORM = Form(declared(Preprocess))


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    attend(gui)
    offer_voxel_size(gui, TITLE)
    FORM.attach(gui)


@FORM.widget(
    widget_init=_init,
    call_button="Preprocess",
    image={
        "label": "bead image",
        "tooltip": "An image layer of fluorescent beads, 2D or 3D; "
        "of a time series or of channels, the one that the viewer shows.",
    },
    voxel_size=VOXEL_SIZE_OPTIONS,
)
def preprocess_beads(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    **parameters: Any,
) -> Job[ImageTask]:
    """Subtract the background and filter by the median."""

    def read() -> ImageTask:
        source = with_voxel_size(read_image_layer(image, "a bead image", viewer), voxel_size)
        settings = Preprocess(**FORM.taken(Preprocess, parameters))
        return ImageTask(source, dataclasses.replace(source.recipe, preprocess=settings))

    return Job(viewer, read, preprocess_steps)


def preprocess_steps(task: ImageTask) -> Steps[Outcome]:
    """Preprocess an image; the generator of the step's worker."""
    source, recipe = task.source, task.recipe
    array = np.asarray(source.data)
    result = yield from preprocess_step(array, recipe)
    layer = layer_like(
        source,
        result.image,
        "image",
        f"{source.short_name} preprocessed",
        dataclasses.replace(recipe, provenance=provenance_of(array, "")),
        step=STEP,
        colormap="gray",
        # Dim beads show beside bright ones.
        gamma=0.6,
    )
    settings = recipe.preprocess
    done = f"done: {settings.background} background, median filter {settings.median}"
    return Outcome([layer], done)
