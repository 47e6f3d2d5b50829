"""A data set deconvolved region by region: planned, given to workers, recorded."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_psf_distiller.checks import check_callback
from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.compute.tiles import Tile
from napari_psf_distiller.datasets.ome_zarr import (
    ImageLayout,
    OmeZarrImage,
    chunks_of,
    create_group,
    create_image,
)
from napari_psf_distiller.deconvolution.datasets.cluster import Workers, workers_of
from napari_psf_distiller.deconvolution.datasets.inputs import (
    images_of,
    iterations_of,
    psfs_of,
    result_layout,
    spacing_of,
)
from napari_psf_distiller.deconvolution.datasets.plan import (
    Region,
    StoredImage,
    aligned_tiles,
)
from napari_psf_distiller.deconvolution.datasets.record import Record
from napari_psf_distiller.deconvolution.datasets.region import (
    Work,
    deconvolve_region,
    fill_pyramid,
)
from napari_psf_distiller.deconvolution.deconvolve import checked_model
from napari_psf_distiller.deconvolution.pipeline import engine_of
from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId

__all__ = ["DeconvolvedDataset", "deconvolve_dataset", "deconvolve_dataset_steps"]

logger = logging.getLogger(__name__)

# A region that fails is tried so many times more.
RETRIES = 2

# Its key, and a function of a worker's with what it is called with.
Job = tuple[str, Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class DeconvolvedDataset:
    """What became of a data set.

    Attributes
    ----------
    output : str
        The OME-Zarr that was written.
    images : int
        Images in it.
    regions : int
        Regions that were deconvolved in this run.
    skipped : int
        Regions that an earlier run had done.
    iterations : tuple of int
        Of each channel.
    device : str
    notes : tuple of str
        How the PSFs were had on the data's voxels, where they have others.
    failed : tuple of str
        Which regions could not be done, and why; the others are valid.
    """

    output: str
    images: int
    regions: int
    skipped: int
    iterations: tuple[int, ...]
    device: str
    notes: tuple[str, ...]
    failed: tuple[str, ...]


def deconvolve_dataset(
    source: str | Path,
    psf: PSF | Sequence[PSF] | Mapping[str, PSF],
    output: str | Path,
    iterations: int | None = None,
    *,
    recipe: Recipe | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> DeconvolvedDataset:
    """Deconvolve a data set that need not fit the memory, region by region, on dask's workers.

    A run that was stopped goes on where it ended when it is started again with the same task, and
    its result is the same. In a script it belongs behind ``if __name__ == "__main__":``, as workers
    import the script.

    Parameters
    ----------
    source : str or Path
        An OME-Zarr with an image, a plate or a series of images, or a folder of TIFFs, of the axes
        t, c, z, y and x.
    psf : PSF, or sequence or mapping of PSF
        One for all channels, one for each, or by the channels' names. It is evaluated on the data's
        voxels if it has functions.
    output : str or Path
        The OME-Zarr to write: float32, with a pyramid, of the source's version.
    iterations : int or None
        None seeks for each channel, on the first stack's middle, where its noise would begin to be
        fitted, and takes that for all of the channel: so images can be compared.
    recipe : Recipe, optional
        Voxel size, device, and what else `deconvolve` has; its ``memory`` is what all workers of
        this machine may take together.
    scheduler : str, optional
        Address of a scheduler of dask's, whose workers see the same files; by default workers are
        started on this machine.
    workers : int, optional
        How many of these.
    overwrite : bool
        Replace an output that is there.
    callback : callable, optional
        Called with each `Progress`.

    Returns
    -------
    DeconvolvedDataset

    Raises
    ------
    InputError
        Something that was given cannot be used.
    DeviceError
        The device cannot be used.
    DistillerError
        The scheduler was lost.
    """
    check_callback(callback)
    steps = deconvolve_dataset_steps(
        source,
        psf,
        output,
        recipe_with(recipe or Recipe(), iterations),
        scheduler=scheduler,
        workers=workers,
        overwrite=overwrite,
    )
    return finish(steps, callback)


def recipe_with(recipe: Recipe, iterations: int | None) -> Recipe:
    """Return a recipe with a number of iterations, if one is given."""
    if iterations is None:
        return recipe
    return replace(recipe, deconvolve=replace(recipe.deconvolve, iterations=iterations))


def deconvolve_dataset_steps(
    source: str | Path,
    psf: PSF | Sequence[PSF] | Mapping[str, PSF],
    output: str | Path,
    recipe: Recipe,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> Steps[DeconvolvedDataset]:
    """Deconvolve a data set as a generator of progress; see `deconvolve_dataset`.

    Closed before its end, it leaves what is done, and a record of that.
    """
    images = images_of(source)
    target = Path(output)
    _check_places(Path(source), target, workers)
    kernels, notes = psfs_of(psf, images, recipe)
    layouts = [result_layout(image.layout, recipe) for image in images]
    record = Record(target)
    task = _task(source, images, kernels, recipe)
    with record.alone():
        # A record whose output was removed says nothing of the next one.
        before = record.read() if target.exists() and not overwrite else None
        _check_output(target, before is not None, overwrite)
        if before is not None and not _same(before[0], task):
            raise InputError(
                f"{target} was begun with another image, PSF or other settings, and is not "
                "finished: give these again, another name, or say to overwrite it."
            )
        with workers_of(scheduler, workers, recipe.memory) as there:
            done: set[str] = set()
            if before is None:
                task["iterations"] = yield from iterations_of(images, kernels, recipe)
                task["memory"] = there.memory
            else:
                task, done = before
            works = _works(images, kernels, layouts, recipe, task["iterations"], target)
            # What does not fit is told before anything is written or replaced.
            regions = _regions(images, works, recipe, task["memory"])
            if before is None:
                # Killed in between, nothing of an earlier run may count as done.
                record.close()
                _create(target, images, layouts, source)
                record.begin(task)
            else:
                record.resume()
            return (
                yield from _run(
                    target, works, regions, there, record, done, task["iterations"], notes
                )
            )


def _check_places(source: Path, output: Path, workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise InputError(f"The number of workers is {workers}; it must be 1 or more.")
    if not output.name.endswith(".zarr"):
        raise InputError(f"{output} cannot be written: its name must end in .zarr.")
    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} is not there; make it first.")
    one, other = source.resolve(), output.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise InputError(f"{output} and {source} lie in each other: give another name.")


def _check_output(output: Path, begun: bool, overwrite: bool) -> None:
    if output.exists() and not begun and not overwrite:
        raise InputError(f"{output} is there already: give another name, or say to overwrite it.")


def _task(
    source: str | Path,
    images: Sequence[StoredImage],
    kernels: Sequence[Sequence[Array]],
    recipe: Recipe,
) -> dict[str, Any]:
    """Return what tells one task from another."""
    digest = hashlib.sha256()
    for kernel in (one for of_image in kernels for one in of_image):
        digest.update(repr(kernel.shape).encode() + kernel.tobytes())
    settings = replace(recipe, memory=None, provenance=None)
    return {
        "source": str(Path(source).resolve()),
        "images": [[image.name, list(image.layout.shape)] for image in images],
        "psf": digest.hexdigest(),
        "settings": settings.to_json(),
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) == value for name, value in other.items())


def _create(
    output: Path,
    images: Sequence[StoredImage],
    layouts: Sequence[ImageLayout],
    source: str | Path,
) -> None:
    """Create the output, empty."""
    if output.exists():
        shutil.rmtree(output)
    first = images[0]
    create_group(output, first if isinstance(first, OmeZarrImage) else None, layouts[0].version)
    for number, (image, layout) in enumerate(zip(images, layouts, strict=True)):
        name = image.name or Path(source).stem
        create_image(_group(output, images, number), layout, name)


def _group(output: Path, images: Sequence[StoredImage], number: int) -> str:
    """Return the group of an image's result: named as in an OME-Zarr, else numbered."""
    image = images[number]
    name = image.name if isinstance(image, OmeZarrImage) else str(number)
    return f"{output}/{name}".rstrip("/")


def _works(
    images: Sequence[StoredImage],
    kernels: Sequence[Sequence[Array]],
    layouts: Sequence[ImageLayout],
    recipe: Recipe,
    iterations: Sequence[int],
    output: Path,
) -> list[list[Work]]:
    """Return for each image what is to be done to each channel."""
    part = recipe.deconvolve
    found = []
    for number, (image, layout) in enumerate(zip(images, layouts, strict=True)):
        model, _ = checked_model(
            image.layout.space,
            boundary=part.boundary,
            method=part.method,
            total_variation=part.total_variation,
            spacing=spacing_of(image.layout, recipe),
            compatibility=recipe.compatibility,
            background=part.background,
            finer=part.factors(image.layout.space) if part.is_finer else None,
        )
        found.append(
            [
                Work(
                    image,
                    kernel,
                    iterations[channel],
                    model,
                    recipe.device,
                    recipe.fft,
                    _group(output.resolve(), images, number),
                    layout,
                    part.saturation,
                )
                for channel, kernel in enumerate(kernels[number])
            ]
        )
    return found


def _regions(
    images: Sequence[StoredImage], works: Sequence[Sequence[Work]], recipe: Recipe, memory: int
) -> list[Region]:
    """Return all regions of a data set."""
    engine = engine_of(recipe)
    found: list[Region] = []
    cut: dict[tuple[tuple[int, ...], ...], list[Tile]] = {}
    for number, (image, of_image) in enumerate(zip(images, works, strict=True)):
        layout = of_image[0].layout
        chunk = layout.along_space(chunks_of(layout, layout.shape))
        space = image.layout.space
        for channel, work in enumerate(of_image):
            key = (space, chunk, work.psf.shape)
            if key not in cut:
                model = work.model
                if recipe.deconvolve.saturation is not None:
                    # Each region may have saturated voxels, and its mask takes memory.
                    model = replace(model, mask=np.ones((1,) * len(space), bool))
                cut[key] = aligned_tiles(space, work.psf, model, engine, chunk, memory)
            found += [
                Region(number, time, channel, tile)
                for time in range(image.layout.size("t"))
                for tile in cut[key]
            ]
    return found


def _run(
    output: Path,
    works: Sequence[Sequence[Work]],
    regions: Sequence[Region],
    workers: Workers,
    record: Record,
    done: set[str],
    iterations: Sequence[int],
    notes: tuple[str, ...],
) -> Steps[DeconvolvedDataset]:
    """Give the workers what is not done yet, and record what they did."""
    pending = [region for region in regions if region.key not in done]
    skipped = len(regions) - len(pending)
    logger.info("data set: %d regions, %d done before", len(regions), skipped)
    stacks = [
        (number, time, channel)
        for number, of_image in enumerate(works)
        for channel in range(len(of_image))
        for time in range(of_image[channel].layout.size("t"))
    ]
    levels = [stack for stack in stacks if _pyramid_key(stack) not in done]
    total, device = len(regions) + len(stacks), ""
    failed: list[str] = []
    count = total - len(pending) - len(levels)
    yield Progress(StepId.DECONVOLVE, count, total, note=f"{workers.count} workers")
    jobs: list[Job] = [
        (region.key, deconvolve_region, (works[region.image][region.channel], region))
        for region in pending
    ]
    pyramids: list[Job] = [
        (_pyramid_key(stack), fill_pyramid, (works[stack[0]][stack[2]], stack[1], stack[2]))
        for stack in levels
    ]
    regions_done = 0
    for phase, some in (("", jobs), ("Pyramids", pyramids)):
        if failed:
            # Of what is not there, there is no coarser level.
            break
        for key, result in _worked(workers, some):
            if isinstance(result, BaseException):
                failed.append(f"{key}: {result}")
            else:
                record.add(key)
                device = result or device
                regions_done += some is jobs
            count += 1
            yield Progress(StepId.DECONVOLVE, count, total, phase=phase)
    if not failed:
        record.close()
    return DeconvolvedDataset(
        str(output),
        len(works),
        regions_done,
        skipped,
        tuple(iterations),
        device,
        notes,
        tuple(failed),
    )


def _pyramid_key(stack: tuple[int, int, int]) -> str:
    image, time, channel = stack
    return f"image {image}, time {time}, channel {channel}, pyramid"


def _worked(workers: Workers, jobs: Sequence[Job]) -> Iterator[tuple[str, Any]]:
    """Yield the key of each job, and its result or its error, as they end.

    Some jobs more than there are workers wait at a time: of many thousands the scheduler would know
    too much.
    """
    from distributed import CancelledError, as_completed
    from distributed.client import Future

    waiting, running = iter(jobs), as_completed()
    keys: dict[Future[Any], str] = {}

    def submit() -> None:
        job = next(waiting, None)
        if job is not None:
            key, work, arguments = job
            future = workers.client.submit(work, *arguments, retries=RETRIES, pure=False)
            keys[future] = key
            running.add(future)

    try:
        for _ in range(2 * workers.count):
            submit()
        for future in running:
            key, error = keys.pop(future), future.exception()
            if isinstance(error, CancelledError) or workers.client.status != "running":
                raise DistillerError(
                    "The scheduler was lost. What is done is kept: start again with the same task."
                )
            yield key, future.result() if error is None else error
            submit()
    finally:
        workers.client.cancel(list(keys))
