"""Two PSFs beside each other: on one grid, with what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.postprocess import crop_about_centre

__all__ = ["Comparison", "compare_psfs"]

Floats = NDArray[np.float64]

# Voxel sizes that differ by less than this part are one: files round them.
SAME_SIZE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """Two PSFs on one grid, each with the sum 1.

    Attributes
    ----------
    first, second : numpy.ndarray
        Cropped about n // 2 to what both have.
    relative_l2 : float
        The root of the summed squares of their difference, over that of the second.
    correlation : float
        Pearson's, over the voxels.
    shift : tuple of int
        How many voxels of the first's grid the brightest voxel of the first lies beyond that of
        the second, along each axis.
    resampled : bool
        Whether the second had another voxel size.
    """

    first: Floats
    second: Floats
    relative_l2: float
    correlation: float
    shift: tuple[int, ...]
    resampled: bool

    @property
    def difference(self) -> Floats:
        """The first less the second."""
        return self.first - self.second


def compare_psfs(
    first: ArrayLike,
    second: ArrayLike,
    first_spacing: Sequence[float] | None = None,
    second_spacing: Sequence[float] | None = None,
) -> Comparison:
    """Bring two PSFs onto one grid and measure how they differ; neither is moved.

    Parameters
    ----------
    first, second : array_like
        (Z, Y, X) or (Y, X), the same number of axes, each with its centre at n // 2.
    first_spacing, second_spacing : sequence of float, optional
        Voxel sizes in micrometres. If they differ, the second is resampled to that of the first;
        if one is not known, voxel is compared with voxel.

    Raises
    ------
    InputError
        One cannot be used, their axes differ in number, or the sum within what both have is not
        positive.
    """
    arrays = [
        check_image(psf, name, constant=True)
        for psf, name in ((first, "The PSF"), (second, "The PSF to compare with"))
    ]
    if arrays[0].ndim != arrays[1].ndim:
        raise InputError(
            f"One PSF has {arrays[0].ndim} axes and the other {arrays[1].ndim}; compare two of "
            "the same number."
        )
    resampled = False
    if first_spacing is not None and second_spacing is not None:
        sizes = check_spacing(first_spacing, arrays[0].ndim)
        others = check_spacing(second_spacing, arrays[0].ndim)
        resampled = not np.allclose(sizes, others, rtol=SAME_SIZE)
        if resampled:
            arrays[1] = _resampled(arrays[1], np.divide(sizes, others))
    shape = tuple(min(pair) for pair in zip(arrays[0].shape, arrays[1].shape, strict=True))
    one, other = (_with_sum_1(crop_about_centre(array, shape)) for array in arrays)
    places = [np.unravel_index(int(array.argmax()), shape) for array in (one, other)]
    spread = float(np.sqrt(((one - one.mean()) ** 2).sum() * ((other - other.mean()) ** 2).sum()))
    common = float(((one - one.mean()) * (other - other.mean())).sum())
    return Comparison(
        first=one,
        second=other,
        relative_l2=float(np.linalg.norm(one - other) / np.linalg.norm(other)),
        correlation=common / spread if spread > 0 else float("nan"),
        shift=tuple(int(a) - int(b) for a, b in zip(*places, strict=True)),
        resampled=resampled,
    )


def _resampled(array: NDArray[np.float32], step: Floats) -> NDArray[np.float32]:
    """Return an array with a voxel every `step` of its own, the centre n // 2 kept in place."""
    # What lies within the outermost voxels' centres, so that nothing is invented beyond.
    before = [int(n // 2 / s) for n, s in zip(array.shape, step, strict=True)]
    after = [int((n - 1 - n // 2) / s) for n, s in zip(array.shape, step, strict=True)]
    # So that the centre is n // 2 again, there is at most one voxel less after it than before.
    after = [min(a, b) for a, b in zip(after, before, strict=True)]
    before = [min(b, a + 1) for a, b in zip(after, before, strict=True)]
    offset = [n // 2 - b * s for n, b, s in zip(array.shape, before, step, strict=True)]
    shape = tuple(a + b + 1 for a, b in zip(after, before, strict=True))
    result: NDArray[np.float32] = ndimage.affine_transform(
        array, step, offset, shape, order=3, mode="nearest"
    )
    return result


def _with_sum_1(array: NDArray[np.float32]) -> Floats:
    values = array.astype(np.float64)
    total = float(values.sum())
    if not total > 0:
        raise InputError("A PSF's sum is not positive, so it cannot be scaled to 1.")
    return values / total
