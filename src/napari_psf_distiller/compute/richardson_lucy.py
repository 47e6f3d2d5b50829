"""Richardson-Lucy deconvolution, circulant and non-circulant, on any engine.

Both follow clij2-fft (B. Northan; the non-circulant one is the deconvolution challenge's of 2013,
http://bigwww.epfl.ch/deconvolution/challenge2013/index.html?p=doc_math_rl): the padding, the start
and the normalisation are its own, so that the results are too.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from scipy import fft as scipy_fft

from napari_psf_distiller.compute.engine import Array, Engine, Problem, host_threads
from napari_psf_distiller.progress import Progress, Steps

__all__ = [
    "BOUNDARIES",
    "STARTS",
    "Boundary",
    "Start",
    "displaced_axes",
    "padded_problem",
    "richardson_lucy",
    "smooth_size",
]

Boundary = Literal["circulant", "noncirculant"]
Start = Literal["image", "flat"]
BOUNDARIES: tuple[str, ...] = get_args(Boundary)
STARTS: tuple[str, ...] = get_args(Start)

# An iteration with the likelihood costs one pass more; one in ten is enough for a curve.
LIKELIHOOD_EVERY = 10


def richardson_lucy(
    image: Array,
    psf: Array,
    iterations: int,
    boundary: Boundary,
    engine: Engine,
    step: str = "Richardson-Lucy",
    preview_every: int = 0,
    start: Start | None = None,
) -> Steps[Array]:
    """Deconvolve an image by Richardson-Lucy iterations, as a generator of progress.

    Parameters
    ----------
    image, psf : numpy.ndarray
        float32, both (Z, Y, X) or (Y, X); any sizes. The PSF's centre is at n // 2. The circulant
        form uses it as given; the non-circulant one scales it to sum 1.
    iterations : int
    boundary : {"circulant", "noncirculant"}
        What lies beyond the image: its other side, or anything (unknown light).
    engine : Engine
        See `open_engine`.
    step : str
        The name in the progress.
    preview_every : int
        The progress of every so many iterations carries the present estimate; 0 is never.
    start : {"image", "flat"}, optional
        The first estimate: the padded image, or its mean everywhere. None is clij2-fft's: "image"
        for circulant, "flat" for non-circulant.

    Yields
    ------
    Progress
        After each iteration, with the log-likelihood at the first of every ten and at the last.

    Returns
    -------
    numpy.ndarray
        float32, of the image's shape.

    Raises
    ------
    DeviceError
        The device has too little memory, fails, or gives NaN.

    Notes
    -----
    Where an axis of the padded grid is odd and the PSF's is even, the PSF's n // 2 does not fall on
    the grid's, and the result is displaced by one voxel along that axis, as with clij2-fft. A PSF
    of odd size has no such axis.
    """
    problem = padded_problem(image, psf, boundary, start)
    solver = engine.solver(problem)
    try:
        for iteration in range(1, iterations + 1):
            wanted = iteration % LIKELIHOOD_EVERY == 1 or iteration == iterations
            likelihood = solver.step(wanted)
            show = preview_every > 0 and iteration % preview_every == 0
            preview = solver.estimate()[problem.valid] if show else None
            yield Progress(step, iteration, iterations, likelihood, preview)
        return np.ascontiguousarray(solver.estimate()[problem.valid])
    finally:
        solver.close()


def padded_problem(
    image: Array, psf: Array, boundary: Boundary, start: Start | None = None
) -> Problem:
    """Return image and PSF on their common padded grid, as clij2-fft pads them.

    Circulant: the image is reflected, the PSF padded with zeros, to the next 7-smooth size of the
    larger of the two. Non-circulant: the PSF is scaled to sum 1, both are padded with zeros to
    n + 2 * (m // 2) and on to 7-smooth. The start is as `richardson_lucy` says.
    """
    circulant = boundary == "circulant"
    if not circulant:
        psf = psf / psf.sum(dtype=np.float64)
    grid = _grid(image.shape, psf.shape, boundary)
    before = [_split(size, n)[0] for size, n in zip(grid, image.shape, strict=True)]
    valid = tuple(slice(b, b + n) for b, n in zip(before, image.shape, strict=True))
    padded_psf = scipy_fft.ifftshift(_padded(psf.astype(np.float32, copy=False), grid, "constant"))
    padded = _padded(image, grid, "reflect" if circulant else "constant")
    if start == "image" or (start is None and circulant):
        first = padded
    else:
        first = np.full(grid, padded.mean(dtype=np.float64), np.float32)
    normaliser = None if circulant else _normaliser(grid, valid, padded_psf)
    return Problem(padded, padded_psf, first, valid, normaliser)


def displaced_axes(
    image_shape: tuple[int, ...], psf_shape: tuple[int, ...], boundary: Boundary
) -> tuple[int, ...]:
    """Return the axes along which the result is displaced by one voxel; see `richardson_lucy`."""
    grid = _grid(image_shape, psf_shape, boundary)
    return tuple(
        axis
        for axis, (size, m) in enumerate(zip(grid, psf_shape, strict=True))
        if size % 2 == 1 and m % 2 == 0
    )


def _grid(
    image_shape: tuple[int, ...], psf_shape: tuple[int, ...], boundary: Boundary
) -> tuple[int, ...]:
    if boundary == "circulant":
        sizes = [max(n, m) for n, m in zip(image_shape, psf_shape, strict=True)]
    else:
        sizes = [n + 2 * (m // 2) for n, m in zip(image_shape, psf_shape, strict=True)]
    return tuple(smooth_size(size) for size in sizes)


def _normaliser(grid: tuple[int, ...], valid: tuple[slice, ...], psf: Array) -> Array:
    """Return the correlation of the valid region with the PSF: how much of a voxel's light is seen.

    Values below 1e-5 count as 1, as in clij2-fft: dividing by what rounding leaves there would let
    the estimate grow without bound. It is computed on the host for every engine, since any rounding
    in it returns with each iteration.
    """
    region = np.zeros(grid, np.float32)
    region[valid] = 1
    threads = host_threads()
    spectrum = scipy_fft.rfftn(region, workers=threads)
    spectrum *= scipy_fft.rfftn(psf, workers=threads).conj()
    normaliser: Array = scipy_fft.irfftn(spectrum, s=grid, workers=threads, overwrite_x=True)
    normaliser[normaliser < 1e-5] = 1
    return normaliser


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


def _split(size: int, n: int) -> tuple[int, int]:
    """How many voxels go before and after: the ceiling and the floor of half."""
    extra = size - n
    return math.ceil(extra / 2), extra // 2


def _padded(array: Array, grid: tuple[int, ...], mode: Literal["reflect", "constant"]) -> Array:
    widths = [_split(size, n) for size, n in zip(grid, array.shape, strict=True)]
    return np.pad(array, widths, mode=mode)
