"""Frozen dataclasses whose fields are checked, made by hand or read strictly from plain data."""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from napari_psf_distiller.errors import InputError, shown

__all__ = ["Section"]


@dataclass(frozen=True)
class Section:
    """A part of a recipe: its fields are checked whenever one is made, by hand or from a file."""

    def __post_init__(self) -> None:
        # mypy takes a class to be hashed as its objects are.
        for name, hint in _hints(type(self)).items():  # type: ignore[arg-type]
            value = getattr(self, name)
            section = _section_of(hint)
            if section is not None:
                if not isinstance(value, section) and (value is not None or hint is section):
                    raise InputError(
                        f"{type(self).__name__}.{name} is {shown(value)}; it should be a "
                        f"{section.__name__}."
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
        hints = _hints(cls)  # type: ignore[arg-type]
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
            section = _section_of(hints[name])
            if section is not None and (value is not None or hints[name] is section):
                values[name] = section.from_dict(value, f"{where}.{name}")
            else:
                values[name] = value
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the section as plain data for JSON."""
        return dataclasses.asdict(self)


# Evaluated anew, hints are others, and each would get an adapter of its own that stays.
@functools.cache
def _hints(section: type[Section]) -> dict[str, Any]:
    return typing.get_type_hints(section, include_extras=True)


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


def _section_of(hint: Any) -> type[Section] | None:
    for candidate in (hint, *typing.get_args(hint)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, and JSON's lists, into what the strict check knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value


def _sentence(where: str, error: ValidationError) -> str:
    # A union reports each member's complaint; the last is of the fullest form.
    complaint = error.errors()[-1]
    message = complaint["msg"]
    wish = "Input should be "
    text = f"it should be {message[len(wish) :]}" if message.startswith(wish) else message.lower()
    inner = ".".join(str(part) for part in complaint["loc"] if isinstance(part, int))
    place = f"{where}[{inner}]" if inner else where
    return f"{place} is {shown(complaint['input'])}; {text}."
