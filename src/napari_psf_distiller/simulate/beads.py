"""Bead fields with a known PSF: sample data, tests, benchmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.checks import (
    check_choice,
    check_number,
    check_shape,
    check_spacing,
    check_whole,
)
from napari_psf_distiller.lengths import BEAD_DIAMETER
from napari_psf_distiller.optics import ball_form_factor, support_of
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.simulate.psf import (
    Kind,
    optics_to_simulate,
    simulate_psf,
    voxels_in_memory,
)

__all__ = ["SimulatedBeads", "simulate_beads"]

# A PSF is simulated on voxels that show this part of its band, where the beads' are larger: of the
# rest next to nothing is there.
SHOWN_OF_BAND = 0.8

# Bytes that a voxel of a simulated image takes while it is made.
IMAGE_BYTES = 40

# A field of so many takes minutes; each is thrown until it lies apart from all others.
MOST_BEADS = 10_000

# How far a bead's light is followed across, in micrometres: usually, and at least and at most; and
# along z so many times as far.
USUAL_REACH, REACH_BOUNDS, REACH_ALONG = 3.0, (0.5, 100.0), 4 / 3

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
    microscope: Kind = "widefield",
    excitation: float | None = None,
    pinhole: float | None = None,
    sheet: float | None = None,
    photons: float = 1e5,
    spread: float = 0.2,
    background: float = 10.0,
    offset: float = 100.0,
    read_noise: float = 1.6,
    separation: float = 1.5,
    reach: float | None = None,
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
    microscope, excitation, pinhole, sheet
        The kind of microscope, and its own figures; see `simulate_psf`.
    photons, spread : float
        Mean of one bead, and the spread of its logarithm.
    background, offset, read_noise : float
        Photons a voxel, the camera's offset, and its read noise in electrons.
    separation : float
        Least distance of two beads in the plane, in micrometres.
    reach : float, optional
        How far across from its middle a bead's light is followed, in micrometres, up to the image's
        far side, and a third farther along z. A widefield microscope's goes on in planes far from
        the focus, with next to nothing of it in a pixel, but as much in all: to have it, take a
        reach as large as the image. The time of a bead grows with the cube of it. None follows it
        over 3 µm, and over no more than half of the image.
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
    shape = check_shape(shape, 16, voxels_in_memory(IMAGE_BYTES))
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
    farthest = [n // 2 - 1 for n in shape] if reach is None else [n - 1 for n in shape]
    across = USUAL_REACH if reach is None else check_number(reach, "reach", *REACH_BOUNDS)
    sides = (REACH_ALONG * across, across, across)[-len(shape) :]
    # Odd, so that n // 2 is the middle.
    window = tuple(
        2 * min(most, round(side / size)) + 1
        for most, size, side in zip(farthest, sizes, sides, strict=True)
    )
    optics = optics_to_simulate(
        numerical_aperture, wavelength, refractive_index, microscope, excitation, pinhole, sheet
    )
    finer = _finer(optics, sizes)
    fine = simulate_psf(
        [times * (n - 1) + 1 for times, n in zip(finer, window, strict=True)],
        [size / times for times, size in zip(finer, sizes, strict=True)],
        numerical_aperture=numerical_aperture,
        wavelength=wavelength,
        refractive_index=refractive_index,
        spherical=spherical,
        microscope=microscope,
        excitation=excitation,
        pinhole=pinhole,
        sheet=sheet,
    )
    psf = fine[tuple(slice(None, None, times) for times in finer)]
    light = psf.sum()
    centres = _placed(shape, sizes, beads, layout, separation, rng)
    amplitudes = photons * np.exp(rng.normal(0, spread, len(centres)))
    clean = _rendered(shape, fine / light, finer, centres, amplitudes, sizes, bead_diameter)
    noisy = rng.poisson(clean + background) + rng.normal(offset, read_noise, shape)
    image = np.clip(np.round(noisy), 0, np.iinfo(np.uint16).max).astype(np.uint16)
    return SimulatedBeads(image, psf / light, centres, amplitudes, sizes, bead_diameter)


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


def _finer(optics: Optics, sizes: tuple[float, ...]) -> tuple[int, ...]:
    """Return how many times finer the PSF is computed than the voxels are, along each axis."""
    support = support_of(optics)
    if optics.microscope == "widefield" or support is None:
        return (1,) * len(sizes)
    axial, lateral = support.band.axial, support.band.lateral
    return tuple(
        max(1, math.ceil(2 * SHOWN_OF_BAND * highest * size)) if math.isfinite(highest) else 1
        for highest, size in zip((axial, lateral, lateral)[-len(sizes) :], sizes, strict=True)
    )


def _rendered(
    shape: tuple[int, ...],
    psf: NDArray[np.float64],
    finer: tuple[int, ...],
    centres: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    sizes: tuple[float, ...],
    diameter: float,
) -> NDArray[np.float64]:
    """Sum the beads' images: the PSF times the ball's form factor, shifted in Fourier space.

    The PSF is on voxels that are finer by some factors, of which the image's are taken.
    """
    frequencies = np.meshgrid(
        *[scipy_fft.fftfreq(n, 1 / times) for n, times in zip(psf.shape, finer, strict=True)][:-1],
        scipy_fft.rfftfreq(psf.shape[-1], 1 / finer[-1]),
        indexing="ij",
    )
    radius = np.sqrt(sum((k / s) ** 2 for k, s in zip(frequencies, sizes, strict=True)))
    spectrum = scipy_fft.rfftn(scipy_fft.ifftshift(psf)) * ball_form_factor(radius, diameter)
    window = tuple((n - 1) // times + 1 for n, times in zip(psf.shape, finer, strict=True))
    taken = tuple(slice(None, None, times) for times in finer)
    half = np.array(window) // 2
    clean = np.zeros(shape)
    for centre, amplitude in zip(centres, amplitudes, strict=True):
        whole = np.floor(centre + 0.5).astype(int)
        shift = sum(k * f for k, f in zip(frequencies, centre - whole, strict=True))
        moved = scipy_fft.irfftn(spectrum * np.exp(-2j * np.pi * shift), s=psf.shape)
        bead = scipy_fft.fftshift(moved)[taken]
        low = whole - half
        start = np.maximum(low, 0)
        stop = np.minimum(low + window, shape)
        target = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        source = tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))
        clean[target] += amplitude * bead[source]
    return np.maximum(clean, 0)
