"""Layers that give way to newer ones: those of the run before, and those that were worked on."""

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Layer, Points
from napari.viewer import Viewer

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.choices import unwrapped
from napari_psf_distiller.widgets.layers.lineage import identity, run_of, was_edited
from napari_psf_distiller.widgets.layers.note import LayerNote, own_note
from napari_psf_distiller.widgets.running.job import Ending

__all__ = ["give_way", "hide_fitted_beads", "hide_inputs", "keep_for_good"]

# What each layer was called when its run had ended. Who renames one means to keep it.
_names: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()

# Layers that have something of their user's in them, though their last content is a run's.
_kept: WeakSet[Layer] = WeakSet()


def keep_for_good(layer: Layer) -> None:
    """Let a layer stay when its step is run again, as its user's edits are in it."""
    _kept.add(layer)


def give_way(viewer: Viewer, added: Sequence[Layer], names: Sequence[str]) -> None:
    """Remove what an earlier run of the same step made of the same layers, and take its names.

    What was edited, renamed or copied stays.

    Parameters
    ----------
    viewer : napari.Viewer
    added : sequence of Layer
        That a run added.
    names : sequence of str
        What each is to be called, if no other layer is called so.
    """
    for layer in added:
        for old in [one for one in viewer.layers if _is_former(one, layer) and one not in added]:
            viewer.layers.remove(old)
    for layer, name in zip(added, names, strict=True):
        if layer in viewer.layers and layer not in _names:
            layer.name = name
            _names[layer] = layer.name


def _is_former(old: Layer, new: Layer) -> bool:
    """Return whether a layer is what an earlier run made in the place of another."""
    if old in _kept or _names.get(old) != old.name or type(old) is not type(new):
        return False
    before, after = own_note(old.metadata), own_note(new.metadata)
    return (
        before is not None
        and after is not None
        and _place_of(before) == _place_of(after)
        and not was_edited(old)
    )


def _place_of(note: LayerNote) -> tuple[object, ...]:
    """Return what two layers share of which the newer one takes the place of the other."""
    root = note.run.root if note.run is not None else ""
    names = tuple(one.name for one in (note.source, *note.others) if one is not None)
    return note.step, note.part, note.unfinished, root, names


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
