"""A region deconvolved with one setting after another, and how long each would take for all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.compute import Engine
from napari_psf_distiller.compute.engine import Array, Memory
from napari_psf_distiller.compute.tiles import Tile, tiles_within
from napari_psf_distiller.datasets import Volume
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.pipeline import bytes_of, checked_model_of
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage
from napari_psf_distiller.deconvolution.stopping import Enough
from napari_psf_distiller.deconvolution.tiled import (
    Workload,
    overlap_of,
    tile_need,
    tile_steps,
    tile_work,
)
from napari_psf_distiller.errors import DeviceMemoryError, InputError
from napari_psf_distiller.progress import Progress, Steps, passed_on
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.results import WhyEnded
from napari_psf_distiller.steps import StepId

__all__ = ["Attempt", "Seek", "attempts_on", "settings_name"]

T = TypeVar("T")

# Seeks the number of iterations for some settings with a PSF on the image's voxels.
Seek = Callable[[Deconvolve, PSFOnImage, Model], Steps[Enough]]


@dataclass(frozen=True, eq=False)
class Attempt:
    """A region as one of several settings deconvolves it.

    Attributes
    ----------
    name : str
        What the settings are, such as ``"automatic"`` or ``"50 iterations"``.
    settings : Deconvolve
    array : numpy.ndarray
        float32, of the region's shape, times its settings' `finer`; not negative.
    iterations : int
        How many there were.
    why_ended : WhyEnded
        Why there were no more.
    seconds_per_iteration : float
        Of the region with its surroundings, on this machine.
    seconds_for_all : float
        About how long the whole image would take so, or the data set that it is of; the search of
        the number of iterations is in it.
    pieces : int
        In how many parts the memory has that done, about.
    device : str
    warnings : tuple of str
    """

    name: str
    settings: Deconvolve
    array: NDArray[np.float32]
    iterations: int
    why_ended: WhyEnded
    seconds_per_iteration: float
    seconds_for_all: float
    pieces: int
    device: str
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"Attempt({self.name!r}, {self.iterations} iterations, ended by: {self.why_ended}, "
            f"{self.seconds_for_all:.2g} s for all)"
        )


def settings_name(settings: Deconvolve) -> str:
    """Return settings in words: the iterations, and what differs from the defaults.

    Examples
    --------
    >>> settings_name(Deconvolve(iterations=20, total_variation=0.002))
    '20 iterations, total variation 0.002'
    """
    number = settings.iterations
    words = ["automatic" if number is None else f"{number} iteration{'s' if number > 1 else ''}"]
    for one in declared(Deconvolve):
        value = getattr(settings, one.field)
        if one.field == "iterations" or value == one.default:
            continue
        if isinstance(value, bool):
            words.append(one.label)
        elif isinstance(value, str):
            words.append(value)
        else:
            words.append(f"{one.label} {value:g}")
    return ", ".join(words)


def attempts_on(
    image: Volume,
    box: Box,
    settings: Sequence[Deconvolve],
    psfs: Sequence[PSFOnImage],
    recipe: Recipe,
    engine: Engine,
    seek: Seek,
    work: Callable[[Array, Model], Workload],
    masks: Sequence[ArrayLike | None] = (),
    searches: int = 1,
) -> Steps[tuple[Attempt, ...]]:
    """Deconvolve one region of a volume with several settings, as a generator of progress.

    Of the volume, the region and the surroundings that the PSF needs are read.

    Parameters
    ----------
    image : Volume
    box : tuple of slice
        The region.
    settings : sequence of Deconvolve
    psfs : sequence of PSFOnImage
        For each of them, the PSF on its voxels.
    recipe : Recipe
        With the voxel size, the memory and the compatibility.
    engine : Engine
    seek : callable
        Seeks the number of iterations where the settings leave it open.
    work : callable
        Returns what an iteration of all that is to be done later goes over, see `work_of`.
    masks : sequence of array_like or None
        For each of the settings, the voxels that count, in memory; without it the settings'
        saturation is looked for in what is read.
    searches : int
        How many such searches all that is to be done later has, one for each channel.

    Yields
    ------
    Progress
        Its phase is the name of the settings.
    """
    names = [settings_name(one) for one in settings]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"The settings {twice!r} are given twice: leave one out.")
    attempts = []
    for n, (name, one, psf) in enumerate(zip(names, settings, psfs, strict=True)):
        mask, kernel = masks[n] if masks else None, psf.array
        model, found = checked_model_of(
            one, recipe, image.shape, recipe.spacing, mask, psf.variation
        )
        searched, enough = 0.0, Enough(one.iterations or 0, (), WhyEnded.GIVEN)
        if one.iterations is None:
            searched, enough = yield from _timed(
                passed_on(seek(one, psf, model), _named(f"{name}: count iterations"))
            )
        limit = engine.memory_limit().within(bytes_of(recipe.memory))
        tiles = _tiles(box, image.shape, kernel, model, engine, limit)
        total = enough.iterations * len(tiles)
        array = np.empty(model.result_shape(tuple(s.stop - s.start for s in box)), np.float32)
        corner = tuple(part.start for part in box)
        paces = []
        for done, tile in enumerate(tiles):
            steps = tile_steps(
                image,
                kernel,
                enough.iterations,
                model,
                engine,
                tile,
                None if masks else one.saturation,
            )
            pace = _Pace()
            part = yield from passed_on(
                pace.of(steps), _named(name, done * enough.iterations, total)
            )
            array[model.result_box(_moved(tile.core, corner))] = part
            voxels = tile_work(tile, image.shape, kernel.shape, model, engine)
            paces.append((pace.seconds, voxels))
        seconds = sum(pace for pace, _ in paces)
        per_voxel = seconds / sum(voxels for _, voxels in paces)
        of_all = work(kernel, model)
        attempts.append(
            Attempt(
                name,
                one,
                array,
                enough.iterations,
                enough.why,
                seconds,
                searches * searched + per_voxel * of_all.voxels * enough.iterations,
                of_all.tiles,
                engine.description,
                (*found, *enough.warnings),
            )
        )
    return tuple(attempts)


def _tiles(
    box: Box, shape: tuple[int, ...], kernel: Array, model: Model, engine: Engine, limit: Memory
) -> list[Tile]:
    """Return the region as tiles that fit the memory; most often it is one."""
    tiles = tiles_within(
        box,
        shape,
        overlap_of(kernel, model),
        lambda tile: tile_need(tile, shape, kernel.shape, model, engine),
        limit,
        model.boundary == "circulant",
    )
    if tiles is None:
        raise DeviceMemoryError(
            f"The memory that {engine.device.name} may take is too little for this PSF, even for "
            "the smallest region. Crop the PSF, or allow more memory."
        )
    return tiles


def _moved(core: Box, corner: tuple[int, ...]) -> Box:
    return tuple(slice(s.start - c, s.stop - c) for s, c in zip(core, corner, strict=True))


def _named(phase: str, before: int = 0, total: int | None = None) -> Callable[[Progress], Progress]:
    """Return what tells of progress under the settings' name."""
    return lambda progress: Progress(
        StepId.DECONVOLVE,
        before + progress.iteration,
        progress.total if total is None else total,
        phase=phase,
    )


def _timed(steps: Steps[T]) -> Generator[Progress, None, tuple[float, T]]:
    """Pass steps on, and return how many seconds they took and what they return."""
    pace = _Pace()
    result = yield from pace.of(steps)
    return pace.whole, result


class _Pace:
    """How long a generator takes from one progress to the next, without those who look at it.

    Attributes
    ----------
    whole : float
        Seconds in all.
    """

    def __init__(self) -> None:
        self._turns: list[float] = []

    @property
    def whole(self) -> float:
        return math.fsum(self._turns)

    @property
    def seconds(self) -> float:
        """Of an iteration; the first has the preparations in it, and the last the end."""
        middle = self._turns[1:-1] or self._turns
        return math.fsum(middle) / len(middle)

    def of(self, steps: Steps[T]) -> Steps[T]:
        """Pass steps on, and time them."""
        try:
            while True:
                begin = time.perf_counter()
                try:
                    progress = next(steps)
                finally:
                    self._turns.append(time.perf_counter() - begin)
                yield progress
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()
