"""A bead's core, the voxels that tell its centre, amplitude and shape, and fits to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORE_WIDTHS", "inverse_information", "reach_in_voxels"]

Floats = NDArray[np.float64]

# A bead's core reaches this many of its widths to each side; beyond it little tells its centre.
CORE_WIDTHS = 1.6


def reach_in_voxels(widths: Floats, times: float = CORE_WIDTHS) -> list[int]:
    """Return a reach to each side, along each axis, in voxels; at least 2.

    Parameters
    ----------
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    times : float
        The reach in widths.
    """
    reach: list[int] = np.maximum(np.round(times * widths), 2).astype(int).tolist()
    return reach


def inverse_information(matrices: Floats) -> Floats:
    """Invert matrices of information, (..., n, n), whose parameters have different units."""
    diagonal = np.diagonal(matrices, axis1=-2, axis2=-1)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    scale = scale[..., :, None] * scale[..., None, :]
    scaled = matrices * scale + 1e-9 * np.eye(matrices.shape[-1])
    inverse: Floats = np.linalg.inv(scaled) * scale
    return inverse
