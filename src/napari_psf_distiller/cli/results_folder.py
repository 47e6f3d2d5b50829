"""What distilling writes into a folder: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import check_replaceable, write_whole
from napari_psf_distiller.io import write_image, write_psf
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.results import Result
from napari_psf_distiller.wording import reasons_text, width_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["result_names", "results_in", "results_text", "write_results"]

# How the folder begins that results lie in until they are complete.
STAGING = ".psf-distiller-"


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
    from napari_psf_distiller.figures.report import write_report

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
    the user interrupts, `folder` is as it was before. Results that another program put there
    meanwhile are not replaced unless `overwrite` says so.
    """
    try:
        made = _check_output(folder, names, overwrite, inputs)
        folder.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    except OSError as error:
        raise InputError(
            f"The output folder {folder} cannot be written: {error.strerror or error}."
        ) from None
    try:
        yield staging
        with _alone_in(folder):
            _move_all(staging, folder, names, overwrite)
    finally:
        _clear(staging, folder if made else None)


def _check_output(
    folder: Path, names: Sequence[str], overwrite: bool, inputs: Sequence[Path]
) -> bool:
    """Refuse a folder that results cannot be put into; return whether it has to be made."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} cannot be the output folder: it is a file.")
    if not folder.parent.is_dir():
        raise InputError(
            f"The output folder {folder} cannot be made: {folder.parent} does not exist."
        )
    there = [folder / name for name in names if (folder / name).exists()]
    for path in there:
        check_replaceable(path)
        if any(path.samefile(source) for source in inputs):
            raise InputError(f"{path} is one of the inputs; choose another output.")
    if there and not overwrite:
        raise InputError(
            f"{there[0]} exists already; choose another output, or give --overwrite to replace it."
        )
    return not folder.exists()


def _clear(staging: Path, made: Path | None) -> None:
    """Remove the folder that results were written to, and the one that was made for nothing."""
    try:
        shutil.rmtree(staging, ignore_errors=True)
        if made is not None and not any(made.iterdir()):
            made.rmdir()
    except OSError:
        # Another program puts something there just now.
        return
    except BaseException:
        # A signal came; there is time for this yet.
        shutil.rmtree(staging, ignore_errors=True)
        raise


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one program at a time move its results into a folder, where the system can tell."""
    with ExitStack() as stack:
        if fcntl is not None:
            # Some network drives cannot.
            with suppress(OSError):
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _move_all(staging: Path, folder: Path, names: Sequence[str], overwrite: bool) -> None:
    """Move files to their folder: all of them, or, if one cannot be replaced, none."""
    before = staging / "before"
    before.mkdir()
    try:
        for name in names:
            if overwrite and (folder / name).exists():
                (folder / name).replace(before / name)
            _place(staging / name, folder / name)
    except BaseException as error:
        failed = folder / name
        for each in names:
            # What has left its place here is ours there.
            if not (staging / each).exists():
                (folder / each).unlink(missing_ok=True)
            if (before / each).exists():
                (before / each).replace(folder / each)
        if isinstance(error, FileExistsError):
            raise InputError(
                f"{failed} was made by another program meanwhile; choose another output, or "
                "give --overwrite to replace it."
            ) from None
        if isinstance(error, OSError):
            raise InputError(
                f"{failed} cannot be replaced: {error.strerror or error}. Is it open in "
                "another program?"
            ) from None
        raise


def _place(source: Path, target: Path) -> None:
    """Move a file to a name that nobody has; unlike a move, a link never replaces a file."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # This file system has no links. The name is taken first, which one program alone can do.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        source.replace(target)
    else:
        source.unlink()
