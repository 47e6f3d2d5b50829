"""A result on finer voxels than the image's: their size, and whether the memory can hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import psutil

from napari_psf_distiller.compute.engine import GIB
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe.quantities import MOST_FINER
from napari_psf_distiller.wording import sizes_text

__all__ = ["check_finer", "finer_first_voxel", "finer_spacing", "finer_told", "same_spacing"]

# Voxel sizes that differ by more than this part are not the same.
SAME_SPACING = 0.01


def check_finer(finer: Sequence[int], image_shape: tuple[int, ...]) -> None:
    """Refuse a result that the memory cannot hold.

    Parameters
    ----------
    finer : sequence of int
        How many voxels of the result one of the image has along each axis.
    image_shape : tuple of int

    Raises
    ------
    InputError
    """
    shape = [n * f for n, f in zip(image_shape, finer, strict=True)]
    need, free = 4 * math.prod(shape), int(psutil.virtual_memory().available)
    if max(finer) > 1 and need > free:
        raise InputError(
            f"The result, {sizes_text(shape)} voxels, needs {need / GIB:.1f} GiB, and "
            f"{free / GIB:.1f} GiB of memory are free: choose less fine voxels, or crop the image."
        )


def finer_spacing(spacing: Sequence[float], finer: Sequence[int]) -> tuple[float, ...]:
    """Return the result's voxel size.

    Parameters
    ----------
    spacing : sequence of float
        The image's, in micrometres.
    finer : sequence of int
        See `check_finer`.

    Examples
    --------
    >>> finer_spacing((0.2, 0.16, 0.16), (1, 2, 2))
    (0.2, 0.08, 0.08)
    """
    return tuple(size / f for size, f in zip(spacing, finer, strict=True))


def finer_first_voxel(spacing: Sequence[float], finer: Sequence[int]) -> tuple[float, ...]:
    """Return where the result's first voxel lies from the image's, centre to centre.

    Parameters
    ----------
    spacing : sequence of float
        The image's, in micrometres.
    finer : sequence of int
        See `check_finer`.

    Returns
    -------
    tuple of float
        In micrometres. An image's pixel has all of the result's in its place; its plane is that at
        ``finer // 2`` of the result's.

    Examples
    --------
    >>> finer_first_voxel((0.2, 0.16, 0.16), (2, 2, 2))
    (-0.1, -0.04, -0.04)
    """
    before = [(f - 1) / 2 for f in finer]
    if len(before) == 3:
        before[0] = finer[0] // 2
    return tuple(-n * size / f for n, size, f in zip(before, spacing, finer, strict=True))


def finer_told(spacing: Sequence[float] | None, psf: Sequence[float] | None) -> str:
    """Return how to deconvolve with a PSF of finer voxels; empty if it has no such.

    Parameters
    ----------
    spacing, psf : sequence of float or None
        Voxel sizes of the image and of the PSF, as far as they are known.

    Examples
    --------
    >>> finer_told((0.2, 0.16, 0.16), (0.2, 0.08, 0.08))
    'The PSF has finer voxels: choose finer 2 for a result on them.'
    >>> finer_told((0.2, 0.16, 0.16), (0.2, 0.1, 0.1))
    ''
    """
    if spacing is None or psf is None or len(spacing) != len(psf) or same_spacing(spacing, psf):
        return ""
    finer = tuple(max(1, round(size / own)) for size, own in zip(spacing, psf, strict=True))
    if not same_spacing(finer_spacing(spacing, finer), psf) or finer[-1] != finer[-2]:
        return ""
    if max(finer) > MOST_FINER:
        return ""
    along_z = f" and finer z {finer[0]}" if len(finer) == 3 and finer[0] > 1 else ""
    return f"The PSF has finer voxels: choose finer {finer[-1]}{along_z} for a result on them."


def same_spacing(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two voxel sizes are the same, within 1 %."""
    return bool(np.allclose(one, other, rtol=SAME_SPACING, atol=0))
