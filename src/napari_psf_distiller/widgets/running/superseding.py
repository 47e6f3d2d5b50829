"""Layers that give way: to those of the next run, and as inputs to what was made of them."""

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Layer, Points
from napari.viewer import Viewer

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.choices import unwrapped
from napari_psf_distiller.widgets.layers.lineage import (
    being_written,
    identity,
    is_copy,
    run_of,
    was_edited,
)
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.layers.note import LayerNote, RunNote, own_note
from napari_psf_distiller.widgets.running.job import Ending

__all__ = [
    "former_of",
    "hide_fitted_beads",
    "hide_inputs",
    "keep_for_good",
    "note_name",
    "write_over",
]

# What each layer was called when its run had ended. Who renames one means to keep it.
_names: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()

# Layers that have something of their user's in them, though their last content is a run's.
_kept: WeakSet[Layer] = WeakSet()

# How a layer that is written over looks is its user's.
LOOKS = ("name", "colormap", "interpolation2d")


def keep_for_good(layer: Layer) -> None:
    """Let a layer stay when its step is run again, as its user's edits are in it."""
    _kept.add(layer)


def note_name(layer: Layer) -> None:
    """Note what a layer is called that a run wrote just now."""
    _names[layer] = layer.name


def former_of(layers: Iterable[Layer], new: LayerData, run: RunNote) -> Layer | None:
    """Return what an earlier run of the same step made of the same layers, to be written over.

    What was edited, renamed or copied stays as it is.

    Parameters
    ----------
    layers : iterable of Layer
        All of the viewer's.
    new : LayerData
        What a run made now.
    run : RunNote
        The record of that.
    """
    data, keywords, kind = new
    note = own_note(keywords["metadata"])
    if note is None or note.step is StepId.THRESHOLD:
        # Labels are painted in; their widget says itself what is written over.
        return None
    ndim = np.shape(data)[1] if kind == "points" else np.ndim(data)
    found = [
        layer
        for layer in layers
        if type(layer).__name__.lower() == kind
        and layer.ndim == ndim
        and _is_former(layer, _place_of(note, run))
    ]
    return found[-1] if found else None


def _is_former(old: Layer, place: tuple[object, ...]) -> bool:
    """Return whether a layer is what an earlier run made in a place, and as the run left it."""
    if old in _kept or _names.get(old) != old.name:
        return False
    note = own_note(old.metadata)
    made = note.run if note is not None else None
    return (
        note is not None
        and made is not None
        and _place_of(note, made) == place
        and not is_copy(old)
        and not was_edited(old)
    )


def _place_of(note: LayerNote, run: RunNote) -> tuple[object, ...]:
    """Return what two layers share of which the newer one takes the place of the other."""
    names = tuple(one.name for one in (note.source, *note.others) if one is not None)
    return note.step, note.part, note.unfinished, run.root, names


def write_over(layer: Layer, viewer: Viewer, data: Any, keywords: dict[str, Any]) -> None:
    """Write a run's result into the layer that an earlier one made, and put that on top.

    So it stays chosen where it is chosen, and keeps the looks that its user gave it.

    Parameters
    ----------
    layer : Layer
    viewer : napari.Viewer
    data : array_like
    keywords : dict
        As for a new layer.
    """
    left_out = set(LOOKS)
    with being_written(layer):
        layer.data = data
        if isinstance(layer, Points):
            # Colours and symbols go with the features.
            left_out |= {"features", "border_color", "symbol", "feature_defaults"}
            layer.features = keywords["features"]
    for name, value in ({"visible": True} | keywords).items():
        if name not in left_out:
            setattr(layer, name, value)
    viewer.layers.move(viewer.layers.index(layer), -1)
    viewer.layers.selection = {layer}


def hide_inputs(ending: Ending, *parameters: str) -> None:
    """Hide layers of ours that a run worked on, as what it made shows more.

    Parameters
    ----------
    ending : Ending
        Of the run.
    *parameters : str
        Which of its layers.
    """
    if ending.kind != "done" or ending.job is None or not ending.layers:
        return
    run = run_of(ending.layers[-1])
    known = {} if run is None else run.inputs
    hidden = {known[name].layer for name in parameters if name in known}
    _hide(
        layer
        for layer in unwrapped(ending.job.viewer).layers
        if identity(layer) in hidden and own_note(layer.metadata) is not None
    )


def hide_fitted_beads(ending: Ending) -> None:
    """Hide the fitted beads of earlier runs when new ones are found in the same image."""
    if ending.kind != "done" or ending.job is None or not ending.layers:
        return
    run = run_of(ending.layers[-1])
    _hide(
        layer
        for layer in unwrapped(ending.job.viewer).layers
        if isinstance(layer, Points)
        and (note := own_note(layer.metadata)) is not None
        and note.step is StepId.DISTILL
        and run is not None
        and note.run is not None
        and note.run.root == run.root
    )


def _hide(layers: Iterable[Layer]) -> None:
    for layer in list(layers):
        if layer.visible:
            layer.visible = False
