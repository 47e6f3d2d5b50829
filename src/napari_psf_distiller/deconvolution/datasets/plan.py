"""Which regions of a data set are deconvolved one by one, so that each fits a worker's memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from napari_psf_distiller.compute import Engine
from napari_psf_distiller.compute.engine import GIB, Array
from napari_psf_distiller.compute.tiles import Tile, cut_axis, tile_around
from napari_psf_distiller.datasets import Volume
from napari_psf_distiller.datasets.ome_zarr import ImageLayout
from napari_psf_distiller.deconvolution.richardson_lucy import Model
from napari_psf_distiller.deconvolution.tiled import overlap_of, tile_need
from napari_psf_distiller.errors import DeviceMemoryError

__all__ = ["Region", "StoredImage", "aligned_tiles"]


class StoredImage(Protocol):
    """An image on disk, of several times and channels, that a worker can open for itself."""

    @property
    def name(self) -> str:
        """How it is called in its data set; "" of the only one."""

    @property
    def layout(self) -> ImageLayout:
        """Its axes, shape and voxel size."""

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


def aligned_tiles(
    shape: tuple[int, ...],
    psf: Array,
    model: Model,
    engine: Engine,
    chunk: Sequence[int],
    memory: int,
) -> list[Tile]:
    """Cut a stack into as few tiles as fit the memory, whose results are whole chunks.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) or (Y, X), of the stack.
    psf : numpy.ndarray
    model : Model
    engine : Engine
    chunk : sequence of int
        Voxels of a chunk of the result along each axis: no two tiles write to the same one.
    memory : int
        Bytes that a tile may take.

    Raises
    ------
    DeviceMemoryError
        Not even the smallest tile fits.
    """
    factors = model.factors(len(shape))
    # Edges of the image's voxels that are edges of the result's chunks.
    steps = [c // math.gcd(c, f) for c, f in zip(chunk, factors, strict=True)]
    most = [-(-n // step) for n, step in zip(shape, steps, strict=True)]
    overlap = overlap_of(psf.shape, model)
    wraps = model.boundary == "circulant"
    counts = [1] * len(shape)
    while True:
        tiles = [
            tile_around(core, shape, overlap, wraps)
            for core in itertools.product(
                *(cut_axis(slice(0, n), c, s) for n, s, c in zip(shape, steps, counts, strict=True))
            )
        ]
        need = max(tile_need(tile, shape, psf.shape, model, engine).total for tile in tiles)
        if need <= memory:
            return tiles
        # An axis over which a tile's surroundings reach all the same gains nothing by a cut.
        useful = [
            axis
            for axis, (count, end, n, o) in enumerate(
                zip(counts, most, shape, overlap, strict=True)
            )
            if count < end and 2 * o + steps[axis] < n
        ]
        if not useful:
            raise DeviceMemoryError(
                f"A region needs {need / GIB:.2g} GiB, and a worker may take {memory / GIB:.2g}: "
                "allow more memory, take fewer workers, or crop the PSF."
            )
        counts[max(useful, key=lambda axis: shape[axis] / counts[axis])] += 1
