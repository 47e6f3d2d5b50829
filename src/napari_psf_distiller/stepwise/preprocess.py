"""Background subtraction and median filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.restoration import ellipsoid_kernel, rolling_ball
from skimage.transform import downscale_local_mean, resize

from napari_psf_distiller.checks import check_choice, check_image, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.noise import noise_level
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.steps import StepId

__all__ = [
    "Preprocessed",
    "local_background",
    "median_filter",
    "preprocess",
    "subtract_background",
]

Array = NDArray[np.float32]

# The ball is rolled over an image reduced until its radius is about this many pixels: the
# background is smooth on that scale, and the cost grows with the fourth power of the radius.
REDUCED_RADIUS = 8

# The median filter works on about so many voxels at a time: some tenths of a second.
BLOCK_VOXELS = 2_000_000


class Preprocessed(NamedTuple):
    """A preprocessed image, and what was subtracted from it.

    Attributes
    ----------
    image : numpy.ndarray
        float32, of the input's shape, not negative if the floor is not.
    background : float or numpy.ndarray
        The subtracted background: one value, or float32 of the image's shape.
    """

    image: Array
    background: float | Array


def preprocess(
    image: ArrayLike,
    background: Literal["none", "mean", "constant", "local"] = "none",
    *,
    factor: float = 1.25,
    level: float = 0.0,
    radius: float = 10.0,
    noise_margin: float = 0.0,
    floor: float = 0.0,
    median: int = 1,
    spacing: Sequence[float] | None = None,
) -> Steps[Preprocessed]:
    """Subtract the background and filter by the median, as a generator of progress.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers.
    background : {"none", "mean", "constant", "local"}
        See `subtract_background` and `local_background`.
    factor, level, floor : float
        See `subtract_background`.
    radius : float
        See `local_background`.
    noise_margin : float
        For "local": the background is taken lower by so many standard deviations of the noise;
        see `noise_level`.
    median : int
        See `median_filter`.
    spacing : sequence of float, optional
        Voxel size in micrometres; needed for "local".

    Yields
    ------
    Progress
        After each slice of a step that takes time.

    Returns
    -------
    Preprocessed

    Raises
    ------
    InputError
        The image cannot be used, or nothing is above the background.
    """
    array = check_image(image)
    if background == "local":
        amount: float | Array = yield from _local_background(array, radius, spacing)
        if noise_margin > 0:
            noise = noise_level(array - amount).deviation
            amount = amount - np.asarray(noise_margin * noise, np.float32)
    else:
        amount = _global_background(array, background, factor, level)
    result = _subtracted(array, amount, floor)
    if median > 1:
        result = yield from _median_filter(result, median)
        if result.min() == result.max():
            raise InputError(
                f"After the median filter of size {median} the image is constant: its beads are "
                "smaller than the filter. Choose a smaller filter, or 1 for none."
            )
    yield Progress(StepId.PREPROCESS, 1, 1)
    return Preprocessed(result, amount)


def subtract_background(
    image: ArrayLike,
    background: Literal["none", "mean", "constant"] = "mean",
    *,
    factor: float = 1.25,
    level: float = 0.0,
    floor: float = 0.0,
) -> Array:
    """Subtract one value from an image, and set what is then at or below 0 to a floor.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers of any dtype: whole numbers do not wrap around.
    background : {"none", "mean", "constant"}
        Nothing, `factor` times the mean, or `level`.
    factor, level, floor : float

    Returns
    -------
    numpy.ndarray
        float32.

    Raises
    ------
    InputError
        The image cannot be used, or nothing is above the background.
    """
    array = check_image(image)
    return _subtracted(array, _global_background(array, background, factor, level), floor)


def local_background(image: ArrayLike, radius: float, spacing: Sequence[float]) -> Array:
    """Estimate a background that varies across the image, slice by slice, by a rolling ball.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers.
    radius : float
        Of the ball, in micrometres, in the plane; larger than a bead's image.
    spacing : sequence of float
        Voxel size in micrometres.

    Returns
    -------
    numpy.ndarray
        float32, of the image's shape.

    Notes
    -----
    S. R. Sternberg, "Biomedical image processing", Computer 16 (1983), by scikit-image, on slices
    reduced by local means: that costs little, and takes the noise out of the lower envelope.
    """
    return finish(_local_background(check_image(image), radius, spacing))


def median_filter(image: ArrayLike, size: int = 3) -> Array:
    """Filter by the median over a cube (a square in 2D) of voxels; edges are reflected.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers.
    size : int
        Odd; 1 changes nothing.

    Returns
    -------
    numpy.ndarray
        float32.
    """
    return finish(_median_filter(check_image(image), size))


def _global_background(array: Array, background: str, factor: float, level: float) -> float:
    if background == "none":
        return 0.0
    if background == "mean":
        return factor * float(array.mean(dtype=np.float64))
    check_choice(background, "background method", ("none", "mean", "constant", "local"))
    return level


def _subtracted(array: Array, background: float | Array, floor: float) -> Array:
    result = array - np.asarray(background, np.float32)
    empty = result <= 0
    if empty.all():
        raise InputError(
            "Nothing is left of the image after the background was subtracted: its brightest voxel "
            f"is {array.max():.6g}. Choose a smaller factor or level."
        )
    result[empty] = floor
    return result


def _local_background(array: Array, radius: float, spacing: Sequence[float] | None) -> Steps[Array]:
    if not radius > 0:
        raise InputError(f"The rolling ball's radius is {radius}; it must be positive.")
    pixel = check_spacing(spacing, array.ndim)[-2:]
    slices = array[None] if array.ndim == 2 else array
    # A ball far larger than the image needs no more than one pixel of it.
    reduction = tuple(
        min(n, max(1, round(radius / size / REDUCED_RADIUS)))
        for n, size in zip(slices.shape[1:], pixel, strict=True)
    )
    # On the reduced grid a pixel is about square, so one radius serves both axes.
    reduced_radius = max(1.0, radius / (pixel[1] * reduction[1]))
    reduced_radius = min(reduced_radius, max(2 * REDUCED_RADIUS, *slices.shape[1:]))
    result = np.empty_like(slices)
    total = len(slices)
    for index, plane in enumerate(slices):
        reduced = downscale_local_mean(_filled(plane, reduction), reduction)
        low = rolling_ball(reduced, kernel=_ball(reduced_radius, reduced))
        full = tuple(n * r for n, r in zip(reduced.shape, reduction, strict=True))
        grown = resize(low, full, order=1, mode="edge", anti_aliasing=False)
        result[index] = grown[: plane.shape[0], : plane.shape[1]]
        yield Progress(StepId.PREPROCESS, index + 1, total, phase="Local background")
    return result.reshape(array.shape)


def _ball(radius: float, plane: Array) -> NDArray[np.float64]:
    """Return a ball for the rolling, as high as the plane's noise.

    A ball of one unit of intensity a pixel would be flat for counts and a needle for an image
    scaled to 1: the background would depend on the unit.
    """
    noise = noise_level(plane).deviation
    height = noise if noise > 0 else float(np.finfo(np.float32).eps) * (1 + float(plane.max()))
    kernel: NDArray[np.float64] = ellipsoid_kernel((2 * round(radius) + 1,) * 2, height)
    return kernel


def _filled(plane: Array, reduction: tuple[int, ...]) -> Array:
    """Repeat the edge up to a multiple of the reduction, which would else fill with zeros."""
    widths = [(0, -n % r) for n, r in zip(plane.shape, reduction, strict=True)]
    return np.pad(plane, widths, mode="edge")


def _median_filter(array: Array, size: int) -> Steps[Array]:
    if size < 1 or size % 2 == 0:
        raise InputError(f"The median filter's size is {size}; it must be odd and at least 1.")
    # In blocks of rows with their neighbours, so that progress is seen and cancelling is quick.
    reach, height = size // 2, array.shape[-2]
    rows = max(size, BLOCK_VOXELS * height // array.size)
    result = np.empty_like(array)
    starts = range(0, height, rows)
    for index, start in enumerate(starts):
        stop = min(start + rows, height)
        low, high = max(start - reach, 0), min(stop + reach, height)
        block = ndimage.median_filter(array[..., low:high, :], size, mode="reflect")
        result[..., start:stop, :] = block[..., start - low : stop - low, :]
        yield Progress(StepId.PREPROCESS, index + 1, len(starts), phase="Median filter")
    return result
