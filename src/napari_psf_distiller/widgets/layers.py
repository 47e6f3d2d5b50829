"""From napari layers to arrays and recipes, and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pint
from magicgui.widgets import ComboBox, FunctionGui
from napari.layers import Image, Labels, Layer

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import Preprocess, Recipe
from napari_psf_distiller.widgets.record import (
    METADATA_KEY,
    digest_of,
    is_edited,
    own_note,
)

__all__ = [
    "NOT_PREPROCESSED",
    "LayerData",
    "Source",
    "choose_newest",
    "choose_source",
    "layer_like",
    "not_raw",
    "prefer_layers",
    "read_image_layer",
    "read_labels_layer",
    "same_voxels",
    "set_voxel_size",
    "source_of",
    "spacing_of",
    "with_voxel_size",
]

# What napari adds to the viewer: data, keywords, type.
LayerData = tuple[Any, dict[str, Any], str]

# Digits after the point that a voxel size in micrometres is shown with.
VOXEL_SIZE_DIGITS = 5

# Of an image that no step of ours made.
NOT_PREPROCESSED = Preprocess(background="none")

# An axis of these names is not one of space; a stack along it is no volume.
NOT_SPACE = {"t": "time", "time": "time", "c": "channel", "channel": "channel"}


@dataclass(frozen=True)
class Source:
    """A layer as a step reads it, taken in the main thread.

    Attributes
    ----------
    name : str
    origin : str
        The name of the layer that all began with; what is made from it is named after it.
    data : array_like
        The layer's own, not copied and not loaded: the worker does that.
    recipe : Recipe
        All that was done to it so far; its spacing is the layer's, in micrometres.
    geometry : dict
        The keywords that put another layer onto the same grid: scale, units, axis labels, ...
    edited : bool
        Changed by hand since a step wrote it; labels and points that no step wrote are made by
        hand altogether.
    """

    name: str
    origin: str
    data: Any
    recipe: Recipe
    geometry: dict[str, Any]
    edited: bool

    def note(self) -> dict[str, Any]:
        """Return what a layer made from this one says of it."""
        return {
            "name": self.name,
            "shape": tuple(int(n) for n in np.shape(self.data)),
            "dtype": str(getattr(self.data, "dtype", np.asarray(self.data).dtype)),
        }


def read_image_layer(layer: Image | None, what: str = "an image layer") -> Source:
    """Return an image layer as a step reads it, or say why it cannot be used.

    Parameters
    ----------
    layer : napari.layers.Image or None
        What the layer list gave.
    what : str
        What to choose if there is none.

    Raises
    ------
    InputError
        No layer, RGB, multiscale, or not of 2 or 3 axes of space.
    """
    if layer is None:
        raise InputError(f"No layer is chosen. Open or make {what} and choose it.")
    if getattr(layer, "rgb", False):
        raise InputError(
            f"The layer {layer.name!r} is an RGB picture; a bead image has one value a voxel. "
            "Right-click it in the layer list and choose Split RGB."
        )
    if layer.multiscale:
        raise InputError(
            f"The layer {layer.name!r} is multiscale; open its full-resolution level as a layer "
            "of its own."
        )
    _check_axes(layer)
    return source_of(layer)


def read_labels_layer(layer: Labels | None) -> Source:
    """Return a labels layer as a step reads it, or say why it cannot be used.

    Raises
    ------
    InputError
        No layer, multiscale, or not of 2 or 3 axes of space.
    """
    if layer is None:
        raise InputError("No labels layer is chosen. Run Threshold first, or paint the beads.")
    if layer.multiscale:
        raise InputError(f"The layer {layer.name!r} is multiscale; it must have one level.")
    _check_axes(layer)
    return source_of(layer)


def source_of(layer: Layer) -> Source:
    """Return a layer as a step reads it, whatever it is."""
    note = own_note(layer.metadata)
    if note is None:
        # Nothing was done to it: a recipe must not claim the default's preprocessing.
        recipe = Recipe(preprocess=NOT_PREPROCESSED)
    else:
        recipe = Recipe.from_dict(note["recipe"])
    recipe = dataclasses.replace(recipe, spacing=spacing_of(layer.scale, layer.units))
    geometry = {
        "scale": tuple(float(value) for value in layer.scale),
        "translate": tuple(float(value) for value in layer.translate),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }
    origin = layer.name if note is None else note.get("origin", layer.name)
    edited = not isinstance(layer, Image) and (note is None or is_edited(layer))
    return Source(layer.name, origin, layer.data, recipe, geometry, edited)


def with_voxel_size(source: Source, sizes: Sequence[float]) -> Source:
    """Return the source with the voxel size that the user gave, in micrometres.

    Parameters
    ----------
    source : Source
    sizes : sequence of float
        z, y, x; of a 2D image y and x count. All 0 is none given: the layer's stays, and so does
        any that is the layer's as far as it is shown.

    Raises
    ------
    InputError
        Some are given and some are 0, or one is negative.
    """
    ndim = len(np.shape(source.data))
    given = tuple(float(size) for size in sizes)[-ndim:]
    known = source.recipe.spacing or (0.0,) * ndim
    given = tuple(
        old if abs(new - old) < 0.51 * 10.0**-VOXEL_SIZE_DIGITS else new
        for new, old in zip(given, known, strict=True)
    )
    if not any(given) or given == known:
        return source
    spacing = check_spacing(given, ndim)
    return dataclasses.replace(
        source,
        recipe=dataclasses.replace(source.recipe, spacing=spacing),
        geometry=_scaled(source.geometry, spacing),
    )


def set_voxel_size(layer: Image | None, sizes: Sequence[float]) -> None:
    """Give an image layer a voxel size in micrometres, because the user asks for it.

    Parameters
    ----------
    layer : napari.layers.Image or None
    sizes : sequence of float
        z, y, x; of a 2D image y and x count.

    Raises
    ------
    InputError
        No layer that can be used, or a size that is not positive.
    """
    source = read_image_layer(layer)
    assert layer is not None
    spacing = check_spacing(tuple(sizes)[-layer.ndim :], len(np.shape(source.data)))
    geometry = _scaled(source.geometry, spacing)
    layer.units, layer.scale = geometry["units"], geometry["scale"]
    layer.translate = geometry["translate"]


def layer_like(
    source: Source,
    data: Any,
    kind: str,
    name: str,
    recipe: Recipe,
    *,
    step: str,
    others: Sequence[Source] = (),
    iterations: int | None = None,
    same_grid: bool = True,
    **keywords: Any,
) -> LayerData:
    """Return a new layer with a source's scale, units and axis labels, and the recipe so far.

    Parameters
    ----------
    source : Source
        The layer it was made from.
    data : array_like
    kind : {"image", "labels", "points"}
    name : str
    recipe : Recipe
        Up to and with this step.
    step : str
        The step's name.
    others : sequence of Source
        Further layers that went in.
    iterations : int, optional
        How many were done, which the recipe may have left open.
    same_grid : bool
        Whether voxel 0 of the new layer is voxel 0 of the source, so that it lies on it.
    **keywords
        More of the layer's properties.
    """
    geometry = dict(source.geometry)
    if not same_grid:
        geometry.pop("translate")
    note: dict[str, Any] = {
        "step": step,
        "recipe": recipe.to_dict(),
        "origin": source.origin,
        "source": source.note(),
        "others": [other.note() for other in others],
        "digest": digest_of(data, keywords.get("features")),
    }
    if iterations is not None:
        note["iterations"] = iterations
    return data, {"name": name, "metadata": {METADATA_KEY: note}} | geometry | keywords, kind


def same_voxels(first: Source, second: Source, tolerance: float = 0.01) -> bool:
    """Return whether two layers have the same voxel size, within 1 %, as far as it is known."""
    a, b = first.recipe.spacing, second.recipe.spacing
    if a is None or b is None or len(a) != len(b):
        return True
    return bool(np.allclose(a, b, rtol=tolerance))


def not_raw(source: Source, who: str) -> tuple[str, ...]:
    """Return a warning if an image that should be as it was measured is not.

    Parameters
    ----------
    source : Source
        The image layer.
    who : str
        What needs the raw image.
    """
    if source.recipe.preprocess == NOT_PREPROCESSED:
        return ()
    return (
        f"The image {source.name!r} was preprocessed: its noise and background are not the "
        f"camera's any more, and {who} needs them. Choose the raw image.",
    )


def prefer_layers(gui: FunctionGui[Any, Any], writers: Mapping[str, str]) -> None:
    """Let a widget, when it is opened, choose what the steps before it wrote.

    Parameters
    ----------
    gui : FunctionGui
    writers : mapping of str to str
        For a parameter that takes a layer, the step whose newest layer is preferred.
    """

    def prefer(_: Any) -> None:
        for parameter, step in writers.items():
            choose_newest(gui[parameter], step)

    gui.native_parent_changed.connect(prefer)


def choose_newest(choice: ComboBox, step: str) -> bool:
    """Choose the newest layer that a step wrote, and return whether there is one."""
    notes = [(layer, own_note(layer.metadata)) for layer in choice.choices if layer is not None]
    fitting = [layer for layer, note in notes if note is not None and note.get("step") == step]
    if fitting:
        choice.value = fitting[-1]
    return bool(fitting)


def choose_source(choice: ComboBox, layer: Layer | None) -> None:
    """Choose the layer that another was made from, if it is still there."""
    note = own_note(layer.metadata) if layer is not None else None
    if note is None:
        return
    for other in choice.choices:
        if other is not None and source_of(other).note() == note.get("source"):
            choice.value = other
            return


def spacing_of(scale: Sequence[float], units: Sequence[Any]) -> tuple[float, ...] | None:
    """Return a layer's scale in micrometres; None if it was never set.

    A scale without a unit of length is taken as micrometres, as most readers and users mean it.

    Parameters
    ----------
    scale : sequence of float
    units : sequence of str or pint.Unit
        One an axis; may be empty.
    """
    registry = pint.get_application_registry()
    lengths = [registry.Quantity(1, unit) for unit in units] or [None] * len(scale)
    known = [unit is not None and unit.check("[length]") for unit in lengths]
    sizes = tuple(
        abs(float(value)) * (unit.to("micrometer").magnitude if is_length else 1.0)
        for value, unit, is_length in zip(scale, lengths, known, strict=True)
    )
    if not any(known) and all(size == 1 for size in sizes):
        return None
    return sizes if all(size > 0 for size in sizes) else None


def _scaled(geometry: dict[str, Any], spacing: tuple[float, ...]) -> dict[str, Any]:
    """Return a geometry with another voxel size, in micrometres."""
    # An offset is one of voxels: it changes with their size and its unit.
    offset = tuple(
        t / old * new
        for t, old, new in zip(geometry["translate"], geometry["scale"], spacing, strict=True)
    )
    return geometry | {
        "scale": spacing,
        "translate": offset,
        "units": ("micrometer",) * len(spacing),
    }


def _check_axes(layer: Layer) -> None:
    labels = tuple(str(label).lower() for label in layer.axis_labels)
    if layer.ndim not in (2, 3):
        raise InputError(
            f"The layer {layer.name!r} has {layer.ndim} axes {tuple(layer.data.shape)}; a step "
            "works on (z, y, x) or (y, x). Right-click it in the layer list and choose Split "
            "Stack until one time point and one channel are left."
        )
    if layer.ndim == 3 and labels[0] in NOT_SPACE:
        raise InputError(
            f"The first axis of the layer {layer.name!r} is {NOT_SPACE[labels[0]]}, not z; choose "
            "one of them: right-click it in the layer list and choose Split Stack."
        )
