"""Which region of an image is looked at: one that was given, or where it has the most detail."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box, whole
from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.deconvolution.splitting import (
    binned,
    bins_within,
    block_sizes,
    block_with_most,
    informative_block,
    mean_within,
)
from napari_psf_distiller.errors import InputError

__all__ = [
    "REGION_VOXELS",
    "checked_region",
    "detailed_region",
    "light_above_noise",
    "middle_region",
]

# A region has about so many voxels unless another is given: it is deconvolved in seconds, and
# shows enough to judge by.
REGION_VOXELS = 600_000

# Of what so many standard deviations of the noise are, noise is not all: of a million voxels none
# has that by chance.
ABOVE_NOISE = 5

# Light is looked for without a PSF in detail of less than so many voxels along z, y and x.
DETAIL_REACH = (8, 16, 16)

# From a median absolute deviation to a standard deviation; and what keeps a quotient finite.
MAD_TO_SIGMA, TINY = 1.4826, 1e-6

# A region of fewer voxels along an axis of the plane shows nothing.
LEAST = 2


def checked_region(region: Sequence[slice | Sequence[int]], shape: tuple[int, ...]) -> Box:
    """Return a region as a box inside an image, or say why it is none.

    Parameters
    ----------
    region : sequence of slice, or of (int, int)
        For each axis, from the first voxel to the one after the last; ``slice(None)`` is all.
    shape : tuple of int
        (Z, Y, X) or (Y, X), of the image.

    Raises
    ------
    InputError
        It has another number of axes, or does not lie inside.

    Examples
    --------
    >>> checked_region([slice(None), (10, 60), (0, 50)], (8, 64, 64))
    (slice(0, 8, None), slice(10, 60, None), slice(0, 50, None))
    """
    axes = "zyx"[-len(shape) :]
    if len(region) != len(shape):
        raise InputError(
            f"The region has {len(region)} axes, the image {len(shape)}: give a range for each of "
            f"{', '.join(axes)}."
        )
    box = []
    for axis, part, n in zip(axes, region, shape, strict=True):
        low, high = _ends(part, n)
        if not 0 <= low < high <= n:
            raise InputError(
                f"The region goes from {low} to {high} along {axis}, and the image has the voxels "
                f"from 0 to {n}: give a range inside."
            )
        box.append(slice(low, high))
    return tuple(box)


def _ends(part: slice | Sequence[int], n: int) -> tuple[int, int]:
    """Return where a range of a region begins and ends."""
    if isinstance(part, slice):
        if part.step not in (None, 1):
            raise InputError(f"A region has each voxel of its range, and not every {part.step}th.")
        low, high = part.start, part.stop
    elif isinstance(part, Sequence | np.ndarray) and len(part) == 2:
        low, high = part
    else:
        raise InputError("A region has a first voxel and the one after the last for each axis.")
    low, high = 0 if low is None else low, n if high is None else high
    try:
        return operator.index(low), operator.index(high)
    except TypeError:
        raise InputError(
            f"The region goes from {low} to {high}: give the voxels' numbers, which are whole."
        ) from None


def detailed_region(
    image: Array, reach: tuple[int, ...], mask: NDArray[np.bool_] | None = None
) -> Box:
    """Return the region of an image where it has the most bright detail that is in focus.

    It has some `REGION_VOXELS` voxels, in the PSF's proportions as far as the image reaches.

    Parameters
    ----------
    image : numpy.ndarray
        float32, (Z, Y, X) or (Y, X).
    reach : tuple of int
        Over how many voxels of the image the PSF reaches along each axis.
    mask : numpy.ndarray, optional
        bool: the voxels that count.

    Notes
    -----
    Detail is what a voxel is brighter than the mean of the PSF's window about it: wide haze, such
    as of what is out of focus, is none. It counts by its brightness where noise cannot be all of
    it; if that is nowhere, all differences count, see `informative_block`.
    """
    if image.size <= REGION_VOXELS:
        return whole(image.shape)
    sizes = block_sizes(image.shape, reach, REGION_VOXELS)
    bins = bins_within(reach, sizes)
    fine = binned(image, bins)
    detail, in_noise, noise = _detail(fine, mean_within(fine, reach, bins))
    detail[in_noise < ABOVE_NOISE * noise] = 0
    if mask is not None:
        detail[binned(mask.astype(np.float32), bins) < 1] = 0
    if not detail.any():
        return informative_block(image, reach, REGION_VOXELS, mask)
    return block_with_most(detail, bins, sizes, image.shape)


def light_above_noise(image: Array) -> float:
    """Return how many standard deviations of the noise the brightest detail of an image is.

    Parameters
    ----------
    image : numpy.ndarray
        float32, (Z, Y, X) or (Y, X).

    Returns
    -------
    float
        About 5 of noise alone; 0 of a constant image, infinite of one without noise.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).poisson(100, (8, 64, 64)).astype(np.float32)
    >>> light_above_noise(noise) < 7
    True
    >>> noise[4, 30:33, 30:33] += 100
    >>> light_above_noise(noise) > 10
    True
    """
    reach = DETAIL_REACH[-image.ndim :]
    bins = bins_within(reach, image.shape)
    fine = binned(image, bins)
    _, in_noise, noise = _detail(fine, mean_within(fine, reach, bins))
    brightest = float(in_noise.max())
    if noise == 0:
        return math.inf if brightest > 0 else 0.0
    return brightest / noise


def _detail(fine: Array, around: Array) -> tuple[Array, NDArray[np.floating], float]:
    """Return what voxels are brighter than their surroundings, also in units of the noise's part.

    Parameters
    ----------
    fine, around : numpy.ndarray
        An image in bins, and the mean about each.

    Returns
    -------
    detail, in_noise : numpy.ndarray
        The second divided by the root of the light: photons' noise grows with that.
    noise : float
        The standard deviation of the second, where there is no detail.
    """
    detail: Array = fine - around
    in_noise = detail / np.sqrt(np.maximum(around, float(np.median(around))) + TINY)
    noise = MAD_TO_SIGMA * float(np.median(np.abs(in_noise - np.median(in_noise))))
    return detail, in_noise, noise


def middle_region(shape: tuple[int, ...], voxels: int = REGION_VOXELS) -> Box:
    """Return a region of an image's middle, with all of its planes.

    Examples
    --------
    >>> middle_region((10, 1000, 1000), 100_000)
    (slice(0, 10, None), slice(450, 550, None), slice(450, 550, None))
    """
    planes = shape[0] if len(shape) == 3 else 1
    side = max(LEAST, int((voxels / planes) ** 0.5))
    box = []
    for axis, n in enumerate(shape):
        size = n if axis < len(shape) - 2 else min(n, side)
        box.append(slice((n - size) // 2, (n - size) // 2 + size))
    return tuple(box)
