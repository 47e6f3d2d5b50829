"""Distilling several images one after the other; one that fails does not stop the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from napari_psf_distiller.batch.table import BatchRow
from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.progress import Progress, Steps, passed_on
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.results import Result
from napari_psf_distiller.results.folder import result_names, write_results
from napari_psf_distiller.results.staging import results_in

__all__ = ["BatchImage", "batch_steps", "saved_steps"]

NO_MEMORY = "There is not enough memory for it. Crop the image, or close other programs."


@dataclasses.dataclass(frozen=True)
class BatchImage:
    """One bead image of a batch.

    Attributes
    ----------
    name : str
        What people call it.
    steps : callable
        Returns the generator of progress that reads the image and distils its PSF.
    psf : Path or None
        Where that generator saves the PSF, if it does.
    """

    name: str
    steps: Callable[[], Steps[Result]]
    psf: Path | None = None


def batch_steps(
    images: Sequence[BatchImage],
    done: Callable[[BatchRow, Result | None], object] = lambda _row, _result: None,
) -> Steps[list[BatchRow]]:
    """Distil a PSF from each image, as a generator of progress.

    Parameters
    ----------
    images : sequence of BatchImage
    done : callable
        Called after each image with its row, and its result or None.

    Yields
    ------
    Progress
        Of each image's steps, with its name in the phase.

    Returns
    -------
    list of BatchRow
        One an image, in their order.

    Raises
    ------
    InputError
        There is no image.
    """
    if not images:
        raise InputError("There is no image to distil a PSF from: give at least one.")
    rows = []
    for number, image in enumerate(images, start=1):
        which = f"{image.name} ({number} of {len(images)})" if len(images) > 1 else image.name
        result: Result | None = None
        try:
            result = yield from passed_on(image.steps(), _named(which))
            row = BatchRow.of(image.name, result, image.psf)
        except (DistillerError, OSError) as error:
            row = BatchRow(image.name, error=str(error))
        except MemoryError:
            row = BatchRow(image.name, error=NO_MEMORY)
        rows.append(row)
        done(row, result)
    return rows


def saved_steps(
    steps: Steps[Result],
    recipe: Recipe,
    folder: Path,
    title: str,
    *,
    inputs: Sequence[Path] = (),
    overwrite: bool = False,
    ome: bool = False,
    option: str = "--overwrite",
) -> Steps[Result]:
    """Pass a distilling on, and save its result into a folder, whole or not at all.

    Parameters
    ----------
    steps : generator
        Has the recipe's method.
    recipe : Recipe
    folder : Path
    title : str
        Of the report.
    inputs, overwrite, option
        See `results_in`.
    ome : bool
        See `Result.save`.
    """
    with results_in(folder, result_names(recipe, ome), overwrite, inputs, option) as staging:
        result = yield from steps
        write_results(staging, result, title, ome=ome)
    return result


def _named(which: str) -> Callable[[Progress], Progress]:
    """Return what puts an image's name before the title of its progress."""
    return lambda progress: dataclasses.replace(progress, phase=f"{which}: {progress.title}")
