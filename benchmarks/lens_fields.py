"""Fields of beads that a lens images whose aberrations change over the field, exactly.

The vectorial PSF is computed from the pupil for each bead at its own centre: nothing is
interpolated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = [
    "BACKGROUND",
    "FIELDS",
    "OIL",
    "SLIDE_PLANES",
    "Aberrations",
    "Lens",
    "Objective",
    "Pupil",
    "bead_image",
    "seen",
]

Floats = NDArray[np.float64]
# The wavefront at a place from -1 to 1 along z, y and x: Zernike's (n, m), in waves.
Aberrations = Callable[[float, float, float], Mapping[tuple[int, int], float]]


def _curved(z: float, y: float, x: float) -> dict[tuple[int, int], float]:
    return {
        (2, 2): 0.08 * (x * x - y * y),
        (2, -2): 0.16 * x * y,
        (4, 0): 0.06 * (x * x + y * y),
    }


def _off_axis(z: float, y: float, x: float) -> dict[tuple[int, int], float]:
    """Coma and astigmatism about an axis that is not in the middle, of a tilted slide's kind."""
    v, u = y + 0.3, x - 0.2
    return {
        (3, 1): 0.06 * u,
        (3, -1): 0.06 * v,
        (2, 2): 0.04 * (u * u - v * v),
        (2, -2): 0.08 * u * v,
    }


FIELDS: dict[str, Aberrations] = {
    "uniform": lambda z, y, x: {},
    "coma": lambda z, y, x: {(3, 1): 0.09 * x, (3, -1): 0.09 * y},
    "curved": _curved,
    "spherical": lambda z, y, x: {(4, 0): 0.08 * (1 + x)},
    "off axis": _off_axis,
    "one side": lambda z, y, x: {(2, 2): 0.09 * (1 + y) / 2, (3, 1): 0.05 * x * y},
    "depth": lambda z, y, x: {(4, 0): 0.08 * (1 + z)},
    "depth and coma": lambda z, y, x: {
        (4, 0): 0.06 * (1 + z),
        (3, 1): 0.06 * x,
        (3, -1): 0.06 * y,
    },
}

BEAD_WINDOW = (41, 61, 61)
# Of an image of beads on a slide.
SLIDE_PLANES = 36
BACKGROUND, READ_NOISE = 20.0, 1.6
# Of a bead.
PHOTONS = 1.5e5


@dataclasses.dataclass(frozen=True)
class Objective:
    """An objective and a camera; lengths in micrometres."""

    numerical_aperture: float
    index: float
    wavelength: float
    spacing: tuple[float, float, float]
    bead: float = 0.1


OIL = Objective(1.3, 1.515, 0.52, (0.2, 0.09, 0.09))


class Pupil:
    """A lens' vectorial PSF: freely turning dipoles, seen by pixels that take all light."""

    samples = 64

    def __init__(self, objective: Objective = OIL) -> None:
        self.objective = objective
        edge = objective.numerical_aperture / objective.wavelength
        self._k = ((np.arange(self.samples) + 0.5) / (self.samples / 2) - 1) * edge
        ky, kx = np.meshgrid(self._k, self._k, indexing="ij")
        self._rho, self._phi = np.hypot(ky, kx) / edge, np.arctan2(ky, kx)
        inside = self._rho <= 1
        sine = np.where(inside, self._rho * objective.numerical_aperture / objective.index, 0)
        cosine = np.sqrt(1 - sine**2)
        c, s = np.cos(self._phi), np.sin(self._phi)
        self._kz = objective.index / objective.wavelength * (cosine - 1)
        self._fields = np.stack(
            [
                cosine * c * c + s * s,
                (cosine - 1) * s * c,
                -sine * c,
                (cosine - 1) * s * c,
                cosine * s * s + c * c,
                -sine * s,
            ]
        ) * (inside / np.sqrt(cosine))

    def psf(
        self,
        shape: tuple[int, ...],
        aberrations: Mapping[tuple[int, int], float],
        moved: tuple[float, ...] = (0.0, 0.0, 0.0),
        bead: float = 0.0,
    ) -> Floats:
        """Return the image of a point, or of a bead, at n // 2 + moved, of the sum 1 unaberrated.

        Parameters
        ----------
        shape : tuple of int
        aberrations : mapping
            In waves.
        moved : tuple of float
            In voxels.
        bead : float
            Its diameter in micrometres.
        """
        wavefront = sum(
            (waves * _zernike(n, m, self._rho, self._phi) for (n, m), waves in aberrations.items()),
            np.zeros_like(self._rho),
        )
        spacing = self.objective.spacing
        fields = self._fields * np.exp(2j * np.pi * wavefront)
        along = [
            np.exp(2j * np.pi * np.outer((np.arange(n) - n // 2 - d) * size, self._k))
            for n, d, size in zip(shape[1:], moved[1:], spacing[1:], strict=True)
        ]
        found = np.empty(shape)
        for plane in range(shape[0]):
            z = (plane - shape[0] // 2 - moved[0]) * spacing[0]
            amplitude = along[0] @ (fields * np.exp(2j * np.pi * z * self._kz)) @ along[1].T
            found[plane] = (amplitude.real**2 + amplitude.imag**2).sum(axis=0)
        q = [fft.fftfreq(n, size) for n, size in zip(shape, spacing, strict=True)]
        kz, ky, kx = np.meshgrid(*q[:2], q[2][: shape[2] // 2 + 1], indexing="ij", sparse=True)
        gain = np.sinc(ky * spacing[1]) * np.sinc(kx * spacing[2])
        gain = gain * _ball(bead * np.sqrt(kz**2 + ky**2 + kx**2))
        return np.maximum(fft.irfftn(fft.rfftn(found) * gain, s=shape), 0)


def _zernike(n: int, m: int, rho: Floats, phi: Floats) -> Floats:
    """Return Zernike's polynomial, 1 in the mean square over the pupil; m < 0 is the sine."""
    k = abs(m)
    radial = sum(
        (
            (-1) ** i
            * factorial(n - i)
            / (factorial(i) * factorial((n + k) // 2 - i) * factorial((n - k) // 2 - i))
            * rho ** (n - 2 * i)
            for i in range((n - k) // 2 + 1)
        ),
        np.zeros_like(rho),
    )
    angular = np.cos(m * phi) if m >= 0 else np.sin(-m * phi)
    values: Floats = np.sqrt((n + 1) * (2 if m else 1)) * radial * angular
    return values


def _ball(cycles: Floats) -> Floats:
    """Return the form factor of a ball, of cycles over its diameter."""
    q = np.maximum(np.pi * cycles, 1e-2)
    form: Floats = np.where(cycles * np.pi < 1e-2, 1, 3 * (np.sin(q) - q * np.cos(q)) / q**3)
    return form


@dataclasses.dataclass(frozen=True)
class Lens:
    """A pupil whose aberrations change over a field of some voxels along y and x, and planes."""

    pupil: Pupil
    aberrations: Aberrations
    side: int
    planes: int = SLIDE_PLANES

    def psf(
        self, shape: tuple[int, ...], y: float, x: float, z: float | None = None, **options: Any
    ) -> Floats:
        """Return the PSF at a place, in voxels, by default in the middle; see `Pupil.psf`."""
        depth = 0.0 if z is None else 2 * z / self.planes - 1
        here = self.aberrations(depth, 2 * y / self.side - 1, 2 * x / self.side - 1)
        return self.pupil.psf(shape, here, **options)


def bead_image(lens: Lens, count: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return an image of beads in a layer on the slide, each exact at its own centre.

    Where there are more planes than a slide needs, they lie in a gel, in all depths.
    """
    light = np.zeros((lens.planes, lens.side, lens.side))
    diameter = lens.pupil.objective.bead
    total = lens.pupil.psf(BEAD_WINDOW, {}, bead=diameter).sum()
    for y, x in rng.uniform(14, lens.side - 15, (count, 2)):
        if lens.planes == SLIDE_PLANES:
            z = np.clip(rng.normal(18, 2.5), 12, 23)
        else:
            z = rng.uniform(14, lens.planes - 15)
        centre = np.array([z, y, x])
        voxel = np.rint(centre).astype(int)
        image = lens.psf(BEAD_WINDOW, y, x, z, moved=tuple(centre - voxel), bead=diameter)
        _add(light, image * (PHOTONS * np.exp(rng.normal(0, 0.25)) / total), voxel)
    return seen(light, rng)


def seen(light: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return what a camera makes of light, with an offset of 100."""
    noisy = rng.poisson(light + BACKGROUND) + rng.normal(0, READ_NOISE, light.shape) + 100
    return np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)


def _add(image: Floats, part: Floats, centre: NDArray[Any]) -> None:
    """Add a part to an image, its voxel n // 2 at some voxel of that."""
    low = centre - np.array(part.shape) // 2
    first, last = np.maximum(low, 0), np.minimum(low + part.shape, image.shape)
    image[tuple(map(slice, first, last))] += part[tuple(map(slice, first - low, last - low))]
