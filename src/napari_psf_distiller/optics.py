"""Which frequencies a microscope passes, which of them voxels can show, and what a bead is to them.

A new kind of microscope is one class: see `Support`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError

if TYPE_CHECKING:
    from napari_psf_distiller.recipe import Optics

__all__ = [
    "Band",
    "Support",
    "Widefield",
    "ball_form_factor",
    "limited_by_sampling",
    "sampled_band",
    "support_of",
]

Floats = NDArray[np.float64]

# Voxels show frequencies up to this many cycles a voxel, along z and in the plane: half a cycle is
# Nyquist's limit.
MAX_AXIAL_CYCLES, MAX_LATERAL_CYCLES = 0.45, 0.48

# Two bands are the same if they differ by less than this part.
SAME_FREQUENCY = 0.001


class Band(NamedTuple):
    """The highest frequencies of an image.

    Attributes
    ----------
    lateral : float
        In the plane, in cycles a micrometre.
    axial : float
        Along z, in cycles a micrometre.
    """

    lateral: float
    axial: float


class Support(ABC):
    """Which frequencies a microscope passes: the support of its optical transfer function.

    A subclass is a kind of microscope. It is taken to be the same all around the optical axis, so
    that a frequency is a lateral one (in the plane) and an axial one (along z).

    Attributes
    ----------
    equal_plane_light : bool
        Whether all planes of a PSF have the same sum, as those of a microscope without optical
        sectioning do.

    Examples
    --------
    A confocal microscope whose pinhole is closed sees twice the frequencies of a widefield one:

    >>> @dataclass(frozen=True)
    ... class Confocal(Support):
    ...     widefield: Widefield
    ...     equal_plane_light = False
    ...
    ...     @property
    ...     def band(self):
    ...         lateral, axial = self.widefield.band
    ...         return Band(2 * lateral, 2 * axial)
    ...
    ...     def axial_at(self, lateral):
    ...         return 2 * self.widefield.axial_at(np.asarray(lateral) / 2)
    >>> Confocal(Widefield(1.2, 0.5, 1.33)).band.lateral
    9.6
    """

    equal_plane_light: bool

    @property
    @abstractmethod
    def band(self) -> Band:
        """The highest frequencies that pass at all."""

    @abstractmethod
    def axial_at(self, lateral: Floats) -> Floats:
        """Return the highest axial frequency that passes at some lateral ones.

        Parameters
        ----------
        lateral : numpy.ndarray
            Cycles a micrometre, of either sign.

        Returns
        -------
        numpy.ndarray
            Cycles a micrometre, of the same shape; 0 from the lateral cutoff on.
        """


@dataclass(frozen=True)
class Widefield(Support):
    """A widefield fluorescence microscope.

    Attributes
    ----------
    numerical_aperture : float
    wavelength : float
        The emission wavelength, in micrometres.
    refractive_index : float
        The immersion's.

    Raises
    ------
    InputError
        The numerical aperture is not between 0 and the refractive index.

    Notes
    -----
    It passes up to ``2 NA / wavelength`` in the plane and, at half of that, up to ``(n - sqrt(n^2 -
    NA^2)) / wavelength`` along the axis (B. R. Frieden, "Optical transfer of the three-dimensional
    object", JOSA 57, 56, 1967).

    Examples
    --------
    >>> Widefield(1.2, 0.5, 1.33).band
    Band(lateral=4.8, axial=1.5129...)
    """

    numerical_aperture: float
    wavelength: float
    refractive_index: float
    equal_plane_light = True

    def __post_init__(self) -> None:
        if not 0 < self.numerical_aperture < self.refractive_index:
            raise InputError(
                f"The numerical aperture, {self.numerical_aperture:g}, must be positive and must "
                f"be below the refractive index, {self.refractive_index:g}."
            )

    @property
    def band(self) -> Band:
        """The highest frequencies that pass at all."""
        inner = math.sqrt(self.refractive_index**2 - self.numerical_aperture**2)
        axial = (self.refractive_index - inner) / self.wavelength
        return Band(2 * self.numerical_aperture / self.wavelength, axial)

    def axial_at(self, lateral: Floats) -> Floats:
        """Return the highest axial frequency at lateral ones; near 0 they leave the missing cone.

        See `Support.axial_at`.
        """
        rim = self.numerical_aperture / self.wavelength
        sphere = self.refractive_index / self.wavelength
        inside = np.minimum(np.abs(np.abs(lateral) - rim), rim)
        height: Floats = np.sqrt(sphere**2 - inside**2) - math.sqrt(sphere**2 - rim**2)
        return height


def support_of(optics: Optics) -> Support | None:
    """Return which frequencies a microscope passes; None where that is not known.

    Parameters
    ----------
    optics : Optics
        Its ``support``, which says where the fit takes the frequencies from, does not count here.

    Examples
    --------
    >>> from napari_psf_distiller import Optics
    >>> support_of(Optics(1.2, 0.5, 1.33))
    Widefield(numerical_aperture=1.2, wavelength=0.5, refractive_index=1.33)
    >>> support_of(Optics(1.2, 0.5, 1.33, microscope="STED")) is None
    True
    """
    aperture, wavelength = optics.numerical_aperture, optics.wavelength
    index = optics.refractive_index
    if optics.microscope != "widefield" or aperture is None or wavelength is None or index is None:
        return None
    return Widefield(aperture, wavelength, index)


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

    Examples
    --------
    >>> ball_form_factor(np.array([0.0, 2.0]), 0.5).round(3)
    array([1.   , 0.304])
    """
    q = np.maximum(np.pi * diameter * np.asarray(frequency, np.float64), 1e-3)
    factor: Floats = 3 * (np.sin(q) - q * np.cos(q)) / q**3
    return factor


def sampled_band(spacing: Sequence[float]) -> Band:
    """Return the highest frequencies that voxels can show.

    Parameters
    ----------
    spacing : sequence of float
        Voxel size along z, y and x in micrometres.
    """
    return Band(MAX_LATERAL_CYCLES / max(spacing[1:]), MAX_AXIAL_CYCLES / spacing[0])


def limited_by_sampling(band: Band, spacing: Sequence[float]) -> tuple[bool, bool]:
    """Return whether a band ends where the voxels' sampling does, along z and in the plane.

    Parameters
    ----------
    band : Band
    spacing : sequence of float
        Voxel size along z, y and x in micrometres.
    """
    most, same = sampled_band(spacing), 1 - SAME_FREQUENCY
    return band.axial > same * most.axial, band.lateral > same * most.lateral
