"""The widget Deconvolve: an image and a PSF become a sharper image."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.pipeline import deconvolve_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Deconvolve
from napari_psf_distiller.widgets.devices import DEVICE_OPTIONS, offer_devices
from napari_psf_distiller.widgets.layers import (
    layer_like,
    prefer_layers,
    read_image_layer,
    same_voxels,
)
from napari_psf_distiller.widgets.record import (
    used_device,
)
from napari_psf_distiller.widgets.worker import Job, Outcome, StepRunner

__all__ = ["deconvolve"]

TITLE = "Deconvolve"
DEFAULT = Deconvolve()


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    prefer_layers(gui, {"image": "Preprocess beads", "psf": "Post-process PSF"})
    offer_devices(gui.device)


@magic_factory(
    widget_init=_init,
    call_button="Deconvolve",
    image={"tooltip": "The image layer to deconvolve, background subtracted."},
    psf={"label": "PSF", "tooltip": "The image layer of the PSF."},
    iterations={
        "min": 0,
        "max": 100_000,
        "tooltip": "Of Richardson-Lucy; more is sharper, and noisier.",
    },
    boundary={"tooltip": "Non-circulant allows for light from outside; circulant is faster."},
    device=DEVICE_OPTIONS,
)
def deconvolve(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    psf: "napari.layers.Image",
    iterations: int = DEFAULT.iterations,
    boundary: Literal["noncirculant", "circulant"] = DEFAULT.boundary,
    device: str = "auto",
) -> Job:
    """Deconvolve an image with a PSF: its use, and its test."""

    def prepare() -> Callable[[], Steps[Outcome]]:
        source = read_image_layer(image, "an image")
        kernel = read_image_layer(psf, "a PSF")
        settings = Deconvolve(iterations=iterations, boundary=boundary)
        # The way of the image counts for its own part, that of the PSF is noted with its layer.
        recipe = dataclasses.replace(source.recipe, deconvolve=settings, device=device)

        def steps() -> Steps[Outcome]:
            array, kernel_array = np.asarray(source.data), np.asarray(kernel.data)
            result = yield from deconvolve_step(array, kernel_array, recipe)
            warnings = deconvolve_warnings(array, kernel_array, boundary)
            if not same_voxels(source, kernel):
                warnings += (
                    f"The voxel sizes differ: image {source.recipe.spacing}, PSF "
                    f"{kernel.recipe.spacing} micrometres. The result is not right.",
                )
            layer = layer_like(
                source,
                result.array,
                "image",
                f"{source.origin} deconvolved",
                used_device(recipe, result.device),
                step=TITLE,
                others=[kernel],
                colormap="gray",
            )
            return [layer], f"done: {iterations} iterations, on {result.device}", warnings

        return steps

    return Job(viewer, prepare)
