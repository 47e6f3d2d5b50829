"""The light of beads beyond their windows, which theory tells and the PSF's functions cannot."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.model.apparent_optics import apparent_optics
from napari_psf_distiller.joint.model.positions import BeadPositions, Slices
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import light_about_focus

__all__ = [
    "FAR_LIGHT_ERROR",
    "FarLight",
    "LightProfile",
    "light_of_plane",
    "light_profile",
    "profile_of",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Theory tells the light beyond the windows up to this part of it.
FAR_LIGHT_ERROR = 0.4

# Light beyond the windows is smooth: its means over squares of so many pixels a side are enough.
# Over larger ones more of what is bright in a window comes to lie beside it.
SQUARE_PIXELS = 4

# It is followed so many times wavelength / NA beyond the cone of rays.
BEYOND_CONE = 8.0

# Distances from the axis at which it is computed, so many in wavelength / NA.
RADII_PER_RESOLUTION = 4

# Planes of a PSF whose light lies within the window up to this part of that of the plane with the
# most there tell how bright all planes are.
LEAST_INSIDE = 0.95

# The light beyond the windows is computed anew where it has changed by more than this part.
MAX_CHANGE = 0.01


class LightProfile(NamedTuple):
    """How the light of a point spreads over planes that all get as much of it.

    Attributes
    ----------
    values : numpy.ndarray
        float32, (2 Z - 1, distances): in each plane, from Z - 1 planes below the point to as many
        above it, the part of the plane's light that falls on a pixel whose distance from the axis
        is so many times the smaller side of a pixel; a mean over `SQUARE_PIXELS`.
    within : numpy.ndarray
        float32, of the same shape: the part of the plane's light that is no farther from the axis.
    sides : tuple of float
        Height and width of a pixel, in units of the smaller.
    """

    values: Array
    within: Array
    sides: tuple[float, float]

    def at(self, planes: slice, down: Floats, across: Floats) -> Array:
        """Return the light of a point at distances from it, (planes, down, across).

        Parameters
        ----------
        planes : slice
            Of `values`.
        down, across : numpy.ndarray
            In pixels.
        """
        height, width = self.sides
        distance = np.hypot(down[:, None] * height, across * width)
        places = np.minimum(np.rint(distance), self.values.shape[1] - 1).astype(np.intp)
        found: Array = self.values[planes].take(places, axis=1)
        return found


@functools.lru_cache(maxsize=32)
def light_profile(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], optics: Optics
) -> LightProfile:
    """Return how the light of a point spreads over an image by theory.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X) of the image.
    spacing : tuple of float
        Voxel size in micrometres.
    optics : Optics
        Of a microscope in whose PSF all planes have the same light.
    """
    aperture, index, wavelength = (
        optics.numerical_aperture,
        optics.refractive_index,
        optics.wavelength,
    )
    assert aperture is not None
    assert index is not None
    assert wavelength is not None
    planes, depth, (height, width) = shape[0], spacing[0], spacing[1:]
    pixel, resolution = min(height, width), wavelength / aperture
    cone = (planes - 1) * depth * math.tan(math.asin(aperture / index))
    diagonal = math.hypot(shape[1] * height, shape[2] * width)
    reach = min(cone + BEYOND_CONE * resolution, diagonal) + SQUARE_PIXELS * pixel
    times = math.ceil(pixel / resolution * RADII_PER_RESOLUTION)
    step = pixel / times
    radii = step * np.arange(math.ceil(reach / pixel) * times + 1, dtype=np.float64)
    depths = depth * np.arange(planes, dtype=np.float64)
    # Each stands for a ring, the first one for a disc.
    areas = 2 * np.pi * radii * step
    areas[0] = np.pi * step**2 / 4
    light = light_about_focus(optics, radii, depths) * areas
    # All planes have as much as that of the focus, of which next to nothing is farther away.
    light /= light[0].sum()
    mean = functools.partial(ndimage.uniform_filter1d, size=SQUARE_PIXELS * times, mode="mirror")
    values = mean(light, axis=1) / mean(areas) * (height * width)
    values[:, -1] = 0
    both = (values[:, ::times], np.cumsum(light, axis=1)[:, ::times])
    # Below the focus it is as above.
    values, within = (np.concatenate([half[:0:-1], half]).astype(np.float32) for half in both)
    return LightProfile(values, within, (height / pixel, width / pixel))


def profile_of(psf: Floats, bead_image: BeadImage, optics: Optics) -> LightProfile | None:
    """Return how the light of a point spreads over a bead image, None where that is not known.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X), its focus at n // 2: where figures of the optics are missing, these are the ones
        that it looks like.
    bead_image : BeadImage
    optics : Optics
        Of a widefield microscope, as far as they are known.
    """
    depth, height, width = bead_image.spacing
    planes, rows, columns = bead_image.intensity.shape
    spacing = (depth, height, width)
    known = apparent_optics(psf, spacing) if optics.missing else optics
    return None if known is None else light_profile((planes, rows, columns), spacing, known)


def light_of_plane(psf: Floats, profile: LightProfile) -> float:
    """Return all light of a plane of a PSF, told by those that lie in its window almost wholly.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X), its focus at n // 2.
    profile : LightProfile
    """
    middle, focus = len(psf) // 2, len(profile.values) // 2
    reach = min(middle, focus)
    sides = (n * side for n, side in zip(psf.shape[1:], profile.sides, strict=True))
    # A disc of the window's area.
    radius = min(round(math.sqrt(math.prod(sides) / math.pi)), profile.within.shape[1] - 1)
    inside = profile.within[focus - reach : focus + reach + 1, radius]
    telling = inside >= LEAST_INSIDE * inside.max()
    light = psf[middle - reach : middle + reach + 1].sum(axis=(1, 2))
    return float(light[telling].sum() / inside[telling].sum())


class FarLight:
    """The light of an image's beads beyond their windows.

    Parameters
    ----------
    profile : LightProfile
    positions : BeadPositions
    light : numpy.ndarray
        (beads,): how much light of each bead a plane has.
    shape : tuple of int
        (Z, Y, X) of the image.
    scale : float
        By which all of it is multiplied.

    Attributes
    ----------
    scale : float
    """

    def __init__(
        self,
        profile: LightProfile,
        positions: BeadPositions,
        light: Floats,
        shape: tuple[int, ...],
        scale: float = 1.0,
    ) -> None:
        self.scale = scale
        self._profile, self._light, self._shape = profile, light, shape
        self._nearest, self._boxes = positions.nearest, positions.boxes
        squares = [-(-n // SQUARE_PIXELS) for n in shape[1:]]
        # With the scale 1, (Z, squares down, squares across).
        self._means = np.zeros((shape[0], *squares), np.float32)
        reach = [profile.values.shape[1] / side for side in profile.sides]
        for bead, (_, *centre) in enumerate(self._nearest.tolist()):
            part = tuple(
                slice(
                    max(0, int((place - far) // SQUARE_PIXELS)),
                    min(count, int((place + far) // SQUARE_PIXELS) + 1),
                )
                for place, far, count in zip(centre, reach, squares, strict=True)
            )
            self._means[:, *part] += self._of_bead(bead, slice(0, shape[0]), part)

    def scaled(self, scale: float) -> FarLight:
        """Return the same light, multiplied by another scale."""
        other = copy.copy(self)
        other.scale = scale
        return other

    def is_about(self, profile: LightProfile, positions: BeadPositions, light: Floats) -> bool:
        """Return whether beads with these positions and this light have about the same."""
        if profile is not self._profile:
            return False
        if len(positions) != len(self._light) or not (positions.nearest == self._nearest).all():
            return False
        if positions.boxes != self._boxes:
            return False
        return bool(np.abs(light - self._light).sum() <= MAX_CHANGE * np.abs(self._light).sum())

    def of_plane(self, z: int, step: int = 1) -> Array:
        """Return the light in every step-th voxel of a plane along y and x, with the scale 1."""
        part = slice(None, None, step)
        plane: Array = self._spread(self._means, (slice(z, z + 1), part, part), (0, 0))[0]
        return plane

    def about_bead(self, bead: int, box: Slices) -> Array:
        """Return the light in a part of a bead's window, float32.

        Of the bead's own there is none: what part of a square lies beyond the window would else be
        everywhere in the square.
        """
        planes, *across = box
        squares = tuple(
            slice(part.start // SQUARE_PIXELS, (part.stop - 1) // SQUARE_PIXELS + 1)
            for part in across
        )
        others = self._means[planes, *squares] - self._of_bead(bead, planes, squares)
        others *= np.float32(self.scale)
        return self._spread(others, (slice(None), *across), [part.start for part in squares])

    def _of_bead(self, bead: int, planes: slice, squares: Slices) -> Array:
        """Return the light of one bead beyond its window, as means over some squares."""
        z, *centre = self._nearest[bead].tolist()
        window, *sides = self._boxes[bead]
        distances, shares = [], []
        for part, place, side in zip(squares, centre, sides, strict=True):
            starts = np.arange(part.start, part.stop) * SQUARE_PIXELS
            distances.append(starts + (SQUARE_PIXELS - 1) / 2 - place)
            stops = starts + SQUARE_PIXELS
            inside = np.minimum(stops, side.stop) - np.maximum(starts, side.start)
            shares.append(np.maximum(inside, 0) / SQUARE_PIXELS)
        first = self._shape[0] - 1 - z
        light = self._profile.at(slice(first + planes.start, first + planes.stop), *distances)
        light *= np.float32(self._light[bead])
        in_window = slice(max(0, window.start - planes.start), max(0, window.stop - planes.start))
        light[in_window] *= np.float32(1) - np.outer(*shares).astype(np.float32)
        return light

    def _spread(self, means: Array, box: Slices, first: Sequence[int]) -> Array:
        """Return the voxels of a part of the image by squares, of which these are the first."""
        rows, columns = (
            np.arange(n)[part] // SQUARE_PIXELS - skipped
            for n, part, skipped in zip(self._shape[1:], box[1:], first, strict=True)
        )
        voxels: Array = means[box[0]].take(rows, axis=1).take(columns, axis=2)
        return voxels
