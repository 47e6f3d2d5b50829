"""Bead candidates of an unprocessed image, by a matched filter, and how large they are."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_psf_distiller.beads import IN_HALO
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM, typical_widths
from napari_psf_distiller.joint.image.lobes import single_lobes
from napari_psf_distiller.joint.image.matched_filter import (
    NEIGHBOUR_DIRECTIONS,
    NEIGHBOUR_DISTANCE_WIDTHS,
    filtered_maxima,
)

__all__ = [
    "EXCLUDED",
    "KEPT",
    "Candidates",
    "candidates_at",
    "find_candidates",
    "may_shape_psf",
]

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# The standard deviation of the filter's Gaussian where nothing is known of the PSF: for an image
# sampled at Nyquist's rate, in voxels; and its multiples, for finer voxels, that are tried in turn
# where it finds nothing.
NYQUIST_SIGMA_VOXELS, SIGMA_FACTORS = 1.2, (1.0, 1.7, 2.9)

# Places of an image that tell how uneven its background is. From that, peaks must stand out that
# rise by less than this part of the median of this many of the brightest ones.
UNEVENNESS_SAMPLES, MIN_FRACTION_OF_BRIGHT, BRIGHTEST_COUNT = 2000, 0.3, 8

# A bead's middle reaches this many of its widths to each side.
MIDDLE_WIDTHS = 0.3

# Its surroundings are at least so many voxels away, however large voxels are: nearer, most of them
# would be its middle's own.
LEAST_NEIGHBOUR_DISTANCE = 1.5

# A peak that rises above its surroundings by less than this part of its own height is a ripple on
# another bead's halo.
MIN_CONTRAST = 0.25

# Where halos meet, their rings may be as bright as this part of a bead that is up to this many of
# its widths away; twice as many along z. Further out a ring of all the light of a plane would be as
# bright as the bead times this many widths over the distance.
HALO_FRACTION, HALO_REACH_WIDTHS, FAR_HALO_WIDTHS = 0.1, 12.0, 0.5

# What may be decided of a bead before the fit, beside `IN_HALO`, which the fit is to tell: it is
# used whatever it looks like; somebody left it out.
KEPT, EXCLUDED = "kept", "excluded"


class Candidates(NamedTuple):
    """Where beads may be.

    Attributes
    ----------
    voxels : numpy.ndarray
        (candidates, 3): their brightest voxels, the brightest bead first.
    heights : numpy.ndarray
        (candidates,): intensity of the filtered image above the background there.
    in_halo : numpy.ndarray
        bool, (candidates,): so near to a much brighter one that it may be that one's halo.
    widths : numpy.ndarray
        Full width at half maximum of a typical one along each axis, in voxels.
    preset_status : numpy.ndarray, optional
        str, (candidates,): what was decided before the fit. `KEPT`: it is used. Empty: it is
        judged; `HELD_OUT` too, but it does not shape the PSF. Anything else is the reason why it
        must not. All are modelled.
    """

    voxels: Places
    heights: Floats
    in_halo: NDArray[np.bool_]
    widths: Floats
    preset_status: NDArray[np.str_] | None = None


def may_shape_psf(preset_status: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return which beads nothing that was decided before the fit keeps from shaping the PSF.

    Parameters
    ----------
    preset_status : numpy.ndarray
        str, (beads,); see `Candidates`.
    """
    return np.isin(preset_status, ["", KEPT])


def find_candidates(
    bead_image: BeadImage, significance: float, widths: Floats | None = None
) -> Candidates:
    """Find what may be beads: local maxima that stand out from noise and surroundings.

    Parameters
    ----------
    bead_image : BeadImage
    significance : float
        By how many standard deviations of the noise they stand out.
    widths : numpy.ndarray, optional
        What the width of a bead is expected to be along each axis, in voxels.

    Raises
    ------
    InputError
        There is no candidate, or none whose width could be measured.
    """
    flat = bead_image.intensity.shape[0] == 1
    sigma = (
        np.full(3, NYQUIST_SIGMA_VOXELS)
        if widths is None
        else np.clip(widths * SIGMAS_PER_FWHM, 0.6, 6.0)
    )
    for _ in range(2):
        for wider in SIGMA_FACTORS:
            voxels, heights = filtered_maxima(bead_image, sigma * wider, significance)
            logger.debug(
                "finding beads: %d maxima with a filter of %s voxels (standard deviation)",
                len(voxels),
                np.round(sigma * wider, 2).tolist(),
            )
            if len(voxels):
                sigma = sigma * wider
                break
        else:
            raise InputError(
                "No bead was found: nothing stands out from the noise by "
                f"{significance:g} of its standard deviations. Use a brighter image, or a lower "
                "significance."
            )
        expected = sigma / SIGMAS_PER_FWHM
        # A bright bead's rings may be many: they are not what is typical.
        leading = ~_within_halo(voxels, heights, expected)
        measured = typical_widths(bead_image, voxels[leading], heights[leading], expected)
        better = np.clip(measured * SIGMAS_PER_FWHM, 0.6, 6.0)
        if flat:
            better[0] = sigma[0]
        if np.all(np.abs(np.log(better / sigma)) < 0.5):
            break
        # The beads are much smaller or larger in voxels than the filter.
        sigma = better
    kept = _exceeds_noise(bead_image, voxels, measured, significance)
    voxels, heights = voxels[kept], heights[kept]
    kept = _isolated_maxima(voxels, heights, measured)
    voxels, heights = voxels[kept], heights[kept]
    if len(voxels) == 0:
        raise InputError(
            "No bead was found: what is bright in the image is larger than a bead. Check the voxel "
            "size, and that the image shows single beads."
        )
    kept = single_lobes(voxels / measured, heights)
    voxels, heights = voxels[kept], heights[kept]
    in_halo = _within_halo(voxels, heights, measured)
    logger.info(
        "finding beads: %d candidates above %g standard deviations of the noise, %d more that may "
        "be halos; a bead's image is %s voxels wide (z, y, x)",
        int((~in_halo).sum()),
        significance,
        int(in_halo.sum()),
        " x ".join(f"{width:.2f}" for width in measured),
    )
    return Candidates(voxels, heights, in_halo, measured)


def candidates_at(
    bead_image: BeadImage,
    centres: Floats,
    preset_status: NDArray[np.str_] | None = None,
    widths: Floats | None = None,
) -> Candidates:
    """Return candidates at given places, such as those that a user chose.

    Parameters
    ----------
    bead_image : BeadImage
    centres : numpy.ndarray
        (beads, 3), voxels, inside the image.
    preset_status : numpy.ndarray, optional
        What was decided before the fit; see `Candidates`.
    widths : numpy.ndarray, optional
        If they are known.

    Raises
    ------
    InputError
        There is none, or none whose width could be measured.
    """
    if len(centres) == 0:
        raise InputError("There is no bead: the list of beads is empty.")
    voxels = np.floor(np.asarray(centres, np.float64) + 0.5).astype(np.intp)
    heights = bead_image.intensity[tuple(voxels.T)] - bead_image.level(voxels)
    if widths is None:
        order = np.argsort(-heights, kind="stable")
        expected = np.full(3, NYQUIST_SIGMA_VOXELS / SIGMAS_PER_FWHM)
        widths = typical_widths(bead_image, voxels[order], heights[order], expected)
    in_halo = np.zeros(len(voxels), bool) if preset_status is None else preset_status == IN_HALO
    return Candidates(voxels, heights, in_halo, widths, preset_status)


def _mean_at(image: NDArray[Any], places: Places) -> Floats:
    """Return the mean intensity of each row of voxels; NaN where none is in the image."""
    shape = np.array(image.shape)
    inside = ((places >= 0) & (places < shape)).all(axis=2)
    values = image[tuple(np.moveaxis(np.clip(places, 0, shape - 1), 2, 0))]
    counts = inside.sum(axis=1)
    sums = np.where(inside, values, 0).sum(axis=1, dtype=np.float64)
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def _exceeds_noise(
    bead_image: BeadImage, voxels: Places, widths: Floats, significance: float
) -> NDArray[np.bool_]:
    """Return which peaks rise above their surroundings, now that a bead's width is known."""
    peak, around, count = _middle_and_around(bead_image, voxels, widths)
    levels = bead_image.level(voxels)
    noise_variance = bead_image.variance(
        (0.5 * np.maximum(peak - levels, 0) + levels).astype(np.float32)
    )
    # Places around overlap, so that they are worth about half as many; correlated noise averages
    # out less.
    own = min(1.0, bead_image.history.correlation.excess / count)
    deviation = np.sqrt(noise_variance * own * (1 + 2 / len(NEIGHBOUR_DIRECTIONS)))
    contrast = peak - around
    kept: NDArray[np.bool_] = (contrast > 0.7 * significance * deviation) & (
        contrast > MIN_CONTRAST * (peak - levels)
    )
    # On a background that is uneven on the scale of beads anything stands out from the noise.
    shape = bead_image.intensity.shape
    step = max(
        1,
        round((bead_image.intensity.size / UNEVENNESS_SAMPLES) ** (1 / sum(n > 1 for n in shape))),
    )
    grid = np.moveaxis(np.mgrid[tuple(slice(min(step, n) // 2, n, step) for n in shape)], 0, -1)
    inside, beside, _ = _middle_and_around(bead_image, grid.reshape(-1, 3), widths)
    contrasts = inside - beside
    # As a standard deviation, by the twentieth that rises most: the rest may be even.
    middle, high = np.nanpercentile(contrasts, (50, 95))
    unevenness = float(high - middle) / 1.645
    bright = np.median(np.sort(contrast[kept])[-BRIGHTEST_COUNT:]) if kept.any() else 0.0
    kept &= (contrast > 0.7 * significance * unevenness) | (
        contrast > MIN_FRACTION_OF_BRIGHT * bright
    )
    return kept


def _middle_and_around(
    bead_image: BeadImage, voxels: Places, widths: Floats
) -> tuple[Floats, Floats, int]:
    """Return the mean intensity of beads' middles and of places as large around them.

    The last is how many voxels a middle has.
    """
    reach = np.maximum(np.round(MIDDLE_WIDTHS * widths), 1).astype(np.intp)
    sides = tuple((2 * reach + 1).tolist())
    middle = np.array(list(np.ndindex(sides))) - reach
    peak = _mean_at(bead_image.intensity, voxels[:, None] + middle)
    away = np.maximum(widths * NEIGHBOUR_DISTANCE_WIDTHS, LEAST_NEIGHBOUR_DISTANCE)
    shell = np.round(NEIGHBOUR_DIRECTIONS * away).astype(np.intp)
    around = np.stack(
        [_mean_at(bead_image.intensity, (voxels + far)[:, None] + middle) for far in shell]
    )
    outside = np.isnan(around)
    around = np.where(outside, 0, around).sum(axis=0) / np.maximum((~outside).sum(axis=0), 1)
    return peak, around, len(middle)


def _isolated_maxima(voxels: Places, heights: Floats, widths: Floats) -> NDArray[np.bool_]:
    """Return which peaks have no higher one within about half a width: those are the noise's."""
    scaled = voxels / widths
    pairs = cKDTree(scaled).query_pairs(0.6, output_type="ndarray")
    kept = np.ones(len(voxels), bool)
    # The highest come first, so the second of a pair is the lower one.
    kept[pairs.max(axis=1)] = False
    return kept


def _within_halo(voxels: Places, heights: Floats, widths: Floats) -> NDArray[np.bool_]:
    """Return which peaks are so low, for their distance, that they may be a brighter one's halo."""
    scaled = voxels / widths
    # A halo reaches further along the axis.
    tree = cKDTree(scaled * [0.5, 1.0, 1.0])
    in_halo = np.zeros(len(voxels), bool)
    lowest = float(heights.min(initial=np.inf))
    for index, place in enumerate(tree.data):
        if in_halo[index]:
            continue
        reach = max(HALO_REACH_WIDTHS, FAR_HALO_WIDTHS * heights[index] / lowest)
        near = np.array(tree.query_ball_point(place, reach), np.intp)
        near = near[near > index]
        if len(near) == 0:
            continue
        away = np.sqrt(((tree.data[near] - place) ** 2).sum(axis=1))
        apart = scaled[near] - scaled[index]
        lateral = (apart[:, 1:] ** 2).sum(axis=1)
        axial = apart[:, 0] ** 2
        # The core, and a halo that spreads as a cone does, or the rings of several together.
        halo = np.maximum(
            np.exp(-4 * np.log(2) * (lateral + axial)),
            np.maximum(
                0.5 / (1 + 1.5 * lateral + axial) ** 1.5,
                np.where(
                    away <= HALO_REACH_WIDTHS, HALO_FRACTION, FAR_HALO_WIDTHS / np.maximum(away, 1)
                ),
            ),
        )
        in_halo[near[heights[near] < halo * heights[index]]] = True
    return in_halo
