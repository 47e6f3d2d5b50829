"""The table of beads: its axes, and where the beads are in the image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.checks import check_choice
from napari_psf_distiller.datasets.volume import AXES
from napari_psf_distiller.errors import InputError

__all__ = [
    "AXES",
    "HELD_OUT",
    "IN_HALO",
    "IN_LEFT_OUT_STACK",
    "REASONS",
    "bead_voxels",
    "centres_of",
    "true_object",
]

# A peak that may be the halo of a brighter bead.
IN_HALO = "halo"

# A bead of an image whose PSF is not that of the others.
IN_LEFT_OUT_STACK = "stack"

# A bead that tests the PSF, which is fitted to the others.
HELD_OUT = "held out"

# Why a bead is not used, and what that means to people.
REASONS = {
    "saturated": "saturated",
    "border": "cut off by the image's border",
    "bright": "much brighter than the others",
    "dim": "too dim to tell its shape",
    IN_HALO: "perhaps only another one's halo",
    HELD_OUT: "held out to test the PSF",
    IN_LEFT_OUT_STACK: "of a stack that was left out",
    "touching": "of another shape than the others: touching, clumped or out of focus",
}


def centres_of(beads: pd.DataFrame) -> NDArray[np.float64]:
    """Return the beads' centres, (N, 2) or (N, 3), in voxels."""
    axes = [name for name in AXES if name in beads]
    return beads[axes].to_numpy(dtype=float)


def bead_voxels(
    centres: NDArray[np.float64],
    shape: tuple[int, ...],
    placement: Literal["truncate", "nearest"] = "nearest",
) -> NDArray[np.intp]:
    """Return the voxel of each centre.

    Parameters
    ----------
    centres : numpy.ndarray
        (N, axes), fractional voxels.
    shape : tuple of int
        Of the image.
    placement : {"truncate", "nearest"}
        Cut the fraction off, as the notebook does, or round it.

    Raises
    ------
    InputError
        A centre lies outside the image.
    """
    check_choice(placement, "placement", ("truncate", "nearest"))
    whole = np.trunc(centres) if placement == "truncate" else np.floor(centres + 0.5)
    outside = ((whole < 0) | (whole >= shape)).any(axis=1) | ~np.isfinite(centres).all(axis=1)
    if outside.any():
        first = tuple(round(float(v), 1) for v in centres[outside][0])
        raise InputError(
            f"{int(outside.sum())} of {len(centres)} bead centres lie outside the image, the first "
            f"at {first}; delete or move them."
        )
    return whole.astype(np.intp)


def true_object(
    shape: tuple[int, ...],
    centres: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    placement: Literal["truncate", "nearest"] = "nearest",
) -> NDArray[np.float32]:
    """Return the true object: an empty image with each bead's amplitude at its centre's voxel.

    Parameters
    ----------
    shape : tuple of int
    centres : numpy.ndarray
        (N, axes), fractional voxels.
    amplitudes : numpy.ndarray
        (N,)
    placement : {"truncate", "nearest"}
        See `bead_voxels`. Where two beads fall into one voxel, the last one's amplitude counts.

    Returns
    -------
    numpy.ndarray
        float32.
    """
    result = np.zeros(shape, np.float32)
    result[tuple(bead_voxels(centres, shape, placement).T)] = amplitudes
    return result
