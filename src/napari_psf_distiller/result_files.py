"""What distilling writes into a folder: all of it, or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io import write_image, write_psf
from napari_psf_distiller.pipeline import Result
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps.beads import AXES
from napari_psf_distiller.wording import reasons_text, width_text

__all__ = ["result_names", "results_in", "results_text", "write_results"]


def result_names(recipe: Recipe, ome: bool = False) -> tuple[str, ...]:
    """Return the names of what distilling writes: the PSF, three files about it, other images."""
    end = ".ome.tif" if ome else ".tif"
    # Only the joint fit has a model of the image, and with it errors and a residual.
    more = ("psf_error", "residual") if recipe.distill.method == "joint" else ()
    return (f"psf{end}", "recipe.json", "beads.csv", "report.html", *(name + end for name in more))


def write_results(
    folder: Path, image: NDArray[np.generic], result: Result, title: str, ome: bool = False
) -> None:
    """Write the files that `result_names` names."""
    # matplotlib takes a while to import, and only here is it needed.
    from napari_psf_distiller.report import write_report

    psf, recipe, beads, report, *more = (folder / name for name in result_names(result.recipe, ome))
    write_psf(psf, result.psf, spacing=result.spacing, recipe=result.recipe)
    images = (array for array in (result.psf_error, result.residual) if array is not None)
    for path, array in zip(more, images, strict=True):
        write_image(path, array, spacing=result.spacing)
    result.recipe.save(recipe)
    write_whole(beads, result.beads.to_csv)
    write_report(report, image, result, title=title)


def results_text(folder: Path, result: Result, ome: bool = False) -> str:
    """Return what the command line says of a result that was written to a folder."""
    names = result_names(result.recipe, ome)
    psf, recipe, beads, report, *more = (folder / name for name in names)
    made = result.recipe.provenance
    axes = ", ".join(AXES[-len(result.fwhm) :])
    widths = ", ".join(
        width_text(width, error, unit="")
        for width, error in zip(result.fwhm, result.fwhm_error, strict=True)
    )
    used = f"{int(result.beads['used'].sum())} of {len(result.beads)} used"
    reasons = reasons_text(result.beads)
    labels = ("Errors", "Rest")
    return "\n".join(
        [
            f"PSF:    {psf}",
            *(f"{label + ':':<8}{path}" for label, path in zip(labels, more, strict=False)),
            f"Report: {report}",
            f"Recipe: {recipe}",
            f"Beads:  {beads} ({used}{'; not used: ' * bool(reasons)}{reasons})",
            f"Device: {made.device if made is not None else result.recipe.device}",
            f"Time:   {result.timings['total']:.1f} s",
            f"FWHM:   {widths} nm ({axes})",
        ]
    )


@contextmanager
def results_in(
    folder: Path, names: Sequence[str], overwrite: bool, inputs: Sequence[Path] = ()
) -> Iterator[Path]:
    """Give a folder to write results to, and move them into `folder` if nothing was raised.

    That `folder` can be written is known before anything is computed. If something is raised, or
    the user interrupts, `folder` is as it was before.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} cannot be the output folder: it is a file.")
    if not folder.parent.is_dir():
        raise InputError(
            f"The output folder {folder} cannot be made: {folder.parent} does not exist."
        )
    there = [folder / name for name in names if (folder / name).exists()]
    for path in there:
        if path.is_dir():
            raise InputError(f"{path} cannot be written: it is a folder.")
        if any(path.samefile(source) for source in inputs):
            raise InputError(f"{path} is one of the inputs; choose another output.")
    if there and not overwrite:
        raise InputError(
            f"{there[0]} exists already; choose another output, or give --overwrite to replace it."
        )
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".psf-distiller-", dir=folder))
    except OSError as error:
        raise InputError(
            f"The output folder {folder} cannot be written: {error.strerror or error}."
        ) from None
    try:
        yield staging
        _move_all(staging, folder, names)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if made and not any(folder.iterdir()):
            folder.rmdir()


def _move_all(staging: Path, folder: Path, names: Sequence[str]) -> None:
    """Move files to their folder: all of them, or, if one cannot be replaced, none."""
    before = staging / "before"
    before.mkdir()
    moved: list[str] = []
    try:
        for name in names:
            if (folder / name).exists():
                (folder / name).replace(before / name)
            moved.append(name)
            (staging / name).replace(folder / name)
    except BaseException as error:
        for name in moved:
            (folder / name).unlink(missing_ok=True)
            if (before / name).exists():
                (before / name).replace(folder / name)
        if isinstance(error, OSError):
            raise InputError(
                f"{folder / name} cannot be replaced: {error.strerror or error}. Is it open in "
                "another program?"
            ) from None
        raise
