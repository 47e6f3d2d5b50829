"""A Richardson-Lucy deconvolution as a problem on a grid, of an image, a PSF and a model."""

from __future__ import annotations

import dataclasses
import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.engine import Array, Engine, HeldOut, Problem, ProblemSize
from napari_psf_distiller.compute.grid import Frame, frame_of, grid_of, padded_image
from napari_psf_distiller.compute.sampling import extent
from napari_psf_distiller.compute.total_variation import CLIJ_SPACING
from napari_psf_distiller.deconvolution.model import Model, mean_light

__all__ = ["problem_of", "size_of"]

T = TypeVar("T", bound=np.generic)


def problem_of(
    image: Array,
    psf: Array,
    model: Model,
    engine: Engine,
    held_out: HeldOut | None = None,
    frame: Frame | None = None,
) -> Problem:
    """Return the problem on its grid; see `grid_of`.

    Parameters
    ----------
    image, psf, model, engine, frame
        See `richardson_lucy`.
    held_out : HeldOut, optional
        Its image of the image's shape.
    """
    shape, of_part = image.shape, frame is not None
    if frame is None:
        frame = frame_of(shape, psf.shape, model.boundary, None, model.compatibility)
    finer = model.factors(len(shape))
    grid = grid_of(shape, psf.shape, frame.boundaries, engine.good_size, finer)
    # Where it is circulant the border counts, as in clij2-fft: it is reflected, and so is all that
    # goes with it.
    box = _measured(shape, grid, frame, finer)
    solid, region = padded_image(image, box)
    solid = _solid(solid)
    background, mask = model.background, model.mask
    if isinstance(background, np.ndarray):
        background = _solid(padded_image(background, box)[0])
    if mask is not None:
        mask = _solid(padded_image(mask, box)[0])
    if held_out is not None:
        held_out = dataclasses.replace(held_out, image=_solid(padded_image(held_out.image, box)[0]))
    # Elsewhere clij2-fft puts the ceiling of half before the image; here it is at the grid's end.
    origin = tuple((g + (g - n) // -2) % g for g, n in zip(grid, extent(box, finer), strict=True))
    grid, finer, origin = _three(grid, 1), _three(finer, 1), _three(origin, 0)
    if isinstance(model.first, float):
        start: Array | float = model.first
    elif model.first == "flat":
        start = mean_light(solid, background, mask) / math.prod(finer)
    else:
        start = _filled_up(_in_parts(solid, finer), grid, of_part)
    total = psf.sum(dtype=np.float64) / finer[0]
    kernel = _solid((psf / total).astype(np.float32))
    variation = None
    if model.variation is not None and model.variation.count:
        variation = model.variation.on_grid(kernel.shape, 1 / total, box, grid, finer, origin)
    return Problem(
        image=solid,
        psf=kernel,
        centre=_three(frame.centre, 0),
        grid=grid,
        start=start,
        region=(slice(0, 1),) * (3 - len(shape)) + model.result_box(region),
        finer=finer,
        origin=origin,
        normalised=_is_normalised(frame, finer),
        background=background,
        mask=mask,
        total_variation=model.total_variation,
        spacing=_spacing_of(model),
        compatibility=model.compatibility,
        momentum=model.method == "accelerated",
        held_out=held_out,
        variation=variation,
    )


def size_of(
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    model: Model,
    engine: Engine,
    frame: Frame | None = None,
) -> ProblemSize:
    """Return what decides how much memory a problem needs."""
    if frame is None:
        frame = frame_of(image_shape, psf_shape, model.boundary, None, model.compatibility)
    finer = model.factors(len(image_shape))
    grid = grid_of(image_shape, psf_shape, frame.boundaries, engine.good_size, finer)
    return ProblemSize(
        image=_three(_measured(image_shape, grid, frame, finer), 1),
        grid=_three(grid, 1),
        normalised=_is_normalised(frame, _three(finer, 1)) or model.mask is not None,
        background=isinstance(model.background, np.ndarray),
        mask=model.mask is not None,
        total_variation=model.total_variation > 0,
        momentum=model.method == "accelerated",
        finer=max(finer) > 1,
        variations=0 if model.variation is None else model.variation.count,
        depths=0 if model.variation is None else model.variation.depths,
    )


def _measured(
    image_shape: tuple[int, ...], grid: tuple[int, ...], frame: Frame, finer: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape of what counts as measured: a circulant axis' border, too."""
    return tuple(
        g // f if boundary == "circulant" else n
        for n, g, boundary, f in zip(image_shape, grid, frame.boundaries, finer, strict=True)
    )


def _is_normalised(frame: Frame, finer: tuple[int, ...]) -> bool:
    """Return whether voxels of the grid differ in how much of their light is seen.

    Light from beyond the image is seen in part; and of planes between the image's, those that are
    in focus in one of its planes are seen brighter than others.
    """
    return "noncirculant" in frame.boundaries or finer[0] > 1


def _spacing_of(model: Model) -> tuple[float, float, float]:
    """Return the spacing that the total variation takes, of three axes."""
    if model.compatibility is not None:
        return CLIJ_SPACING
    sizes = model.spacing or ()
    z, y, x = (1.0,) * (3 - len(sizes)) + sizes
    return z, y, x


def _in_parts(image: Array, finer: tuple[int, ...]) -> Array:
    """Return an image on finer voxels, its light in equal parts."""
    if max(finer) == 1:
        return image
    for axis, f in enumerate(finer):
        image = np.repeat(image, f, axis)
    return image / np.float32(math.prod(finer))


def _filled_up(image: Array, grid: tuple[int, ...], of_part: bool) -> Array:
    """Return an image at the corner of a grid of zeros.

    Zeros stay zeros. Around a part of an image there is light: there it goes on as its mirror
    image.
    """
    if image.shape == grid:
        return image
    if not of_part:
        array = np.zeros(grid, np.float32)
        array[tuple(slice(n) for n in image.shape)] = image
        return array
    extra = [g - n for g, n in zip(grid, image.shape, strict=True)]
    widths = [(e - e // 2, e // 2) for e in extra]
    return np.roll(np.pad(image, widths, mode="symmetric"), [-w for w, _ in widths], range(3))


def _three(numbers: tuple[int, ...], filler: int) -> tuple[int, int, int]:
    """Return numbers of three axes."""
    z, y, x = (filler,) * (3 - len(numbers)) + numbers
    return z, y, x


def _solid(array: NDArray[T]) -> NDArray[T]:
    """Return an array with three axes, in C order."""
    return np.ascontiguousarray(array.reshape((1,) * (3 - array.ndim) + array.shape))
