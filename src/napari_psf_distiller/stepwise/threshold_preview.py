"""What a threshold would take, fast enough to follow a hand: histogram, levels, objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.measure.noise import NoiseLevel, noise_level
from napari_psf_distiller.stepwise.threshold import local_mean, threshold_value

__all__ = [
    "Excess",
    "HistogramMethod",
    "IntensityScale",
    "ObjectCount",
    "Survey",
    "count_objects",
    "local_excess",
    "reduce_by_maximum",
    "survey",
]

HistogramMethod = Literal["otsu", "li", "triangle"]
HISTOGRAM_METHODS: tuple[HistogramMethod, ...] = ("otsu", "li", "triangle")

# The histogram of so many voxels looks as that of all, and the levels lie within some percent.
SAMPLE = 2_000_000
BINS = 256

# More voxels than this cannot be grouped into objects within a second.
MOST_VOXELS = 1_500_000

# The histogram's axis is linear up to so many standard deviations of the noise.
LINEAR = 5.0


@dataclass(frozen=True)
class IntensityScale:
    """An axis of intensity that is linear in the noise and logarithmic far above it.

    On a linear axis of a bead image, background and dim beads lie within one pixel.

    Attributes
    ----------
    low, high : float
        The ends.
    centre : float
        The background.
    width : float
        Up to this far from the centre the axis is nearly linear.
    """

    low: float
    high: float
    centre: float
    width: float

    def fraction(self, value: ArrayLike) -> NDArray[np.float64]:
        """Return where values lie on the axis, 0 at `low` and 1 at `high`."""
        first, last = self._ends()
        bent = np.arcsinh((np.asarray(value, np.float64) - self.centre) / self.width)
        return np.asarray((bent - first) / (last - first))

    def value(self, fraction: ArrayLike) -> NDArray[np.float64]:
        """Return the values at places on the axis."""
        first, last = self._ends()
        bent = first + np.asarray(fraction, np.float64) * (last - first)
        return np.asarray(np.clip(self.centre + self.width * np.sinh(bent), self.low, self.high))

    def _ends(self) -> tuple[float, float]:
        return (
            math.asinh((self.low - self.centre) / self.width),
            math.asinh((self.high - self.centre) / self.width),
        )


@dataclass(frozen=True)
class Survey:
    """What a preview needs to know of an image.

    Attributes
    ----------
    scale : IntensityScale
        From the darkest voxel to the brightest.
    counts : numpy.ndarray
        Histogram over equal parts of the scale.
    noise : NoiseLevel
    levels : dict
        Thresholds by the methods that look at the histogram.
    exact : bool
        Whether the levels are those of all voxels, or of a sample.
    """

    scale: IntensityScale
    counts: NDArray[np.int64]
    noise: NoiseLevel
    levels: dict[HistogramMethod, float]
    exact: bool


class ObjectCount(NamedTuple):
    """What lies above a threshold.

    Attributes
    ----------
    objects : int
        Connected objects, neighbours over edges and corners included.
    fraction : float
        Of the voxels.
    estimated : bool
        Whether the objects were counted in a part of the image only.
    """

    objects: int
    fraction: float
    estimated: bool


class Excess(NamedTuple):
    """How far each voxel lies above its neighbourhood.

    Attributes
    ----------
    image : numpy.ndarray
        float32.
    offset : float
        The usual threshold on it: the standard deviation of the image itself.
    """

    image: NDArray[np.float32]
    offset: float


def survey(image: NDArray[Any]) -> Survey:
    """Return the histogram of an image and the thresholds that follow from it.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).

    Returns
    -------
    Survey
        Of a large image, all but the ends of the scale come from a sample.

    Raises
    ------
    InputError
        The image cannot be used.
    """
    if not image.size or image.dtype.kind not in "uif":
        check_image(image)
    low, high = float(image.min()), float(image.max())
    if not np.isfinite(high - low) or low >= high:
        # Refused with a sentence; else that look, which makes a copy, is spared.
        check_image(image)
    voxels = image.reshape(-1)
    step = max(1, voxels.size // SAMPLE)
    # A step that shares a factor with the length of a row would see some of the columns only.
    while math.gcd(step, voxels.size) > 1:
        step += 1
    sample = check_image(voxels[::step].reshape(1, -1), constant=True)
    noise = noise_level(image)
    width = LINEAR * noise.deviation
    scale = IntensityScale(low, high, noise.median, max(width, 1e-3 * (high - low)))
    # Rounding takes the ends a little beyond the axis.
    places = np.clip(scale.fraction(sample), 0, 1)
    counts, edges = np.histogram(places, bins=BINS, range=(0, 1))
    if image.dtype.kind != "f":
        counts = _without_gaps(counts, scale.value(edges))
    varies = bool(sample.min() < sample.max())
    levels: dict[HistogramMethod, float] = {
        method: float(np.asarray(threshold_value(sample, method))) if varies else high
        for method in HISTOGRAM_METHODS
    }
    return Survey(scale, counts, noise, levels, step == 1)


def local_excess(image: NDArray[Any], window: float, spacing: Sequence[float] | None) -> Excess:
    """Return how far each voxel lies above the mean around it; see `threshold_value`, "local".

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    window : float
        Width of the neighbourhood in micrometres.
    spacing : sequence of float or None
        Voxel size in micrometres.

    Raises
    ------
    InputError
        The image or a parameter cannot be used.
    """
    array = check_image(image)
    return Excess(array - local_mean(array, window, spacing), float(array.std(dtype=np.float64)))


def count_objects(image: NDArray[Any], level: float) -> ObjectCount:
    """Count the connected objects above a threshold.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    level : float

    Returns
    -------
    ObjectCount
        Where too many voxels are above it, the objects are counted in the middle of the image.
    """
    volume = image if image.ndim == 3 else image[None]
    total, places = _above(volume, level)
    fraction = total / image.size
    if places is not None:
        return ObjectCount(_components(places, volume.shape), fraction, False)
    part = volume
    # Beads are nowhere as dense; what is left of a noisy threshold is dense everywhere.
    while places is None:
        ny, nx = (max(1, n // 2) for n in part.shape[1:])
        y, x = (part.shape[1] - ny) // 2, (part.shape[2] - nx) // 2
        part = part[:, y : y + ny, x : x + nx]
        _, places = _above(part, level)
    objects = _components(places, part.shape) * volume.size / part.size
    return ObjectCount(round(objects), fraction, True)


def reduce_by_maximum(
    image: NDArray[Any], sizes: Sequence[float], voxels: int
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Return an image of fewer voxels, each the maximum of a block: no bead gets lost.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    sizes : sequence of float
        Of a voxel, in any unit; the blocks become as cubic as they can.
    voxels : int
        So many at most.

    Returns
    -------
    reduced : numpy.ndarray
        The same dtype. The last block of an axis may be cut off by the border.
    factors : tuple of int
        Voxels a block along each axis.
    """
    factors = [1] * image.ndim
    lengths = [abs(size) for size in sizes]
    shape = image.shape
    while math.prod(math.ceil(n / f) for n, f in zip(shape, factors, strict=True)) > voxels:
        halved = [axis for axis in range(image.ndim) if factors[axis] < shape[axis]]
        axis = min(halved, key=lambda k: (lengths[k] * factors[k], -shape[k] / factors[k]))
        factors[axis] *= 2
    blocks = []
    # Plane by plane, so that what is looked at lies in the processor's cache.
    for start in range(0, shape[0], factors[0]):
        block = image[start : start + factors[0]].max(axis=0)
        for axis in range(1, image.ndim):
            starts = np.arange(0, shape[axis], factors[axis])
            block = np.maximum.reduceat(block, starts, axis=axis - 1)
        blocks.append(block)
    return np.stack(blocks), tuple(factors)


def _without_gaps(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the histogram of whole numbers without the empty bins that lie between them."""
    holds = np.floor(edges[1:]) > np.floor(edges[:-1])
    places = np.arange(counts.size)
    filled = np.interp(places, places[holds], counts[holds]) if holds.any() else counts
    return np.where(holds | (counts > 0), counts, filled).astype(np.int64)


def _above(volume: NDArray[Any], level: float) -> tuple[int, NDArray[np.int64] | None]:
    """Return the number of voxels above a level, and where they are unless they are too many."""
    total = 0
    found: list[NDArray[np.int64]] = []
    threshold = _comparable(level, volume.dtype)
    for z, plane in enumerate(volume):
        mask = plane > threshold
        count = int(np.count_nonzero(mask))
        total += count
        if count and total <= MOST_VOXELS:
            found.append(np.flatnonzero(mask) + z * plane.size)
    if total > MOST_VOXELS:
        return total, None
    return total, np.concatenate(found) if found else np.empty(0, np.int64)


def _comparable(level: float, dtype: np.dtype[Any]) -> Any:
    """Return a level in an image's own type, so that comparing converts no voxel."""
    if dtype.kind == "f":
        return np.float32(level)
    limits = np.iinfo(dtype)
    # A whole number is above the level if it is above its floor.
    return math.floor(level) if limits.min <= level <= limits.max else level


def _components(places: NDArray[np.int64], shape: tuple[int, ...]) -> int:
    """Return the number of connected objects among voxels given by their index into a volume.

    Runs of voxels along x are linked with those that they touch in the next row and plane: the
    voxels of beads are few, and so this is ten times faster than to label the whole volume.
    """
    if not places.size:
        return 0
    _, ny, nx = shape
    rows, x = np.divmod(places, nx)
    z, y = np.divmod(rows, ny)
    # A gap between rows and between planes: no run touches one beyond the border.
    row = nx + 2
    plane = (ny + 1) * row
    keys = z * plane + y * row + x
    breaks = np.flatnonzero(np.diff(keys) != 1)
    starts = keys[np.concatenate([[0], breaks + 1])]
    ends = keys[np.concatenate([breaks, [keys.size - 1]])]
    one: list[NDArray[np.int64]] = []
    other: list[NDArray[np.int64]] = []
    for shift in (row, plane - row, plane, plane + row):
        first = np.searchsorted(ends, starts - 1 + shift, side="left")
        behind = np.searchsorted(starts, ends + 1 + shift, side="right")
        touching = np.maximum(behind - first, 0)
        runs = np.repeat(np.arange(starts.size), touching)
        nth = np.arange(runs.size) - np.repeat(np.cumsum(touching) - touching, touching)
        one.append(runs)
        other.append(first[runs] + nth)
    links = np.concatenate(one), np.concatenate(other)
    graph = sparse.coo_matrix(
        (np.ones(links[0].size, np.int8), links), shape=(starts.size, starts.size)
    )
    number, _ = csgraph.connected_components(graph.tocsr(), directed=False)
    return int(number)
