"""The commands that distil PSFs from files of bead images."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from napari_psf_distiller.batch.files import folder_names, stem_of
from napari_psf_distiller.batch.run import BatchImage, batch_steps, saved_steps
from napari_psf_distiller.batch.table import TABLE_NAME, BatchRow, write_batch_table
from napari_psf_distiller.checks import check_given_spacing
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
from napari_psf_distiller.cli.results_text import labelled, results_text
from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.io import STACK_AXES, StackAxis
from napari_psf_distiller.progress import Steps, finish
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.results import Result
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
    return _distill_together(arguments, sources, arguments.output, outlet)


def _distill_together(
    arguments: argparse.Namespace, sources: Sequence[StackSource], folder: Path, outlet: Outlet
) -> str:
    """Distil the one PSF of some stacks into a folder; return what to print."""
    inputs, stacks, recipe = _read(arguments, sources, outlet)
    steps = _written(arguments, inputs, stacks, recipe, folder)
    return _said(arguments, finish(steps, outlet.progress), folder, outlet)


def _read(
    arguments: argparse.Namespace, sources: Sequence[StackSource], outlet: Outlet
) -> tuple[list[Path], BeadStacks, Recipe]:
    """Return the files that were given, the stacks in them, and how these are distilled."""
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
        spacing = check_given_spacing(arguments.spacing, stacks.images[0].ndim)
        compare_spacing("the spacing given", spacing, stacks.paths[0], stacks.spacing, outlet)
    recipe = dataclasses.replace(recipe, spacing=spacing)
    recipe = with_microscope(recipe, arguments, stacks.paths[0], outlet)
    for warning in microscope_warnings(stacks):
        outlet.warn(warning)
    inputs = [*stacks.paths] + ([arguments.recipe] if arguments.recipe is not None else [])
    return inputs, stacks, recipe


def _distill_each(
    arguments: argparse.Namespace, sources: Sequence[StackSource], outlet: Outlet
) -> str:
    """Distil a PSF from each of some stacks, into a folder of its own, and a table of all."""
    output: Path = arguments.output
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} cannot be the output folder: it is a file.")
    if not output.parent.is_dir():
        raise InputError(
            f"The output folder {output} cannot be made: {output.parent} does not exist."
        )
    made = not output.exists()
    output.mkdir(exist_ok=True)
    rows: list[BatchRow] = []

    def tell(row: BatchRow, result: Result | None) -> None:
        rows.append(row)
        if result is None:
            outlet.warn(f"{row.image}: {row.error}")
            return
        for warning in row.warnings:
            outlet.warn(f"{row.image}: {warning}")
        outlet.tell(f"{row.image}: {row.psf}, {widths_text(row.fwhm, row.fwhm_error)}")

    try:
        names = folder_names([_bare_name(source) for source in sources])
        images = [
            _batch_image(arguments, source, output / name, outlet)
            for source, name in zip(sources, names, strict=True)
        ]
        finish(batch_steps(images, tell), outlet.progress)
    except BaseException as end:
        kept = sum(not row.error for row in rows)
        if kept:
            end.add_note(f"the PSFs of {kept} of {len(sources)} stacks are in {output}.")
        raise
    finally:
        done = [row for row in rows if not row.error]
        if done:
            write_batch_table(output, rows)
        elif made and not any(output.iterdir()):
            output.rmdir()
    failed = [row.image for row in rows if row.error]
    if failed:
        written = (
            f" The PSFs of the other {len(done)} are in {output}, and {TABLE_NAME} lists all."
            if done
            else ""
        )
        more = f", and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        raise DistillerError(
            f"{len(failed)} of {len(sources)} stacks gave no PSF, for the reasons above: "
            f"{', '.join(failed[:NAMED])}{more}.{written}"
        )
    return labelled({"PSFs": f"{output}, {len(sources)} folders", "Table": output / TABLE_NAME})


def _batch_image(
    arguments: argparse.Namespace, source: StackSource, folder: Path, outlet: Outlet
) -> BatchImage:
    """Return one of several stacks that give a PSF each, in a folder of its own."""

    def steps() -> Steps[Result]:
        inputs, stacks, recipe = _read(arguments, [source], outlet)
        return (yield from _written(arguments, inputs, stacks, recipe, folder))

    return BatchImage(source.name, steps, folder / f"psf{'.ome' * arguments.ome}.tif")


def _bare_name(source: StackSource) -> str:
    """Return a stack's file without its ending, and which part of it the stack is."""
    parts = [f"{axis}{source.part[axis]}" for axis in AXES if source.part.get(axis) is not None]
    return "-".join([stem_of(source.path), *parts])


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
    folder: Path = arguments.output
    steps = _written(arguments, [arguments.recipe, *stacks.paths], stacks, recipe, folder)
    result = finish(steps, outlet.progress)
    text = _said(arguments, result, folder, outlet)
    now = result.recipe.provenance
    if made is not None and now is not None and now.device != made.device:
        outlet.warn(
            f"The recipe was made on {made.device}; this ran on {now.device}. The results may "
            "differ by rounding."
        )
    return text


def _written(
    arguments: argparse.Namespace,
    inputs: Sequence[Path],
    stacks: BeadStacks,
    recipe: Recipe,
    folder: Path,
) -> Steps[Result]:
    """Distil images into a folder, as a generator of progress."""

    def described() -> Steps[Result]:
        result = yield from stacks.steps(recipe)
        return result.described(
            image_name=stacks.title,
            microscope=_microscope_name(arguments, stacks),
            note=arguments.note,
        )

    return (
        yield from saved_steps(
            described(),
            recipe,
            folder,
            f"PSF from {stacks.title}",
            inputs=inputs,
            overwrite=arguments.overwrite,
            ome=arguments.ome,
        )
    )


def _said(arguments: argparse.Namespace, result: Result, folder: Path, outlet: Outlet) -> str:
    """Tell the warnings of a result, and return what to print of it."""
    for warning in result.warnings:
        outlet.warn(warning)
    return results_text(folder, result, ome=arguments.ome)


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
