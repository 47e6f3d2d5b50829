"""Which layers a widget offers, and which of them it chooses by itself.

It offers all that fit, but none that only shows what is to come.
"""

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import ref

import napari
from magicgui.widgets import ComboBox, FunctionGui, Select
from napari.layers import Image, Labels, Layer, Points

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.lineage import identity
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_recognition import is_psf
from napari_psf_distiller.widgets.parts.docks import when_docked
from napari_psf_distiller.widgets.parts.form import keep_narrow
from napari_psf_distiller.widgets.viewer.kept_choice import keep_choice

__all__ = [
    "PREVIEW_KEY",
    "choose_newest",
    "choose_source",
    "is_preview",
    "offer",
    "offer_kinds",
    "offer_layers",
    "prefer_layers",
    "unwrapped",
    "viewer_of",
]

T = TypeVar("T")

# Marks a layer in its metadata: it is no image that a step works on.
PREVIEW_KEY = "psf_distiller_preview"


def is_preview(layer: Layer) -> bool:
    """Return whether a layer only shows what a step is about to make."""
    return PREVIEW_KEY in layer.metadata


def viewer_of(gui: FunctionGui[Any, Any]) -> "napari.viewer.Viewer | None":
    """Return the viewer that a widget is docked in, unwrapped."""
    viewer = gui.viewer.value
    return unwrapped(viewer) if viewer is not None else None


def unwrapped(viewer: "napari.viewer.Viewer") -> "napari.viewer.Viewer":
    """Return the viewer itself.

    napari hands it to plugins in a wrapping that is new each time, is slow where a hand is
    followed, and has layers that are not those which the widgets choose from.
    """
    return typing.cast("napari.viewer.Viewer", getattr(viewer, "__wrapped__", viewer))


def offer_layers(gui: FunctionGui[Any, Any]) -> None:
    """Let a step widget's choices of layers leave out previews and PSFs.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``viewer``.
    """
    for widget in gui:
        kind = _kind_of(widget.annotation)
        if isinstance(widget, ComboBox) and kind is not None:
            offer_kinds(gui, widget, kind)


def offer_kinds(
    gui: FunctionGui[Any, Any], choice: ComboBox, kinds: type[Layer] | types.UnionType
) -> None:
    """Let a choice of a step widget offer all layers of some kinds, but no previews and no PSFs.

    A PSF is no image that a step works on; what asks for one is a `PSFField`.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``viewer``.
    choice : ComboBox
    kinds : type or union of types
        Of layers.
    """

    def fits(layer: Layer) -> bool:
        return isinstance(layer, kinds) and not is_preview(layer) and not is_psf(layer)

    offer(choice, gui, viewer_of, fits)


def offer(
    choice: ComboBox | Select,
    owner: T,
    find_viewer: Callable[[T], "napari.viewer.Viewer | None"],
    fits: Callable[[Layer], bool],
) -> None:
    """Let a choice offer the layers of a viewer that fit.

    Parameters
    ----------
    choice : ComboBox or Select
    owner : object
        Leads to the viewer. Python keeps the annotations that magicgui makes of parameters, and in
        them what is offered: it must not keep a widget or a viewer, and the images with it.
    find_viewer : callable
        Returns the owner's viewer, or None.
    fits : callable
        Whether a layer is offered.
    """
    if isinstance(choice, ComboBox):
        keep_narrow(choice)
    weakly = ref(owner)

    def offered(_: Any = None) -> list[Layer]:
        owner = weakly()
        viewer = find_viewer(owner) if owner is not None else None
        return [layer for layer in (viewer.layers if viewer is not None else ()) if fits(layer)]

    choice.choices = offered
    if isinstance(choice, ComboBox):
        keep_choice(choice)


def _kind_of(annotation: Any) -> type[Layer] | None:
    """Return the class of layers that an annotation asks for, optional or not."""
    for kind in (annotation, *typing.get_args(annotation)):
        if kind in (Image, Labels, Points):
            return typing.cast("type[Layer]", kind)
    return None


def prefer_layers(gui: FunctionGui[Any, Any], writers: Mapping[str, StepId]) -> None:
    """Let a widget, when it is opened, choose what the steps before it wrote.

    Parameters
    ----------
    gui : FunctionGui
    writers : mapping of str to StepId
        For a parameter that takes a layer, the step whose newest layer is preferred.
    """

    def prefer() -> None:
        for parameter, step in writers.items():
            choose_newest(gui[parameter], step)

    when_docked(gui, prefer)


def choose_newest(choice: ComboBox, step: StepId, part: str = "") -> bool:
    """Choose the newest layer that a step wrote, and return whether there is one."""
    notes = [(layer, own_note(layer.metadata)) for layer in choice.choices if layer is not None]
    fitting = [
        layer
        for layer, note in notes
        if note is not None and (note.step, note.part) == (step, part)
    ]
    if fitting:
        choice.value = fitting[-1]
    return bool(fitting)


def choose_source(choice: ComboBox, layer: Layer | None) -> None:
    """Choose the layer that another was made from, if it is still there."""
    note = own_note(layer.metadata) if layer is not None else None
    if note is None:
        return
    for other in choice.choices:
        if other is not None and note.source_layer == identity(other):
            choice.value = other
            return
