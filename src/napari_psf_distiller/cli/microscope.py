"""The microscope of a command: of the options, a preset, a recipe and the image's file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_psf_distiller.cli.options import given, with_options
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import StoredMicroscope, optics_text, read_microscope
from napari_psf_distiller.microscopes import MicroscopePresets
from napari_psf_distiller.recipe import Camera, Optics, Recipe

if TYPE_CHECKING:
    from napari_psf_distiller.cli.commands import Outlet

__all__ = ["with_microscope"]


def with_microscope(
    recipe: Recipe, arguments: argparse.Namespace, image: Path, outlet: Outlet
) -> Recipe:
    """Return a recipe with the options that were given, and all that is known of the microscope.

    An option counts before a preset, a preset before the recipe, and what the image's file says
    only where none of them says anything.

    Parameters
    ----------
    recipe : Recipe
    arguments : argparse.Namespace
        With a ``channel`` and ``scene`` of the image's file, and a ``microscope_preset``, a name or
        None.
    image : Path
        The image's file; of several the first.
    outlet : Outlet

    Raises
    ------
    InputError
        There is no such preset, or what is given cannot be.
    """
    if arguments.microscope_preset is not None:
        preset = MicroscopePresets()[arguments.microscope_preset]
        camera = dataclasses.replace(recipe.camera, **_known(preset.camera))
        recipe = dataclasses.replace(recipe, optics=preset.optics, camera=camera)
    chosen = set(given(arguments, "optics"))
    if recipe.optics != Optics():
        chosen |= set(_known(recipe.optics))
    stored = read_microscope(image, arguments.channel, scene=arguments.scene)
    for note in stored.notes:
        outlet.warn(note)
    return _beside_file(recipe, arguments, image, stored, chosen, outlet)


def _beside_file(
    recipe: Recipe,
    arguments: argparse.Namespace,
    image: Path,
    stored: StoredMicroscope,
    chosen: set[str],
    outlet: Outlet,
) -> Recipe:
    """Take from the file what was not chosen, and tell what it says otherwise."""
    kind = given(arguments, "optics").get("microscope", recipe.optics.microscope)
    found = stored.beside(kind, chosen)
    try:
        made = with_options(recipe, arguments, {"optics": found})
    except InputError as error:
        # What is given may be wrong of itself.
        made = with_options(recipe, arguments)
        if found:
            outlet.warn(
                f"What {image} says of the microscope, {optics_text(found)}, does not go "
                f"with what is given, and is left out. {error}"
            )
        return made
    if found:
        outlet.tell(f"{image} says: {optics_text(found)}.")
    other = stored.contradicted(made.optics, chosen)
    if other:
        here = {name: getattr(made.optics, name) for name in other}
        outlet.warn(
            f"{image} says {optics_text(other)}, but {optics_text(here)} is given, which counts."
        )
    return made


def _known(part: Optics | Camera) -> dict[str, Any]:
    """Return the fields that say something."""
    fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {name: value for name, value in fields.items() if value is not None}
