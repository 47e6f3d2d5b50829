"""The widget Threshold: an image layer becomes a labels layer of what is bead."""

import dataclasses
from typing import Any

import napari
import numpy as np
from magicgui.widgets import FunctionGui
from napari.utils import DirectLabelColormap

from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Threshold
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise.pipeline import threshold_step
from napari_psf_distiller.stepwise.threshold import threshold_value
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.choices import prefer_layers
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.running.job import ImageTask, Job, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.threshold.preview import ThresholdPreview
from napari_psf_distiller.widgets.viewer.sliders import LevelSlider

__all__ = ["threshold"]

STEP = StepId.THRESHOLD
TITLE = STEP.title
FORM = Form(
    declared(Threshold),
    first=("method", "factor", "value", "live"),
    options={"value": {"widget_type": LevelSlider}},
)

# Yellow: it stands out from grey images for the colour-blind too (Okabe and Ito 2008).
BEAD_COLOUR = "#f0e442"


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    attend(gui)
    prefer_layers(gui, {"image": StepId.PREPROCESS})

    def fit_range(layer: Any) -> None:
        if layer is None or layer.rgb:
            return
        low, high = (float(limit) for limit in layer.contrast_limits_range)
        if low < high:
            with gui.changed.blocked(), gui.value.changed.blocked():
                gui.value.set_range(low, high)

    gui.image.changed.connect(fit_range)
    # The first choice of layers comes with the viewer, and is not announced as a change.
    when_docked(gui, lambda: fit_range(gui.image.value))
    FORM.attach(gui)
    # After what sets the slider's range: what is shown lies within it.
    gui.preview = ThresholdPreview(gui, TITLE)


@FORM.widget(
    widget_init=_init,
    call_button=TITLE,
    image={"label": "image", "tooltip": "A preprocessed image layer, 2D or 3D."},
    live={
        "label": "live preview",
        "tooltip": "Show in blue what the threshold takes, while it changes; Threshold then makes "
        "the labels. In 3D a large image is shown at a reduced resolution.",
    },
)
def threshold(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    live: bool = True,
    **parameters: Any,
) -> Job[ImageTask]:
    """Decide which voxels are bead."""

    def read() -> ImageTask:
        source = read_image_layer(image, "a preprocessed image", viewer)
        settings = Threshold(**FORM.taken(Threshold, parameters))
        return ImageTask(source, dataclasses.replace(source.recipe, threshold=settings))

    replace_for = image if live and parameters["method"] == "manual" else None
    return Job(viewer, read, threshold_steps, replace_for=replace_for)


def threshold_steps(task: ImageTask) -> Steps[Outcome]:
    """Threshold an image; the generator of the step's worker."""
    source, recipe = task.source, task.recipe
    settings, array = recipe.threshold, np.asarray(source.data)
    mask = yield from threshold_step(array, recipe)
    layer = layer_like(
        source,
        mask.astype(np.uint8),
        "labels",
        f"{source.short_name} threshold",
        recipe,
        step=STEP,
        opacity=0.6,
        colormap=DirectLabelColormap(color_dict={0: "transparent", None: BEAD_COLOUR}),
    )
    shown = "above the local mean"
    if settings.method != "local":
        level = threshold_value(
            array, settings.method, factor=settings.factor, value=settings.value
        )
        shown = f"above {level:.6g}"
    return Outcome([layer], f"done: {100 * mask.mean():.2f} % of the voxels, {shown}")
