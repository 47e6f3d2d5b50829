"""A deconvolution within the memory there is: in tiles, and on another device if need be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import whole
from napari_psf_distiller.compute.engine import GIB, Array, Engine, Memory, ProblemSize
from napari_psf_distiller.compute.grid import Frame, frame_of, smooth_size
from napari_psf_distiller.compute.host.solver import HostEngine
from napari_psf_distiller.compute.tiles import Tile, fits, tiles_within
from napari_psf_distiller.datasets import ArrayVolume, Volume, as_volume
from napari_psf_distiller.deconvolution.model import Model, flat_start
from napari_psf_distiller.deconvolution.problem import size_of
from napari_psf_distiller.deconvolution.richardson_lucy import richardson_lucy
from napari_psf_distiller.errors import DeviceMemoryError, InputError
from napari_psf_distiller.progress import Progress, Steps, finish, noting, passed_on
from napari_psf_distiller.results import Deconvolved
from napari_psf_distiller.steps import StepId

__all__ = [
    "Workload",
    "deconvolution",
    "deconvolved_tile",
    "memory_note",
    "overlap_of",
    "tile_need",
    "tile_steps",
    "tile_work",
    "work_of",
]

# How far around a tile's core the image counts, in PSF extents. What lies beyond reaches the core
# by way of what lies between, more so the more steps are taken: accelerated, many at once.
OVERLAP = {"plain": 1.5, "accelerated": 2.5}

# Of a PSF's light, what may lie beyond its extent.
BEYOND_EXTENT = 0.01


# Tiles that take so many times the work of one piece are worth a word.
MOST_WORK = 5


class Workload(NamedTuple):
    """What is gone over in an iteration; its time is nearly proportional to the voxels.

    Attributes
    ----------
    voxels : int
        With all that lies around, and what transforms are padded by.
    tiles : int
    """

    voxels: int
    tiles: int


def deconvolution(
    image: Array | Volume,
    psf: Array,
    iterations: int,
    model: Model,
    engine: Engine,
    step: StepId = StepId.DECONVOLVE,
    preview_every: int = 0,
    memory: int | None = None,
) -> Steps[Deconvolved]:
    """Deconvolve an image by Richardson-Lucy within the memory there is.

    What the device cannot hold in one piece is done in tiles, each with the image around it as far
    as it matters; of a volume, no more is read at a time. A device that runs out of memory on the
    way gets smaller tiles, and in the end the processor does the rest; each such turn is one of the
    result's warnings.

    Parameters
    ----------
    image : numpy.ndarray or Volume
        Finite and not negative.
    psf, iterations, model, engine, step, preview_every
        See `richardson_lucy`. There is no preview of tiles.
    memory : int, optional
        Bytes that may be used on the device, if that is less than it has.

    Yields
    ------
    Progress
        At first that nothing is done yet, with a note of the memory that is needed. The iterations
        of all tiles are counted together; the likelihood is told of an image in one piece.

    Returns
    -------
    Deconvolved

    Raises
    ------
    DeviceMemoryError
        There is too little memory even for the smallest tile.
    DeviceError
        See `richardson_lucy`.
    """
    run = _Run(image, psf, model, engine, memory)
    run.plan()
    yield Progress(step, 0, iterations * len(run.pending), note=run.note())
    output: Array | None = None
    curve: list[tuple[int, float]] = []
    done = 0
    while run.pending:
        tile = run.pending[0]
        before, total = done * iterations, (done + len(run.pending)) * iterations
        try:
            if run.in_one_piece:
                steps = richardson_lucy(
                    run.whole_image(), psf, iterations, model, run.engine, step, preview_every
                )
                output = yield from noting(steps, curve)
            else:
                part, assumed = run.part(tile)
                steps = richardson_lucy(
                    part, psf, iterations, assumed, run.engine, step, frame=run.frame(tile)
                )
                result = yield from passed_on(steps, _counted_from(before, total))
                if output is None:
                    output = np.empty(model.result_shape(run.image.shape), np.float32)
                output[model.result_box(tile.core)] = result[model.result_box(tile.inside)]
                del part, result
        except (DeviceMemoryError, MemoryError) as error:
            run.shrink(str(error) or "This machine ran out of memory.")
            total = (done + len(run.pending)) * iterations
            yield Progress(step, before, total, note=run.note())
            continue
        run.pending = run.pending[1:]
        done += 1
    assert output is not None
    tiles = f", {done} tiles" if done > 1 else ""
    device = run.engine.description + tiles
    return Deconvolved(output, device, tuple(curve), iterations, tuple(run.warnings))


def _counted_from(before: int, total: int) -> Callable[[Progress], Progress]:
    """Return what counts a tile's iterations on from those of the tiles before."""
    return lambda progress: Progress(progress.step, before + progress.iteration, total)


def deconvolved_tile(
    image: Volume,
    psf: Array,
    iterations: int,
    model: Model,
    engine: Engine,
    tile: Tile,
    saturation: float | None = None,
    on_progress: Callable[[Progress], Any] | None = None,
) -> Array:
    """Return the result of a tile's core, of which its window is read alone; see `tile_steps`.

    What is called with each `Progress` may raise to end it.
    """
    return finish(tile_steps(image, psf, iterations, model, engine, tile, saturation), on_progress)


def tile_steps(
    image: Volume,
    psf: Array,
    iterations: int,
    model: Model,
    engine: Engine,
    tile: Tile,
    saturation: float | None = None,
) -> Steps[Array]:
    """Deconvolve a tile's core, of which its window is read alone, as a generator of progress.

    Parameters
    ----------
    image : Volume
        What is negative counts as 0.
    psf, iterations, model, engine
        See `richardson_lucy`.
    tile : Tile
    saturation : float, optional
        Voxels of this value or above do not count.

    Yields
    ------
    Progress

    Returns
    -------
    numpy.ndarray
        Of the core alone.

    Raises
    ------
    InputError
        A voxel is not finite, all are saturated, or what is stored cannot be read.
    DeviceError
        See `richardson_lucy`.
    """
    run = _Run(image, psf, model, engine, None)
    part, assumed = run.part(tile)
    if not np.isfinite(part).all():
        raise InputError("The image has voxels that are not finite (NaN or infinite).")
    if saturation is not None:
        counting = part < saturation
        if not counting.any():
            raise InputError(f"All voxels are at the saturation of {saturation:g} or above.")
        if not counting.all():
            assumed = dataclasses.replace(assumed, mask=counting)
    part = np.maximum(part, 0)
    if not part.any():
        return np.zeros(model.result_shape(tuple(s.stop - s.start for s in tile.core)), np.float32)
    steps = richardson_lucy(part, psf, iterations, assumed, engine, frame=run.frame(tile))
    result = yield from steps
    return result[model.result_box(tile.inside)]


def work_of(
    image_shape: tuple[int, ...],
    psf: Array,
    model: Model,
    engine: Engine,
    memory: int | None = None,
) -> Workload:
    """Return what an image's deconvolution goes over in an iteration, in all its tiles.

    Parameters
    ----------
    image_shape : tuple of int
    psf, model, engine, memory
        See `deconvolution`.
    """
    run = _Run(np.broadcast_to(np.float32(0), image_shape), psf, model, engine, memory)
    run.plan()
    voxels = [tile_work(t, image_shape, psf.shape, model, run.engine) for t in run.pending]
    return Workload(sum(voxels), len(voxels))


def tile_work(
    tile: Tile,
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    model: Model,
    engine: Engine,
) -> int:
    """Return over how many voxels a tile's deconvolution goes in an iteration."""
    return math.prod(_tile_size(tile, image_shape, psf_shape, model, engine).grid)


def overlap_of(psf: Array, model: Model) -> tuple[int, ...]:
    """Return how many voxels around a tile's core count, along each axis."""
    times, factors = OVERLAP[model.method], model.factors(psf.ndim)
    return tuple(math.ceil(times * m / f) for m, f in zip(_extent(psf), factors, strict=True))


def _extent(psf: Array) -> tuple[int, ...]:
    """Return over how many voxels along each axis nearly all of a PSF's light lies."""
    found = []
    for axis, m in enumerate(psf.shape):
        others = tuple(other for other in range(psf.ndim) if other != axis)
        line = np.abs(psf.sum(axis=others, dtype=np.float64))
        inside = np.cumsum(np.bincount(np.abs(np.arange(m) - m // 2), line))
        reach = int(np.argmax(inside >= (1 - BEYOND_EXTENT) * inside[-1]))
        found.append(min(2 * reach + 1, m))
    return tuple(found)


def tile_need(
    tile: Tile,
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    model: Model,
    engine: Engine,
) -> Memory:
    """Return the memory that a tile needs."""
    return engine.memory_needed(_tile_size(tile, image_shape, psf_shape, model, engine))


def _tile_size(
    tile: Tile,
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    model: Model,
    engine: Engine,
) -> ProblemSize:
    frame = frame_of(image_shape, psf_shape, model.boundary, tile.window, model.compatibility)
    return size_of(tile.shape, psf_shape, model, engine, frame)


def memory_note(
    image: Array | Volume, psf: Array, model: Model, engine: Engine, memory: int | None = None
) -> str:
    """Return what a deconvolution needs and what there is, for people; see `deconvolution`."""
    run = _Run(image, psf, model, engine, memory)
    run.plan()
    return run.note()


class _Run:
    """The tiles that are still to be done, and where."""

    def __init__(
        self,
        image: Array | Volume,
        psf: Array,
        model: Model,
        engine: Engine,
        memory: int | None,
    ) -> None:
        self.image = as_volume(image)
        self.engine = engine
        self.warnings: list[str] = []
        self.pending: list[Tile] = [Tile(whole(self.image.shape), whole(self.image.shape))]
        self._psf, self._model = psf, model
        self._budget = memory
        # What the present device has said when it had too little.
        self._error = ""
        self._limit = engine.memory_limit().within(memory)

    def _tell(self, warning: str) -> None:
        """Note a warning, once."""
        if warning not in self.warnings:
            self.warnings.append(warning)

    @cached_property
    def _of_parts(self) -> Model:
        """What is assumed of parts: of an image in memory, they all begin as the whole does."""
        if isinstance(self.image, ArrayVolume):
            return flat_start(np.asarray(self.image.array), self._model)
        return self._model

    @property
    def in_one_piece(self) -> bool:
        """Whether the whole image is one tile, without a window."""
        return [tile.window for tile in self.pending] == [whole(self.image.shape)]

    def plan(self) -> None:
        """Cut what is pending into tiles that fit the device, or else the processor's memory."""
        while (tiles := self._tiles()) is None:
            if isinstance(self.engine, HostEngine):
                if self._error:
                    raise DeviceMemoryError(
                        f"{self._error} Smaller tiles are not possible: crop the image or the PSF."
                    )
                raise DeviceMemoryError(
                    f"The image with this PSF needs more than the {_gib(self._limit.total)} of "
                    f"memory that {self.engine.device.name} may take, even in tiles. Crop the "
                    "image or the PSF, or allow more memory."
                )
            name, limit = self.engine.device.name, self.engine.memory_limit().within(self._budget)
            self.engine, self._error = HostEngine(), ""
            self._tell(
                f"The memory that {name} may take, {_gib(limit.total)}, is too little for this "
                f"image with this PSF, even in tiles: {self.engine.device.name} did the rest."
            )
            self._limit = self.engine.memory_limit().within(self._budget)
        work = sum(math.prod(tile.shape) for tile in tiles)
        times = work / sum(math.prod(c.stop - c.start for c in tile.core) for tile in tiles)
        if times > MOST_WORK:
            self._tell(
                f"The memory that {self.engine.device.name} may take, {_gib(self._limit.total)}, "
                f"is so little that {len(tiles)} tiles overlap each other: it takes about "
                f"{times:.0f} times as long as in one piece. Allow more memory, or crop the PSF."
            )
        self.pending = tiles

    def shrink(self, error: str) -> None:
        """Cut what is pending into tiles of half the memory."""
        self._error = error
        largest = max(self._need(tile).total for tile in self.pending)
        total = min(self._limit.total, largest) // 2
        self._tell(f"{error} The rest was done in smaller tiles.")
        self._limit = Memory(total, min(self._limit.largest, total))
        self.plan()

    def note(self) -> str:
        """Return what is needed and what there is, for people."""
        need = max(self._need(tile).total for tile in self.pending)
        tiles = f", {len(self.pending)} tiles" if len(self.pending) > 1 else ""
        return (
            f"needs {_gib(need)} of {_gib(self._limit.total)} on {self.engine.device.name}{tiles}"
        )

    def whole_image(self) -> Array:
        """Return the image in one piece."""
        return np.asarray(self.image.read(whole(self.image.shape)), np.float32)

    def part(self, tile: Tile) -> tuple[Array, Model]:
        """Return the image in a tile's window, and what is assumed of it."""
        model = self._of_parts
        mask, background, variation = model.mask, model.background, model.variation
        if isinstance(background, np.ndarray):
            background = self._cut_out(as_volume(background), tile)
        if mask is not None:
            mask = self._cut_out(as_volume(mask), tile)
        if variation is not None:
            variation = variation.part(self._voxels(tile))
        part = np.asarray(self._cut_out(self.image, tile), np.float32)
        return part, dataclasses.replace(
            model, start=model.first, background=background, mask=mask, variation=variation
        )

    def frame(self, tile: Tile) -> Frame:
        """Return how a tile's window lies on its grid."""
        model = self._model
        return frame_of(
            self.image.shape, self._psf.shape, model.boundary, tile.window, model.compatibility
        )

    def _tiles(self) -> list[Tile] | None:
        if self.in_one_piece and fits(self._need(self.pending[0]), self._limit):
            return self.pending
        overlap = overlap_of(self._psf, self._model)
        wraps = self._model.boundary == "circulant"
        tiles: list[Tile] = []
        for tile in self.pending:
            parts = tiles_within(
                tile.core, self.image.shape, overlap, self._need, self._limit, wraps
            )
            if parts is None:
                return None
            tiles += parts
        return tiles

    def _need(self, tile: Tile) -> Memory:
        return tile_need(tile, self.image.shape, self._psf.shape, self._model, self.engine)

    def _cut_out(self, volume: Volume, tile: Tile) -> NDArray[Any]:
        """Return the part of a volume in a tile's window, as the boundary continues it."""
        box, places = [], []
        for voxels in self._voxels(tile):
            first = int(voxels.min())
            box.append(slice(first, int(voxels.max()) + 1))
            places.append(voxels - first)
        return volume.read(tuple(box))[np.ix_(*places)]

    def _voxels(self, tile: Tile) -> list[NDArray[np.intp]]:
        """Return for each axis which of the image's voxels a tile's window has."""
        shape = self.image.shape
        found = []
        reach = self._model.psf_reach(self._psf.shape)
        for window, cut, n, m in zip(tile.window, tile.cut(shape), shape, reach, strict=True):
            g = smooth_size(max(n, m)) if cut and self._model.boundary == "circulant" else n
            before = math.ceil((g - n) / 2)
            grid = np.pad(np.arange(n), (before, g - n - before), mode="reflect")
            found.append(grid[(np.arange(window.start, window.stop) + before) % g])
        return found


def _gib(nbytes: int) -> str:
    return f"{nbytes / GIB:.1f} GiB" if nbytes >= GIB / 10 else f"{nbytes / 2**20:.0f} MiB"
