"""A volume seen from one side: the maximum along each line of sight."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Projection", "project_maximum"]


class Projection(NamedTuple):
    """A maximum projection, and where the volume's voxels are in it.

    Attributes
    ----------
    image : numpy.ndarray
        (rows, columns), the volume's dtype. Where no line of sight meets the volume, its minimum.
    matrix : numpy.ndarray
        (2, 3): from voxels to pixels.
    offset : numpy.ndarray
        (2,): the pixel of the first voxel.
    """

    image: NDArray[Any]
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def pixels(self, places: ArrayLike) -> NDArray[np.float64]:
        """Return the rows and columns (..., 2) of places in the volume (..., 3), in voxels."""
        return np.asarray(np.asarray(places, np.float64) @ self.matrix.T + self.offset)


def project_maximum(
    volume: NDArray[Any],
    linear: NDArray[np.float64],
    direction: Sequence[float],
    up: Sequence[float],
    pixels: int,
) -> Projection:
    """Project a volume onto a plane as an orthographic camera sees it.

    Each line of sight takes one voxel, the nearest, of every plane that it crosses, where the
    planes are those that face the camera most.

    Parameters
    ----------
    volume : numpy.ndarray
        (Z, Y, X).
    linear : numpy.ndarray
        (3, 3): from voxels to the world, without its offset.
    direction, up : sequence of float
        The camera's, in the world; not parallel to each other.
    pixels : int
        Of the projection's longer side.
    """
    matrix, offset, shape = _grid(volume.shape, linear, direction, up, pixels)
    places = np.linalg.inv(matrix)
    # Voxels from one depth, row and column to the next, and where the first row and column are.
    sight, down, right = places.T
    start = places @ -offset
    axis = int(np.argmax(np.abs(sight)))
    others = [k for k in range(3) if k != axis]
    slope = sight[others] / sight[axis]
    first, down, right = (vector[others] - slope * vector[axis] for vector in (start, down, right))
    # Where in the plane 0 each line of sight meets it; in the plane k it is slope * k further.
    rows, columns = (np.arange(n, dtype=np.float32) for n in shape)
    met = [
        (first[k] + down[k] * rows[:, None] + right[k] * columns).astype(np.float32)
        for k in range(2)
    ]
    seen = np.full(shape, volume.min())
    planes = np.moveaxis(volume, axis, 0)
    corners = _corners((1, *planes.shape[1:]))
    corners[:, 0] = 0
    order = [axis, *others]
    for k, plane in enumerate(planes):
        at = corners + np.array([k, 0, 0])
        box = _box(at @ matrix[1:][:, order].T + offset[1:], shape)
        _take(seen[box], plane, *(met[i][box] + np.float32(slope[i] * k) for i in range(2)))
    return Projection(seen, matrix[1:], offset[1:])


def _grid(
    shape: Sequence[int],
    linear: NDArray[np.float64],
    direction: Sequence[float],
    up: Sequence[float],
    pixels: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]]:
    """Return from voxels to depth, row and column: a matrix and an offset; and the last's shape."""
    sight = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    upright = np.asarray(up, np.float64) - np.dot(up, sight) * sight
    upright /= np.linalg.norm(upright)
    frame = np.stack([sight, -upright, np.cross(sight, -upright)]) @ linear
    corners = _corners(shape) @ frame.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = (high - low)[1:].max() / pixels
    ny, nx = (max(1, int(np.ceil(span / size - 1e-6))) for span in (high - low)[1:])
    # The border of the volume is the border of the first pixel.
    return frame / size, -low / size - 0.5, (ny, nx)


def _corners(shape: Sequence[int]) -> NDArray[np.float64]:
    """Return the corners (8, 3) of a volume, in voxels."""
    ends = [(-0.5, n - 0.5) for n in shape]
    return np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)


def _box(places: NDArray[np.float64], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the part of an image that holds some places."""
    low = np.clip(np.floor(places.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(places.max(axis=0)) + 1, 0, shape).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1])


def _take(
    seen: NDArray[Any], plane: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]
) -> None:
    """Raise what was seen so far to a plane's pixels at some places of it."""
    ny, nx = plane.shape
    inside = (rows > -0.5) & (rows < ny - 0.5) & (columns > -0.5) & (columns < nx - 0.5)
    y, x = (np.rint(places).astype(np.int32) for places in (rows, columns))
    found = plane.ravel().take(y * np.int32(nx) + x, mode="clip")
    np.maximum(seen, found, out=seen, where=inside)
