"""Which layers are PSFs: those that a step made, or a file holds, and those that look like one."""

from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Image, Layer

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf.likeness import doubt_about
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, own_note
from napari_psf_distiller.widgets.layers.psf_layer import note_of_psf
from napari_psf_distiller.widgets.layers.region import (
    axes_of_space,
    full_resolution,
    shown_region,
)

__all__ = ["check_is_psf", "confirm_psf", "doubt_about_layer", "is_psf", "step_of_psf"]

PSF_STEPS = (StepId.DISTILL, StepId.POSTPROCESS, StepId.OPEN)

# Layers of which their user says that they are PSFs.
_confirmed: WeakSet[Layer] = WeakSet()

# What the voxels of a layer told, and the data that were looked at.
_doubts: WeakKeyDictionary[Layer, tuple[Any, str]] = WeakKeyDictionary()


def step_of_psf(layer: Layer) -> StepId | None:
    """Return the step of ours that a PSF's layer is from; None of a layer that is from no such one.

    One that was opened from a file of ours is from OPEN, whoever read the file.
    """
    note = note_of_psf(layer) if METADATA_KEY not in layer.metadata else own_note(layer.metadata)
    return note.step if note is not None and not note.part and note.step in PSF_STEPS else None


def is_psf(layer: Layer) -> bool:
    """Return whether a layer is a PSF, as far as its note, its voxels or its user say."""
    if not isinstance(layer, Image) or layer.rgb:
        return False
    if step_of_psf(layer) is not None:
        return True
    return own_note(layer.metadata) is None and not doubt_about_layer(layer)


def doubt_about_layer(layer: Image) -> str:
    """Return why a layer is hardly a PSF; nothing of one that is, or whose user says so.

    Parameters
    ----------
    layer : napari.layers.Image

    Returns
    -------
    str
        A part of a sentence, see `doubt_about`.
    """
    if layer in _confirmed or step_of_psf(layer) is not None:
        return ""
    note = own_note(layer.metadata)
    if note is not None:
        return f"{note.step.title} made it"
    data = full_resolution(layer)
    seen = _doubts.get(layer)
    if seen is None or seen[0] is not data:
        seen = _doubts[layer] = data, _doubt_about_voxels(layer, data)
    return seen[1]


def _doubt_about_voxels(layer: Image, data: Any) -> str:
    if len(axes_of_space(layer)) < 2:
        return "it has less than two axes of space"
    if not isinstance(data, np.ndarray):
        # A choice of layers does not wait for a disk.
        return "its voxels lie on disk, where nobody looked at them"
    try:
        region = shown_region(layer)
    except InputError:
        region = None
    return doubt_about(np.asarray(data if region is None else region.of(data)))


def confirm_psf(layer: Layer, confirmed: bool = True) -> None:
    """Keep that a layer's user says that it is a PSF, or take that back."""
    if confirmed:
        _confirmed.add(layer)
    else:
        _confirmed.discard(layer)


def check_is_psf(layer: Image | None, image: Layer | None = None) -> None:
    """Say that a layer is hardly a PSF; of none nothing is said.

    Parameters
    ----------
    layer : napari.layers.Image or None
        What is chosen as the PSF.
    image : napari.layers.Layer, optional
        What is chosen as the image: it is not its own PSF.

    Raises
    ------
    InputError
    """
    if layer is None:
        return
    if image is not None and layer is image:
        raise InputError(
            f"The layer {layer.name!r} is chosen as the image and as the PSF: choose its PSF."
        )
    if doubt := doubt_about_layer(layer):
        raise InputError(
            f"The layer {layer.name!r} is hardly a PSF: {doubt}. Choose another, or mark below its "
            "name that it is one."
        )
