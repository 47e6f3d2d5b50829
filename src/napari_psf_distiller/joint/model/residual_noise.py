"""How large the residuals of a joint model are, in the dark and in the beads' light."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.joint.image.bead_image import BeadImage

__all__ = ["OUTLIER_SIGMAS", "ResidualNoise", "fit_residual_noise"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# A voxel this many standard deviations off the model is a speck or a hot pixel, and weighs less.
OUTLIER_SIGMAS = 5.0

# Voxels of about the same light that are needed to tell their variance.
MIN_VOXELS = 20

# The noise is never taken for less than this part of the camera's.
MIN_SCALE = 0.1


class ResidualNoise(NamedTuple):
    """The variance of what a model leaves of an image.

    Where the camera's noise has the variance v and the beads' light is l, it is ``scale * v + gain
    * l + (misfit * l)^2``.

    Attributes
    ----------
    scale : float
        By what the camera's variance is multiplied.
    gain : float
        Variance a unit of the beads' light, in the image's unit.
    misfit : float
        The part of a bead's light that the model of it misses, in the root mean square.
    """

    scale: float = 1.0
    gain: float = 0.0
    misfit: float = 0.0


def fit_residual_noise(
    bead_image: BeadImage,
    light: Array,
    brightest: float,
    sampled: Callable[[int], tuple[Slices, Array]],
    beads: Sequence[int],
) -> ResidualNoise:
    """Return the noise that the residuals about some beads show.

    Parameters
    ----------
    bead_image : BeadImage
    light : numpy.ndarray
        float32, of the image's shape: the model's light from beads.
    brightest : float
        The maximum of `light`.
    sampled : callable
        Takes a bead; returns the part of the image about it to look at, and the background there.
    beads : sequence of int
    """
    bins = np.geomspace(1e-3, 1, 13)
    edges = bins[:-1] * brightest

    def sums(bead: int) -> list[NDArray[np.integer] | NDArray[np.floating]]:
        box, level = sampled(bead)
        shown = np.maximum(light[box], 0)
        noise_variance = bead_image.variance(shown + level)
        residual = bead_image.intensity[box] - level - shown
        kept = bead_image.measured(box) & (
            residual * residual < OUTLIER_SIGMAS**2 * (noise_variance + (0.2 * shown) ** 2)
        )
        squares_here, expected = bead_image.score_squares(box, residual, noise_variance)
        # What is known of a voxel only in part counts as a part of one.
        whole = (expected / noise_variance)[kept].astype(np.float64)
        place = np.digitize(shown[kept], edges)
        weights = (
            whole,
            squares_here[kept].astype(np.float64),
            shown[kept] * whole,
            expected[kept],
        )
        return [np.bincount(place, w, len(bins)) for w in weights]

    counts, squares, lights, expected = np.sum(in_turn(sums, beads), axis=0)
    filled = counts > MIN_VOXELS
    if not filled.any():
        # So few voxels tell nothing.
        return ResidualNoise()
    n = counts[filled]
    variance, level, known = squares[filled] / n, lights[filled] / n, expected[filled] / n
    # The variance of a variance from n squares is 2 / n of its square.
    weight = np.sqrt(n / 2) / np.maximum(variance, known)
    columns = np.stack([known, level, level**2], axis=1)
    found, _ = optimize.nnls(columns * weight[:, None], variance * weight)
    scale, gain, misfit = (float(value) for value in found)
    return ResidualNoise(max(scale, MIN_SCALE), gain, float(np.sqrt(misfit)))
