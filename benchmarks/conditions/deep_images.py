"""What a PSF that goes on beyond its window is worth, in an image that is deeper than this.

Beads on a slide are simulated in 22 planes and their PSF distilled. Other beads lie anywhere in an
image 4 times as deep as that PSF, and are deconvolved with it as it was measured, with what
continues it, and with the true one. The microscope's PSF is computed in a window so large that
light from the farthest plane comes to each; fields that fade out inside of the image would make
what lies beyond the window look darker than it is.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bead_cases import crop_about_centre, overlap
from scipy import fft as scipy_fft

import napari_psf_distiller as psfd
from conditions.cameras import OFFSET, READ_NOISE
from conditions.optics import Array
from conditions.point_spread import PSF, psf_of_array
from conditions.scoring import NORMAL_95

__all__ = ["CASES", "HEADER", "Row", "rows_of"]

Shape = tuple[int, int, int]

SPACING = (0.25, 0.1, 0.1)
DIAMETER = 0.1
SLIDE, ON_SLIDE, APART = (22, 240, 240), 16, 15.0
DEEP, IN_DEEP, MARGIN = (84, 80, 80), 12, (4, 12, 12)
# Of the true PSF, in which it fades out over a tenth at each end.
WINDOW = (211, 201, 201)
BACKGROUND = 10.0
ITERATIONS = 60
# A bead's light is what is found within so many voxels of it.
REACH = 4

KINDS: dict[str, dict[str, Any]] = {
    "widefield": {},
    "aberrated": {"spherical": 0.06},
    "spinning disk": {"microscope": "spinning disk", "excitation": 0.488, "pinhole": 1.0},
}
BRIGHTNESS = {"bright": 3e5, "dim": 3e3}
CASES = {
    f"{kind}, {bright}": (kind, photons) for kind in KINDS for bright, photons in BRIGHTNESS.items()
}

HEADER = (
    "case",
    "seed",
    "PSF",
    "beads' light",
    "spread",
    "background off",
    "tails held",
    "measured held",
)


@dataclass(frozen=True)
class Row:
    """What a deep image is, deconvolved with a PSF.

    Attributes
    ----------
    case : str
    seed : int
    psf : str
        "true", "measured" or "continued".
    light, spread : float
        Mean and standard deviation of the beads' light, in their own.
    background : float
        What is found where no bead is, in the image's background, which is given and so should
        leave nothing.
    held_tails, held_measured : float
        Share of the voxels of the tails, and of the rest, whose stated 95 % interval holds the
        truth; NaN where the PSF has none.
    """

    case: str
    seed: int
    psf: str
    light: float
    spread: float
    background: float
    held_tails: float
    held_measured: float

    def cells(self) -> tuple[str, ...]:
        held = (self.held_tails, self.held_measured)
        return (
            self.case,
            str(self.seed),
            self.psf,
            f"{self.light:.4f}",
            f"{self.spread:.4f}",
            f"{100 * self.background:+.2f} %",
            *("" if np.isnan(part) else f"{100 * part:.0f} %" for part in held),
        )


def rows_of(name: str, seed: int) -> Iterator[Row]:
    """Yield a row for each PSF."""
    kind, photons = CASES[name]
    rng = np.random.default_rng([len(kind), seed])
    true, psf = true_psf(kind), distilled(kind, seed)
    places = thrown(rng, DEEP, IN_DEEP, MARGIN, (2 * REACH + 1,) * 3)
    image = exposed(true, DEEP, places, np.full(IN_DEEP, photons), rng)
    size = tuple(2 * n - 1 for n in DEEP)
    truth = crop_about_centre(true.image(WINDOW), size)
    continued = psf.evaluate(shape=size, tails="continued", with_error=True)
    kernels = {
        "true": psfd.PSF(np.maximum(truth, 0), SPACING),
        "measured": replace(psf, error=None),
        "continued": continued,
    }
    for which, kernel in kernels.items():
        held = held_in(continued, true) if which == "continued" else (np.nan, np.nan)
        yield Row(name, seed, which, *found_in(image, kernel, places, photons), *held)


@functools.lru_cache(maxsize=2)
def true_psf(kind: str) -> PSF:
    """Return a microscope's PSF, the light of its focal plane 1, as square pixels see it."""
    points = psf_of_array(psfd.simulate_psf(WINDOW, SPACING, **KINDS[kind]), SPACING)
    ky = scipy_fft.fftfreq(WINDOW[1])[:, None]
    kx = scipy_fft.rfftfreq(WINDOW[2])
    spectrum = points.spectrum * np.sinc(ky) * np.sinc(kx)
    return replace(points, spectrum=spectrum / points.image(WINDOW)[WINDOW[0] // 2].sum())


@functools.lru_cache(maxsize=4)
def distilled(kind: str, seed: int) -> psfd.PSF:
    """Return the PSF of a slide of beads."""
    rng = np.random.default_rng([len(kind), seed, 1])
    margin = (SLIDE[0] / 2 - 3, 12.0, 12.0)
    places = thrown(rng, SLIDE, ON_SLIDE, margin, (SLIDE[0], APART, APART))
    light = 1e5 * np.exp(rng.normal(0, 0.2, len(places)))
    image = exposed(true_psf(kind).of_ball(DIAMETER), SLIDE, places, light, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        return psfd.distill(
            image, SPACING, bead_diameter=DIAMETER, optics=optics_of(kind), device="numpy"
        ).psf


def optics_of(kind: str) -> psfd.Optics:
    """Return what is told of a microscope: not its aberrations."""
    told = {name: value for name, value in KINDS[kind].items() if name != "spherical"}
    return psfd.Optics(1.2, 0.52, 1.33, **told)


def thrown(
    rng: np.random.Generator,
    shape: Shape,
    count: int,
    margin: tuple[float, float, float],
    apart: tuple[float, float, float],
) -> Array:
    """Return places of beads that lie so far apart along one of the axes at least."""
    kept: list[Array] = []
    while len(kept) < count:
        place = rng.uniform(margin, np.array(shape) - 1 - np.array(margin))
        if all((np.abs(place - other) >= apart).any() for other in kept):
            kept.append(place)
    return np.array(kept)


def exposed(psf: PSF, shape: Shape, places: Array, light: Array, rng: np.random.Generator) -> Array:
    """Return an image of beads: with photons' noise, background and a camera's offset and noise."""
    clean = np.full(shape, BACKGROUND)
    for place, photons in zip(places, light, strict=True):
        whole = np.round(place).astype(int)
        move = (place - whole)[1:] * SPACING[1:]
        planes = psf.planes((np.arange(shape[0]) - place[0]) * SPACING[0], move)
        target, source = overlap(whole[1:], psf.window[1:], shape[1:])
        clean[(slice(None), *target)] += photons * planes[(slice(None), *source)]
    return rng.poisson(np.maximum(clean, 0)) + rng.normal(OFFSET, READ_NOISE, shape)


def found_in(
    image: Array, kernel: psfd.PSF, places: Array, photons: float
) -> tuple[float, float, float]:
    """Return the mean and the spread of the beads' light, and what is found of the background."""
    level = BACKGROUND + OFFSET
    with warnings.catch_warnings():
        # The true PSF is larger than the image, as one that is continued is.
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        done = psfd.deconvolve(image, kernel, ITERATIONS, background=level, device="numpy")
    found = np.asarray(done, np.float64)
    array = np.asarray(kernel, np.float64)
    # Of a bead's light, so much is in its plane of focus.
    focus = array[len(array) // 2].sum() / array.sum()
    near = np.zeros(DEEP, bool)
    light = []
    for place in np.round(places).astype(int):
        box = tuple(slice(max(0, c - REACH), c + REACH + 1) for c in place)
        near[box] = True
        light.append(found[box].sum() * focus / photons)
    return float(np.mean(light)), float(np.std(light)), float(found[~near].mean() / level)


def held_in(continued: psfd.PSF, true: PSF) -> tuple[float, float]:
    """Return the share of the tails, and of the rest, whose interval holds the truth."""
    assert continued.error is not None
    assert continued.measured is not None
    truth = crop_about_centre(true.image(WINDOW), continued.shape)
    found, error = (np.asarray(a, np.float64) for a in (continued.array, continued.error))
    measured = continued.measured
    truth *= found[measured].sum() / truth[measured].sum()
    held = np.abs(found - truth) <= NORMAL_95 * error
    return float(held[~measured].mean()), float(held[measured].mean())
