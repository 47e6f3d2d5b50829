"""How large the residuals of a joint model are, in the dark and in the beads' light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.joint.image.bead_image import BeadField

__all__ = ["OUTLIER", "Noise", "residual_noise"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# What lies so many standard deviations off the model is a speck or a hot pixel, and weighs less.
OUTLIER = 5.0


class Noise(NamedTuple):
    """The variance of what a model leaves of an image.

    Attributes
    ----------
    scale : float
        Times the camera's noise.
    gain : float
        And so much times the beads' light.
    misfit : float
        And this part of the beads' light, squared: what the model of a bead misses.
    """

    scale: float = 1.0
    gain: float = 0.0
    misfit: float = 0.0


def residual_noise(
    field: BeadField,
    light: Array,
    brightest: float,
    sampled: Callable[[int], tuple[Slices, Array]],
    beads: Sequence[int],
) -> Noise:
    """Return the noise that the residuals about some beads show.

    Parameters
    ----------
    field : BeadField
    light : numpy.ndarray
        The model's light from beads, of the image's shape.
    brightest : float
        Its maximum.
    sampled : callable
        Of a bead: the part of the image about it to look at, and the background there.
    beads : sequence of int
    """
    bins = np.geomspace(1e-3, 1, 13)
    edges = bins[:-1] * brightest

    def sums(bead: int) -> list[NDArray[np.integer] | NDArray[np.floating]]:
        box, level = sampled(bead)
        shown = np.maximum(light[box], 0)
        spread = field.variance(shown + level)
        off = field.image[box] - level - shown
        kept = field.counts(box) & (off * off < OUTLIER**2 * (spread + (0.2 * shown) ** 2))
        told, expected = field.squares(box, off, spread)
        # What is known of a voxel only in part counts as a part of one.
        whole = (expected / spread)[kept].astype(np.float64)
        place = np.digitize(shown[kept], edges)
        weights = (whole, told[kept].astype(np.float64), shown[kept] * whole, expected[kept])
        return [np.bincount(place, w, len(bins)) for w in weights]

    counts, squares, lights, declared = np.sum(in_turn(sums, beads), axis=0)
    filled = counts > 20
    if not filled.any():
        # So few voxels tell nothing.
        return Noise()
    n = counts[filled]
    variance, level, known = squares[filled] / n, lights[filled] / n, declared[filled] / n
    # The variance of a variance from n squares is 2 / n of its square.
    weight = np.sqrt(n / 2) / np.maximum(variance, known)
    columns = np.stack([known, level, level**2], axis=1)
    found, _ = optimize.nnls(columns * weight[:, None], variance * weight)
    scale, gain, misfit = (float(value) for value in found)
    return Noise(max(scale, 0.1), gain, float(np.sqrt(misfit)))
