"""Where beads lie, in columns of their table that follow the points and name their unit."""

from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Points
from numpy.typing import NDArray

from napari_psf_distiller.beads import AXES

__all__ = ["PLACES", "follow_points", "with_places", "without_places"]

# The columns, by the axis.
PLACES = {axis: f"{axis} (voxels)" for axis in AXES}

# What people read in the place of a column's own name, which does not say the unit.
HEADINGS = {f"{axis}_error": f"{axis} error (voxels)" for axis in AXES}

# Digits after the point: a table is read, and the points themselves have all of them.
DIGITS = 2


def with_places(features: pd.DataFrame, points: NDArray[Any]) -> pd.DataFrame:
    """Return the features of points with their places, after what is known of them all.

    Errors of places say their unit too.

    Parameters
    ----------
    features : pandas.DataFrame
    points : numpy.ndarray
        (N, D), in voxels.
    """
    rest = without_places(features)
    first = [name for name in ("bead", "used", "reason") if name in rest]
    names = list(PLACES.values())[-points.shape[1] :]
    columns = np.round(np.asarray(points, float), DIGITS)
    places = pd.DataFrame(columns[:, -len(names) :], columns=names, index=rest.index)
    others = rest.drop(columns=first).rename(columns=HEADINGS)
    return pd.concat([rest[first], places, others], axis=1)


def without_places(features: pd.DataFrame) -> pd.DataFrame:
    """Return the features of points as they were before `with_places`."""
    rest = features.drop(columns=[name for name in PLACES.values() if name in features])
    return rest.rename(columns={heading: name for name, heading in HEADINGS.items()})


def follow_points(layer: Points) -> None:
    """Keep the places in a layer's table up to date when its points are moved or added."""

    def follow(event: Any = None) -> None:
        features = layer.features
        if len(features) != len(layer.data) or not any(n in features for n in PLACES.values()):
            return
        placed = with_places(features, layer.data)
        if not placed.equals(features):
            layer.features = placed

    layer.events.data.connect(follow)
