"""The work on a data set: its regions are given to the workers, and what they did is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_psf_distiller.deconvolution.datasets.channels import numbers_of_channels
from napari_psf_distiller.deconvolution.datasets.cluster import waiting_for
from napari_psf_distiller.deconvolution.datasets.inputs import model_of, result_layout
from napari_psf_distiller.deconvolution.datasets.output import group_of
from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage, Region, Stack
from napari_psf_distiller.deconvolution.datasets.record import Record
from napari_psf_distiller.deconvolution.datasets.region import (
    RegionReport,
    Work,
    deconvolve_region,
    fill_pyramid,
)
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId

if TYPE_CHECKING:
    from distributed import Client
    from distributed.client import Future

__all__ = ["Done", "do_regions", "regions_of", "works_of"]

logger = logging.getLogger(__name__)

# A region that fails is tried so many times more.
RETRIES = 2

# Its key, and a function of a worker's with what it is called with.
Job = tuple[str, Callable[..., Any], tuple[Any, ...]]


@dataclass
class Done:
    """What was done of a data set.

    Attributes
    ----------
    regions : int
        That were deconvolved in this run.
    skipped : int
        That an earlier run had done.
    device : str
        What deconvolved them; empty if there were none.
    negative : int
        Regions with voxels below 0, which counted as 0.
    failed : list of str
        Which regions could not be done, and why.
    """

    regions: int = 0
    skipped: int = 0
    device: str = ""
    negative: int = 0
    failed: list[str] = field(default_factory=list)


def works_of(
    images: Sequence[DatasetImage],
    psfs: Sequence[Sequence[PSFOnImage]],
    recipe: Recipe,
    iterations: Sequence[int],
    output: Path,
) -> list[list[Work]]:
    """Return for each image what is to be done to each channel.

    The numbers of iterations are those of the data set's channels; see `numbers_of_channels`.
    """
    wanted = {
        (place, number): iterations[channel]
        for channel, numbers in enumerate(numbers_of_channels(images))
        for place, number in enumerate(numbers)
    }
    return [
        [
            Work(
                image,
                psf.array,
                wanted[number, channel],
                model_of(image.layout, recipe, psf),
                recipe.device,
                recipe.fft,
                group_of(output.resolve(), images, number),
                result_layout(image.layout, recipe),
                recipe.deconvolve.saturation,
            )
            for channel, psf in enumerate(psfs[number])
        ]
        for number, image in enumerate(images)
    ]


def regions_of(
    images: Sequence[DatasetImage],
    stacks: Sequence[Sequence[Stack]],
    cuts: Mapping[str, Sequence[int]],
) -> list[Region]:
    """Return all regions of a data set, whose stacks are cut into so many parts along each axis."""
    return [
        Region(number, time, channel, tile)
        for number, (image, of_image) in enumerate(zip(images, stacks, strict=True))
        for channel, stack in enumerate(of_image)
        for time in range(image.layout.size("t"))
        for tile in stack.tiles(cuts[stack.key])
    ]


def do_regions(
    works: Sequence[Sequence[Work]],
    regions: Sequence[Region],
    client: Client,
    workers: int,
    record: Record,
    before: set[str],
) -> Steps[Done]:
    """Give the workers what is not done yet, and record what they did.

    Parameters
    ----------
    works : sequence of sequence of Work
        Of each image, of each channel.
    regions : sequence of Region
        All of the data set.
    client : distributed.Client
    workers : int
        Regions that are worked at at a time.
    record : Record
    before : set of str
        What the record says.

    Raises
    ------
    DistillerError
        The scheduler was lost, or all of its workers.
    """
    pending = [region for region in regions if region.key not in before]
    done = Done(skipped=len(regions) - len(pending))
    logger.info("data set: %d regions, %d done before", len(regions), done.skipped)
    stacks = [
        (number, time, channel)
        for number, of_image in enumerate(works)
        for channel in range(len(of_image))
        for time in range(of_image[channel].layout.size("t"))
    ]
    levels = [stack for stack in stacks if _pyramid_key(stack) not in before]
    total = len(regions) + len(stacks)
    count = total - len(pending) - len(levels)
    yield Progress(StepId.DECONVOLVE, count, total, note=f"{workers} workers")
    jobs: list[Job] = [
        (region.key, deconvolve_region, (works[region.image][region.channel], region))
        for region in pending
    ]
    pyramids: list[Job] = [
        (_pyramid_key(stack), fill_pyramid, (works[stack[0]][stack[2]], stack[1], stack[2]))
        for stack in levels
    ]
    for phase, some in (("", jobs), ("Pyramids", pyramids)):
        if done.failed:
            # Of what is not there, there is no coarser level.
            break
        for ended in _worked(client, workers, some):
            if ended is None:
                # The same again, so that the run can be stopped while a region takes its time.
                yield Progress(StepId.DECONVOLVE, count, total, phase=phase)
                continue
            key, result = ended
            if isinstance(result, BaseException):
                done.failed.append(f"{key}: {result}")
            else:
                record.add(key)
                if isinstance(result, RegionReport):
                    done.device = result.device
                    done.negative += result.negative
                    done.regions += 1
            count += 1
            yield Progress(StepId.DECONVOLVE, count, total, phase=phase)
    return done


def _pyramid_key(stack: tuple[int, int, int]) -> str:
    image, time, channel = stack
    return f"image {image}, time {time}, channel {channel}, pyramid"


def _worked(client: Client, workers: int, jobs: Sequence[Job]) -> Iterator[tuple[str, Any] | None]:
    """Yield the key of each job, and its result or its error, as they end; None meanwhile.

    Some jobs more than there are workers wait at a time: of many thousands the scheduler would know
    too much.
    """
    waiting = iter(jobs)
    keys: dict[Future[Any], str] = {}

    def submit() -> None:
        job = next(waiting, None)
        if job is not None:
            key, work, arguments = job
            keys[client.submit(work, *arguments, retries=RETRIES, pure=False)] = key

    try:
        for _ in range(2 * workers):
            submit()
        while keys:
            for future in (yield from waiting_for(client, list(keys))):
                key, error = keys.pop(future), future.exception()
                yield key, future.result() if error is None else error
                submit()
    finally:
        client.cancel(list(keys))
