"""Draw the maps of a PSF that changes over the field beside the truth, for docs/guide.md.

PYTHONPATH=benchmarks python docs/field_maps.py [-o docs/images]
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from conditions.optics import Microscope
from conditions.point_spread import psf_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray
from scipy import ndimage, signal

import napari_psf_distiller as psfd
from napari_psf_distiller.figures import draw_field_maps
from napari_psf_distiller.measure.widths import profile_width
from napari_psf_distiller.psf.angular_orders import OrderMap
from napari_psf_distiller.psf.field_maps import FieldMap, FieldMaps

Floats = NDArray[np.floating]

SHAPE, SPACING = (36, 288, 288), (0.2, 0.09, 0.09)
WINDOW = (35, 69, 69)
MICROSCOPE = Microscope(numerical_aperture=1.3, index=1.515, wavelength=0.52)
DIAMETER, BEADS, PHOTONS, BACKGROUND, OFFSET = 0.1, 80, 1.5e5, 20.0, 100.0

# Waves of coma at the middle of a side; and where the slide lies, in micrometres: its slopes along
# y and x, how much higher the middle of a side is than the middle, and by what beads lie off it.
COMA = 0.09
SLOPES, SAG, SCATTER = (0.02, -0.03), 0.3, 0.05

# Places along each side at which maps are compared.
PLACES = 7

# Finer steps of a line whose width is measured, and of angles about the axis.
FINER, ANGLES = 4, 64

# Of each of the two pictures, in inches.
SIZE, DOTS_PER_INCH = (7.0, 5.0), 85


def microscope_at(y: float, x: float) -> Microscope:
    """Return the microscope at a place, from -1 to 1 across the image."""
    return dataclasses.replace(MICROSCOPE, aberrations=((3, 1, COMA * x), (3, -1, COMA * y)))


def from_middle(places: Floats) -> Floats:
    """Return places in voxels as -1 to 1 across the image."""
    return 2 * (places + 0.5) / np.array(SHAPE[1:]) - 1


def height(places: Floats) -> Floats:
    """Return how high the slide lies above its middle, in micrometres; places in voxels."""
    along = (places - (np.array(SHAPE[1:]) - 1) / 2) * SPACING[1:]
    return along @ np.array(SLOPES) + SAG * (from_middle(places) ** 2).sum(axis=-1)


def simulate(seed: int) -> NDArray[np.uint16]:
    """Return an image of beads on the slide, each with the PSF of its place."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(10, np.array(SHAPE[1:]) - 11, (BEADS, 2))
    heights = SHAPE[0] // 2 + (height(places) + rng.normal(0, SCATTER, BEADS)) / SPACING[0]
    light = np.full(SHAPE, BACKGROUND)
    for z, (y, x) in zip(heights, places, strict=True):
        middle = np.round([z, y, x]).astype(int)
        psf = psf_of(microscope_at(*from_middle(np.array([y, x]))), SPACING, WINDOW)
        image = psf.of_ball(DIAMETER).image(WINDOW, np.array([z, y, x]) - middle)
        low = middle - np.array(WINDOW) // 2
        first, last = np.maximum(low, 0), np.minimum(low + WINDOW, SHAPE)
        there = tuple(slice(*pair) for pair in zip(first, last, strict=True))
        here = tuple(slice(*pair) for pair in zip(first - low, last - low, strict=True))
        light[there] += PHOTONS * np.exp(rng.normal(0, 0.25)) * np.maximum(image[here], 0)
    noisy = rng.poisson(light) + rng.normal(OFFSET, 1.6, SHAPE)
    return np.clip(np.round(noisy), 0, 65535).astype(np.uint16)


def true_maps(maps: FieldMaps) -> FieldMaps:
    """Return maps of the truth at the same places."""
    grid = np.stack(np.meshgrid(maps.rows, maps.columns, indexing="ij"), axis=-1)
    unknown = np.full(maps.shape, np.nan)
    widths, strength, direction = np.empty((3, *maps.shape)), unknown.copy(), unknown.copy()
    for index in np.ndindex(*maps.shape):
        psf = _true_psf(grid[index])
        widths[(slice(None), *index)] = _widths(psf)
        strength[index], direction[index] = _coma(psf)
    focus = height(grid)
    assert maps.focus is not None
    return dataclasses.replace(
        maps,
        covered=np.ones(maps.shape, bool),
        widths={
            axis: FieldMap(values, unknown) for axis, values in zip("zyx", widths, strict=True)
        },
        orders=(OrderMap(1, strength, unknown, direction, unknown),),
        focus=maps.focus._replace(
            values=focus - height((np.array(SHAPE[1:]) - 1) / 2), error=unknown
        ),
    )


def _true_psf(place: Floats) -> Floats:
    """Return the PSF of a place, its peak in the middle of the middle voxel."""
    psf = psf_of(microscope_at(*from_middle(place)), SPACING, WINDOW)
    shift = np.zeros(3)
    for _ in range(3):
        array = psf.image(WINDOW, shift)
        top = np.unravel_index(int(array.argmax()), WINDOW)
        for axis in range(3):
            line = array[tuple(slice(None) if a == axis else t for a, t in enumerate(top))]
            before, at, after = line[top[axis] - 1 : top[axis] + 2]
            peak = top[axis] + 0.5 * (before - after) / (before - 2 * at + after)
            shift[axis] -= peak - WINDOW[axis] // 2
    return psf.image(WINDOW, shift)


def _widths(psf: Floats) -> list[float]:
    middle = [n // 2 for n in psf.shape]
    found = []
    for axis, (n, size) in enumerate(zip(psf.shape, SPACING, strict=True)):
        line = psf[tuple(slice(None) if a == axis else m for a, m in enumerate(middle))]
        found.append(profile_width(signal.resample(line, n * FINER)) * size / FINER)
    return found


def _coma(psf: Floats) -> tuple[float, float]:
    """Return the strength of the order 1 and its direction in degrees; see `OrderMap`."""
    _, rows, columns = psf.shape
    radii = (np.arange(rows) + 0.5) / 2
    angles = 2 * np.pi * np.arange(ANGLES) / ANGLES
    places = [
        rows // 2 + np.multiply.outer(radii, np.sin(angles)),
        columns // 2 + np.multiply.outer(radii, np.cos(angles)),
    ]
    rings = np.stack([ndimage.map_coordinates(plane, places, order=3) for plane in psf])
    parts = np.fft.rfft(rings, axis=-1) / ANGLES
    mean, first = parts[..., 0].real, parts[..., 1]
    # What a displacement would do is no coma.
    slope = np.gradient(mean, radii, axis=1)
    first = first - slope * (first * slope * radii).sum() / (slope**2 * radii).sum()
    energies = (np.abs(parts) ** 2 * radii[:, None]).sum(axis=(0, 1))
    whole = energies[0] + 2 * energies[1:].sum()
    strength = np.sqrt(2 * (np.abs(first) ** 2 * radii).sum() / whole)
    near = mean[:, 0] >= mean[:, 0].max() / 2
    towards = (first * mean * radii**2)[near].sum()
    return float(strength), float(-np.degrees(np.angle(towards)) % 360)


def main() -> None:
    """Simulate a field, distil its PSF, and draw its maps beside the truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    optics = psfd.Optics(MICROSCOPE.numerical_aperture, MICROSCOPE.wavelength, MICROSCOPE.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        result = psfd.distill(
            simulate(arguments.seed), SPACING, bead_diameter=DIAMETER, optics=optics
        )
    maps = result.psf.field_maps(PLACES, result.beads)
    coma = tuple(one for one in maps.orders if one.order == 1)
    maps, true = dataclasses.replace(maps, orders=coma), true_maps(maps)
    left = _drawn(maps, "found", true, result.beads)
    right = _drawn(true, "truth", maps)
    imsave(arguments.output / "field_maps.png", np.hstack([left, right]))


def _drawn(
    maps: FieldMaps, title: str, compared: FieldMaps, beads: pd.DataFrame | None = None
) -> NDArray[np.uint8]:
    """Return a picture of maps."""
    figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    draw_field_maps(figure, maps, beads, compared=compared)
    figure.suptitle(title)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


if __name__ == "__main__":
    main()
