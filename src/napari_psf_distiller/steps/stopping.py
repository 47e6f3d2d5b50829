"""How many iterations are enough: up to where the image's noise is fitted."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute import Engine, Model
from napari_psf_distiller.compute.engine import HeldOut
from napari_psf_distiller.compute.grid import frame_of
from napari_psf_distiller.compute.host import HostEngine
from napari_psf_distiller.compute.likelihood import TINY
from napari_psf_distiller.compute.richardson_lucy import iterate, problem_of, size_of
from napari_psf_distiller.compute.tiles import fits
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps.noise import noise_model
from napari_psf_distiller.steps.splitting import (
    BLOCK_VOXELS,
    FRACTION,
    Stopping,
    informative_block,
    split_counts,
)

__all__ = ["ENOUGH", "MOST", "STEP", "Enough", "enough_iterations"]

STEP = "Count iterations"

# Where the noise cannot be told: as many as are usual, and as many accelerated ones as get as far.
ENOUGH = {"plain": 100, "accelerated": 15}

# The search ends here: an image without noise would never be enough.
MOST = {"plain": 1000, "accelerated": 200}

# Iterations without a rise, and their share of the best count, after which the search ends. Of an
# image that is mostly dark the likelihood has plateaus.
PATIENCE = {"plain": (25, 0.3), "accelerated": (6, 0.3)}

# Of the mean light: darkness in the model counts as no less. Rounding leaves some 1e-7 of it.
FLOOR = 1e-7

# A block of less would tell nothing.
LEAST_VOXELS = 4096


class Enough(NamedTuple):
    """How many iterations an image needs.

    Attributes
    ----------
    iterations : int
    warnings : tuple of str
        Why the number is not the image's own, if it is not.
    """

    iterations: int
    warnings: tuple[str, ...]


def enough_iterations(
    image: NDArray[np.float32],
    psf: NDArray[np.float32],
    engine: Engine,
    model: Model,
    memory: int | None = None,
) -> Steps[Enough]:
    """Find the number of iterations that tells the image best, as a generator of progress.

    One tenth of the image's light is held out, and the rest deconvolved; the best iteration is the
    one that makes the light held out most likely (see `split_counts`). Of a large image the part
    with the most detail stands for all.

    Parameters
    ----------
    image : numpy.ndarray
        float32, (Z, Y, X) or (Y, X), as it was measured: where it is negative, that counts.
    psf, engine, model
        See `richardson_lucy`.
    memory : int, optional
        See `deconvolution`.

    Yields
    ------
    Progress

    Returns
    -------
    Enough

    Raises
    ------
    DeviceError
        See `richardson_lucy`.
    """
    voxels = BLOCK_VOXELS
    warnings: tuple[str, ...] = ()
    while True:
        block = _block_within(image, psf, engine, model, memory, voxels)
        try:
            enough = yield from _enough_for(image[block], psf, engine, model, block, image.shape)
            return Enough(enough.iterations, (*warnings, *enough.warnings))
        except (DeviceMemoryError, MemoryError) as error:
            warnings = (
                f"{error or 'This machine ran out of memory.'} Less of the image decided how many "
                "iterations are enough.",
            )
            voxels = math.prod(part.stop - part.start for part in block) // 2
            if voxels < LEAST_VOXELS:
                if isinstance(engine, HostEngine):
                    raise
                engine, voxels = HostEngine(), BLOCK_VOXELS


def _enough_for(
    measured: NDArray[np.float32],
    psf: NDArray[np.float32],
    engine: Engine,
    model: Model,
    block: tuple[slice, ...],
    shape: tuple[int, ...],
) -> Steps[Enough]:
    """Find the number of iterations for a block of an image of some shape."""
    usual, most = ENOUGH[model.method], MOST[model.method]
    yield Progress(STEP, 0, most)
    part = _model_of_part(model, block)
    noise = noise_model(measured, part.mask)
    if noise.absent or not noise.independent:
        found = "no noise" if noise.absent else "noise that is not independent from voxel to voxel"
        return Enough(
            usual,
            (
                f"The image has {found}, as one that was filtered or computed has: when to stop "
                f"cannot be told from it, and {usual} iterations were done. Give a number of "
                "iterations, or the image as it was measured.",
            ),
        )
    training, held_out = split_counts(measured, noise)
    mean = float(training.mean(dtype=np.float64))
    problem = problem_of(
        training,
        psf,
        dataclasses.replace(part, background=FRACTION * part.background),
        engine,
        HeldOut(held_out, (1 - FRACTION) / FRACTION, max(FLOOR * mean, float(TINY))),
        frame_of(shape, psf.shape, model.boundary, block),
    )
    stopping = Stopping(*PATIENCE[model.method])
    running = iterate(problem, engine, most + 1, model.method)
    try:
        for iteration, likelihoods, _ in running:
            # The likelihood is that of what the iteration began with.
            done = iteration - 1
            assert likelihoods is not None
            assert likelihoods.held_out is not None
            if done and not stopping.go_on(done, likelihoods.held_out):
                break
            yield Progress(STEP, min(iteration, most), most)
    finally:
        running.close()
    if stopping.best >= most:
        return Enough(
            most,
            (
                f"After {most} iterations the image's noise was not fitted yet; no more were "
                "tried. Give a number of iterations for more.",
            ),
        )
    return Enough(max(stopping.best, 1), ())


def _block_within(
    image: NDArray[np.float32],
    psf: NDArray[np.float32],
    engine: Engine,
    model: Model,
    memory: int | None,
    voxels: int,
) -> tuple[slice, ...]:
    """Return the most informative block that fits the memory."""
    limit = engine.memory_limit().within(memory)
    voxels = min(voxels, image.size)
    while voxels >= LEAST_VOXELS or voxels == image.size:
        block = informative_block(image, psf.shape, voxels, model.mask)
        shape = tuple(part.stop - part.start for part in block)
        frame = frame_of(image.shape, psf.shape, model.boundary, block)
        size = dataclasses.replace(size_of(shape, psf.shape, model, engine, frame), held_out=True)
        if fits(engine.memory_needed(size), limit):
            return block
        voxels //= 2
    raise DeviceMemoryError(
        f"The memory that {engine.device.name} may take, {limit.total / 2**20:.0f} MiB, is too "
        "little for this PSF. Crop the PSF, or allow more memory."
    )


def _model_of_part(model: Model, block: tuple[slice, ...]) -> Model:
    """Return what is assumed of a part of an image."""
    background = model.background
    if isinstance(background, np.ndarray):
        background = background[block]
    mask = None if model.mask is None else model.mask[block]
    return dataclasses.replace(model, background=background, mask=mask)
