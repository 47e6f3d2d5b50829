"""An image whose voxels are larger than the grid's: what they see of it, and the way back.

Along y and x a pixel takes all light that falls on it: it sees the sum of so many pixels of the
grid. Along z a plane is thin, and so are the grid's: of so many planes of the grid, k from 0 on, it
sees the one at k // 2, which of an odd number is the middle one. The way back is the adjoint: each
pixel of the grid gets what the image has where it is seen, and planes that are not seen get 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.engine import Array

__all__ = ["collected", "extent", "on_grid", "planes_seen", "spread"]


def extent(shape: tuple[int, ...], finer: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many voxels of the grid an image reaches over along each axis.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    finer : tuple of int
        Voxels of the grid that one of the image has along each axis.
    """
    return tuple(n * f for n, f in zip(shape, finer, strict=True))


def planes_seen(depth: int, finer: int) -> slice:
    """Return which planes of the grid an image of so many planes sees."""
    return slice(finer // 2, finer * depth, finer)


def collected(planes: Array, finer: tuple[int, ...]) -> Array:
    """Return what the image's pixels see of planes of the grid.

    Parameters
    ----------
    planes : numpy.ndarray
        (planes, rows, columns): those that are seen, as many pixels as the image's reach over.
    finer : tuple of int
        See `extent`.

    Returns
    -------
    numpy.ndarray
        (planes, rows, columns) of the image; the array itself where its pixels are the grid's.
    """
    _, down, across = finer
    if down == across == 1:
        return planes
    total = planes[:, ::down, ::across].copy()
    for place in range(1, down * across):
        row, column = divmod(place, across)
        total += planes[:, row::down, column::across]
    return total


def spread(values: NDArray[Any], planes: Array, finer: tuple[int, ...]) -> None:
    """Give all pixels of the grid what the image has there; the adjoint of `collected`.

    Parameters
    ----------
    values : numpy.ndarray
        (planes, rows, columns) of the image.
    planes : numpy.ndarray
        Where to write it.
    finer : tuple of int
        See `extent`.
    """
    _, down, across = finer
    for row in range(down):
        for column in range(across):
            planes[:, row::down, column::across] = values


def on_grid(values: NDArray[Any], finer: tuple[int, ...], grid: tuple[int, ...]) -> Array:
    """Return what the image has, on a grid at whose corner it lies, and 0 elsewhere.

    Parameters
    ----------
    values : numpy.ndarray
        Of the image's shape, three axes.
    finer : tuple of int
        See `extent`.
    grid : tuple of int
        Its shape, float32.
    """
    array = np.zeros(grid, np.float32)
    _, rows, columns = extent(values.shape, finer)
    seen = planes_seen(len(values), finer[0])
    spread(values, array[seen, :rows, :columns], finer)
    return array
