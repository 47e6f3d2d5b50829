"""Beads whose PSF has another aperture at each place."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import napari_psf_distiller as psfd

SPACING = (0.3, 0.1, 0.1)
# Voxels of a bead's image, and of the part of a PSF that is compared.
BEAD_SHAPE, COMPARED_SHAPE = (17, 27, 27), (13, 21, 21)


@functools.cache
def psf_of(aperture: float) -> NDArray[np.float64]:
    return psfd.simulate_psf(BEAD_SHAPE, SPACING, numerical_aperture=aperture)


def bead_image(
    shape: tuple[int, ...],
    beads: Iterable[tuple[Sequence[int], float]],
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Return an image of beads, each given by its voxel and its aperture."""
    image, half = np.full(shape, 10.0), np.array(BEAD_SHAPE) // 2
    for centre, aperture in beads:
        low, high = np.array(centre) - half, np.array(centre) + half + 1
        a, b = np.maximum(low, 0), np.minimum(high, shape)
        here = tuple(slice(*pair) for pair in zip(a, b, strict=True))
        there = tuple(slice(*pair) for pair in zip(a - low, b - low, strict=True))
        image[here] += 1e5 * rng.uniform(0.8, 1.2) * psf_of(aperture)[there]
    noisy = rng.poisson(image) + rng.normal(100, 1.6, shape)
    return np.round(noisy).astype(np.uint16)


def off(psf: ArrayLike, aperture: float) -> float:
    """Return the relative L2 error of a PSF in its middle, both of the sum 1 there."""
    found, true = _middle(psf), _middle(psf_of(aperture))
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def _middle(psf: Any) -> NDArray[np.float64]:
    array = np.asarray(psf, float)
    part = array[
        tuple(
            slice(n // 2 - m // 2, n // 2 + m // 2 + 1)
            for n, m in zip(array.shape, COMPARED_SHAPE, strict=True)
        )
    ]
    return np.asarray(part / part.sum(), np.float64)
