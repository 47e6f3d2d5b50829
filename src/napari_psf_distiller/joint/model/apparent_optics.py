"""The widefield optics that a PSF looks like, for the light that theory must follow."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.model.plane_light import MIN_PLANE_LIGHT, plane_light
from napari_psf_distiller.lengths import EMISSION
from napari_psf_distiller.measure.widths import peak_profiles, profile_width
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import light_about_focus

__all__ = ["apparent_optics"]

Floats = NDArray[np.float64]

# Only the sine of the aperture's angle and the wavelength in the medium count; these are stated as
# those of water.
INDEX = 1.33

# Sines of the aperture's angle, least and largest, and how many of them are computed.
LEAST_SINE, LARGEST_SINE, SINES = 0.1, 0.98, 23

# How far a PSF is followed to find its width, in units of lambda / (n (1 - cos)) along the axis and
# of lambda / NA across, and at how many places.
AXIAL_REACH, LATERAL_REACH, POINTS = 1.0, 0.6, 60

# The square of the width that a pixel adds to, over its squared side: 8 ln 2 times its variance.
SQUARED_WIDTH_OF_PIXEL = 8 * math.log(2) / 12

# Widths that differ by less than this part have the same optics.
STEP_OF_WIDTHS = 0.04


def apparent_optics(psf: NDArray[np.floating], spacing: Sequence[float]) -> Optics | None:
    """Return the optics of the widefield microscope whose PSF is as wide as another one.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X), its focus at n // 2.
    spacing : sequence of float
        Voxel size in micrometres.

    Returns
    -------
    Optics or None
        Of a medium of the index of water; None where no widefield microscope has such a PSF.

    Notes
    -----
    Without aberrations a PSF's widths are the wavelength in the medium times functions of the
    aperture's angle alone, whose ratio, depth over width, falls with the angle. Aberrations make a
    PSF longer, so that the angle is taken for smaller than it is.

    Examples
    --------
    >>> from napari_psf_distiller.theory import theoretical_psf
    >>> spacing = (0.2, 0.08, 0.08)
    >>> psf = theoretical_psf((21, 61, 61), spacing, Optics(1.2, 0.52, 1.33))
    >>> bool(abs(apparent_optics(psf, spacing).numerical_aperture / 1.2 - 1) < 0.03)
    True
    """
    lines = zip(peak_profiles(psf), spacing, strict=True)
    widths = [profile_width(line) * size for line, size in lines]
    if not np.isfinite(widths).all():
        return None
    squared = math.prod(
        max(width**2 - SQUARED_WIDTH_OF_PIXEL * size**2, 0.0)
        for width, size in zip(widths[1:], spacing[1:], strict=True)
    )
    if squared == 0:
        return None
    across = squared**0.25
    sines, along_of, across_of = _widths_of_apertures()
    ratio = widths[0] / across
    ratios = along_of / across_of
    if ratio < ratios[-1]:
        return None
    # Ascending, as interpolation wants them.
    sine = float(np.interp(-ratio, -ratios, sines))
    wavelength = _in_steps(across / float(np.interp(sine, sines, across_of))) * INDEX
    # Of wrong voxel sizes, or of what is no PSF.
    if not EMISSION.holds(wavelength):
        return None
    optics = Optics(_in_steps(sine) * INDEX, wavelength, INDEX)
    support = support_of(optics)
    assert support is not None
    part = plane_light(psf, spacing, support)
    return None if part is not None and part < MIN_PLANE_LIGHT else optics


def _in_steps(value: float) -> float:
    """Return the nearest of values that differ by equal parts, so that the optics seldom change."""
    step = math.log1p(STEP_OF_WIDTHS)
    return math.exp(step * round(math.log(value) / step))


@functools.cache
def _widths_of_apertures() -> tuple[Floats, Floats, Floats]:
    """Return sines of the aperture's angle, and widths along the axis and across in wavelengths."""
    sines = np.linspace(LEAST_SINE, LARGEST_SINE, SINES)
    widths = []
    for sine in sines.tolist():
        optics = Optics(sine, 1.0, 1.0)
        depths = np.linspace(0, AXIAL_REACH / (1 - math.cos(math.asin(sine))), POINTS)
        radii = np.linspace(0, LATERAL_REACH / sine, POINTS)
        along = light_about_focus(optics, np.zeros(1), depths).ravel()
        across = light_about_focus(optics, radii, np.zeros(1)).ravel()
        widths.append([_width(along) * depths[1], _width(across) * radii[1]])
    along_of, across_of = np.array(widths, np.float64).T
    return sines, along_of, across_of


def _width(half: Floats) -> float:
    return profile_width(np.r_[half[:0:-1], half])
