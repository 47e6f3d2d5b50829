"""What optics pass, what voxels can tell of it, and what a bead is to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError

__all__ = ["Band", "ball_form_factor", "capped", "highest_band", "optics_band"]

Floats = NDArray[np.float64]

# Frequencies up to so much of the sampling's own can be told.
ALONG, ACROSS = 0.45, 0.48


class Band(NamedTuple):
    """What the optics pass.

    Attributes
    ----------
    lateral, axial : float
        Highest frequency, in cycles a micrometre.
    """

    lateral: float
    axial: float


def ball_form_factor(frequency: NDArray[np.floating], diameter: float) -> Floats:
    """Return the Fourier transform of a uniform ball of volume 1.

    Parameters
    ----------
    frequency : numpy.ndarray
        Cycles a unit of length.
    diameter : float
        In that unit.

    Notes
    -----
    ``3 (sin q - q cos q) / q^3`` with ``q = pi * diameter * frequency`` (Lord Rayleigh, "The
    incidence of light upon a transparent sphere", Proc. R. Soc. A 84, 1910).
    """
    q = np.maximum(np.pi * diameter * np.asarray(frequency, np.float64), 1e-3)
    factor: Floats = 3 * (np.sin(q) - q * np.cos(q)) / q**3
    return factor


def optics_band(aperture: float, wavelength: float, index: float) -> Band:
    """Return what a widefield microscope passes.

    Parameters
    ----------
    aperture : float
        Numerical aperture.
    wavelength : float
        Of emission, in micrometres.
    index : float
        Of refraction of the immersion.

    Notes
    -----
    ``2 NA / wavelength`` in the plane and ``(n - sqrt(n^2 - NA^2)) / wavelength`` along the axis
    (B. R. Frieden, "Optical transfer of the three-dimensional object", JOSA 57, 1967).
    """
    if not 0 < aperture < index:
        raise InputError(
            f"The numerical aperture is {aperture:g}, the refractive index {index:g}: the aperture "
            "must be positive and below the index."
        )
    axial = (index - np.sqrt(index**2 - aperture**2)) / wavelength
    return Band(2 * aperture / wavelength, float(axial))


def highest_band(spacing: Sequence[float]) -> Band:
    """Return the frequencies that voxels of some size, in micrometres, can tell."""
    return Band(ACROSS / max(spacing[1:]), ALONG / spacing[0])


def capped(band: Band, spacing: Sequence[float]) -> tuple[bool, bool]:
    """Return whether a band ends where the voxels' sampling does, along z and in the plane.

    Parameters
    ----------
    band : Band
    spacing : sequence of float
        Voxel size in micrometres.
    """
    most = highest_band(spacing)
    return band.axial > 0.999 * most.axial, band.lateral > 0.999 * most.lateral
