"""What the guide asks once, for all of its steps."""

from typing import Any

import napari
from magicgui.widgets import FunctionGui
from napari.layers import Image, Layer

from napari_psf_distiller.recipe import JointFit
from napari_psf_distiller.widgets.distil.widget import BEAD_DIAMETER, OPTICS
from napari_psf_distiller.widgets.guide.parameters import HEAD
from napari_psf_distiller.widgets.help.offer import offer_help
from napari_psf_distiller.widgets.layers.choices import is_preview
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_recognition import is_psf
from napari_psf_distiller.widgets.layers.source import voxel_size_of
from napari_psf_distiller.widgets.layers.voxel_size import (
    VOXEL_SIZE_OPTIONS,
    differs,
    offer_voxel_size,
)
from napari_psf_distiller.widgets.parts.field_notes import FieldNotes
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.parts.notice import Notice

__all__ = ["asked_once", "is_bead_image", "show_scale_notice"]

# What to do where the image's layer does not have the voxel size that is given, or none at all.
DIFFERS = (
    "The steps compute with this voxel size. The layers are drawn with the image's own scale, so "
    "the viewer's scale bar and 3D view are not in µm; <i>Set as the layer's scale</i> sets them "
    "right."
)
MISSING = "The layer says no voxel size. Type it in above."

# The kind of microscope comes first, and then what it asks for; only the joint fit asks for it, and
# for the beads' size.
FORM = Form(
    (*OPTICS, *BEAD_DIAMETER),
    first=(*(one.name for one in OPTICS), "voxel_size", "bead_diameter"),
    conditions=dict.fromkeys(
        (one.name for one in (*OPTICS, *BEAD_DIAMETER)), ("method", (JointFit.tag(),))
    ),
)

METHODS = [("joint", "joint"), ("stepwise", "richardson-lucy")]


def _init(gui: FunctionGui[Any, Any]) -> None:
    FORM.attach(gui)
    offer_help(gui, HEAD)
    gui.notes = FieldNotes(gui)
    button = gui.scale_button = offer_voxel_size(gui, HEAD)
    gui.scale_notice = Notice()
    layout = gui.native.layout()
    layout.insertWidget(layout.indexOf(button.native) + 1, gui.scale_notice)
    gui.margins = (0, 0, 0, 0)


def show_scale_notice(gui: FunctionGui[Any, Any]) -> None:
    """Say so if the image's layer has not the voxel size given, below the button that sets it."""
    layer, text = gui.image.value, ""
    missing = layer is not None and voxel_size_of(layer) is None
    if differs(layer, gui.voxel_size.value):
        text, missing = DIFFERS, False
    elif missing:
        text = MISSING
    gui.scale_notice.say(text, to_do=missing)


def is_bead_image(layer: Layer) -> bool:
    """Return whether a layer is an image that no step of ours wrote, and no PSF either."""
    return (
        isinstance(layer, Image)
        and own_note(layer.metadata) is None
        and not is_preview(layer)
        and not is_psf(layer)
    )


@FORM.widget(
    widget_init=_init,
    call_button=False,
    image={
        "label": "bead image",
        "tooltip": "The image layer of fluorescent beads that all begins with, as it was measured; "
        "2D or 3D.",
    },
    voxel_size=VOXEL_SIZE_OPTIONS,
    method={
        "choices": METHODS,
        "tooltip": "Joint fits the PSF, the beads and the background to the raw image, which is "
        "best in most cases. Stepwise preprocesses, thresholds and deconvolves, as the "
        "original notebook did.",
    },
)
def asked_once(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    method: str = "joint",
    **parameters: Any,
) -> None:
    """Ask for the image and what is known of it."""
