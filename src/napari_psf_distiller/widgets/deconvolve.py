"""The widget Deconvolve: an image and a PSF become a sharper image."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import ref

import napari
import numpy as np
from magicgui.widgets import FunctionGui
from napari.layers import Image, Labels, Layer

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.boxes import Box
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.deconvolution.trial import try_steps
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.choices import offer_kinds, prefer_layers, viewer_of
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.note import LayerNote
from napari_psf_distiller.widgets.layers.psf_field import PSF_OPTIONS, PSFField
from napari_psf_distiller.widgets.layers.psf_layer import note_of_psf, psf_of_layer
from napari_psf_distiller.widgets.layers.psf_recognition import check_is_psf
from napari_psf_distiller.widgets.layers.record import used_device
from napari_psf_distiller.widgets.layers.source import Source, read_image_layer, read_labels_layer
from napari_psf_distiller.widgets.layers.voxel_size import with_voxel_size_of
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.field_notes import check_typed
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.parts.labels import align_labels
from napari_psf_distiller.widgets.prove.region import moved
from napari_psf_distiller.widgets.running.devices import (
    COMPUTING,
    DEVICE_OPTIONS,
    offer_devices,
)
from napari_psf_distiller.widgets.running.job import Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.trial.part import TrialPart, one_at_a_time
from napari_psf_distiller.widgets.trial.region import RegionChoice
from napari_psf_distiller.widgets.trial.shown import ShownTrial, shown_trial

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
    prefer_layers(gui, {"image": StepId.PREPROCESS})
    PSFField(gui)
    attend(gui)
    offer_devices(gui.device)
    FORM.attach(gui)
    offer_kinds(gui, gui.mask, Image | Labels)
    _offer_trial(gui)


def _offer_trial(gui: FunctionGui[Any, Any]) -> None:
    """Let a region be tried with the widget's layers and parameters."""
    # The part, which Qt keeps, must not keep the widget, and all layers with it.
    weakly = ref(gui)

    def find_viewer() -> "napari.viewer.Viewer | None":
        found = weakly()
        return viewer_of(found) if found is not None else None

    def read() -> Callable[[], Steps[ShownTrial]]:
        own = weakly()
        assert own is not None
        image, viewer = own.image.value, own.viewer.value
        if image is None:
            raise InputError("No layer is chosen. Open or make an image and choose it.")
        check_typed(own)
        values = {name: own[name].value for name in FORM.options}
        task = read_task(viewer, image, own.psf.value, own.mask.value, values)
        return partial(trial_steps, task, choice.box(image, task.image))

    def use(settings: Deconvolve) -> None:
        own = weakly()
        assert own is not None
        shown = FORM.shown(Recipe(deconvolve=settings))
        for one in declared(Deconvolve):
            own[one.name].value = shown[one.name]

    choice = gui.trial_region = RegionChoice(find_viewer)
    part = gui.trial = TrialPart({"region": choice}, read, use, find_viewer)
    for label in part.labels:
        align_labels(gui).add(label)
    one_at_a_time(gui.runner, part)
    gui.native.layout().addWidget(part)

    def leave() -> None:
        own = weakly()
        if own is not None and own.native.parent() is None:
            own.trial.leave()

    when_docked(gui, leave)


@FORM.widget(
    widget_init=_init,
    call_button=TITLE,
    image={
        "tooltip": "The image layer to deconvolve, best as it was measured; of a time series "
        "or of channels, the one that the viewer shows."
    },
    psf=PSF_OPTIONS | {"tooltip": "The image layer of the PSF."},
    mask={"tooltip": "Labels or an image of the same shape: where it is 0, no voxel counts."},
)
def deconvolve(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    psf: "napari.layers.Image | None",
    mask: "napari.layers.Layer | None" = None,
    **parameters: Any,
) -> Job[DeconvolveTask]:
    """Deconvolve an image with a PSF: its use, and its test."""

    def read() -> DeconvolveTask:
        return read_task(viewer, image, psf, mask, parameters)

    return Job(viewer, read, deconvolve_steps)


def read_task(
    viewer: "napari.viewer.Viewer",
    image: Image,
    psf: Image | None,
    mask: Layer | None,
    parameters: Mapping[str, Any],
) -> DeconvolveTask:
    """Read layers and parameters, in the main thread.

    Raises
    ------
    InputError
        One of them cannot be used.
    """
    source = with_voxel_size_of(psf, read_image_layer(image, "an image", viewer))
    check_is_psf(psf, image)
    kernel = read_image_layer(psf, "a PSF", viewer)
    assert psf is not None
    counting = None
    if mask is not None:
        read_mask = read_image_layer if isinstance(mask, Image) else read_labels_layer
        counting = read_mask(mask, viewer=viewer)
    settings = Deconvolve(**FORM.taken(Deconvolve, parameters))
    # The way of the image counts for its own part, that of the PSF is noted with its layer.
    recipe = dataclasses.replace(
        source.recipe, deconvolve=settings, **FORM.taken(Recipe, parameters)
    )
    return DeconvolveTask(source, kernel, note_of_psf(psf), counting, recipe)


def trial_steps(task: DeconvolveTask, region: Box | None) -> Steps[ShownTrial]:
    """Deconvolve a region in several ways; the generator of the trial's worker.

    Parameters
    ----------
    task : DeconvolveTask
    region : tuple of slice or None
        None is where the image has the most detail.
    """
    image, psf = task.image, task.psf
    trial = yield from try_steps(
        np.asarray(image.data),
        psf_of_layer(psf, task.note),
        task.recipe,
        psf_spacing=psf.recipe.spacing,
        region=region,
        mask=None if task.mask is None else np.asarray(task.mask.data) != 0,
    )
    return shown_trial(trial, moved(image.geometry, trial.region), image.origin)


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
    kernel, note, variation = psf_on_image(known, array.shape, recipe, psf.recipe.spacing)
    result = yield from deconvolve_step(array, kernel, recipe, mask=counting, variation=variation)
    found = deconvolve_warnings(
        array,
        kernel,
        settings.boundary,
        recipe.compatibility,
        finer or None,
        continued=settings.tails == "continued"
        or (isinstance(known, PSF) and known.measured is not None),
    )
    layer = layer_like(
        image,
        result.array,
        "image",
        f"{image.short_name} deconvolved",
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
