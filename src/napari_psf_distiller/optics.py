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
    "Confocal",
    "LightSheet",
    "MultiPhoton",
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

# At half of its maximum the PSF of a widefield microscope without aberrations is this many periods
# of its highest frequencies wide, along z and in the plane.
AXIAL_WIDTH_PERIODS, LATERAL_WIDTH_PERIODS = 0.88, 1.02

# A light sheet's frequencies count where its transform is more than this part of its maximum.
LEAST_OF_SHEET = 0.01

# How many photons excite together, of the kinds of microscope where it is more than one.
PHOTONS = {"two-photon": 2, "three-photon": 3}

# Two bands are the same if they differ by less than this part.
SAME_FREQUENCY = 0.001


class Band(NamedTuple):
    """The highest frequencies of an image.

    Attributes
    ----------
    lateral : float
        In the plane, in cycles a micrometre.
    axial : float
        Along z, in cycles a micrometre; infinite where nothing bounds it.
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
    light_fills_it : bool
        Whether the PSF's light has even the highest frequencies, so that beads show them. A
        confocal microscope passes twice what its light is seen to have; what more there can be is
        told by its theory.

    Examples
    --------
    A microscope that passes the same height of frequencies at all lateral ones:

    >>> @dataclass(frozen=True)
    ... class Box(Support):
    ...     lateral: float
    ...     axial: float
    ...     equal_plane_light = False
    ...
    ...     @property
    ...     def band(self):
    ...         return Band(self.lateral, self.axial)
    ...
    ...     def axial_at(self, lateral):
    ...         return np.where(np.abs(lateral) < self.lateral, self.axial, 0.0)
    >>> Box(4.8, 1.5).axial_at(np.array([1.0, 5.0]))
    array([1.5, 0. ])
    """

    equal_plane_light: bool
    light_fills_it = True

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
            Cycles a micrometre, of the same shape; 0 from the lateral cutoff on, infinite where
            nothing bounds them.
        """


@dataclass(frozen=True)
class _Objective(Support):
    """What a kind of microscope is made of: its objective, and a wavelength."""

    numerical_aperture: float
    wavelength: float
    refractive_index: float

    def __post_init__(self) -> None:
        if not 0 < self.numerical_aperture < self.refractive_index:
            raise InputError(
                f"The numerical aperture, {self.numerical_aperture:g}, must be positive and must "
                f"be below the refractive index, {self.refractive_index:g}."
            )

    def _height(self, rim_distance: Floats) -> Floats:
        """Return how far the differences of the rays' directions reach along the axis.

        Rays of the same wavelength end on a cap of a sphere, and what light of two of them makes
        has the difference of both as its frequency. In units of 1 / wavelength; ``rim_distance``
        is by how much the lateral frequency differs from the cap's radius, the numerical aperture.
        """
        aperture, index = self.numerical_aperture, self.refractive_index
        inside = np.minimum(np.abs(rim_distance), aperture)
        height: Floats = np.sqrt(index**2 - inside**2) - math.sqrt(index**2 - aperture**2)
        return height


@dataclass(frozen=True)
class Widefield(_Objective):
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
    Band(lateral=4.8, axial=1.5130...)
    """

    equal_plane_light = True

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
        rim = np.abs(lateral) * self.wavelength - self.numerical_aperture
        return self._height(rim) / self.wavelength


@dataclass(frozen=True)
class LightSheet(Widefield):
    """A light-sheet microscope: widefield detection of what a sheet across its axis excites.

    Attributes
    ----------
    numerical_aperture, wavelength, refractive_index : float
        Of the detection; see `Widefield`.
    sheet : float or None
        The sheet's full width at half maximum in micrometres, of a Gaussian; None where it is not
        known.

    Notes
    -----
    The PSF is the detection's times the sheet's profile, so that the sheet's frequencies widen its
    support along z (J. Huisken et al., "Optical sectioning deep inside live embryos by selective
    plane illumination microscopy", Science 305, 2004). A Gaussian has all frequencies; taken are
    those where its transform is more than `LEAST_OF_SHEET` of its maximum. Without the sheet's
    width there is no bound along z: the axial frequency is infinite.

    Examples
    --------
    >>> LightSheet(1.0, 0.52, 1.33, 2.0).band
    Band(lateral=3.846..., axial=1.440...)
    """

    sheet: float | None = None
    equal_plane_light = False

    @property
    def band(self) -> Band:
        """The highest frequencies that pass at all."""
        lateral, axial = super().band
        return Band(lateral, axial + self._of_sheet)

    def axial_at(self, lateral: Floats) -> Floats:
        """Return the highest axial frequency at lateral ones; see `Support.axial_at`."""
        passes = np.abs(lateral) < self.band.lateral
        return np.where(passes, super().axial_at(lateral) + self._of_sheet, 0.0)

    @property
    def _of_sheet(self) -> float:
        if self.sheet is None:
            return math.inf
        least = math.log(1 / LEAST_OF_SHEET)
        return 2 * math.sqrt(math.log(2) * least) / (math.pi * self.sheet)


@dataclass(frozen=True)
class Confocal(_Objective):
    """A microscope that scans a focus of light, and looks at it through a pinhole.

    Attributes
    ----------
    numerical_aperture, wavelength, refractive_index : float
        See `Widefield`.
    excitation : float
        The excitation wavelength, in micrometres.

    Notes
    -----
    The PSF is the excitation's times the detection's, the pinhole having blurred that. So its
    frequencies are the sums of one of each support, whatever the pinhole's size: those of a
    widefield microscope of the wavelength 1 / (1 / excitation + 1 / emission), without its missing
    cone (T. Wilson and C. J. R. Sheppard, Theory and Practice of Scanning Optical Microscopy, 1984;
    M. Gu, Principles of Three-Dimensional Imaging in Confocal Microscopes, 1996). Near the rim
    little comes through, and the less the wider the pinhole is.

    Examples
    --------
    >>> Confocal(1.2, 0.5, 1.33, 0.5).band.lateral
    9.6
    """

    excitation: float
    equal_plane_light = False
    light_fills_it = False

    @property
    def band(self) -> Band:
        """The highest frequencies that pass at all."""
        both = 1 / self.wavelength + 1 / self.excitation
        highest = float(self._height(np.zeros(1))[0])
        return Band(2 * self.numerical_aperture * both, highest * both)

    def axial_at(self, lateral: Floats) -> Floats:
        """Return the highest axial frequency at lateral ones; see `Support.axial_at`.

        It is the highest where two frequencies, one of each support's highest, can make the lateral
        one as the sides of a triangle.
        """
        emission, excitation = 1 / self.wavelength, 1 / self.excitation
        both = emission + excitation
        near, far = self.numerical_aperture * abs(emission - excitation), both
        far *= self.numerical_aperture
        size = np.abs(lateral)
        return self._height((size - np.clip(size, near, far)) / both) * both


@dataclass(frozen=True)
class MultiPhoton(_Objective):
    """A microscope that scans a focus in which several photons excite at once.

    Attributes
    ----------
    numerical_aperture : float
    wavelength : float
        The excitation wavelength, in micrometres; all light that is emitted is detected.
    refractive_index : float
        The immersion's.
    photons : int
        That excite together.

    Notes
    -----
    The PSF is the focus' intensity to the power of the photons' number, so that its frequencies are
    sums of so many of the focus' own (C. J. R. Sheppard and M. Gu, "Image formation in two-photon
    fluorescence microscopy", Optik 86, 1990; M. Gu, "Resolution in three-photon fluorescence
    scanning microscopy", Opt. Lett. 21, 1996).

    Examples
    --------
    >>> MultiPhoton(1.0, 0.9, 1.33, 2).band.lateral
    4.44...
    """

    photons: int
    equal_plane_light = False
    light_fills_it = False

    @property
    def band(self) -> Band:
        """The highest frequencies that pass at all."""
        each = self.photons / self.wavelength
        highest = float(self._height(np.zeros(1))[0])
        return Band(2 * self.numerical_aperture * each, highest * each)

    def axial_at(self, lateral: Floats) -> Floats:
        """Return the highest axial frequency at lateral ones; see `Support.axial_at`."""
        each = self.photons / self.wavelength
        size = np.abs(lateral)
        beyond = size - np.minimum(size, self.numerical_aperture * each)
        return self._height(beyond / each) * each


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
    kind, aperture, index = optics.microscope, optics.numerical_aperture, optics.refractive_index
    emission, excitation = optics.wavelength, optics.excitation
    if aperture is None or index is None:
        return None
    if kind in PHOTONS and excitation is not None:
        return MultiPhoton(aperture, excitation, index, PHOTONS[kind])
    if emission is None:
        return None
    if kind in ("confocal", "spinning disk") and excitation is not None:
        return Confocal(aperture, emission, index, excitation)
    if kind == "light sheet":
        return LightSheet(aperture, emission, index, optics.sheet)
    return Widefield(aperture, emission, index) if kind == "widefield" else None


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
