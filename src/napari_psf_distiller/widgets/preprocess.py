"""The widget Preprocess beads: an image layer becomes a preprocessed one."""

import dataclasses
from typing import Any, Literal

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Preprocess
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise.pipeline import preprocess_step
from napari_psf_distiller.widgets.layers.source import (
    layer_like,
    read_image_layer,
    with_voxel_size,
)
from napari_psf_distiller.widgets.layers.voxel_size import VOXEL_SIZE_OPTIONS, offer_voxel_size
from napari_psf_distiller.widgets.parts.docks import share_dock
from napari_psf_distiller.widgets.running.job import ImageTask, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["preprocess_beads"]

STEP = StepId.PREPROCESS
TITLE = STEP.title
DEFAULT = Preprocess()


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    offer_voxel_size(gui, TITLE)

    def show_what_counts(method: str) -> None:
        gui.factor.visible = method == "mean"
        gui.level.visible = method == "constant"
        gui.radius.visible = gui.noise_margin.visible = method == "local"

    gui.background.changed.connect(show_what_counts)
    show_what_counts(gui.background.value)


@magic_factory(
    widget_init=_init,
    call_button="Preprocess",
    image={
        "label": "bead image",
        "tooltip": "An image layer of fluorescent beads, 2D or 3D; "
        "of a time series or of channels, the one that the viewer shows.",
    },
    voxel_size=VOXEL_SIZE_OPTIONS,
    background={
        "tooltip": "What is subtracted: a local background (rolling ball), a factor times the "
        "mean as in the notebook, a constant, or nothing."
    },
    factor={
        "label": "factor x mean",
        "min": 0.0,
        "max": 100.0,
        "step": 0.05,
        "tooltip": "So many times the image's mean are subtracted; 1.25 in the notebook.",
    },
    level={"min": -1e9, "max": 1e9, "tooltip": "The constant, in the image's intensity units."},
    radius={
        "label": "radius (µm)",
        "min": 0.01,
        "max": 1e4,
        "tooltip": "Of the rolling ball, in the plane; several times a bead's image.",
    },
    noise_margin={
        "min": 0.0,
        "max": 20.0,
        "tooltip": "So many standard deviations of the noise are left in, so that the clipping "
        "does not bias the background; a good value is 2.",
    },
    floor={
        "min": 0.0,
        "max": 1e9,
        "tooltip": "What is at or below 0 after the subtraction becomes this.",
    },
    median={
        "label": "median filter (voxels)",
        "min": 1,
        "max": 15,
        "step": 2,
        "tooltip": "Size of the median filter, odd; 1 is none. It widens the PSF.",
    },
)
def preprocess_beads(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    background: Literal["local", "mean", "constant", "none"] = DEFAULT.background,
    factor: float = DEFAULT.factor,
    level: float = DEFAULT.level,
    radius: float = DEFAULT.radius,
    noise_margin: float = DEFAULT.noise_margin,
    floor: float = DEFAULT.floor,
    median: int = DEFAULT.median,
) -> Job[ImageTask]:
    """Subtract the background and filter by the median."""

    def read() -> ImageTask:
        source = with_voxel_size(read_image_layer(image, "a bead image", viewer), voxel_size)
        settings = Preprocess(
            background=background,
            factor=factor,
            level=level,
            radius=radius,
            noise_margin=noise_margin,
            floor=floor,
            median=median,
        )
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
        f"{source.origin} preprocessed",
        dataclasses.replace(recipe, provenance=provenance_of(array, "")),
        step=STEP,
        colormap="gray",
        # Dim beads show beside bright ones.
        gamma=0.6,
    )
    settings = recipe.preprocess
    done = f"done: {settings.background} background, median filter {settings.median}"
    return Outcome([layer], done)
