"""What an image's file says of the microscope, as far as it can be."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.recipe.parameter import Declared, declared

__all__ = ["StoredMicroscope", "optics_text"]

# Figures that differ by less than this part are the same: an objective's maker rounds its numerical
# aperture, an immersion's index changes with the temperature, and a filter passes a band.
SAME = {"numerical_aperture": 0.02, "refractive_index": 0.01, "pinhole": 0.1}
SAME_WAVELENGTH = 0.05

KIND = "microscope"


@dataclass(frozen=True)
class StoredMicroscope:
    """What an image's file says of the microscope.

    Attributes
    ----------
    values : mapping of str to str or float
        By the names of `Optics`' fields, in their units. Those that the kind of microscope does not
        have are there too, as an excitation wavelength of a widefield one.
    sources : mapping of str to str
        Where the file says so, for each of them.
    spacing : tuple of float or None
        Voxel size in micrometres, z, y, x or y, x; None where the file has none, or one that cannot
        be.
    bead_diameter : float or None
        In micrometres; no microscope's file has it.
    channels : int
        How many the file's image has, as far as OME says.
    channel, objective : str
        As the file calls them; "" where it does not.
    notes : tuple of str
        What was left out because it cannot be, or is not unique: each a sentence.

    Examples
    --------
    >>> stored = StoredMicroscope({"numerical_aperture": 1.2}, {"numerical_aperture": "OME"})
    >>> stored.optics.numerical_aperture
    1.2
    >>> stored.beside("widefield", ["refractive_index"])
    {'numerical_aperture': 1.2}
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    spacing: tuple[float, ...] | None = None
    bead_diameter: float | None = None
    channels: int = 1
    channel: str = ""
    objective: str = ""
    notes: tuple[str, ...] = ()

    @property
    def optics(self) -> Optics:
        """The optics, as far as the file tells them; a widefield microscope's if it does not."""
        return Optics(**self.beside(Optics().microscope, ()))

    def beside(self, kind: str, given: Collection[str]) -> dict[str, Any]:
        """Return what the file tells beside what is given.

        Parameters
        ----------
        kind : str
            Of the microscope, where neither the file tells it nor another is given.
        given : collection of str
            The names of `Optics`' fields that were given, and so stay.

        Returns
        -------
        dict
            The fields that were not given, without those that the kind of microscope does not have.
        """
        found = {name: value for name, value in self.values.items() if name not in given}
        kind = found.get(KIND, kind)
        return {
            one.field: found[one.field]
            for one in declared(Optics)
            if one.field in found and _has(kind, one)
        }

    def contradicted(self, optics: Optics, given: Collection[str]) -> dict[str, Any]:
        """Return what the file says otherwise than it is given, by field.

        Parameters
        ----------
        optics : Optics
        given : collection of str
            The names of its fields that were given.
        """
        kind = optics.microscope
        return {
            one.field: self.values[one.field]
            for one in declared(Optics)
            if one.field in given
            and one.field in self.values
            and _has(kind, one)
            and not _same(one.field, getattr(optics, one.field), self.values[one.field])
        }


def optics_text(values: Mapping[str, Any]) -> str:
    """Return fields of `Optics` as people read them.

    Parameters
    ----------
    values : mapping of str to Any

    Examples
    --------
    >>> optics_text({"numerical_aperture": 1.2, "wavelength": 0.52})
    'numerical aperture 1.2, emission 0.52 µm'
    """
    parts = []
    for one in declared(Optics):
        value = values.get(one.field)
        if value is None or (value == one.default and one.field != KIND):
            continue
        label = one.parameter.label or one.field.replace("_", " ")
        shown = value if isinstance(value, str) else f"{value:g} {one.parameter.unit}".strip()
        parts.append(f"{label} {shown}")
    return ", ".join(parts)


def _has(kind: str, one: Declared) -> bool:
    """Return whether a kind of microscope has a field."""
    when = one.parameter.when
    return when is None or when[0] != KIND or kind in when[1]


def _same(name: str, one: Any, other: Any) -> bool:
    if one is None or isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=SAME.get(name, SAME_WAVELENGTH))
