"""What a layer says of how it was made: the note that each step leaves in its metadata."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer
from numpy.typing import NDArray

from napari_psf_distiller.recipe import Provenance, Recipe
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.widgets.layers.geometry import spacing_of
from napari_psf_distiller.widgets.layers.note import Drawn, own_note

__all__ = [
    "digest_of",
    "is_edited",
    "marked_by_hand",
    "used_device",
    "used_points",
    "voxel_size_noted",
    "with_image",
]

# Of a layer whose image is not on record: no step of ours that reads it was the first.
_EMPTY_RECORD = Provenance(versions={}, device="", image_shape=(), image_dtype="", image_sha256="")


def voxel_size_noted(
    metadata: Mapping[str, Any], scale: Sequence[float], units: Sequence[Any]
) -> tuple[float, ...] | None:
    """Return the voxel size in micrometres that a layer is computed with; None if not known.

    It is what the recipe in its note says, as long as the layer is drawn as its step drew it: on
    an image whose scale is another. Whoever gave the layer another scale since means that; and of
    a layer that no step of ours wrote the scale is all that is known.

    Parameters
    ----------
    metadata : mapping
        The layer's.
    scale : sequence of float
    units : sequence of str or pint.Unit
    """
    note = own_note(metadata)
    noted = note.recipe.spacing if note is not None else None
    if note is not None and noted is not None and note.drawn == Drawn.of(scale, units):
        return noted
    return spacing_of(scale, units)


def is_edited(layer: Layer) -> bool:
    """Return whether a layer that a step wrote was changed by hand since."""
    note = own_note(layer.metadata)
    features = getattr(layer, "features", None)
    return note is not None and note.digest != digest_of(layer.data, features)


def marked_by_hand(recipe: Recipe, step: str) -> Recipe:
    """Return the recipe with a note that a step's result was edited by hand."""
    record = recipe.provenance or _EMPTY_RECORD
    if step in record.by_hand:
        return recipe
    record = dataclasses.replace(record, by_hand=(*record.by_hand, step))
    return dataclasses.replace(recipe, provenance=record)


def used_device(recipe: Recipe, device: str) -> Recipe:
    """Return the recipe with the device that was used noted in it."""
    record = recipe.provenance or _EMPTY_RECORD
    return dataclasses.replace(recipe, provenance=dataclasses.replace(record, device=device))


def with_image(recipe: Recipe, image: NDArray[Any]) -> Recipe:
    """Return the recipe with the image noted in it, unless it began with an earlier one."""
    record = recipe.provenance or _EMPTY_RECORD
    if record.image_sha256:
        return recipe
    noted = dataclasses.replace(provenance_of(image, record.device), by_hand=record.by_hand)
    return dataclasses.replace(recipe, provenance=noted)


def digest_of(data: Any, features: Any) -> str:
    """Return a fingerprint of what people edit: labels, points, and which of these are used.

    A stack of floating-point numbers is an image, which is not edited; its fingerprint is empty. So
    is that of an array that is kept elsewhere, which would have to be read as a whole.
    """
    if not isinstance(data, np.ndarray) or (data.dtype.kind == "f" and data.ndim > 2):
        return ""
    contiguous: NDArray[Any] = np.ascontiguousarray(data)
    digest = hashlib.sha256(contiguous.data)
    if features is not None and "used" in features:
        digest.update(used_points(features).tobytes())
    return digest.hexdigest()


def used_points(features: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which points are used; one added by hand without a word is there to be used."""
    used: NDArray[np.bool_] = features["used"].fillna(True).astype(bool).to_numpy()
    return used
