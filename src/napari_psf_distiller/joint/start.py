"""How a joint fit begins: the PSF's band, its window, the first beads and the first PSF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM
from napari_psf_distiller.joint.image.detection import Candidates
from napari_psf_distiller.joint.image.observed_band import observed_band
from napari_psf_distiller.joint.voxel_phases import resolved_sampling, subvoxel_places
from napari_psf_distiller.optics import (
    AXIAL_WIDTH_PERIODS,
    LATERAL_WIDTH_PERIODS,
    MAX_AXIAL_CYCLES,
    MAX_LATERAL_CYCLES,
    Band,
    Support,
    sampled_band,
)

__all__ = [
    "MAX_SAMPLING",
    "Frequencies",
    "gaussian",
    "initial_deviations",
    "initial_frequencies",
    "inner_window",
    "most_isolated_first",
    "window_shape",
    "within_support",
]

Floats = NDArray[np.float64]

# The window reaches this many widths of a bead to each side, along z and in the plane. Light beyond
# it is taken for background, which errs the more the denser the beads are: where more than this
# many windows lie over each other in the plane, they are made larger, by up to this factor.
WINDOW_REACH_WIDTHS, MAX_OVERLAP, MAX_ENLARGEMENT = (6.5, 9.0), 1.2, 1.35

# And at least this many voxels, along z and in the plane, where the image has them: of large voxels
# these cost little, and hold most of the halo.
WINDOW_REACH_VOXELS = (12, 16)

# From this many beads on one of them may be something else.
MANY_BEADS = 5

# A window is no larger than this part of the image.
MAX_WINDOW_OF_IMAGE = 0.65

# The optics' figures are known to a few per cent: the band is wider by these factors, along z and
# in the plane.
OPTICS_TOLERANCE = (1.05, 1.02)

# Without optics the band is wider than the bead's width asks for by these factors, along z and in
# the plane.
UNKNOWN_OPTICS_MARGIN = (1.6, 1.3)

# And wider by the first factor than what is seen of it in the beads' images, which counts up to the
# second factor times what the width asks for.
OBSERVED_BAND_MARGIN, MAX_OBSERVED_EXCESS = 1.1, 1.6

# A microscope that passes the frequency k in the plane passes at least about this many micrometres
# times k squared along the axis: wavelength / (8 index), of visible light in water. It is not taken
# for more than the second, in cycles a micrometre.
PARAXIAL_MICROMETRES, MAX_PARAXIAL_AXIAL = 0.047, 2.0

# Voxels of the PSF's grid to one of the image's along an axis, at most; and how many times as high
# frequencies as the width of the beads asks for they are made to show: optics that pass far more
# than that are not these beads'.
MAX_SAMPLING, MAX_BAND_OF_WIDTHS = 4, 2.0

# The same along z and in the plane where the optics are not known, or hardly any light has the
# highest frequencies that they pass: a finer grid for these takes up noise, and several times the
# time. Where the beads show them all the same, it is refined later; see `refined_psf`. Along z a
# confocal microscope's PSF has that much more than a widefield's as wide.
SEEN_BAND_OF_WIDTHS = (1.3, 1.0)

# Beads are of typical height within this, as a logarithm, of the median.
TYPICAL_LOG_AMPLITUDE = 0.7


class Frequencies(NamedTuple):
    """Which frequencies a PSF may have, and the grid that shows them.

    Attributes
    ----------
    band : Band
    sampling : tuple of int
        Voxels of the PSF's grid to one of the image's, along z, y and x.
    """

    band: Band
    sampling: tuple[int, int, int]


def initial_frequencies(
    support: Support | None, bead_image: BeadImage, candidates: Candidates
) -> Frequencies:
    """Return the frequencies that a PSF may have, and how much finer than the image its grid is.

    Parameters
    ----------
    support : Support or None
        Which frequencies the microscope passes; None takes them from the beads.
    bead_image : BeadImage
    candidates : Candidates

    Notes
    -----
    An aberrated PSF is wide and has fine detail all the same: so where the optics are not known,
    what is seen in the beads' images counts too; and along z, where that is not bounded.

    Voxels that are too large for a frequency show it as a lower one. Of beads at different places
    within their voxels it can be told all the same, as each shows the PSF at other places (J.
    Anderson and I. R. King, "Toward high-precision astrometry with WFPC2", PASP 112, 2000): so
    where voxels are too large, the PSF has a grid of its own.
    """
    lateral, axial = within_support(Band(math.inf, math.inf), support)
    if math.isinf(axial):
        shown = _band_of_beads(bead_image, candidates)
        lateral, axial = min(lateral, shown.lateral), shown.axial
    widths, times = _band_of_widths(bead_image, candidates), SEEN_BAND_OF_WIDTHS
    if support is not None and math.isfinite(support.band.axial) and support.light_fills_it:
        times = (MAX_BAND_OF_WIDTHS, MAX_BAND_OF_WIDTHS)
    needed = Band(times[1] * widths.lateral, times[0] * widths.axial)
    if support is not None:
        needed = Band(
            min(needed.lateral, support.band.lateral), min(needed.axial, support.band.axial)
        )
    sampling = _sampling(needed, bead_image, candidates)
    grid = [size / factor for size, factor in zip(bead_image.spacing, sampling, strict=True)]
    most = sampled_band(grid)
    return Frequencies(Band(min(lateral, most.lateral), min(axial, most.axial)), sampling)


def within_support(band: Band, support: Support | None) -> Band:
    """Return a band without what a microscope does not pass; all of it where that is not known."""
    if support is None:
        return band
    return Band(
        min(band.lateral, support.band.lateral * OPTICS_TOLERANCE[1]),
        min(band.axial, support.band.axial * OPTICS_TOLERANCE[0]),
    )


def _sampling(needed: Band, bead_image: BeadImage, candidates: Candidates) -> tuple[int, int, int]:
    """Return how many voxels of the PSF's grid one of the image's needs, along each axis.

    It is 1 where the beads' places cannot tell what is finer.
    """
    wanted = [
        math.ceil(highest * size / cycles)
        for highest, size, cycles in zip(
            (needed.axial, needed.lateral, needed.lateral),
            bead_image.spacing,
            (MAX_AXIAL_CYCLES, MAX_LATERAL_CYCLES, MAX_LATERAL_CYCLES),
            strict=True,
        )
    ]
    if len(bead_image.intensity) == 1:
        wanted[0] = 1
    if max(wanted) == 1:
        return 1, 1, 1
    sampling = [min(factor, MAX_SAMPLING) for factor in wanted]
    voxels = candidates.voxels[~candidates.in_halo]
    places = subvoxel_places(bead_image.intensity, voxels, bead_image.level(voxels))
    return resolved_sampling(places, sampling)


def _band_of_widths(bead_image: BeadImage, candidates: Candidates) -> Band:
    """Return the frequencies that an unaberrated PSF as wide as the beads' images has."""
    spacing, widths = bead_image.spacing, candidates.widths
    along, *across = widths * spacing
    return Band(LATERAL_WIDTH_PERIODS / min(across), AXIAL_WIDTH_PERIODS / along)


def _band_of_beads(bead_image: BeadImage, candidates: Candidates) -> Band:
    """Return the frequencies that beads can be told to have by their widths and their spectra."""
    width = _band_of_widths(bead_image, candidates)
    lateral = UNKNOWN_OPTICS_MARGIN[1] * width.lateral
    axial = UNKNOWN_OPTICS_MARGIN[0] * width.axial
    seen = observed_band(bead_image, candidates)
    if seen is not None:
        lateral = max(
            lateral, min(OBSERVED_BAND_MARGIN * seen.lateral, MAX_OBSERVED_EXCESS * lateral)
        )
        axial = max(axial, min(OBSERVED_BAND_MARGIN * seen.axial, MAX_OBSERVED_EXCESS * axial))
    # An aberrated PSF may be long along z, with all the frequencies of a short one.
    axial = max(axial, min(PARAXIAL_MICROMETRES * lateral**2, MAX_PARAXIAL_AXIAL))
    return Band(lateral, axial)


def window_shape(
    extent: tuple[float, ...] | None, bead_image: BeadImage, candidates: Candidates
) -> tuple[int, int, int]:
    """Return how many voxels a PSF has along each axis.

    Parameters
    ----------
    extent : tuple of float or None
        In micrometres; None takes it from the beads.
    bead_image : BeadImage
    candidates : Candidates
    """
    shape, spacing, widths = bead_image.intensity.shape, bead_image.spacing, candidates.widths
    if extent is not None:
        halves = [reach / size / 2 for reach, size in zip(extent, spacing, strict=True)]
    else:
        across = WINDOW_REACH_WIDTHS[1] * max(widths[1:] * spacing[1:])
        plane = shape[1] * spacing[1] * shape[2] * spacing[2]
        overlap = len(candidates.voxels) * (2 * across) ** 2 / plane
        across *= float(np.clip(np.sqrt(overlap / MAX_OVERLAP), 1, MAX_ENLARGEMENT))
        across = max(across, WINDOW_REACH_VOXELS[1] * max(spacing[1:]))
        # Beside a bead there must be background.
        across = min(
            across, MAX_WINDOW_OF_IMAGE * min(shape[1] * spacing[1], shape[2] * spacing[2]) / 2
        )
        along = max(WINDOW_REACH_WIDTHS[0] * widths[0], WINDOW_REACH_VOXELS[0])
        halves = [along, across / spacing[1], across / spacing[2]]
    nz, ny, nx = (
        2 * max(least, min(int(np.ceil(half)), limit)) + 1
        for half, least, limit in zip(
            halves,
            (1, 2, 2),
            (_planes_seen(bead_image, candidates), shape[1], shape[2]),
            strict=True,
        )
    )
    return (1 if shape[0] == 1 else nz, ny, nx)


def _planes_seen(bead_image: BeadImage, candidates: Candidates) -> int:
    """Return how many planes of a bead are seen both before its focus and behind it.

    It is the bead that shows most that counts, or where beads are many the next one to it.
    """
    planes = candidates.voxels[~candidates.in_halo, 0]
    last = len(bead_image.intensity) - 1
    if len(planes) == 0:
        return last // 2
    rank = -2 if len(planes) >= MANY_BEADS else -1
    seen = min(int(np.sort(side)[rank]) for side in (planes, last - planes))
    return min(last // 2, seen)


def inner_window(
    window: tuple[int, ...], widths: Floats, reach: tuple[float, float]
) -> tuple[int, int, int]:
    """Return the shape of the inner part of a window, in voxels.

    Parameters
    ----------
    window : tuple of int
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    reach : tuple of float
        In widths to each side, along z and in the plane.
    """
    halves = np.ceil(np.array([reach[0], reach[1], reach[1]]) * widths).astype(int).tolist()
    nz, ny, nx = (min(n, 2 * max(2, half) + 1) for n, half in zip(window, halves, strict=True))
    return nz, ny, nx


def most_isolated_first(places: Floats, heights: Floats) -> NDArray[np.intp]:
    """Return an order of beads: those of typical height first, the most isolated ones in front.

    Parameters
    ----------
    places : numpy.ndarray
        (beads, 3), in widths of a bead.
    heights : numpy.ndarray
        (beads,): intensities above the background.
    """
    logarithms = np.log(np.maximum(heights, 1e-300))
    unusual = np.abs(logarithms - np.median(logarithms)) > TYPICAL_LOG_AMPLITUDE
    nearest = np.full(len(places), np.inf)
    if len(places) > 1:
        apart, _ = cKDTree(places).query(places, [2])
        nearest = np.asarray(apart, np.float64)[:, 0]
    return np.lexsort((-nearest, unusual))


def initial_deviations(
    widths: Floats, band: Band, spacing: Sequence[float], diameter: float
) -> Floats:
    """Return the standard deviations, in voxels, of the Gaussian that is the first PSF.

    Parameters
    ----------
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    band : Band
        The PSF's; see `initial_frequencies`.
    spacing : sequence of float
        Voxel size in micrometres.
    diameter : float
        A bead's, in micrometres.

    Notes
    -----
    Convolved with a ball of diameter d, the variance of an image grows by d^2 / 20 along each axis.
    What that leaves of a large bead's is not less than what the band can make: in the plane an
    Airy disc's 0.51 wavelengths over the numerical aperture, along the axis 0.88 over its band.
    """
    sizes = np.asarray(spacing)
    lateral = LATERAL_WIDTH_PERIODS / band.lateral
    finest = np.array([AXIAL_WIDTH_PERIODS / max(band.axial, 1e-9), lateral, lateral])
    left = (widths * SIGMAS_PER_FWHM) ** 2 - (diameter / sizes) ** 2 / 20
    least = np.minimum(finest / sizes, widths) * SIGMAS_PER_FWHM
    deviations: Floats = np.sqrt(np.maximum(left, least**2))
    return deviations


def gaussian(window: tuple[int, ...], deviations: Floats) -> Floats:
    """Return a Gaussian in the middle of a window, 1 there; deviations in voxels."""
    axes = [
        np.exp(-0.5 * ((np.arange(n) - n // 2) / s) ** 2)
        for n, s in zip(window, deviations, strict=True)
    ]
    cube: Floats = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    return cube
