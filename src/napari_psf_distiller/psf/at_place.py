"""A PSF that changes over the field, at one place of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from napari_psf_distiller.psf import grids

if TYPE_CHECKING:
    from napari_psf_distiller.psf.psf import PSF

__all__ = ["psf_at_place"]


def psf_at_place(psf: PSF, y: float, x: float) -> PSF:
    """Return a PSF at a place of the bead image, wherever the beads end; see `PSF.at`.

    Parameters
    ----------
    psf : PSF
    y, x : float
        In voxels of the bead image.

    Returns
    -------
    PSF
        The one given if it is the same everywhere. With errors where that has them.
    """
    model = psf.model
    if model is None or model.over_field is None:
        return psf
    over_field, own = model.over_field, model.at(y, x)
    shape = grids.within_window(psf.shape, grids.room_in_window(own, psf.spacing))
    here = dataclasses.replace(psf, model=own, error=None, measured=None)
    found = here.evaluate(psf.spacing, shape)
    errors = over_field.errors_at(y, x)
    if psf.error is None or errors is None:
        return found
    # They lie about the mean PSF's centre.
    moves = [
        round((mean - place) / size)
        for mean, place, size in zip(model.centre, own.centre, over_field.spacing, strict=True)
    ]
    moved = np.roll(errors, moves, axis=(0, 1, 2))
    sizes = over_field.spacing[-psf.ndim :]
    # A voxel's light is in proportion to its size.
    scale = math.prod(psf.spacing) / math.prod(sizes)
    error = grids.errors_on(moved[0] if psf.ndim == 2 else moved, sizes, psf.spacing, shape, scale)
    return dataclasses.replace(found, error=error)
