"""How many iterations each channel of a data set gets, sought on a part of it that has light."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.compute import Engine
from napari_psf_distiller.datasets.ome_zarr import ImageLayout
from napari_psf_distiller.deconvolution.datasets.channels import numbers_of_channels
from napari_psf_distiller.deconvolution.datasets.inputs import spacing_of
from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage
from napari_psf_distiller.deconvolution.pipeline import (
    bytes_of,
    checked_model_of,
    counting_voxels,
    engine_of,
)
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage
from napari_psf_distiller.deconvolution.regions import light_above_noise, middle_region
from napari_psf_distiller.deconvolution.stopping import Enough, enough_iterations
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId

__all__ = ["SOUGHT_WITHIN", "LitPart", "enough_of", "iterations_of", "part_with_light"]

logger = logging.getLogger(__name__)

PHASE = "Look for light"

# The number of iterations is sought on a part of a stack of so many pixels along y and x, at most.
SOUGHT_WITHIN = 384

# A part whose brightest detail is so many standard deviations of its noise has light for sure. The
# noise alone of an empty one reaches 5 to 6.
LIT = 10.0

# What a channel without light is given: it stays dark, or constant.
WITHOUT_LIGHT = 1


class LitPart(NamedTuple):
    """A part of a stack that has light.

    Attributes
    ----------
    image : int
        The number of its image in the data set.
    channel : int
        Its channel's number in the image.
    box : tuple of slice
        Where it lies in the stack.
    voxels : numpy.ndarray
        (Z, Y, X) or (Y, X), as they are stored.
    """

    image: int
    channel: int
    box: Box
    voxels: NDArray[Any]


def iterations_of(
    images: Sequence[DatasetImage], psfs: Sequence[Sequence[PSFOnImage]], recipe: Recipe
) -> Steps[tuple[list[int], list[str]]]:
    """Return the number of iterations of each channel, and what a user should know of them.

    A channel without light gets a single one, and a sentence.

    Raises
    ------
    InputError
        All channels are without light, or one has voxels that are not finite where the number is
        sought.
    """
    channels = numbers_of_channels(images)
    count = len(channels)
    part = recipe.deconvolve
    if part.iterations is not None:
        return [part.iterations] * count, []
    numbers, warnings = [], list[str]()
    engine, dark = engine_of(recipe), 0
    for place, channel in enumerate(channels):
        name = _name(images, channel)
        lit = yield from part_with_light(images, channel)
        if lit is None:
            dark += 1
            numbers.append(WITHOUT_LIGHT)
            warnings.append(
                f"Channel {name} is dark or constant in all stacks: there is "
                "nothing to deconvolve in it, and it gets 1 iteration."
            )
            continue
        psf = psfs[lit.image][lit.channel]
        enough = yield from enough_of(images[lit.image].layout, lit, psf, recipe, engine)
        logger.info("data set: channel %d gets %d iterations", place, enough.iterations)
        numbers.append(enough.iterations)
        whose = f"Channel {name}: " if count > 1 else ""
        warnings += [f"{whose}{warning}" for warning in enough.warnings]
    if dark == count:
        raise InputError(
            "The data are dark or constant in all stacks: there is no light to deconvolve. Check "
            "that the right data set is chosen, or give the number of iterations."
        )
    return numbers, warnings


def _name(images: Sequence[DatasetImage], channel: Sequence[int | None]) -> str:
    """Return what a channel is called in the first image that has it."""
    for image, number in zip(images, channel, strict=True):
        if number is not None and image.layout.channels:
            return image.layout.channels[number]
    return "0"


def enough_of(
    layout: ImageLayout, lit: LitPart, psf: PSFOnImage, recipe: Recipe, engine: Engine
) -> Steps[Enough]:
    """Return how many iterations are enough for a part of an image; see `part_with_light`."""
    part, spacing, voxels = recipe.deconvolve, spacing_of(layout, recipe), lit.voxels
    mask = counting_voxels(voxels, part.saturation)
    variation = None if psf.variation is None else psf.variation.part(lit.box)
    model, _ = checked_model_of(part, recipe, voxels.shape, spacing, mask, variation)
    return (
        yield from enough_iterations(
            check_image(voxels), psf.array, engine, model, bytes_of(recipe.memory)
        )
    )


def part_with_light(
    images: Sequence[DatasetImage], channel: Sequence[int | None]
) -> Steps[LitPart | None]:
    """Return the part of a channel on which the number of iterations is sought.

    It is the middle of the first stack that has light well above its noise there, or else of the
    one that has most. Only where all middles are dark or constant, the rest of the stacks is looked
    at.

    Parameters
    ----------
    images : sequence of DatasetImage
    channel : sequence of (int or None)
        Its number in each image; see `numbers_of_channels`.

    Yields
    ------
    Progress

    Returns
    -------
    LitPart or None
        None where all stacks are dark or constant.

    Raises
    ------
    InputError
        A part that was looked at has voxels that are not finite.
    """
    stacks = [
        (place, time, number)
        for place, (image, number) in enumerate(zip(images, channel, strict=True))
        if number is not None
        for time in range(image.layout.size("t"))
    ]
    best, most = None, 0.0
    for done, stack in enumerate(stacks):
        place, _, number = stack
        box = _middle(images[place].layout.space)
        voxels = _read(images, stack, box, "middle")
        if _has_light(voxels):
            light = light_above_noise(np.asarray(voxels, np.float32))
            if best is None or light > most:
                best, most = LitPart(place, number, box, voxels), light
            if light >= LIT:
                return best
        yield Progress(StepId.DECONVOLVE, done + 1, len(stacks), phase=PHASE)
    if best is not None:
        return best
    for done, stack in enumerate(stacks):
        place, _, number = stack
        for box in _parts(images[place].layout.space):
            voxels = _read(images, stack, box, "part")
            if _has_light(voxels):
                return LitPart(place, number, box, voxels)
            yield Progress(StepId.DECONVOLVE, done, len(stacks), phase=PHASE)
    return None


def _has_light(voxels: NDArray[Any]) -> bool:
    """Return whether some voxel is above 0, and not all are the same."""
    return bool(voxels.max() > max(voxels.min(), 0))


def _middle(space: tuple[int, ...]) -> Box:
    """Return the middle of a stack, with all of its planes."""
    return middle_region(space, math.prod(space[:-2]) * SOUGHT_WITHIN**2)


def _parts(space: tuple[int, ...]) -> Iterator[Box]:
    """Yield parts of a stack, with all of its planes, that together are all of it."""
    planes = [slice(0, n) for n in space[:-2]]
    starts = [range(0, n, SOUGHT_WITHIN) for n in space[-2:]]
    for corner in itertools.product(*starts):
        ends = (min(low + SOUGHT_WITHIN, n) for low, n in zip(corner, space[-2:], strict=True))
        yield (*planes, *map(slice, corner, ends))


def _read(
    images: Sequence[DatasetImage], stack: tuple[int, int, int], box: Box, what: str
) -> NDArray[Any]:
    """Return a part of an image's time and channel, if it can be used."""
    place, time, channel = stack
    voxels = images[place].volume(time, channel).read(box)
    if not np.isfinite(voxels).all():
        raise InputError(
            f"The {what} of image {place}, time {time}, channel {channel}, where the number of "
            "iterations is sought, has voxels that are not finite (NaN or infinite): give the "
            "number, or replace them."
        )
    return voxels
