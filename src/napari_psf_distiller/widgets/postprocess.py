"""The widget Post-process PSF: the distilled image becomes the PSF."""

import dataclasses
from typing import Any

import napari
import numpy as np
from magicgui.widgets import FunctionGui

from napari_psf_distiller.advice import psf_warnings
from napari_psf_distiller.measure.profiles import profile_widths_text
from napari_psf_distiller.postprocess import postprocess_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.psf.postprocessing import with_post_processed
from napari_psf_distiller.recipe import PostProcess
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.geometry import beside, inset
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, own_note
from napari_psf_distiller.widgets.layers.planes import hide_z_of_planes
from napari_psf_distiller.widgets.layers.psf_field import PSF_OPTIONS, PSFField
from napari_psf_distiller.widgets.layers.psf_recognition import check_is_psf
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.parts.docks import share_dock
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.running.job import Ending, ImageTask, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.running.superseding import hide_inputs

__all__ = ["STEP", "PostProcessTask", "postprocess_psf", "postprocess_steps"]

STEP = StepId.POSTPROCESS
TITLE = STEP.title
FORM = Form(declared(PostProcess))


@dataclasses.dataclass(frozen=True)
class PostProcessTask(ImageTask):
    """What is post-processed, as it was read in the main thread.

    Attributes
    ----------
    source : Source
        The distilled PSF.
    recipe : Recipe
        Its own, and how it is post-processed.
    note : LayerNote or None
        What its layer says of itself.
    """

    note: LayerNote | None


def _init(gui: FunctionGui[Any, Any]) -> None:
    runner = StepRunner(gui, TITLE)
    runner.ended.connect(_hide_distilled)
    share_dock(gui)
    FORM.attach(gui)
    PSFField(gui, "image", image="", wanted=(StepId.DISTILL,))
    hide_z_of_planes(gui)
    attend(gui)


def _hide_distilled(ending: Ending) -> None:
    hide_inputs(ending, "image")


@FORM.widget(
    widget_init=_init,
    call_button="Post-process",
    image=PSF_OPTIONS | {"label": "distilled", "tooltip": "The layer that Distil PSF wrote."},
)
def postprocess_psf(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image | None",
    **parameters: Any,
) -> Job[PostProcessTask]:
    """Centre, crop, subtract the background, clip and normalise the PSF."""

    def read() -> PostProcessTask:
        check_is_psf(image)
        source = read_image_layer(image, "a distilled PSF")
        assert image is not None
        settings = PostProcess(**FORM.taken(PostProcess, parameters))
        recipe = dataclasses.replace(source.recipe, postprocess=settings)
        return PostProcessTask(source, recipe, own_note(image.metadata))

    return Job(viewer, read, postprocess_steps)


def postprocess_steps(task: PostProcessTask) -> Steps[Outcome]:
    """Make the PSF's layer; the generator of the step's worker."""
    source, recipe, note = task.source, task.recipe, task.note
    array = np.asarray(source.data)
    psf = yield from postprocess_step(array, recipe)
    # What Richardson-Lucy distilled lies on the image; else the PSF is beside the image already.
    put = beside if note is not None and note.same_grid else inset
    layer = layer_like(
        source,
        psf,
        "image",
        f"{source.short_name} PSF",
        recipe,
        step=STEP,
        same_grid=False,
        # Its middle plane lies where that of what was distilled does.
        translate=put(source.geometry, source.recipe.spacing, np.shape(source.data), psf),
        colormap="inferno",
    )
    if note is not None:
        metadata, made = layer[1]["metadata"], None
        if isinstance(note.psf, PSF) and np.array_equal(note.psf, array):
            made = with_post_processed(note.psf, psf, recipe.postprocess)
        metadata[METADATA_KEY] = dataclasses.replace(
            metadata[METADATA_KEY],
            # Cropping and scaling leave the widths as they are.
            fwhm_error=note.fwhm_error,
            psf_error=None if made is None else made.error,
            psf=made,
        )
    shown = profile_widths_text(psf, recipe.spacing)
    return Outcome([layer], f"done: {shown}", psf_warnings(array.shape, psf, recipe))
