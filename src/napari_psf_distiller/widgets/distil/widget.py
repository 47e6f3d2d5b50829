"""The widget Distil PSF: an image and its beads become the distilled PSF."""

import dataclasses
from typing import Any, Literal

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.compute import FFT
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import Camera, Distill, FindBeads, Optics, Recipe
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
from napari_psf_distiller.widgets.layers.choices import choose_newest, choose_source
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.record import marked_by_hand, used_device
from napari_psf_distiller.widgets.layers.source import NOT_PREPROCESSED, read_image_layer
from napari_psf_distiller.widgets.layers.voxel_size import with_voxel_size_of
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.running.background import Interrupted
from napari_psf_distiller.widgets.running.devices import (
    DEVICE_OPTIONS,
    FFT_OPTIONS,
    MEMORY_OPTIONS,
    name_zero,
    offer_devices,
)
from napari_psf_distiller.widgets.running.job import Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["BEAD_DIAMETER_OPTIONS", "distil_psf"]

DEFAULT = Distill()

# What each method works on, and how beads are found for it.
IMAGES = {"joint": "a bead image", "richardson-lucy": "a preprocessed image"}
FINDING: dict[str, Literal["matched", "threshold"]] = {
    "joint": "matched",
    "richardson-lucy": "threshold",
}

# The parameters that count for one method only.
JOINT = (
    "bead_diameter",
    "numerical_aperture",
    "wavelength",
    "refractive_index",
    "camera_offset",
    "camera_gain",
    "window",
    "background_scale",
    "judge",
    "live",
)
RICHARDSON_LUCY = ("iterations", "boundary", "start", "placement", "fft", "memory")

# Iterations of Richardson-Lucy from one preview to the next.
PREVIEW_EVERY = 5

BEAD_DIAMETER_OPTIONS: dict[str, Any] = {
    "label": "bead diameter (µm)",
    "min": 0.0,
    "max": 100.0,
    "step": 0.01,
    "tooltip": "As the beads' maker states it; its blur is taken out of the PSF. 0.1 is usual; 0 "
    "is not known, and the PSF is then as wide as a bead's image.",
}

# Beads lie all over the image, so that it cannot be cut into tiles.
MEMORY_TOOLTIP = (
    "What may be used on the device; automatic is most of what is free. What needs more is done on "
    "the processor."
)


def _init(gui: FunctionGui[Any, Any]) -> None:
    runner = StepRunner(gui, TITLE)
    share_dock(gui)
    offer_table(gui, runner)
    # Signals hold who listens weakly.
    gui.psf_so_far = PSFSoFar(runner)
    gui.live_fit = LiveFit(runner, lambda: bool(gui.live.value))
    gui.native.destroyed.connect(gui.live_fit.stop)
    offer_devices(gui.device)
    name_zero(gui.memory, "automatic", " GiB")
    for name in ("bead_diameter", "numerical_aperture", "wavelength", "refractive_index"):
        name_zero(gui[name], "not known")
    for name in ("camera_offset", "camera_gain"):
        name_zero(gui[name], "estimated")

    def show_what_counts(method: str) -> None:
        for name in JOINT:
            gui[name].visible = method == "joint"
        for name in RICHARDSON_LUCY:
            gui[name].visible = method == "richardson-lucy"

    def prefer() -> None:
        choose_newest(gui.beads, StepId.FIND_BEADS)
        beads = gui.beads.value
        choose_source(gui.image, beads)
        note = own_note(beads.metadata) if beads is not None else None
        if note is not None:
            gui.method.value = note.recipe.distill.method

    gui.method.changed.connect(show_what_counts)
    when_docked(gui, prefer)
    show_what_counts(gui.method.value)


@magic_factory(
    widget_init=_init,
    call_button="Distil",
    image={
        "label": "image",
        "tooltip": "The image layer that the beads were found in: for joint as it was measured, "
        "for richardson-lucy the one that Preprocess beads wrote.",
    },
    beads={"tooltip": "The points layer of the beads: delete, move or add points before."},
    method={
        "tooltip": "Joint fits the PSF, the beads' places and brightness, and the background to "
        "the raw image, and tells their errors; richardson-lucy deconvolves the preprocessed image "
        "with its beads, as the notebook does."
    },
    bead_diameter=BEAD_DIAMETER_OPTIONS,
    numerical_aperture={
        "min": 0.0,
        "max": 2.0,
        "step": 0.05,
        "tooltip": "Of the objective. With the wavelength and the refractive index it tells which "
        "frequencies the PSF can have; without all three the beads' width does. 0 is not known.",
    },
    wavelength={
        "label": "emission (µm)",
        "min": 0.0,
        "max": 10.0,
        "step": 0.01,
        "tooltip": "Wavelength of the light that the beads emit, such as 0.52 for green ones. "
        "0 is not known.",
    },
    refractive_index={
        "min": 0.0,
        "max": 4.0,
        "step": 0.01,
        "tooltip": "Of the objective's immersion: 1 for air, 1.33 for water, 1.515 for oil. 0 is "
        "not known.",
    },
    camera_offset={
        "min": 0.0,
        "max": 1e9,
        "tooltip": "The image's intensity without light, such as 100. 0 estimates it from the "
        "image, which is good in most cases.",
    },
    camera_gain={
        "min": 0.0,
        "max": 1e9,
        "step": 0.1,
        "tooltip": "Intensity units a photoelectron, often 0.2 to 5. 0 estimates it from the "
        "image's noise, which is good in most cases.",
    },
    window={
        "label": "window (µm)",
        "options": {"min": 0.0, "max": 1e4, "step": 0.5},
        "tooltip": "z, y, x: how far the PSF extends. 0 takes it from the beads' width, which is a "
        "good value. For a 2D image z does not count.",
    },
    background_scale={
        "label": "background scale (µm)",
        "min": 0.1,
        "max": 1e6,
        "tooltip": "The background's slopes change over this length; 30 is a good value, less for "
        "a background that is patchy, but always much more than the PSF.",
    },
    judge={
        "text": "refuse beads that are not single",
        "tooltip": "Beads that are cut off, saturated, touching or much brighter than the others "
        "do not shape the PSF. Off uses all points that are marked as used.",
    },
    live={
        "text": "follow edits of the fitted beads",
        "tooltip": "When the points of the fitted beads are moved, added, deleted or marked, the "
        "PSF is fitted anew in the background.",
    },
    iterations={
        "min": 0,
        "max": 100_000,
        "tooltip": "Of Richardson-Lucy; 30 from a flat start, 300 in the notebook.",
    },
    boundary={"tooltip": "Circulant is faster; non-circulant allows for light from outside."},
    start={
        "tooltip": "The first estimate: flat gives a smoother PSF, the image is the notebook's."
    },
    placement={"tooltip": "How a fractional centre becomes a voxel; the notebook truncates."},
    device=DEVICE_OPTIONS,
    fft=FFT_OPTIONS,
    memory=MEMORY_OPTIONS | {"tooltip": MEMORY_TOOLTIP},
)
def distil_psf(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    beads: "napari.layers.Points",
    method: Literal["joint", "richardson-lucy"] = DEFAULT.method,
    bead_diameter: float = 0.0,
    numerical_aperture: float = 0.0,
    wavelength: float = 0.0,
    refractive_index: float = 0.0,
    camera_offset: float = 0.0,
    camera_gain: float = 0.0,
    window: tuple[float, float, float] = (0.0, 0.0, 0.0),
    background_scale: float = DEFAULT.background_scale,
    judge: bool = DEFAULT.judge,
    live: bool = True,
    iterations: int = DEFAULT.iterations,
    boundary: Literal["circulant", "noncirculant"] = DEFAULT.boundary,
    start: Literal["flat", "image"] = DEFAULT.start,
    placement: Literal["nearest", "truncate"] = DEFAULT.placement,
    device: str = "auto",
    fft: FFT = "auto",
    memory: float = 0.0,
) -> Job[DistilTask]:
    """Distil the PSF from the image and its beads."""

    def read() -> DistilTask:
        source = with_voxel_size_of(beads, read_image_layer(image, IMAGES[method], viewer))
        found = beads_from(beads, source)
        if method == "joint":
            extent = window[-np.ndim(source.data) :]
            recipe = dataclasses.replace(
                _with_beads(
                    source.recipe,
                    found,
                    Distill(
                        method=method,
                        window=extent if any(extent) else None,
                        background_scale=background_scale,
                        judge=judge,
                    ),
                ),
                bead_diameter=bead_diameter or None,
                optics=Optics(
                    numerical_aperture or None, wavelength or None, refractive_index or None
                ),
                camera=Camera(camera_offset or None, camera_gain or None),
                device=device,
            )
            return DistilTask(source, found, recipe)
        settings = Distill(
            method=method,
            iterations=iterations,
            boundary=boundary,
            start=start,
            placement=placement,
        )
        recipe = dataclasses.replace(
            _with_beads(source.recipe, found, settings),
            device=device,
            fft=fft,
            memory=memory or None,
        )
        return DistilTask(source, found, recipe)

    return Job(viewer, read, joint_steps if method == "joint" else richardson_lucy_steps)


def _with_beads(recipe: Recipe, beads: Beads, settings: Distill) -> Recipe:
    """Return the recipe with how the beads were found, and how the PSF is distilled from them."""
    made = beads.source.recipe
    method = FINDING[settings.method]
    fitting = made.find_beads.method == method
    recipe = dataclasses.replace(
        recipe,
        threshold=made.threshold,
        find_beads=made.find_beads if fitting else FindBeads(method=method),
        distill=settings,
    )
    for step in made.provenance.by_hand if made.provenance is not None else ():
        recipe = marked_by_hand(recipe, step)
    # Beads of the other method are somebody's choice too: a replay finds its own.
    if beads.source.edited or not fitting:
        recipe = marked_by_hand(recipe, "find_beads")
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
