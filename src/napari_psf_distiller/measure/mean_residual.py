"""What a model leaves at all of an image's beads alike: their mean residual, and how sure it is.

Noise is another one at each bead, so that of the mean over n beads the n-th root is left. What a
model of the PSF misses is the same at each, and stays: it shows in the mean where the residual of
one bead seems to be noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.angular_patterns import (
    Order,
    Pattern,
    patterns_of,
    strength_of_orders,
)

__all__ = ["CAUSES", "LIMIT", "MeanResidual", "Variance", "mean_residual"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Variance = Array | Callable[[Box], Array]

# The root mean square of a mean residual, in its own standard errors, above which it is not noise:
# at less, a PSF's errors are within what its voxels' stated errors say. In a small core noise alone
# gets there by chance, and the limit is what it exceeds so seldom.
LIMIT, CHANCE = 1.15, 0.01

# From so many beads on their scatter tells how large the noise is; fewer are taken as it is stated.
SCATTERED = 5

# A voxel so many standard deviations from the beads' median is a speck, or another bead's light.
OUTLIER = 6.0

# The standard deviation of a normal distribution over its median absolute deviation.
NORMAL = 1.4826

# A structure in the middle of a core is told from noise if its largest voxel has so many times the
# standard error; one that fills the core, from half of it on.
VISIBLE = 5.0

# A structure of less than this part of a bead's peak is harmless, however clear it is.
HARMLESS = 0.01

# Voxels of beads that are looked at together.
TOGETHER = 4_000_000

# What each may come from.
CAUSES = {
    "rings": "another aberration, bead size or optics than the PSF was given",
    "dipole": "coma, or a drift while the planes were taken",
    "lobes": "astigmatism, or a window that is too small",
}


@dataclass(frozen=True, eq=False)
class MeanResidual:
    """The mean residual of some beads.

    Attributes
    ----------
    mean : numpy.ndarray
        float64, (Z, Y, X), of odd sizes with the beads' centre in the middle: the residual in parts
        of a bead's amplitude; 0 where no bead tells it.
    error : numpy.ndarray
        float64, of its shape: standard errors; infinite where no bead tells it.
    beads : int
        How many were looked at.
    scatter : float
        Root mean square of the single beads' residuals about the mean, over the noise as it was
        stated; NaN for fewer than `SCATTERED` beads. 1 where each bead differs from the mean by
        noise alone.
    core, window : float
        Root mean square of the mean residual in its standard errors, in the core and in all of the
        window: 1 is noise alone. NaN where nothing was seen.
    core_limit, window_limit : float
        What noise alone seldom exceeds.
    orders : tuple of Order
        How strong each angular order is in the core, which shows structure that is too weak for
        single voxels.
    patterns : tuple of Pattern
        What the structure is made of, the largest part first; empty where there is none.
    visible : float
        How large a structure in the core is at least that is told from noise, about; NaN where
        nothing was seen.
    """

    mean: Floats
    error: Floats
    beads: int
    scatter: float
    core: float
    window: float
    core_limit: float
    window_limit: float
    orders: tuple[Order, ...]
    patterns: tuple[Pattern, ...]
    visible: float

    @property
    def structured(self) -> bool:
        """Whether there is more than noise."""
        whole = self.core > self.core_limit or self.window > self.window_limit
        return whole or any(order.significant for order in self.orders)

    def described(self) -> str:
        """Return in words what the structure looks like, what it does, and where it may come from.

        The amplitudes are those of the peaks. Empty where there is none.
        """
        if not self.structured or not self.patterns:
            return ""
        parts = [f"{each.name} of {100 * each.size:.2g} % of the peak" for each in self.patterns]
        shown = " and ".join(f"a {part}" if part.startswith("d") else part for part in parts)
        times, where = self.core, "in the core"
        if not self.core > self.core_limit:
            clear = [order.strength for order in self.orders if order.significant]
            times, where = self.window, "in the window"
            if clear:
                times, where = max(clear), "around the axis"
        largest = max(each.size for each in self.patterns)
        harm = (
            "Deconvolved, what is bright gets false detail of about this size beside it"
            if largest >= HARMLESS
            else "That is little: it spoils only what is so much dimmer than its neighbours"
        )
        causes = "; or ".join(CAUSES[each.name] for each in self.patterns)
        size = f"{shown}, {times:.1f} x what noise leaves {where}"
        return f"{size}. {harm}. It may come from {causes}"


def mean_residual(
    residual: NDArray[np.generic],
    variance: Variance,
    centres: Floats,
    amplitudes: Floats,
    core: Sequence[int],
    window: Sequence[int],
) -> MeanResidual:
    """Return the mean residual of some beads, aligned at their centres.

    Parameters
    ----------
    residual : numpy.ndarray
        (Z, Y, X), the image less its model; Z is 1 for a 2D image.
    variance : numpy.ndarray or callable
        Of each voxel's noise, of the residual's shape; or what returns it in a box, a tuple of
        three slices. Infinite where a voxel does not count.
    centres : numpy.ndarray
        (beads, 3), in voxels.
    amplitudes : numpy.ndarray
        (beads,), above 0: how bright each bead is. With the brightest voxel of each bead's image
        the result is in parts of the peak.
    core, window : sequence of int
        Three half sizes in voxels: what is looked at reaches so far from the voxel of the centre.

    Raises
    ------
    InputError
        There is no bead, an amplitude is not above 0, or arrays do not belong together.

    Notes
    -----
    The mean is that of weighted least squares: a bead's residual is its amplitude times the mean,
    and noise. The beads are aligned to the nearest voxel, which leaves the noise of voxels
    independent, as interpolation would not; a structure three voxels wide loses 5 % of its height
    by it, and one of five voxels 2 %. From five beads on the standard errors are scaled by the
    beads' scatter about the mean, in shells of like distance from the centre: so a noise that is
    not as it was stated is no structure.
    """
    places = _checked(residual, variance, centres, amplitudes)
    core = tuple(core)
    window = tuple(max(w, c) for w, c in zip(window, core, strict=True))
    parts = _sums(residual, variance, places, np.asarray(amplitudes, np.float64), window)
    sums, weights, squares, counts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    seen = weights > 0
    mean = np.divide(sums, weights, out=np.zeros_like(sums), where=seen)
    error = np.divide(1, np.sqrt(weights), out=np.full_like(sums, np.inf), where=seen)
    left = np.maximum(squares - sums * mean, 0)
    freedom = np.maximum(counts - 1, 0)
    scatter = float("nan")
    if len(places) >= SCATTERED and freedom.sum() > 0:
        scatter = float(np.sqrt(left.sum() / freedom.sum()))
        for shell in _shells(window):
            noise = left[shell].sum() / max(freedom[shell].sum(), 1)
            if noise > 0:
                error[shell] *= np.sqrt(noise)
    inner = tuple(slice(w - c, w + c + 1) for w, c in zip(window, core, strict=True))
    middle, middle_limit = _rms(mean[inner], error[inner])
    whole, whole_limit = _rms(mean, error)
    orders = strength_of_orders(mean[inner], error[inner], LIMIT)
    significant = tuple(order.number for order in orders if order.significant)
    patterns: tuple[Pattern, ...] = ()
    if middle > middle_limit:
        patterns = patterns_of(mean[inner], error[inner])
    elif significant:
        patterns = patterns_of(mean[inner], error[inner], significant)
    elif whole > whole_limit:
        patterns = patterns_of(mean, error)
    return MeanResidual(
        mean,
        error,
        len(places),
        scatter,
        middle,
        whole,
        middle_limit,
        whole_limit,
        orders,
        patterns,
        VISIBLE * _typical(error[inner]),
    )


def _checked(
    residual: NDArray[np.generic], variance: Variance, centres: Floats, amplitudes: Floats
) -> NDArray[np.int64]:
    """Return the voxels of the centres, or say what does not belong together."""
    if residual.ndim != 3 or (not callable(variance) and variance.shape != residual.shape):
        raise InputError(
            f"The residual has the shape {residual.shape}; it must have three axes, and the "
            "variance the same shape."
        )
    if np.shape(centres) != (len(amplitudes), 3) or len(amplitudes) == 0:
        raise InputError(
            f"The beads' centres have the shape {np.shape(centres)} and their amplitudes "
            f"{np.shape(amplitudes)}; at least one bead is needed, with three coordinates each."
        )
    if not (np.asarray(amplitudes) > 0).all():
        raise InputError("A bead's amplitude is not above 0; leave such beads out.")
    return np.floor(np.asarray(centres, np.float64) + 0.5).astype(np.int64)


def _sums(
    residual: NDArray[np.generic],
    variance: Variance,
    places: NDArray[np.int64],
    amplitudes: Floats,
    window: tuple[int, ...],
) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Yield the beads' sums at the voxels of some planes of the window, from its first to its last.

    They are, with weights one over the variance, those of residual times amplitude, of the
    amplitude's square and of the residual's square, and the number of beads there.
    """
    depth, height, width = (2 * half + 1 for half in window)
    step = max(1, TOGETHER // (len(places) * height * width))
    for first in range(0, depth, step):
        planes = min(step, depth - first)
        shape = (len(places), planes, height, width)
        values, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for bead, place in enumerate(places):
            corner = place - window + (first, 0, 0)
            box, within = _overlap(corner, (planes, height, width), residual.shape)
            if box is None:
                continue
            spread = variance(box) if callable(variance) else variance[box]
            values[bead][within] = residual[box]
            np.divide(1, spread, out=weights[bead][within], where=spread > 0)
        bright = amplitudes.astype(np.float32)[:, None, None, None]
        if len(places) >= SCATTERED:
            weights[_outliers(values, weights, bright)] = 0
        yield (
            np.sum(weights * bright * values, axis=0, dtype=np.float64),
            np.sum(weights * bright**2, axis=0, dtype=np.float64),
            np.sum(weights * values**2, axis=0, dtype=np.float64),
            np.sum(weights > 0, axis=0, dtype=np.float64),
        )


def _overlap(
    corner: NDArray[np.int64], extent: Sequence[int], shape: Sequence[int]
) -> tuple[Box | None, Box]:
    """Return the part of an image in a window that may reach beyond it, and its place there."""
    low = np.maximum(corner, 0)
    high = np.minimum(corner + extent, shape)
    if (high <= low).any():
        return None, ()
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    within = tuple(slice(int(a - c), int(b - c)) for a, b, c in zip(low, high, corner, strict=True))
    return box, within


def _outliers(values: Array, weights: Array, bright: Array) -> NDArray[np.bool_]:
    """Return which voxels are far from what the beads have in common, by their median."""
    parts = np.where(weights > 0, values / bright, np.float32(np.nan))
    blind = ~(weights > 0).any(axis=0)
    parts[:, blind] = 0
    off = np.abs(values - bright * np.nanmedian(parts, axis=0)) * np.sqrt(weights)
    # In the noise's own deviations, which the stated ones may not be.
    told = off[weights > 0]
    deviation = float(np.median(told)) * NORMAL if len(told) else 0.0
    far: NDArray[np.bool_] = off > OUTLIER * deviation
    return far


def _shells(window: tuple[int, ...]) -> Iterator[NDArray[np.bool_]]:
    """Yield which voxels are in each quarter of the way from the centre to the window's sides."""
    distances = [np.abs(np.arange(-half, half + 1)) / (half + 0.5) for half in window]
    apart = np.maximum.reduce(np.meshgrid(*distances, indexing="ij"))
    quarter = np.floor(4 * apart)
    for n in range(4):
        shell: NDArray[np.bool_] = quarter == n
        yield shell


def _typical(error: Floats) -> float:
    """Return the root mean square of what is known."""
    known = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def _rms(mean: Floats, error: Floats) -> tuple[float, float]:
    """Return the root mean square in standard errors, and what noise alone seldom exceeds."""
    seen = np.isfinite(error)
    count = int(np.count_nonzero(seen))
    if count == 0:
        return float("nan"), LIMIT
    found = float(np.sqrt(np.mean((mean[seen] / error[seen]) ** 2)))
    return found, max(LIMIT, float(np.sqrt(stats.chi2.isf(CHANCE, count) / count)))
