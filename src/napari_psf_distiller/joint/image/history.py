"""What was done to an image before it came here, as far as the image shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_psf_distiller.joint.image.blank_areas import blank_areas
from napari_psf_distiller.joint.image.censoring import Censoring, normal_below_bound
from napari_psf_distiller.joint.image.noise_correlation import NoiseCorrelation, noise_correlation

__all__ = ["ImageHistory", "image_history"]

Mask = NDArray[np.bool_]

# Voxels whose grey levels are looked at, and the side of the squares that they are taken in.
SAMPLED_VOXELS, SQUARE_PIXELS = 400_000, 8

# An image was cut off at its lowest value if more than this part of the dark voxels has it, and
# this many times more than a distribution has that falls off on both sides, as those of photons and
# of read-out noise do (log-concave ones: of three neighbouring levels the square of the middle
# one's frequency exceeds the product of the others').
MIN_CENSORED_SHARE, MIN_LOG_CONCAVITY_EXCESS = 0.02, 1.3

# Half a standard deviation above there is at least this part of what a normal distribution has.
MIN_DENSITY_ABOVE = 0.3

# Where more is cut off than this part, the rest is beads' light and does not tell of the dark.
MAX_CENSORED_SHARE = 0.97

# An image has grey levels if its voxels have no more different values than this part of their
# number. Of the levels, neighbours are sought among those that are at least this part as frequent
# as the most frequent one.
MAX_LEVELS_PER_VOXEL, MIN_RELATIVE_FREQUENCY = 0.1, 0.02


@dataclass(frozen=True)
class ImageHistory:
    """What an image shows was done to it.

    Attributes
    ----------
    blank : numpy.ndarray or None
        bool, of the image's shape: what was never measured; see `blank_areas`.
    step : float
        Between grey levels; 0 where there are none to be seen.
    censoring : Censoring or None
        Where it was cut off below.
    correlation : NoiseCorrelation
    """

    blank: Mask | None = None
    step: float = 0.0
    censoring: Censoring | None = None
    correlation: NoiseCorrelation = field(default_factory=NoiseCorrelation)


def image_history(image: NDArray[Any], saturation: float = np.inf) -> ImageHistory:
    """Look at what was done to an image, once.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.
    saturation : float
        Voxels of this intensity or more have no noise.
    """
    blank = blank_areas(image)
    mask = None if blank is None else ~blank
    squares, dark = _sampled(image, blank)
    step = _step(squares)
    censoring = _censoring(image, mask, squares, dark, step)
    if np.isfinite(saturation):
        dim = image < saturation
        mask = dim if mask is None else mask & dim
    return ImageHistory(blank, step, censoring, noise_correlation(image, mask))


def _sampled(image: NDArray[Any], blank: Mask | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return voxels of all of the image, in squares, and those of its darker half.

    How dark a square is, the same one in the plane before tells: by themselves those would be the
    darkest that happen to have the lowest noise.
    """
    nz, ny, nx = image.shape
    side = min(SQUARE_PIXELS, ny, nx)
    first = 1 if nz > 1 else 0
    most = max(1, SAMPLED_VOXELS // (ny * nx))
    chosen = np.unique(np.linspace(first, nz - 1, min(most, nz)).astype(int))
    values, ranks = [], []
    for z in chosen:
        squares = _squares(image[z], side)
        means = _squares(image[z - first], side).mean(axis=1, dtype=np.float64)
        if blank is not None:
            kept = ~(_squares(blank[z], side) | _squares(blank[z - first], side)).any(axis=1)
            squares, means = squares[kept], means[kept]
        values.append(squares)
        ranks.append(means)
    squares, means = np.concatenate(values), np.concatenate(ranks)
    return squares, squares[np.argsort(means, kind="stable")[: -(-len(means) // 2)]]


def _squares(plane: NDArray[Any], side: int) -> NDArray[Any]:
    """Return a plane's pixels by squares, (squares, pixels); what is left at the ends is not."""
    rows, columns = (n // side for n in plane.shape)
    cut = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return cut.swapaxes(1, 2).reshape(rows * columns, side * side)


def _step(voxels: NDArray[Any]) -> float:
    """Return the typical distance of neighbouring grey levels; 0 where values are continuous.

    Whole numbers are at least 1 apart.
    """
    levels, counts = np.unique(voxels, return_counts=True)
    least = float((np.rint(levels) == levels).all())
    # At the lowest level there may be most, if the image was cut off; the others tell.
    levels, counts = levels[1:].astype(np.float64), counts[1:]
    if len(levels) < 2 or len(levels) > MAX_LEVELS_PER_VOXEL * counts.sum():
        return least
    # A level that few voxels have may have neighbours that none has.
    frequent = counts >= MIN_RELATIVE_FREQUENCY * counts.max()
    if np.count_nonzero(frequent) < 2:
        return least
    return max(least, float(np.median(np.diff(levels[frequent]))))


def _censoring(
    image: NDArray[Any], mask: Mask | None, voxels: NDArray[Any], dark: NDArray[Any], step: float
) -> Censoring | None:
    """Return where an image was cut off below, if it was."""
    lowest = image.min() if mask is None else image.min(where=mask, initial=image.max())
    at_lowest = int(np.count_nonzero(dark == lowest))
    if at_lowest < MIN_CENSORED_SHARE * dark.size or at_lowest == 0:
        return None
    levels, counts = np.unique(dark, return_counts=True)
    if (
        len(counts) >= 3
        and counts[0] * counts[2] < MIN_LOG_CONCAVITY_EXCESS * float(counts[1]) ** 2
    ):
        return None
    above = voxels[voxels > lowest]
    bound = float(lowest)
    if step and above.size:
        # What was rounded to the lowest level was less than half a step below the next one.
        bound = max(bound, float(above.min()) - step / 2)
    found = Censoring(float(lowest), bound, at_lowest / dark.size)
    if found.share > MAX_CENSORED_SHARE:
        return found
    level, deviation = normal_below_bound(levels.astype(np.float64), counts, bound, step)
    # Of dead pixels' value, far below all others, there are as many, but none just above it.
    above_it = np.count_nonzero((dark > lowest) & (dark < bound + deviation / 2)) / dark.size
    first = (bound - level) / deviation
    if above_it < MIN_DENSITY_ABOVE * float(special.ndtr(first + 0.5) - special.ndtr(first)):
        return None
    return found._replace(level=level, variance=deviation**2)
