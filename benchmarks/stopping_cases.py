"""Images of known objects, as people record and prepare them, to stop a deconvolution of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller import simulate_psf

__all__ = ["CASES", "OBJECTS", "PSF_SHAPE", "Case", "Shown", "shown"]

Array = NDArray[np.float64]

SHAPE, PSF_SHAPE, SPACING = (24, 80, 80), (21, 31, 31), (0.2, 0.08, 0.08)

# The objects are drawn on a grid that is so many times finer in the plane, and binned.
FINE = 3


@dataclass(frozen=True)
class Case:
    """An object, and how it was recorded.

    Attributes
    ----------
    object : str
        One of `OBJECTS`.
    record : str
        One of `RECORDS`.
    photons : float
        In the brightest voxel of the image.
    background : float
        Photons a voxel.
    psf : str
        With which it is deconvolved: "right" or one of `WRONG`.
    flat : bool
        Whether one plane is all there is.
    """

    object: str
    record: str = "camera"
    photons: float = 500.0
    background: float = 10.0
    psf: str = "right"
    flat: bool = False

    @property
    def name(self) -> str:
        """What a table calls it."""
        parts = [self.object, self.record, f"{self.photons:g}"]
        if self.background != 10:
            parts.append(f"on {self.background:g}")
        if self.psf != "right":
            parts.append(self.psf)
        return ", ".join([*parts, *(["2D"] if self.flat else [])])


@dataclass(frozen=True)
class Shown:
    """An image, the PSF to deconvolve it with, and the object behind it.

    Attributes
    ----------
    image : numpy.ndarray
        As it is in the file.
    psf : numpy.ndarray
        float32.
    truth : numpy.ndarray
        Photons that came from each voxel, without the background.
    """

    image: NDArray[np.generic]
    psf: NDArray[np.float32]
    truth: Array


def _points(rng: np.random.Generator, count: int, diameter: float) -> Array:
    """Return balls of a diameter in micrometres, of like brightness."""
    fine = _empty()
    size = (SPACING[0], SPACING[1] / FINE, SPACING[2] / FINE)
    offsets = rng.normal(size=(400, 3))
    offsets *= (rng.random(400) ** (1 / 3) / np.linalg.norm(offsets, axis=1))[:, None]
    for centre in rng.uniform(4, np.array(fine.shape) - 5, (count, 3)):
        places = np.rint(centre + offsets * diameter / 2 / np.array(size)).astype(int)
        np.add.at(fine, tuple(places.T), rng.uniform(0.8, 1.2) / 400)
    return _binned(fine)


def _filaments(rng: np.random.Generator, count: int) -> Array:
    """Return curved lines through the volume, of like brightness along them."""
    fine = _empty()
    along = np.linspace(0, 1, 3000)[:, None]
    high = np.array(fine.shape) - 4
    for _ in range(count):
        ends = rng.uniform(3, high, (3, 3))
        curve = (1 - along) ** 2 * ends[0] + 2 * along * (1 - along) * ends[1] + along**2 * ends[2]
        np.add.at(fine, tuple(np.rint(curve).astype(int).T), rng.uniform(0.5, 1.5) / 3000)
    return _binned(fine)


def _cell(rng: np.random.Generator) -> Array:
    """Return a body with a dark nucleus, spots and lines."""
    z, y, x = (np.linspace(-1, 1, n) for n in SHAPE)
    radius = np.sqrt((z[:, None, None] / 0.8) ** 2 + (y[:, None] / 0.75) ** 2 + (x / 0.85) ** 2)
    hole = np.sqrt(
        (z[:, None, None] / 0.4) ** 2 + ((y[:, None] - 0.1) / 0.35) ** 2 + (x / 0.3) ** 2
    )
    body = (radius < 1) * np.where(hole < 1, 0.3, 1.0) / np.count_nonzero(radius < 1)
    lines, spots = _filaments(rng, 12), _points(rng, 30, 0.2)
    return 0.5 * body + 0.3 * lines / lines.sum() + 0.2 * spots / spots.sum()


def _empty() -> Array:
    return np.zeros((SHAPE[0], FINE * SHAPE[1], FINE * SHAPE[2]))


def _binned(fine: Array) -> Array:
    z, y, x = SHAPE
    binned: Array = fine.reshape(z, y, FINE, x, FINE).sum(axis=(2, 4))
    return binned


OBJECTS: dict[str, Callable[[np.random.Generator], Array]] = {
    "few beads": lambda rng: _points(rng, 6, 0.1),
    "beads": lambda rng: _points(rng, 25, 0.2),
    "crowded beads": lambda rng: _points(rng, 250, 0.15),
    "few filaments": lambda rng: _filaments(rng, 4),
    "filaments": lambda rng: _filaments(rng, 60),
    "cell": _cell,
}


def _camera(photons: Array, rng: np.random.Generator, gain: float = 1.0) -> Array:
    return np.rint(gain * photons + rng.normal(0, 1.5 * gain, photons.shape) + 100)


def _eight_bits(image: Array) -> NDArray[np.uint8]:
    low, high = image.min(), image.max()
    return np.rint(255 * (image - low) / (high - low)).astype(np.uint8)


def _steps(photons: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return grey levels of a hundredth of the brightest light: the dark has no noise."""
    gain = 100 / photons.max()
    return np.rint(gain * photons + 1.8).astype(np.uint8)


def _subtracted(photons: Array, rng: np.random.Generator, more: float) -> Array:
    image = _camera(photons, rng)
    return image - np.median(image) - more


def _saturated(photons: Array, rng: np.random.Generator, share: float) -> NDArray[np.uint16]:
    image = _camera(photons, rng)
    return np.minimum(image, 100 + share * (image.max() - 100)).astype(np.uint16)


RECORDS: dict[str, Callable[[Array, np.random.Generator], NDArray[np.generic]]] = {
    "camera": lambda p, rng: _camera(p, rng).astype(np.uint16),
    "gain 0.1": lambda p, rng: _camera(p, rng, 0.1).astype(np.uint16),
    "gain 10": lambda p, rng: _camera(p, rng, 10).astype(np.uint16),
    "0 to 1": lambda p, rng: (_camera(p, rng) / 65535).astype(np.float32),
    "8 bit": lambda p, rng: _eight_bits(_camera(p, rng)),
    "8 bit, dark without noise": _steps,
    "8 bit as 0 to 1": lambda p, rng: (_eight_bits(_camera(p, rng)) / 255).astype(np.float32),
    "subtracted": lambda p, rng: _subtracted(p, rng, 0).astype(np.float32),
    "clipped at 0": lambda p, rng: np.maximum(_subtracted(p, rng, 0), 0).astype(np.uint16),
    "clipped above 0": lambda p, rng: np.maximum(_subtracted(p, rng, 4), 0).astype(np.uint16),
    "saturated": lambda p, rng: _saturated(p, rng, 0.5),
    "smoothed by 0.5": lambda p, rng: ndimage.gaussian_filter(_camera(p, rng), 0.5),
    "smoothed by 1": lambda p, rng: ndimage.gaussian_filter(_camera(p, rng), 1.0),
    "median": lambda p, rng: ndimage.median_filter(_camera(p, rng), 3),
}

WRONG: dict[str, dict[str, Any]] = {
    "PSF of NA 1.1": {"numerical_aperture": 1.1},
    "PSF 5 % wide": {"wavelength": 0.546},
    "PSF of NA 1.15": {"numerical_aperture": 1.15},
    "PSF aberrated": {"spherical": 0.1},
}


def shown(case: Case, seed: int) -> Shown:
    """Return a case's image; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    truth = OBJECTS[case.object](rng)
    psf = simulate_psf(PSF_SHAPE, SPACING)
    kernel = simulate_psf(PSF_SHAPE, SPACING, **WRONG.get(case.psf, {}))
    if case.flat:
        truth = truth.sum(axis=0)
        psf, kernel = (each[PSF_SHAPE[0] // 2] for each in (psf, kernel))
        psf, kernel = psf / psf.sum(), kernel / kernel.sum()
    light = np.maximum(_convolved(truth, psf), 0)
    scale = case.photons / light.max()
    photons = rng.poisson(scale * light + case.background).astype(np.float64)
    image = RECORDS[case.record](photons, rng)
    return Shown(image, kernel.astype(np.float32), scale * truth)


def _convolved(truth: Array, psf: Array) -> Array:
    shape = [n + m for n, m in zip(truth.shape, psf.shape, strict=True)]
    axes = tuple(range(truth.ndim))
    product = np.fft.rfftn(truth, shape, axes) * np.fft.rfftn(psf, shape, axes)
    full = np.fft.irfftn(product, shape, axes)
    inner = (slice(m // 2, m // 2 + n) for n, m in zip(truth.shape, psf.shape, strict=True))
    result: Array = full[tuple(inner)]
    return result


CASES = (
    *(Case(name, photons=photons) for name in OBJECTS for photons in (50, 500)),
    Case("beads", photons=5000),
    Case("cell", photons=5000),
    *(
        Case(name, record)
        for record in RECORDS
        if record != "camera"
        for name in ("beads", "filaments")
    ),
    Case("few beads", "8 bit, dark without noise", 20000),
    Case("beads", "8 bit, dark without noise", 20000),
    Case("cell", "8 bit, dark without noise", 20000),
    Case("cell", "clipped at 0"),
    Case("few beads", "clipped above 0"),
    Case("few beads", background=0.1),
    Case("few filaments", "subtracted", background=0.1),
    *(Case(name, psf=psf) for psf in WRONG for name in ("beads", "filaments")),
    Case("beads", "8 bit, dark without noise", 20000, psf="PSF of NA 1.1"),
    Case("cell", photons=5000, psf="PSF of NA 1.15"),
    Case("beads", photons=500, flat=True),
    Case("filaments", "8 bit", photons=2000, flat=True),
)
