"""The regions of a data set: each fits a worker's memory, and all together take least time."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from napari_psf_distiller.compute import Engine, open_engine
from napari_psf_distiller.compute.devices import NUMPY
from napari_psf_distiller.compute.engine import GIB, Memory
from napari_psf_distiller.compute.grid import Frame, frame_of, grid_of
from napari_psf_distiller.compute.tiles import Tile, cut_axis, fits, tile_around
from napari_psf_distiller.datasets import Volume
from napari_psf_distiller.datasets.ome_zarr import ImageLayout
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import size_of
from napari_psf_distiller.errors import DeviceMemoryError

__all__ = ["DatasetImage", "Plan", "Region", "Share", "Stack", "planned"]

# Of a region's work so much is not shared between threads: reading, packing and writing.
ON_ONE_THREAD = 0.05


class DatasetImage(Protocol):
    """An image on disk, of several times and channels, that a worker can open for itself."""

    @property
    def name(self) -> str:
        """How it is called in its data set; "" of the only one."""

    @property
    def layout(self) -> ImageLayout:
        """Its axes, shape and voxel size."""

    @property
    def files(self) -> Sequence[str]:
        """The files that its voxels lie in."""

    def volume(self, time: int = 0, channel: int = 0) -> Volume:
        """Return one time and one channel."""


@dataclass(frozen=True)
class Region:
    """A part of one stack of a data set, deconvolved and written by itself.

    Attributes
    ----------
    image : int
        Number of the image in the data set.
    time, channel : int
    tile : Tile
    """

    image: int
    time: int
    channel: int
    tile: Tile

    @property
    def key(self) -> str:
        """Its name in the record of what is done."""
        corner = ",".join(f"{part.start}:{part.stop}" for part in self.tile.core)
        return f"image {self.image}, time {self.time}, channel {self.channel}, [{corner}]"


class Share(NamedTuple):
    """What each of some workers may take.

    Attributes
    ----------
    workers : int
        Regions that are worked at at a time.
    memory : int
        Bytes of a machine's memory that a region may take.
    threads : int
        Processors that a region may use.
    neighbours : int
        Workers of one machine, which share its device.
    """

    workers: int
    memory: int
    threads: int
    neighbours: int


@dataclass(frozen=True)
class Stack:
    """What decides how a stack is cut.

    Attributes
    ----------
    shape : tuple of int
        (Z, Y, X) or (Y, X).
    chunk : tuple of int
        Voxels of a chunk of the result along each axis: no two tiles write to the same one.
    psf_shape : tuple of int
    overlap : tuple of int
        Voxels of the image around a region that are read with it, along each axis.
    model : Model
        Of what it has an array of, only whether there is one counts.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    psf_shape: tuple[int, ...]
    overlap: tuple[int, ...]
    model: Model

    @property
    def key(self) -> str:
        """Its name in the record of what is done."""
        sizes = (self.shape, self.chunk, self.psf_shape, self.overlap)
        key = "voxels {}, chunk {}, PSF {}, overlap {}".format(
            *(" x ".join(map(str, n)) for n in sizes)
        )
        variation = self.model.variation
        return key if variation is None else f"{key}, eigen-PSFs {variation.count + 1}"

    def tiles(self, counts: Sequence[int]) -> list[Tile]:
        """Return the tiles of a number of parts along each axis."""
        return [self._around(core) for core in itertools.product(*self._parts(counts))]

    def largest_tile(self, counts: Sequence[int]) -> Tile:
        """Return the tile among these that takes most memory, or one as large."""
        longest = []
        for axis, parts in enumerate(self._parts(counts)):
            # Along other axes it does not matter where a part lies.
            others = [slice(0, n) for n in self.shape]
            windows = [self._around((*others[:axis], p, *others[axis + 1 :])).window for p in parts]
            lengths = [window[axis].stop - window[axis].start for window in windows]
            longest.append(parts[lengths.index(max(lengths))])
        return self._around(tuple(longest))

    def most_parts(self, axis: int) -> int:
        """Return into how many parts an axis can be cut."""
        return -(-self.shape[axis] // self._step(axis))

    def frame(self, tile: Tile) -> Frame:
        """Return how a tile's window lies on its grid."""
        model = self.model
        return frame_of(
            self.shape, self.psf_shape, model.boundary, tile.window, model.compatibility
        )

    def _step(self, axis: int) -> int:
        """Return after how many of the image's voxels a chunk of the result ends with one."""
        chunk, factor = self.chunk[axis], self.model.factors(len(self.shape))[axis]
        return chunk // math.gcd(chunk, factor)

    def _parts(self, counts: Sequence[int]) -> list[list[slice]]:
        return [
            cut_axis(slice(0, n), count, self._step(axis))
            for axis, (n, count) in enumerate(zip(self.shape, counts, strict=True))
        ]

    def _around(self, core: tuple[slice, ...]) -> Tile:
        wraps = self.model.boundary == "circulant"
        return tile_around(core, self.shape, self.overlap, wraps)


@dataclass(frozen=True)
class Plan:
    """How a data set's stacks are cut, and for which workers.

    Attributes
    ----------
    share : Share
    cuts : mapping of str to sequence of int
        The number of parts along each axis, for the key of each kind of stack.
    """

    share: Share
    cuts: Mapping[str, Sequence[int]]


def planned(
    stacks: Sequence[tuple[Stack, int]],
    shares: Sequence[Share],
    device: str,
    fft: str,
    cuts: Mapping[str, Sequence[int]] | None = None,
) -> Plan:
    """Return the plan that takes least time.

    Parameters
    ----------
    stacks : sequence of tuple of Stack and int
        Each kind, and how many there are of it.
    shares : sequence of Share
        Of workers that could be had, the most first; of those that take as long, the first.
    device, fft : str
        See `open_engine`.
    cuts : mapping, optional
        Cuts that an earlier run began with; then only the workers are chosen.

    Raises
    ------
    DeviceMemoryError
        Not even the smallest regions fit.
    """
    engine = open_engine(device, fft)
    kinds = [(_Choices(stack, engine), number) for stack, number in stacks]
    plans: list[tuple[float, Plan]] = []
    short: DeviceMemoryError | None = None
    for share in shares:
        chosen: dict[str, Sequence[int]] = {}
        time = 0.0
        try:
            for choices, number in kinds:
                key = choices.stack.key
                chosen[key] = choices.best(share, None if cuts is None else cuts[key])
                time += choices.time(share, chosen[key], number)
        except DeviceMemoryError as error:
            # The last are the fewest workers, which may take most.
            short = error
            continue
        plans.append((time, Plan(share, chosen)))
    if not plans:
        assert short is not None
        raise short
    return min(plans, key=lambda plan: plan[0])[1]


class _Choices:
    """The ways in which a stack can be cut, and what each takes on an engine."""

    def __init__(self, stack: Stack, engine: Engine) -> None:
        self.stack = stack
        self._engine = engine
        self._limit = engine.memory_limit()
        # The needs are asked again for each number of workers.
        self._needs: dict[tuple[int, ...], tuple[Memory, int]] = {}

    @functools.cached_property
    def _by_work(self) -> list[tuple[int, ...]]:
        """Numbers of parts along each axis, those of the least work first."""
        # An axis' grids do not depend on how others are cut: the work is a product.
        along = [self._useful_counts(axis) for axis in range(len(self.stack.shape))]
        return sorted(
            itertools.product(*along),
            key=lambda counts: math.prod(along[axis][n] for axis, n in enumerate(counts)),
        )

    def best(self, share: Share, given: Sequence[int] | None) -> Sequence[int]:
        """Return the number of parts along each axis with the least work that fits.

        Raises
        ------
        DeviceMemoryError
            None fits, or not the given one.
        """
        lacking = []
        on_device = Memory(self._limit.total // share.neighbours, self._limit.largest)
        for counts in self._by_work if given is None else [tuple(given)]:
            need, beside = self._need(counts)
            if beside > share.memory:
                lacking.append((beside, share.memory))
            elif self._engine.device.kind == "gpu" and not fits(need, on_device):
                lacking.append((need.total, on_device.total))
            else:
                return counts
        needed, there = min(lacking)
        fewer = " take fewer workers," if share.workers > 1 else ""
        raise DeviceMemoryError(
            f"A region needs {needed / GIB:.2g} GiB, and a worker may take {there / GIB:.2g}: "
            f"allow more memory,{fewer} or crop the PSF."
        )

    def time(self, share: Share, counts: Sequence[int], number: int) -> float:
        """Return about how long so many stacks take, in a grid's voxels on one thread."""
        work = math.prod(sum(self._grids_along(axis, n)) for axis, n in enumerate(counts))
        regions = number * math.prod(counts)
        # The last round may leave workers idle.
        rounds = -(-regions // share.workers)
        each = number * work / regions
        return rounds * each * (ON_ONE_THREAD + (1 - ON_ONE_THREAD) / share.threads)

    def _need(self, counts: tuple[int, ...]) -> tuple[Memory, int]:
        """Return the device's memory, and the machine's, that the largest region takes."""
        if counts not in self._needs:
            stack, tile = self.stack, self.stack.largest_tile(counts)
            size = size_of(
                tile.shape, stack.psf_shape, stack.model, self._engine, stack.frame(tile)
            )
            need = self._engine.memory_needed(size)
            device = self._engine.device
            beside = need.total if device.kind == "cpu" else 0
            if device is not NUMPY:
                # The image as stored, as float32 and with its border; what is made of the PSF on
                # the grid, and the result.
                beside += 4 * 3 * (math.prod(size.image) + math.prod(size.grid))
            self._needs[counts] = need, beside
        return self._needs[counts]

    def _useful_counts(self, axis: int) -> dict[int, int]:
        """Return numbers of parts along an axis that make them smaller, and all their voxels."""
        found: dict[int, int] = {}
        least = math.inf
        for count in range(1, self.stack.most_parts(axis) + 1):
            grids = self._grids_along(axis, count)
            if max(grids) < least:
                least = max(grids)
                found[count] = sum(grids)
        return found

    def _grids_along(self, axis: int, count: int) -> list[int]:
        """Return how many voxels along an axis the grids of its parts have."""
        stack = self.stack
        counts = [1] * len(stack.shape)
        counts[axis] = count
        return [
            grid_of(
                tile.shape,
                stack.psf_shape,
                stack.frame(tile).boundaries,
                self._engine.good_size,
                stack.model.factors(len(stack.shape)),
            )[axis]
            for tile in stack.tiles(counts)
        ]
