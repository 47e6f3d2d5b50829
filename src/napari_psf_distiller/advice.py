"""What a user should know before using a result, each a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.compute import Boundary, Compatibility, displaced_axes
from napari_psf_distiller.measure.widths import LEAST_VOXELS, fwhm
from napari_psf_distiller.recipe import PostProcess, Recipe

__all__ = ["bead_warnings", "deconvolve_warnings", "psf_warnings"]

# Fewer beads than this make a PSF that is as much theirs as the microscope's.
FEW_BEADS = 5


def deconvolve_warnings(
    image: NDArray[Any],
    psf: NDArray[Any],
    boundary: Boundary,
    compatibility: Compatibility | None = None,
    finer: Sequence[int] | None = None,
    continued: bool = False,
) -> tuple[str, ...]:
    """Return what a user should know of an image and a PSF before they are deconvolved.

    Parameters
    ----------
    image, psf : numpy.ndarray
        With the same number of axes.
    boundary : {"circulant", "noncirculant"}
    compatibility : {"clij2-fft"} or None
        See `Recipe`.
    finer : sequence of int, optional
        How many voxels of the result, and of the PSF, one of the image has along each axis.
    continued : bool
        Whether the PSF was made so large on purpose; see `PSF.evaluate`.
    """
    found = []
    reach: Sequence[int] = psf.shape
    if finer is not None:
        # In the image's own voxels, which people know.
        reach = [-(-m // f) for m, f in zip(psf.shape, finer, strict=True)]
    larger = "" if continued else _larger(reach, image.shape)
    if larger:
        found.append(
            f"The PSF is larger than the image ({larger}): most of what it says about "
            "light from outside the image is a guess. Crop the PSF."
        )
    displaced = displaced_axes(image.shape, psf.shape, boundary, compatibility)
    if displaced:
        axes = ", ".join(AXES[-image.ndim :][axis] for axis in displaced)
        found.append(
            f"The PSF has an even number of voxels along {axes}, and the grid an odd one: as "
            "clij2-fft's, the result lies one voxel too low there. Crop the PSF to an odd number."
        )
    negative = int(np.count_nonzero(image < 0))
    if negative:
        found.append(f"{negative} negative voxels of the image were taken as 0.")
    return tuple(found)


def psf_warnings(
    image_shape: tuple[int, ...], psf: NDArray[np.float32], recipe: Recipe
) -> tuple[str, ...]:
    """Return what a user should know of a post-processed PSF.

    Parameters
    ----------
    image_shape : tuple of int
        Of the image it was distilled from.
    psf : numpy.ndarray
    recipe : Recipe
    """
    found = []
    axes = AXES[-psf.ndim :]
    crop = recipe.postprocess.crop
    # The default takes what there is, up to its size; who asks for a size should get it.
    if crop is not None and crop != PostProcess().crop:
        larger = _larger(crop, image_shape)
        if larger:
            found.append(
                f"The PSF asked for is larger than the image ({larger}); it was cropped "
                "to the image's size there."
            )
    # The unit does not matter for whether there is a width at all.
    widths = fwhm(psf, recipe.spacing or (1.0,) * psf.ndim)
    short = [axis for axis, n in zip(axes, psf.shape, strict=True) if n < LEAST_VOXELS]
    if short:
        found.append(
            f"The PSF has too few voxels along {', '.join(short)} to measure its width there."
        )
    wide = [
        axis
        for axis, width in zip(axes, widths, strict=True)
        if np.isnan(width) and axis not in short
    ]
    if wide:
        found.append(
            f"The PSF does not fall to half of its maximum along {', '.join(wide)}: it is wider "
            "than its window, or the beads are not in focus within the image."
        )
    return tuple(found)


def bead_warnings(beads: pd.DataFrame) -> tuple[str, ...]:
    """Return what a user should know of the beads of `find_beads`."""
    used = int(beads["used"].sum())
    if used >= FEW_BEADS:
        return ()
    return (
        f"Only {used} of {len(beads)} beads could be used: the PSF is noisy, and any bead that is "
        "not a single one spoils it. Use an image with more beads.",
    )


def _larger(psf: Sequence[int], image: Sequence[int]) -> str:
    """Return where a PSF's shape exceeds an image's; of a longer one the last axes count."""
    axes = AXES[-len(image) :]
    return ", ".join(
        f"{m} > {n} along {axis}"
        for axis, n, m in zip(axes, image, psf[-len(image) :], strict=True)
        if m > n
    )
