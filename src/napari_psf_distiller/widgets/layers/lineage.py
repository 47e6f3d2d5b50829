"""Which run made a layer: its parameters, and the layers that went in, as they were then."""

import dataclasses
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from magicgui.widgets import FunctionGui
from napari.layers import Image, Labels, Layer, Points
from napari.viewer import Viewer

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, InputNote, RunNote, own_note
from napari_psf_distiller.widgets.layers.record import digest_of, is_edited
from napari_psf_distiller.widgets.layers.region import shown_region
from napari_psf_distiller.widgets.parts.form import form_of

__all__ = [
    "beginning_of",
    "being_written",
    "identity",
    "input_of",
    "inputs_of",
    "is_being_written",
    "is_copy",
    "layers_of",
    "newest_layer",
    "parameters_of",
    "record_run",
    "rewrite",
    "root_of",
    "run_of",
    "sign",
    "was_edited",
]

# They change how a result is computed, not what it is; or when.
WITHOUT_EFFECT = {"device", "fft", "memory", "live"}

PLAIN = (bool, int, float, str, tuple, list)

# How often each layer was changed since it was first seen.
_changes: WeakKeyDictionary[Layer, int] = WeakKeyDictionary()

# Those that a step or a fit is writing.
_written: WeakSet[Layer] = WeakSet()


def identity(layer: Layer) -> str:
    """Return what a layer keeps when it is renamed or edited."""
    return str(layer.unique_id)


def _watch(layer: Layer) -> None:
    """Count the changes of a layer's content from now on."""
    if layer in _changes:
        return
    _changes[layer] = 0
    for name in ("data", "paint"):
        emitter = getattr(layer.events, name, None)
        if emitter is not None:
            emitter.connect(_count)


def _count(event: Any) -> None:
    if event.source in _changes:
        _changes[event.source] += 1


def _content(layer: Layer) -> str:
    """Return what differs when a layer's content was changed, without reading a whole image."""
    if isinstance(layer, Points):
        return digest_of(layer.data, layer.features)
    _watch(layer)
    return str(_changes[layer])


def root_of(layer: Layer, viewer: Viewer | None = None) -> str:
    """Return what tells all that is made from a layer: the layer, and which of its volumes.

    Parameters
    ----------
    layer : Layer
        That no step of ours wrote.
    viewer : napari.Viewer, optional
        Its sliders tell the time and the channel.
    """
    return identity(layer) + _part(layer, viewer)


def beginning_of(layer: Layer) -> str:
    """Return the identity of the layer that all began with, whichever of its volumes it was.

    Of a layer that no run of ours wrote it is its own.
    """
    run = run_of(layer)
    return run.root.partition(" ")[0] if run is not None else identity(layer)


def input_of(layer: Layer, viewer: Viewer | None = None) -> InputNote:
    """Return what a run notes of a layer that goes in; see `root_of`."""
    return InputNote(identity(layer), _part(layer, viewer), _content(layer))


def _part(layer: Layer, viewer: Viewer | None) -> str:
    if not isinstance(layer, Image | Labels):
        return ""
    try:
        return shown_region(layer, viewer).text
    except InputError:
        return " [beyond]"


def parameters_of(gui: FunctionGui[Any, Any]) -> dict[str, Any]:
    """Return the parameters of a step widget that count."""
    return _parameters_among(_counting(gui))


def _parameters_among(widgets: Iterable[Any]) -> dict[str, Any]:
    return {
        widget.name: tuple(value) if isinstance(value := widget.value, list) else value
        for widget in widgets
        if not widget.gui_only
        and widget.name not in WITHOUT_EFFECT
        and isinstance(getattr(widget, "value", None), PLAIN)
        and not _layers_in(widget)
    }


def _counting(gui: FunctionGui[Any, Any]) -> list[Any]:
    """Return the widgets of the parameters that count, whether they are shown or not."""
    named = [widget for widget in gui if widget.name]
    form = form_of(gui)
    if form is None:
        return named
    values = {widget.name: getattr(widget, "value", None) for widget in named}
    return [widget for widget in named if form.counts(widget.name, values)]


def inputs_of(gui: FunctionGui[Any, Any]) -> dict[str, InputNote]:
    """Return what a run of a step widget would note of the layers that are chosen in it."""
    return _notes_of(_layers_among(_counting(gui)), gui.viewer.value)


def layers_of(gui: FunctionGui[Any, Any]) -> dict[str, tuple[str, str]]:
    """Return which layers are chosen in a step widget, and which of their time points, ....

    Their content does not count: who edits points has the same layer still.
    """
    layers, viewer = _layers_among(_counting(gui)), gui.viewer.value
    return {name: (identity(layer), _part(layer, viewer)) for name, layer in layers.items()}


def _notes_of(layers: Mapping[str, Layer], viewer: Viewer | None) -> dict[str, InputNote]:
    return {name: input_of(layer, viewer) for name, layer in layers.items()}


def _layers_among(widgets: Iterable[Any]) -> dict[str, Layer]:
    found = {}
    for widget in widgets:
        layers = _layers_in(widget)
        for place, layer in enumerate(layers):
            name = f"{widget.name} {place}" if isinstance(widget.value, list) else widget.name
            found[name] = layer
    return found


def _layers_in(widget: Any) -> list[Layer]:
    """Return the layers that are chosen in a widget, which may be one for several."""
    value = getattr(widget, "value", None)
    return [
        one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Layer)
    ]


def record_run(gui: FunctionGui[Any, Any]) -> RunNote:
    """Return what a run of a step widget that begins now is recorded as."""
    widgets, viewer = _counting(gui), gui.viewer.value
    layers = _layers_among(widgets)
    first = next(iter(layers.values()), None)
    made = run_of(first) if first is not None else None
    root = ""
    if first is not None:
        root = made.root if made else root_of(first, viewer)
    return RunNote(
        id=uuid.uuid4().hex,
        time=time.time(),
        parameters=_parameters_among(widgets),
        inputs=_notes_of(layers, viewer),
        root=root,
    )


def run_of(layer: Layer) -> RunNote | None:
    """Return the record of the run that made a layer, or None if no run of ours did."""
    note = own_note(layer.metadata)
    return note.run if note is not None else None


def sign(layer: Layer, run: RunNote) -> None:
    """Note in a layer that a run wrote it just now."""
    _watch(layer)
    note = own_note(layer.metadata)
    assert note is not None
    signed = dataclasses.replace(run, layer=identity(layer), written=_content(layer))
    layer.metadata[METADATA_KEY] = dataclasses.replace(note, run=signed)


def rewrite(layer: Layer, data: Any, keywords: Mapping[str, Any], run: RunNote | None) -> None:
    """Give a layer new content, as if a run had written that just now.

    Parameters
    ----------
    layer : Layer
        That a step of ours wrote.
    data : array_like
    keywords : mapping
        As for a new layer; its metadata count, and the features of points.
    run : RunNote or None
        The run's record.
    """
    _watch(layer)
    with being_written(layer):
        layer.data = data
        if isinstance(layer, Points):
            layer.features = keywords["features"]
    layer.metadata = layer.metadata | keywords["metadata"]
    if run is not None:
        sign(layer, run)


@contextmanager
def being_written(layer: Layer) -> Iterator[None]:
    """Let it be known that what changes in a layer is no edit by its user."""
    _written.add(layer)
    try:
        yield
    finally:
        _written.discard(layer)


def is_being_written(layer: Layer) -> bool:
    """Return whether a step or a fit is writing a layer just now."""
    return layer in _written


def is_copy(layer: Layer) -> bool:
    """Return whether a layer is a copy that somebody made of the one that a run wrote."""
    run = run_of(layer)
    return run is not None and run.layer not in ("", identity(layer))


def was_edited(layer: Layer) -> bool:
    """Return whether a layer was changed by hand since its run wrote it."""
    run = run_of(layer)
    if isinstance(layer, Points):
        return is_edited(layer)
    return run is not None and run.written != _content(layer)


def newest_layer(
    layers: Iterable[Layer], step: StepId, part: str = "", *, root: str = "", run: str = ""
) -> Layer | None:
    """Return the newest of the layers that a step wrote, or None; a copy comes after its original.

    Parameters
    ----------
    layers : iterable of Layer
    step : StepId
    part : str
        Which of the step's results; see `layer_like`.
    root : str, optional
        See `root_of`.
    run : str, optional
        The one run that made it.
    """
    found = []
    for place, layer in enumerate(layers):
        note = own_note(layer.metadata)
        made = note.run if note is not None else None
        if (
            note is not None
            and made is not None
            and (note.step, note.part) == (step, part)
            and not note.unfinished
            and (not root or made.root == root)
            and (not run or made.id == run)
        ):
            found.append((made.time, not is_copy(layer), place, layer))
    return max(found, key=lambda entry: entry[:3])[3] if found else None
