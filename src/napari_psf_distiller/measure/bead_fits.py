"""A PSF fitted to single beads: what it leaves of each, whoever made the PSF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box, around
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.bead_images import ExpectedBead, expected_beads
from napari_psf_distiller.measure.beads import PSFOfBead
from napari_psf_distiller.measure.noise import NoiseModel
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = ["BeadFits", "fit_beads_steps"]

Floats = NDArray[np.float64]

# What people read while this goes on.
PHASE = "Fit the PSF to each bead"

# A bead is looked at so many of the PSF's widths to each side.
REACH = 2.0

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


def fit_beads_steps(
    image: NDArray[np.generic],
    psf: NDArray[np.floating] | PSFOfBead,
    centres: Floats,
    widths: Floats,
    noise: NoiseModel,
    *,
    alone: NDArray[np.bool_] | None = None,
    spacing: Sequence[float] | None = None,
    bead_diameter: float = 0.0,
) -> Steps[BeadFits]:
    """Fit a PSF's image of a bead to each of some beads: centre, brightness and background.

    A generator of progress, which counts the fits.

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
    bead_at = expected_beads(psf, widths, spacing, bead_diameter)
    none = np.zeros(image.shape, np.float32)
    extent = np.shape(psf(centres[told][0]) if callable(psf) else psf)
    counted = _lit_from(centres, told, np.array(extent) // 2 + np.ceil(REACH * widths))
    total = int(counted.sum() + told.sum())
    first: list[_Fit | None] = []
    light = none.copy()
    done = 0
    for centre, one in zip(centres, counted, strict=True):
        fit = _fitted(image, none, bead_at(centre), centre, widths, noise) if one else None
        first.append(fit)
        if fit is not None:
            fit.add_to(light, 1.0)
        if one:
            done += 1
            yield Progress(StepId.PROVE, done, total, phase=PHASE)
    residual, expected = none.copy(), none.copy()
    kept: list[tuple[Floats, float, float]] = []
    for before, one in zip(first, told, strict=True):
        if one:
            done += 1
            yield Progress(StepId.PROVE, done, total, phase=PHASE)
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


@dataclass(frozen=True, eq=False)
class _Fit:
    """The fit of a bead in its window, with the light of other beads and the background."""

    bead: ExpectedBead
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


def _lit_from(
    centres: Floats, told: NDArray[np.bool_], reach: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return which beads are told of, or so near to one that their light reaches its window."""
    near = told.copy()
    for centre in centres[told]:
        near |= (np.abs(centres - centre) <= reach).all(axis=1)
    return near


def _fitted(
    image: NDArray[np.generic],
    light: NDArray[np.float32],
    bead: ExpectedBead,
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
