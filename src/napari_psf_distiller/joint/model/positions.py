"""Where beads lie in an image: their windows, and by which fraction of a voxel they are off."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.image.background import SplineBackground

__all__ = ["BeadPositions", "Slices", "within"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]


class BeadPositions:
    """Beads at their places in an image.

    Parameters
    ----------
    centres : numpy.ndarray
        (beads, 3), voxels.
    basis : FourierBessel
        Its window is laid about the voxel nearest to each centre.
    background : SplineBackground
        Of the image.

    Attributes
    ----------
    centres : numpy.ndarray
        float64.
    nearest : numpy.ndarray
        (beads, 3): the voxels nearest to them.
    displaced : numpy.ndarray
        (beads, 3): of the centres from these.
    boxes : list of tuple of slice
        The part of the image that each window covers,
    inside : list of tuple of slice
        and the part of each window that lies in the image.
    waves : list of numpy.ndarray
        See `FourierBessel.waves_at`.
    weighted_residual : numpy.ndarray
        (beads, 4, coefficients): how the background's value at a centre, and its slopes along z, y
        and x, depend on its coefficients.
    """

    def __init__(self, centres: Floats, basis: FourierBessel, background: SplineBackground) -> None:
        shape, window = np.array(background.shape), np.array(basis.window)
        self.centres = np.asarray(centres, np.float64)
        self.nearest = np.clip(np.floor(self.centres + 0.5), 0, shape - 1).astype(np.intp)
        self.displaced = self.centres - self.nearest
        corners = self.nearest - window // 2
        low, high = np.maximum(corners, 0), np.minimum(corners + window, shape)
        self.boxes = [_slices(a, b) for a, b in zip(low, high, strict=True)]
        self.inside = [_slices(a, b) for a, b in zip(low - corners, high - corners, strict=True)]
        self.waves = [basis.waves_at(z) for z in self.displaced[:, 0]]
        self.weighted_residual = background.design_at(self.centres)
        self._offsets = [self.offsets(bead, box) for bead, box in enumerate(self.boxes)]

    def __len__(self) -> int:
        return len(self.centres)

    def background_at_beads(self, background: Floats) -> Floats:
        """Return a background with these coefficients at the centres."""
        return self.weighted_residual[:, 0] @ background

    def planes(self, background: Floats) -> Floats:
        """Return its value at each centre and its slopes: (beads, 4); see `plane`."""
        return self.weighted_residual @ background

    def plane(self, bead: int, value_and_slopes: Floats, box: Slices | None = None) -> Array:
        """Return a plane through a bead, in its window or in another part of the image."""
        value, *slopes = value_and_slopes
        offsets = self._offsets[bead] if box is None else self.offsets(bead, box)
        z, y, x = (slope * along for slope, along in zip(slopes, offsets, strict=True))
        flat = ((value + y)[:, None] + x).astype(np.float32)
        plane: Array = z.astype(np.float32)[:, None, None] + flat
        return plane

    def plane_adjoint(self, bead: int, values: Array) -> Floats:
        """Return the adjoint of `plane` in a bead's window."""
        # One product of matrices is faster than sums along three axes.
        sums = values.reshape(len(values), -1) @ _powers(*values.shape[1:])[:, :3]
        total, down, right = sums.sum(axis=0, dtype=np.float64)
        z, y, x = self._offsets[bead]
        return np.array([total, z @ sums[:, 0], down + y[0] * total, right + x[0] * total])

    def moments(self, bead: int, weights: Array) -> Floats:
        """Return the weighted squares of a bead's plane by its value and slopes, (4, 4)."""
        sums = weights.reshape(len(weights), -1) @ _powers(*weights.shape[1:])
        z, y, x = self._offsets[bead]
        one, row, column, row_row, row_column, column_column = sums.sum(axis=0, dtype=np.float64)
        # Rows and columns are counted from the window's corner, the plane's slopes from the bead.
        moved = np.array([[1, 0, 0], [y[0], 1, 0], [x[0], 0, 1]])
        squares = np.array(
            [[one, row, column], [row, row_row, row_column], [column, row_column, column_column]]
        )
        result = np.zeros((4, 4))
        plane = [0, 2, 3]
        result[np.ix_(plane, plane)] = moved @ squares @ moved.T
        result[1, plane] = result[plane, 1] = moved @ (z @ sums[:, :3])
        result[1, 1] = z**2 @ sums[:, 0]
        return result

    def middle(self, bead: int, reach: Sequence[int]) -> Slices:
        """Return the part of a bead's window that is so many voxels near along each axis."""
        return tuple(
            slice(max(whole.start, int(c) - r), min(whole.stop, int(c) + r + 1))
            for whole, c, r in zip(self.boxes[bead], self.nearest[bead], reach, strict=True)
        )

    def offsets(self, bead: int, box: Slices) -> list[Floats]:
        """Return how far the voxels of a part of the image lie from a bead, along each axis."""
        return [
            np.arange(part.start, part.stop, part.step) - centre
            for part, centre in zip(box, self.centres[bead], strict=True)
        ]


@functools.lru_cache(maxsize=64)
def _powers(height: int, width: int) -> Array:
    """Return 1, row, column, and products of these two, of each of a plane's pixels."""
    rows, columns = (part.ravel() for part in np.indices((height, width), np.float32))
    ones = np.ones_like(rows)
    return np.stack([ones, rows, columns, rows**2, rows * columns, columns**2], axis=1)


def _slices(low: NDArray[np.intp], high: NDArray[np.intp]) -> Slices:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def within(box: Slices, slab: slice) -> Slices:
    """Return the part of a box that lies in some of the planes."""
    start = min(max(box[0].start, slab.start), box[0].stop)
    return (slice(start, max(start, min(box[0].stop, slab.stop))), *box[1:])
