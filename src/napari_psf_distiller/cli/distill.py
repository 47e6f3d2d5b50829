"""The commands that distil PSFs from files of bead images."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.cli.bead_stacks import (
    BeadStacks,
    StackSource,
    microscope_of,
    microscope_warnings,
    read_stacks,
    stack_sources,
)
from napari_psf_distiller.cli.commands import Outlet, compare_spacing
from napari_psf_distiller.cli.microscope import with_microscope
from napari_psf_distiller.cli.options import chosen_part, given, with_options
from napari_psf_distiller.cli.results_text import results_text
from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.io import STACK_AXES, StackAxis
from napari_psf_distiller.progress import finish
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.results import Result
from napari_psf_distiller.results.folder import result_names, write_results
from napari_psf_distiller.results.staging import results_in
from napari_psf_distiller.wording import widths_text

__all__ = ["distill", "replay"]

# So many of the stacks that gave no PSF are named at the end.
NAMED = 5

# Of the parts of a file, those along which it may have several stacks.
AXES = ("scene", "time")


def distill(arguments: argparse.Namespace, outlet: Outlet) -> str:
    """Distil the PSF from a file with an image of beads, one from several, or one from each."""
    sources = stack_sources(arguments.images, chosen_part(arguments), _axis(arguments))
    if arguments.each:
        return _distill_each(arguments, sources, outlet)
    return _distill_together(arguments, sources, arguments.output, outlet)[0]


def _distill_together(
    arguments: argparse.Namespace, sources: Sequence[StackSource], folder: Path, outlet: Outlet
) -> tuple[str, Result]:
    """Distil the one PSF of some stacks into a folder; return what to print, and the result."""
    stacks = read_stacks(sources)
    if arguments.recipe is not None:
        recipe = Recipe.load(arguments.recipe)
    elif arguments.notebook:
        recipe = Recipe.notebook()
    else:
        recipe = Recipe.stepwise() if arguments.stepwise else Recipe()
    options = given(arguments, "distill")
    for name in ("over_field", "held_out"):
        if name in options and recipe.distill.method != "joint":
            raise InputError(
                f"--{name.replace('_', '-')} is for the joint fit, but the recipe's method is "
                "Richardson-Lucy, which makes one PSF of all beads: leave it out."
            )
    if "iterations" in options and recipe.distill.method == "joint":
        raise InputError(
            "--iterations is for Richardson-Lucy, but the recipe's method is the joint fit, which "
            "ends where it gains nothing any more: leave it out, or give --stepwise."
        )
    spacing = stacks.spacing or recipe.spacing
    if arguments.spacing is not None:
        spacing = check_spacing(arguments.spacing, len(arguments.spacing))
        compare_spacing("the spacing given", spacing, stacks.paths[0], stacks.spacing, outlet)
    recipe = dataclasses.replace(recipe, spacing=spacing)
    recipe = with_microscope(recipe, arguments, stacks.paths[0], outlet)
    for warning in microscope_warnings(stacks):
        outlet.warn(warning)
    inputs = [*stacks.paths] + ([arguments.recipe] if arguments.recipe is not None else [])
    return _distill_files(arguments, inputs, stacks, recipe, folder, outlet)


def _distill_each(
    arguments: argparse.Namespace, sources: Sequence[StackSource], outlet: Outlet
) -> str:
    """Distil a PSF from each of some stacks, into a folder of its own."""
    output: Path = arguments.output
    names = _folder_names(sources)
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} cannot be the output folder: it is a file.")
    if not output.parent.is_dir():
        raise InputError(
            f"The output folder {output} cannot be made: {output.parent} does not exist."
        )
    made = not output.exists()
    output.mkdir(exist_ok=True)
    failed: list[str] = []
    try:
        for source, name in zip(sources, names, strict=True):
            folder = output / name
            try:
                _, result = _distill_together(arguments, [source], folder, outlet)
            except InputError as error:
                # The other stacks may be all right.
                failed.append(source.name)
                outlet.warn(f"{source.name}: {error}")
                continue
            psf = folder / result_names(result.recipe, arguments.ome)[0]
            outlet.tell(f"{source.name}: {psf}, {widths_text(result.fwhm, result.fwhm_error)}")
    finally:
        if made and not any(output.iterdir()):
            output.rmdir()
    if failed:
        done = len(sources) - len(failed)
        written = f" The PSFs of the other {done} are in {output}." if done else ""
        more = f", and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        raise DistillerError(
            f"{len(failed)} of {len(sources)} stacks gave no PSF, for the reasons above: "
            f"{', '.join(failed[:NAMED])}{more}.{written}"
        )
    return f"PSFs:   {output}, {len(sources)} folders"


def _folder_names(sources: Sequence[StackSource]) -> list[str]:
    """Return a folder's name for each stack: the file's without its ending, and which part it is.

    Names that would be the same get their stack's number. A scene of a plate, such as ``A/1/0``, is
    no folder in a folder.
    """
    names = []
    for source in sources:
        name = source.path.name
        for ending in (source.path.suffix, ".ome"):
            name = name.removesuffix(ending)
        parts = [f"{axis}{source.part[axis]}" for axis in AXES if source.part.get(axis) is not None]
        names.append(re.sub(r'[/\\:*?"<>|]', "-", "-".join([name, *parts])))
    # Some file systems do not tell capital letters from small ones.
    counts = Counter(name.lower() for name in names)
    taken, found = set(counts), []
    for number, name in enumerate(names):
        unlike = name
        if counts[name.lower()] > 1:
            while unlike.lower() in taken:
                unlike = f"{unlike}-{number}"
            taken.add(unlike.lower())
        found.append(unlike)
    return found


def _axis(arguments: argparse.Namespace) -> StackAxis | None:
    """Return along which axis each part of a file is a stack."""
    return None if arguments.axis is None else STACK_AXES[arguments.axis]


def replay(arguments: argparse.Namespace, outlet: Outlet) -> str:
    """Distil again as a saved recipe says."""
    recipe = Recipe.load(arguments.recipe)
    sources = stack_sources(arguments.images, chosen_part(arguments), _axis(arguments))
    stacks = read_stacks(sources)
    if recipe.spacing is None:
        recipe = dataclasses.replace(recipe, spacing=stacks.spacing)
    else:
        compare_spacing("the recipe", recipe.spacing, stacks.paths[0], stacks.spacing, outlet)
    recipe = with_options(recipe, arguments)
    made = recipe.provenance
    if made is None:
        outlet.warn(
            f"{arguments.recipe} does not say which image it was made from; it is not known "
            "whether this is the same."
        )
    elif stacks.sha256 != made.image_sha256:
        outlet.warn(_not_the_same(stacks, made.stacks))
    for step in made.by_hand if made is not None else ():
        outlet.warn(f"The result of {step} was edited by hand; a replay does not repeat that.")
    text, result = _distill_files(
        arguments, [arguments.recipe, *stacks.paths], stacks, recipe, arguments.output, outlet
    )
    now = result.recipe.provenance
    if made is not None and now is not None and now.device != made.device:
        outlet.warn(
            f"The recipe was made on {made.device}; this ran on {now.device}. The results may "
            "differ by rounding."
        )
    return text


def _distill_files(
    arguments: argparse.Namespace,
    inputs: Sequence[Path],
    stacks: BeadStacks,
    recipe: Recipe,
    folder: Path,
    outlet: Outlet,
) -> tuple[str, Result]:
    """Distil images into a folder; return what to print, and the result."""
    ome = arguments.ome
    with results_in(folder, result_names(recipe, ome), arguments.overwrite, inputs) as staging:
        result = finish(stacks.steps(recipe), outlet.progress).described(
            image_name=stacks.title,
            microscope=_microscope_name(arguments, stacks),
            note=arguments.note,
        )
        write_results(staging, result, f"PSF from {stacks.title}", ome=ome)
    for warning in result.warnings:
        outlet.warn(warning)
    return results_text(folder, result, ome=ome), result


def _microscope_name(arguments: argparse.Namespace, stacks: BeadStacks) -> str:
    """Return the name of the preset that was given, else the objective of the first file."""
    if getattr(arguments, "microscope_preset", None) is not None:
        return str(arguments.microscope_preset)
    return microscope_of(stacks.sources[0]).objective


def _not_the_same(stacks: BeadStacks, before: Sequence[str]) -> str:
    """Return that a recipe is replayed with other images than it was made from."""
    if len(stacks.images) == 1 and not before:
        return (
            f"{stacks.paths[0]} is not the image that the recipe was made from; the PSF will be "
            "another one."
        )
    made_from = f"{', '.join(before)}, in this order" if before else "one image"
    return (
        f"These are not the images that the recipe was made from ({made_from}); the PSF will be "
        "another one."
    )
