"""How a PSF changes over an image that is deconvolved: its kernels, and where the image lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.engine import Variation
from napari_psf_distiller.compute.grid import padded_image
from napari_psf_distiller.psf.eigen import EigenPSFs

__all__ = ["PSFVariation"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PSFVariation:
    """How a PSF changes over an image, or over a part of one.

    Attributes
    ----------
    eigen : EigenPSFs
        On the result's voxels.
    rows, columns : numpy.ndarray
        Where the image's rows and columns lie in the bead image, in voxels of that.
    step : tuple of float
        From one row to the next, and from one column to the next, in these voxels.
    planes : numpy.ndarray or None
        Where the image's planes lie, in planes of the bead image; None of a PSF that is the same in
        all.
    plane_step : float
        From one to the next.
    """

    eigen: EigenPSFs
    rows: Floats
    columns: Floats
    step: tuple[float, float]
    planes: Floats | None = None
    plane_step: float = 1.0

    @property
    def count(self) -> int:
        """How many kernels there are besides the mean."""
        return len(self.eigen) - 1

    @property
    def depths(self) -> int:
        """How many polynomials of the depth the weights have; 0 where planes do not matter."""
        with_depth = self.eigen.depth_coefficients
        return 0 if with_depth is None or self.planes is None else with_depth.shape[1]

    def psf_at(self, y: float, x: float, z: float | None = None) -> NDArray[np.float32]:
        """Return the PSF at a place of the image, in voxels; see `EigenPSFs.at`."""
        row = float(self.rows[0] + self.step[0] * y)
        column = float(self.columns[0] + self.step[1] * x)
        plane = None
        if z is not None and self.planes is not None:
            plane = float(self.planes[0] + self.plane_step * z)
        return self.eigen.at(row, column, plane)

    def part(self, box: Sequence[slice | NDArray[np.intp]]) -> PSFVariation:
        """Return it for a part of the image: of each axis a slice, or voxels by their numbers."""
        planes = self.planes if self.planes is None else self.planes[box[0]]
        return replace(self, planes=planes, rows=self.rows[box[-2]], columns=self.columns[box[-1]])

    def on_grid(
        self,
        psf_shape: tuple[int, ...],
        scale: float,
        box: tuple[int, ...],
        grid: tuple[int, int, int],
        finer: tuple[int, int, int],
        origin: tuple[int, int, int],
    ) -> Variation:
        """Return it for a problem's grid.

        Beyond what counts as measured, places go on as in it.

        Parameters
        ----------
        psf_shape : tuple of int
            Of the problem's PSF, three axes.
        scale : float
            What the PSF was multiplied by.
        box : tuple of int
            Voxels that count as measured, one an axis: those of a reflected border lie where the
            image's own do.
        grid, finer, origin
            See `Problem`.
        """
        axes = [(1, self.rows, self.step[0]), (2, self.columns, self.step[1])]
        if self.planes is not None:
            axes.insert(0, (0, self.planes, self.plane_step))
        places = []
        for (axis, own, step), n in zip(axes, box[-len(axes) :], strict=True):
            voxels = np.arange(grid[axis])
            if origin[axis]:
                voxels = np.where(voxels < origin[axis], voxels, voxels - grid[axis])
            measured, _ = padded_image(own, (n,))
            # In voxels of the image, whose centres have whole numbers.
            places.append(_continued(measured, step, (voxels + 0.5) / finer[axis] - 0.5))
        kernels = self.eigen.kernels[1:] * np.float32(scale)
        rows, columns = places[-2:]
        variation = Variation(
            np.ascontiguousarray(kernels.reshape(-1, *psf_shape)),
            self.eigen.weights_at(rows, columns)[1:],
        )
        if self.planes is None:
            return variation
        return replace(
            variation,
            further_weights=self.eigen.depth_weights_at(rows, columns)[1:],
            depths=self.eigen.depths_at(places[0]),
        )


def _continued(places: Floats, step: float, voxels: Floats) -> Floats:
    """Return places of voxels, which need not be whole or within those that have places."""
    nearest = np.clip(np.rint(voxels), 0, len(places) - 1).astype(np.intp)
    found: Floats = places[nearest] + (voxels - nearest) * step
    return found
