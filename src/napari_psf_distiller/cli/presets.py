"""`psf-distiller presets`: the microscopes that are kept by name."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_psf_distiller.cli.options import add_options, given, with_options
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import optics_text, read_microscope
from napari_psf_distiller.microscopes import MicroscopePreset, MicroscopePresets
from napari_psf_distiller.recipe import Camera, Optics, Recipe
from napari_psf_distiller.recipe.parameter import declared

if TYPE_CHECKING:
    from napari_psf_distiller.cli.commands import Outlet

__all__ = ["add_presets"]


def add_presets(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Let the command line ask for what can be done with microscopes that are kept by name."""
    part = subparsers.add_parser(
        "presets",
        help="keep microscopes by name: list, show, save, rename, delete, export and import them",
        description="Keep microscopes by name, for --microscope-preset and for the viewer. Without "
        "a command, they are listed.",
    )
    part.set_defaults(command=_list)
    actions = part.add_subparsers(metavar="action")

    show = actions.add_parser("show", help="show all that is known of one")
    show.add_argument("name")
    show.set_defaults(command=_show)

    save = actions.add_parser("save", help="keep one")
    save.add_argument("name", help="such as 'Lab confocal 63x'")
    save.add_argument(
        "--from-image",
        type=Path,
        metavar="TIF",
        help="take what is not given from this image, as far as its file says",
    )
    add_options(save, Optics)
    add_options(save, Camera)
    save.add_argument("--overwrite", action="store_true", help="replace one of this name")
    save.set_defaults(command=_save)

    rename = actions.add_parser("rename", help="give one another name")
    rename.add_argument("name")
    rename.add_argument("new_name", metavar="new-name")
    rename.set_defaults(command=_rename)

    delete = actions.add_parser("delete", help="forget one")
    delete.add_argument("name")
    delete.set_defaults(command=_delete)

    export = actions.add_parser("export", help="write some to a file, to hand them out")
    export.add_argument("file", type=Path, metavar="JSON")
    export.add_argument("names", nargs="*", metavar="name", help="by default all")
    export.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    export.set_defaults(command=_export)

    add = actions.add_parser("import", help="add those of a file that was exported")
    add.add_argument("file", type=Path, metavar="JSON")
    add.add_argument("--overwrite", action="store_true", help="replace those of the same names")
    add.set_defaults(command=_import)


def _list(_arguments: argparse.Namespace, _outlet: Outlet) -> str:
    presets = MicroscopePresets()
    found = dict(presets)
    if not found:
        return (
            f"No microscope is kept in {presets.path} yet; see psf-distiller presets save --help."
        )
    width = max(map(len, found))
    lines = [f"{name.ljust(width)}  {_optics_of(preset)}" for name, preset in found.items()]
    return "\n".join([*lines, "", f"They are kept in {presets.path}."])


def _show(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    return "\n".join(_lines(MicroscopePresets()[arguments.name]))


def _save(arguments: argparse.Namespace, outlet: Outlet) -> str:
    found: dict[str, Any] = {}
    if arguments.from_image is not None:
        stored = read_microscope(arguments.from_image)
        for note in stored.notes:
            outlet.warn(note)
        chosen = given(arguments, "optics")
        found = stored.beside(chosen.get("microscope", Optics().microscope), chosen)
    try:
        recipe = with_options(Recipe(), arguments, {"optics": found})
    except InputError as error:
        # What is given may be wrong of itself, which is no matter of the image.
        with_options(Recipe(), arguments)
        raise InputError(
            f"What {arguments.from_image} says of the microscope, {optics_text(found)}, does not "
            f"go with what is given. {error}"
        ) from None
    preset = MicroscopePreset(recipe.optics, recipe.camera)
    if preset == MicroscopePreset():
        options = "give options such as --microscope and --na"
        if arguments.from_image is not None:
            raise InputError(f"{arguments.from_image} says nothing of the microscope; {options}.")
        raise InputError(f"Nothing is said of the microscope; {options}, or --from-image.")
    MicroscopePresets().save(arguments.name, preset, overwrite=arguments.overwrite)
    return "\n".join([f"Kept {arguments.name.strip()!r}:", *_lines(preset)])


def _rename(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    MicroscopePresets().rename(arguments.name, arguments.new_name)
    return f"{arguments.name!r} is called {arguments.new_name.strip()!r} now."


def _delete(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    MicroscopePresets().delete(arguments.name)
    return f"Deleted {arguments.name!r}."


def _export(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    path: Path = arguments.file
    if path.exists() and not arguments.overwrite:
        raise InputError(f"{path} is there already; give --overwrite to replace it.")
    presets = MicroscopePresets()
    presets.export(path, *arguments.names)
    return f"Written: {path} ({', '.join(map(repr, arguments.names or presets))})"


def _import(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    names = MicroscopePresets().add_from(arguments.file, overwrite=arguments.overwrite)
    return f"Added {', '.join(map(repr, names))}."


def _optics_of(preset: MicroscopePreset) -> str:
    return optics_text(dataclasses.asdict(preset.optics)).removeprefix("microscope ")


def _lines(preset: MicroscopePreset) -> Iterator[str]:
    """Return what is known of a microscope, a line each."""
    for part in (preset.optics, preset.camera):
        for one in declared(type(part)):
            value = getattr(part, one.field)
            if value is not None:
                shown = value if isinstance(value, str) else f"{value:g}"
                yield f"  {one.label}: {shown}"
