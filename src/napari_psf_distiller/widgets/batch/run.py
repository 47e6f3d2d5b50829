"""What Distil several images does in its thread."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from napari_psf_distiller.batch.files import distill_file_steps, folder_names, stem_of
from napari_psf_distiller.batch.run import BatchImage, batch_steps, saved_steps
from napari_psf_distiller.batch.table import TABLE_NAME, BatchRow, write_batch_table
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.results import Result
from napari_psf_distiller.widgets.layers.source import Source
from napari_psf_distiller.widgets.running.background import Interrupted
from napari_psf_distiller.widgets.running.job import Outcome

__all__ = ["BatchTask", "ListedImage", "batch_task_steps"]


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """A bead image that is to be distilled: a file, or a volume of a layer.

    Attributes
    ----------
    name : str
    path : Path or None
        The file.
    read : callable or None
        Returns a layer's volume, in the main thread.
    """

    name: str
    path: Path | None = None
    read: Callable[[], Source] | None = None


@dataclasses.dataclass(frozen=True)
class BatchTask:
    """What is distilled and how, as it was read in the main thread.

    Attributes
    ----------
    images : tuple of (str, Path or Source)
        The names, and the files or the layers' volumes.
    recipe : Recipe
        Its voxel size is that of images that say none.
    output : Path
        The folder for the PSFs.
    overwrite : bool
    rows : list of BatchRow
        What is done so far.
    """

    images: tuple[tuple[str, Path | Source], ...]
    recipe: Recipe
    output: Path
    overwrite: bool
    rows: list[BatchRow] = dataclasses.field(default_factory=list)


def batch_task_steps(task: BatchTask) -> Steps[Outcome]:
    """Distil a PSF from each image; the generator of the widget's worker.

    A run that is cancelled keeps the PSFs that are done.
    """
    task.output.mkdir(exist_ok=True)
    names = folder_names([stem_of(Path(name)) for name, _ in task.images])
    images = [
        _image(task, name, image, task.output / folder)
        for (name, image), folder in zip(task.images, names, strict=True)
    ]
    try:
        yield from batch_steps(images, lambda row, _: task.rows.append(row))
    except Interrupted:
        return _outcome(task)
    return _outcome(task)


def _image(task: BatchTask, name: str, image: Path | Source, folder: Path) -> BatchImage:
    def steps() -> Steps[Result]:
        distilling = (
            distill_file_steps(image, task.recipe)
            if isinstance(image, Path)
            else _layer_steps(image, task.recipe)
        )
        return (
            yield from saved_steps(
                distilling,
                task.recipe,
                folder,
                f"PSF from {name}",
                inputs=[image] if isinstance(image, Path) else [],
                overwrite=task.overwrite,
                option="overwrite",
            )
        )

    return BatchImage(name, steps, folder / "psf.tif")


def _layer_steps(source: Source, recipe: Recipe) -> Steps[Result]:
    """Distil the PSF of a layer's volume, whose own voxel size counts if it has one."""
    spacing = source.recipe.spacing or recipe.spacing
    recipe = dataclasses.replace(recipe, spacing=spacing)
    result = yield from distill_steps_of(source.data, recipe)
    return result.described(image_name=source.origin)


def _outcome(task: BatchTask) -> Outcome:
    """Write the table of what is done, and say how much that is."""
    done = [row for row in task.rows if not row.error]
    if not task.rows:
        return Outcome([], "no image is done", found=task.rows)
    table = write_batch_table(task.output, task.rows)
    failed = len(task.rows) - len(done)
    gave = f"; {failed} gave none, see the table" if failed else ""
    message = f"done: {len(done)} of {len(task.images)} PSFs{gave}; {TABLE_NAME} is {table}"
    return Outcome([], message, found=task.rows)
