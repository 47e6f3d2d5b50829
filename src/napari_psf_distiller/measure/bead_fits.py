"""A PSF fitted to single beads: what it leaves of each, whoever made the PSF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.boxes import Box, around
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.beads import PSFOfBead
from napari_psf_distiller.measure.noise import NoiseModel
from napari_psf_distiller.optics import ball_form_factor

__all__ = ["BeadFits", "fit_beads"]

Floats = NDArray[np.float64]

# A bead is looked at so many of the PSF's widths to each side; in the fit, the PSF reaches further,
# so that its cut ends are not displaced into sight.
REACH, KNOWN = 2.0, 3.5

# Gauss-Newton steps; and how far one moves a centre at most, in voxels.
STEPS, FARTHEST = 5, 1.0

# No voxel's variance counts as less than this part of the largest.
LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, eq=False)
class BeadFits:
    """What is left of single beads when a PSF is fitted to each.

    Attributes
    ----------
    residual : numpy.ndarray
        float32, of the image's shape: the image less the fit in each bead's window; 0 elsewhere.
    expected : numpy.ndarray
        float32, of the image's shape: the fit, with the background; 0 elsewhere.
    centres : numpy.ndarray
        (N, axes), voxels.
    peaks : numpy.ndarray
        (N,): the brightest voxel of each fit, above the background.
    chi_squared : numpy.ndarray
        (N,): mean square of the residual over the noise's variance, within a width of the centre.
    reach : tuple of int
        How far a window reaches from the voxel of the centre.
    """

    residual: NDArray[np.float32]
    expected: NDArray[np.float32]
    centres: Floats
    peaks: Floats
    chi_squared: Floats
    reach: tuple[int, ...]


def fit_beads(
    image: NDArray[np.generic],
    psf: NDArray[np.floating] | PSFOfBead,
    centres: Floats,
    widths: Floats,
    noise: NoiseModel,
    *,
    alone: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    bead_diameter: float = 0.0,
) -> BeadFits:
    """Fit a PSF's image of a bead to each of some beads: centre, brightness and background.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    psf : numpy.ndarray or callable
        Its centre at n // 2; its scale does not matter. Of one that changes from bead to bead, see
        `PSFOfBead`.
    centres : numpy.ndarray
        (N, axes) of all beads, in voxels; off by less than a voxel or two.
    widths : numpy.ndarray
        Full widths at half maximum of the PSF, in voxels.
    noise : NoiseModel
        Of the image, which has some.
    alone : numpy.ndarray, optional
        (N,), bool: the beads that are told of. The others are fitted where their light reaches
        one of these. By default all are.
    spacing : sequence of float, optional
        Voxel size in micrometres.
    bead_diameter : float
        In micrometres; 0 for points, or where the PSF holds the beads' size. It does not count
        without a spacing.

    Raises
    ------
    InputError
        There is no bead, none could be fitted, or the PSF's sum is not positive.

    Notes
    -----
    Weighted least squares by Gauss-Newton steps, twice: the second time without the light of the
    other beads. A bead between voxels is the PSF's Fourier transform times a phase, which is exact
    where voxels are small enough for the microscope. Beads whose fit is not above the background,
    or leaves the window, are left out.
    """
    told = np.ones(len(centres), bool) if alone is None else alone
    if not told.any():
        raise InputError("There is no bead to which the PSF could be fitted.")
    bead_at = _beads(psf, widths, spacing, bead_diameter)
    none = np.zeros(image.shape, np.float32)
    extent = np.shape(psf(centres[told][0]) if callable(psf) else psf)
    counted = _lit_from(centres, told, np.array(extent) // 2 + np.ceil(REACH * widths))
    first = [
        _fitted(image, none, bead_at(centre), centre, widths, noise) if one else None
        for centre, one in zip(centres, counted, strict=True)
    ]
    light = none.copy()
    for fit in first:
        if fit is not None:
            fit.add_to(light, 1.0)
    residual, expected = none.copy(), none.copy()
    kept: list[tuple[Floats, float, float]] = []
    for before, one in zip(first, told, strict=True):
        if before is None or not one:
            continue
        before.add_to(light, -1.0)
        fit = _fitted(image, light, before.bead, before.place, widths, noise)
        before.add_to(light, 1.0)
        if fit is None:
            continue
        residual[fit.window] = image[fit.window].astype(np.float64) - fit.image
        expected[fit.window] = fit.image
        core = tuple(
            slice(max(int(middle - width), 0), int(middle + width) + 1)
            for middle, width in zip(np.rint(fit.place), np.ceil(widths), strict=True)
        )
        squares = residual[core] ** 2 * _weights(noise, expected[core])
        kept.append((fit.place, fit.peak, float(squares.mean())))
    if not kept:
        raise InputError(
            "The PSF could be fitted to none of the beads. Check that PSF, beads and image belong "
            "together."
        )
    found, peaks, chi_squared = (np.array(values) for values in zip(*kept, strict=True))
    reach = tuple(int(n) for n in np.ceil(REACH * widths))
    return BeadFits(residual, expected, found, peaks, chi_squared, reach)


class _Spectrum(NamedTuple):
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


class _Bead(NamedTuple):
    """A bead near its centre, as far as a fit looks; and all of its light."""

    near: _Spectrum
    whole: _Spectrum


@dataclass(frozen=True, eq=False)
class _Fit:
    """The fit of a bead in its window, with the light of other beads and the background."""

    bead: _Bead
    place: Floats
    brightness: float
    peak: float
    window: Box
    image: Floats

    def add_to(self, light: NDArray[np.float32], times: float) -> None:
        """Add so many times the bead's light to an image."""
        middle = np.floor(self.place + 0.5).astype(int)
        half = np.array(self.bead.whole.shape) // 2
        box = around(middle.tolist(), half.tolist(), light.shape)
        (bead,) = self.bead.whole.bead(self.place, box)
        light[box] += np.float32(times * self.brightness) * bead.astype(np.float32)


def _beads(
    psf: NDArray[np.floating] | PSFOfBead,
    widths: Floats,
    spacing: Sequence[float] | None,
    diameter: float,
) -> Callable[[Floats], _Bead]:
    """Return what gives a bead by its centre."""

    def bead(array: NDArray[np.floating]) -> _Bead:
        halves = np.ceil(KNOWN * widths).astype(int), np.array(array.shape) // 2
        near, whole = (_spectrum(array, half, spacing, diameter) for half in halves)
        return _Bead(near, whole)

    if callable(psf):
        return lambda centre: bead(psf(centre))
    same = bead(psf)
    return lambda _: same


def _lit_from(
    centres: Floats, told: NDArray[np.bool_], reach: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return which beads are told of, or so near to one that their light reaches its window."""
    near = told.copy()
    for centre in centres[told]:
        near |= (np.abs(centres - centre) <= reach).all(axis=1)
    return near


def _spectrum(
    psf: NDArray[np.floating],
    half: NDArray[np.int64],
    spacing: Sequence[float] | None,
    diameter: float,
) -> _Spectrum:
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
    return _Spectrum(values, grid, shape)


def _fitted(
    image: NDArray[np.generic],
    light: NDArray[np.float32],
    bead: _Bead,
    centre: Floats,
    widths: Floats,
    noise: NoiseModel,
) -> _Fit | None:
    """Return the fit of a bead beside the light of others; None where there is none."""
    middle = np.floor(centre + 0.5).astype(int)
    window = around(middle.tolist(), np.ceil(REACH * widths).tolist(), image.shape)
    if min(part.stop - part.start for part in window) < 3:
        return None
    others = light[window].astype(np.float64)
    seen = image[window].astype(np.float64) - others
    weights = np.sqrt(_weights(noise, seen + others)).ravel()
    place = np.array(centre, np.float64)
    for _ in range(STEPS):
        columns = [*bead.near.bead(place, window, slopes=True), np.ones_like(seen)]
        table = np.stack([column.ravel() for column in columns], axis=1)
        solution, *_ = np.linalg.lstsq(table * weights[:, None], seen.ravel() * weights, rcond=None)
        brightness = float(solution[0])
        if not brightness > 0:
            return None
        # Where the slopes do not do any more, the next step tells.
        moved = np.clip(solution[1:-1] / brightness, -FARTHEST, FARTHEST)
        fitted = (table @ solution).reshape(seen.shape)
        # The light that is expected tells the noise better than that which was seen.
        weights = np.sqrt(_weights(noise, fitted + others)).ravel()
        place = place + moved
    low, high = np.array([[part.start, part.stop] for part in window]).T
    if (place < low - 0.5).any() or (place > high - 0.5).any():
        return None
    peak = brightness * float(columns[0].max())
    return _Fit(bead, place, brightness, peak, window, fitted + others)


def _weights(noise: NoiseModel, intensity: NDArray[np.floating]) -> Floats:
    """Return one over the noise's variance; a voxel without any does not decide all."""
    variance = noise.variance(intensity)
    weights: Floats = 1 / np.maximum(variance, LEAST_VARIANCE * variance.max())
    return weights


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
