"""The light of many beads in an image, and its adjoint, some windows at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.threads import in_turn, slabs
from napari_psf_distiller.compute.windows import BeadWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.model.positions import BeadPositions, within

__all__ = ["BeadLight", "batches"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Windows are computed for so many beads at a time.
BEADS_AT_ONCE = 16


class BeadLight:
    """What beads at some places add to an image.

    Parameters
    ----------
    basis : FourierBessel
    windows : BeadWindows
    places : BeadPositions
    """

    def __init__(self, basis: FourierBessel, windows: BeadWindows, places: BeadPositions) -> None:
        self._basis, self._windows, self._places = basis, windows, places
        windows.set_displacements(places.displaced[:, 1:])
        self._space = np.empty((min(BEADS_AT_ONCE, len(places)), *basis.window), np.float32)

    def render(self, amplitudes: Floats, brightness: Floats, out: Array) -> None:
        """Write the beads' light into an image, where it has windows.

        Parameters
        ----------
        amplitudes : numpy.ndarray
            See `FourierBessel.amplitudes`.
        brightness : numpy.ndarray
            (beads,); who has 0 adds nothing.
        out : numpy.ndarray
            float32.
        """
        places = self._places
        parts = slabs(len(out))
        self._windows.set_spectrum(amplitudes)

        # Where windows cover most of the image it is faster to clear all of it.
        covered = sum(math.prod(part.stop - part.start for part in box) for box in places.boxes)

        def clear(slab: slice) -> None:
            if covered > out.size // 2:
                out[slab] = 0
                return
            for box in places.boxes:
                out[within(box, slab)] = 0

        in_turn(clear, parts)
        for beads in batches(len(places)):
            if not brightness[beads].any():
                continue
            waves = self._waves(brightness, beads)
            windows = self._windows.light(waves, beads.start, self._space[: len(beads)])

            def add(slab: slice, windows: Array = windows, beads: range = beads) -> None:
                for window, bead in zip(windows, beads, strict=True):
                    if brightness[bead]:
                        box, inside = places.boxes[bead], places.inside[bead]
                        part = within(box, slab)
                        skipped = part[0].start - box[0].start
                        rows = slice(inside[0].start + skipped, None)
                        light = window[rows, *inside[1:]]
                        out[part] += light[: max(0, part[0].stop - part[0].start)]

            in_turn(add, parts)

    def space(self, beads: range) -> Array:
        """Return an array for these beads' windows, (beads, Z, Y, X), 0 outside the image.

        It is the same memory each time, and what `render` uses.
        """
        space = self._space[: len(beads)]
        for window, bead in zip(space, beads, strict=True):
            if window[self._places.inside[bead]].shape != window.shape:
                window[...] = 0
        return space

    def adjoint(self, windows: Array, brightness: Floats, beads: range) -> Floats:
        """Return the adjoint of `render` by the functions' amplitudes.

        Parameters
        ----------
        windows : numpy.ndarray
            float32, (beads, Z, Y, X): the image in the windows of
        brightness : numpy.ndarray
        beads : range
            these beads.
        """
        return self._windows.light_adjoint(windows, self._waves(brightness, beads), beads.start)

    def _waves(self, brightness: Floats, beads: range) -> Floats:
        """Return the waves along some windows, times the beads' brightness."""
        return np.stack([brightness[bead] * self._places.waves[bead] for bead in beads])


def batches(count: int) -> list[range]:
    """Return which beads' windows are computed together."""
    return [
        range(first, min(first + BEADS_AT_ONCE, count)) for first in range(0, count, BEADS_AT_ONCE)
    ]
