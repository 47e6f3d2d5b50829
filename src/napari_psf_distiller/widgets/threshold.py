"""The widget Threshold: an image layer becomes a labels layer of what is bead."""

import dataclasses
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui
from napari.utils import DirectLabelColormap
from superqt.utils import qdebounced

from napari_psf_distiller.pipeline import threshold_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Threshold
from napari_psf_distiller.steps.threshold import Method, threshold_value
from napari_psf_distiller.widgets.layers import (
    layer_like,
    prefer_layers,
    read_image_layer,
)
from napari_psf_distiller.widgets.worker import Job, Outcome, StepRunner

__all__ = ["threshold"]

TITLE = "Threshold"
DEFAULT = Threshold()

# Yellow: it stands out from grey images for the colour-blind too (Okabe and Ito 2008).
BEAD_COLOUR = "#f0e442"


def _init(gui: FunctionGui[Any, Any]) -> None:
    runner = StepRunner(gui, TITLE)
    prefer_layers(gui, {"image": "Preprocess beads"})

    def show_what_counts(method: str) -> None:
        gui.factor.visible = method == "noise"
        gui.value.visible = gui.live.visible = method == "manual"
        gui.window.visible = gui.offset.visible = method == "local"

    def fit_range(layer: Any) -> None:
        if layer is None or layer.rgb:
            return
        low, high = (float(limit) for limit in layer.contrast_limits_range)
        if low < high:
            value = gui.value.value
            with gui.changed.blocked():
                gui.value.min, gui.value.max = min(low, gui.value.min), high
                # The slider rounds its ends: the value must lie between what it made of them.
                gui.value.value = min(max(value, low, gui.value.min), gui.value.max)
                gui.value.min = min(low, gui.value.value)

    def follow(_: Any) -> None:
        # A moved slider thresholds anew as soon as it rests; what it made before is replaced.
        if gui.live.value and gui.method.value == "manual" and gui.image.value is not None:
            if runner.running:
                runner.cancel()
                again()
            else:
                gui()

    again = qdebounced(lambda: follow(None), timeout=100)
    settled = qdebounced(lambda: follow(None), timeout=150)
    gui.method.changed.connect(show_what_counts)
    gui.image.changed.connect(fit_range)
    # The first choice of layers comes with the viewer, and is not announced as a change.
    gui.native_parent_changed.connect(lambda _: fit_range(gui.image.value))
    gui.value.changed.connect(lambda _: settled())
    # A widget that is gone has no slider to rest.
    gui.native.destroyed.connect(settled.cancel)
    gui.native.destroyed.connect(again.cancel)
    show_what_counts(gui.method.value)


@magic_factory(
    widget_init=_init,
    call_button="Threshold",
    image={"label": "image", "tooltip": "A preprocessed image layer, 2D or 3D."},
    method={
        "tooltip": "Noise takes what stands out of the background's noise; Otsu, Li and triangle "
        "look at the histogram of the whole image; local compares each voxel with its "
        "neighbourhood; manual takes the value."
    },
    factor={
        "label": "factor x noise",
        "min": 0.1,
        "max": 1e4,
        "tooltip": "How many standard deviations of the noise above the median; 5 finds dim beads, "
        "15 only bright ones.",
    },
    value={
        "widget_type": "FloatSlider",
        "min": 0.0,
        "max": 1.0,
        "tooltip": "Voxels above it are bead; in the image's intensity units.",
    },
    live={"tooltip": "Threshold anew whenever the manual value changes."},
    window={
        "label": "window (µm)",
        "min": 0.01,
        "max": 1e4,
        "tooltip": "Width of the neighbourhood; a few times a bead's image.",
    },
    offset={
        "min": 0.0,
        "max": 1e9,
        "tooltip": "How far above its neighbourhood's mean a voxel must lie; 0 is the image's "
        "standard deviation.",
    },
)
def threshold(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    method: Method = DEFAULT.method,
    factor: float = DEFAULT.factor,
    value: float = 0.0,
    live: bool = True,
    window: float = DEFAULT.window,
    offset: float = 0.0,
) -> Job:
    """Decide which voxels are bead."""

    def prepare() -> Callable[[], Steps[Outcome]]:
        source = read_image_layer(image, "a preprocessed image")
        settings = Threshold(
            method=method,
            factor=factor,
            value=value if method == "manual" else None,
            window=window,
            offset=offset or None,
        )
        recipe = dataclasses.replace(source.recipe, threshold=settings)

        def steps() -> Steps[Outcome]:
            array = np.asarray(source.data)
            mask = yield from threshold_step(array, recipe)
            layer = layer_like(
                source,
                mask.astype(np.uint8),
                "labels",
                f"{source.origin} threshold",
                recipe,
                step=TITLE,
                opacity=0.6,
                colormap=DirectLabelColormap(color_dict={0: "transparent", None: BEAD_COLOUR}),
            )
            shown = "above the local mean"
            if method != "local":
                level = threshold_value(array, method, factor=factor, value=settings.value)
                shown = f"above {level:.6g}"
            return [layer], f"done: {100 * mask.mean():.2f} % of the voxels, {shown}", ()

        return steps

    return Job(viewer, prepare, replace_for=image if live and method == "manual" else None)
