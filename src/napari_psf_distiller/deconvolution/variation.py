"""How a PSF changes over an image that is deconvolved: its kernels, and where the image lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
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
    """

    eigen: EigenPSFs
    rows: Floats
    columns: Floats
    step: tuple[float, float]

    @property
    def count(self) -> int:
        """How many kernels there are besides the mean."""
        return len(self.eigen) - 1

    def psf_at(self, y: float, x: float) -> NDArray[np.float32]:
        """Return the PSF at a place of the image, in voxels; see `EigenPSFs.at`."""
        row = float(self.rows[0] + self.step[0] * y)
        column = float(self.columns[0] + self.step[1] * x)
        return self.eigen.at(row, column)

    def part(self, box: Box) -> PSFVariation:
        """Return it for a part of the image, one slice an axis."""
        return replace(self, rows=self.rows[box[-2]], columns=self.columns[box[-1]])

    def of(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> PSFVariation:
        """Return it for some of the image's rows and columns, by their numbers."""
        return replace(self, rows=self.rows[rows], columns=self.columns[columns])

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
            Rows and columns that count as measured: those of a reflected border lie where the
            image's own do.
        grid, finer, origin
            See `Problem`.
        """
        places = []
        for axis, own, step, n in zip(
            (1, 2), (self.rows, self.columns), self.step, box, strict=True
        ):
            voxels = np.arange(grid[axis])
            if origin[axis]:
                voxels = np.where(voxels < origin[axis], voxels, voxels - grid[axis])
            measured, _ = padded_image(own, (n,))
            # In voxels of the image, whose centres have whole numbers.
            places.append(_continued(measured, step, (voxels + 0.5) / finer[axis] - 0.5))
        kernels = self.eigen.kernels[1:] * np.float32(scale)
        return Variation(
            np.ascontiguousarray(kernels.reshape(-1, *psf_shape)),
            self.eigen.weights_at(*places)[1:],
        )


def _continued(places: Floats, step: float, voxels: Floats) -> Floats:
    """Return places of voxels, which need not be whole or within those that have places."""
    nearest = np.clip(np.rint(voxels), 0, len(places) - 1).astype(np.intp)
    found: Floats = places[nearest] + (voxels - nearest) * step
    return found
