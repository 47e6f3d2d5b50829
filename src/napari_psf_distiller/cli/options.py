"""The command line's options for the parameters of a recipe, made from what is declared of them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import PLACES, Recipe
from napari_psf_distiller.recipe.parameter import Declared, declared
from napari_psf_distiller.recipe.section import Section
from napari_psf_distiller.typed_numbers import TypedNumber

__all__ = ["add_options", "add_part", "chosen_part", "given", "typed_as", "with_options"]

# What the places of options begin with, among all arguments: then the section, then the field.
MARK = "recipe:"


def add_options(part: argparse.ArgumentParser, section: type[Section], *fields: str) -> None:
    """Let a command ask for the parameters of a section of a recipe that have an option.

    Parameters
    ----------
    part : argparse.ArgumentParser
    section : type of Section
    *fields : str
        Only these; by default all.
    """
    for one in declared(section):
        option = one.parameter.option
        if option is None or (fields and one.field not in fields):
            continue
        dest = f"{MARK}{PLACES[section]}.{one.field}"
        if one.kind is bool:
            # Not given, it leaves what a recipe says.
            part.add_argument(
                option.name, dest=dest, action="store_true", default=None, help=option.help
            )
            continue
        metavar = option.metavar
        default = f"{one.default:g}" if isinstance(one.default, float) else str(one.default)
        keywords: dict[str, Any] = {"type": one.kind}
        if one.choices:
            keywords = {"choices": one.choices}
        elif one.kind in (int, float):
            # A word for nothing is a field's: here the option is left out.
            keywords = {"type": typed_as(dataclasses.replace(one.typed, name="", unset=""))}
        part.add_argument(
            option.name,
            dest=dest,
            metavar=metavar if one.choices else metavar or option.name.strip("-").upper(),
            help=option.help.replace("{default}", default),
            **keywords,
        )


def typed_as(number: TypedNumber) -> Callable[[str], float]:
    """Return what reads an option's number as people type it: 0.52, 0,52, or 520 nm."""

    def read(text: str) -> float:
        try:
            value = number.read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return int(value) if number.whole else value

    return read


def add_part(part: argparse.ArgumentParser) -> None:
    """Let a command ask which scene, channel and time of the image's file is meant."""
    text = "which {} of the image's file, if it has several: a number from 0{}"
    name = ", or its name there"
    part.add_argument("--scene", metavar="SCENE", help=text.format("scene", name))
    part.add_argument(
        "--channel", metavar="CHANNEL", help=text.format("channel", f"{name} (not of a TIFF)")
    )
    part.add_argument("--time", type=int, metavar="N", help=text.format("point of time", ""))


def chosen_part(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_part` asked for, as keywords of `read_image`."""
    return {what: getattr(arguments, what) for what in ("scene", "channel", "time")}


def given(arguments: argparse.Namespace, place: str = "") -> dict[str, Any]:
    """Return the fields that a command line gave, by name.

    Parameters
    ----------
    arguments : argparse.Namespace
    place : str
        The section of a recipe whose fields these are; "" is the recipe itself.
    """
    mark = f"{MARK}{place}."
    return {
        name.removeprefix(mark): value
        for name, value in vars(arguments).items()
        if name.startswith(mark) and value is not None
    }


def with_options(
    recipe: Recipe,
    arguments: argparse.Namespace,
    found: Mapping[str, Mapping[str, Any]] | None = None,
) -> Recipe:
    """Return a recipe with all parameters that a command line gave.

    Parameters
    ----------
    recipe : Recipe
    arguments : argparse.Namespace
    found : mapping of str to mapping, optional
        For a section, fields that are known from elsewhere; what was given counts before them.
    """
    changes, found = given(arguments), found or {}
    for field in dataclasses.fields(recipe):
        part = getattr(recipe, field.name)
        values = {**found.get(field.name, {}), **given(arguments, field.name)}
        if isinstance(part, Section) and values:
            changes[field.name] = dataclasses.replace(part, **_without_refused(part, values))
    return dataclasses.replace(recipe, **changes)


def _without_refused(part: Section, values: dict[str, Any]) -> dict[str, Any]:
    """Let a section drop what it refuses once it has some values, such as a widefield's pinhole."""
    dropped = {
        one.field: one.default
        for one in declared(type(part))
        if one.parameter.must_count and not _counts(one, values)
    }
    return dropped | values


def _counts(one: Declared, values: dict[str, Any]) -> bool:
    """Return whether a parameter can count with some of its section's values."""
    when = one.parameter.when
    return when is None or when[0] not in values or values[when[0]] in when[1]
