"""Writing a PSF layer to TIFF: what File > Save Selected Layers calls."""

from typing import Any

import numpy as np

from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.io import write_psf
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.widgets.layers import (
    spacing_of,
)
from napari_psf_distiller.widgets.record import (
    own_note,
)

__all__ = ["write_psf_layer"]


def write_psf_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as a PSF: float32 TIFF with voxel size and unit, the recipe inside.

    Parameters
    ----------
    path : str
        ``.ome.tif`` gives OME-TIFF, else ImageJ's TIFF.
    data : array_like
        (Z, Y, X) or (Y, X).
    attributes : dict
        The layer's, as napari gives them.

    Returns
    -------
    list of str
        What was written: the path.

    Raises
    ------
    DistillerError
        The layer has no voxel size, or cannot be a PSF, or the path cannot be written.
    """
    try:
        _write(path, data, attributes)
    except InputError as error:
        # napari takes a ValueError for a writer that does not fit, and drops its sentence.
        raise DistillerError(str(error)) from error
    return [path]


def _write(path: str, data: Any, attributes: dict[str, Any]) -> None:
    spacing = spacing_of(attributes["scale"], attributes.get("units") or ())
    if spacing is None:
        raise InputError(
            f"The layer {attributes.get('name', '')!r} has no voxel size; set its scale and units "
            "before it is saved as a PSF."
        )
    name = attributes.get("name", "")
    if attributes.get("rgb") or attributes.get("multiscale"):
        raise InputError(
            f"The layer {name!r} is RGB or multiscale; a PSF has one value a voxel, and one level."
        )
    note = own_note(attributes.get("metadata", {}))
    recipe = Recipe.from_dict(note["recipe"]) if note is not None else None
    write_psf(path, np.asarray(data), spacing=spacing, recipe=recipe)
