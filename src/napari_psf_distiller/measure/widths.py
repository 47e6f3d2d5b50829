"""How wide a PSF is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline, PPoly, make_interp_spline

from napari_psf_distiller.boxes import around
from napari_psf_distiller.checks import check_array, check_spacing

__all__ = [
    "LEAST_VOXELS",
    "HalfMaximum",
    "fwhm",
    "half_maximum",
    "peak_profiles",
    "profile_spline",
    "profile_width",
    "profile_width_slope",
]

# Fewer voxels have no width.
LEAST_VOXELS = 4

# A PSF's voxels are hardly more than two in a period of its highest frequency. A cubic spline
# through these is wider than the PSF by 0.6 to 0.8 %, and by up to 4 % along z; one of this degree
# by less than 0.1 %, and 0.8 %.
SPLINE_DEGREE = 7

# The peak is sought by turns along each axis, so many times; the splines' values there are those of
# the voxels that are this near.
PEAK_ROUNDS, PEAK_REACH = 4, 8


class HalfMaximum(NamedTuple):
    """A line's spline, where it is highest, and where it falls to the half of that, in voxels."""

    spline: BSpline
    left: float
    top: float
    right: float

    @property
    def width(self) -> float:
        """The full width at half maximum, in voxels."""
        return self.right - self.left

    @property
    def bluntness(self) -> float:
        """By how much the line widens where its flanks are higher by a part of its maximum.

        In voxels for each unit of the maximum.
        """
        flanks = self.spline((self.left, self.right), 1)
        return float(self.spline(self.top) * (1 / np.abs(flanks)).sum())


def peak_profiles(psf: NDArray[np.floating]) -> tuple[NDArray[np.float64], ...]:
    """Return the lines through a PSF's peak, one along each axis.

    The peak is that of splines through the voxels, see `profile_spline`, next to the brightest
    one; the lines have a value at each voxel along their axis.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X) or (Y, X).

    Returns
    -------
    tuple of numpy.ndarray
        float64, (Z,), (Y,) and (X,).

    Notes
    -----
    Lines through the brightest voxel would go past the peak by up to half a voxel, and where coma
    tilts a PSF they are up to 12 % too wide along z.
    """
    top = [int(place) for place in np.unravel_index(int(psf.argmax()), psf.shape)]
    peak = [float(place) for place in top]
    near = around(top, (PEAK_REACH,) * psf.ndim, psf.shape)
    inside, first = psf[near].astype(np.float64), [part.start for part in near]
    for _ in range(PEAK_ROUNDS):
        for axis, place in enumerate(top):
            if inside.shape[axis] < 2:
                continue
            at = [at - start for at, start in zip(peak, first, strict=True)]
            line = _line_through(inside, axis, at)
            spline = profile_spline(np.arange(len(line)) + float(first[axis]), line)
            turns = PPoly.from_spline(spline.derivative().tck).roots(extrapolate=False)
            turns = turns[np.abs(turns - place) <= 1]
            peak[axis] = max((float(turn) for turn in turns), key=spline, default=float(place))
    lines = []
    for axis in range(psf.ndim):
        across = tuple(slice(None) if a == axis else part for a, part in enumerate(near))
        at = [at - start for at, start in zip(peak, first, strict=True)]
        lines.append(_line_through(psf[across].astype(np.float64), axis, at))
    return tuple(lines)


def _line_through(
    array: NDArray[np.float64], axis: int, at: Sequence[float]
) -> NDArray[np.float64]:
    """Return the line along an axis through a place between voxels."""
    line: NDArray[np.float64] = array
    # The last axis first, so that the others keep their numbers.
    for other in reversed(range(array.ndim)):
        if other != axis and array.shape[other] > 1:
            weights = _single_splines(array.shape[other])(at[other])
            line = np.tensordot(line, weights, (other, 0))
        elif other != axis:
            line = line.squeeze(other)
    return line


@lru_cache(maxsize=64)
def _single_splines(n: int) -> BSpline:
    """Return the splines through a single 1 and else 0, of each of n voxels."""
    return profile_spline(np.arange(float(n)), np.eye(n))


def fwhm(psf: ArrayLike, spacing: Sequence[float]) -> tuple[float, ...]:
    """Return the full width at half maximum along each axis, in micrometres.

    Parameters
    ----------
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size in micrometres.

    Returns
    -------
    tuple of float
        One an axis: the width of the profile through the peak, at half of its maximum, both on
        splines through the voxels, see `peak_profiles`; no Gaussian is assumed. NaN where the
        profile does not fall to the half inside the array, or has fewer than four voxels.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used.
    """
    array = check_array(psf, "The PSF", constant=True).astype(np.float64)
    sizes = check_spacing(spacing, array.ndim)
    return tuple(
        profile_width(profile) * size
        for profile, size in zip(peak_profiles(array), sizes, strict=True)
    )


def profile_spline(positions: NDArray[np.floating], values: NDArray[np.floating]) -> BSpline:
    """Return the spline through a line's voxels that widths are measured on.

    Parameters
    ----------
    positions : numpy.ndarray
        (voxels,), increasing; at least two.
    values : numpy.ndarray
        (voxels,), or (voxels, lines).

    Returns
    -------
    scipy.interpolate.BSpline
        Of the degree 7; of a line of fewer voxels, of the highest odd degree that they are enough
        for.
    """
    degree = min(SPLINE_DEGREE, len(positions) - 1)
    return make_interp_spline(positions, values.astype(np.float64), degree - (degree + 1) % 2)


def profile_width(profile: NDArray[np.floating]) -> float:
    """Return a line's full width at half maximum, in voxels; see `fwhm`."""
    found = half_maximum(profile)
    return float("nan") if found is None else found.width


def profile_width_slope(profile: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how a line's width depends on each of its values, in voxels; 0 if it has none.

    Notes
    -----
    A spline s is the sum of its values times the splines B of a single 1. Where it passes the half
    of its maximum at t, in x, ``s(x) = s(t) / 2`` gives ``s'(x) dx = B(t) / 2 - B(x)``.
    """
    found = half_maximum(profile)
    n = len(profile)
    if found is None:
        return np.zeros(n)
    single = _single_splines(n)
    half = single(found.top) / 2
    left, right = ((half - single(x)) / found.spline(x, 1) for x in (found.left, found.right))
    slope: NDArray[np.float64] = right - left
    return slope


def half_maximum(profile: NDArray[np.floating]) -> HalfMaximum | None:
    """Return where a line falls to half of its maximum, on a spline; None where it does not."""
    n = len(profile)
    if n < LEAST_VOXELS:
        return None
    spline = profile_spline(np.arange(float(n)), profile)
    at = int(profile.argmax())
    turns = PPoly.from_spline(spline.derivative().tck).roots(extrapolate=False)
    near = turns[np.abs(turns - at) <= 1]
    top = max((float(t) for t in near), key=spline, default=float(at))
    half = PPoly.from_spline(spline.tck).solve(float(spline(top)) / 2, extrapolate=False)
    left, right = half[half < top], half[half > top]
    if len(left) == 0 or len(right) == 0:
        return None
    return HalfMaximum(spline, float(left.max()), top, float(right.min()))
