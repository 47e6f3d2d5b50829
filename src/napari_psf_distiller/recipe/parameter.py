"""What a parameter is called, means and can be: declared once, beside its field in a recipe.

Widgets, the command line's options, the report's rows and the table in the documents are made of
this; so a new parameter is its declaration and its use.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from napari_psf_distiller.lengths import Bound
from napari_psf_distiller.recipe.section import Section, fields_of
from napari_psf_distiller.typed_numbers import TypedNumber

__all__ = ["Condition", "Declared", "Option", "Parameter", "declared"]

# Another parameter, and the values of it for which this one counts.
Condition = tuple[str, tuple[str, ...]]

AXES = 3


@dataclass(frozen=True)
class Option:
    """How the command line asks for a parameter.

    Attributes
    ----------
    name : str
        Such as "--na".
    help : str
        "{default}" in it stands for the default.
    metavar : str or None
        What stands for the value; by default the name in capitals, or the choices.
    """

    name: str
    help: str
    metavar: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What is to be known of a parameter besides its type and its default.

    Attributes
    ----------
    tooltip : str
        What it does, and which value is good.
    label : str
        How it is called; by default as its field is.
    name : str
        Under which name widgets ask for it, where the field's would be misunderstood outside of
        its section.
    unit : str
        Follows the label, in brackets.
    minimum, maximum, step : float or None
        Of the number field in which a person types it; a recipe may have values beyond.
    bound : Bound or None
        From where to where its value can be at all, in that field and in a recipe.
    suffix : str
        Follows the number in that field, in the place of a unit behind the label.
    unset : str
        What it means that it is None.
    unset_word : str
        What the number field shows for that; "" shows 0.
    unset_value : float or None
        The number that a widget shows for None. 0 is taken for None again; any other is a value
        that does the same. None of a parameter whose every number is a value of its own, or that
        has no numbers.
    when : (str, tuple of str) or None
        A parameter of the same section, and the values of it for which this one counts.
    must_count : bool
        Whether the section refuses a value where it does not count. Else it keeps one, and asks
        for it again once it counts.
    methods : tuple of str
        The methods of distilling that use it; by default those of its section.
    seldom : bool
        Whether it is folded away where room is scarce.
    in_viewer : bool
        Whether a widget asks for it.
    option : Option or None
        None where the command line does not ask for it.
    """

    tooltip: str
    label: str = ""
    name: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    bound: Bound | None = None
    suffix: str = ""
    unset: str = "not set"
    unset_word: str = ""
    unset_value: float | None = 0
    when: Condition | None = None
    must_count: bool = False
    methods: tuple[str, ...] = ()
    seldom: bool = False
    in_viewer: bool = True
    option: Option | None = None


@dataclass(frozen=True)
class Declared:
    """A parameter of a recipe: its declaration, and what its field says.

    Attributes
    ----------
    section : type of Section
    field : str
    kind : type
        bool, int, float or str; of a parameter with a value an axis that of each.
    choices : tuple of str
        Empty where any value of the kind will do.
    per_axis : bool
        Whether it has a value an axis.
    default : Any
    parameter : Parameter
    """

    section: type[Section]
    field: str
    kind: type
    choices: tuple[str, ...]
    per_axis: bool
    default: Any
    parameter: Parameter

    @property
    def name(self) -> str:
        """Under which name widgets ask for it."""
        return self.parameter.name or self.field

    @property
    def label(self) -> str:
        """How it is called, with its unit."""
        unit = self.parameter.unit
        return f"{self._plain_label} ({unit})" if unit else self._plain_label

    @property
    def typed(self) -> TypedNumber:
        """How its number is typed, for one that is a number."""
        shown = self.parameter
        return TypedNumber(
            shown.bound.what if shown.bound is not None else self._plain_label,
            shown.unit or shown.suffix.strip(),
            whole=self.kind is int,
            bound=shown.bound,
            unset=shown.unset_word,
        )

    @property
    def _plain_label(self) -> str:
        return self.parameter.label or self.name.replace("_", " ")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """For which values of other parameters of its section it counts: all of these."""
        own = (self.parameter.when,) if self.parameter.when is not None else ()
        tag = self.section.tag()
        return (*own, ("method", (tag,))) if tag else own

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of distilling that use it; empty where that is no question."""
        return self.parameter.methods or self.section.METHODS

    def shown(self, value: Any) -> Any:
        """Return a recipe's value as a widget shows it: 0 for None, and always for z, y and x."""
        if not self.per_axis:
            return self.kind(self.parameter.unset_value or 0) if value is None else value
        if value is None:
            return (self.kind(self.parameter.unset_value or 0),) * AXES
        # Without z, that of a 2D image, which does not count, is the least that can be.
        least = self.kind(self.parameter.minimum or 0)
        return ((least,) * AXES + tuple(value))[-AXES:]

    def taken(self, shown: Any) -> Any:
        """Return what a widget shows as a recipe has it: None for 0, where that stands for it."""
        values = tuple(self.kind(value) for value in (shown if self.per_axis else (shown,)))
        if self.optional and self.parameter.unset_value == 0 and not any(values):
            return None
        return values if self.per_axis else values[0]

    @property
    def optional(self) -> bool:
        """Whether its value can be None."""
        return type(None) in typing.get_args(_plain(fields_of(self.section)[self.field]))


def declared(section: type[Section]) -> tuple[Declared, ...]:
    """Return the parameters that a section of a recipe declares, in their order."""
    # mypy takes a class to be hashed as its objects are.
    return _declared(section)  # type: ignore[arg-type]


@functools.cache
def _declared(section: type[Section]) -> tuple[Declared, ...]:
    defaults = {field.name: field.default for field in dataclasses.fields(section)}
    found = []
    for name, hint in fields_of(section).items():
        notes: Sequence[Any] = getattr(hint, "__metadata__", ())
        for parameter in notes:
            if isinstance(parameter, Parameter):
                kind, choices, per_axis = _kind_of(hint)
                found.append(
                    Declared(section, name, kind, choices, per_axis, defaults[name], parameter)
                )
    return tuple(found)


def _plain(hint: Any) -> Any:
    """Return a type without what is annotated to it."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint


def _kind_of(hint: Any) -> tuple[type, tuple[str, ...], bool]:
    """Return the type of a field's value, its choices, and whether there is one an axis."""
    hint = _plain(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
        hint = _plain(hint)
    if typing.get_origin(hint) is tuple:
        return _plain(typing.get_args(hint)[0]), (), True
    if typing.get_origin(hint) is Literal:
        return str, typing.get_args(hint), False
    return hint, (), False
