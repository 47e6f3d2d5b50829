"""Bead fields with a known PSF: sample data, tests, benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.checks import (
    check_choice,
    check_number,
    check_shape,
    check_spacing,
    check_whole,
)
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import (
    BEAD_DIAMETER,
    NUMERICAL_APERTURE,
    REFRACTIVE_INDEX,
    WAVELENGTH,
    Bound,
)
from napari_psf_distiller.optics import ball_form_factor

__all__ = ["SimulatedBeads", "simulate_beads", "simulate_psf"]

# The PSF's window is tapered to 0 over this part of each side, so that a shift does not ring.
TAPER = 0.1

# Bytes that a voxel of a simulated image takes while it is made, and one of a PSF.
IMAGE_BYTES, PSF_BYTES = 40, 100

# A field of so many takes minutes; each is thrown until it lies apart from all others.
MOST_BEADS = 10_000

# Photons that a Poisson distribution is still drawn for.
MOST_PHOTONS = 1e15


@dataclass(frozen=True)
class SimulatedBeads:
    """A simulated bead image and the truth behind it.

    Attributes
    ----------
    image : numpy.ndarray
        uint16, (Z, Y, X) or (Y, X): photons with Poisson noise, camera offset and read noise.
    psf : numpy.ndarray
        float64, sum 1, its focus at n // 2.
    centres : numpy.ndarray
        (N, axes), fractional voxels.
    amplitudes : numpy.ndarray
        (N,), photons.
    spacing : tuple of float
        Voxel size in micrometres.
    bead_diameter : float
        In micrometres.
    """

    image: NDArray[np.uint16]
    psf: NDArray[np.float64]
    centres: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    spacing: tuple[float, ...]
    bead_diameter: float


def simulate_psf(
    shape: Sequence[int],
    spacing: Sequence[float],
    *,
    numerical_aperture: float = 1.2,
    wavelength: float = 0.52,
    refractive_index: float = 1.33,
    spherical: float = 0.0,
) -> NDArray[np.float64]:
    """Compute a widefield microscope's PSF from its pupil, by scalar diffraction.

    Parameters
    ----------
    shape : sequence of int
        (Z, Y, X), or (Y, X) for the focal plane alone.
    spacing : sequence of float
        Voxel size in micrometres; in the plane at most wavelength / (4 NA).
    numerical_aperture, wavelength, refractive_index : float
        Wavelength of emission in micrometres, refractive index of the immersion.
    spherical : float
        Spherical aberration: the coefficient of Zernike's polynomial Z(4, 0) in waves.

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
    B. M. Hanser et al., J. Microsc. 216, 2004), and the PSF its squared modulus.
    """
    shape = check_shape(shape, 1, _voxels_in_memory(PSF_BYTES))
    sizes = check_spacing(spacing, len(shape))
    numerical_aperture = _checked(numerical_aperture, NUMERICAL_APERTURE)
    wavelength = _checked(wavelength, WAVELENGTH)
    refractive_index = _checked(refractive_index, REFRACTIVE_INDEX)
    spherical = check_number(spherical, "spherical aberration", -100, 100)
    if not numerical_aperture < refractive_index:
        raise InputError(
            f"The numerical aperture {numerical_aperture} must be below the refractive index "
            f"{refractive_index}."
        )
    largest = wavelength / (4 * numerical_aperture)
    if max(sizes[-2:]) > largest:
        raise InputError(
            f"Pixels of {max(sizes[-2:])} micrometres are too large to simulate this PSF; at most "
            f"{largest:.3f} (wavelength / (4 NA))."
        )
    ny, nx = shape[-2:]
    # A window twice as large keeps what leaves it from coming back in on the other side.
    grid = (scipy_fft.next_fast_len(2 * ny), scipy_fft.next_fast_len(2 * nx))
    ky = scipy_fft.fftfreq(grid[0], sizes[-2])[:, None]
    kx = scipy_fft.fftfreq(grid[1], sizes[-1])[None, :]
    k = np.hypot(ky, kx)
    edge = numerical_aperture / wavelength
    # The disc's edge is smoothed over one frequency, so that it is round on the square grid.
    step = max(1 / (n * s) for n, s in zip(grid, sizes[-2:], strict=True))
    disc = np.clip((edge - k) / step + 0.5, 0, 1)
    kz = np.sqrt(np.maximum((refractive_index / wavelength) ** 2 - k**2, 0))
    cosine = np.where(disc > 0, kz * wavelength / refractive_index, 1)
    rho = np.minimum(k / edge, 1)
    phase = spherical * np.sqrt(5) * (6 * rho**4 - 6 * rho**2 + 1)
    pupil = disc / np.sqrt(np.maximum(cosine, 1e-3)) * np.exp(2j * np.pi * phase)
    depths = (np.arange(shape[0]) - shape[0] // 2) * sizes[0] if len(shape) == 3 else np.zeros(1)
    psf = np.empty((len(depths), ny, nx))
    low = [n // 2 - m // 2 for n, m in zip(grid, (ny, nx), strict=True)]
    for plane, depth in zip(psf, depths, strict=True):
        field = scipy_fft.fftshift(scipy_fft.ifft2(pupil * np.exp(2j * np.pi * depth * kz)))
        plane[...] = np.abs(field[low[0] : low[0] + ny, low[1] : low[1] + nx]) ** 2
    psf = psf.reshape(tuple(shape))
    for axis, n in enumerate(psf.shape):
        psf *= _taper(n).reshape([-1 if a == axis else 1 for a in range(psf.ndim)])
    result: NDArray[np.float64] = psf / psf.sum()
    return result


def simulate_beads(
    shape: Sequence[int] = (54, 256, 256),
    spacing: Sequence[float] = (0.2, 0.08, 0.08),
    *,
    beads: int = 40,
    bead_diameter: float = 0.1,
    layout: Literal["slide", "gel"] = "slide",
    numerical_aperture: float = 1.2,
    wavelength: float = 0.52,
    refractive_index: float = 1.33,
    spherical: float = 0.0,
    photons: float = 1e5,
    spread: float = 0.2,
    background: float = 10.0,
    offset: float = 100.0,
    read_noise: float = 1.6,
    separation: float = 1.5,
    seed: int = 0,
) -> SimulatedBeads:
    """Simulate an image of fluorescent beads whose PSF is known.

    Parameters
    ----------
    shape : sequence of int
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size in micrometres.
    beads : int
        Number of beads wanted; fewer are placed where no more fit at their separation.
    bead_diameter : float
        In micrometres; a uniform ball (its projection in 2D).
    layout : {"slide", "gel"}
        All near one plane, or all through the volume.
    numerical_aperture, wavelength, refractive_index, spherical : float
        See `simulate_psf`.
    photons, spread : float
        Mean of one bead, and the spread of its logarithm.
    background, offset, read_noise : float
        Photons a voxel, the camera's offset, and its read noise in electrons.
    separation : float
        Least distance of two beads in the plane, in micrometres.
    seed : int
        The same seed gives the same image.

    Returns
    -------
    SimulatedBeads

    Raises
    ------
    InputError
        The shape, the spacing or the optics cannot be used.
    """
    shape = check_shape(shape, 16, _voxels_in_memory(IMAGE_BYTES))
    sizes = check_spacing(spacing, len(shape))
    beads = check_whole(beads, "number of beads", 0, MOST_BEADS)
    bead_diameter = check_number(bead_diameter, "bead diameter", 0)
    # A point is a bead too.
    if bead_diameter:
        BEAD_DIAMETER.check(bead_diameter)
    photons = check_number(photons, "number of photons", 0, MOST_PHOTONS)
    spread = check_number(spread, "spread of the photons", 0, 3)
    background = check_number(background, "background", 0, MOST_PHOTONS)
    offset = check_number(offset, "offset", -MOST_PHOTONS, MOST_PHOTONS)
    read_noise = check_number(read_noise, "read noise", 0, MOST_PHOTONS)
    separation = check_number(separation, "separation", 0, 1e5)
    rng = np.random.default_rng(check_whole(seed, "seed", 0, 2**53))
    check_choice(layout, "layout", ("slide", "gel"))
    # Odd, so that n // 2 is the middle; large enough for the light that matters, 3 x 2 um.
    window = tuple(
        2 * min(n // 2 - 1, round(reach / size)) + 1
        for n, size, reach in zip(shape, sizes, (4.0, 3.0, 3.0)[-len(shape) :], strict=True)
    )
    psf = simulate_psf(
        window,
        sizes,
        numerical_aperture=numerical_aperture,
        wavelength=wavelength,
        refractive_index=refractive_index,
        spherical=spherical,
    )
    centres = _placed(shape, sizes, beads, layout, separation, rng)
    amplitudes = photons * np.exp(rng.normal(0, spread, len(centres)))
    clean = _rendered(shape, psf, centres, amplitudes, sizes, bead_diameter)
    noisy = rng.poisson(clean + background) + rng.normal(offset, read_noise, shape)
    image = np.clip(np.round(noisy), 0, np.iinfo(np.uint16).max).astype(np.uint16)
    return SimulatedBeads(image, psf, centres, amplitudes, sizes, bead_diameter)


def _taper(n: int) -> NDArray[np.float64]:
    taper, width = np.ones(n), max(1, round(TAPER * n))
    if 2 * width < n:
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
        taper[:width], taper[-width:] = ramp, ramp[::-1]
    return taper


def _placed(
    shape: tuple[int, ...],
    sizes: tuple[float, ...],
    beads: int,
    layout: str,
    separation: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Throw beads at random, keeping those that lie apart from the ones before."""
    margin = np.array([n / 8 for n in shape])
    kept = np.empty((beads, len(shape)))
    count = 0
    for _ in range(50 * beads):
        if count == beads:
            break
        centre = rng.uniform(margin, np.asarray(shape) - 1 - margin)
        if len(shape) == 3 and layout == "slide":
            centre[0] = np.clip(rng.normal(shape[0] / 2, 1.5), margin[0], shape[0] - 1 - margin[0])
        off = ((centre - kept[:count]) * sizes)[:, -2:]
        if not count or np.hypot(off[:, 0], off[:, 1]).min() >= separation:
            kept[count] = centre
            count += 1
    return kept[:count]


def _checked(value: float, bound: Bound) -> float:
    return bound.check(check_number(value, bound.what))


def _voxels_in_memory(size: int) -> int:
    """Return how many voxels of so many bytes there is memory for."""
    return int(psutil.virtual_memory().available) // size


def _rendered(
    shape: tuple[int, ...],
    psf: NDArray[np.float64],
    centres: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    sizes: tuple[float, ...],
    diameter: float,
) -> NDArray[np.float64]:
    """Sum the beads' images: the PSF times the ball's form factor, shifted in Fourier space."""
    frequencies = np.meshgrid(
        *[scipy_fft.fftfreq(n) for n in psf.shape[:-1]],
        scipy_fft.rfftfreq(psf.shape[-1]),
        indexing="ij",
    )
    radius = np.sqrt(sum((k / s) ** 2 for k, s in zip(frequencies, sizes, strict=True)))
    spectrum = scipy_fft.rfftn(scipy_fft.ifftshift(psf)) * ball_form_factor(radius, diameter)
    half = np.array(psf.shape) // 2
    clean = np.zeros(shape)
    for centre, amplitude in zip(centres, amplitudes, strict=True):
        whole = np.floor(centre + 0.5).astype(int)
        shift = sum(k * f for k, f in zip(frequencies, centre - whole, strict=True))
        moved = scipy_fft.irfftn(spectrum * np.exp(-2j * np.pi * shift), s=psf.shape)
        bead = scipy_fft.fftshift(moved)
        low = whole - half
        start = np.maximum(low, 0)
        stop = np.minimum(low + psf.shape, shape)
        target = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        source = tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))
        clean[target] += amplitude * bead[source]
    return np.maximum(clean, 0)
