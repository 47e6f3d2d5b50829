"""How wide a PSF is in the plane by the sum of its planes, which its focus has no part in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.optics import support_of
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import theoretical_psf

__all__ = ["ProjectedScale", "projected_scale"]

Array = NDArray[np.floating]
Floats = NDArray[np.float64]

# The range of lateral frequencies that are compared, in parts of the highest that the optics pass:
# below, the window's size counts, and above there is little but noise.
COMPARED = (0.3, 0.8)

# Frequencies are looked at in rings of this width, in the same parts, up to the end of theory's.
RING, END = 0.0125, 1.1

# A PSF may be so many times as wide as theory's.
SCALES = np.linspace(0.5, 1.7, 241)

# The sum of the planes is padded with zeros to so many pixels, at least.
LEAST_PIXELS = 256

# Planes and pixels that there must be.
MIN_PLANES, MIN_PIXELS = 5, 15


class ProjectedScale(NamedTuple):
    """How many times as wide as theory's the sum of a PSF's planes is.

    Attributes
    ----------
    scale : float
    error : float
        Its standard error, of how badly theory's spectrum agrees with the PSF's.
    """

    scale: float
    error: float


def projected_scale(psf: Array, spacing: Sequence[float], optics: Optics) -> ProjectedScale | None:
    """Compare the spectrum of the sum of a PSF's planes with theory's.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X).
    spacing : sequence of float
        Voxel size along z, y and x in micrometres.
    optics : Optics

    Returns
    -------
    ProjectedScale or None
        By what theory's widths in the plane must be multiplied so that the spectra have the same
        shape, whatever their strength. None for a single plane, and for a microscope without
        theory or of whose planes not all have the same light.

    Notes
    -----
    The sum over all planes has the frequencies whose axial part is 0. Each is made by pairs of rays
    that are as steep as each other. What delays rays by their steepness alone, such as spherical
    aberration or a wrong immersion, so leaves the sum as it is, though the width through the
    brightest plane may become narrower by 15 % and the PSF may get several foci. Coma and
    astigmatism make the sum weaker and wider.

    Examples
    --------
    >>> from napari_psf_distiller import simulate_psf
    >>> optics, spacing = Optics(1.2, 0.52, 1.33), (0.2, 0.08, 0.08)
    >>> psf = simulate_psf((31, 61, 61), spacing, spherical=0.2)
    >>> round(projected_scale(psf, spacing, optics).scale, 1)
    1.0
    >>> round(projected_scale(psf, (0.2, 0.06, 0.06), optics).scale, 1)
    0.7
    """
    support = support_of(optics)
    if support is None or not support.equal_plane_light or np.ndim(psf) != 3:
        return None
    if psf.shape[0] < MIN_PLANES or min(psf.shape[1:]) < MIN_PIXELS:
        return None
    theory = theoretical_psf(psf.shape, spacing, optics)
    assert theory is not None
    edges = np.arange(0, END + RING, RING)
    middle = (edges[1:] + edges[:-1]) / 2
    found, expected = (
        _in_rings(one, spacing[1:], edges * support.band.lateral) for one in (psf, theory)
    )
    compared = (middle > COMPARED[0]) & (middle < COMPARED[1]) & (found > 0)
    if np.count_nonzero(compared) < 3:
        return None
    # A ring has as many frequencies as it is long.
    ring, target = middle[compared], found[compared]
    weight = np.sqrt(ring)
    curves = np.array([np.interp(scale * ring, middle, expected) for scale in SCALES]) * weight
    target = target * weight
    strength = curves @ target / (curves**2).sum(axis=1)
    misfit = ((target - strength[:, None] * curves) ** 2).sum(axis=1)
    best = int(misfit.argmin())
    return ProjectedScale(float(SCALES[best]), _error(curves, strength, misfit, best))


def _in_rings(psf: Array, pixel: Sequence[float], edges: Floats) -> Floats:
    """Return the root mean square of the spectrum of a PSF's planes' sum in rings of frequencies.

    Towards its sides the sum is faded out, so that these have no spectrum of their own.
    """
    light = np.asarray(psf, np.float64).sum(axis=0)
    y, x = ((np.arange(n) - n // 2) * size for n, size in zip(light.shape, pixel, strict=True))
    reach = min(y[-1], x[-1])
    distance = np.minimum(np.hypot(y[:, None], x) / reach, 1)
    light *= np.cos(np.pi / 2 * distance) ** 2
    padded = [scipy_fft.next_fast_len(max(LEAST_PIXELS, 2 * n)) for n in light.shape]
    power = np.abs(scipy_fft.fft2(light / light.sum(), padded)) ** 2
    ky, kx = (scipy_fft.fftfreq(n, size) for n, size in zip(padded, pixel, strict=True))
    ring = np.digitize(np.hypot(ky[:, None], kx).ravel(), edges) - 1
    inside = ring < len(edges) - 1
    count = np.bincount(ring[inside], minlength=len(edges) - 1)
    total = np.bincount(ring[inside], power.ravel()[inside], minlength=len(edges) - 1)
    mean: Floats = np.sqrt(total / np.maximum(count, 1))
    return mean


def _error(curves: Floats, strength: Floats, misfit: Floats, best: int) -> float:
    """Return the standard error of a scale, the strength being free as well."""
    low, high = max(best - 1, 0), min(best + 1, len(SCALES) - 1)
    slope = strength[best] * (curves[high] - curves[low]) / (SCALES[high] - SCALES[low])
    curve = curves[best]
    # What of the slope another strength cannot make.
    slope = slope - curve * (curve @ slope) / (curve @ curve)
    # Rings next to each other are not independent: the window is of few of their widths.
    variance = misfit[best] / (COMPARED[1] - COMPARED[0]) * RING * 4
    return float(np.sqrt(variance / max(float(slope @ slope), np.finfo(float).tiny)))
