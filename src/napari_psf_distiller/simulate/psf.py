"""The PSF of a microscope of a known kind, by scalar diffraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy import fft as scipy_fft
from scipy.special import j1

from napari_psf_distiller.checks import check_number, check_shape, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import NUMERICAL_APERTURE, REFRACTIVE_INDEX, WAVELENGTH, Bound
from napari_psf_distiller.optics import PHOTONS
from napari_psf_distiller.recipe import Optics

__all__ = ["Kind", "optics_to_simulate", "simulate_psf", "voxels_in_memory"]

Floats = NDArray[np.float64]

# Kinds of microscope that are simulated.
Kind = Literal[
    "widefield",
    "confocal",
    "spinning disk",
    "light sheet",
    "two-photon",
    "three-photon",
    "STED",
]

# Of a spinning disk, the part of the light in focus that comes through other pinholes.
CROSSTALK = 0.02

# A STED microscope's spot is so much narrower than a widefield one's.
STED_GAIN = 4.0

# The PSF's window is tapered to 0 over this part of each side, so that a shift does not ring.
TAPER = 0.1

# Bytes that a voxel of a PSF takes while it is made.
PSF_BYTES = 100


def simulate_psf(
    shape: Sequence[int],
    spacing: Sequence[float],
    *,
    numerical_aperture: float = 1.2,
    wavelength: float = 0.52,
    refractive_index: float = 1.33,
    spherical: float = 0.0,
    microscope: Kind = "widefield",
    excitation: float | None = None,
    pinhole: float | None = None,
    sheet: float | None = None,
) -> Floats:
    """Compute a microscope's PSF from its pupil, by scalar diffraction.

    Parameters
    ----------
    shape : sequence of int
        (Z, Y, X), or (Y, X) for the focal plane alone.
    spacing : sequence of float
        Voxel size in micrometres; in the plane at most wavelength / (4 NA), of the shorter one.
    numerical_aperture, wavelength, refractive_index : float
        Wavelength of emission in micrometres, refractive index of the immersion.
    spherical : float
        Spherical aberration: the coefficient of Zernike's polynomial Z(4, 0) in waves.
    microscope : str
        Its kind, as `Optics` has it; "other" cannot be simulated. STED is a widefield PSF times a
        Gaussian in the plane that is four times as narrow as its focus.
    excitation : float, optional
        Wavelength in micrometres, of a confocal, spinning disk, two- or three-photon microscope.
    pinhole : float, optional
        Diameter in Airy units, of a confocal or a spinning disk; by default 1. Of a spinning disk
        2 % of the light come through other pinholes.
    sheet : float, optional
        Full width at half maximum of the light sheet in micrometres.

    Returns
    -------
    numpy.ndarray
        float64, sum 1, the focus at n // 2 on each axis.

    Raises
    ------
    InputError
        The optics are impossible, or the voxels too large for them.

    Notes
    -----
    At the distance z from focus the field is the Fourier transform of the pupil
    ``cos(theta)^(-1/2) exp(2 pi i z sqrt((n / wavelength)^2 - k^2))`` over ``k < NA / wavelength``
    (J. W. Goodman, Introduction to Fourier Optics; aplanatic apodisation of the emission after
    B. M. Hanser et al., J. Microsc. 216, 2004), and the PSF its squared modulus. That of a kind of
    microscope is made of the excitation's and the emission's as `theoretical_psf` says.

    Examples
    --------
    >>> shape, spacing = (21, 61, 61), (0.15, 0.06, 0.06)
    >>> wide = simulate_psf(shape, spacing)
    >>> confocal = simulate_psf(shape, spacing, microscope="confocal", excitation=0.488)
    >>> bool(confocal.max() > wide.max())
    True
    """
    shape = check_shape(shape, 1, voxels_in_memory(PSF_BYTES))
    sizes = check_spacing(spacing, len(shape))
    spherical = check_number(spherical, "spherical aberration", -100, 100)
    optics = optics_to_simulate(
        numerical_aperture, wavelength, refractive_index, microscope, excitation, pinhole, sheet
    )
    largest = min(wavelength, excitation or wavelength) / (4 * numerical_aperture)
    if max(sizes[-2:]) > largest:
        raise InputError(
            f"Pixels of {max(sizes[-2:])} micrometres are too large to simulate this PSF; at most "
            f"{largest:.3f} (wavelength / (4 NA))."
        )
    ny, nx = shape[-2:]
    plane = _Plane(ny, nx, sizes[-2], sizes[-1])
    depths = (np.arange(shape[0]) - shape[0] // 2) * sizes[0] if len(shape) == 3 else np.zeros(1)
    emission = plane.focus(numerical_aperture, wavelength, refractive_index, spherical)
    lit = emission
    if excitation is not None:
        lit = plane.focus(numerical_aperture, excitation, refractive_index, spherical)
    psf = np.empty((len(depths), ny, nx))
    for part, depth in zip(psf, depths.tolist(), strict=True):
        part[...] = plane.cropped(_plane_of_kind(optics, plane, emission, lit, depth))
    psf = psf.reshape(tuple(shape))
    for axis, n in enumerate(psf.shape):
        psf *= _taper(n).reshape([-1 if a == axis else 1 for a in range(psf.ndim)])
    result: Floats = psf / psf.sum()
    return result


class _Focus(NamedTuple):
    """The pupil of an objective for some light, and its waves' frequencies along z."""

    pupil: NDArray[np.complex128]
    axial: Floats


class _Plane:
    """Planes of a PSF, computed on a grid twice as large.

    That keeps what leaves the window from coming back in on the other side.
    """

    def __init__(self, ny: int, nx: int, dy: float, dx: float) -> None:
        self._shape, self._sizes = (ny, nx), (dy, dx)
        self._grid = (scipy_fft.next_fast_len(2 * ny), scipy_fft.next_fast_len(2 * nx))
        ky, kx = (
            scipy_fft.fftfreq(n, size) for n, size in zip(self._grid, self._sizes, strict=True)
        )
        self._k = np.hypot(ky[:, None], kx[None, :])

    def focus(self, aperture: float, wavelength: float, index: float, spherical: float) -> _Focus:
        """Return the pupil for light of some wavelength."""
        k, edge = self._k, aperture / wavelength
        # The disc's edge is smoothed over one frequency, so that it is round on the square grid.
        step = max(1 / (n * s) for n, s in zip(self._grid, self._sizes, strict=True))
        disc = np.clip((edge - k) / step + 0.5, 0, 1)
        kz = np.sqrt(np.maximum((index / wavelength) ** 2 - k**2, 0))
        cosine = np.where(disc > 0, kz * wavelength / index, 1)
        rho = np.minimum(k / edge, 1)
        phase = spherical * np.sqrt(5) * (6 * rho**4 - 6 * rho**2 + 1)
        pupil = disc / np.sqrt(np.maximum(cosine, 1e-3)) * np.exp(2j * np.pi * phase)
        return _Focus(pupil, kz)

    def intensity(self, focus: _Focus, depth: float) -> Floats:
        """Return the light at some depth, on all of the grid."""
        field = scipy_fft.ifft2(focus.pupil * np.exp(2j * np.pi * depth * focus.axial))
        light: Floats = np.abs(scipy_fft.fftshift(field)) ** 2
        return light

    def through_disc(self, light: Floats, radius: float) -> Floats:
        """Return what a disc about each place takes in of some light."""
        phase = np.maximum(2 * np.pi * radius * self._k, 1e-6)
        blurred = scipy_fft.ifft2(scipy_fft.fft2(light) * (2 * j1(phase) / phase)).real
        seen: Floats = np.maximum(blurred, 0)
        return seen

    def cropped(self, light: Floats) -> Floats:
        """Return the window of a grid."""
        low = [n // 2 - m // 2 for n, m in zip(self._grid, self._shape, strict=True)]
        return light[low[0] : low[0] + self._shape[0], low[1] : low[1] + self._shape[1]]

    def distances(self) -> Floats:
        """Return how far each place of the grid is from the axis, in micrometres."""
        y, x = (
            (np.arange(n) - n // 2) * size for n, size in zip(self._grid, self._sizes, strict=True)
        )
        distances: Floats = np.hypot(y[:, None], x[None, :])
        return distances


def _plane_of_kind(
    optics: Optics, plane: _Plane, emission: _Focus, lit: _Focus, depth: float
) -> Floats:
    """Return the PSF of a kind of microscope at some depth."""
    kind, aperture, wavelength = optics.microscope, optics.numerical_aperture, optics.wavelength
    assert aperture is not None
    assert wavelength is not None
    light = plane.intensity(lit if kind in PHOTONS else emission, depth)
    if kind in PHOTONS:
        light **= PHOTONS[kind]
    elif kind == "light sheet" and optics.sheet is not None:
        light *= np.exp(-4 * np.log(2) * (depth / optics.sheet) ** 2)
    elif kind == "STED":
        width = 0.51 * wavelength / aperture / STED_GAIN
        light *= np.exp(-4 * np.log(2) * (plane.distances() / width) ** 2)
    elif kind in ("confocal", "spinning disk"):
        radius = (optics.pinhole or 1.0) * 0.61 * wavelength / aperture
        light = plane.through_disc(light, radius)
        elsewhere = CROSSTALK if kind == "spinning disk" else 0.0
        light *= plane.intensity(lit, depth) / plane.intensity(lit, 0.0).max() + elsewhere
    return light


def optics_to_simulate(
    numerical_aperture: float,
    wavelength: float,
    refractive_index: float,
    microscope: Kind,
    excitation: float | None,
    pinhole: float | None,
    sheet: float | None,
) -> Optics:
    """Return the optics of a microscope, if they can be and say enough; see `simulate_psf`.

    Raises
    ------
    InputError
        They cannot, or do not.
    """
    aperture = _checked(numerical_aperture, NUMERICAL_APERTURE)
    index = _checked(refractive_index, REFRACTIVE_INDEX)
    if not aperture < index:
        raise InputError(
            f"The numerical aperture {aperture} must be below the refractive index {index}."
        )
    optics = Optics(
        aperture,
        _checked(wavelength, WAVELENGTH),
        index,
        microscope=microscope,
        excitation=excitation,
        pinhole=pinhole,
        sheet=sheet,
    )
    missing = list(optics.missing)
    if optics.microscope == "light sheet" and sheet is None:
        missing.append("sheet")
    if optics.microscope == "other":
        raise InputError(
            "A microscope of another kind cannot be simulated: choose "
            f"{', '.join(get_args(Kind)[:-1])} or {get_args(Kind)[-1]}."
        )
    if missing:
        raise InputError(
            f"To simulate a {microscope} microscope, {' and '.join(missing)} must be given too."
        )
    return optics


def _taper(n: int) -> Floats:
    taper, width = np.ones(n), max(1, round(TAPER * n))
    if 2 * width < n:
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
        taper[:width], taper[-width:] = ramp, ramp[::-1]
    return taper


def _checked(value: float, bound: Bound) -> float:
    """Return a figure that is a number and within its bounds."""
    return bound.check(check_number(value, bound.what))


def voxels_in_memory(size: int) -> int:
    """Return how many voxels of so many bytes there is memory for."""
    return int(psutil.virtual_memory().available) // size
