"""A PSF on the voxels of an image that are larger than those of its own grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.psf_basis import angular_factor
from napari_psf_distiller.joint.basis.voxel_functions import bessel

if TYPE_CHECKING:
    from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel

__all__ = ["PSFOnGrid", "VoxelPSF"]

Floats = NDArray[np.float64]


class PSFOnGrid(Protocol):
    """A PSF with its errors on some grid of voxels: its own, or an image's."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(Z, Y, X) voxels, odd."""

    def psf(self, coefficients: Floats, displacement: float = 0.0) -> Floats:
        """Return the PSF, float64, displaced along z (in voxels)."""

    def total(self, coefficients: Floats) -> float:
        """Return the PSF's sum."""

    def variance(self, factors: Sequence[Floats], displacement: float = 0.0) -> Floats:
        """Return the variance of each voxel; see `FourierBessel.variance`."""

    def profile_gradient(
        self, axis: int, displacement: float = 0.0, through: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """Return a line's voxels and its derivative; see `FourierBessel.profile_gradient`."""


class VoxelPSF:
    """A PSF on an image's voxels: a pixel takes the light of several of the PSF's grid's.

    Parameters
    ----------
    basis : FourierBessel
        Of a PSF on a finer grid than the image's.

    Attributes
    ----------
    shape : tuple of int
        (Z, Y, X) of the image's voxels, odd.
    """

    def __init__(self, basis: FourierBessel) -> None:
        self._basis, functions = basis, basis.voxel_functions
        self.shape = functions.window
        y, x = (
            (np.arange(n) - n // 2) * size
            for n, size in zip(functions.window[1:], functions.spacing[1:], strict=True)
        )
        distance = np.hypot(y[:, None], x).ravel()
        radii, pixel = np.unique(distance, return_inverse=True)
        angle = np.arctan2(y[:, None], np.broadcast_to(x, (len(y), len(x)))).ravel()
        # For each term the values of its combinations in the pixels, (pixels, combinations).
        self._across = [np.zeros((len(distance), part.lateral.shape[1])) for part in basis.parts]
        tables: dict[int, Floats] = {}
        for source, (order, sine), factor in functions.links:
            if order not in tables:
                tables[order] = bessel(order, 2 * np.pi * radii[:, None] * functions.radial)
            values = (tables[order] * factor) @ basis.parts[source].lateral
            self._across[source] += angular_factor(order, sine, angle)[:, None] * values[pixel]

    def psf(self, coefficients: Floats, displacement: float = 0.0) -> Floats:
        """Return the PSF, float64, displaced along z (in voxels)."""
        waves = self._basis.voxel_functions.waves_at(displacement)
        result = np.zeros((len(waves), len(self._across[0])))
        parts = self._basis.split(coefficients)
        for term, part, across in zip(self._basis.parts, parts, self._across, strict=True):
            result += waves @ term.axial @ term.expanded(part) @ across.T
        return result.reshape(self.shape)

    def total(self, coefficients: Floats) -> float:
        """Return the PSF's sum: the same on all grids."""
        return self._basis.total(coefficients)

    def variance(self, factors: Sequence[Floats], displacement: float = 0.0) -> Floats:
        """Return the variance of each voxel; see `FourierBessel.variance`."""
        waves = self._basis.voxel_functions.waves_at(displacement)
        result = np.zeros((len(waves), len(self._across[0])))
        for term, factor, across in zip(self._basis.parts, factors, self._across, strict=True):
            result += term.variance(waves, factor, across)
        return result.reshape(self.shape)

    def profile_gradient(
        self, axis: int, displacement: float = 0.0, through: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """Return a line's voxels and its derivative; see `FourierBessel.profile_gradient`."""
        voxel = [n // 2 for n in self.shape] if through is None else list(through)
        z, y, x = (slice(None) if a == axis else voxel[a] for a in range(3))
        waves = np.atleast_2d(self._basis.voxel_functions.waves_at(displacement)[z])
        parts = []
        for term, across in zip(self._basis.parts, self._across, strict=True):
            here = across.reshape(*self.shape[1:], -1)[y, x].reshape(-1, across.shape[1])
            parts.append(term.reduced((waves @ term.axial)[:, :, None] * here[:, None, :]))
        n = self.shape[axis]
        return (np.arange(n) - n // 2).astype(np.float64), np.concatenate(parts, axis=1)
