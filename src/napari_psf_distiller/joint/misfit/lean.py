"""Whether a PSF leans: whether its planes' centres of light move sideways along z."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.joint.image.bead_widths import DEVIATION

__all__ = ["Lean", "psf_lean", "uneven_part"]

Floats = NDArray[np.float64]

# Planes within so many widths of the middle are looked at, with a Gaussian's weight in the plane
# that is wider than the PSF by so much.
PLANES, WIDER = 1.0, 1.5

LEAST_PLANES = 3

# Planes are compared with themselves within so many widths to each side. What they differ by less
# than this is nothing.
AROUND, LEAST_UNEVEN = 2.0, 1e-5


class Lean(NamedTuple):
    """By how much a PSF leans.

    Attributes
    ----------
    slopes, errors : tuple of float
        Of its centre of light along y and x, in voxels a plane; their standard errors.
    """

    slopes: tuple[float, float]
    errors: tuple[float, float]

    def plus(self, other: Lean) -> Lean:
        """Return both together."""
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
    to both sides of the focus alike.
    """
    z, y, x = (np.arange(n) - n // 2 for n in psf.shape)
    near = np.abs(z) <= PLANES * widths[0]
    if near.sum() < LEAST_PLANES:
        return Lean((0.0, 0.0), (0.0, 0.0))
    part, doubt, along = psf[near], errors[near], z[near].astype(np.float64)
    sy, sx = WIDER * widths[1:] * DEVIATION
    window = np.exp(-0.5 * ((y[:, None] / sy) ** 2 + (x / sx) ** 2))
    light = (part * window).sum(axis=(1, 2))
    # What a Gaussian's weight takes of a displacement.
    shrunk = WIDER**2 / (1 + WIDER**2)
    slopes, deviations = [], []
    # A plane without light has no place of its own.
    lit = light > 0
    if not lit.any():
        return Lean((0.0, 0.0), (0.0, 0.0))
    part, along, light, doubt = part[lit], along[lit], light[lit], doubt[lit]
    weight = light**2 / (light**2).sum()
    off = along - (weight * along).sum()
    spread = (weight * off**2).sum()
    for places in (y[:, None] * np.ones_like(window), x * np.ones_like(window)):
        moment = (part * window * places).sum(axis=(1, 2)) / light / shrunk
        variance = ((doubt * window * places) ** 2).sum(axis=(1, 2))
        variance = variance / (light * shrunk) ** 2
        slopes.append(float((weight * off * moment).sum() / spread))
        deviations.append(float(np.sqrt((weight**2 * off**2 * variance).sum()) / spread))
    return Lean((slopes[0], slopes[1]), (deviations[0], deviations[1]))


def uneven_part(psf: Floats, lean: Lean, widths: Floats) -> float:
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
        Of the squares' sum near the middle: about 0 where a drift is all that makes planes uneven,
        1 where coma does. 0 where they are even.
    """
    planes = np.arange(len(psf)) - len(psf) // 2
    near = np.abs(planes) <= PLANES * widths[0]
    middle = tuple(
        slice(max(n // 2 - round(AROUND * width), 0), n // 2 + round(AROUND * width) + 1)
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
    return uneven(upright) / before if before > LEAST_UNEVEN else 0.0
