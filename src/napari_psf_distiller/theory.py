"""The PSF that theory says of a kind of microscope, and how wide it is without aberrations.

What is measured is compared with it: a PSF can be wider than theory says, by aberrations, but
hardly narrower.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_shape, check_spacing
from napari_psf_distiller.diffraction import Focus
from napari_psf_distiller.measure.widths import profile_width
from napari_psf_distiller.optics import (
    AXIAL_WIDTH_PERIODS,
    LATERAL_WIDTH_PERIODS,
    PHOTONS,
    Band,
    support_of,
)
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.wording import width_text

__all__ = [
    "NO_ABERRATION",
    "Aberration",
    "light_about_focus",
    "seen_band",
    "theoretical_psf",
    "theoretical_widths",
    "theory_text",
]

Floats = NDArray[np.float64]

# A pinhole that is not known is taken to be of this diameter, in Airy units.
USUAL_PINHOLE = 1.0

# Of a wider one nothing is cut off near the focus.
WIDEST_PINHOLE = 8.0

# A pixel's square is integrated at so many points a side, and so many more in wavelength / NA.
LEAST_PIXEL_POINTS, PIXEL_POINTS_PER_RESOLUTION = 3, 8

# Lines reach so far to each side of the focus, in wavelength / NA and in periods of the axial band.
# At half of its maximum the PSF of a circular pupil is 0.51 and 0.88 of these wide.
LATERAL_REACH, AXIAL_REACH = 0.75, 1.3

# Pixels of this size, in micrometres, show all.
POINT = 1e-3

# A PSF of more voxels than this is hardly meant.
MOST_VOXELS = 10**8

# Points of a line to each side.
LINE_POINTS = 80


class Aberration(NamedTuple):
    """What makes a microscope's PSF differ from that of a perfect one, all around its axis alike.

    Attributes
    ----------
    spherical : float
        Spherical aberration: the coefficient of Zernike's polynomial Z(4, 0) in waves, the same at
        all wavelengths.
    height : float
        How far above the PSF's middle its focus lies, in micrometres: an aberrated one is
        brightest elsewhere.
    crosstalk : float
        Of a spinning disk: the light in focus that comes through other pinholes, as a part of that
        through its own. It is not held back elsewhere.
    """

    spherical: float = 0.0
    height: float = 0.0
    crosstalk: float = 0.0


NO_ABERRATION = Aberration()


def theoretical_psf(
    shape: Sequence[int],
    spacing: Sequence[float],
    optics: Optics,
    aberration: Aberration = NO_ABERRATION,
) -> Floats | None:
    """Compute the PSF that theory says of a microscope, as the beads' voxels would show it.

    Parameters
    ----------
    shape : sequence of int
        (Z, Y, X), or (Y, X) for the focal plane alone.
    spacing : sequence of float
        Voxel size in micrometres, of any size.
    optics : Optics
    aberration : Aberration
        By default none.

    Returns
    -------
    numpy.ndarray or None
        float64, sum 1, its peak at n // 2 on each axis, or of an aberrated one its focus near
        there; not to be written to. None where the optics do not say enough, see `Optics.missing`,
        or have no theory: STED, other, and a light sheet whose width is not known.

    Raises
    ------
    InputError
        The shape or the spacing cannot be used.

    Notes
    -----
    The intensity of light that is focused, or of an emitter that turns freely and whose image is
    looked at, is ``|I0|^2 + 2 |I1|^2 + |I2|^2`` of the integrals over the directions of rays (B.
    Richards and E. Wolf, "Electromagnetic diffraction in optical systems II", Proc. R. Soc. A 253,
    1959), at the emission's wavelength. A confocal microscope and a spinning disk have that of the
    emission, blurred by the pinhole, times that of the excitation, whose light fills the pupil; two
    and three photons have the excitation's to the power of their number; a light sheet multiplies
    with a Gaussian along z. The pinhole's diameter in Airy units is that in 1.22 wavelengths of the
    emission over the numerical aperture. Each pixel is integrated over its square.

    Examples
    --------
    >>> optics = Optics(1.2, 0.52, 1.33)
    >>> theoretical_psf((11, 33, 33), (0.2, 0.08, 0.08), optics).shape
    (11, 33, 33)
    """
    shape = check_shape(shape, 1, MOST_VOXELS)
    sizes = check_spacing(spacing, len(shape))
    if not _is_known(optics) or (optics.microscope == "light sheet" and optics.sheet is None):
        return None
    part = _part(shape, sizes, optics, aberration)
    volume = (1,) * (3 - len(shape)) + shape
    # All other voxels are mirror images of these.
    places = [np.abs(np.arange(n) - n // 2) for n in volume]
    if aberration != NO_ABERRATION:
        # Above and below an aberrated focus it is not the same.
        places[0] = np.arange(volume[0])
    psf = part[np.ix_(*places)].reshape(shape)
    psf /= psf.sum()
    psf.setflags(write=False)
    return psf


def light_about_focus(optics: Optics, radii: Floats, depths: Floats) -> Floats:
    """Compute the light of a point about it, at points, without aberrations.

    Parameters
    ----------
    optics : Optics
        Which say enough of a microscope that there is a theory of; see `theoretical_psf`.
    radii : numpy.ndarray
        Distances from the axis in micrometres, ascending; of a confocal microscope and a spinning
        disk at equal steps from 0 on.
    depths : numpy.ndarray
        Distances along the axis in micrometres.

    Returns
    -------
    numpy.ndarray
        float64, (depths, radii), on a scale of its own.

    Examples
    --------
    >>> light = light_about_focus(Optics(1.2, 0.52, 1.33), np.array([0.0, 0.2]), np.zeros(1))
    >>> bool(light[0, 0] > 2 * light[0, 1])
    True
    """
    return _at_points(optics, radii, depths, NO_ABERRATION)


def theoretical_widths(optics: Optics, spacing: Sequence[float]) -> tuple[float | None, ...]:
    """Return how wide the PSF of a microscope without aberrations is.

    Parameters
    ----------
    optics : Optics
    spacing : sequence of float
        Voxel size in micrometres, of three axes or two: pixels make a PSF wider.

    Returns
    -------
    tuple of float or None
        Full width at half maximum along each axis in micrometres, of the line through the peak;
        None where there is no theory, or pixels are so large that there is no width along z. See
        `theoretical_psf`.

    Raises
    ------
    InputError
        The spacing cannot be used.

    Examples
    --------
    >>> [round(width, 3) for width in theoretical_widths(Optics(0.3, 0.52, 1.0), (1, 0.1, 0.1))]
    [10.002, 0.899, 0.899]
    """
    return _widths(optics, check_spacing(spacing, 2 if np.size(spacing) == 2 else 3))


def theory_text(optics: Optics, spacing: Sequence[float] | None) -> str:
    """Return the widths of `theoretical_widths` as people read them; empty where there are none.

    Parameters
    ----------
    optics : Optics
    spacing : sequence of float or None
        Voxel size in micrometres; None where it is not known.

    Examples
    --------
    >>> theory_text(Optics(0.3, 0.52, 1.0), (1, 0.1, 0.1))
    'z 10002 nm, y 899 nm, x 899 nm (widefield without aberrations)'
    """
    if spacing is None:
        return ""
    widths = theoretical_widths(optics, spacing)
    known = [
        f"{axis} {width_text(width)}"
        for axis, width in zip(AXES[-len(widths) :], widths, strict=True)
        if width is not None
    ]
    return f"{', '.join(known)} ({optics.microscope} without aberrations)" if known else ""


def seen_band(optics: Optics) -> Band | None:
    """Return the frequencies that the light of a microscope's PSF is seen to have.

    They are fewer than those that the microscope passes: of these a confocal one's pinhole leaves
    next to nothing of the highest, and voxels need not show what is not there.

    Parameters
    ----------
    optics : Optics

    Returns
    -------
    Band or None
        Those of a widefield microscope, or of one whose PSF is as wide; None where the optics do
        not say enough.

    Examples
    --------
    >>> confocal = Optics(1.2, 0.52, 1.33, microscope="confocal", excitation=0.488)
    >>> round(seen_band(confocal).lateral, 2), round(support_of(confocal).band.lateral, 2)
    (4.7, 9.53)
    """
    support = support_of(optics)
    if support is None or support.equal_plane_light:
        return None if support is None else support.band
    z, y, _ = _widths(optics, (POINT, POINT, POINT))
    axial = math.inf if z is None else AXIAL_WIDTH_PERIODS / z
    return None if y is None else Band(LATERAL_WIDTH_PERIODS / y, axial)


@functools.lru_cache(maxsize=8)
def _part(
    shape: tuple[int, ...], spacing: tuple[float, ...], optics: Optics, aberration: Aberration
) -> Floats:
    """Return the PSF in one of the eight parts about its middle; of an aberrated one, of four."""
    volume, sizes = (1,) * (3 - len(shape)) + shape, (1.0,) * (3 - len(shape)) + spacing
    depths, down, across = (
        size * np.arange(n // 2 + 1, dtype=np.float64)
        for n, size in zip(volume, sizes, strict=True)
    )
    if aberration != NO_ABERRATION:
        whole = np.arange(volume[0], dtype=np.float64)
        depths = (whole - volume[0] // 2) * sizes[0] - aberration.height
    return _over_pixels(optics, depths, down, across, sizes[1:], aberration)


@functools.lru_cache(maxsize=64)
def _widths(optics: Optics, spacing: tuple[float, ...]) -> tuple[float | None, ...]:
    if not _is_known(optics):
        return (None,) * len(spacing)
    aperture, wavelength, index = _optics_of_focus(optics)
    period = wavelength / (index - math.sqrt(index**2 - aperture**2))
    reach = AXIAL_REACH * period
    if optics.sheet is not None:
        reach = min(reach, AXIAL_REACH * optics.sheet)
    start = np.zeros(1)
    widths: list[float | None] = []
    for axis, pixel in zip(AXES[-len(spacing) :], spacing, strict=True):
        if axis == "z":
            places = np.linspace(0, reach, LINE_POINTS)
            line = _over_pixels(optics, places, start, start, spacing[-2:])
        else:
            places = np.linspace(0, LATERAL_REACH * wavelength / aperture + pixel, LINE_POINTS)
            down, across = (places, start) if axis == "y" else (start, places)
            line = _over_pixels(optics, start, down, across, spacing[-2:])
        half = line.ravel()
        width = profile_width(np.r_[half[:0:-1], half]) * float(places[1])
        widths.append(None if math.isnan(width) else width)
    unknown = optics.microscope == "light sheet" and optics.sheet is None and len(spacing) == 3
    return (None, *widths[1:]) if unknown else tuple(widths)


def _is_known(optics: Optics) -> bool:
    return optics.microscope not in ("STED", "other") and not optics.missing


def _optics_of_focus(optics: Optics) -> tuple[float, float, float]:
    """Return the numerical aperture, the wavelength that makes the PSF wide, and the index."""
    wavelength = optics.excitation if optics.microscope in PHOTONS else optics.wavelength
    aperture, index = optics.numerical_aperture, optics.refractive_index
    assert aperture is not None
    assert wavelength is not None
    assert index is not None
    return aperture, wavelength, index


def _over_pixels(
    optics: Optics,
    depths: Floats,
    down: Floats,
    across: Floats,
    pixel: Sequence[float],
    aberration: Aberration = NO_ABERRATION,
) -> Floats:
    """Return the PSF at places, integrated over pixels' squares: (depths, down, across)."""
    aperture, wavelength, index = _optics_of_focus(optics)
    shortest = min(wavelength, optics.excitation or wavelength)
    points, weights = np.polynomial.legendre.leggauss(
        LEAST_PIXEL_POINTS
        + math.ceil(PIXEL_POINTS_PER_RESOLUTION * max(pixel) * aperture / shortest)
    )
    y, x = (
        np.add.outer(places, points * size / 2).ravel()
        for places, size in zip((down, across), pixel, strict=True)
    )
    distances = np.hypot(y[:, None], x)
    radii = Focus(aperture, shortest, index).radii(float(distances.max()))
    found = np.empty((len(depths), len(down), len(across)))
    parts = (len(down), len(points), len(across), len(points))
    light = _at_points(optics, radii, depths, aberration)
    for plane, values in zip(found, light, strict=True):
        fine = CubicSpline(radii, values)(distances).reshape(parts)
        plane[...] = np.einsum("yixj,i,j->yx", fine, weights, weights)
    return found


def _at_points(optics: Optics, radii: Floats, depths: Floats, aberration: Aberration) -> Floats:
    """Return the PSF at points: (depths, radii)."""
    aperture, wavelength, index = _optics_of_focus(optics)
    kind, excitation = optics.microscope, optics.excitation
    light = Focus(aperture, wavelength, index, aberration.spherical)
    if kind in PHOTONS:
        return light.intensity(radii, depths) ** PHOTONS[kind]
    if excitation is not None:
        size = min(optics.pinhole or USUAL_PINHOLE, WIDEST_PINHOLE)
        seen = light.through_disc(radii, depths, size * 0.61 * wavelength / aperture)
        lit = light._replace(wavelength=excitation).intensity(radii, depths)
        return seen * (lit + aberration.crosstalk)
    point = light.intensity(radii, depths)
    if optics.sheet is not None:
        point *= np.exp(-4 * math.log(2) * (depths[:, None] / optics.sheet) ** 2)
    return point
