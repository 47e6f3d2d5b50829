"""What was done to an image's values before they were stored: rounded to steps, cut off below."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.measure.noise import BIN, SAMPLE, TILES, ranked_tiles

__all__ = ["cut_share", "step_of"]

# Values are multiples of a step if they are so to this part of it; and are few: a camera's.
MULTIPLE, MOST_LEVELS = 0.01, 70_000

# A cut background has this part of its dark voxels at its least value, and falls off so much faster
# to the next step of values than from there to the one after: counts of photons, half as fast.
CUT, FASTER = 0.1, 1.5


def step_of(image: NDArray[Any]) -> float:
    """Return the step that an image's values were rounded to: 0 if there is none.

    Whole numbers have one, and so have the 0 to 1 that they were turned into.

    Parameters
    ----------
    image : numpy.ndarray
    """
    voxels = image.ravel()
    levels = np.unique(voxels[:: max(1, voxels.size // SAMPLE)]).astype(np.float64)
    if not 2 < len(levels) <= MOST_LEVELS:
        return 0.0
    gaps = np.diff(levels)
    step = float(gaps.min())
    times = gaps / step
    if np.abs(times - np.rint(times)).max() > MULTIPLE:
        return 0.0
    # Of values without steps hardly any occurs twice.
    return step if len(levels) < voxels.size / 2 else 0.0


def cut_share(image: NDArray[Any]) -> float:
    """Return which part of the dark voxels a background that was cut off left at the least value.

    Parameters
    ----------
    image : numpy.ndarray
        As it is in the file.

    Returns
    -------
    float
        0 where the background was not cut off: also of photons that are so few that most voxels
        have none, and of steps that are coarser than the noise.
    """
    lowest = image.min()
    if np.count_nonzero(image == lowest) < CUT * image.size / 2:
        return 0.0
    parts = [image[part].astype(np.float32, copy=False) for part in ranked_tiles(image, TILES)]
    if not parts:
        return 0.0
    smooth = np.concatenate([ndimage.gaussian_filter(part, 2).ravel() for part in parts])
    values = np.concatenate([part.ravel() for part in parts]) - np.float32(lowest)
    dark = values[smooth <= np.median(smooth)]
    above = dark[dark > 0]
    if len(above) < BIN:
        return 0.0
    step = max(step_of(image), float(np.median(above)) / 2)
    first, second = (
        np.count_nonzero((above > n * step) & (above <= (n + 1) * step)) for n in (0, 1)
    )
    at_lowest = len(dark) - len(above)
    if at_lowest < CUT * len(dark) or at_lowest * second < FASTER * first**2:
        return 0.0
    return at_lowest / len(dark)
