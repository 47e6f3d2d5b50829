"""Haze: light that is not beads', and varies faster than the background does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["haze_level", "uneven_light"]

Floats = NDArray[np.float64]

# The residual is averaged over blocks of these voxels along z, y and x: larger than a bead's core,
# smaller than its halo.
BLOCK_VOXELS = (3, 12, 12)

# The width of columns of all planes, as a part of the PSF's window; fewer columns than this do not
# tell whether light is left unevenly. Their scatter must be this many times what noise makes.
COLUMN_OF_WINDOW, MIN_COLUMNS, MIN_NOISE_RATIO = 0.4, 12, 1.5

# Voxels that tell the noise.
SAMPLED_VOXELS = 1_000_000

# Of larger residuals only every few planes are looked at: about this many voxels.
MAX_VOXELS = 20_000_000


def haze_level(residual: NDArray[np.floating]) -> float:
    """Return how much light a fit leaves, in the image's unit.

    Parameters
    ----------
    residual : numpy.ndarray
        (Z, Y, X) or (Y, X), an image less its model.

    Returns
    -------
    float
        The standard deviation of its means over blocks, beyond what noise makes of them; by
        medians, so that a part that is something else does not count.

    Notes
    -----
    The noise of the means is that of the differences within the blocks: of checkerboards that have
    the sum 0, to which light that varies slowly adds nothing.
    """
    cube = np.asarray(residual).reshape(-1, *residual.shape[-2:])
    nz, ny, nx = (min(n, block) for n, block in zip(cube.shape, BLOCK_VOXELS, strict=True))
    rows, columns = (n // block for n, block in zip(cube.shape[1:], (ny, nx), strict=True))
    board = 1 - 2 * (np.indices((rows * ny, columns * nx)).sum(axis=0) % 2).astype(np.float32)
    starts = range(0, len(cube) - nz + 1, nz)
    means: list[Floats] = []
    noise: list[Floats] = []
    for start in starts[:: max(1, cube.size // MAX_VOXELS)]:
        part = cube[start : start + nz, : rows * ny, : columns * nx]
        for found, planes in ((means, part.mean(axis=0)), (noise, (part * board).mean(axis=0))):
            blocks = planes.reshape(rows, ny, columns, nx).mean(axis=(1, 3), dtype=np.float64)
            found.append(blocks.ravel())
    scatter, noise_scatter = (
        float(stats.median_abs_deviation(np.concatenate(values), scale="normal"))
        for values in (means, noise)
    )
    return float(np.sqrt(max(scatter**2 - noise_scatter**2, 0.0)))


def uneven_light(residual: NDArray[np.floating], window: tuple[int, int]) -> float:
    """Return how unevenly a fit leaves light across the image, in the image's unit.

    Parameters
    ----------
    residual : numpy.ndarray
        (Z, Y, X) or (Y, X), an image less its model.
    window : tuple of int
        The PSF's extent along y and x, in voxels.

    Returns
    -------
    float
        The standard deviation of the means over columns of all planes, beyond what noise makes of
        them; by medians. 0 where it is chance, or the image has few columns.

    Notes
    -----
    Times the voxels of a PSF's window it is the light that a bead's halo takes up, or loses, where
    the background is not what the model can make: little a voxel may be much of a bead.
    """
    cube = np.asarray(residual).reshape(-1, *residual.shape[-2:])
    side = max(4, round(COLUMN_OF_WINDOW * min(window)))
    rows, columns = (n // side for n in cube.shape[1:])
    if rows * columns < MIN_COLUMNS:
        return 0.0
    part = cube[:, : rows * side, : columns * side]
    voxels = part.ravel()[:: max(1, part.size // SAMPLED_VOXELS)]
    deviation = float(stats.median_abs_deviation(voxels, scale="normal"))
    noise = deviation / np.sqrt(len(cube) * side**2)
    means = part.mean(axis=0, dtype=np.float64).reshape(rows, side, columns, side).mean(axis=(1, 3))
    scatter = float(stats.median_abs_deviation(means, None, scale="normal"))
    return float(np.sqrt(scatter**2 - noise**2)) if scatter > MIN_NOISE_RATIO * noise else 0.0
