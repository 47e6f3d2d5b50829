"""Local maxima of an image that a filter of a bead's size has smoothed: where beads may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.boxes import whole
from napari_psf_distiller.compute.threads import host_threads, in_turn
from napari_psf_distiller.compute.tiles import Tile, tiles_of
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM
from napari_psf_distiller.joint.image.noise_correlation import filtered_variance

__all__ = ["NEIGHBOUR_DIRECTIONS", "NEIGHBOUR_DISTANCE_WIDTHS", "filtered_maxima"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# The filter's Gaussian ends at this many standard deviations.
FILTER_REACH_SIGMAS = 2.5

# A bead's surroundings are this many of its widths away, in six and eight directions.
NEIGHBOUR_DISTANCE_WIDTHS = 1.25
NEIGHBOUR_DIRECTIONS = np.array(
    [
        *(np.eye(3) * sign for sign in (-1, 1)),
    ]
).reshape(-1, 3)
NEIGHBOUR_DIRECTIONS = np.concatenate(
    [
        NEIGHBOUR_DIRECTIONS,
        [(a, b, c) for a in (-0.58, 0.58) for b in (-0.58, 0.58) for c in (-0.58, 0.58)],
    ]
)

# Voxels of the tiles that the image is filtered in, at most about. That bounds the memory; and what
# is much larger an allocator takes anew from the system for each tile, which has to clear it.
TILE_VOXELS = 3_000_000


def _filtered(image: NDArray[Any], sigma: Floats) -> Array:
    for axis, deviation in enumerate(sigma):
        if image.shape[axis] > 1:
            image = ndimage.gaussian_filter1d(
                image,
                deviation,
                axis=axis,
                truncate=FILTER_REACH_SIGMAS,
                mode="nearest",
                output=np.float32,
            )
    return image


def _noise_gains(sigma: Floats, bead_image: BeadImage) -> list[Floats]:
    """Return by what the filter multiplies the variance of the noise, along each axis.

    At the image's sides by more: there it looks at fewer voxels.
    """
    gains = []
    for deviation, n, line in zip(
        sigma, bead_image.intensity.shape, bead_image.history.correlation.along, strict=True
    ):
        if n == 1:
            gains.append(np.ones(1))
            continue
        reach = int(FILTER_REACH_SIGMAS * deviation + 0.5)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
        kernel /= kernel.sum()
        gain = np.full(n, filtered_variance(kernel, line))
        for place in {*range(min(reach, n)), *range(max(n - reach, 0), n)}:
            at = np.clip(np.arange(place - reach, place + reach + 1), 0, n - 1)
            gain[place] = filtered_variance(
                np.bincount(at - at.min(), kernel).astype(np.float64), line
            )
        gains.append(gain)
    return gains


def filtered_maxima(
    bead_image: BeadImage, sigma: Floats, significance: float
) -> tuple[Places, Floats]:
    """Return the local maxima of the filtered image that stand out, the highest first.

    Parameters
    ----------
    bead_image : BeadImage
    sigma : numpy.ndarray
        (3,): standard deviations of the filter's Gaussian, in voxels.
    significance : float
        By how many standard deviations of the filtered noise they stand out, from the background
        and from their surroundings.

    Returns
    -------
    voxels : numpy.ndarray
        (maxima, 3)
    heights : numpy.ndarray
        (maxima,): intensity of the filtered image above the background.
    """
    image = bead_image.intensity
    nz = len(image)
    gains = _noise_gains(sigma, bead_image)
    widths = sigma / SIGMAS_PER_FWHM
    margins = [
        int(np.ceil(FILTER_REACH_SIGMAS * sigma[axis] + NEIGHBOUR_DISTANCE_WIDTHS * widths[axis]))
        + 2
        for axis in (1, 2)
    ]

    def peaks(part: Tile) -> tuple[Places, Floats]:
        corner = np.array([side.start for side in part.window])
        inside = part.inside[1:]
        tile = _filtered(image[part.window], sigma)
        bright = np.zeros(tile.shape, bool)
        across = gains[1][part.window[1], None] * gains[2][part.window[2]]
        for z in range(nz):
            level = bead_image.plane(z, *part.window[1:])
            tile[z] -= level
            noise_variance = bead_image.variance(np.maximum(tile[z], 0) + level)
            noise_variance *= (gains[0][z] * across).astype(np.float32)
            stands_out = tile[z] > significance * np.sqrt(noise_variance)
            bright[z][inside] = stands_out[inside]
        # Most of what is bright is seen at once not to be a peak.
        for axis in (1, 2):
            ahead = (slice(None),) * axis + (slice(1, None),)
            behind = (slice(None),) * axis + (slice(None, -1),)
            rising = tile[ahead] > tile[behind]
            bright[behind] &= ~rising
            bright[ahead] &= rising
        voxels = _local_maxima(tile, np.argwhere(bright))
        if len(voxels) == 0:
            return np.zeros((0, 3), np.intp), np.zeros(0)
        values = tile[tuple(voxels.T)].astype(np.float64)
        surroundings = _surrounding_mean(tile, voxels, widths)
        levels = bead_image.level(voxels + corner)
        # Half of the light is the bead's own, in the mean over peak and surroundings.
        noise_variance = bead_image.variance((0.5 * values + levels).astype(np.float32))
        gain = gains[0][voxels[:, 0]] * across[tuple(voxels[:, 1:].T)]
        kept = values - surroundings > significance * np.sqrt(1.1 * gain * noise_variance)
        return voxels[kept] + corner, values[kept]

    found = in_turn(peaks, _tiles(image.shape, margins))
    places, heights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-heights, kind="stable")
    return places[order], heights[order]


def _tiles(shape: tuple[int, ...], margins: Sequence[int]) -> list[Tile]:
    """Return tiles that, with margins in the plane, hold about `TILE_VOXELS` voxels."""
    nz, ny, nx = shape
    columns = min(nx, max(4 * margins[1], math.isqrt(TILE_VOXELS // nz) - 2 * margins[1]))
    rows = TILE_VOXELS // (nz * min(nx, columns + 2 * margins[1])) - 2 * margins[0]
    rows = max(4 * margins[0], min(rows, -(-ny // host_threads())))
    counts = [1, -(-ny // rows), -(-nx // columns)]
    return tiles_of(whole(shape), shape, (0, *margins), counts)


def _local_maxima(image: Array, voxels: Places) -> Places:
    """Return those voxels that none of their neighbours exceeds."""
    shape = np.array(image.shape)
    offsets = [o for o in np.ndindex(3, 3, 3) if o != (1, 1, 1)]
    for number, offset in enumerate(offsets):
        if len(voxels) == 0:
            break
        neighbours = voxels + np.array(offset) - 1
        inside = ((neighbours >= 0) & (neighbours < shape)).all(axis=1)
        values = np.full(len(voxels), -np.inf, np.float32)
        values[inside] = image[tuple(neighbours[inside].T)]
        own = image[tuple(voxels.T)]
        # Of two equal ones the first counts.
        voxels = voxels[own > values if number < len(offsets) // 2 else own >= values]
    return voxels


def _surrounding_mean(image: NDArray[Any], voxels: Places, widths: Floats) -> Floats:
    """Return the mean intensity around voxels, at some widths' distance."""
    places = np.round(
        voxels[:, None] + NEIGHBOUR_DIRECTIONS * widths * NEIGHBOUR_DISTANCE_WIDTHS
    ).astype(np.intp)
    shape = np.array(image.shape)
    inside = ((places >= 0) & (places < shape)).all(axis=2)
    # In a plane what lies before and behind does not exist.
    values = image[tuple(np.moveaxis(np.clip(places, 0, shape - 1), 2, 0))]
    counts = np.maximum(inside.sum(axis=1), 1)
    means: Floats = np.where(inside, values, 0).sum(axis=1, dtype=np.float64) / counts
    return means
