"""What is known of a bead image before any bead: its noise, its saturation, its background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe_parts import Camera
from napari_psf_distiller.steps.background import SplineBackground, first_background
from napari_psf_distiller.steps.blind_pixels import blind_pixels, mended
from napari_psf_distiller.steps.noise import NoiseModel, noise_level, noise_model

__all__ = ["BeadField", "Camera", "bead_field"]

Array = NDArray[np.float32]
Image = NDArray[Any]
Floats = NDArray[np.float64]

# So many voxels at the highest value of an image are a plateau, not a peak of the noise.
PLATEAU = 8

# The noise of an image without any is taken for this fraction of its range, so that something
# weighs the voxels.
LEAST_NOISE = 1e-4

# So many parts of the image tell its noise well enough: the joint fit corrects it.
TILES = 12

# The variance of rounding to whole numbers.
ROUNDING = 1 / 12


@dataclass(frozen=True)
class BeadField:
    """An image of beads, with its noise and its background.

    Attributes
    ----------
    image : numpy.ndarray
        (Z, Y, X), whole numbers or float32; Z is 1 for a 2D image.
    spacing : tuple of float
        Voxel size in micrometres, three values.
    noise : NoiseModel
    floor : float
        The least variance of a voxel.
    saturation : float
        Voxels of this intensity or more do not count; infinity where none is saturated.
    background : SplineBackground
    coefficients : numpy.ndarray
        Of the background.
    blind : numpy.ndarray or None
        bool, (Y, X): pixels that do not count in any plane; see `blind_pixels`. The image has their
        neighbours' mean there.
    """

    @property
    def all_count(self) -> bool:
        """Whether there is no voxel that does not count."""
        return self.blind is None and not np.isfinite(self.saturation)

    def counting(self, box: tuple[int | slice, ...]) -> NDArray[np.bool_]:
        """Return which voxels of a part of the image count."""
        counting: NDArray[np.bool_] = self.image[box] < self.saturation
        if self.blind is not None:
            counting &= ~self.blind[box[1:]]
        return counting

    image: Image
    spacing: tuple[float, ...]
    noise: NoiseModel
    floor: float
    saturation: float
    background: SplineBackground
    coefficients: Floats
    blind: NDArray[np.bool_] | None = None

    def variance(self, intensity: Array) -> Array:
        """Return the variance of the noise of voxels that are as bright as this."""
        result: Array = np.multiply(intensity, np.float32(self.noise.gain))
        result += np.float32(self.noise.at_zero)
        return np.maximum(result, np.float32(self.floor), out=result)

    def level(self, points: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
        """Return the background at points, (points, 3) in voxels."""
        values: Floats = (
            self.background.at(np.asarray(points, np.float64))[:, 0] @ self.coefficients
        )
        return values

    def plane(self, z: int, rows: slice = slice(None), columns: slice = slice(None)) -> Array:
        """Return the background of one plane, or of a part of it."""
        return self.background.plane(self.coefficients, z, rows, columns)


def bead_field(
    image: Image,
    spacing: Sequence[float],
    camera: Camera,
    scale: float,
    dtype: np.dtype[Any] | None = None,
) -> BeadField:
    """Tell the noise and the background of a bead image.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X), whole numbers or float32.
    spacing : sequence of float
        Voxel size in micrometres.
    camera : Camera
    scale : float
        See `SplineBackground`.
    dtype : numpy.dtype, optional
        In which the image was recorded: whole numbers are rounded, and end at a highest one.

    Raises
    ------
    InputError
        All of the image is saturated.
    """
    planes = image[None] if image.ndim == 2 else image
    sizes = (1.0, *spacing) if image.ndim == 2 else tuple(spacing)
    blind = blind_pixels(planes)
    if blind is not None:
        planes = mended(planes, blind)
        image = planes
    whole = dtype is not None and dtype.kind in "iu"
    largest = float(np.iinfo(dtype).max) if whole and dtype is not None else None
    saturation = _saturation(planes, camera, largest)
    noise = _noise(image, camera, saturation)
    span = float(planes.max()) - float(planes.min())
    floor = max(0.1 * noise.gain**2, (LEAST_NOISE * span) ** 2)
    if whole:
        dark = noise_level(image).deviation
        # Where the noise is no more than a step of the numbers, differences do not show it.
        floor = max(floor, ROUNDING, dark**2 if dark <= 1 else 0.0)
    lowest = float(np.percentile(planes[:, ::4, ::4], 20))
    level = max(noise.gain * lowest + noise.at_zero, noise.gain**2) / (noise.gain or 1.0)
    background = SplineBackground(planes.shape, sizes, scale, max(level, np.sqrt(floor)))
    blank = BeadField(
        planes, sizes, noise, floor, saturation, background, np.zeros(background.size), blind
    )
    coefficients = first_background(
        planes, background, blank.variance, None if blank.all_count else blank.counting
    )
    return replace(blank, coefficients=coefficients)


def _saturation(image: Image, camera: Camera, largest: float | None) -> float:
    """Return the intensity from which on voxels do not count."""
    if camera.saturation is not None:
        if float(image.min()) >= camera.saturation:
            raise InputError(
                f"All voxels of the image are at the camera's saturation of {camera.saturation:g} "
                "or above; give the value at which it saturates."
            )
        return camera.saturation
    top = float(image.max())
    if largest is not None and top >= largest:
        return top
    return top if np.count_nonzero(image == top) >= PLATEAU else float("inf")


def _noise(image: Image, camera: Camera, saturation: float) -> NoiseModel:
    """Return the noise, with the camera's own figures where they are given."""
    mask = image < saturation if np.isfinite(saturation) else None
    noise = noise_model(image, mask, TILES)
    if camera.gain is None and camera.offset is None:
        return noise
    gain = camera.gain if camera.gain is not None else noise.gain
    dark = noise_level(image)
    if camera.offset is None:
        return NoiseModel(gain, dark.deviation**2 - gain * dark.median, noise.distance_ratio)
    read = max(dark.deviation**2 - gain * (dark.median - camera.offset), 0.0)
    return NoiseModel(gain, read - gain * camera.offset, noise.distance_ratio)
