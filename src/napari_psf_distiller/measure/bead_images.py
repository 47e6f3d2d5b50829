"""What beads look like by a PSF: each at its own place, between voxels, and of its own size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.beads import PSFOfBead
from napari_psf_distiller.optics import ball_form_factor

__all__ = ["ExpectedBead", "expected_beads"]

Floats = NDArray[np.float64]

# Near a bead's centre its image is known so many of the PSF's widths to each side: further than
# anything looks, so that its cut ends are not displaced into sight.
KNOWN = 3.5


class Spectrum(NamedTuple):
    """The Fourier transform of a bead at the origin, and its frequencies in cycles a voxel."""

    values: NDArray[np.complex128]
    frequencies: tuple[Floats, ...]
    shape: tuple[int, ...]

    def bead(self, place: Floats, box: Box, *, slopes: bool = False) -> list[Floats]:
        """Return a bead at a place in a box, and how it changes as it is moved along each axis."""
        whole = np.floor(place + 0.5).astype(int)
        turns = sum(f * float(p) for f, p in zip(self.frequencies, place - whole, strict=True))
        moved = self.values * np.exp(-2j * np.pi * turns)
        parts = [moved]
        if slopes:
            parts += [-2j * np.pi * f * moved for f in self.frequencies]
        start = whole - np.array(self.shape) // 2
        arrays = (scipy_fft.fftshift(scipy_fft.irfftn(part, self.shape)) for part in parts)
        return [_windowed(array, start, box) for array in arrays]


class ExpectedBead(NamedTuple):
    """A bead of light 1: near its centre, as far as a fit looks; and all of it."""

    near: Spectrum
    whole: Spectrum


def expected_beads(
    psf: NDArray[np.floating] | PSFOfBead,
    widths: Floats,
    spacing: Sequence[float] | None,
    diameter: float,
) -> Callable[[Floats], ExpectedBead]:
    """Return what gives a bead's image by its centre.

    Parameters
    ----------
    psf : numpy.ndarray or callable
        Its centre at n // 2; its scale does not matter. Of one that changes from bead to bead, see
        `PSFOfBead`.
    widths : numpy.ndarray
        Full widths at half maximum of the PSF, in voxels.
    spacing : sequence of float or None
        Voxel size in micrometres.
    diameter : float
        Of a bead, in micrometres; 0 for points, or where the PSF holds the beads' size. It does not
        count without a spacing.

    Raises
    ------
    InputError
        The PSF's sum is not positive.
    """

    def bead(array: NDArray[np.floating]) -> ExpectedBead:
        halves = np.ceil(KNOWN * widths).astype(int), np.array(array.shape) // 2
        near, whole = (_spectrum(array, half, spacing, diameter) for half in halves)
        return ExpectedBead(near, whole)

    if callable(psf):
        return lambda centre: bead(psf(centre))
    same = bead(psf)
    return lambda _: same


def _spectrum(
    psf: NDArray[np.floating],
    half: NDArray[np.int64],
    spacing: Sequence[float] | None,
    diameter: float,
) -> Spectrum:
    """Return the spectrum of a bead of light 1, of the PSF in a box of some half sizes."""
    array = np.asarray(psf, np.float64)
    total = float(array.sum())
    if not total > 0:
        raise InputError("The PSF's sum is not positive, so it holds no light to compare with.")
    shape = tuple(int(2 * n + 1) for n in half)
    start = np.array(array.shape) // 2 - half
    cut = _windowed(array / total, -start, tuple(slice(0, n) for n in shape))
    frequencies = [scipy_fft.fftfreq(n) for n in shape[:-1]] + [scipy_fft.rfftfreq(shape[-1])]
    grid = np.meshgrid(*frequencies, indexing="ij", sparse=True)
    values = scipy_fft.rfftn(scipy_fft.ifftshift(cut))
    if spacing is not None and diameter > 0:
        radius = np.sqrt(sum((f / size) ** 2 for f, size in zip(grid, spacing, strict=True)))
        values = values * ball_form_factor(radius, diameter)
    return Spectrum(values, grid, shape)


def _windowed(array: Floats, start: NDArray[np.int64], box: Box) -> Floats:
    """Return what an array that begins at a voxel holds in a box; beyond it is nothing."""
    part = np.zeros([one.stop - one.start for one in box])
    first = np.array([one.start for one in box])
    low = np.maximum(start, first)
    high = np.minimum(start + array.shape, [one.stop for one in box])
    if (high > low).all():
        into, of = (
            tuple(slice(int(a - c), int(b - c)) for a, b, c in zip(low, high, corner, strict=True))
            for corner in (first, start)
        )
        part[into] = array[of]
    return part
