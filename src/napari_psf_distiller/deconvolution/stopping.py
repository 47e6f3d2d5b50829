"""How many iterations are enough: up to where the image's noise is fitted."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute import Engine
from napari_psf_distiller.compute.engine import HeldOut, Problem
from napari_psf_distiller.compute.grid import frame_of
from napari_psf_distiller.compute.host.solver import HostEngine
from napari_psf_distiller.compute.likelihood import TINY
from napari_psf_distiller.compute.tiles import fits
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of, size_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate
from napari_psf_distiller.deconvolution.splitting import (
    BLOCK_VOXELS,
    FRACTION,
    Stopping,
    informative_block,
    split_counts,
)
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.measure.noise import noise_model
from napari_psf_distiller.measure.stored_values import cut_share, step_of
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.results import WhyEnded
from napari_psf_distiller.steps import StepId

__all__ = ["ENOUGH", "ENOUGH_CUT", "MOST", "PHASE", "SEARCHED", "Enough", "enough_iterations"]

# What people read while the number of iterations is sought.
PHASE = "Count iterations"

# Counts are blind to detail that the PSF hardly passes: the object, seen at half of the PSF's
# width, is nearest to the truth after more iterations than tell them best. Accelerated, the error
# is least at 1.3 to 2.1 times as many, in benchmarks/stopping.py, and nearly flat there.
FURTHER = 1.55

# So many plain iterations, times their number squared, get as far as accelerated ones: the search
# is accelerated always. With steps that are enlarged ever more, theirs is the square of the reach.
PLAIN = 0.65

# Where the counts held out do not tell: near the least error for most images with enough light, be
# they smoothed or the PSF a little wrong; and where a background was cut off, whose PSF's rim is
# gone with it.
ENOUGH = {"plain": 400, "accelerated": 25}
ENOUGH_CUT = {"plain": 150, "accelerated": 15}

# No more are done unasked.
MOST = {"plain": 1000, "accelerated": 200}

# The search ends here. Counts that are told ever better for so long have noise that both parts
# share, or the PSF is not the image's and its faults are being fitted.
SEARCHED, TOLD = 120, 90

# Iterations without a rise, and their share of the best count, after which the search ends. Of an
# image that is mostly dark the likelihood has plateaus.
PATIENCE = (6, 0.3)

# The dark is lifted to this part of the light of the brightest voxels, which are above so many per
# cent of all. With this, the factor above is as good for sparse objects as for dense ones.
LIFT, BRIGHT = 0.15, 99.9

# Independent noise measures up to so much more over twice the distance.
WIDER = 1.25

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
    why : WhyEnded
    """

    iterations: int
    warnings: tuple[str, ...]
    why: WhyEnded


def enough_iterations(
    image: NDArray[np.float32],
    psf: NDArray[np.float32],
    engine: Engine,
    model: Model,
    memory: int | None = None,
) -> Steps[Enough]:
    """Find the number of iterations that tells the image best, as a generator of progress.

    One tenth of the image's light is held out, and the rest deconvolved; the number follows from
    that of the iteration that makes the light held out most likely (see `split_counts`). Of a large
    image the part with the most detail stands for all.

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
    # As many voxels of the result, in which the work is.
    largest = max(BLOCK_VOXELS // math.prod(model.factors(image.ndim)), LEAST_VOXELS)
    voxels = largest
    warnings: tuple[str, ...] = ()
    while True:
        block = _block_within(image, psf, engine, model, memory, voxels)
        try:
            enough = yield from _enough_for(image[block], psf, engine, model, block, image.shape)
            return enough._replace(warnings=(*warnings, *enough.warnings))
        except (DeviceMemoryError, MemoryError) as error:
            warnings = (
                f"{error or 'This machine ran out of memory.'} Less of the image decided how many "
                "iterations are enough.",
            )
            voxels = math.prod(part.stop - part.start for part in block) // 2
            if voxels < LEAST_VOXELS:
                if isinstance(engine, HostEngine):
                    raise
                engine, voxels = HostEngine(), largest


def _enough_for(
    measured: NDArray[np.float32],
    psf: NDArray[np.float32],
    engine: Engine,
    model: Model,
    block: tuple[slice, ...],
    shape: tuple[int, ...],
) -> Steps[Enough]:
    """Find the number of iterations for a block of an image of some shape."""
    method = model.method
    yield Progress(StepId.DECONVOLVE, 0, SEARCHED, phase=PHASE, at_most=True)
    part = dataclasses.replace(_model_of_part(model, block), method="accelerated")
    # What does not count tells neither steps nor a cut.
    told = measured
    if part.mask is not None:
        told = np.where(part.mask, measured, np.median(measured[part.mask]))
    noise = noise_model(measured, part.mask, step=step_of(told))
    cut = cut_share(told)
    if cut:
        return Enough(
            ENOUGH_CUT[method],
            (
                f"The image's background was cut off, at its least value in {100 * cut:.0f} % of "
                "the dark voxels: when to stop cannot be told from it, and "
                f"{ENOUGH_CUT[method]} iterations were done. Give a number of iterations, or the "
                "image as it was measured, with its background as a parameter.",
            ),
            WhyEnded.CUT_BACKGROUND,
        )
    if noise.absent or not noise.independent:
        found = "no noise" if noise.absent else "noise that is not independent from voxel to voxel"
        # Detail as small as a voxel looks like noise that it is not.
        others = ", or one whose voxels are too large for its detail" if model.is_finer else ""
        return Enough(
            ENOUGH[method],
            (
                f"The image has {found}, as one that was filtered or computed has{others}: when "
                f"to stop cannot be told from it, and {ENOUGH[method]} iterations were done. "
                "Give a number of iterations, or the image as it was measured.",
            ),
            WhyEnded.NO_NOISE if noise.absent else WhyEnded.FILTERED,
        )
    # Noise that a filter made wider is larger where the PSF looks than from neighbours. Taken as
    # such, the parts share none: the iterations end early rather than late.
    wider = noise.distance_ratio if noise.distance_ratio > WIDER else 1.0
    lift = _lift(told)
    training, held_out = split_counts(measured + np.float32(lift), noise.times(wider).moved(lift))
    mean = float(training.mean(dtype=np.float64))
    problem = problem_of(
        training,
        psf,
        dataclasses.replace(part, background=FRACTION * part.background),
        engine,
        HeldOut(held_out, (1 - FRACTION) / FRACTION, max(FLOOR * mean, float(TINY))),
        frame_of(shape, psf.shape, model.boundary, block, model.compatibility),
    )
    best = yield from _told_best(problem, engine)
    if best > TOLD:
        return Enough(
            ENOUGH[method],
            (
                f"{TOLD} accelerated iterations did not fit the image's noise yet: it was "
                "filtered, or the PSF is not quite its own. When to stop cannot be told so, and "
                f"{ENOUGH[method]} iterations were done. Give a number of iterations.",
            ),
            WhyEnded.UNFITTED,
        )
    reach = FURTHER * max(best, 1)
    wanted = round(reach if method == "accelerated" else PLAIN * reach**2)
    if wanted > MOST[method]:
        return Enough(
            MOST[method],
            (
                f"The deconvolution ended at the limit of {MOST[method]} iterations: the image "
                f"bears {wanted} of the method {method}. Choose the accelerated method, or give a "
                "number of iterations.",
            ),
            WhyEnded.LIMIT,
        )
    return Enough(max(wanted, 1), (), WhyEnded.NOISE)


def _lift(image: NDArray[np.float32]) -> float:
    """Return what is added to an image whose dark is near 0.

    There the least noise would count most in the likelihood, and end iterations for its own sake
    when the object is still far from what it can be. An offset, which most cameras have, makes the
    voxels count more alike.
    """
    dark, bright = np.percentile(image, (50, BRIGHT))
    return max(LIFT * float(bright - dark) - float(dark), 0.0)


def _told_best(problem: Problem, engine: Engine) -> Steps[int]:
    """Find how many accelerated iterations make what is held out likeliest."""
    stopping = Stopping(*PATIENCE)
    running = iterate(problem, engine, SEARCHED + 1, "accelerated")
    try:
        for iteration, likelihoods, _ in running:
            # The likelihood is that of what the iteration began with.
            done = iteration - 1
            assert likelihoods is not None
            assert likelihoods.held_out is not None
            if done and not stopping.go_on(done, likelihoods.held_out):
                break
            yield Progress(
                StepId.DECONVOLVE, min(iteration, SEARCHED), SEARCHED, phase=PHASE, at_most=True
            )
    finally:
        running.close()
    return stopping.best


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
    searched = dataclasses.replace(model, method="accelerated")
    reach = model.psf_reach(psf.shape)
    voxels = min(voxels, image.size)
    while voxels >= LEAST_VOXELS or voxels == image.size:
        block = informative_block(image, reach, voxels, model.mask)
        shape = tuple(part.stop - part.start for part in block)
        frame = frame_of(image.shape, psf.shape, model.boundary, block, model.compatibility)
        size = dataclasses.replace(
            size_of(shape, psf.shape, searched, engine, frame), held_out=True
        )
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
    variation = None if model.variation is None else model.variation.part(block)
    return dataclasses.replace(model, background=background, mask=mask, variation=variation)
