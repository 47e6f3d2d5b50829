"""Where an image lies in the field that a PSF was measured over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf.eigen import EigenPSFs
from napari_psf_distiller.psf.field import Depth, PSFField
from napari_psf_distiller.recipe import Deconvolve
from napari_psf_distiller.wording import sizes_text

__all__ = ["variation_over"]

Floats = NDArray[np.float64]

# Two fields are the same if their sizes differ by less than this part, or than half a pixel.
SAME_SIZE = 0.01

# It is said where more than this part of an image lies beyond the outermost beads: a rim of a few
# per cent of its width is usual.
MOST_BEYOND = 0.25


def variation_over(
    eigen: EigenPSFs,
    over_field: PSFField,
    image_shape: tuple[int, ...],
    spacing: Sequence[float],
    settings: Deconvolve,
) -> tuple[PSFVariation, str]:
    """Return how a PSF changes over an image, and a sentence on that.

    Parameters
    ----------
    eigen : EigenPSFs
        On the result's voxels.
    over_field : PSFField
        Of the PSF.
    image_shape : tuple of int
    spacing : sequence of float
        Size of the image's voxels along its axes, in micrometres.
    settings : Deconvolve
        With where the image lies, if it was not taken where the bead image was.

    Raises
    ------
    InputError
        The image is not as large as the bead image was, and it is not said where it lies; or it
        lies beside it.
    """
    shape, pixel = image_shape[-2:], spacing[-2:]
    scale = settings.field_scale
    steps = tuple(scale * size / own for size, own in zip(pixel, over_field.pixel, strict=True))
    if settings.over_field == "placed":
        first = tuple(
            place / own
            for place, own in zip(
                (settings.field_y, settings.field_x), over_field.pixel, strict=True
            )
        )
    else:
        _check_same_size(over_field, shape, pixel)
        # The corners lie at the same place.
        first = tuple((step - 1) / 2 for step in steps)
    rows, columns = (
        start + step * np.arange(n, dtype=np.float64)
        for start, step, n in zip(first, steps, shape, strict=True)
    )
    if any(
        places[-1] < -0.5 or places[0] > n - 0.5
        for places, n in zip((rows, columns), over_field.image_shape, strict=True)
    ):
        raise InputError(
            "The image lies beside the bead image that the PSF was measured in: check field y, "
            "field x and field scale."
        )
    variation = PSFVariation(eigen, rows, columns, (steps[0], steps[1]))
    note = f"The PSF changes over the image: it is the sum of {len(eigen)} eigen-PSFs."
    beyond = _share_beyond(over_field, rows, columns)
    if beyond > MOST_BEYOND:
        note += (
            f" {100 * beyond:.0f} % of the image lie beyond the outermost beads, where the PSF is "
            "taken to be that of the nearest place among them."
        )
    if over_field.depth is not None and len(image_shape) == 3:
        planes, step = _planes_of(over_field.depth, image_shape[0], spacing[0], settings)
        variation = replace(variation, planes=planes, plane_step=step)
        first_bead, last_bead = over_field.depth.extent
        beyond = 1 - float(((planes >= first_bead) & (planes <= last_bead)).mean())
        if beyond > MOST_BEYOND:
            note += (
                f" {100 * beyond:.0f} % of the planes lie above or below all beads, where the PSF "
                "is taken to be that of the nearest depth among them."
            )
    return variation, note


def _planes_of(
    depth: Depth, count: int, spacing: float, settings: Deconvolve
) -> tuple[Floats, float]:
    """Return where an image's planes lie among those of the bead image, and the step of these."""
    step = spacing / depth.spacing
    if settings.over_field == "placed":
        first = settings.field_z / depth.spacing
    else:
        thick, own = count * spacing, depth.planes * depth.spacing
        if abs(thick - own) > max(SAME_SIZE * own, spacing / 2):
            raise InputError(
                f"The PSF changes with depth, and was measured in an image of {own:.4g} "
                f"micrometres along z; this image has {thick:.4g}. Say where it lies by over field "
                "placed with field z (and field y and field x), or choose over field mean."
            )
        first = (step - 1) / 2
    planes = first + step * np.arange(count, dtype=np.float64)
    if planes[-1] < -0.5 or planes[0] > depth.planes - 0.5:
        raise InputError(
            "The image lies above or below the bead image that the PSF was measured in: check "
            "field z."
        )
    return planes, step


def _check_same_size(over_field: PSFField, shape: Sequence[int], pixel: Sequence[float]) -> None:
    own = [n * size for n, size in zip(over_field.image_shape, over_field.pixel, strict=True)]
    wide = [n * size for n, size in zip(shape, pixel, strict=True)]
    for mine, its, size in zip(own, wide, pixel, strict=True):
        if abs(mine - its) > max(SAME_SIZE * mine, size / 2):
            break
    else:
        return
    raise InputError(
        "The PSF changes over the field of view, and was measured in an image of "
        f"{sizes_text([round(size, 2) for size in own])} micrometres; this image has "
        f"{sizes_text([round(size, 2) for size in wide])}. Say where it lies by over field placed "
        "with field y and field x (and field scale, after another magnification), or choose over "
        "field mean."
    )


def _share_beyond(over_field: PSFField, rows: Floats, columns: Floats) -> float:
    """Return which part of an image lies beyond the outermost beads."""
    within = [
        float(((places >= first) & (places <= last)).mean())
        for places, (first, last) in zip((rows, columns), over_field.extent, strict=True)
    ]
    return 1 - within[0] * within[1]
