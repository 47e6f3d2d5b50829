"""What a worker does: one region is read, deconvolved and written, or one pyramid is filled."""

from __future__ import annotations

import itertools
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.datasets.ome_zarr import ImageLayout, chunks_of, level_shapes
from napari_psf_distiller.datasets.on_disk import flush_chunks
from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage, Region
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.tiled import deconvolved_tile
from napari_psf_distiller.ending import ENDING_SIGNALS
from napari_psf_distiller.errors import DistillerError, InputError

__all__ = ["RegionReport", "Work", "dask_setup", "deconvolve_region", "fill_pyramid"]


def dask_setup(_worker: object) -> None:
    """Let signals end only the process that gives the work; dask calls it as a worker starts.

    A terminal sends Ctrl-C to all, a service that is stopped SIGTERM, and that process ends its
    workers. One that SIGTERM ended would leave the locks of its codecs behind, which Python tells
    whoever reads the run's messages.
    """
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass(frozen=True)
class Work:
    """What is the same for all regions of a channel of an image.

    Attributes
    ----------
    image : DatasetImage
    psf : numpy.ndarray
    iterations : int
    model : Model
    device, fft : str
        See `open_engine`.
    output : str
        The group of the image's result.
    layout : ImageLayout
        Of the result.
    saturation : float or None
        Voxels of this value or above do not count.
    """

    image: DatasetImage
    psf: Array
    iterations: int
    model: Model
    device: str
    fft: str
    output: str
    layout: ImageLayout
    saturation: float | None = None


class RegionReport(NamedTuple):
    """What a worker says of a region that it has done.

    Attributes
    ----------
    device : str
        What deconvolved it.
    negative : bool
        Whether the image has voxels below 0 there.
    """

    device: str
    negative: bool


def deconvolve_region(work: Work, region: Region) -> RegionReport:
    """Deconvolve a region and write it.

    It ends within an iteration if the run that asked for it was stopped meanwhile.

    Raises
    ------
    DistillerError
        It was given up.
    InputError
        It cannot be read or written.
    DeviceError
        The device failed.
    """
    engine = open_engine(work.device, work.fft)
    volume = work.image.volume(region.time, region.channel)
    core = deconvolved_tile(
        volume,
        work.psf,
        work.iterations,
        work.model,
        engine,
        region.tile,
        work.saturation,
        lambda _: _end_if_given_up(),
    )
    box = work.model.result_box(region.tile.core)
    _write(work, 0, work.layout.index(region.time, region.channel, box), core)
    # Of the core alone, which is in memory already where the file system keeps what it read.
    signed = np.dtype(work.image.layout.dtype).kind != "u"
    negative = signed and bool((volume.read(region.tile.core) < 0).any())
    return RegionReport(engine.description, negative)


def _end_if_given_up() -> None:
    """Raise where nobody waits for the task any more that this thread of a worker's does.

    Dask takes what was cancelled from its worker, but cannot end a thread.
    """
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        # It was called by itself.
        return
    task = worker.state.tasks.get(worker.get_current_task())
    if task is None or task.state == "cancelled":
        raise DistillerError("The region was given up: its run was stopped.")


def fill_pyramid(work: Work, time: int, channel: int) -> None:
    """Fill the coarser levels of one stack, each with the means of 2 x 2 pixels of that before."""
    layout = work.layout
    shapes = level_shapes(layout)
    for level, shape in enumerate(shapes[1:], start=1):
        source = _array(work, level - 1)
        finer, space = layout.along_space(source.shape), layout.along_space(shape)
        chunk = layout.along_space(chunks_of(layout, shape))
        starts = [range(0, n, c) for n, c in zip(space, chunk, strict=True)]
        for corner in itertools.product(*starts):
            box = [slice(a, min(a + c, n)) for a, c, n in zip(corner, chunk, space, strict=True)]
            *along, y, x = box
            read = [
                *along,
                slice(2 * y.start, min(2 * y.stop, finer[-2])),
                slice(2 * x.start, min(2 * x.stop, finer[-1])),
            ]
            values = np.asarray(source[layout.index(time, channel, read)], np.float32)
            _write(work, level, layout.index(time, channel, box), halved(values))


def halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 2 x 2 pixels of the last two axes; at an odd end, of those there are."""
    for after in (1, 0):
        # The axes behind the one that is halved.
        behind: tuple[Any, ...] = (slice(None),) * after
        means = values[(..., slice(0, None, 2), *behind)].copy()
        second = values[(..., slice(1, None, 2), *behind)]
        pairs = means[(..., slice(0, second.shape[-1 - after]), *behind)]
        pairs += second
        pairs *= 0.5
        values = means
    return values


def _array(work: Work, level: int) -> Any:
    import zarr

    return zarr.open_array(f"{work.output}/{level}", mode="r+")


def _write(
    work: Work, level: int, index: tuple[int | slice, ...], values: NDArray[np.float32]
) -> None:
    try:
        array = _array(work, level)
        array[index] = values
        # Before it is recorded as done.
        flush_chunks(Path(work.output, str(level)), array, index)
    except OSError as error:
        raise InputError(f"{work.output} cannot be written: {error}.") from error
