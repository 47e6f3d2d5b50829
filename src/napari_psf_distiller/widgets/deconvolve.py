"""The widget Deconvolve: an image and a PSF become a sharper image."""

import dataclasses
from typing import Any

import napari
import numpy as np
from magicgui.widgets import FunctionGui
from napari.layers import Image, Labels

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.choices import offer_kinds, prefer_layers
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.note import LayerNote, own_note
from napari_psf_distiller.widgets.layers.psf_layer import psf_of_layer
from napari_psf_distiller.widgets.layers.record import used_device
from napari_psf_distiller.widgets.layers.source import Source, read_image_layer, read_labels_layer
from napari_psf_distiller.widgets.layers.voxel_size import with_voxel_size_of
from napari_psf_distiller.widgets.parts.column import AlignedLabels
from napari_psf_distiller.widgets.parts.docks import share_dock
from napari_psf_distiller.widgets.parts.form import Form, keep_narrow
from napari_psf_distiller.widgets.running.devices import (
    COMPUTING,
    DEVICE_OPTIONS,
    offer_devices,
)
from napari_psf_distiller.widgets.running.job import Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["deconvolve"]

STEP = StepId.DECONVOLVE
TITLE = STEP.title
FORM = Form(
    (*declared(Deconvolve), *COMPUTING),
    first=(*(one.name for one in declared(Deconvolve)), "mask"),
    options={"device": DEVICE_OPTIONS},
)


@dataclasses.dataclass(frozen=True)
class DeconvolveTask:
    """What is deconvolved, as it was read in the main thread.

    Attributes
    ----------
    image, psf : Source
    note : LayerNote or None
        What the PSF's layer says of how it was made.
    mask : Source or None
        Where it is 0, no voxel counts.
    recipe : Recipe
        The image's own, and how it is deconvolved.
    """

    image: Source
    psf: Source
    note: LayerNote | None
    mask: Source | None
    recipe: Recipe


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    prefer_layers(gui, {"image": StepId.PREPROCESS, "psf": StepId.POSTPROCESS})
    offer_devices(gui.device)
    # Narrower, the longest label would be cut.
    gui.min_width = 280
    FORM.attach(gui)
    AlignedLabels(gui)
    for choice in (gui.image, gui.psf, gui.mask):
        keep_narrow(choice)
    offer_kinds(gui, gui.mask, Image | Labels)


@FORM.widget(
    widget_init=_init,
    call_button=TITLE,
    image={
        "tooltip": "The image layer to deconvolve, best as it was measured; of a time series "
        "or of channels, the one that the viewer shows."
    },
    psf={"label": "PSF", "tooltip": "The image layer of the PSF."},
    mask={"tooltip": "Labels or an image of the same shape: where it is 0, no voxel counts."},
)
def deconvolve(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    psf: "napari.layers.Image",
    mask: "napari.layers.Layer | None" = None,
    **parameters: Any,
) -> Job[DeconvolveTask]:
    """Deconvolve an image with a PSF: its use, and its test."""

    def read() -> DeconvolveTask:
        source = with_voxel_size_of(psf, read_image_layer(image, "an image", viewer))
        kernel = read_image_layer(psf, "a PSF", viewer)
        counting = None
        if mask is not None:
            read_mask = read_image_layer if isinstance(mask, Image) else read_labels_layer
            counting = read_mask(mask, viewer=viewer)
        settings = Deconvolve(**FORM.taken(Deconvolve, parameters))
        # The way of the image counts for its own part, that of the PSF is noted with its layer.
        recipe = dataclasses.replace(
            source.recipe, deconvolve=settings, **FORM.taken(Recipe, parameters)
        )

        return DeconvolveTask(source, kernel, own_note(psf.metadata), counting, recipe)

    return Job(viewer, read, deconvolve_steps)


def deconvolve_steps(task: DeconvolveTask) -> Steps[Outcome]:
    """Deconvolve an image; the generator of the step's worker."""
    image, psf, recipe = task.image, task.psf, task.recipe
    settings = recipe.deconvolve
    array = check_image(np.asarray(image.data))
    counting = None if task.mask is None else np.asarray(task.mask.data) != 0
    finer = settings.factors(array.shape) if settings.is_finer else ()
    if finer and psf.recipe.spacing is None:
        raise InputError(
            f"The PSF {psf.name!r} has no voxel size, and a result on finer voxels needs it: set "
            "the layer's scale and units."
        )
    known = psf_of_layer(psf, task.note)
    kernel, note = psf_on_image(known, array.shape, recipe, psf.recipe.spacing)
    result = yield from deconvolve_step(array, kernel, recipe, mask=counting)
    found = deconvolve_warnings(
        array,
        kernel,
        settings.boundary,
        recipe.compatibility,
        finer or None,
        continued=isinstance(known, PSF) and known.measured is not None,
    )
    layer = layer_like(
        image,
        result.array,
        "image",
        f"{image.origin} deconvolved",
        dataclasses.replace(used_device(recipe, result.device), spacing=result.spacing),
        step=STEP,
        others=[psf] if task.mask is None else [psf, task.mask],
        iterations=result.iterations,
        finer=finer,
        colormap="gray",
    )
    automatic = " (automatic)" if settings.iterations is None else ""
    done = f"done: {result.iterations} iterations{automatic}, on {result.device}"
    if note:
        done = f"{done}. {note}"
    return Outcome([layer], done, (*found, *result.warnings))
