"""How wide the image of a typical bead is, before anything else is known of the PSF."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.spatial import cKDTree

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.image.bead_image import BeadImage

__all__ = ["SIGMAS_PER_FWHM", "typical_widths"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# A Gaussian's standard deviation over its full width at half maximum.
SIGMAS_PER_FWHM = 1 / 2.3548

# Windows in which the width of typical beads is measured, in voxels to each side, and the number of
# beads, at most.
WINDOW_HALF_VOXELS = (8, 10, 10)
MAX_TYPICAL_BEADS = 30

# Where the noise is more than this part of the beads' height, lines through their middles do not
# tell their width.
MAX_RELATIVE_NOISE = 0.1

# What is about a bead is haze if it is brighter than this part of the bead's height.
HAZE_FRACTION = 0.15

# A Gaussian is fitted to what lies within this many of its standard deviations.
FIT_REACH_SIGMAS = 1.8

# The least and the largest width that is believed, in voxels.
MIN_WIDTH_VOXELS, MAX_WIDTH_VOXELS = 1.0, 40.0


def typical_widths(
    bead_image: BeadImage, voxels: Places, heights: Floats, expected: Floats
) -> Floats:
    """Return the widths of the median of bright beads that stand alone.

    Parameters
    ----------
    bead_image : BeadImage
    voxels : numpy.ndarray
        (beads, 3): their brightest voxels, the brightest bead first.
    heights : numpy.ndarray
        (beads,): their intensities above the background.
    expected : numpy.ndarray
        About what the widths are, in voxels.

    Returns
    -------
    numpy.ndarray
        Full width at half maximum along z, y and x, in voxels: from straight lines between the
        voxels; where the noise is too loud for these, or the image ends before half of the height,
        from the Gaussian that fits best.

    Raises
    ------
    InputError
        All beads lie on the image's sides.
    """
    half = np.array(WINDOW_HALF_VOXELS)
    tree = cKDTree(voxels)
    # Ripples and dim specks are not what is typical.
    strong = heights[heights > 0.1 * np.median(heights[:3])]
    reference = float(np.median(strong[: 2 * MAX_TYPICAL_BEADS]))
    levels = bead_image.level(voxels)
    windows: list[Array] = []
    noise: list[float] = []
    for cut, alone in itertools.product((False, True), (True, False)):
        for index, voxel in enumerate(voxels):
            if not 0.25 * reference <= heights[index] <= 4 * reference:
                continue
            near = tree.query_ball_point(voxel, float(half.max()))
            if alone and any(heights[j] > 0.3 * heights[index] for j in near if j != index):
                continue
            window = _window(bead_image.intensity, voxel, half, cut)
            if window is None:
                continue
            # On haze that the background does not follow, a bead stands on what is about it.
            level, around = float(levels[index]), float(np.nanpercentile(window, 20))
            if around - level > HAZE_FRACTION * (float(window[tuple(half)]) - level):
                level = around
            window -= np.float32(level)
            top = float(window[tuple(half)])
            if top > 0:
                windows.append(window / np.float32(top))
                noise_variance = bead_image.variance(np.array([top + level], np.float32))
                noise.append(float(np.sqrt(noise_variance[0])) / top)
            if len(windows) == MAX_TYPICAL_BEADS:
                break
        if windows:
            break
    if not windows:
        raise InputError(
            "The beads lie at the image's sides, or where it begins or ends along z, so that their "
            "middle is not seen. Use an image in which whole beads are seen, from below their "
            "focus to above it."
        )
    stack = np.array(windows)
    seen = ~np.isnan(stack).all(axis=0)
    median = np.full(stack.shape[1:], np.nan)
    median[seen] = np.nanmedian(stack[:, seen], axis=0)
    lines = [
        median[tuple(slice(None) if a == axis else half[a] for a in range(3))] for axis in range(3)
    ]
    axes = [axis for axis, n in enumerate(bead_image.intensity.shape) if n > 1]
    widths = np.array([_width(line) for line in lines])
    if np.median(noise) / np.sqrt(len(noise)) > MAX_RELATIVE_NOISE or np.isnan(widths[axes]).any():
        fitted = _gaussian_widths(median, axes, expected)
        widths = np.where(np.isnan(fitted), widths, fitted)
    return np.where(np.isnan(widths), expected, widths)


def _window(image: NDArray[np.number], voxel: Places, half: Places, cut: bool) -> Array | None:
    """Return an image about a voxel; NaN where it ends.

    None where it ends in the plane; if it may be `cut` there, where it ends at the voxel.
    """
    shape = np.array(image.shape)
    low, high = voxel - half, voxel + half + 1
    near = 1 if cut else half[1:]
    if (voxel[1:] < near).any() or (voxel[1:] > shape[1:] - 1 - near).any():
        return None
    start, stop = np.maximum(low, 0), np.minimum(high, shape)
    window = np.full(tuple(high - low), np.nan, np.float32)
    inner = tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))
    outer = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    window[inner] = image[outer]
    return window


def _width(line: Floats) -> float:
    """Return the full width at half of the middle value, by straight lines between voxels.

    What is seen to one side only counts twice; NaN where it is seen to none.
    """
    middle = len(line) // 2
    half = line[middle] / 2

    def reach(side: Floats) -> float:
        below = np.flatnonzero(side < half)
        if len(below) == 0:
            return float("nan") if np.isnan(side).any() else float(len(side) - 1)
        first = int(below[0])
        return first - float((half - side[first]) / (side[first - 1] - side[first]))

    sides = np.array([reach(line[middle:]), reach(line[middle::-1])])
    return 2 * float(np.nanmean(sides)) if not np.isnan(sides).all() else float("nan")


def _gaussian_widths(window: Floats, axes: Sequence[int], expected: Floats) -> Floats:
    """Return the widths of the Gaussian on a level that fits the middle of a window best.

    NaN along other axes than these, and where it does not fit.
    """
    grid = np.indices(window.shape).reshape(3, -1)[axes] - np.array(window.shape)[axes, None] // 2
    values = window.ravel()
    grid, values = grid[:, ~np.isnan(values)], values[~np.isnan(values)]
    count = len(axes)
    deviations = expected[axes] * SIGMAS_PER_FWHM
    low = np.r_[0.0, -1.0, np.full(count, -2.0), np.full(count, MIN_WIDTH_VOXELS * SIGMAS_PER_FWHM)]
    high = np.r_[5.0, 1.0, np.full(count, 2.0), np.full(count, MAX_WIDTH_VOXELS * SIGMAS_PER_FWHM)]
    start = np.r_[1.0, 0.0, np.zeros(count), deviations]
    for _ in range(3):
        centre, deviations = start[2 : 2 + count], start[2 + count :]
        near = (((grid - centre[:, None]) / deviations[:, None]) ** 2).sum(
            axis=0
        ) < FIT_REACH_SIGMAS**2
        if np.count_nonzero(near) < 3 * len(start):
            break
        places, heights = grid[:, near], values[near]

        def residuals(p: Floats, places: Floats = places, heights: Floats = heights) -> Floats:
            apart = (places - p[2 : 2 + count, None]) / p[2 + count :, None]
            result: Floats = p[0] * np.exp(-0.5 * (apart**2).sum(axis=0)) + p[1] - heights
            return result

        start = optimize.least_squares(
            residuals, np.clip(start, low + 1e-3, high - 1e-3), bounds=(low, high)
        ).x
    result = np.full(3, np.nan)
    result[axes] = start[2 + count :] / SIGMAS_PER_FWHM
    return result
