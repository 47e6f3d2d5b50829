"""What a user should know of what was done to an image before a PSF was distilled from it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM
from napari_psf_distiller.joint.image.history import ImageHistory

__all__ = ["history_warnings"]

# A PSF that is wider than the microscope's by this part is another one.
MIN_WIDENING = 0.02


def history_warnings(history: ImageHistory, widths: NDArray[np.float64]) -> tuple[str, ...]:
    """Return what a user should know of an image's history.

    Parameters
    ----------
    history : ImageHistory
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along z, y and x, in voxels.
    """
    found = []
    z, y, x = history.correlation.blurs
    # A PSF that is the same all around its axis has the mean of both.
    across = math.sqrt((y * y + x * x) / 2)
    wider = {
        "z": _widening(z, float(widths[0])),
        "y, x": _widening(across, float(widths[1:].min())),
    }
    where = [axis for axis, part in wider.items() if part > MIN_WIDENING]
    if where:
        most = max(wider.values())
        found.append(
            "The image was smoothed, median-filtered or resampled: its noise is alike from voxel "
            f"to voxel along {', '.join(where)}. The PSF is wider than the microscope's for it, "
            f"by up to about {100 * most:.0f} %. Use the raw image, or the PSF only for images "
            "that were treated alike."
        )
    censoring = history.censoring
    if censoring is not None and not censoring.dark_level_known:
        found.append(
            f"{100 * censoring.share:.0f} % of the dark voxels have the image's lowest value of "
            f"{censoring.lowest:g}: its background was cut off, or rounded away, and the beads' "
            "halos with it, so that the PSF's sum and its faint parts are wrong. Use the image "
            "before its background was subtracted or its contrast changed."
        )
    return tuple(found)


def _widening(blur: float, width: float) -> float:
    """Return by what part a blur made an image's width larger, both as variances."""
    part = min((blur / max(width * SIGMAS_PER_FWHM, 1e-9)) ** 2, 0.99)
    return float((1 - part) ** -0.5 - 1)
