"""The grid of a Richardson-Lucy deconvolution: its size, and what lies where on it.

Both boundaries follow clij2-fft (B. Northan; the non-circulant one is the deconvolution challenge's
of 2013, http://bigwww.epfl.ch/deconvolution/challenge2013/index.html?p=doc_math_rl), so that the
results are its own, but for a PSF of even size: see `centre_of`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.compute.engine import Array, Compatibility, Problem
from napari_psf_distiller.compute.sampling import extent, on_grid, planes_seen
from napari_psf_distiller.compute.threads import host_threads

__all__ = [
    "BOUNDARIES",
    "LEAST_SEEN",
    "LEAST_SEEN_CHANGING",
    "Boundary",
    "Frame",
    "centre_of",
    "clij_grid",
    "displaced_axes",
    "frame_of",
    "grid_of",
    "normaliser_of",
    "padded_image",
    "seen_light",
    "seen_through",
    "smooth_size",
    "wrapped_psf",
]

Boundary = Literal["circulant", "noncirculant"]
BOUNDARIES: tuple[str, ...] = get_args(Boundary)

# Less of a voxel's light than this counts as all of it, as in clij2-fft: dividing by what little
# is seen there would let the estimate grow without bound.
LEAST_SEEN = 1e-5

# ... and so does less than this where the PSF changes over the grid: what its kernels leave out of
# it is of either sign, and would be all that decides of light that is hardly seen.
LEAST_SEEN_CHANGING = 1e-2


@dataclass(frozen=True)
class Frame:
    """How an image and a PSF lie on the grid.

    Attributes
    ----------
    boundaries : tuple of {"circulant", "noncirculant"}
        One an axis: a tile of a circulant image is cut along some axes only.
    centre : tuple of int
        The PSF's voxel that is its centre.
    """

    boundaries: tuple[Boundary, ...]
    centre: tuple[int, ...]


def frame_of(
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    boundary: Boundary,
    window: tuple[slice, ...] | None = None,
    compatibility: Compatibility | None = None,
) -> Frame:
    """Return the frame of an image, or of a part of it.

    Where a part was cut out there is light beyond it, whatever the image's own boundary; the PSF's
    centre is the whole image's.
    """
    boundaries = [boundary] * len(image_shape)
    for axis, part in enumerate(window or ()):
        if part != slice(0, image_shape[axis]):
            boundaries[axis] = "noncirculant"
    centre = centre_of(image_shape, psf_shape, boundary, compatibility)
    return Frame(tuple(boundaries), centre)


def grid_of(
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    boundaries: tuple[Boundary, ...],
    good_size: Callable[[int], int],
    finer: tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    """Return the grid's shape.

    Circulant: the next 7-smooth size of the larger of image and PSF, since the reflected border
    counts. Non-circulant: as far as light in the image can come from, n + 2 * (m // 2), or the next
    size that is good for the FFT, since nothing depends on what lies beyond.

    Parameters
    ----------
    image_shape, psf_shape : tuple of int
    boundaries : tuple of {"circulant", "noncirculant"}
    good_size : callable
        See `Engine`.
    finer : tuple of int, optional
        How many voxels of the grid one of the image has along each axis, at most 10: a circulant
        grid has so many times the voxels that the image would have with its border.
    """
    return tuple(
        f * smooth_size(max(n, -(-m // f)))
        if boundary == "circulant"
        else good_size(n * f + 2 * (m // 2))
        for n, m, boundary, f in zip(
            image_shape, psf_shape, boundaries, finer or (1,) * len(image_shape), strict=True
        )
    )


def clij_grid(
    image_shape: tuple[int, ...], psf_shape: tuple[int, ...], boundary: Boundary
) -> tuple[int, ...]:
    """Return the shape of the grid that clij2-fft takes."""
    return grid_of(image_shape, psf_shape, (boundary,) * len(image_shape), smooth_size)


def smooth_size(n: int) -> int:
    """Return the smallest number from n on that has no prime factor above 7."""
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def centre_of(
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    boundary: Boundary,
    compatibility: Compatibility | None = None,
) -> tuple[int, ...]:
    """Return the PSF's voxel that is its centre, which the grid has at the origin.

    That is n // 2 on each axis. To clij2-fft it is the voxel before where its grid is odd and the
    PSF's size even: its padding puts the ceiling of half before the PSF, and takes n // 2 of the
    padded array.
    """
    if compatibility is None:
        return tuple(m // 2 for m in psf_shape)
    grid = clij_grid(image_shape, psf_shape, boundary)
    return tuple(g // 2 - math.ceil((g - m) / 2) for g, m in zip(grid, psf_shape, strict=True))


def displaced_axes(
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    boundary: Boundary,
    compatibility: Compatibility | None = None,
) -> tuple[int, ...]:
    """Return the axes along which the result is displaced by one voxel; see `centre_of`."""
    centre = centre_of(image_shape, psf_shape, boundary, compatibility)
    return tuple(
        axis for axis, (c, m) in enumerate(zip(centre, psf_shape, strict=True)) if c != m // 2
    )


def padded_image(array: NDArray[Any], shape: tuple[int, ...]) -> tuple[Any, tuple[slice, ...]]:
    """Return an array reflected up to a larger shape, and where it lies there."""
    widths = [
        (math.ceil((g - n) / 2), (g - n) // 2) for g, n in zip(shape, array.shape, strict=True)
    ]
    region = tuple(slice(w, w + n) for (w, _), n in zip(widths, array.shape, strict=True))
    if array.shape == shape:
        return array, region
    return np.pad(array, widths, mode="reflect"), region


def wrapped_psf(problem: Problem, kernel: Array | None = None) -> Array:
    """Return the PSF, or another kernel, on the grid, its centre at index 0 of each axis.

    Parameters
    ----------
    problem : Problem
    kernel : numpy.ndarray, optional
        float32, of the PSF's shape: one of the problem's variation.
    """
    array = np.zeros(problem.grid, np.float32)
    places = [
        (np.arange(m) - c) % g
        for m, c, g in zip(problem.psf.shape, problem.centre, problem.grid, strict=True)
    ]
    array[np.ix_(*places)] = problem.psf if kernel is None else kernel
    return array


def normaliser_of(problem: Problem) -> Array | None:
    """Return what each update of a problem is divided by, or None for nothing."""
    if problem.mask is not None:
        return seen_through(problem)
    return seen_light(problem) if problem.normalised else None


def seen_light(problem: Problem) -> Array:
    """Return how much of the light of each voxel of the grid falls on the image.

    That is the correlation of the image's box with the PSF, which for a box is a sum over a box of
    the PSF: a difference of cumulative sums, exact to single precision. Values below 1e-5 count as
    1, and those below 1e-2 where the PSF changes; see `LEAST_SEEN`. A mask is not considered. Where
    planes of the grid lie between the image's, the sum along z is over those that it sees.
    """
    sums, places = _seen_of(problem, problem.psf)
    if problem.variation is None:
        sums[sums < LEAST_SEEN] = 1
    seen: Array = sums.astype(np.float32)[np.ix_(*places)]
    if problem.variation is not None:
        for number, kernel in enumerate(problem.variation.kernels):
            sums, places = _seen_of(problem, kernel)
            part = sums.astype(np.float32)[np.ix_(*places)]
            part *= problem.variation.weights_in(number)
            seen += part
        seen[seen < LEAST_SEEN_CHANGING] = 1
    return seen


def _seen_of(problem: Problem, kernel: Array) -> tuple[NDArray[np.float64], list[NDArray[np.intp]]]:
    """Return the sums of the parts of a kernel that are seen, and which of them each voxel has."""
    sums = kernel.astype(np.float64)
    places, axes = list[NDArray[np.intp]](), [0, 1, 2]
    if problem.finer[0] > 1:
        planes, place = _seen_planes(problem)
        sums = np.tensordot(planes, sums, axes=1)
        places, axes = [place], [1, 2]
    sums = np.pad(sums, [(int(axis in axes), 0) for axis in range(3)])
    box = extent(problem.image.shape, problem.finer)
    for axis in axes:
        n, m, c, g = (
            sizes[axis] for sizes in (box, problem.psf.shape, problem.centre, problem.grid)
        )
        np.cumsum(sums, axis=axis, out=sums)
        # Light of voxel i falls on i + t - c for each t of the PSF; the grid has no ends. Most
        # voxels see the same part of the PSF, so the sums are made once for each part.
        turns = np.array([0, g, -g])
        i = np.arange(g)[:, np.newaxis] + turns
        low, high = np.clip(c - i, 0, m), np.clip(n + c - i, 0, m)
        parts, place = np.unique(np.stack([low, high], axis=-1), axis=0, return_inverse=True)
        low, high = parts[..., 0], parts[..., 1]
        seen = np.moveaxis(sums, axis, -1)
        seen = (seen[..., high] - seen[..., low]).sum(axis=-1)
        sums = np.moveaxis(seen, -1, axis)
        places.append(place.reshape(g))
    return sums, places


def _seen_planes(problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return which of the PSF's planes are seen, 1 or 0: each case once, and each plane's case."""
    depth, (m, *_), c, g = len(problem.image), problem.psf.shape, problem.centre[0], problem.grid[0]
    seen = np.zeros(g)
    seen[planes_seen(depth, problem.finer[0])] = 1
    # Light of plane i falls on i + t - c for each t of the PSF.
    falls_on = (np.arange(g)[:, np.newaxis] + np.arange(m) - c) % g
    cases, place = np.unique(seen[falls_on], axis=0, return_inverse=True)
    return cases, place.reshape(g)


def seen_through(problem: Problem) -> Array:
    """Return how much of the light of each voxel falls where the mask is true; see `seen_light`."""
    assert problem.mask is not None
    region = on_grid(problem.mask, problem.finer, problem.grid)
    threads = host_threads()
    spectrum = scipy_fft.rfftn(region, workers=threads)
    del region

    def through(kernel: Array) -> Array:
        product = scipy_fft.rfftn(wrapped_psf(problem, kernel), workers=threads).conj()
        product *= spectrum
        light: Array = scipy_fft.irfftn(product, s=problem.grid, workers=threads, overwrite_x=True)
        return light

    seen, least = through(problem.psf), LEAST_SEEN
    if problem.variation is not None:
        least = LEAST_SEEN_CHANGING
        for number, kernel in enumerate(problem.variation.kernels):
            seen += problem.variation.weights_in(number) * through(kernel)
    seen[seen < least] = 1
    return seen
