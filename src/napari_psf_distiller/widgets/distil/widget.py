"""The widget Distil PSF: an image and its beads become the distilled PSF."""

import dataclasses
from typing import Any, Literal

import napari
import numpy as np
from magicgui.widgets import FunctionGui
from napari.layers import Points

from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import (
    FINDING,
    Camera,
    Distill,
    JointFit,
    Optics,
    Recipe,
    RichardsonLucy,
)
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise.pipeline import distill_step
from napari_psf_distiller.widgets.beads.points import Beads, beads_from
from napari_psf_distiller.widgets.beads.table import offer_table
from napari_psf_distiller.widgets.distil.joint import (
    TITLE,
    DistilTask,
    distilled_layer,
    joint_steps,
    watched,
)
from napari_psf_distiller.widgets.distil.live_fit import LiveFit
from napari_psf_distiller.widgets.distil.psf_so_far import PSFSoFar
from napari_psf_distiller.widgets.distil.stacks import (
    StackLayers,
    further_stacks,
    offer_stacks,
    stack_steps,
)
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.choices import (
    choose_newest,
    choose_source,
    unwrapped,
)
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.planes import hide_z_of_planes
from napari_psf_distiller.widgets.layers.record import marked_by_hand, used_device
from napari_psf_distiller.widgets.layers.source import NOT_PREPROCESSED, read_image_layer
from napari_psf_distiller.widgets.layers.voxel_size import with_voxel_size_of
from napari_psf_distiller.widgets.microscope.part import MicroscopePart
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.running.background import Interrupted
from napari_psf_distiller.widgets.running.devices import (
    COMPUTING,
    DEVICE_OPTIONS,
    offer_devices,
)
from napari_psf_distiller.widgets.running.job import Ending, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.running.superseding import hide_inputs

__all__ = ["BEAD_DIAMETER", "OPTICS", "distil_psf"]

# What each method works on.
JOINT, LUCY = JointFit.tag(), RichardsonLucy.tag()
IMAGES = {JOINT: "a bead image", LUCY: "a preprocessed image"}

BEAD_DIAMETER = tuple(one for one in declared(Recipe) if one.field == "bead_diameter")

# What is seldom changed is folded away, also in the guide.
OPTICS = tuple(one for one in declared(Optics) if not one.parameter.seldom)

# Beads lie all over the image, so that it cannot be cut into tiles.
MEMORY_TOOLTIP = (
    "What may be used on the device; automatic is most of what is free. What needs more is done on "
    "the processor."
)

KNOWN = (*declared(Optics), *BEAD_DIAMETER)
FITTING = (*KNOWN, *declared(Camera), *declared(JointFit))
FORM = Form(
    (*FITTING, *declared(RichardsonLucy), *COMPUTING),
    first=("others", "along", "method", *(one.name for one in FITTING), "live"),
    way="method",
    # Either method's recipe says what is known of beads and microscope; one of them uses it.
    conditions=dict.fromkeys(
        ("live", "others", "along", *(one.name for one in KNOWN)), ("method", (JOINT,))
    ),
    options={"device": DEVICE_OPTIONS, "memory": {"tooltip": MEMORY_TOOLTIP}},
)

# Iterations of Richardson-Lucy from one preview to the next.
PREVIEW_EVERY = 5


def _init(gui: FunctionGui[Any, Any]) -> None:
    runner = StepRunner(gui, TITLE)
    runner.ended.connect(_hide_found_beads)
    share_dock(gui)
    attend(gui)
    offer_table(gui, runner)
    # Signals hold who listens weakly.
    gui.psf_so_far = PSFSoFar(runner)
    gui.stack_layers = StackLayers(runner)
    offer_stacks(gui)
    gui.live_fit = LiveFit(runner, lambda: bool(gui.live.value))
    gui.native.destroyed.connect(gui.live_fit.stop)
    offer_devices(gui.device)
    FORM.attach(gui)
    hide_z_of_planes(gui)

    def prefer() -> None:
        choose_newest(gui.beads, StepId.FIND_BEADS)
        beads = gui.beads.value
        choose_source(gui.image, beads)
        note = own_note(beads.metadata) if beads is not None else None
        if note is not None:
            gui.method.value = note.recipe.distill.method

    when_docked(gui, prefer)
    when_docked(gui, lambda: _offer_microscope(gui))


def _hide_found_beads(ending: Ending) -> None:
    # The fitted beads show all of them, and what became of each.
    if any(isinstance(layer, Points) for layer in ending.layers):
        hide_inputs(ending, "beads")


def _offer_microscope(gui: FunctionGui[Any, Any]) -> None:
    """Let microscopes be kept by name, unless that is asked for elsewhere."""
    if not hasattr(gui, "microscope_part"):
        gui.microscope_part = MicroscopePart(gui)


@FORM.widget(
    widget_init=_init,
    call_button="Distil",
    image={
        "label": "image",
        "tooltip": "The image layer that the beads were found in: the raw image for the method "
        "joint, and for richardson-lucy the one that Preprocess beads wrote.",
    },
    beads={"tooltip": "The points layer of the beads: delete, move or add points before."},
    others={
        "widget_type": "Select",
        "choices": [],
        "label": "further stacks",
        "tooltip": "Image layers of beads that the same microscope took, in the same colour and "
        "with the same voxel size: one PSF is distilled from all that are marked here and from the "
        "image above. Their beads are found by themselves, and a stack whose PSF is another one is "
        "left out.",
    },
    along={
        "widget_type": "ComboBox",
        "choices": [("the one shown", "")],
        "label": "times, positions",
        "tooltip": "Of an image with more axes than z, y and x: whether only the stack at the "
        "viewer's sliders counts, or each along an axis, such as time, is a further stack of the "
        "one PSF. Channels have a PSF each.",
    },
    method={
        "tooltip": "Joint fits the PSF, the beads' places and brightness, and the background to "
        "the raw image, and tells their errors; richardson-lucy deconvolves the preprocessed image "
        "with its beads, as the original notebook did."
    },
    live={
        "text": "follow edits of the fitted beads",
        "tooltip": "When the points of the fitted beads are moved, added, deleted or marked, the "
        "PSF is fitted anew in the background.",
    },
)
def distil_psf(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    beads: "napari.layers.Points",
    others: Any = (),
    along: str = "",
    method: Literal["joint", "richardson-lucy"] = "joint",
    live: bool = True,
    **parameters: Any,
) -> Job[DistilTask]:
    """Distil the PSF from the image and its beads."""
    values = parameters | {"method": method}

    def read() -> DistilTask:
        source = with_voxel_size_of(beads, read_image_layer(image, IMAGES[method], viewer))
        found = beads_from(beads, source)
        if method == LUCY:
            lucy = RichardsonLucy(**FORM.taken(RichardsonLucy, values))
            recipe = _with_beads(source.recipe, found, lucy)
            recipe = dataclasses.replace(recipe, **FORM.taken(Recipe, values))
            return DistilTask(source, found, recipe)
        # Of a 2D image z does not count.
        extent = values["window"][-np.ndim(source.data) :]
        settings = JointFit(**FORM.taken(JointFit, values | {"window": extent}))
        recipe = dataclasses.replace(
            _with_beads(source.recipe, found, settings),
            optics=Optics(**FORM.taken(Optics, values)),
            camera=Camera(**FORM.taken(Camera, values)),
            **FORM.taken(Recipe, values),
        )
        further = further_stacks(unwrapped(viewer), image, others, along, source)
        return DistilTask(source, found, recipe, further)

    return Job(viewer, read, fit_steps if method == JOINT else richardson_lucy_steps)


def fit_steps(task: DistilTask) -> Steps[Outcome]:
    """Fit PSF and beads jointly, of one stack or of several; the generator of the step's worker."""
    return (yield from stack_steps(task) if task.others else joint_steps(task))


def _with_beads(recipe: Recipe, beads: Beads, settings: Distill) -> Recipe:
    """Return the recipe with how the beads were found, and how the PSF is distilled from them."""
    made = beads.source.recipe
    finding = FINDING[type(settings)]
    fitting = isinstance(made.find_beads, finding)
    recipe = dataclasses.replace(
        recipe,
        threshold=made.threshold,
        find_beads=made.find_beads if fitting else finding(),
        distill=settings,
    )
    for step in made.provenance.by_hand if made.provenance is not None else ():
        recipe = marked_by_hand(recipe, step)
    # Beads of the other method are somebody's choice too: a replay finds its own.
    if beads.source.edited or not fitting:
        recipe = marked_by_hand(recipe, StepId.FIND_BEADS.value)
    return recipe


def richardson_lucy_steps(task: DistilTask) -> Steps[Outcome]:
    """Deconvolve an image with its beads; the generator of the step's worker."""
    source, beads, recipe = task.source, task.beads, task.recipe
    # Points can be moved and added, so the amplitudes that Find beads noted do not count.
    steps = distill_step(np.asarray(source.data), beads.table, recipe, PREVIEW_EVERY)
    seen: list[Progress] = []
    try:
        distilled = yield from watched(steps, seen, task.shown)
    except Interrupted:
        if not seen or seen[-1].preview is None:
            raise
        iterations = seen[-1].iteration
        layer = distilled_layer(source, beads.source, recipe, seen[-1].preview, iterations)
        return Outcome([layer], f"the PSF after {iterations} iterations")
    recipe = used_device(recipe, distilled.device)
    layer = distilled_layer(source, beads.source, recipe, distilled.array, distilled.iterations)
    used = int(beads.table["used"].sum())
    warnings = distilled.warnings
    if recipe.preprocess == NOT_PREPROCESSED:
        warnings += (
            f"The image {source.name!r} was not preprocessed: its background is in the "
            "PSF now. Choose the layer that Preprocess beads wrote.",
        )
    return Outcome([layer], f"done: {used} beads, on {distilled.device}", warnings)
