"""A PSF's voxels as other programs want them: odd, square, scaled, centred elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.negative_values import without_negative_values
from napari_psf_distiller.wording import sizes_text

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = [
    "as_uint16",
    "check_centred",
    "check_square_pixels",
    "check_volume",
    "cropped",
    "odd_sizes",
    "scaled",
    "square_size",
]

Floats = NDArray[np.floating]

UINT16_MAX = 65535


def check_volume(psf: PSF, program: str) -> None:
    """Refuse a PSF in 2D where a program wants a stack.

    Raises
    ------
    InputError
    """
    if psf.ndim != 3:
        raise InputError(
            f"The PSF has 2 axes, and {program} takes one with 3. Distil the PSF from a stack."
        )


def check_centred(psf: PSF, program: str) -> None:
    """Refuse a PSF whose brightest voxel is not in the middle, at n // 2 on each axis.

    Raises
    ------
    InputError
    """
    peak = np.unravel_index(int(np.argmax(psf.array)), psf.shape)
    middle = tuple(n // 2 for n in psf.shape)
    if tuple(map(int, peak)) != middle:
        raise InputError(
            f"The PSF's brightest voxel is {', '.join(map(str, peak))}, and {program} wants it in "
            f"the middle, at {', '.join(map(str, middle))}. Crop the PSF so that it lies there."
        )


def check_square_pixels(psf: PSF, program: str) -> None:
    """Refuse pixels that are not as high as they are wide.

    Raises
    ------
    InputError
    """
    y, x = psf.spacing[-2:]
    if not np.isclose(y, x, rtol=1e-3):
        raise InputError(
            f"The PSF's pixels are {sizes_text((y, x))} µm, and {program} wants square ones. Give "
            "another spacing."
        )


def cropped(array: Floats, shape: Sequence[int]) -> Floats:
    """Return the voxels about n // 2, which is that of the result too.

    Parameters
    ----------
    array : numpy.ndarray
    shape : sequence of int
        No axis longer than the array's.
    """
    begins = [n // 2 - m // 2 for n, m in zip(array.shape, shape, strict=True)]
    return array[tuple(slice(b, b + m) for b, m in zip(begins, shape, strict=True))]


def odd_sizes(array: Floats) -> Floats:
    """Return an array without the first voxel of each even axis; its peak stays at n // 2."""
    return cropped(array, [n - (n + 1) % 2 for n in array.shape])


def square_size(array: Floats, *, odd: bool) -> int:
    """Return the largest size in y and in x, odd or even, for which there are voxels."""
    least: int = min(array.shape[-2:])
    return least if least % 2 == odd else least - 1


def scaled(array: Floats, scale: str) -> NDArray[np.float64]:
    """Return an array whose sum or whose maximum is 1.

    Raises
    ------
    InputError
        That is not positive, so that it cannot become 1.
    """
    values = array.astype(np.float64)
    total = float(values.sum() if scale == "sum" else values.max())
    if not total > 0:
        raise InputError(f"The PSF's {scale} is not positive, so it cannot be scaled to 1.")
    return values / total


def as_uint16(array: Floats) -> NDArray[np.uint16]:
    """Return whole numbers, the largest of which is 65535; what is negative is evened out.

    Raises
    ------
    InputError
        No voxel is positive.
    """
    values = scaled(without_negative_values(array), "maximum")
    return np.rint(values * UINT16_MAX).astype(np.uint16)
