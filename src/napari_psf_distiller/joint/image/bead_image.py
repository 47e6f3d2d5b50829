"""What is known of a bead image before any bead: its noise, its saturation, its background."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.image.background import SplineBackground, first_background
from napari_psf_distiller.joint.image.censoring import Censoring, censored, score_variance
from napari_psf_distiller.joint.image.defective_pixels import defective_pixels, without_defects
from napari_psf_distiller.joint.image.history import ImageHistory, image_history
from napari_psf_distiller.measure.noise import NoiseModel, noise_level, noise_model
from napari_psf_distiller.recipe import Camera

__all__ = ["BeadImage", "Camera", "bead_image_from"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Image = NDArray[Any]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# This many voxels at the highest value of an image are a plateau, not a peak of the noise.
PLATEAU_VOXELS = 8

# The noise of an image without any is taken for this fraction of its range, so that something
# weighs the voxels.
MIN_NOISE_OF_RANGE = 1e-4

# Parts of the image that tell its noise well enough: the joint fit corrects it.
NOISE_TILES = 12

# The variance of rounding, in squared steps of the grey levels.
ROUNDING_VARIANCE = 1 / 12


@dataclass(frozen=True)
class BeadImage:
    """An image of beads, with its noise and its background.

    Attributes
    ----------
    intensity : numpy.ndarray
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
        The background's coefficients.
    history : ImageHistory
        What was done to the image before.
    defective : numpy.ndarray or None
        bool, (Y, X): hot and dead pixels, which count in no plane; see `defective_pixels`.
        `intensity` has their neighbours' mean there.
    """

    intensity: Image
    spacing: tuple[float, ...]
    noise: NoiseModel
    floor: float
    saturation: float
    background: SplineBackground
    coefficients: Floats
    history: ImageHistory = field(default_factory=ImageHistory)
    defective: NDArray[np.bool_] | None = None

    def variance(self, intensity: Array) -> Array:
        """Return the variance of the noise of voxels of some intensities, float32."""
        result: Array = np.multiply(intensity, np.float32(self.noise.gain))
        result += np.float32(self.noise.at_zero)
        return np.maximum(result, np.float32(self.floor), out=result)

    def mask_and_censor(self, part: Slices, residual: Array, weight: Array) -> None:
        """Correct residuals and weights, in place, where intensities are not what they seem.

        Saturated voxels and those that were never measured weigh nothing. Of those that were cut
        off at a lowest value only a bound is known: they get the residual and the weight that
        stand for it; see `censored`.

        Parameters
        ----------
        part : tuple of slice
            The part of the image that the arrays are of.
        residual : numpy.ndarray
            float32: the intensities less what is expected of them.
        weight : numpy.ndarray
            float32: one over the variance of the noise.
        """
        shown, history = self.intensity[part], self.history
        if np.isfinite(self.saturation):
            weight *= shown < self.saturation
        if history.blank is not None:
            weight *= ~history.blank[part]
        if self.defective is not None:
            weight *= ~self.defective[part[1:]]
        if self._censoring is not None:
            cut = (shown <= self._censoring.lowest) & (weight > 0)
            if cut.any():
                residual[cut], weight[cut] = censored(
                    residual[cut] + self._rounded_off, weight[cut]
                )

    def score_squares(self, part: Slices, residual: Array, variance: Array) -> tuple[Array, Array]:
        """Return the squares of voxels' scores, and their expected values.

        A score is the derivative of the log-likelihood by the expected value, times the variance:
        of a voxel that was not cut off it is the residual, and its square's expected value the
        variance. Voxels that do not count are 0 in both.
        """
        if self._censoring is None:
            kept = self.measured(part)
            return residual * residual * kept, variance * kept
        weight: Array = np.float32(1) / variance
        residual = residual.copy()
        below = residual + self._rounded_off - (self.intensity[part] - self._censoring.lowest)
        expected = variance * score_variance(below, weight)
        self.mask_and_censor(part, residual, weight)
        score: Array = residual * weight * variance
        return score * score, np.where(weight > 0, expected, 0).astype(np.float32)

    def measured(self, part: Slices) -> NDArray[np.bool_]:
        """Return which voxels of a part of the image were measured."""
        kept: NDArray[np.bool_] = self.intensity[part] < self.saturation
        if self.history.blank is not None:
            kept &= ~self.history.blank[part]
        if self.defective is not None:
            kept &= ~self.defective[part[1:]]
        return kept

    def saturated(self, voxels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which of some voxels, (voxels, 3), or a neighbour of theirs is saturated."""
        if not np.isfinite(self.saturation):
            return np.zeros(len(voxels), bool)
        around = np.array(list(np.ndindex(3, 3, 3))) - 1
        near = np.clip(voxels[:, None] + around, 0, np.array(self.intensity.shape) - 1)
        found: NDArray[np.bool_] = (
            self.intensity[tuple(np.moveaxis(near, 2, 0))] >= self.saturation
        ).any(axis=1)
        return found

    @property
    def independent_fraction(self) -> np.float32:
        """The number of independent voxels over that of all: below 1 where noise is correlated."""
        return np.float32(1 / self.history.correlation.excess)

    @property
    def _censoring(self) -> Censoring | None:
        """Where the image was cut off below, if the rest tells the level and the noise there."""
        censoring = self.history.censoring
        return censoring if censoring is not None and censoring.dark_level_known else None

    @property
    def _rounded_off(self) -> np.float32:
        """How far the bound of voxels that were cut off lies above what they show."""
        censoring = self._censoring
        return np.float32(0 if censoring is None else censoring.bound - censoring.lowest)

    def level(self, points: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
        """Return what the image shows of the background at points, (points, 3) in voxels."""
        values: Floats = (
            self.background.design_at(np.asarray(points, np.float64))[:, 0] @ self.coefficients
        )
        return self.censored_mean(values)

    def plane(self, z: int, rows: slice = slice(None), columns: slice = slice(None)) -> Array:
        """Return what the image shows of the background of one plane, or of a part of it."""
        return self.censored_mean(self.background.plane(self.coefficients, z, rows, columns))

    def censored_mean(self, expected: NDArray[Any]) -> NDArray[Any]:
        """Return the mean of what the image shows where intensities are expected.

        It is the expected value, unless the image was cut off below.

        Parameters
        ----------
        expected : numpy.ndarray
            float32 or float64: the expected intensities before the image was cut off.
        """
        censoring = self._censoring
        if censoring is None:
            return expected
        variance = self.variance(expected.astype(np.float32))
        return censoring.mean_of(expected, variance).astype(expected.dtype)


def bead_image_from(
    image: Image,
    spacing: Sequence[float],
    camera: Camera,
    scale: float,
    dtype: np.dtype[Any] | None = None,
) -> BeadImage:
    """Return a bead image, with the noise and the background that it shows.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X), whole numbers or float32.
    spacing : sequence of float
        Voxel size in micrometres.
    camera : Camera
    scale : float
        Distance of the background's knots in micrometres; see `SplineBackground`.
    dtype : numpy.dtype, optional
        In which the image was recorded: whole numbers are rounded, and end at a highest one.

    Raises
    ------
    InputError
        All of the image is saturated.
    """
    planes = image[None] if image.ndim == 2 else image
    sizes = (1.0, *spacing) if image.ndim == 2 else tuple(spacing)
    defective = defective_pixels(planes)
    if defective is not None:
        planes = without_defects(planes, defective)
        image = planes
    whole = dtype is not None and dtype.kind in "iu"
    largest = float(np.iinfo(dtype).max) if whole and dtype is not None else None
    saturation = _saturation(planes, camera, largest)
    history = image_history(planes, saturation)
    noise = _noise(planes, camera, _voxels_with_noise(planes, saturation, history))
    shown = planes if history.blank is None else planes[~history.blank]
    span = float(shown.max()) - float(shown.min())
    floor = max(0.1 * noise.gain**2, (MIN_NOISE_OF_RANGE * span) ** 2)
    step = max(history.step, 1.0 if whole else 0.0)
    if step:
        dark = noise_level(shown).deviation
        # Where the noise is no more than a step of the numbers, differences do not show it.
        floor = max(floor, ROUNDING_VARIANCE * step**2, dark**2 if dark <= step else 0.0)
    sampled = planes[:, ::4, ::4] if history.blank is None else shown[::16]
    lowest = float(np.percentile(sampled, 20))
    noise, floor = _noise_before_processing(noise, floor, lowest, history)
    level = max(noise.gain * lowest + noise.at_zero, noise.gain**2) / (noise.gain or 1.0)
    background = SplineBackground(planes.shape, sizes, scale, max(level, np.sqrt(floor)))
    blank = BeadImage(
        planes,
        sizes,
        noise,
        floor,
        saturation,
        background,
        np.zeros(background.size),
        history,
        defective,
    )
    coefficients = first_background(planes, background, blank.variance, blank.mask_and_censor)
    logger.info(
        "image: %s voxels, gain %.3g, background about %.4g above the offset, saturation %g, "
        "%d defective pixels, %s",
        "x".join(map(str, planes.shape)),
        noise.gain,
        level,
        saturation,
        0 if defective is None else int(defective.sum()),
        "noise independent" if history.correlation.independent else "noise correlated",
    )
    return replace(blank, coefficients=coefficients)


def _noise_before_processing(
    noise: NoiseModel, floor: float, lowest: float, history: ImageHistory
) -> tuple[NoiseModel, float]:
    """Return noise and floor as they were before what was done to the image."""
    censoring, correlated = history.censoring, history.correlation.variance
    if censoring is not None and censoring.dark_level_known:
        # The line leads through what the dark part of the image tells.
        noise = noise._replace(at_zero=censoring.variance - noise.gain * censoring.level)
    variance = max(noise.gain * lowest + noise.at_zero, floor)
    if correlated > variance:
        # Correlated neighbours show less of the noise than there is.
        more = correlated / variance
        noise = noise._replace(gain=noise.gain * more, at_zero=noise.at_zero * more)
        floor *= more
    return noise, floor


def _voxels_with_noise(
    image: Image, saturation: float, history: ImageHistory
) -> NDArray[np.bool_] | None:
    """Return which voxels show the image's noise; None is all."""
    mask = image < saturation if np.isfinite(saturation) else None
    if history.blank is not None:
        mask = ~history.blank if mask is None else mask & ~history.blank
    if history.censoring is not None:
        # Beside one that was cut off there are those that noise alone has kept from it.
        near = ndimage.maximum_filter(image <= history.censoring.lowest, 3)
        mask = ~near if mask is None else mask & ~near
    return mask


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
    return top if np.count_nonzero(image == top) >= PLATEAU_VOXELS else float("inf")


def _noise(image: Image, camera: Camera, mask: NDArray[np.bool_] | None) -> NoiseModel:
    """Return the noise, with the camera's own figures where they are given."""
    flat = len(image) == 1
    noise = noise_model(
        image[0] if flat else image, mask[0] if flat and mask is not None else mask, NOISE_TILES
    )
    if camera.gain is None and camera.offset is None:
        return noise
    gain = camera.gain if camera.gain is not None else noise.gain
    dark = noise_level(image)
    if camera.offset is None:
        return noise._replace(gain=gain, at_zero=dark.deviation**2 - gain * dark.median)
    read = max(dark.deviation**2 - gain * (dark.median - camera.offset), 0.0)
    return noise._replace(gain=gain, at_zero=read - gain * camera.offset)
