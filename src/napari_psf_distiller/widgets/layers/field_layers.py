"""Maps of a PSF over the field as layers that lie on the bead image."""

from typing import Any

import numpy as np
from napari.layers import Layer
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray

from napari_psf_distiller.psf import FieldMaps
from napari_psf_distiller.psf.angular_orders import OrderMap
from napari_psf_distiller.widgets.layers.geometry import full_range, geometry_of, on_finer_voxels
from napari_psf_distiller.widgets.layers.new_layer import LayerData

__all__ = ["field_map_layers"]

Floats = NDArray[np.float64]

# How wide the lines are that tell directions, of the distance from place to place.
WIDTH = 0.06

# Even in brightness, for colour-blind readers too.
COLOURS = "viridis"


def field_map_layers(maps: FieldMaps, image: Layer | None = None) -> list[LayerData]:
    """Return a layer of each map, and of the directions of each angular order.

    Parameters
    ----------
    maps : FieldMaps
    image : napari.layers.Layer, optional
        The bead image, whose last two axes are y and x: the layers lie on it. Without one they lie
        at the origin, in micrometres.

    Returns
    -------
    list of LayerData
        The first one is to be seen, the others are hidden. Names say the unit; where the maps are
        extrapolated a layer of its own is dark.
    """
    # matplotlib takes a while to import, and only here is it needed.
    from napari_psf_distiller.figures.field_maps import LEAST_STRENGTH, LONGEST

    if image is None:
        geometry: dict[str, Any] = {
            "scale": maps.pixel,
            "translate": (0.0, 0.0),
            "units": ("micrometer",) * 2,
            "axis_labels": ("y", "x"),
        }
    else:
        geometry = geometry_of(image, range(image.ndim - 2, image.ndim))
    height, width = maps.step
    coarse = on_finer_voxels(geometry, (1 / height, 1 / width))
    named = {f"FWHM {axis} (nm)": 1000 * one.values for axis, one in maps.widths.items()}
    if maps.focus is not None:
        named["focus (µm)"] = maps.focus.values
    strong = [one for one in maps.orders if one.strength.max() >= LEAST_STRENGTH]
    for one in strong:
        named[f"{one.name}{'' if one.order else ', change'} (%)"] = 100 * one.strength
    layers = [_image(values, name, coarse) for name, values in named.items()]
    layers += [_vectors(maps, one, geometry, LONGEST) for one in strong if one.order]
    if not maps.covered.all():
        layers.append(_beyond(maps, coarse))
    for _, keywords, _ in layers[1:]:
        keywords.setdefault("visible", False)
    return layers


def _image(values: Floats, name: str, geometry: dict[str, Any]) -> LayerData:
    """Return the layer of a map."""
    known = values[np.isfinite(values)]
    keywords = {
        "name": name,
        "colormap": COLOURS,
        "contrast_limits": full_range(known) if len(known) else (0.0, 1.0),
        "opacity": 0.8,
    }
    return values.astype(np.float32), geometry | keywords, "image"


def _beyond(maps: FieldMaps, geometry: dict[str, Any]) -> LayerData:
    """Return the layer that darkens what is extrapolated."""
    keywords = {
        "name": "beyond the beads",
        # From clear to black.
        "colormap": Colormap([[0, 0, 0, 0], [0, 0, 0, 1]], "beyond the beads"),
        "contrast_limits": (0.0, 1.0),
        "opacity": 0.5,
        "visible": True,
    }
    return (~maps.covered).astype(np.float32), geometry | keywords, "image"


def _vectors(maps: FieldMaps, one: OrderMap, geometry: dict[str, Any], longest: float) -> LayerData:
    """Return the layer of an order's directions: arrows of coma, lines of the others.

    Their lengths go with the strength, up to a part of the distance from place to place. Of the
    order 2 a line lies to both sides of its place, of higher ones one goes each way.
    """
    rows, columns = np.meshgrid(maps.rows, maps.columns, indexing="ij")
    places = np.stack([rows.ravel(), columns.ravel()], axis=1)
    told = np.isfinite(one.direction.ravel())
    strength, angles = one.strength.ravel(), np.radians(one.direction.ravel())
    lengths = longest * min(maps.step) * strength / strength.max()
    turns = [0.0] if one.order <= 2 else [2 * np.pi * k / one.order for k in range(one.order)]
    data, which = [], []
    for turn in turns:
        step = np.stack([np.sin(angles + turn), np.cos(angles + turn)], axis=1)
        step = step * (lengths if one.order <= 2 else lengths / 2)[:, None]
        starts = places - step / 2 if one.order <= 2 else places
        data.append(np.stack([starts, step], axis=1)[told])
        which.append(np.flatnonzero(told))
    places_of = np.concatenate(which)
    keywords = {
        "name": f"{one.name}, direction",
        "features": {
            "strength (%)": 100 * strength[places_of],
            "degrees": one.direction.ravel()[places_of],
            "covered": maps.covered.ravel()[places_of],
        },
        "vector_style": "arrow" if one.order == 1 else "line",
        "edge_width": WIDTH * min(maps.step),
        "edge_color": "white",
    }
    return np.concatenate(data), geometry | keywords, "vectors"
