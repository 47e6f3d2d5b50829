"""Frozen dataclasses whose fields are checked, made by hand or read strictly from plain data."""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.typed_numbers import (
    MICROMETRES,
    TypedNumber,
    TypedNumberError,
    number_text,
)

__all__ = ["Section", "fields_of", "sections_of"]


@dataclass(frozen=True)
class Section:
    """A part of a recipe: its fields are checked whenever one is made, by hand or from a file.

    Sections that stand for each other, as the methods of one step, have a field ``method`` with
    one value each, by which they are told apart in a file; the first of them is the default.
    """

    # The methods of distilling that use it; empty where that is no question.
    METHODS: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, hint in fields_of(type(self)).items():
            value = getattr(self, name)
            sections = sections_of(hint)
            if sections:
                if not isinstance(value, sections) and (value is not None or not _optional(hint)):
                    names = " or a ".join(section.__name__ for section in sections)
                    raise InputError(
                        f"{type(self).__name__}.{name} is {shown(value)}; it should be a {names}."
                    )
                continue
            try:
                checked = _adapter(hint).validate_python(_plain(value), strict=True)
            except ValidationError as error:
                raise InputError(_sentence(f"{type(self).__name__}.{name}", error)) from None
            except RecursionError:
                raise InputError(f"{type(self).__name__}.{name} is nested too deeply.") from None
            object.__setattr__(self, name, checked)

    @classmethod
    def from_dict(cls, data: Any, where: str | None = None) -> Self:
        """Make the section from plain JSON data, refusing what it does not know.

        Raises
        ------
        InputError
            An unknown field, a missing one without default, or a value of the wrong type.
        """
        where = where or cls.__name__
        if not isinstance(data, dict):
            raise InputError(f"{where} must be an object with named fields, not {shown(data)}.")
        hints = fields_of(cls)
        unknown = sorted(map(str, set(data) - set(hints)))
        if unknown:
            raise InputError(
                f"{where} has the unknown field {shown(unknown[0])}; known are {', '.join(hints)}."
            )
        needed = [
            item.name
            for item in dataclasses.fields(cls)
            if item.default is item.default_factory is dataclasses.MISSING
        ]
        missing = [name for name in needed if name not in data]
        if missing:
            raise InputError(f"{where} lacks the field {missing[0]!r}.")
        values = {}
        for name, value in data.items():
            sections = sections_of(hints[name])
            if sections and (value is not None or not _optional(hints[name])):
                part = f"{where}.{name}"
                values[name] = _meant(sections, value, part).from_dict(value, part)
            else:
                values[name] = value
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the section as plain data for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def tag(cls) -> str:
        """Return the one value of its field ``method``; "" of a section that stands for no other.

        Examples
        --------
        >>> from napari_psf_distiller import JointFit, Optics
        >>> JointFit.tag(), Optics.tag()
        ('joint', '')
        """
        hint = fields_of(cls).get("method")
        values = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
        return str(values[0]) if len(values) == 1 else ""


def fields_of(section: type[Section]) -> dict[str, Any]:
    """Return the type of each field of a section, with all that is annotated to it."""
    # mypy takes a class to be hashed as its objects are.
    return _hints(section)  # type: ignore[arg-type]


# Evaluated anew, hints are others, and each would get an adapter of its own that stays.
@functools.cache
def _hints(section: type[Section]) -> dict[str, Any]:
    hints = typing.get_type_hints(section, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(section)}


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


@functools.cache
def sections_of(hint: Any) -> tuple[type[Section], ...]:
    """Return the sections that a field can have; none of a field with another value."""
    return tuple(
        candidate
        for candidate in (hint, *typing.get_args(hint))
        if isinstance(candidate, type) and issubclass(candidate, Section)
    )


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _meant(sections: tuple[type[Section], ...], data: Any, where: str) -> type[Section]:
    """Return which of some sections a file's data are of.

    Raises
    ------
    InputError
        There is no such method.
    """
    if len(sections) == 1 or not isinstance(data, dict) or "method" not in data:
        return sections[0]
    for section in sections:
        if section.tag() == data["method"]:
            return section
    names = " or ".join(repr(section.tag()) for section in sections)
    raise InputError(f"{where}.method is {shown(data['method'])}; it should be {names}.")


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, and JSON's lists, into what the strict check knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value


def _as_number(text: str) -> str:
    """Return how what a text says is given as a number; "" of a text that says none."""
    try:
        value = TypedNumber("", MICROMETRES).read(text)
    except TypedNumberError:
        return ""
    return f", without quotes and unit: {number_text(value)}"


def _sentence(where: str, error: ValidationError) -> str:
    # A union reports each member's complaint; the last is of the fullest form.
    complaint = error.errors()[-1]
    message = complaint["msg"]
    wish = "Input should be "
    text = f"it should be {message[len(wish) :]}" if message.startswith(wish) else message.lower()
    if complaint["type"] in ("float_type", "int_type") and isinstance(complaint["input"], str):
        text += _as_number(complaint["input"])
    inner = ".".join(str(part) for part in complaint["loc"] if isinstance(part, int))
    place = f"{where}[{inner}]" if inner else where
    return f"{place} is {shown(complaint['input'])}; {text}."
