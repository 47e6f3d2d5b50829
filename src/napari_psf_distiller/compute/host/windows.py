"""The light of beads in windows about them, computed on the processor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_psf_distiller.compute.psf_basis import PSFBasis, angular_factor
from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.compute.windows import tabulate, tabulate_adjoint

__all__ = ["HostWindows"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Bytes for matrices that interpolate windows' pixels in the tables, at most: while they take no
# more, they are kept from one call to the next.
KEPT_BYTES = 512 * 2**20


class HostWindows:
    """Windows on the processor.

    The functions are added up first, at the distances of the tables, where each wave has one sum; a
    pixel is interpolated between two rows. So it hardly matters how many functions there are.
    """

    def __init__(self, basis: PSFBasis) -> None:
        self._basis = basis
        self._kept: dict[int, sparse.csr_array] = {}
        self._displacements: Floats = np.zeros((0, 2))
        self._sums: Array = np.zeros(
            (len(basis.terms) * basis.table_length, len(basis.waves)), np.float32
        )

    def set_displacements(self, displacements: Floats) -> None:
        """Take new beads; see `BeadWindows`."""
        self._displacements = np.asarray(displacements, np.float64)
        self._kept.clear()

    def set_spectrum(self, spectrum: Floats) -> None:
        """Take the functions' amplitudes; see `BeadWindows`."""
        self._sums = tabulate(self._basis, spectrum)

    def light(self, waves: Floats, first: int, out: Array | None = None) -> Array:
        """Return the light in some windows; see `BeadWindows`."""
        return self._light(lambda _: self._sums, waves, first, out)

    def light_of_each(
        self, spectra: Floats, waves: Floats, first: int, out: Array | None = None
    ) -> Array:
        """Return the light in windows of their own amplitudes; see `BeadWindows`."""
        return self._light(lambda index: tabulate(self._basis, spectra[index]), waves, first, out)

    def _light(
        self, sums: Callable[[int], Array], waves: Floats, first: int, out: Array | None
    ) -> Array:
        """Return the light in some windows, by the tables of each."""
        shape = (len(waves), *self._basis.window)
        result = np.empty(shape, np.float32) if out is None else out
        flat = result.reshape(*shape[:2], -1)
        factors = waves.astype(np.float32)

        def fill(index: int) -> None:
            pixels = self._pixels(first + index) @ sums(index)
            np.matmul(factors[index], pixels.T, out=flat[index])

        in_turn(fill, range(len(waves)))
        return result

    def light_adjoint(self, windows: Array, waves: Floats, first: int) -> Floats:
        """Return the adjoint of `light`; see `BeadWindows`."""
        result = np.zeros((len(self._basis.waves), self._basis.columns))
        for part in self._adjoints(windows, waves, first):
            result += part
        return result

    def light_adjoint_of_each(self, windows: Array, waves: Floats, first: int) -> Floats:
        """Return the adjoint of `light_of_each`; see `BeadWindows`."""
        return np.stack(self._adjoints(windows, waves, first)).astype(np.float64)

    def _adjoints(self, windows: Array, waves: Floats, first: int) -> list[Array]:
        """Return the gradient by each window's spectrum, (waves, columns)."""
        basis = self._basis
        flat = windows.reshape(*windows.shape[:2], -1)
        factors = waves.astype(np.float32)

        def by_spectrum(index: int) -> Array:
            pixels = flat[index].T @ factors[index]
            return tabulate_adjoint(basis, self._pixels(first + index).T @ pixels)

        return in_turn(by_spectrum, range(len(windows)))

    def close(self) -> None:
        """Forget what was kept."""
        self._kept.clear()

    def _pixels(self, bead: int) -> sparse.csr_array:
        """Return the matrix that interpolates a bead's window in the tables."""
        kept = self._kept.get(bead)
        if kept is None:
            kept = pixels_in_tables(self._basis, self._displacements[bead])
            nbytes = kept.data.nbytes + kept.indices.nbytes + kept.indptr.nbytes
            if nbytes * (len(self._kept) + 1) <= KEPT_BYTES:
                self._kept[bead] = kept
        return kept


def pixels_in_tables(basis: PSFBasis, displacement: Floats) -> sparse.csr_array:
    """Return the matrix that interpolates the pixels of a window in the functions' tables.

    Parameters
    ----------
    basis : PSFBasis
    displacement : numpy.ndarray
        The functions' centre less the window's, along y and x, in voxels.

    Returns
    -------
    scipy.sparse.csr_array
        float32, (Y * X, terms * table_length): straight lines between two rows of each term's
        table, times the term's angular factor.
    """
    _, ny, nx = basis.window
    y = (np.arange(ny) - ny // 2 - displacement[0]) * basis.spacing[1]
    x = (np.arange(nx) - nx // 2 - displacement[1]) * basis.spacing[2]
    rows, part = (values.ravel() for values in basis.table_rows_at(y[:, None], x))
    places, terms, pixels = basis.table_length, len(basis.terms), ny * nx
    lines = np.stack([1 - part, part], axis=1).astype(np.float32)
    near = np.stack([rows, rows + 1], axis=1).astype(np.int32)
    weights = np.empty((pixels, terms, 2), np.float32)
    columns = np.empty((pixels, terms, 2), np.int32)
    angle = np.arctan2(y[:, None], x).ravel()
    for index, (order, sine) in enumerate(basis.terms):
        angular = angular_factor(order, sine, angle).astype(np.float32)[:, None]
        weights[:, index] = lines * angular
        columns[:, index] = near + index * places
    starts = np.arange(pixels + 1, dtype=np.int32) * (2 * terms)
    return sparse.csr_array(
        (weights.ravel(), columns.ravel(), starts), shape=(pixels, terms * places)
    )
