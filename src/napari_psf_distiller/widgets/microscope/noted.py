"""What a layer's metadata say of the microscope and the beads, as those of the samples do."""

from collections.abc import Mapping
from typing import Any

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import StoredMicroscope
from napari_psf_distiller.recipe import Optics, Recipe
from napari_psf_distiller.recipe.parameter import declared

__all__ = ["SOURCE", "noted_in"]

# By whom it is said, before "says so".
SOURCE = "The layer"


def noted_in(metadata: Mapping[str, Any]) -> StoredMicroscope:
    """Return what a layer's metadata say: `Optics`' fields by their names, and bead_diameter.

    What cannot be is left out: somebody else may mean another thing by such a name.

    Parameters
    ----------
    metadata : mapping of str to Any
        Lengths are in micrometres.
    """
    values = {
        one.field: metadata[one.field]
        for one in declared(Optics)
        if one.field in metadata and _can_be(Optics, one.field, metadata[one.field])
    }
    diameter = metadata.get("bead_diameter")
    return StoredMicroscope(
        values=values,
        sources=dict.fromkeys(values, SOURCE),
        bead_diameter=diameter if _can_be(Recipe, "bead_diameter", diameter) else None,
    )


def _can_be(section: type[Optics] | type[Recipe], name: str, value: Any) -> bool:
    try:
        section(**{name: value})
    except InputError:
        return False
    return True
