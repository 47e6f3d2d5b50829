"""The correlation of neighbouring voxels' noise: what an image was smoothed or resampled with."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.measure.noise import clipped_mean, ranked_tiles

__all__ = ["NoiseCorrelation", "filtered_variance", "noise_correlation"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Up to this distance, in voxels, noise is compared; what is correlated beyond it is a pattern, of
# the camera's columns and rows, and nothing that smoothed the image.
MAX_DISTANCE_VOXELS = 8

# Tiles of the image that are looked at: the darker ones of twice as many.
MAX_TILES = 8

# Of a tile this darker part counts, by the mean over this many voxels along each axis.
DARK_QUANTILE, SMOOTHING_VOXELS = 0.6, 5

# Differences beyond this many standard deviations are the beads'.
CLIP_SIGMAS = 3.5

# Noise whose neighbours have a smaller correlation is independent. In the most crowded images beads
# feign less.
MIN_CORRELATION = 0.1

# Where less of it is left, a correlation has come to its end.
LAST_CORRELATION = 0.02


class NoiseCorrelation(NamedTuple):
    """The correlation of voxels' noise, by their distance along each axis.

    Attributes
    ----------
    along : tuple of numpy.ndarray
        For each axis, the correlation at distances of 0, 1, 2 ... voxels: 1 first, and nothing but
        1 where the noise is independent.
    variance : float
        The variance of the noise of the dark part of the image, from voxels far apart; NaN where it
        was not looked at since the noise is independent.
    """

    along: tuple[Floats, ...] = (np.ones(1), np.ones(1), np.ones(1))
    variance: float = math.nan

    @property
    def independent(self) -> bool:
        """Whether the noise is independent from voxel to voxel."""
        return all(len(line) == 1 for line in self.along)

    @property
    def excess(self) -> float:
        """By what the noise's power at low frequencies exceeds that of independent noise.

        The mean of many voxels is as uncertain as if each had a noise of this times its variance.
        """
        return math.prod(1 + 2 * float(line[1:].sum()) for line in self.along)

    @property
    def blurs(self) -> tuple[float, ...]:
        """Standard deviation along each axis of what the image was smoothed with, in voxels.

        That of the Gaussian which leaves neighbours this correlation: a Gaussian's correlation with
        itself has twice its variance.
        """
        return tuple(
            math.sqrt(-0.25 / math.log(line[1])) if len(line) > 1 else 0.0 for line in self.along
        )


def filtered_variance(kernel: Floats, along: Floats) -> float:
    """Return by what filtering along an axis multiplies the variance of noise.

    Parameters
    ----------
    kernel : numpy.ndarray
        The filter's, of the sum 1.
    along : numpy.ndarray
        The noise's correlation at each distance along the axis, in voxels; 1 at 0.
    """
    own = np.correlate(kernel, kernel, "full")[len(kernel) - 1 :]
    n = min(len(own), len(along))
    return float(own[0] + 2 * own[1:n] @ along[1:n])


class _Tile(NamedTuple):
    """A tile of an image, its voxels that do not count, and these or those brighter than most."""

    image: Array
    masked: NDArray[np.bool_]
    bright: NDArray[np.bool_]


def noise_correlation(
    image: NDArray[Any], mask: NDArray[np.bool_] | None = None
) -> NoiseCorrelation:
    """Return the correlation of neighbouring voxels' noise.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.
    mask : numpy.ndarray, optional
        bool: the voxels that count.

    Notes
    -----
    Second differences along the other axes leave noise and hardly anything of an object that a PSF
    has blurred; products of such differences tell whether noise is correlated along this axis. How
    much, the differences of voxels themselves tell, by their distance (the variogram of the dark
    part): what a median filter leaves differs by more from voxel to voxel than from one blot to the
    next.
    """
    if mask is not None and not mask.any():
        return NoiseCorrelation()
    tiles = ranked_tiles(image, 2 * MAX_TILES)
    parts = [
        _tile_of(image[tile].astype(np.float32), None if mask is None else mask[tile])
        for tile in tiles[: max(1, len(tiles) // 2)]
    ]
    along = []
    for axis, n in enumerate(image.shape):
        others = [other for other, m in enumerate(image.shape) if other != axis and m >= 5]
        lags = min(MAX_DISTANCE_VOXELS, n // 2)
        if not others or lags < 4 or not parts:
            along.append(np.ones(1))
            continue
        # What two axes take away of a bead, one must take away in a plane.
        others = others * 2 if len(others) == 1 else others

        def products(
            part: _Tile, axis: int = axis, others: list[int] = others, lags: int = lags
        ) -> Floats:
            return _products(part.image, part.bright, axis, others, lags)

        sums = np.sum(in_turn(products, parts), axis=0)
        along.append(_correlation_along(sums))
    if all(len(line) == 1 for line in along):
        return NoiseCorrelation()
    return _by_variogram(parts, [len(line) for line in along])


def _tile_of(image: Array, counted: NDArray[np.bool_] | None) -> _Tile:
    smooth = ndimage.uniform_filter(image, [min(SMOOTHING_VOXELS, n) for n in image.shape])
    masked = np.zeros(image.shape, bool) if counted is None else ~counted
    limit = np.quantile(smooth[~masked], DARK_QUANTILE) if not masked.all() else 0.0
    return _Tile(image, masked, masked | (smooth > limit))


def _products(
    image: Array, masked: NDArray[np.bool_], axis: int, others: list[int], lags: int
) -> Floats:
    """Return sums of products of differences at each distance, and their numbers, (2, lags)."""
    rest = image
    for other in others:
        rest = np.diff(rest, 2, axis=other)
        n = masked.shape[other]
        pieces = [np.take(masked, range(i, n - 2 + i), axis=other) for i in range(3)]
        masked = pieces[0] | pieces[1] | pieces[2]
    squares = np.square(rest)
    seen = squares[~masked]
    if seen.size == 0:
        return np.zeros((2, lags + 1))
    kept = (squares <= CLIP_SIGMAS**2 * clipped_mean(seen)) & ~masked
    rest = np.where(kept, rest, np.float32(0))
    result = np.zeros((2, lags + 1))
    for lag in range(lags + 1):
        ahead = (slice(None),) * axis + (slice(lag, None),)
        behind = (slice(None),) * axis + (slice(None, rest.shape[axis] - lag),)
        result[0, lag] = np.vdot(rest[ahead], rest[behind])
        result[1, lag] = np.count_nonzero(kept[ahead] & kept[behind])
    return result


def _correlation_along(sums: Floats) -> Floats:
    """Return the correlation along an axis, without that of a pattern, which does not decay."""
    means = sums[0] / np.maximum(sums[1], 1)
    if not means[0] > 0:
        return np.ones(1)
    line = means / means[0]
    pattern = max(float(line[-(len(line) // 3) :].mean()), 0.0)
    if pattern > 1 - MIN_CORRELATION:
        return np.ones(1)
    line = (line - pattern) / (1 - pattern)
    if line[1] < MIN_CORRELATION:
        return np.ones(1)
    ended = np.flatnonzero(line < LAST_CORRELATION)
    end = int(ended[0]) if len(ended) else len(line)
    return np.asarray(line[:end], np.float64)


def _by_variogram(parts: list[_Tile], lengths: list[int]) -> NoiseCorrelation:
    """Return the correlation by the variogram of the quieter half of some tiles of the image.

    Parameters
    ----------
    parts : list of _Part
    lengths : list of int
        The correlation's length along each axis: a voxel farther apart noise is independent.
    """
    far = [min(length + 1, MAX_DISTANCE_VOXELS) - 1 for length in lengths]
    tables = [_variogram(part.image, part.masked) for part in parts]
    tables.sort(key=lambda table: float(np.nan_to_num(table[[1, 2], far[1:]], nan=np.inf).sum()))
    table = np.mean(tables[: -(-len(tables) // 2)], axis=0)
    along = []
    for line, length, last in zip(table, lengths, far, strict=True):
        correlation = 1 - line[: last + 1] / line[last]
        if length == 1 or not np.isfinite(correlation).all():
            along.append(np.ones(1))
            continue
        ended = np.flatnonzero(correlation < LAST_CORRELATION)
        along.append(np.r_[1.0, correlation[: int(ended[0])]])
    variances = table[[1, 2], far[1:]]
    variances = variances[np.isfinite(variances)]
    return NoiseCorrelation(tuple(along), float(variances.mean()) if variances.size else math.nan)


def _variogram(image: Array, masked: NDArray[np.bool_]) -> Floats:
    """Return half the mean square of differences along each axis at distances of 1, 2, ... voxels.

    NaN where the image is too short.
    """
    found = np.full((3, MAX_DISTANCE_VOXELS), np.nan)
    for axis, n in enumerate(image.shape):
        if n < 2 * MAX_DISTANCE_VOXELS:
            continue
        for lag in range(1, MAX_DISTANCE_VOXELS + 1):
            ahead = (slice(None),) * axis + (slice(lag, None),)
            behind = (slice(None),) * axis + (slice(None, -lag),)
            kept = ~(masked[ahead] | masked[behind])
            squares = np.square(image[ahead] - image[behind])[kept]
            if squares.size:
                found[axis, lag - 1] = clipped_mean(squares) / 2
    return found
