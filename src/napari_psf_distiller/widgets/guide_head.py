"""What the guide asks once, for all of its steps."""

from typing import Any

import napari
from magicgui import magic_factory
from magicgui.widgets import FunctionGui
from napari.layers import Image, Layer

from napari_psf_distiller.widgets.choices import is_preview
from napari_psf_distiller.widgets.devices import name_zero
from napari_psf_distiller.widgets.guide_parameters import HEAD
from napari_psf_distiller.widgets.record import own_note
from napari_psf_distiller.widgets.voxel_size import VOXEL_SIZE_OPTIONS, offer_voxel_size

__all__ = ["asked_once", "is_bead_image"]

METHODS = [("joint", "joint"), ("stepwise", "richardson-lucy")]


def _init(gui: FunctionGui[Any, Any]) -> None:
    name_zero(gui.bead_diameter, "not known")
    offer_voxel_size(gui, HEAD)
    gui.margins = (0, 0, 0, 0)


def is_bead_image(layer: Layer) -> bool:
    """Return whether a layer is an image that no step of ours wrote."""
    return isinstance(layer, Image) and own_note(layer.metadata) is None and not is_preview(layer)


@magic_factory(
    widget_init=_init,
    call_button=False,
    image={
        "label": "bead image",
        "tooltip": "The image layer of fluorescent beads that all begins with, as it was measured; "
        "2D or 3D.",
    },
    voxel_size=VOXEL_SIZE_OPTIONS,
    bead_diameter={
        "label": "bead diameter (µm)",
        "min": 0.0,
        "max": 100.0,
        "step": 0.01,
        "tooltip": "As the beads' maker states it; its blur is taken out of the PSF. 0.1 is usual; "
        "0 is not known, and the PSF is then as wide as a bead's image.",
    },
    method={
        "choices": METHODS,
        "tooltip": "Joint fits the PSF, the beads and the background to the raw image, which is "
        "best in most cases. Stepwise preprocesses, thresholds and deconvolves, as the notebook "
        "does.",
    },
)
def asked_once(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    bead_diameter: float = 0.0,
    method: str = "joint",
) -> None:
    """Ask for the image and what is known of it."""
