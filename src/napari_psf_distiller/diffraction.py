"""The light about a focus, by vectorial diffraction: of an excitation, or of an emitter's image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import jv

__all__ = ["Focus"]

Floats = NDArray[np.float64]

# Distances from the axis at which the light is computed, so many in wavelength / NA; between them a
# cubic spline is right to 1e-4.
RADII_PER_RESOLUTION = 32

# Directions of rays at which the pupil is integrated, and so many more for each period by which the
# phase of a ray at its edge differs from that of the one along the axis.
LEAST_DIRECTIONS, DIRECTIONS_PER_PERIOD = 32, 4

# Of more directions than this the pupil is integrated in parts.
DIRECTIONS_OF_A_PART = 256

# A pinhole is integrated over so many circles, and so many more for each wavelength / NA of it.
LEAST_CIRCLES, CIRCLES_PER_RESOLUTION = 16, 8

# The slope of Zernike's polynomial of spherical aberration at the pupil's edge.
SLOPE_OF_SPHERICAL = 12 * math.sqrt(5)


class Focus(NamedTuple):
    """Light that an objective focuses, or that it takes in from an emitter which turns freely.

    Attributes
    ----------
    aperture : float
        The numerical aperture.
    wavelength : float
        In vacuum, in micrometres.
    refractive_index : float
        Of the immersion.
    spherical : float
        Spherical aberration: the coefficient of Zernike's polynomial Z(4, 0) in waves.

    Notes
    -----
    The intensity is ``|I0|^2 + 2 |I1|^2 + |I2|^2`` of integrals over the directions of rays (B.
    Richards and E. Wolf, "Electromagnetic diffraction in optical systems II", Proc. R. Soc. A 253,
    1959). Unpolarised light in a focus has it, and the image of an emitter that turns freely, which
    is a focus run backwards.

    Examples
    --------
    >>> light = Focus(1.2, 0.52, 1.33).intensity(np.array([0.0, 0.1]), np.array([0.0, 0.5]))
    >>> light.round(2)
    array([[1.  , 0.63],
           [0.13, 0.11]])
    """

    aperture: float
    wavelength: float
    refractive_index: float
    spherical: float = 0.0

    def radii(self, furthest: float) -> Floats:
        """Return distances from the axis between which a cubic spline holds, from 0 on.

        Parameters
        ----------
        furthest : float
            In micrometres; the last one lies a little beyond.
        """
        step = self.wavelength / self.aperture / RADII_PER_RESOLUTION
        distances: Floats = np.arange(math.ceil(furthest / step) + 4, dtype=np.float64) * step
        return distances

    def intensity(self, radii: Floats, depths: Floats) -> Floats:
        """Return the light at places about the focus, 1 in that of an objective without aberration.

        Parameters
        ----------
        radii : numpy.ndarray
            Distances from the axis in micrometres, ascending.
        depths : numpy.ndarray
            Distances along the axis in micrometres, of either sign.

        Returns
        -------
        numpy.ndarray
            (depths, radii).
        """
        angle = math.asin(self.aperture / self.refractive_index)
        wave = self.refractive_index / self.wavelength
        furthest = float(np.abs(depths).max())
        periods = radii[-1] * wave * math.sin(angle) + furthest * wave * (1 - math.cos(angle))
        periods += SLOPE_OF_SPHERICAL * abs(self.spherical)
        theta, weights = _directions(angle, periods)
        cosine, sine = np.cos(theta), np.sin(theta)
        # The phase at the focus' own depth does not count.
        along = (
            np.exp(2j * np.pi * wave * np.outer(depths, cosine - 1))
            * weights
            * sine
            * np.sqrt(cosine)
        )
        if self.spherical:
            along *= np.exp(2j * np.pi * self.spherical * _spherical(sine / math.sin(angle)))
        across = 2 * np.pi * wave * np.outer(sine, radii)
        light = np.zeros((len(depths), len(radii)))
        for order, part, times in ((0, 1 + cosine, 1), (1, sine, 2), (2, 1 - cosine, 1)):
            field = (along * part) @ jv(order, across)
            light += times * (field.real**2 + field.imag**2)
        brightest: Floats = np.square(weights * sine * np.sqrt(cosine) @ (1 + cosine))
        relative: Floats = light / brightest
        return relative

    def through_disc(self, radii: Floats, depths: Floats, radius: float) -> Floats:
        """Return the light that a disc about each place takes in, summed over the disc.

        Parameters
        ----------
        radii, depths : numpy.ndarray
            See `intensity`; the former at equal steps from 0 on.
        radius : float
            The disc's, in micrometres.

        Returns
        -------
        numpy.ndarray
            (depths, radii).

        Notes
        -----
        It is the sum over circles about the focus, of each the part that lies in the disc.
        """
        step = float(radii[1])
        further = np.arange(math.ceil((radii[-1] + radius) / step) + 4) * step
        light = CubicSpline(further, self.intensity(further, depths), axis=1)
        nodes, weights = np.polynomial.legendre.leggauss(
            LEAST_CIRCLES
            + math.ceil(CIRCLES_PER_RESOLUTION * radius * self.aperture / self.wavelength)
        )
        # Circles that lie in the disc, and those that leave it.
        whole = np.maximum(radius - radii, 0)
        nearest, width = np.abs(radii - radius), 2 * np.minimum(radii, radius)
        seen = np.zeros((len(depths), len(radii)))
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            inner = node * whole
            seen += weight * whole * inner * light(inner)
            circle = nearest + node * width
            rise = circle**2 + radii**2 - radius**2
            cosine = np.clip(rise / np.maximum(2 * circle * radii, 1e-30), -1, 1)
            seen += weight * width * circle * np.arccos(cosine) / np.pi * light(circle)
        return seen


def _directions(angle: float, periods: float) -> tuple[Floats, Floats]:
    """Return the angles to the axis at which rays are looked at, and their weights in a sum."""
    count = LEAST_DIRECTIONS + math.ceil(DIRECTIONS_PER_PERIOD * periods)
    parts = math.ceil(count / DIRECTIONS_OF_A_PART)
    nodes, weights = np.polynomial.legendre.leggauss(math.ceil(count / parts))
    if parts > 1:
        low = 2 * np.arange(parts) / parts - 1
        nodes = np.add.outer(low, (nodes + 1) / parts).ravel()
        weights = np.tile(weights / parts, parts)
    return angle * (nodes + 1) / 2, angle * weights / 2


def _spherical(rho: Floats) -> Floats:
    """Return Zernike's polynomial Z(4, 0), its root mean square over the pupil 1 (Noll, 1976)."""
    polynomial: Floats = np.sqrt(5) * (6 * rho**4 - 6 * rho**2 + 1)
    return polynomial
