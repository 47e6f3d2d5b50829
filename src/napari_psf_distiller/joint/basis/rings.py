"""The pixels of a plane by their distance from its centre, and by their angle about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_psf_distiller.compute.psf_basis import angular_factor

__all__ = ["Rings"]

Floats = NDArray[np.float64]


class Rings:
    """The pixels of a window's planes: those as far from the centre are a ring.

    Parameters
    ----------
    shape : sequence of int
        (Y, X), odd.
    spacing : sequence of float
        Pixel size along y and x, in micrometres.

    Attributes
    ----------
    radii : numpy.ndarray
        (rings,): distances from the centre, in micrometres, the smallest first.
    number : numpy.ndarray
        (Y, X): in which ring each pixel is.
    """

    def __init__(self, shape: Sequence[int], spacing: Sequence[float]) -> None:
        ny, nx = shape
        y = (np.arange(ny) - ny // 2) * spacing[0]
        x = (np.arange(nx) - nx // 2) * spacing[1]
        distance = np.hypot(y[:, None], x[None])
        # Distances that differ by rounding only are the same ring's.
        _, first, ring = np.unique(
            np.round(distance / spacing[1], 6), return_index=True, return_inverse=True
        )
        self.radii = distance.ravel()[first]
        self.number = ring.reshape(ny, nx)
        in_ring = sparse.csr_array((np.ones(ring.size), (ring.ravel(), np.arange(ring.size))))
        self._in_ring = {dtype: in_ring.astype(dtype) for dtype in (np.float32, np.float64)}
        self._angle = np.arctan2(y[:, None], x[None])

    def angular_factor(self, order: int, sine: bool) -> Floats:
        """Return cos m phi, or sin m phi, of each pixel, (Y, X)."""
        return angular_factor(order, sine, self._angle)

    def planes(self, values: Floats, order: int = 0, sine: bool = False) -> Floats:
        """Return planes, (Z, Y, X), from values on rings, (Z, rings), times an angular factor."""
        planes = values[:, self.number]
        return planes * self.angular_factor(order, sine) if order else planes

    def sums(self, array: NDArray[np.floating], order: int = 0, sine: bool = False) -> Floats:
        """Return the adjoint of `planes`: sums over rings of an array times an angular factor.

        The array is float32 or float64, (Z, Y, X); the result is (Z, rings).
        """
        planes = array * self.angular_factor(order, sine) if order else array
        in_ring = self._in_ring[planes.dtype.type]
        return np.asarray((in_ring @ planes.reshape(len(planes), -1).T).T, np.float64)

    def weights(self, order: int, sine: bool | None) -> Floats:
        """Return each ring's sum of the squared angular factor, (rings,).

        Cosine and sine differ on rings of few pixels; None is their mean.
        """
        if order and sine is not None:
            squared = self.angular_factor(order, sine) ** 2
            sums = np.bincount(self.number.ravel(), squared.ravel(), len(self.radii))
            return np.asarray(sums, np.float64)
        pixels = np.bincount(self.number.ravel(), minlength=len(self.radii)).astype(np.float64)
        return pixels / 2 if order else pixels
