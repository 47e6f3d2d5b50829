"""The widget Distil PSF: an image and its beads become the distilled PSF."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.compute import FFT
from napari_psf_distiller.pipeline import distill_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Distill
from napari_psf_distiller.widgets.devices import (
    DEVICE_OPTIONS,
    FFT_OPTIONS,
    MEMORY_OPTIONS,
    name_zero,
    offer_devices,
)
from napari_psf_distiller.widgets.layers import (
    NOT_PREPROCESSED,
    beads_from,
    layer_like,
    prefer_layers,
    read_image_layer,
)
from napari_psf_distiller.widgets.record import (
    marked_by_hand,
    used_device,
)
from napari_psf_distiller.widgets.worker import Job, Outcome, StepRunner

__all__ = ["distil_psf"]

TITLE = "Distil PSF"
DEFAULT = Distill()

# Beads lie all over the image, so that it cannot be cut into tiles.
MEMORY_TOOLTIP = (
    "What may be used on the device; automatic is most of what is free. What needs more is done on "
    "the processor."
)


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    prefer_layers(gui, {"image": "Preprocess beads", "beads": "Find beads"})
    offer_devices(gui.device)
    name_zero(gui.memory, "automatic", " GiB")


@magic_factory(
    widget_init=_init,
    call_button="Distil",
    image={"label": "image", "tooltip": "The preprocessed image layer."},
    beads={"tooltip": "The points layer of the beads: delete, move or add points before."},
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
    iterations: int = DEFAULT.iterations,
    boundary: Literal["circulant", "noncirculant"] = DEFAULT.boundary,
    start: Literal["flat", "image"] = DEFAULT.start,
    placement: Literal["nearest", "truncate"] = DEFAULT.placement,
    device: str = "auto",
    fft: FFT = "auto",
    memory: float = 0.0,
) -> Job:
    """Deconvolve the image with its beads: what comes out is the PSF."""

    def prepare() -> Callable[[], Steps[Outcome]]:
        source = read_image_layer(image, "a preprocessed image")
        table, points = beads_from(beads, source)
        settings = Distill(
            iterations=iterations, boundary=boundary, start=start, placement=placement
        )
        recipe = dataclasses.replace(
            source.recipe,
            threshold=points.recipe.threshold,
            find_beads=points.recipe.find_beads,
            distill=settings,
            device=device,
            fft=fft,
            memory=memory or None,
        )
        earlier = points.recipe.provenance
        for step in earlier.by_hand if earlier is not None else ():
            recipe = marked_by_hand(recipe, step)
        if points.edited:
            recipe = marked_by_hand(recipe, "find_beads")

        def steps() -> Steps[Outcome]:
            # Points can be moved and added, so the amplitudes that Find beads noted do not count.
            distilled = yield from distill_step(np.asarray(source.data), table, recipe)
            layer = layer_like(
                source,
                distilled.array,
                "image",
                f"{source.origin} distilled",
                used_device(recipe, distilled.device),
                step=TITLE,
                others=[points],
                iterations=distilled.iterations,
                colormap="inferno",
            )
            used = int(table["used"].sum())
            warnings = distilled.warnings
            if recipe.preprocess == NOT_PREPROCESSED:
                warnings += (
                    f"The image {source.name!r} was not preprocessed: its background is in the "
                    "PSF now. Choose the layer that Preprocess beads wrote.",
                )
            return [layer], f"done: {used} beads, on {distilled.device}", warnings

        return steps

    return Job(viewer, prepare)
