"""Which part of a layer a step works on: its axes of space, at the time and channel shown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_psf_distiller.datasets import StoredVolume
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.layers.geometry import unit_ratios

__all__ = [
    "Region",
    "axes_beside_space",
    "axes_of_space",
    "full_resolution",
    "place_shown",
    "regions_along",
    "show_place",
    "shown_region",
    "voxel_at",
]

# Axes of these names are none of space, wherever they stand.
CHANNELS = frozenset({"c", "ch", "channel", "channels"})
NOT_SPACE = CHANNELS | {"t", "time"}

# What napari calls an axis that has no label.
UNLABELLED = re.compile(r"(axis )?-\d+")


@dataclass(frozen=True)
class Region:
    """The part of a layer's data that a step works on.

    Attributes
    ----------
    axes : tuple of int
        The layer's axes of space.
    chosen : dict of str to int
        The index on each other axis, by the axis' label.
    index : tuple of int or slice
        What cuts it out of the layer's data; empty where it is all of them.
    """

    axes: tuple[int, ...]
    chosen: dict[str, int] = field(default_factory=dict)
    index: tuple[int | slice, ...] = ()

    @property
    def text(self) -> str:
        """How the layers made from it say which one it was: `` [t=3, c=1]``, or nothing."""
        shown = ", ".join(
            str(index) if UNLABELLED.fullmatch(label) else f"{label}={index}"
            for label, index in self.chosen.items()
        )
        return f" [{shown}]" if shown else ""

    def of(self, data: Any) -> Any:
        """Return the region of an array, and read nothing: what is no NumPy array stays unread."""
        if not isinstance(data, np.ndarray):
            return StoredVolume(data, self.index)
        return data[self.index] if self.index else data


def full_resolution(layer: Layer) -> Any:
    """Return the data of an image layer that are worked on: of several resolutions the finest."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def axes_of_space(layer: Layer) -> tuple[int, ...]:
    """Return a layer's axes of space: those not labelled as time or channel, at most the last 3.

    An axis of length 1 is none, as long as two others are left: a file of one plane may come as a
    stack, and an image with a last axis of one channel.
    """
    labels = [str(label).strip().lower() for label in layer.axis_labels]
    axes = [axis for axis in range(layer.ndim) if labels[axis] not in NOT_SPACE]
    lengths = _lengths(layer)
    while len(axes) > 2 and lengths[axes[-1]] == 1:
        axes.pop()
    axes = axes[-3:]
    long = [axis for axis in axes if lengths[axis] != 1]
    return tuple(long if len(long) >= 2 else axes[-2:])


def _lengths(layer: Layer) -> tuple[int, ...]:
    """Return how long a layer's axes are; of points and the like, which have none, all are 0."""
    if not isinstance(layer, Image | Labels):
        return (0,) * int(layer.ndim)
    lengths: Sequence[int] = np.shape(full_resolution(layer))
    return tuple(int(n) for n in lengths[: layer.ndim])


def axes_beside_space(layer: Layer) -> dict[str, int]:
    """Return the lengths of the axes along which a layer has several stacks, by their labels.

    Axes of length 1 have one, and a channel is another image, not a further one.
    """
    space, labels = axes_of_space(layer), [str(label) for label in layer.axis_labels]
    lengths = _lengths(layer)
    return {
        labels[axis]: lengths[axis]
        for axis in range(layer.ndim)
        if axis not in space and lengths[axis] > 1 and labels[axis].strip().lower() not in CHANNELS
    }


def regions_along(
    layer: Layer, label: str, viewer: "napari.viewer.Viewer | None" = None
) -> list[Region]:
    """Return all volumes, or planes, along one axis, on the others where a viewer stands.

    Parameters
    ----------
    layer : napari.layers.Layer
    label : str
        Of the axis, which is none of space.
    viewer : napari.viewer.Viewer, optional
        See `shown_region`.

    Raises
    ------
    InputError
        The sliders stand where the layer has no data.
    """
    shown = shown_region(layer, viewer)
    axis = [str(one) for one in layer.axis_labels].index(label)
    return [
        Region(
            shown.axes,
            shown.chosen | {label: place},
            (*shown.index[:axis], place, *shown.index[axis + 1 :]),
        )
        for place in range(_lengths(layer)[axis])
    ]


def shown_region(layer: Layer, viewer: "napari.viewer.Viewer | None" = None) -> Region:
    """Return the volume, or plane, of a layer that a viewer shows.

    Parameters
    ----------
    layer : napari.layers.Layer
        With one index an axis: an image that is not RGB, or labels.
    viewer : napari.viewer.Viewer, optional
        Its sliders tell the time and the channel; the one in front if none is given. In no viewer
        it is the first of each.

    Raises
    ------
    InputError
        The sliders stand where the layer has no data.
    """
    axes = axes_of_space(layer)
    others = [axis for axis in range(layer.ndim) if axis not in axes]
    if not others:
        return Region(axes)
    position = place_shown(layer, viewer if viewer is not None else napari.current_viewer())
    chosen: dict[str, int] = {}
    index: list[int | slice] = [slice(None)] * layer.ndim
    lengths = _lengths(layer)
    for axis in others:
        label, length = str(layer.axis_labels[axis]), lengths[axis]
        if length == 1:
            # Of one there is nothing to choose, wherever a slider stands.
            index[axis] = 0
            continue
        place = int(np.round(position[axis]))
        if not 0 <= place < length:
            raise InputError(
                f"The layer {layer.name!r} has {length} along {label!r}, and the viewer shows "
                f"number {place}, counted from 0. Move the slider to one that it has."
            )
        chosen[label] = index[axis] = place
    return Region(axes, chosen, tuple(index))


def place_shown(layer: Layer, viewer: "napari.viewer.Viewer | None") -> NDArray[np.float64]:
    """Return where the viewer's sliders stand, in the layer's voxels."""
    if viewer is None or layer not in viewer.layers:
        return np.zeros(layer.ndim)
    return voxel_at(layer, viewer, viewer.dims.point)


def voxel_at(
    layer: Layer, viewer: "napari.viewer.Viewer", place: Sequence[float]
) -> NDArray[np.float64]:
    """Return where a place in the viewer's world, one value a slider, is in the layer's voxels."""
    point = np.asarray(place, float)[-layer.ndim :]
    units = getattr(viewer.layers, "units", None)  # since napari 0.7
    if units is not None:
        point = point * unit_ratios(units[-layer.ndim :], layer.units)
    return np.asarray(layer.world_to_data(point), float)


def show_place(layer: Layer, viewer: "napari.viewer.Viewer", place: NDArray[np.float64]) -> None:
    """Move the viewer's sliders to a place in the layer's voxels."""
    point = np.asarray(layer.data_to_world(place), float)
    units = getattr(viewer.layers, "units", None)
    if units is not None:
        point = point * unit_ratios(layer.units, units[-layer.ndim :])
    axes = range(viewer.dims.ndim - layer.ndim, viewer.dims.ndim)
    viewer.dims.set_point(list(axes), [float(value) for value in point])
