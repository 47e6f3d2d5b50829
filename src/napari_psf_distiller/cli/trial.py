"""`psf-distiller try`: a region deconvolved in several ways, before a long run."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.checks import check_given_spacing, check_iterations, check_spacing
from napari_psf_distiller.cli.commands import Outlet, compare_spacing, given_psf
from napari_psf_distiller.cli.options import chosen_part, with_options
from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.deconvolution.datasets.trial import try_dataset_steps
from napari_psf_distiller.deconvolution.finer import finer_first_voxel
from napari_psf_distiller.deconvolution.trial import Trial, try_steps, usual_settings
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import read_image
from napari_psf_distiller.io.several_images import write_several_images
from napari_psf_distiller.progress import Steps, finish
from napari_psf_distiller.psf import read_psf
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.results.staging import results_in
from napari_psf_distiller.wording import duration_text

__all__ = ["region_of", "settings_of", "try_region"]

MEASURED = "measured"


def region_of(text: str) -> tuple[slice, ...]:
    """Return the region that a text such as ``0:32,100:200,50:150`` says.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.

    Examples
    --------
    >>> region_of(":,100:200,50:150")
    (slice(None, None, None), slice(100, 200, None), slice(50, 150, None))
    """
    box = []
    for part in text.split(","):
        ends = part.split(":")
        if len(ends) != 2 or not all(end.strip().isdecimal() or not end.strip() for end in ends):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no region: give z0:z1,y0:y1,x0:x1 in voxels from 0, or y0:y1,x0:x1; "
                "a : alone is all of an axis"
            )
        low, high = (int(end) if end.strip() else None for end in ends)
        box.append(slice(low, high))
    return tuple(box)


def settings_of(
    base: Deconvolve, iterations: Sequence[int] | None, weights: Sequence[float] | None
) -> tuple[Deconvolve, ...]:
    """Return what is tried: the automatic end, and what a command line gives besides.

    Parameters
    ----------
    base : Deconvolve
        All else is taken from these settings.
    iterations : sequence of int or None
        Each is tried.
    weights : sequence of float or None
        Of the total variation; each is tried with the first number of iterations, or else with the
        automatic end.
    """
    if not iterations and not weights:
        return usual_settings(base)
    numbers = [check_iterations(number) for number in iterations or ()]
    tried = [dataclasses.replace(base, iterations=number) for number in (None, *numbers)]
    first = numbers[0] if numbers else None
    tried += [
        dataclasses.replace(base, iterations=first, total_variation=weight)
        for weight in weights or ()
    ]
    return tuple(tried)


def try_region(arguments: argparse.Namespace, outlet: Outlet) -> str:
    """Deconvolve a region of an image or a data set with several settings."""
    output: Path = arguments.output
    if output.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"{output} cannot be written: its name must end in .tif or .ome.tif.")
    picture = f"{output.name.removesuffix(output.suffix).removesuffix('.ome')}.png"
    inputs = [arguments.image, *arguments.psf]
    if arguments.mask is not None:
        inputs.append(arguments.mask)
    with results_in(output.parent, (output.name, picture), arguments.overwrite, inputs) as staging:
        steps = (
            _of_dataset(arguments) if _is_dataset(arguments.image) else _of_image(arguments, outlet)
        )
        trial = finish(steps, outlet.progress)
        images = _images(trial)
        spacing = _spacing(trial)
        write_several_images(
            staging / output.name, images, spacing=spacing, first_voxel=_first_voxel(trial)
        )
        _draw(staging / picture, images, spacing)
    for warning in trial.warnings:
        outlet.warn(warning)
    for note in trial.notes:
        outlet.tell(note)
    return _text(trial, output, output.parent / picture)


def _is_dataset(path: Path) -> bool:
    """Return whether only a region is to be read: of an OME-Zarr, or of a folder's TIFFs."""
    return is_zarr(path) or path.is_dir()


def _of_image(arguments: argparse.Namespace, outlet: Outlet) -> Steps[Trial]:
    if len(arguments.psf) > 1:
        raise InputError(f"{arguments.image} is an image, which takes one PSF: give one.")
    (path,) = arguments.psf
    if arguments.workers is not None:
        raise InputError(f"--workers is for data sets, and {arguments.image} is an image.")
    image = read_image(arguments.image, **chosen_part(arguments))
    known, psf_spacing = given_psf(path)
    spacing = image.spacing
    if arguments.spacing is not None:
        spacing = check_given_spacing(arguments.spacing, image.image.ndim)
        compare_spacing("the spacing given", spacing, arguments.image, image.spacing, outlet)
    recipe = with_options(Recipe(spacing=spacing), arguments)
    mask = None
    if arguments.mask is not None:
        mask = read_image(arguments.mask).image != 0
    return try_steps(
        image.image,
        known,
        recipe,
        psf_spacing=psf_spacing,
        region=arguments.region,
        settings=settings_of(recipe.deconvolve, arguments.iterations, arguments.total_variation),
        mask=mask,
    )


def _of_dataset(arguments: argparse.Namespace) -> Steps[Trial]:
    if arguments.mask is not None:
        raise InputError("--mask is for an image, and not for a data set: leave it out.")
    given = arguments.spacing
    recipe = Recipe(spacing=None if given is None else check_spacing(given, len(given)))
    recipe = with_options(recipe, arguments)
    return try_dataset_steps(
        arguments.image,
        [read_psf(path) for path in arguments.psf],
        recipe,
        position=arguments.scene or 0,
        time=arguments.time or 0,
        channel=arguments.channel or 0,
        region=arguments.region,
        settings=settings_of(recipe.deconvolve, arguments.iterations, arguments.total_variation),
        workers=arguments.workers,
    )


def _images(trial: Trial) -> dict[str, NDArray[np.float32]]:
    """Return the measured region and what became of it, all on the results' voxels."""
    measured = trial.image
    for axis, factor in enumerate(_factors(trial)):
        measured = np.repeat(measured, factor, axis)
    return {MEASURED: measured} | {one.name: one.array for one in trial.attempts}


def _factors(trial: Trial) -> tuple[int, ...]:
    return trial.attempts[0].settings.factors(trial.image.shape)


def _spacing(trial: Trial) -> tuple[float, ...] | None:
    """Return the voxel size of the results."""
    if trial.spacing is None:
        return None
    return tuple(size / f for size, f in zip(trial.spacing, _factors(trial), strict=True))


def _first_voxel(trial: Trial) -> tuple[float, ...] | None:
    """Return where the first voxel of the results lies in the image."""
    if trial.spacing is None or trial.first_voxel is None:
        return None
    moved = finer_first_voxel(trial.spacing, _factors(trial))
    return tuple(a + b for a, b in zip(trial.first_voxel, moved, strict=True))


def _draw(
    path: Path, images: Mapping[str, NDArray[np.float32]], spacing: Sequence[float] | None
) -> None:
    # matplotlib takes a while to import, and only here is it needed.
    from matplotlib.figure import Figure

    from napari_psf_distiller.figures.side_by_side import draw_side_by_side, side_by_side_size

    figure = Figure(figsize=side_by_side_size(images, spacing))
    draw_side_by_side(figure, images, spacing)
    figure.savefig(path, dpi=150)


def _text(trial: Trial, output: Path, picture: Path) -> str:
    """Return what is printed: a line for each of the settings."""
    rows = [("settings", "iterations", "ended by", "an iteration", "for all, about")]
    rows += [
        (
            one.name,
            str(one.iterations),
            str(one.why_ended),
            f"{one.seconds_per_iteration:.2g} s",
            duration_text(one.seconds_for_all),
        )
        for one in trial.attempts
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(
        [
            f"Region: {region_text(trial.region)}",
            f"Images: {output}",
            f"Picture: {picture}",
            f"Device: {trial.attempts[0].device}",
            "",
            *lines,
        ]
    )


def region_text(region: Box) -> str:
    """Return a region as `region_of` reads it."""
    return ",".join(f"{part.start}:{part.stop}" for part in region)
