"""From the distilled array to the PSF, and its measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from napari_psf_distiller.checks import check_array, check_image, check_spacing
from napari_psf_distiller.errors import InputError

__all__ = [
    "LEAST_VOXELS",
    "centre_on_peak",
    "crop_about_centre",
    "fwhm",
    "peak_profiles",
    "postprocess",
    "profile_width",
    "profile_width_slope",
]

# A cubic spline needs four.
LEAST_VOXELS = 4


class _HalfMaximum(NamedTuple):
    """A line's spline, where it is highest, and where it falls to the half of that, in voxels."""

    spline: CubicSpline
    left: float
    top: float
    right: float


def postprocess(
    distilled: ArrayLike,
    *,
    crop: Sequence[int] | None = None,
    background: float = 0.0,
    clip: bool = True,
    normalise: bool = True,
) -> NDArray[np.float32]:
    """Turn a distilled array into a PSF: centre, crop, subtract background, clip, normalise.

    Parameters
    ----------
    distilled : array_like
        (Z, Y, X) or (Y, X).
    crop : sequence of int, optional
        Voxels kept about the centre; see `crop_about_centre`.
    background : float
        This fraction of the maximum is subtracted; from 0 to less than 1.
    clip : bool
        Negative values become 0.
    normalise : bool
        Scale to sum 1.

    Returns
    -------
    numpy.ndarray
        float32; its peak at n // 2 on each axis.

    Raises
    ------
    InputError
        The array or a parameter cannot be used, or nothing is left that could be scaled.
    """
    if not 0 <= background < 1:
        raise InputError(
            f"The background is {background} of the maximum; it must be from 0 to less than 1."
        )
    psf = centre_on_peak(check_image(distilled, "The distilled PSF"))
    if crop is not None:
        psf = crop_about_centre(psf, crop)
    values = psf.astype(np.float64)
    values -= background * values.max()
    if clip:
        np.maximum(values, 0, out=values)
    if normalise:
        total = values.sum()
        if not total > 0:
            raise InputError(
                "The PSF's sum is not positive, so it cannot be scaled to 1. Clip negative values, "
                "or subtract less background."
            )
        values /= total
    return values.astype(np.float32)


def centre_on_peak(psf: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move the brightest voxel to n // 2 on each axis; what leaves on one side enters on the other.

    The distilled array is circulant up to its padding, so nothing is lost.
    """
    peak = np.unravel_index(int(psf.argmax()), psf.shape)
    moves = tuple(n // 2 - int(p) for n, p in zip(psf.shape, peak, strict=True))
    return np.roll(psf, moves, axis=tuple(range(psf.ndim)))


def crop_about_centre(psf: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """Keep `shape` voxels about the centre, so that n // 2 stays n // 2.

    Parameters
    ----------
    psf : numpy.ndarray
    shape : sequence of int
        One number an axis; of three the last two count for a 2D PSF. An axis that is smaller
        already is kept whole.

    Raises
    ------
    InputError
        Too few numbers, or one below 1.
    """
    if len(shape) < psf.ndim or min(shape) < 1:
        raise InputError(
            f"The crop {tuple(shape)} must have {psf.ndim} sizes of 1 or more, one an axis."
        )
    kept = [min(n, m) for n, m in zip(psf.shape, shape[-psf.ndim :], strict=True)]
    box = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(psf.shape, kept, strict=True)
    )
    return np.ascontiguousarray(psf[box])


def peak_profiles(psf: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
    """Return the lines through the brightest voxel, one along each axis."""
    peak = np.unravel_index(int(psf.argmax()), psf.shape)
    return tuple(
        psf[tuple(slice(None) if a == axis else int(p) for a, p in enumerate(peak))]
        for axis in range(psf.ndim)
    )


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
        One an axis: the width of the profile through the brightest voxel, at half of its maximum,
        both on a cubic spline through the voxels; no Gaussian is assumed. NaN where the profile
        does not fall to the half inside the array, or has fewer than four voxels.

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


def profile_width(profile: NDArray[np.floating]) -> float:
    """Return a line's full width at half maximum, in voxels; see `fwhm`."""
    found = _half_maximum(profile)
    return float("nan") if found is None else found.right - found.left


def profile_width_slope(profile: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how a line's width depends on each of its values, in voxels; 0 if it has none.

    Notes
    -----
    A spline s is the sum of its values times the splines B of a single 1. Where it passes the half
    of its maximum at t, in x, ``s(x) = s(t) / 2`` gives ``s'(x) dx = B(t) / 2 - B(x)``.
    """
    found = _half_maximum(profile)
    n = len(profile)
    if found is None:
        return np.zeros(n)
    single = CubicSpline(np.arange(n), np.eye(n))
    half = single(found.top) / 2
    left, right = ((half - single(x)) / found.spline(x, 1) for x in (found.left, found.right))
    slope: NDArray[np.float64] = right - left
    return slope


def _half_maximum(profile: NDArray[np.floating]) -> _HalfMaximum | None:
    """Return where a line falls to half of its maximum, on a spline; None where it does not."""
    n = len(profile)
    if n < LEAST_VOXELS:
        return None
    spline = CubicSpline(np.arange(n), profile.astype(np.float64))
    at = int(profile.argmax())
    turns = spline.derivative().roots(extrapolate=False)
    near = turns[np.abs(turns - at) <= 1]
    top = max((float(t) for t in near), key=spline, default=float(at))
    half = spline.solve(float(spline(top)) / 2, extrapolate=False)
    left, right = half[half < top], half[half > top]
    if len(left) == 0 or len(right) == 0:
        return None
    return _HalfMaximum(spline, float(left.max()), top, float(right.min()))
