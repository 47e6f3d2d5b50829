"""The PSF of a microscope of a known kind, by vectorial diffraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from napari_psf_distiller.checks import check_number, check_shape, check_spacing
from napari_psf_distiller.diffraction import Focus
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import NUMERICAL_APERTURE, REFRACTIVE_INDEX, WAVELENGTH, Bound
from napari_psf_distiller.optics import PHOTONS
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.recipe.microscope import WITH_PINHOLE
from napari_psf_distiller.wording import listed

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
    """Compute a microscope's PSF from its pupil, by vectorial diffraction.

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
    It is the PSF of `theoretical_psf`, of emitters that turn freely, with a spherical aberration
    and at points: a camera's pixels, which are squares, make it a little wider. Towards the sides
    of its window it is faded out.

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
    volume, steps = (1,) * (3 - len(shape)) + tuple(shape), (1.0,) * (3 - len(shape)) + sizes
    depths, down, across = (
        (np.arange(n, dtype=np.float64) - n // 2) * step
        for n, step in zip(volume, steps, strict=True)
    )
    # Many pixels are as far from the axis as others.
    distances, places = np.unique(np.hypot(down[:, None], across), return_inverse=True)
    psf = _at_points(optics, spherical, distances, depths)[:, places].reshape(tuple(shape))
    for axis, n in enumerate(psf.shape):
        psf *= _taper(n).reshape([-1 if a == axis else 1 for a in range(psf.ndim)])
    result: Floats = psf / psf.sum()
    return result


def _at_points(optics: Optics, spherical: float, distances: Floats, depths: Floats) -> Floats:
    """Return the PSF at depths and distances from the axis: (depths, distances)."""
    kind, aperture, index = optics.microscope, optics.numerical_aperture, optics.refractive_index
    wavelength, excitation = optics.wavelength, optics.excitation
    assert aperture is not None
    assert index is not None
    assert wavelength is not None
    emitted = Focus(aperture, wavelength, index, spherical)
    exciting = emitted if excitation is None else emitted._replace(wavelength=excitation)
    shortest = min(emitted.wavelength, exciting.wavelength)
    radii = emitted._replace(wavelength=shortest).radii(float(distances[-1]))
    if kind in PHOTONS:
        light = exciting.intensity(radii, depths) ** PHOTONS[kind]
    elif kind in WITH_PINHOLE:
        disc = (optics.pinhole or 1.0) * 0.61 * wavelength / aperture
        brightest = exciting.intensity(radii, np.zeros(1)).max()
        elsewhere = CROSSTALK if kind == "spinning disk" else 0.0
        lit = exciting.intensity(radii, depths) / brightest + elsewhere
        light = emitted.through_disc(radii, depths, disc) * lit
    else:
        light = emitted.intensity(radii, depths)
    if kind == "light sheet" and optics.sheet is not None:
        light *= np.exp(-4 * np.log(2) * (depths[:, None] / optics.sheet) ** 2)
    found: Floats = np.maximum(CubicSpline(radii, light, axis=1)(distances), 0)
    if kind == "STED":
        width = 0.51 * wavelength / aperture / STED_GAIN
        found *= np.exp(-4 * np.log(2) * (distances / width) ** 2)
    return found


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
            f"{listed(get_args(Kind), 'or')}."
        )
    if missing:
        raise InputError(
            f"To simulate a {microscope} microscope, {listed(missing)} must be given too."
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
