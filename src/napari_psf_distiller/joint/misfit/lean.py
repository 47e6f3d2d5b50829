"""Whether a PSF leans: whether its planes' centres of light move sideways along z."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM

__all__ = ["Lean", "asymmetry_left", "psf_lean"]

Floats = NDArray[np.float64]

# Planes within this many widths of the middle are looked at, weighted in the plane by a Gaussian
# this many times as wide as the PSF.
PLANE_REACH_WIDTHS, WEIGHT_WIDTH_FACTOR = 1.0, 1.5

# Planes that are needed to tell a slope.
MIN_PLANES = 3

# Planes are compared with themselves, turned by half, within this many widths to each side. A
# relative difference of their squares below this is nothing.
COMPARED_REACH_WIDTHS, MIN_ASYMMETRY = 2.0, 1e-5


class Lean(NamedTuple):
    """By how much a PSF leans.

    Attributes
    ----------
    slopes : tuple of float
        Displacement of the centre of light along y and x, in voxels a plane.
    errors : tuple of float
        The slopes' standard errors, in voxels a plane.
    """

    slopes: tuple[float, float]
    errors: tuple[float, float]

    def plus(self, other: Lean) -> Lean:
        """Return the lean of a sum: of the PSF and of what it leaves."""
        slopes, errors = np.add(self.slopes, other.slopes), np.hypot(self.errors, other.errors)
        return Lean((float(slopes[0]), float(slopes[1])), (float(errors[0]), float(errors[1])))

    @property
    def significance(self) -> float:
        """The larger slope, in its standard errors."""
        pairs = zip(self.slopes, self.errors, strict=True)
        return max(abs(slope) / max(error, 1e-300) for slope, error in pairs)

    def part(self, widths: Floats) -> float:
        """Return by what part of its width in the plane a PSF moves within its width along z.

        Parameters
        ----------
        widths : numpy.ndarray
            Along z, y and x.
        """
        return float(np.hypot(*(np.array(self.slopes) / widths[1:])) * widths[0])


def psf_lean(psf: Floats, errors: Floats, widths: Floats) -> Lean:
    """Return by how much a PSF leans; not at all where it has too few planes.

    Parameters
    ----------
    psf, errors : numpy.ndarray
        (Z, Y, X): the PSF about the window's middle, and its voxels' standard errors.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.

    Notes
    -----
    No aberration of phase moves the centre of light along z: it goes by the mean direction of the
    rays (M. Born and E. Wolf, Principles of Optics, 1999). A slide that drifts during the stack and
    an axis that is not that of the steps do. Within a window that cuts the halo coma moves it, but
    to both sides of the focus in the same way.
    """
    z, y, x = (np.arange(n) - n // 2 for n in psf.shape)
    near = np.abs(z) <= PLANE_REACH_WIDTHS * widths[0]
    if near.sum() < MIN_PLANES:
        return Lean((0.0, 0.0), (0.0, 0.0))
    part, part_errors, along = psf[near], errors[near], z[near].astype(np.float64)
    sy, sx = WEIGHT_WIDTH_FACTOR * widths[1:] * SIGMAS_PER_FWHM
    window = np.exp(-0.5 * ((y[:, None] / sy) ** 2 + (x / sx) ** 2))
    light = (part * window).sum(axis=(1, 2))
    # What a Gaussian's weight takes of a displacement.
    shrunk = WEIGHT_WIDTH_FACTOR**2 / (1 + WEIGHT_WIDTH_FACTOR**2)
    slopes, deviations = [], []
    # A plane without light has no place of its own.
    lit = light > 0
    if not lit.any():
        return Lean((0.0, 0.0), (0.0, 0.0))
    part, along, light, part_errors = part[lit], along[lit], light[lit], part_errors[lit]
    weight = light**2 / (light**2).sum()
    along_centred = along - (weight * along).sum()
    along_variance = (weight * along_centred**2).sum()
    for places in (y[:, None] * np.ones_like(window), x * np.ones_like(window)):
        moment = (part * window * places).sum(axis=(1, 2)) / light / shrunk
        variance = ((part_errors * window * places) ** 2).sum(axis=(1, 2))
        variance = variance / (light * shrunk) ** 2
        slopes.append(float((weight * along_centred * moment).sum() / along_variance))
        deviations.append(
            float(np.sqrt((weight**2 * along_centred**2 * variance).sum()) / along_variance)
        )
    return Lean((slopes[0], slopes[1]), (deviations[0], deviations[1]))


def asymmetry_left(psf: Floats, lean: Lean, widths: Floats) -> float:
    """Return what is left of a PSF's difference from itself turned by half once it stands upright.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X), about the window's middle.
    lean : Lean
        Each plane is moved back by this.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.

    Returns
    -------
    float
        The part of the squared difference near the middle that is left: about 0 where a drift
        makes the planes asymmetric, 1 where coma does. 0 where they are symmetric.
    """
    planes = np.arange(len(psf)) - len(psf) // 2
    near = np.abs(planes) <= PLANE_REACH_WIDTHS * widths[0]
    middle = tuple(
        slice(
            max(n // 2 - round(COMPARED_REACH_WIDTHS * width), 0),
            n // 2 + round(COMPARED_REACH_WIDTHS * width) + 1,
        )
        for n, width in zip(psf.shape[1:], widths[1:], strict=True)
    )

    def uneven(planes_of: Floats) -> float:
        part = planes_of[:, *middle]
        return float(((part - part[:, ::-1, ::-1]) ** 2).sum() / max((part**2).sum(), 1e-300))

    y, x = lean.slopes
    upright = np.stack(
        [
            ndimage.shift(plane, (-y * z, -x * z), order=3)
            for z, plane in zip(planes[near], psf[near], strict=True)
        ]
    )
    before = uneven(psf[near])
    return uneven(upright) / before if before > MIN_ASYMMETRY else 0.0
