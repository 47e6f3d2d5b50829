"""The noise of an image: of its background, and as a function of the intensity."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.measure.differences import squared_differences

__all__ = [
    "NoiseLevel",
    "NoiseModel",
    "clipped_mean",
    "noise_level",
    "noise_model",
    "ranked_tiles",
]

# Percentiles of so many voxels are as good as those of all, and do not take seconds.
SAMPLE = 2_000_000

# A noise model is fitted to tiles of this size at most, and to so many.
TILE = {2: (256, 256), 3: (16, 64, 64)}
TILES = 32

# The variance of so many voxels is known to 10 %, which is enough for one point of a line.
BIN = 200

# A difference beyond so many standard deviations is the object's, not the noise's; the mean square
# of what is left of normal noise is short of its variance by the factor given.
CLIP, CLIPPED = 4.0, 0.99893

# The term for the object is kept if it lowers chi squared by more than this.
SIGNIFICANT = 10.0

# The variance of rounding to steps of 1.
ROUNDING = 1 / 12

# Independent noise measures 0.9 to 1.07, whatever the object but a dense one in a plane, of more
# than 10,000 photons; after a Gaussian filter of half a voxel 1.3, of one voxel 30.
INDEPENDENT = (0.7, 1.15)

# Over twice the distance it measures 0.9 to 1.65, the more the denser a bright object; after a
# median filter 1.75 or more.
NARROW = 1.7

# Where rounding is as much of the variance, it is rounding's noise that is measured.
RESOLVED = 2.0


class NoiseLevel(NamedTuple):
    """What the background looks like.

    Attributes
    ----------
    median : float
    deviation : float
        Standard deviation of the noise.
    """

    median: float
    deviation: float


def noise_level(image: NDArray[Any]) -> NoiseLevel:
    """Return the median of an image and the standard deviation of its noise.

    Parameters
    ----------
    image : numpy.ndarray
        Less than a sixth of its voxels are anything but background.

    Returns
    -------
    NoiseLevel
        The deviation is half the distance of the 16th and the 84th percentile, where a normal
        distribution has its standard deviations. The median absolute deviation would not do: in an
        8-bit image most voxels often have one and the same value.
    """
    voxels = image.ravel()
    step = max(1, voxels.size // SAMPLE)
    # A step that shares a factor with the length of a row would see some of the columns only.
    while math.gcd(step, voxels.size) > 1:
        step += 1
    voxels = voxels[::step]
    low, middle, high = (float(value) for value in np.percentile(voxels, (15.87, 50.0, 84.13)))
    return NoiseLevel(middle, (high - low) / 2)


class NoiseModel(NamedTuple):
    """The variance of an image's noise: ``gain * intensity + at_zero``.

    Attributes
    ----------
    gain : float
        Intensity a photon; 0 where the noise does not grow with the intensity.
    at_zero : float
        The variance at the intensity 0: negative if a camera's offset was left in the image.
    smoothness : float
        The noise's variance from second differences of neighbours, over that from fourth ones.
        Noise that is independent from voxel to voxel gives 1, smoothed noise more.
    distance_ratio : float
        And that from second differences over two voxels, over that of neighbours: the same, but a
        dense object adds to it.
    least : float
        No voxel's variance is less.
    """

    gain: float
    at_zero: float
    smoothness: float = 1.0
    distance_ratio: float = 1.0
    least: float = 0.0

    def variance(self, intensity: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the variance of voxels that are as bright as this."""
        return np.maximum(self.gain * intensity.astype(np.float64) + self.at_zero, self.least)

    def times(self, factor: float) -> NoiseModel:
        """Return the noise of so many times the variance."""
        return self._replace(
            gain=factor * self.gain, at_zero=factor * self.at_zero, least=factor * self.least
        )

    def moved(self, offset: float) -> NoiseModel:
        """Return the noise of an image to which an offset was added."""
        return self._replace(at_zero=self.at_zero - self.gain * offset)

    @property
    def absent(self) -> bool:
        """Whether no noise was found: the image is constant or was computed."""
        return self.gain == 0 and self.at_zero == 0

    @property
    def independent(self) -> bool:
        """Whether the voxels' noise is independent: the image was not smoothed or resampled."""
        return INDEPENDENT[0] < self.smoothness < INDEPENDENT[1] and self.distance_ratio < NARROW


def noise_model(
    image: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    tiles: int = TILES,
    step: float = 0.0,
) -> NoiseModel:
    """Return how the variance of an image's noise grows with its intensity.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X), in any unit, with any offset.
    mask : numpy.ndarray, optional
        bool, of the image's shape: the voxels that count. Saturated ones have no noise.
    tiles : int
        Of a large image at most so many parts are looked at.
    step : float
        That the values were rounded to, see `step_of` in `stored_values`; 0 is none. Rounding is
        noise: where it hides the light's own, neighbours are alike, and differences do not show it.

    Returns
    -------
    NoiseModel

    Notes
    -----
    The line of A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE Trans. Image Process. 17, 2008, fitted so: second differences along
    every axis (J. Immerkaer, Comput. Vis. Image Underst. 64, 1996) leave the noise and little of an
    object that a PSF has blurred. With weights w their expected square is the variance's mean with
    the weights w^2, and so the line at the image's mean with these weights. Both means are taken
    over bins of like brightness, which the image smoothed further tells: smoothed less, bins would
    sort by noise. What the object adds to the squares grows with the intensity's square: a second
    term takes it up where there is such a thing, and bins above the line count less than those
    below it.
    """

    def differences(part: tuple[slice, ...]) -> tuple[NDArray[np.float32], ...]:
        shown = image[part].astype(np.float32, copy=False)
        return squared_differences(shown, None if mask is None else mask[part])

    pieces = in_turn(differences, ranked_tiles(image, tiles))
    if not sum(squares.size for squares, *_ in pieces):
        return NoiseModel(0.0, 0.0)
    squares, means, brightness, second, fourth, far, brightness_inside = (
        np.concatenate(arrays) for arrays in zip(*pieces, strict=True)
    )
    order = np.argsort(brightness)
    edges = _bin_edges(order.size)
    bins = [order[a:b] for a, b in itertools.pairwise(edges)]
    least = ROUNDING * step**2
    variances = np.array([clipped_mean(squares[members], least) for members in bins])
    intensities = np.array([means[members].mean(dtype=np.float64) for members in bins])
    if not variances.any():
        return NoiseModel(0.0, 0.0)
    counts = np.diff(edges).astype(np.float64)
    gain, at_zero = _line(intensities, np.maximum(variances, least), counts)
    second, fourth, far = (each[np.argsort(brightness_inside)] for each in (second, fourth, far))
    smoothness = _ratio(second, fourth, least)
    return NoiseModel(gain, at_zero, smoothness, _ratio(far, second, least), least)


def ranked_tiles(image: NDArray[Any], most: int) -> list[tuple[slice, ...]]:
    """Return the image's place, or of a large one tiles at equal ranks of brightness.

    None where no axis is long enough for second differences.
    """
    sizes = TILE[image.ndim]
    if image.size <= most * math.prod(sizes):
        return [tuple(slice(0, n) for n in image.shape)] if max(image.shape) >= 5 else []
    grid = [max(1, n // size) for n, size in zip(image.shape, sizes, strict=True)]
    tiles = [
        tuple(slice(i * s, (i + 1) * s) for i, s in zip(index, sizes, strict=True))
        for index in np.ndindex(*grid)
    ]
    # The mean of one voxel in 16 ranks them as well as that of all.
    every = (slice(None, None, 4),) * 2
    tiles.sort(key=lambda tile: float(image[tile][(..., *every)].mean(dtype=np.float64)))
    ranks = np.unique(np.linspace(0, len(tiles) - 1, most).astype(int))
    return [tiles[rank] for rank in ranks]


def _ratio(over: NDArray[np.float32], under: NDArray[np.float32], least: float) -> float:
    """Return the ratio of the variances of two kinds of differences, sorted by brightness.

    The object adds to those above first: of the ratios in tenths the second smallest has least of
    it, and is not just the one that chance made smallest.
    """
    if len(under) < 10 * BIN:
        return 1.0
    tenths = zip(np.array_split(over, 10), np.array_split(under, 10), strict=True)
    variances = [(clipped_mean(one, least), clipped_mean(other, least)) for one, other in tenths]
    ratios = sorted(one / other for one, other in variances if other > RESOLVED * least)
    return ratios[1] if len(ratios) >= 5 else 1.0


def _bin_edges(count: int) -> NDArray[np.int64]:
    """Return edges of bins in ranks: twentieths, and ever finer ones among the brightest tenth.

    Where the object is sparse, all that tells the gain is there.
    """
    tail = 1 - 0.1 * 2.0 ** -(np.arange(1, 40) / 2)
    edges = [0]
    for edge in (np.concatenate([np.linspace(0.05, 0.9, 18), tail]) * count).astype(int):
        if edge - edges[-1] >= BIN and count - edge >= BIN:
            edges.append(int(edge))
    return np.array([*edges, count])


def clipped_mean(squares: NDArray[np.float32], least: float = 0.0) -> float:
    """Return the mean square without what is far beyond it, and beyond the least variance."""
    squares = np.sort(squares)
    sums = np.cumsum(squares, dtype=np.float64)
    kept, variance = squares.size, sums[-1] / squares.size
    for _ in range(20):
        within = int(np.searchsorted(squares, CLIP**2 * max(variance, least), side="right"))
        if within in (0, kept):
            break
        kept, variance = within, sums[within - 1] / within / CLIPPED
    return float(variance)


def _line(
    intensities: NDArray[np.float64], variances: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[float, float]:
    """Return slope and value at 0 of the line under the variances; neither falls nor dips below 0.

    Weighted least squares with Cauchy's weights for what lies above the line.
    """
    mean = float(np.average(variances, weights=counts))
    span = float(np.ptp(intensities))
    if mean <= 0 or span == 0:
        return 0.0, max(mean, 0.0)
    darkest = float(intensities.min())
    x = (intensities - darkest) / span
    fits = []
    for terms in (2, 3):
        powers = np.stack([x**power for power in range(terms)], axis=1)
        robust, fitted = np.ones_like(x), np.maximum(variances, mean)
        for _ in range(20):
            weights = np.sqrt(counts * robust) / fitted
            coefficients, _ = optimize.nnls(powers * weights[:, None], variances * weights)
            fitted = np.maximum(powers @ coefficients, 1e-3 * mean)
            # The variance of a variance from n squares is 2 / n, and as neighbours share voxels,
            # some more.
            off = (variances - fitted) / fitted * np.sqrt(counts / 5)
            robust = np.where(off > 0, 1 / (1 + (off / 3) ** 2), 1)
        chi_squared = np.where(off > 0, 9 * np.log1p((off / 3) ** 2), off**2).sum()
        fits.append((chi_squared, coefficients))
    (straight, line), (bent, curve) = fits
    chosen = curve if straight - bent > SIGNIFICANT else line
    gain = float(chosen[1]) / span
    return gain, float(chosen[0]) - gain * darkest
