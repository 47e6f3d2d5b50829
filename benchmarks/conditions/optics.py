"""What a microscope makes of a point of light, from the fields in its pupil.

Lengths are in micrometres, frequencies in cycles a micrometre, aberrations in waves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

Array = NDArray[np.floating]

Kind = Literal["widefield", "confocal", "two-photon", "light sheet", "sted"]
Mask = Literal["", "annulus", "double helix", "tetrapod"]

# The excitation of a confocal microscope has this part of the emission's wavelength, and of a
# two-photon microscope this multiple.
CONFOCAL, TWO_PHOTON = 0.93, 1.75

# What a Gaussian of full width w at half maximum has beyond so many cycles per w is negligible.
GAUSSIAN_BAND = 1.5

# A point's light is looked at in a field as large as it is, and a little more, but at most so many
# windows wide: far out of focus, what comes in from the other side is faint.
ROOM, WINDOWS = 1.15, 2

# An annular pupil lets light through from this part of its radius on.
ANNULUS = 0.8

# How often each of the pupil's fields counts: the one along x of dipoles along x, y and z, the one
# along y of dipoles along y and z. Along y, a dipole along x has the second one again.
DIPOLES = np.array([1.0, 2.0, 1.0, 1.0, 1.0])

# The double helix' pupil has so many rings of equal area.
RINGS = 4


@dataclass(frozen=True)
class Microscope:
    """What makes a PSF.

    Attributes
    ----------
    numerical_aperture, index, wavelength : float
        Of the objective, its immersion and the emission.
    kind : str
        "sted" is a Gaussian, as wide as `sheet` along z and `spot` in the plane.
    aberrations : tuple of (int, int, float)
        Radial degree, angular order and waves (root mean square) of Zernike's polynomials; a
        negative order is the sine.
    mask : str
        What is put into the pupil.
    sheet, spot : float
        Full width at half maximum of the light sheet, and of the spot.
    pinhole : float
        Diameter in Airy units.
    depth, sample_index : float
        How far beyond the coverslip the beads lie, and in what; an index of 0 is the immersion's.
    """

    numerical_aperture: float = 1.3
    index: float = 1.406
    wavelength: float = 0.61
    kind: Kind = "widefield"
    aberrations: tuple[tuple[int, int, float], ...] = ()
    mask: Mask = ""
    sheet: float = 2.5
    spot: float = 0.06
    pinhole: float = 1.0
    depth: float = 0.0
    sample_index: float = 0.0

    @property
    def resolution(self) -> float:
        """In the plane, of a widefield microscope: wavelength / (2 NA)."""
        return self.wavelength / (2 * self.numerical_aperture)

    def of_its_kind(self) -> dict[str, str | float]:
        """Return what its user knows of its kind, as `napari_psf_distiller.Optics` has it."""
        own: dict[str, float] = {}
        if self.kind == "confocal":
            own = {"excitation": CONFOCAL * self.wavelength, "pinhole": self.pinhole}
        elif self.kind == "two-photon":
            own = {"excitation": TWO_PHOTON * self.wavelength}
        elif self.kind == "light sheet":
            own = {"sheet": self.sheet}
        return {"microscope": "STED" if self.kind == "sted" else self.kind, **own}

    def band(self) -> tuple[float, float]:
        """Return the highest frequency of the PSF along z and in the plane."""
        along, across = _widefield_band(self, self.wavelength)
        if self.kind == "sted":
            return GAUSSIAN_BAND / self.sheet, GAUSSIAN_BAND / self.spot
        if self.kind == "light sheet":
            return along + GAUSSIAN_BAND / self.sheet, across
        if self.kind == "confocal":
            more = _widefield_band(self, CONFOCAL * self.wavelength)
            return along + more[0], across + more[1]
        if self.kind == "two-photon":
            along, across = _widefield_band(self, TWO_PHOTON * self.wavelength)
            return 2 * along, 2 * across
        return along, across


def _widefield_band(microscope: Microscope, wavelength: float) -> tuple[float, float]:
    index, aperture = microscope.index, microscope.numerical_aperture
    along = (index - math.sqrt(index**2 - aperture**2)) / wavelength
    return along, 2 * aperture / wavelength


def nyquist(microscope: Microscope) -> tuple[float, float]:
    """Return the largest voxels that show all that a microscope passes, along z and in the plane.

    Of a widefield microscope, as a user reckons them, whatever the kind.
    """
    along, across = _widefield_band(microscope, microscope.wavelength)
    return 0.5 / along, 0.5 / across


def zernike(degree: int, order: int, rho: Array, phi: Array) -> Array:
    """Return Zernike's polynomial, its root mean square over the unit disc 1 (Noll, 1976)."""
    m = abs(order)
    radial = np.zeros_like(rho)
    for k in range((degree - m) // 2 + 1):
        below = math.factorial((degree + m) // 2 - k) * math.factorial((degree - m) // 2 - k)
        factor = (-1) ** k * math.factorial(degree - k) / (math.factorial(k) * below)
        radial += factor * rho ** (degree - 2 * k)
    if order == 0:
        return math.sqrt(degree + 1) * radial
    angular = np.cos(m * phi) if order > 0 else np.sin(m * phi)
    return math.sqrt(2 * (degree + 1)) * radial * angular


def intensity(microscope: Microscope, heights: Array, pixels: int, size: float) -> Array:
    """Return the light of a point at heights above its brightest plane.

    Parameters
    ----------
    microscope : Microscope
    heights : numpy.ndarray
        (Z,).
    pixels : int
        Of each plane, along y and x; the point lies at pixels // 2.
    size : float
        Of a pixel. Sampled, not integrated; see `Microscope.band` for what is fine enough.

    Returns
    -------
    numpy.ndarray
        (Z, pixels, pixels), of any scale.
    """
    if microscope.kind == "sted":
        away = (np.arange(pixels) - pixels // 2) * size
        spot = _gaussian(away, microscope.spot)
        return _gaussian(heights, microscope.sheet)[:, None, None] * spot[:, None] * spot
    wavelength = microscope.wavelength
    if microscope.kind == "two-photon":
        return _widefield(microscope, TWO_PHOTON * wavelength, heights, pixels, size) ** 2
    light = _widefield(microscope, wavelength, heights, pixels, size)
    if microscope.kind == "light sheet":
        return light * _gaussian(heights, microscope.sheet)[:, None, None]
    if microscope.kind == "confocal":
        excitation = _widefield(microscope, CONFOCAL * wavelength, heights, pixels, size)
        return excitation * _through_pinhole(microscope, light, size)
    return light


def _gaussian(away: Array, width: float) -> Array:
    return np.exp(-4 * math.log(2) * (away / width) ** 2)


def _through_pinhole(microscope: Microscope, light: Array, size: float) -> Array:
    """Return what a pinhole at each place lets through, as seen from the sample."""
    radius = 0.61 * microscope.wavelength / microscope.numerical_aperture * microscope.pinhole
    n = light.shape[-1]
    k = np.hypot(np.fft.fftfreq(n, size)[:, None], np.fft.rfftfreq(n, size))
    q = np.maximum(2 * np.pi * radius * k, 1e-9)
    passed = np.fft.rfft2(light) * (2 * j1(q) / q)
    return np.maximum(np.fft.irfft2(passed, s=(n, n)), 0)


def _widefield(
    microscope: Microscope, wavelength: float, heights: Array, pixels: int, size: float
) -> Array:
    """Return the light of dipoles that turn freely, seen through the objective.

    The field at a distance from focus is the Fourier transform of the pupil's; the squared moduli
    of all its components add up (vectorial theory: B. Richards and E. Wolf, 1959; emission's
    apodisation cos^(-1/2): B. M. Hanser et al., 2004). The transform is a product of matrices, so
    that the pupil's samples and the pixels are independent of each other.
    """
    if not (microscope.aberrations or microscope.mask or microscope.depth):
        # Alike above and below the focus.
        away, place = np.unique(np.round(np.abs(heights), 9), return_inverse=True)
        if len(away) < len(heights):
            return _widefield(microscope, wavelength, away, pixels, size)[place]
    half = size * pixels / 2
    k = _pupil_samples(microscope, wavelength, half, float(np.abs(heights).max()))
    fields, kz, deep = _pupil(microscope, wavelength, k)
    focus = _brightest(microscope, fields[0], kz, deep)
    fields = fields * np.exp(2j * np.pi * microscope.depth * deep)
    away = (np.arange(pixels) - pixels // 2) * size
    wave = np.exp(2j * np.pi * np.outer(away, k)).astype(np.complex64)
    light = np.empty((len(heights), pixels, pixels))
    for plane, height in zip(light, heights, strict=True):
        # Less the mean phase, which has no part in the light and much in single precision.
        turned = fields * np.exp(2j * np.pi * (height + focus) * (kz - kz.max()))
        field = wave @ turned.astype(np.complex64) @ wave.T
        plane[...] = np.tensordot(DIPOLES, field.real**2 + field.imag**2, axes=1)
    return light


def _pupil_samples(microscope: Microscope, wavelength: float, half: float, height: float) -> Array:
    """Return frequencies so close to each other that no light comes in from the other side."""
    edge = microscope.numerical_aperture / wavelength
    sine = microscope.numerical_aperture / microscope.index
    blurred = height * sine / math.sqrt(1 - sine**2)
    field = min(ROOM * (half + blurred), 2 * WINDOWS * half)
    count = max(64, math.ceil(2 * edge * field))
    step = 2 * edge / count
    return (np.arange(count + 2) - (count + 1) / 2) * step


def _pupil(
    microscope: Microscope, wavelength: float, k: Array
) -> tuple[NDArray[np.complex128], Array, Array]:
    """Return the fields of `DIPOLES`, and the axial frequencies in immersion and sample."""
    ky, kx = np.meshgrid(k, k, indexing="ij")
    across, phi = np.hypot(ky, kx), np.arctan2(ky, kx)
    edge, index = microscope.numerical_aperture / wavelength, microscope.index / wavelength
    rho = np.minimum(across / edge, 1)
    # The disc's edge is as wide as a sample, so that it is round on the square grid.
    disc = np.clip((edge - across) / (k[1] - k[0]) + 0.5, 0, 1)
    if microscope.mask == "annulus":
        disc = disc * np.clip((across - ANNULUS * edge) / (k[1] - k[0]) + 0.5, 0, 1)
    kz = np.sqrt(index**2 - (rho * edge) ** 2)
    sample = (microscope.sample_index or microscope.index) / wavelength
    deep = np.sqrt(sample**2 - (rho * edge) ** 2)
    cosine, sine = kz / index, rho * edge / index
    phase = np.zeros_like(rho)
    for degree, order, waves in _aberrations(microscope):
        phase += 2 * np.pi * waves * zernike(degree, order, rho, phi)
    if microscope.mask == "double helix":
        # Rings with 1, 3, 5, ... turns of phase: two lobes that rotate (S. Prasad, 2013).
        phase = phase + (2 * np.minimum((rho**2 * RINGS).astype(int), RINGS - 1) + 1) * phi
    c, s = np.cos(phi), np.sin(phi)
    components = np.stack(
        [
            cosine * c * c + s * s,
            (cosine - 1) * s * c,
            -sine * c,
            cosine * s * s + c * c,
            -sine * s,
        ]
    )
    return components * disc / np.sqrt(cosine) * np.exp(1j * phase), kz, deep


def _aberrations(microscope: Microscope) -> tuple[tuple[int, int, float], ...]:
    # After Y. Shechtman et al., 2014: mostly astigmatism of the first and the second order.
    mask = ((2, 2, 0.65), (4, 2, -0.4)) if microscope.mask == "tetrapod" else ()
    return (*microscope.aberrations, *mask)


def _brightest(
    microscope: Microscope, field: NDArray[np.complex128], kz: Array, deep: Array
) -> float:
    """Return how the focus must be moved for a point in the sample's depth to be brightest."""
    if not microscope.depth:
        return 0.0
    step = 0.05 * microscope.wavelength
    moves = np.arange(-2 * microscope.depth - 1, 1, step)
    inside = np.abs(field) > 0
    still = field[inside] * np.exp(2j * np.pi * microscope.depth * deep[inside])
    axial = np.exp(2j * np.pi * np.outer(moves, kz[inside])) @ still
    return float(moves[np.abs(axial).argmax()])
