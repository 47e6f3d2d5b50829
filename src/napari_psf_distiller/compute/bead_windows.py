"""The light of beads in windows about them, and its adjoint: the heart of joint distilling."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import NUMPY, Device
from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.compute.rings import turn_of
from napari_psf_distiller.compute.threads import in_turn

__all__ = [
    "BeadWindows",
    "HostWindows",
    "functions_in_window",
    "open_windows",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The functions' values in the windows are kept, as long as they take no more bytes than this.
KEPT_BYTES = 512 * 2**20


class BeadWindows(Protocol):
    """Sums of functions of the plane in windows about beads, and the adjoint of that.

    A window's plane z is ``sum over columns of factors[z, column] * function[column](y, x)``. The
    columns are those of `FourierBessel`, their centre displaced by a fraction of a voxel.
    """

    def place(self, displacements: Floats) -> None:
        """Take new beads.

        Parameters
        ----------
        displacements : numpy.ndarray
            (beads, 2): of each bead's centre from its window's, along y and x, in voxels; between
            -0.5 and 0.5.
        """

    def light(self, factors: Array, first: int, out: Array | None = None) -> Array:
        """Return the light in some windows.

        Parameters
        ----------
        factors : numpy.ndarray
            float32, (windows, Z, columns).
        first : int
            Number of the first of these beads; they follow one another.
        out : numpy.ndarray, optional
            Written over with the result: memory that is new each time has to be cleared each time.

        Returns
        -------
        numpy.ndarray
            float32, (windows, Z, Y, X).
        """

    def light_adjoint(self, windows: Array, first: int) -> Array:
        """Return the adjoint of `light`: float32, (windows, Z, columns)."""

    def close(self) -> None:
        """Give back what the windows hold on a device."""


def open_windows(device: Device, basis: FourierBessel) -> BeadWindows:
    """Return windows on a device.

    Parameters
    ----------
    device : Device
        See `choose_device`.
    basis : FourierBessel

    Raises
    ------
    DeviceError
        The device failed.
    """
    if device is NUMPY:
        return HostWindows(basis)
    from napari_psf_distiller.compute.opencl_windows import OpenCLWindows

    return OpenCLWindows(device, basis)


class HostWindows:
    """Windows on the processor: two products of matrices a bead."""

    def __init__(self, basis: FourierBessel) -> None:
        self._basis = basis
        self._kept: dict[int, Array] = {}
        self._displacements: Floats = np.zeros((0, 2))

    def place(self, displacements: Floats) -> None:
        """Take new beads; see `BeadWindows`."""
        self._displacements = np.asarray(displacements, np.float64)
        self._kept.clear()

    def light(self, factors: Array, first: int, out: Array | None = None) -> Array:
        """Return the light in some windows; see `BeadWindows`."""
        _, ny, nx = self._basis.window
        shape = (*factors.shape[:2], ny, nx)
        result = np.empty(shape, np.float32) if out is None else out
        flat = result.reshape(*factors.shape[:2], ny * nx)

        def fill(index: int) -> None:
            np.matmul(factors[index], self._functions(first + index).T, out=flat[index])

        in_turn(fill, range(len(factors)))
        return result

    def light_adjoint(self, windows: Array, first: int) -> Array:
        """Return the adjoint of `light`; see `BeadWindows`."""
        count, nz, ny, nx = windows.shape
        result = np.empty((count, nz, self._basis.columns), np.float32)
        flat = windows.reshape(count, nz, ny * nx)

        def fill(index: int) -> None:
            np.matmul(flat[index], self._functions(first + index), out=result[index])

        in_turn(fill, range(count))
        return result

    def close(self) -> None:
        """Forget what was kept."""
        self._kept.clear()

    def _functions(self, bead: int) -> Array:
        """Return the functions' values in a bead's window, (Y * X, columns)."""
        kept = self._kept.get(bead)
        if kept is None:
            kept = functions_in_window(self._basis, self._displacements[bead])
            if kept.nbytes * (len(self._kept) + 1) <= KEPT_BYTES:
                self._kept[bead] = kept
        return kept


def functions_in_window(basis: FourierBessel, displacement: Floats) -> Array:
    """Return the values of all functions of the plane in a window.

    Parameters
    ----------
    basis : FourierBessel
    displacement : numpy.ndarray
        Of the functions' centre from the window's, along y and x, in voxels.

    Returns
    -------
    numpy.ndarray
        float32, (Y * X, columns).
    """
    _, ny, nx = basis.window
    y = np.arange(ny) - ny // 2 - displacement[0]
    x = np.arange(nx) - nx // 2 - displacement[1]
    across, along = y * basis.spacing[1], x * basis.spacing[2]
    rows = basis.rows_at(across[:, None], along).ravel()
    parts: list[Array] = []
    angle = np.arctan2(across[:, None], along).ravel() if any(basis.orders) else None
    for order, sine in basis.terms:
        values = basis.tables[basis.orders.index(order)][rows]
        if order and angle is not None:
            values = values * turn_of(order, sine, angle).astype(np.float32)[:, None]
        parts.append(values)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
