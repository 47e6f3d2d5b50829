"""The light of beads in windows about them, and its adjoint: the heart of the joint fit."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.psf_basis import PSFBasis

__all__ = ["BeadWindows", "tabulate", "tabulate_adjoint"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class BeadWindows(Protocol):
    """Sums of functions in windows about beads, and the adjoint of that.

    A window's voxel (z, y, x) is ``sum over waves and columns of waves[z, wave] * spectrum[wave,
    column] * function[column](y, x)``. The waves and columns are those of a `PSFBasis`, the
    columns' centre displaced by a fraction of a voxel.
    """

    def set_displacements(self, displacements: Floats) -> None:
        """Take new beads.

        Parameters
        ----------
        displacements : numpy.ndarray
            (beads, 2): of each bead's centre from its window's, along y and x, in voxels; between
            -0.5 and 0.5.
        """

    def set_spectrum(self, spectrum: Floats) -> None:
        """Take the amplitudes of all functions, (waves, columns), for the light of all beads."""

    def light(self, waves: Floats, first: int, out: Array | None = None) -> Array:
        """Return the light in some windows.

        Parameters
        ----------
        waves : numpy.ndarray
            (windows, Z, waves): along each window's axis, times its bead's amplitude.
        first : int
            Number of the first window's bead; the others follow it.
        out : numpy.ndarray, optional
            Written over with the result: memory that is new each time has to be cleared each time.

        Returns
        -------
        numpy.ndarray
            float32, (windows, Z, Y, X).
        """

    def light_adjoint(self, windows: Array, waves: Floats, first: int) -> Floats:
        """Return the adjoint of `light` by the spectrum: (waves, columns), summed over windows."""

    def light_of_each(
        self, spectra: Floats, waves: Floats, first: int, out: Array | None = None
    ) -> Array:
        """Return the light in some windows, each with amplitudes of its own.

        Parameters
        ----------
        spectra : numpy.ndarray
            (windows, waves, columns): in place of that of `set_spectrum`, which may be lost.
        waves, first, out
            See `light`.

        Returns
        -------
        numpy.ndarray
            float32, (windows, Z, Y, X).
        """

    def light_adjoint_of_each(self, windows: Array, waves: Floats, first: int) -> Floats:
        """Return the adjoint of `light_of_each` by the spectra: (windows, waves, columns)."""

    def close(self) -> None:
        """Give back what the windows hold on a device."""


def tabulate(basis: PSFBasis, spectrum: Floats) -> Array:
    """Return each term's sum of functions, tabulated over the distance from the axis.

    What a term's table has of each of its functions is added up, wave by wave.

    Parameters
    ----------
    basis : PSFBasis
    spectrum : numpy.ndarray
        (waves, columns).

    Returns
    -------
    numpy.ndarray
        float32, (terms * table_length, waves).
    """
    parts = np.split(spectrum.astype(np.float32), len(basis.terms), axis=1)
    return np.concatenate(
        [basis.table(order) @ part.T for (order, _), part in zip(basis.terms, parts, strict=True)]
    )


def tabulate_adjoint(basis: PSFBasis, sums: Array) -> Array:
    """Return the adjoint of `tabulate`: (waves, columns)."""
    parts = np.split(sums, len(basis.terms))
    return np.concatenate(
        [part.T @ basis.table(order) for (order, _), part in zip(basis.terms, parts, strict=True)],
        axis=1,
    )
