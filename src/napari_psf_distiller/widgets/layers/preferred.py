"""Which layer a widget chooses by itself, of all that it offers."""

from collections.abc import Mapping
from typing import Any

from magicgui.widgets import ComboBox, FunctionGui
from napari.layers import Layer

from napari_psf_distiller.widgets.layers.lineage import identity
from napari_psf_distiller.widgets.layers.record import OPENED, own_note
from napari_psf_distiller.widgets.layers.source import SOURCE_KEY
from napari_psf_distiller.widgets.parts.docks import when_docked

__all__ = ["choose_newest", "choose_source", "prefer_layers"]

# The step that a PSF is finished with.
FINISHED = "Post-process PSF"


def prefer_layers(gui: FunctionGui[Any, Any], writers: Mapping[str, str]) -> None:
    """Let a widget, when it is opened, choose what the steps before it wrote.

    Parameters
    ----------
    gui : FunctionGui
    writers : mapping of str to str
        For a parameter that takes a layer, the step whose newest layer is preferred.
    """

    def prefer() -> None:
        for parameter, step in writers.items():
            choose_newest(gui[parameter], step)

    when_docked(gui, prefer)


def choose_newest(choice: ComboBox, step: str) -> bool:
    """Choose the newest layer that a step wrote, and return whether there is one.

    A PSF that was opened from a file counts as post-processed.
    """
    steps = (step, OPENED) if step == FINISHED else (step,)
    notes = [(layer, own_note(layer.metadata)) for layer in choice.choices if layer is not None]
    fitting = [layer for layer, note in notes if note is not None and note.get("step") in steps]
    if fitting:
        choice.value = fitting[-1]
    return bool(fitting)


def choose_source(choice: ComboBox, layer: Layer | None) -> None:
    """Choose the layer that another was made from, if it is still there."""
    note = own_note(layer.metadata) if layer is not None else None
    if note is None:
        return
    for other in choice.choices:
        if other is not None and note.get(SOURCE_KEY) == identity(other):
            choice.value = other
            return
