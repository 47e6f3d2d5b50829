"""What counts as bead: a threshold, global or local."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.filters import threshold_li, threshold_local, threshold_otsu, threshold_triangle

from napari_psf_distiller.checks import check_choice, check_image, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.noise import NoiseLevel, noise_level

__all__ = ["Method", "local_mean", "noise_threshold", "threshold", "threshold_value"]

Method = Literal["noise", "otsu", "li", "triangle", "local", "manual"]

# More than this is not beads on a background; labels of it would be one object.
LARGEST_FRACTION = 0.5

# Li's method sorts all voxels to learn how finely they differ; more than this takes too long.
SORTED_AT_MOST = 5_000_000


def _li(array: NDArray[np.float32]) -> float:
    if array.size <= SORTED_AT_MOST:
        return float(threshold_li(array))
    tolerance = 1e-5 * (float(array.max()) - float(array.min()))
    return float(threshold_li(array, tolerance=tolerance))


_GLOBAL: dict[str, Callable[..., float]] = {
    "otsu": threshold_otsu,
    "li": _li,
    "triangle": threshold_triangle,
}


def threshold_value(
    image: ArrayLike,
    method: Method = "otsu",
    *,
    factor: float = 8.0,
    value: float | None = None,
    window: float = 5.0,
    offset: float | None = None,
    spacing: Sequence[float] | None = None,
) -> float | NDArray[np.float32]:
    """Return the intensity above which a voxel counts as bead.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers.
    method : {"noise", "otsu", "li", "triangle", "local", "manual"}
        "noise" is the median plus `factor` standard deviations of the noise, see `noise_level`:
        most voxels are background. Otsu (1979), Li and Lee (1993) and
        Zack's triangle (1977) look at the histogram of all voxels; "local" at the
        Gaussian-weighted mean around each voxel; "manual" takes `value`.
    factor : float
        For "noise".
    value : float, optional
        For "manual".
    window : float
        For "local": the neighbourhood's width in micrometres.
    offset : float, optional
        For "local": how far above its neighbourhood's mean; None is the standard deviation of the
        image.
    spacing : sequence of float, optional
        Voxel size in micrometres; needed for "local".

    Returns
    -------
    float or numpy.ndarray
        One value, or, for "local", float32 of the image's shape.

    Raises
    ------
    InputError
        The image or a parameter cannot be used.
    """
    array = check_image(image)
    if method == "manual":
        if value is None:
            raise InputError("A manual threshold needs a value.")
        return float(value)
    if method == "noise":
        return noise_threshold(noise_level(array), factor)
    if method == "local":
        height = float(array.std(dtype=np.float64)) if offset is None else offset
        return local_mean(array, window, spacing) + np.float32(height)
    check_choice(method, "threshold method", get_args(Method))
    return float(_GLOBAL[method](array))


def noise_threshold(noise: NoiseLevel, factor: float) -> float:
    """Return the intensity that lies so many standard deviations above an image's background.

    Parameters
    ----------
    noise : NoiseLevel
        Of the image.
    factor : float
        Standard deviations of the noise.

    Raises
    ------
    InputError
        The factor is not positive, or the image shows no noise.
    """
    if not factor > 0:
        raise InputError(f"The noise threshold's factor is {factor}; it must be positive.")
    if not noise.deviation > 0:
        raise InputError(
            "The noise threshold cannot be told: most voxels have the same value. Choose "
            "another method, such as otsu."
        )
    return noise.median + factor * noise.deviation


def local_mean(
    array: NDArray[np.float32], window: float, spacing: Sequence[float] | None
) -> NDArray[np.float32]:
    """Return the Gaussian-weighted mean around each voxel, float32.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X) or (Y, X), float32.
    window : float
        The neighbourhood's width in micrometres.
    spacing : sequence of float or None
        Voxel size in micrometres.

    Raises
    ------
    InputError
        The window or the spacing cannot be used.
    """
    if not window > 0:
        raise InputError(f"The local threshold's window is {window}; it must be positive.")
    sizes = check_spacing(spacing, array.ndim)
    # An odd number of voxels, and no more than fit: beyond the image there is nothing to see.
    block = tuple(
        2 * min(max(1, round(window / size / 2)), (n - 1) // 2) + 1
        for size, n in zip(sizes, array.shape, strict=True)
    )
    mean: NDArray[np.float32] = threshold_local(array, block)
    return mean.astype(np.float32, copy=False)


def threshold(
    image: ArrayLike,
    method: Method = "otsu",
    *,
    factor: float = 8.0,
    value: float | None = None,
    window: float = 5.0,
    offset: float | None = None,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.bool_]:
    """Return which voxels are bead: those above `threshold_value`, whose parameters these are.

    Returns
    -------
    numpy.ndarray
        bool, of the image's shape.

    Raises
    ------
    InputError
        The image or a parameter cannot be used, no voxel is above the threshold, or more than half
        of them are.
    """
    array = check_image(image)
    level = threshold_value(
        array, method, factor=factor, value=value, window=window, offset=offset, spacing=spacing
    )
    mask: NDArray[np.bool_] = array > np.asarray(level, np.float32)
    shown = f" of {level:.6g}" if isinstance(level, float) else ""
    fraction = float(mask.mean())
    if fraction == 0:
        raise InputError(
            f"No voxel is above the {method} threshold{shown}; the brightest is "
            f"{array.max():.6g}. Choose a lower threshold."
        )
    if fraction > LARGEST_FRACTION:
        raise InputError(
            f"The {method} threshold{shown} takes {100 * fraction:.0f} % of the image; beads are a "
            "small part of it. Choose a higher threshold, or subtract the background first."
        )
    return mask
