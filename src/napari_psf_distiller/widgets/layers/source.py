"""From napari layers to arrays and recipes, and back.

A `Source` has both that a step needs to know of voxels: the size that is computed with, in its
recipe, and the geometry that a new layer on the same voxels is drawn with.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import psf_made_with
from napari_psf_distiller.recipe import Preprocess, Recipe
from napari_psf_distiller.widgets.layers.file_part import file_part_of
from napari_psf_distiller.widgets.layers.geometry import (
    geometry_of,
)
from napari_psf_distiller.widgets.layers.lineage import identity
from napari_psf_distiller.widgets.layers.note import (
    LayerNote,
    LayerSummary,
)
from napari_psf_distiller.widgets.layers.record import (
    is_edited,
    voxel_size_noted,
)
from napari_psf_distiller.widgets.layers.region import (
    Region,
    axes_of_space,
    full_resolution,
    shown_region,
)

__all__ = [
    "NOT_PREPROCESSED",
    "Source",
    "check_image_layer",
    "placed_now",
    "read_image_layer",
    "read_labels_layer",
    "source_in",
    "source_of",
    "voxel_size_of",
    "with_voxel_size",
]

# Voxel sizes that differ by less than this part were computed from the same one, in other units.
SAME_VOXEL_SIZE = 1e-9

# More letters of a name than these leave no room for what else the list of layers tells.
LONGEST_NAME = 19

# Of an image that no step of ours made. To check a recipe anew takes milliseconds, and a layer is
# read whenever a slider moves.
NOT_PREPROCESSED = Preprocess(background="none")
UNTOUCHED = Recipe(preprocess=NOT_PREPROCESSED)


@dataclass(frozen=True)
class Source:
    """A layer as a step reads it, taken in the main thread.

    Attributes
    ----------
    name : str
    origin : str
        The name of the layer that all began with, and which of its volumes it was; what is made
        from it is named after it.
    data : array_like
        The layer's own, not copied and not loaded: the worker does that. Of more than three axes,
        or of time and channels, the volume or plane that the viewer shows; of several resolutions
        the finest.
    recipe : Recipe
        All that was done to it so far; its spacing is the voxel size that is computed with, in
        micrometres: see `voxel_size_noted`.
    geometry : dict
        The keywords that put another layer onto the same grid: scale, units, axis labels, ...
        They are the layer's own, whatever voxel size is computed with.
    chosen : dict of str to int
        Which time, channel, ... it is, or what it was made from.
    look_for_edits : callable
        Returns whether it was changed by hand.
    identity : str
        What the layer keeps when it is renamed.
    finer : tuple of int
        How many of its voxels one of the image that all began with has along each axis; empty where
        they are the same.
    axes : tuple of int
        Which of its layer's axes are read, where all others have length 1; empty where there are no
        others.
    """

    name: str
    origin: str
    data: Any
    recipe: Recipe
    geometry: dict[str, Any]
    chosen: dict[str, int] = field(default_factory=dict)
    look_for_edits: Callable[[], bool] = lambda: False
    identity: str = ""
    finer: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()

    @property
    def short_name(self) -> str:
        """What new layers are named after: the origin, its middle left out where it is long."""
        name, bracket, part = self.origin.partition(" [")
        if len(name) > LONGEST_NAME:
            half = (LONGEST_NAME - 1) // 2
            name = f"{name[:half].rstrip()}…{name[-half:].lstrip()}"
        return name + bracket + part

    @property
    def edited(self) -> bool:
        """Whether it was changed by hand since a step wrote it.

        Labels and points that no step wrote are made by hand altogether. It takes a look at all
        of the data: of labels, in the worker.
        """
        return self.look_for_edits()

    @property
    def summary(self) -> LayerSummary:
        """What a layer made from this one says of it."""
        shape = tuple(int(n) for n in np.shape(self.data))
        return LayerSummary(self.name, shape, str(self.data.dtype))


def read_image_layer(
    layer: Image | None,
    what: str = "an image layer",
    viewer: "napari.viewer.Viewer | None" = None,
) -> Source:
    """Return an image layer as a step reads it, or say why it cannot be used.

    Parameters
    ----------
    layer : napari.layers.Image or None
        What the layer list gave.
    what : str
        What to choose if there is none.
    viewer : napari.viewer.Viewer, optional
        Where it is shown: of time points and channels, the one that the sliders stand at is read.

    Raises
    ------
    InputError
        No layer, RGB, fewer than 2 axes of space, or sliders beyond its data.
    """
    check_image_layer(layer, what)
    assert layer is not None
    return source_of(layer, viewer)


def check_image_layer(layer: Image | None, what: str) -> None:
    """Say why an image layer cannot be used, if it cannot; see `read_image_layer`."""
    if layer is None:
        raise InputError(f"No layer is chosen. Open or make {what} and choose it.")
    if getattr(layer, "rgb", False):
        raise InputError(
            f"The layer {layer.name!r} is an RGB picture; a bead image has one value a voxel. "
            "Right-click it in the layer list and choose Split RGB."
        )
    _check_axes(layer)


def read_labels_layer(layer: Labels | None, viewer: "napari.viewer.Viewer | None" = None) -> Source:
    """Return a labels layer as a step reads it, or say why it cannot be used.

    Parameters
    ----------
    layer : napari.layers.Labels or None
        What the layer list gave.
    viewer : napari.viewer.Viewer, optional
        See `read_image_layer`.

    Raises
    ------
    InputError
        No layer, multiscale, fewer than 2 axes of space, or sliders beyond its data.
    """
    if layer is None:
        raise InputError("No labels layer is chosen. Run Threshold first, or paint the beads.")
    if layer.multiscale:
        raise InputError(
            f"The layer {layer.name!r} is multiscale; it must have one level. Add its finest one "
            f"as a layer, in napari's console: found = viewer.layers[{layer.name!r}]; "
            "viewer.add_labels(found.data[0], scale=found.scale, units=found.units)."
        )
    _check_axes(layer)
    return source_of(layer, viewer)


def source_of(layer: Layer, viewer: "napari.viewer.Viewer | None" = None) -> Source:
    """Return a layer as a step reads it, whatever it is."""
    if isinstance(layer, Image | Labels):
        return source_in(layer, shown_region(layer, viewer))
    return source_in(layer, Region(tuple(range(layer.ndim))))


def source_in(layer: Layer, region: Region) -> Source:
    """Return a part of a layer as a step reads it; of points and others it is the whole."""
    note = LayerNote.read(layer.metadata)
    image = isinstance(layer, Image | Labels)
    data = region.of(full_resolution(layer)) if image else layer.data
    recipe, geometry = _recipe_and_geometry(layer, region.axes)
    origin = layer.name if note is None else note.origin
    chosen = region.chosen or (note.chosen if note is not None else {})

    def look_for_edits() -> bool:
        return not isinstance(layer, Image) and (note is None or is_edited(layer))

    return Source(
        layer.name,
        origin + region.text,
        data,
        recipe,
        geometry,
        chosen,
        look_for_edits,
        identity(layer),
        () if note is None else note.finer,
        region.axes if len(region.axes) < layer.ndim and not region.chosen else (),
    )


def voxel_size_of(layer: Image | None) -> tuple[float, ...] | None:
    """Return an image layer's voxel size in micrometres, z, y, x or y, x; None if there is none."""
    try:
        check_image_layer(layer, "an image layer")
        assert layer is not None
        return _recipe_and_geometry(layer, axes_of_space(layer))[0].spacing
    except InputError:
        return None


def _recipe_and_geometry(layer: Layer, axes: Sequence[int]) -> tuple[Recipe, dict[str, Any]]:
    """Return what was done to a layer so far, with its voxel size, and how it is drawn.

    Of a PSF file of ours that another reader opened, the file says the former.
    """
    note = LayerNote.read(layer.metadata)
    geometry = geometry_of(layer, axes)
    spacing = voxel_size_noted(layer.metadata, geometry["scale"], geometry["units"])
    # Nothing was done to a layer without a note: a recipe must not claim the default's steps.
    recipe = UNTOUCHED
    if note is not None:
        recipe = note.recipe
    elif layer.source.path is not None and file_part_of(layer) is None:
        stated, stored = psf_made_with(layer.source.path) or ((), None)
        if len(stated) == layer.ndim:
            # Of a stack of one plane the plane counts.
            stated = tuple(stated[axis] for axis in axes)
        if len(stated) == len(axes):
            recipe = stored or recipe
            spacing = spacing or stated
    return dataclasses.replace(recipe, spacing=spacing), geometry


def with_voxel_size(source: Source, sizes: Sequence[float]) -> Source:
    """Return the source with the voxel size that the user gave, in micrometres.

    It counts for what is computed; new layers are drawn as the layer is.

    Parameters
    ----------
    source : Source
    sizes : sequence of float
        z, y, x; of a 2D image y and x count. All 0 is none given: the layer's stays, and so does
        any that is the layer's.

    Raises
    ------
    InputError
        Some are given and some are 0, or one is negative.
    """
    ndim = len(np.shape(source.data))
    given = tuple(float(size) for size in sizes)[-ndim:]
    known = source.recipe.spacing or (0.0,) * ndim
    given = tuple(
        old if math.isclose(new, old, rel_tol=SAME_VOXEL_SIZE) else new
        for new, old in zip(given, known, strict=True)
    )
    if not any(given) or given == known:
        return source
    spacing = check_spacing(given, ndim)
    return dataclasses.replace(source, recipe=dataclasses.replace(source.recipe, spacing=spacing))


def placed_now(source: Source, layers: Iterable[Layer]) -> Source:
    """Return a source as its layer is drawn now, which may have got another scale since.

    Parameters
    ----------
    source : Source
    layers : iterable of Layer
        Where the layer is sought; if it is gone, the source stays as it is.
    """
    for layer in layers:
        if identity(layer) == source.identity:
            geometry = geometry_of(layer, axes_of_space(layer))
            return dataclasses.replace(source, geometry=geometry)
    return source


def _check_axes(layer: Layer) -> None:
    if len(axes_of_space(layer)) < 2:
        raise InputError(
            f"The layer {layer.name!r} has the axes {', '.join(map(str, layer.axis_labels))}; an "
            "image has y and x, or z, y and x. Correct the axes' labels, or open another image."
        )
