"""Tiny bead fields with a known truth, and joint models of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from napari_psf_distiller import SimulatedBeads, simulate_beads, simulate_psf
from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.image.background import SplineBackground
from napari_psf_distiller.joint.image.bead_image import BeadImage, Camera, bead_image_from
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.measure.noise import NoiseModel
from napari_psf_distiller.optics import Widefield

Floats = NDArray[np.float64]

# What `simulate_beads` does unless told otherwise, on a coarse grid.
SPACING = (0.3, 0.1, 0.1)
APERTURE, WAVELENGTH, INDEX = 1.2, 0.52, 1.33
SUPPORT = Widefield(APERTURE, WAVELENGTH, INDEX)
BAND = SUPPORT.band
DIAMETER = 0.1
OFFSET, READ_NOISE = 100.0, 1.6

WINDOW, FLAT_WINDOW = (9, 17, 17), (1, 17, 17)


def relative_l2(found, expected) -> float:
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@functools.cache
def simulated(shape: tuple[int, ...] = (16, 64, 64), **options) -> SimulatedBeads:
    """Return a small noisy field of beads."""
    options = {"beads": 6, "bead_diameter": DIAMETER, "separation": 1.2, "seed": 1} | options
    return simulate_beads(shape, SPACING[-len(shape) :], **options)


def observed(image, camera: Camera | None = None, *, spacing=None, dtype=None) -> BeadImage:
    """Return an image as the joint fit sees it, its noise and its background estimated."""
    image = np.asarray(image)
    return bead_image_from(
        image.astype(np.float32),
        SPACING[-image.ndim :] if spacing is None else spacing,
        camera or Camera(),
        30.0,
        image.dtype if dtype is None else dtype,
    )


def centres_3d(field: SimulatedBeads) -> Floats:
    """Return the true centres, with z = 0 in a plane."""
    missing = 3 - field.centres.shape[1]
    return np.pad(field.centres, ((0, 0), (missing, 0)))


def nearest(found, truth) -> tuple[Floats, NDArray[np.intp]]:
    """Return each true place's distance from the nearest that was found, and the latter's index."""
    distances = np.linalg.norm(np.asarray(found)[None] - np.asarray(truth)[:, None], axis=-1)
    return distances.min(axis=1), distances.argmin(axis=1)


# Noise-free images, of a PSF that the basis has.


@functools.cache
def basis_of(
    window: tuple[int, ...] = WINDOW,
    orders: tuple[int, ...] = (0,),
    diameter: float = DIAMETER,
    spacing: tuple[float, ...] = SPACING,
) -> FourierBessel:
    spacing = spacing if window[0] > 1 else (1.0, *spacing[1:])
    return FourierBessel(window, spacing, BAND, diameter, orders)


@functools.cache
def _true_coefficients(basis: FourierBessel) -> Floats:
    flat = basis.window[0] == 1
    # It falls off to 0 within a larger window.
    large = (25, 61, 61)[-2:] if flat else (25, 61, 61)
    psf = simulate_psf(large, basis.spacing[-len(large) :]).reshape(-1, *large[-2:])
    part = tuple(
        slice(n // 2 - m // 2, n // 2 + m // 2 + 1)
        for n, m in zip(psf.shape, basis.window, strict=True)
    )
    coefficients = basis.fitted(psf[part])
    # Nothing of the terms that turn.
    coefficients[basis.split(coefficients)[0].size :] = 0
    return coefficients / basis.total(coefficients)


def true_coefficients(basis: FourierBessel) -> Floats:
    """Return those of the microscope's PSF, with the sum 1 in the window."""
    return _true_coefficients(basis).copy()


def gaussian_coefficients(basis: FourierBessel, width: float = 1.0) -> Floats:
    """Return those of a Gaussian about as wide as the PSF, times a factor."""
    z, y, x = (np.arange(n) - n // 2 for n in basis.window)
    across = (y[:, None] ** 2 + x**2) / (width * 0.95) ** 2
    gaussian = np.exp(-0.5 * ((z[:, None, None] / (width * 0.95)) ** 2 + across))
    coefficients = basis.fitted(gaussian)
    return coefficients / basis.total(coefficients)


def light_of(
    basis: FourierBessel, coefficients: Floats, centres, amplitudes, shape: tuple[int, ...]
) -> Floats:
    """Sum beads' images function by function, in double precision, in each one's window."""
    image = np.zeros(shape)
    symmetric = basis.bead_spectrum(coefficients)[:, : len(basis.radial)]
    for centre, amplitude in zip(np.asarray(centres, float), amplitudes, strict=True):
        middle = np.floor(centre + 0.5).astype(int)
        low = middle - np.array(basis.window) // 2
        z, y, x = (
            np.arange(max(a, 0), min(a + w, n))
            for a, w, n in zip(low, basis.window, shape, strict=True)
        )
        radius = np.hypot(
            (y - centre[1])[:, None] * basis.spacing[1], (x - centre[2]) * basis.spacing[2]
        )
        phase = 2 * np.pi * ((z - centre[0]) * basis.spacing[0])[:, None] * basis.waves
        waves = np.where(basis.waves < 0, np.sin(phase), np.cos(phase))
        rings = special.j0(2 * np.pi * radius[..., None] * basis.radial)
        image[np.ix_(z, y, x)] += amplitude * np.einsum("zw,wk,yxk->zyx", waves, symmetric, rings)
    return image


def spline_of(background: SplineBackground, values: Callable[[Floats], Floats]) -> Floats:
    """Return the coefficients of the spline nearest to a function of points, in voxels."""
    axes = [np.linspace(-0.5, n - 0.5, min(9, 2 * n)) if n > 1 else [0.0] for n in background.shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    found: Floats = np.linalg.lstsq(background.design_at(points)[:, 0], values(points), rcond=None)[
        0
    ]
    return found


def known_field(
    image,
    deviation: float = 1.0,
    *,
    gain: float = 0.0,
    saturation: float = float("inf"),
    spacing: tuple[float, ...] = SPACING,
    level: Callable[[Floats], Floats] = lambda points: np.full(len(points), 10.0),
) -> BeadImage:
    """Return a field of which nothing has to be estimated; its noise is that of 0, and a gain."""
    image = np.asarray(image, np.float32)
    background = SplineBackground(image.shape, spacing, 30.0, 10.0)
    noise = NoiseModel(gain, deviation**2)
    floor = 0.1 * deviation**2
    coefficients = spline_of(background, level)
    return BeadImage(image, spacing, noise, floor, saturation, background, coefficients)


class Scene(NamedTuple):
    """Beads without noise on a background of 10."""

    image: Floats
    basis: FourierBessel
    coefficients: Floats
    centres: Floats
    amplitudes: Floats

    def model(self, *, windows=HostWindows, coefficients=None, centres=None, **noise) -> JointModel:
        """Return a model of it; its places and amplitudes are the true ones if not given."""
        start = self.coefficients if coefficients is None else coefficients
        places = self.centres if centres is None else np.asarray(centres, float)
        field = known_field(self.image, spacing=self.basis.spacing, **noise)
        model = JointModel(
            field, self.basis, windows(self.basis.voxel_functions), places, start.copy()
        )
        if len(places) == len(self.centres):
            model.move(places, self.amplitudes.copy())
            model.invalidate_surroundings()
        return model


# Windows of 9 x 17 x 17 about these do not touch, and leave some of the image between them.
APART = ((6.2, 9.7, 10.3), (7.4, 30.1, 9.6), (6.8, 9.5, 30.4), (7.0, 30.3, 29.8))
# These two lie in each other's windows, and one of them is cut by the image's sides.
TOGETHER = ((6.2, 12.3, 15.7), (7.3, 24.4, 14.2), (5.9, 30.2, 34.6))


def scene(
    centres=APART,
    amplitudes=None,
    *,
    shape: tuple[int, ...] = (14, 40, 40),
    window: tuple[int, ...] = WINDOW,
    spacing: tuple[float, ...] = SPACING,
) -> Scene:
    """Return a noise-free image, with beads of ten thousand photons, more or less."""
    basis = basis_of(window, spacing=spacing)
    coefficients = true_coefficients(basis)
    places = np.array(centres, float)
    if amplitudes is None:
        amplitudes = 1e4 * (1 + 0.15 * np.arange(len(places)))
    brightness = np.array(amplitudes, float)
    image = 10 + light_of(basis, coefficients, places, brightness, shape)
    return Scene(image, basis, coefficients, places, brightness)


def solved(model: JointModel, times: int = 1, most: int = 200, relative: float = 0.0) -> Floats:
    """Improve PSF and background, and return what each iteration gained."""
    gains = []
    for _ in range(times):
        steps = model.solve(most, relative)
        while True:
            try:
                gains.append(next(steps))
            except StopIteration:
                break
    return np.array(gains)


# A PSF that is not the same all around its axis.


def aberrated_psf(
    shape: tuple[int, ...],
    spacing=SPACING,
    *,
    coma: float = 0.0,
    astigmatism: float = 0.0,
    trefoil: float = 0.0,
) -> Floats:
    """Return a PSF from its pupil, Zernike's Z(3, 1), Z(2, 2) and Z(3, 3) in waves; sum 1."""
    nz, ny, nx = shape
    grid = (4 * ny, 4 * nx)
    ky = np.fft.fftfreq(grid[0], spacing[1])[:, None]
    kx = np.fft.fftfreq(grid[1], spacing[2])
    k, edge = np.hypot(ky, kx), APERTURE / WAVELENGTH
    rho, angle = np.minimum(k / edge, 1), np.arctan2(ky, kx)
    disc = np.clip((edge - k) * grid[0] * spacing[1] + 0.5, 0, 1)
    kz = np.sqrt(np.maximum((INDEX / WAVELENGTH) ** 2 - k**2, 0))
    phase = coma * np.sqrt(8) * (3 * rho**3 - 2 * rho) * np.cos(angle)
    phase += astigmatism * np.sqrt(6) * rho**2 * np.cos(2 * angle)
    phase += trefoil * np.sqrt(8) * rho**3 * np.cos(3 * angle)
    psf = np.empty(shape)
    for plane, z in zip(psf, (np.arange(nz) - nz // 2) * spacing[0], strict=True):
        field = np.fft.ifft2(disc * np.exp(2j * np.pi * (phase + z * kz)))
        plane[...] = np.roll(np.abs(field) ** 2, (ny // 2, nx // 2), (0, 1))[:ny, :nx]
    return psf / psf.sum()


def comatic_psf(shape: tuple[int, ...], coma: float, spacing=SPACING) -> Floats:
    """Return a PSF with coma along x, in waves; see `aberrated_psf`."""
    return aberrated_psf(shape, spacing, coma=coma)


def image_of(psf: Floats, centres, amplitudes, shape: tuple[int, ...], seed: int | None = None):
    """Return beads without extent, each the PSF displaced in Fourier space; with noise."""
    image = np.zeros(shape)
    half = np.array(psf.shape) // 2
    spectrum = np.fft.fftn(psf)
    for centre, amplitude in zip(np.asarray(centres), amplitudes, strict=True):
        middle = np.floor(centre + 0.5).astype(int)
        bead = np.fft.ifftn(ndimage.fourier_shift(spectrum, centre - middle)).real
        start = np.maximum(middle - half, 0)
        stop = np.minimum(middle - half + psf.shape, shape)
        here = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        low = middle - half
        there = tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))
        image[here] += amplitude * np.maximum(bead[there], 0)
    image += 10
    if seed is None:
        return image + OFFSET
    rng = np.random.default_rng(seed)
    return np.round(rng.poisson(image) + rng.normal(OFFSET, READ_NOISE, shape)).astype(np.uint16)
