"""Beads as a points layer: written by a step, edited by people, read by the next step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from napari.layers import Points

from napari_psf_distiller.beads import AXES, centres_of
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.fates import looks_of
from napari_psf_distiller.widgets.beads.places import with_places
from napari_psf_distiller.widgets.layers.geometry import unit_ratios
from napari_psf_distiller.widgets.layers.new_layer import LayerData, layer_like
from napari_psf_distiller.widgets.layers.record import used_points
from napari_psf_distiller.widgets.layers.region import Region
from napari_psf_distiller.widgets.layers.source import Source, source_in

__all__ = ["FITTED_BEADS", "Beads", "beads_from", "points_layer"]

# Which of Distil PSF's results the beads as they were fitted are.
FITTED_BEADS = "beads"


class Beads(NamedTuple):
    """The beads of a points layer: the table that the steps know, and where it came from."""

    table: pd.DataFrame
    source: Source


def beads_from(layer: Points | None, image: Source) -> Beads:
    """Return the beads of a points layer, in voxels of an image layer.

    Parameters
    ----------
    layer : napari.layers.Points or None
    image : Source
        The image that the beads lie in.

    Raises
    ------
    InputError
        No layer, no points, or another number of axes than the image.
    """
    if layer is None:
        raise InputError("No points layer is chosen. Run Find beads first, or add points by hand.")
    points = np.asarray(layer.data, float)
    ndim = len(np.shape(image.data))
    axes = tuple(range(layer.ndim))
    if image.axes and layer.ndim > ndim and max(image.axes) < layer.ndim:
        # Added by hand, they have a place on the image's axes of length 1 too.
        axes = image.axes
        points = points[:, axes]
    if len(points) == 0:
        raise InputError(f"The points layer {layer.name!r} is empty: there is no bead in it.")
    if points.shape[1] != ndim:
        raise InputError(
            f"The points of {layer.name!r} have {points.shape[1]} axes, the image {image.name!r} "
            f"has {ndim}; choose points and an image that belong together."
        )
    source = source_in(layer, Region(axes))
    grid = ("scale", "translate", "units")
    if any(source.geometry[name] != image.geometry[name] for name in grid):
        # Through the world: a points layer made by hand has its own scale, offset and units.
        scale, offset = (np.asarray(image.geometry[name], float) for name in grid[:2])
        own_scale, own_offset = (np.asarray(source.geometry[name], float) for name in grid[:2])
        unit = unit_ratios(source.geometry["units"], image.geometry["units"])
        voxels = ((points * own_scale + own_offset) * unit - offset) / scale
        # A point in the middle of a voxel stays there, and is not truncated to its neighbour.
        points = np.round(voxels, 6)
    table = pd.DataFrame(points, columns=list(AXES[-ndim:]))
    table["used"] = used_points(layer.features) if "used" in layer.features else True
    if "reason" in layer.features:
        table["reason"] = layer.features["reason"].fillna("").astype(str).to_numpy()
    if not table["used"].any():
        raise InputError(f"None of the points of {layer.name!r} is marked as used.")
    return Beads(table, source)


def points_layer(
    source: Source,
    beads: pd.DataFrame,
    name: str,
    recipe: Recipe,
    *,
    step: StepId,
    part: str = "",
    others: Sequence[Source] = (),
) -> LayerData:
    """Return a points layer of beads, each a ring whose colour says whether it is used.

    Parameters
    ----------
    source : Source
        The image that they lie in.
    beads : pandas.DataFrame
        With their centres in voxels; the other columns become features.
    name : str
    recipe : Recipe
    step : StepId
    part : str
    others : sequence of Source
        See `layer_like`.
    """
    features = beads.drop(columns=[axis for axis in AXES if axis in beads]).reset_index()
    # What people look for comes first in a table.
    features = with_places(features, centres_of(beads))
    colours, symbols = looks_of(features)
    sizes = source.recipe.spacing or (1.0,) * len(source.geometry["scale"])
    return layer_like(
        source,
        centres_of(beads),
        "points",
        name,
        recipe,
        step=step,
        part=part,
        others=others,
        features=features,
        feature_defaults=_of_added_points(features),
        # A ring about as large as a bead's image, in voxels of the plane.
        size=max(7.0, 1.0 / sizes[-1]),
        face_color="transparent",
        border_color=colours,
        symbol=symbols,
        border_width=0.12,
    )


def _of_added_points(features: pd.DataFrame) -> dict[str, Any]:
    """Return the features of a point that the user adds: used, and nothing known of it.

    Left to itself napari takes those of the last bead, which may be one that is not used.
    """
    unknown = {"b": True, "i": 0, "f": np.nan}
    return {str(name): unknown.get(column.dtype.kind, "") for name, column in features.items()}
