"""The light of many beads in an image, and its adjoint, some windows at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.threads import in_turn, slabs
from napari_psf_distiller.compute.windows import BeadWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.model.positions import BeadPositions, planes_of_box

__all__ = ["BeadLight", "batches"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Beads whose windows are computed together.
BEADS_AT_ONCE = 16


class BeadLight:
    """What beads at their positions add to an image, by the parameters of a field model.

    Parameters
    ----------
    basis : FourierBessel
    windows : BeadWindows
    positions : BeadPositions
    """

    def __init__(
        self, basis: FourierBessel, windows: BeadWindows, positions: BeadPositions
    ) -> None:
        self._basis, self._windows, self._positions = basis, windows, positions
        windows.set_displacements(positions.subvoxel[:, 1:])
        self._buffer = np.empty((min(BEADS_AT_ONCE, len(positions)), *basis.window), np.float32)

    def render(self, parameters: Floats, amplitudes: Floats, out: Array) -> None:
        """Write the beads' light into an image, in their windows; elsewhere it is left alone.

        Parameters
        ----------
        parameters : numpy.ndarray
            (modes, coefficients): of the PSF; see `FieldModel`.
        amplitudes : numpy.ndarray
            (beads,); beads with amplitude 0 contribute nothing.
        out : numpy.ndarray
            float32, of the image's shape.
        """
        positions = self._positions
        parts = slabs(len(out))

        # Where windows cover most of the image it is faster to clear all of it.
        covered = sum(math.prod(part.stop - part.start for part in box) for box in positions.boxes)

        def clear(slab: slice) -> None:
            if covered > out.size // 2:
                out[slab] = 0
                return
            for box in positions.boxes:
                out[planes_of_box(box, slab)] = 0

        in_turn(clear, parts)
        spectra = np.stack([self._basis.bead_spectrum(mode) for mode in parameters])
        if len(spectra) == 1:
            self._windows.set_spectrum(spectra[0])
        for beads in batches(len(positions)):
            if not amplitudes[beads].any():
                continue
            windows = self._light(spectra, amplitudes, beads)

            def add(slab: slice, windows: Array = windows, beads: range = beads) -> None:
                for window, bead in zip(windows, beads, strict=True):
                    if amplitudes[bead]:
                        box, inside = positions.boxes[bead], positions.inside[bead]
                        part = planes_of_box(box, slab)
                        skipped = part[0].start - box[0].start
                        rows = slice(inside[0].start + skipped, None)
                        light = window[rows, *inside[1:]]
                        out[part] += light[: max(0, part[0].stop - part[0].start)]

            in_turn(add, parts)

    def _light(self, spectra: Floats, amplitudes: Floats, beads: range) -> Array:
        """Return the light in some beads' windows, by the spectra of the field model's modes."""
        buffer = self._buffer[: len(beads)]
        if len(spectra) == 1:
            return self._windows.light(self._waves(amplitudes, beads), beads.start, buffer)
        # A bead's PSF is a sum over the modes: added up here, its window is computed once.
        own = np.tensordot(self._positions.field_weights[beads], spectra, axes=1)
        waves = self._waves(amplitudes, beads)
        return self._windows.light_of_each(own, waves, beads.start, buffer)

    def window_buffer(self, beads: range) -> Array:
        """Return an array for these beads' windows, (beads, Z, Y, X), 0 outside the image.

        It is the same memory each time, and what `render` uses.
        """
        buffer = self._buffer[: len(beads)]
        for window, bead in zip(buffer, beads, strict=True):
            if window[self._positions.inside[bead]].shape != window.shape:
                window[...] = 0
        return buffer

    def adjoint(self, windows: Array, amplitudes: Floats, beads: range) -> list[Floats]:
        """Return the adjoint of `render`, but for the basis, by some of the beads.

        Parameters
        ----------
        windows : numpy.ndarray
            float32, (beads, Z, Y, X): an image in these beads' windows.
        amplitudes : numpy.ndarray
            (all beads,)
        beads : range
            Which of the beads the windows are.

        Returns
        -------
        list of numpy.ndarray
            For each mode (waves, columns): the gradient by its spectrum. Sum these over the
            batches, then apply `FourierBessel.bead_spectrum_adjoint`.
        """
        waves, weights = self._waves(amplitudes, beads), self._positions.field_weights[beads]
        if weights.shape[1] == 1:
            return [self._windows.light_adjoint(windows, waves, beads.start)]
        own = self._windows.light_adjoint_of_each(windows, waves, beads.start)
        return list(np.tensordot(weights.T, own, axes=1))

    def _waves(self, amplitudes: Floats, beads: range) -> Floats:
        """Return the waves along some windows, times the beads' amplitudes: (beads, Z, waves)."""
        return np.stack([amplitudes[bead] * self._positions.waves[bead] for bead in beads])


def batches(count: int) -> list[range]:
    """Return which beads' windows are computed together."""
    return [
        range(first, min(first + BEADS_AT_ONCE, count)) for first in range(0, count, BEADS_AT_ONCE)
    ]
