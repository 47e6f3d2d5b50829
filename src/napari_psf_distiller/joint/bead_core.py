"""A bead's core, where its place, brightness and shape are told, and what a fit to it knows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORE", "inverse_of", "reach_of"]

Floats = NDArray[np.float64]

# A bead's core reaches so many of its widths to each side; beyond it little tells its place.
CORE = 1.6


def reach_of(widths: Floats, times: float = CORE) -> list[int]:
    """Return how many voxels to each side so many widths are, along each axis; 2 at least."""
    reach: list[int] = np.maximum(np.round(times * widths), 2).astype(int).tolist()
    return reach


def inverse_of(matrices: Floats) -> Floats:
    """Invert matrices of information, (..., n, n), whose parameters have different units."""
    diagonal = np.diagonal(matrices, axis1=-2, axis2=-1)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    scale = scale[..., :, None] * scale[..., None, :]
    scaled = matrices * scale + 1e-9 * np.eye(matrices.shape[-1])
    inverse: Floats = np.linalg.inv(scaled) * scale
    return inverse
