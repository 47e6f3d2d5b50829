"""What becomes of the light: cameras, and what people do to an image before they distil from it.

Each function makes an image of photons expected in each voxel, (Z, Y, X).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft
from scipy import ndimage

from conditions.optics import Array

Image = NDArray[Any]
Camera = Callable[[Array, np.random.Generator], Image]

# Of the usual camera.
OFFSET, READ_NOISE, HIGHEST = 110.0, 1.4, 65535


def camera(
    light: Array,
    rng: np.random.Generator,
    *,
    gain: float = 1.0,
    offset: float = OFFSET,
    read_noise: float = READ_NOISE,
    highest: float = HIGHEST,
) -> Image:
    """Return grey levels, `gain` a photon, of 16 bit."""
    noise = rng.normal(0, read_noise, light.shape) if read_noise else 0
    levels = gain * (rng.poisson(light) + noise) + offset
    return np.clip(np.round(levels), 0, highest).astype(np.uint16)


def multiplying(light: Array, rng: np.random.Generator) -> Image:
    """Return an EMCCD's image: multiplying electrons adds as much noise as the photons have."""
    photons = rng.poisson(light)
    electrons = np.where(photons > 0, rng.gamma(np.maximum(photons, 1)), 0)
    levels = 4 * electrons + rng.normal(0, 3, light.shape) + OFFSET
    return np.clip(np.round(levels), 0, HIGHEST).astype(np.uint16)


def uneven(light: Array, rng: np.random.Generator) -> Image:
    """Return an image of pixels that differ in gain, offset and noise."""
    pixels = light.shape[1:]
    gain, offset = rng.normal(1, 0.025, pixels), rng.normal(OFFSET, 2.5, pixels)
    noise = rng.normal(0, 1, light.shape) * np.exp(rng.normal(0.4, 0.7, pixels))
    levels = gain * rng.poisson(light) + noise + offset
    return np.clip(np.round(levels), 0, HIGHEST).astype(np.uint16)


def hot_pixels(light: Array, rng: np.random.Generator, *, share: float = 1e-3) -> Image:
    """Return an image with pixels that are always bright."""
    image = camera(light, rng).astype(float)
    hot = rng.random(light.shape[1:]) < share
    image[:, hot] += rng.exponential(1800, np.count_nonzero(hot))
    return np.minimum(image, HIGHEST).astype(np.uint16)


def dead_lines(light: Array, rng: np.random.Generator) -> Image:
    """Return an image with three columns and three rows that see no light."""
    image = np.array(camera(light, rng))
    image[:, :, rng.integers(0, image.shape[2], 3)] = int(OFFSET)
    image[:, rng.integers(0, image.shape[1], 3)] = int(OFFSET)
    return image


def saturating(light: Array, rng: np.random.Generator, *, part: float) -> Image:
    """Return an image of 12 bit, full at a part of the brightest light."""
    return camera(light, rng, gain=4000 / (part * float(light.max())), highest=4095)


def saturating_softly(light: Array, rng: np.random.Generator, *, part: float) -> Image:
    """Return an image whose brightest levels are compressed, as near a well's capacity."""
    full = part * float(light.max())
    return camera(full * np.tanh(light / full), rng)


def saturating_then_noisy(light: Array, rng: np.random.Generator, *, part: float) -> Image:
    """Return a saturated image less a dark frame: its highest levels are not quite alike."""
    image = saturating(light, rng, part=part) - rng.normal(OFFSET, 3, light.shape)
    return np.round(image).astype(np.float32)


def counting(light: Array, rng: np.random.Generator) -> Image:
    """Return a detector's count of photons, without noise of its own."""
    return rng.poisson(light).astype(np.uint16)


def eight_bits(light: Array, rng: np.random.Generator, *, per: float, below: float) -> Image:
    """Return a scanner's levels, `per` a photon, its offset `below` photons under none."""
    levels = per * (rng.poisson(light) - below)
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def stretched(light: Array, rng: np.random.Generator, *, percentile: float = 0.0) -> Image:
    """Return 8 bit from an image's lowest to its highest value, or between percentiles."""
    image = camera(light, rng).astype(float)
    low, high = np.percentile(image, (percentile, 100 - percentile))
    return np.clip(np.round(255 * (image - low) / (high - low)), 0, 255).astype(np.uint8)


def normalised(light: Array, rng: np.random.Generator) -> Image:
    """Return an image between 0 and 1."""
    image = camera(light, rng).astype(np.float32)
    return (image - image.min()) / np.ptp(image)


def subtracted(
    light: Array, rng: np.random.Generator, *, more: float = 0.0, cut: bool = True
) -> Image:
    """Return an image less its background and `more`, what is negative cut off or left."""
    image = camera(light, rng).astype(np.float32)
    image -= np.median(image) + np.float32(more)
    return np.maximum(image, 0).astype(np.uint16) if cut else image


def flattened(light: Array, rng: np.random.Generator, *, radius: int = 20) -> Image:
    """Return an image less its local minima, as a rolling ball leaves it."""
    image = camera(light, rng).astype(np.float32)
    smooth = ndimage.gaussian_filter(image, (0, 1, 1))
    ground = ndimage.grey_opening(smooth, (1, radius, radius))
    return np.maximum(image - ground, 0).astype(np.uint16)


def gaussian(light: Array, rng: np.random.Generator, *, sigma: float) -> Image:
    return ndimage.gaussian_filter(camera(light, rng).astype(np.float32), sigma)


def median(light: Array, rng: np.random.Generator) -> Image:
    return ndimage.median_filter(camera(light, rng), 3)


def denoised(light: Array, rng: np.random.Generator) -> Image:
    """Return an image without the weak waves of its blocks of 8 x 8 pixels.

    After a square root that makes the noise alike everywhere (Anscombe, 1948), averaged over four
    grids of blocks: as denoisers leave an image.
    """
    photons = camera(light, rng) - OFFSET
    level = 2 * np.sqrt(np.maximum(photons, 0) + 0.375)
    moves = [(y, x) for y in (0, 4) for x in (0, 4)]
    clean = np.mean([_without_weak_waves(level, move) for move in moves], axis=0)
    image = (clean / 2) ** 2 - 0.375 + OFFSET
    return np.clip(np.round(image), 0, HIGHEST).astype(np.uint16)


def _without_weak_waves(level: Array, move: tuple[int, int], least: float = 2.8) -> Array:
    moved = np.roll(level, move, (1, 2))
    depth, height, width = (n // m * m for n, m in zip(level.shape, (1, 8, 8), strict=True))
    blocks = moved[:, :height, :width].reshape(depth, height // 8, 8, width // 8, 8)
    waves = scipy_fft.dctn(blocks, axes=(2, 4), norm="ortho")
    strong = np.abs(waves) > least
    strong[:, :, 0, :, 0] = True
    blocks = scipy_fft.idctn(waves * strong, axes=(2, 4), norm="ortho")
    moved[:, :height, :width] = blocks.reshape(depth, height, width)
    return np.roll(moved, (-move[0], -move[1]), (1, 2))


def turned(light: Array, rng: np.random.Generator, *, degrees: float = 25.0) -> Image:
    """Return an image turned about z, zeros in the corners."""
    image = camera(light, rng).astype(np.float32)
    return ndimage.rotate(image, degrees, (1, 2), reshape=False, order=1)


def deskewed(light: Array, rng: np.random.Generator, *, shear: float = 0.41) -> Image:
    """Return planes each moved by a part of a pixel more, interpolated linearly."""
    image = camera(light, rng).astype(np.float32)
    planes = [
        ndimage.shift(plane, (shear * z % 1.0, 0), order=1, mode="nearest")
        for z, plane in enumerate(image)
    ]
    return np.array(planes)


def lines_displaced(light: Array, rng: np.random.Generator, *, pixels: float = 0.5) -> Image:
    """Return an image whose odd lines were scanned back and so lie beside the even ones."""
    moved = np.array(light)
    odd = scipy_fft.rfft(light[:, 1::2], axis=2)
    wave = np.exp(-2j * np.pi * pixels * scipy_fft.rfftfreq(light.shape[2]))
    moved[:, 1::2] = np.maximum(scipy_fft.irfft(odd * wave, n=light.shape[2], axis=2), 0)
    return camera(moved, rng)


def striped(light: Array, rng: np.random.Generator) -> Image:
    """Return an image whose lines differ in brightness, and from plane to plane in offset."""
    image = camera(light, rng).astype(float)
    lines = np.arange(image.shape[1])[:, None]
    image *= 1 + 0.04 * np.sin(2 * np.pi * lines / 8.3)
    image += rng.normal(0, 3.5, (image.shape[0], image.shape[1], 1))
    return np.clip(np.round(image), 0, HIGHEST).astype(np.uint16)


def masked(light: Array, rng: np.random.Generator) -> Image:
    """Return an image with zeros outside a circle."""
    image = np.array(camera(light, rng))
    y, x = (np.linspace(-1, 1, n) for n in image.shape[1:])
    image[:, np.hypot(y[:, None], x) > 0.95] = 0
    return image


def planes_missing(light: Array, rng: np.random.Generator, *, count: int = 2) -> Image:
    """Return an image whose last planes were never taken."""
    image = np.array(camera(light, rng))
    image[-count:] = 0
    return image


def gamma_corrected(light: Array, rng: np.random.Generator, *, gamma: float = 0.5) -> Image:
    """Return 8 bit of an image's power, as a picture for the screen is made."""
    return np.round(255 * normalised(light, rng) ** gamma).astype(np.uint8)


def sharpened(light: Array, rng: np.random.Generator, *, sigma: float = 2.0) -> Image:
    """Return an image plus its difference from a smoothed one: an unsharp mask."""
    image = camera(light, rng).astype(np.float32)
    sharp = 2 * image - ndimage.gaussian_filter(image, (0, sigma, sigma))
    return np.clip(np.round(sharp), 0, HIGHEST).astype(np.uint16)


def less_its_surroundings(light: Array, rng: np.random.Generator, *, sigma: float = 10.0) -> Image:
    """Return an image less itself smoothed, negative where that is more."""
    image = camera(light, rng).astype(np.float32)
    return image - ndimage.gaussian_filter(image, (0, sigma, sigma))


def vignetted(light: Array, rng: np.random.Generator, *, lost: float = 0.6) -> Image:
    """Return an image whose light falls off to the corners, by a part of it."""
    y, x = (np.linspace(-1, 1, n) for n in light.shape[1:])
    return camera(light * (1 - lost * (y[:, None] ** 2 + x**2) / 2), rng)


CAMERAS: dict[str, Camera] = {
    "emccd": multiplying,
    "uneven pixels": uneven,
    "hot pixels": hot_pixels,
    "dead lines": dead_lines,
    "gain 0.1": partial(camera, gain=0.1),
    "gain 8": partial(camera, gain=8.0),
    "saturated at 90 %": partial(saturating, part=0.9),
    "saturated at 60 %": partial(saturating, part=0.6),
    "saturated at 30 %": partial(saturating, part=0.3),
    "saturated softly": partial(saturating_softly, part=1.2),
    "saturated, less a dark frame": partial(saturating_then_noisy, part=0.6),
    "8 bit, lowest to highest": stretched,
    "8 bit, percentiles": partial(stretched, percentile=0.2),
    "0 to 1": normalised,
    "background subtracted": partial(subtracted, cut=False),
    "background cut at 0": subtracted,
    "background cut above 0": partial(subtracted, more=9.0),
    "rolling ball": flattened,
    "gaussian 0.5": partial(gaussian, sigma=0.5),
    "gaussian 1": partial(gaussian, sigma=1.0),
    "median": median,
    "denoised": denoised,
    "turned": turned,
    "deskewed": deskewed,
    "lines displaced": lines_displaced,
    "striped": striped,
    "masked": masked,
    "planes missing": planes_missing,
    "gamma 0.5": gamma_corrected,
    "sharpened": sharpened,
    "less its surroundings": less_its_surroundings,
    "vignetted": vignetted,
}
