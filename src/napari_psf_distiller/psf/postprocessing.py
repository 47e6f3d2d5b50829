"""What post-processing a distilled array does to its errors and its functions."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.postprocess import (
    crop_about_centre,
    estimate_of_light,
    moves_to_centre,
)
from napari_psf_distiller.psf.psf import PSF
from napari_psf_distiller.recipe import PostProcess

__all__ = ["with_post_processed"]


def with_post_processed(distilled: PSF, array: NDArray[np.float32], settings: PostProcess) -> PSF:
    """Return a PSF whose voxels were post-processed, with its errors and functions so too.

    Parameters
    ----------
    distilled : PSF
        As it was before.
    array : numpy.ndarray
        What `postprocess` made of its voxels.
    settings : PostProcess
        How.
    """
    before = estimate_of_light(distilled.array, settings.clip)
    # The brightest voxel went to the middle, and the others with it.
    moves = moves_to_centre(before)
    error, model = distilled.error, distilled.model
    if error is not None:
        moved = np.roll(error, moves, axis=tuple(range(before.ndim)))
        left = 1 - settings.background
        scale = np.float32(float(array.max()) / (left * float(before.max())))
        error = crop_about_centre(moved, array.shape) * scale
    if model is not None:
        steps = [move * size for move, size in zip(moves, distilled.spacing, strict=True)]
        z, y, x = [0.0] * (3 - len(steps)) + steps
        cz, cy, cx = model.centre
        finer = model.error
        if finer is not None:
            own = zip((z, y, x), model.spacing, strict=True)
            finer = np.roll(finer, [round(step / size) for step, size in own], axis=(0, 1, 2))
        model = dataclasses.replace(
            model,
            centre=(cz - z, cy - y, cx - x),
            background=settings.background,
            clip=settings.clip,
            error=finer,
        )
    return dataclasses.replace(distilled, array=array, error=error, model=model)
