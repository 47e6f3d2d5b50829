"""Where beads lie in an image: their windows, and all that follows from their centres alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.image.background import SplineBackground
from napari_psf_distiller.joint.model.field_model import FieldModel

__all__ = ["BeadPositions", "Slices", "planes_of_box"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]


class BeadPositions:
    """Beads at their centres in an image, and all that follows from these alone.

    Parameters
    ----------
    centres : numpy.ndarray
        (beads, 3), voxels.
    basis : FourierBessel
        Its window is laid about the voxel nearest to each centre.
    background : SplineBackground
        The image's.
    field_model : FieldModel

    Attributes
    ----------
    centres : numpy.ndarray
        float64, (beads, 3), in voxels.
    nearest : numpy.ndarray
        (beads, 3): the voxels nearest to the centres.
    subvoxel : numpy.ndarray
        (beads, 3): displacements of the centres from their nearest voxels, in voxels.
    boxes : list of tuple of slice
        The part of the image that each window covers.
    inside : list of tuple of slice
        The part of each window that lies in the image: as large as its box.
    on_grid : list of tuple of slice
        The voxels of the PSF's grid, about the bead, that are nearest to those `inside`: as many.
    off_grid : numpy.ndarray
        (beads, 3): displacements of the centres from the middle of that grid, in the image's
        voxels.
    waves : list of numpy.ndarray
        The waves along each window's axis, displaced as the bead is; see
        `VoxelFunctions.waves_at`.
    background_design : numpy.ndarray
        (beads, 4, background's coefficients): times the background's coefficients its value at
        each centre, and its slopes along z, y and x.
    field_weights : numpy.ndarray
        (beads, modes): see `FieldModel.weights`.
    """

    def __init__(
        self,
        centres: Floats,
        basis: FourierBessel,
        background: SplineBackground,
        field_model: FieldModel,
    ) -> None:
        shape, window = np.array(background.shape), np.array(basis.window)
        self.centres = np.asarray(centres, np.float64)
        self.nearest = np.clip(np.floor(self.centres + 0.5), 0, shape - 1).astype(np.intp)
        self.subvoxel = self.centres - self.nearest
        corners = self.nearest - window // 2
        low, high = np.maximum(corners, 0), np.minimum(corners + window, shape)
        self.boxes = [_slices(a, b) for a, b in zip(low, high, strict=True)]
        self.inside = [_slices(a, b) for a, b in zip(low - corners, high - corners, strict=True)]
        self.waves = [basis.voxel_functions.waves_at(z) for z in self.subvoxel[:, 0]]
        self.on_grid, self.off_grid = self._on_grid(basis)
        self.background_design = background.design_at(self.centres)
        self.field_weights = field_model.weights(self.centres)
        self._offsets = [self.offsets(bead, box) for bead, box in enumerate(self.boxes)]

    def __len__(self) -> int:
        return len(self.centres)

    def _on_grid(self, basis: FourierBessel) -> tuple[list[Slices], Floats]:
        sampling, half = np.array(basis.sampling), np.array(basis.window) // 2
        off = np.clip(np.round(sampling * self.subvoxel), -(sampling // 2), sampling // 2)
        middle = np.array(basis.shape) // 2 - off.astype(np.intp)
        boxes = [
            tuple(
                slice(
                    int(m + factor * (part.start - h)),
                    int(m + factor * (part.stop - 1 - h)) + 1,
                    int(factor),
                )
                for part, m, factor, h in zip(inside, bead, sampling, half, strict=True)
            )
            for inside, bead in zip(self.inside, middle, strict=True)
        ]
        return boxes, self.subvoxel - off / sampling

    def background_at_centres(self, background: Floats) -> Floats:
        """Return a background with these coefficients at the centres, (beads,)."""
        return self.background_design[:, 0] @ background

    def background_planes(self, background: Floats) -> Floats:
        """Return a background's value and slopes at the centres: (beads, 4); see `plane`."""
        return self.background_design @ background

    def plane(self, bead: int, value_and_slopes: Floats, box: Slices | None = None) -> Array:
        """Return the plane ``value + slopes . (voxel - centre)`` about a bead.

        Parameters
        ----------
        bead : int
        value_and_slopes : numpy.ndarray
            (4,): the value at the centre, and the slopes a voxel along z, y and x.
        box : tuple of slice, optional
            The part of the image to fill; without it the bead's window.

        Returns
        -------
        numpy.ndarray
            float32, of the box's shape.
        """
        value, *slopes = value_and_slopes
        offsets = self._offsets[bead] if box is None else self.offsets(bead, box)
        z, y, x = (slope * along for slope, along in zip(slopes, offsets, strict=True))
        flat = ((value + y)[:, None] + x).astype(np.float32)
        plane: Array = z.astype(np.float32)[:, None, None] + flat
        return plane

    def plane_adjoint(self, bead: int, values: Array) -> Floats:
        """Return the adjoint of `plane` in a bead's window: (4,)."""
        # One product of matrices is faster than sums along three axes.
        sums = values.reshape(len(values), -1) @ _powers(*values.shape[1:])[:, :3]
        total, down, right = sums.sum(axis=0, dtype=np.float64)
        z, y, x = self._offsets[bead]
        return np.array([total, z @ sums[:, 0], down + y[0] * total, right + x[0] * total])

    def plane_moments(self, bead: int, weights: Array) -> Floats:
        """Return the (4, 4) matrix of a weighted fit of a bead's plane in its window.

        Parameters
        ----------
        bead : int
        weights : numpy.ndarray
            float32: of the voxels of the window that lie in the image.
        """
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

    def inner_box(self, bead: int, reach: Sequence[int]) -> Slices:
        """Return the part of a bead's box within some voxels of its nearest voxel.

        Parameters
        ----------
        bead : int
        reach : sequence of int
            Voxels to each side along z, y and x.
        """
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


def planes_of_box(box: Slices, slab: slice) -> Slices:
    """Return the part of a box that lies in some of the image's planes; it may be empty."""
    start = min(max(box[0].start, slab.start), box[0].stop)
    return (slice(start, max(start, min(box[0].stop, slab.stop))), *box[1:])
