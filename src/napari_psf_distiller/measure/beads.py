"""How wide and bright single beads are, and whether they stand alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.measure.widths import fwhm, profile_width

__all__ = ["REACH", "PSFOfBead", "isolated", "measure_beads", "widths_of"]

Floats = NDArray[np.float64]

# Returns the PSF at a bead's centre in voxels of the image, as an array.
PSFOfBead = Callable[[Floats], NDArray[np.floating]]

# A bead is isolated if no other one is nearer than so many widths: then neither its profiles nor
# the window of its flux, which reach so far, holds another one.
ALONE, REACH = 4.0, 2.0


def widths_of(psf: ArrayLike) -> Floats:
    """Return a PSF's full width at half maximum along each axis, in voxels.

    Where it does not fall to the half it is half of the window.

    Raises
    ------
    InputError
        The PSF cannot be used.
    """
    array = check_image(psf, "The PSF", constant=True)
    widths = np.array(fwhm(array, (1.0,) * array.ndim))
    return np.where(np.isfinite(widths), widths, np.array(array.shape) / 2)


def isolated(centres: Floats, widths: Floats) -> NDArray[np.bool_]:
    """Return which beads have no other one within some widths.

    Parameters
    ----------
    centres : numpy.ndarray
        (N, axes), voxels.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    """
    if len(centres) < 2:
        return np.ones(len(centres), bool)
    apart, _ = cKDTree(centres / widths).query(centres / widths, k=[2])
    return np.ravel(apart) >= ALONE


def measure_beads(
    image: NDArray[np.generic], centres: Floats, widths: Floats, background: float = 0.0
) -> tuple[Floats, Floats]:
    """Measure each bead on the lines through its brightest voxel.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    centres, widths : numpy.ndarray
        See `isolated`; the brightest voxel is sought within half a width of the centre.
    background : float
        Half of the maximum is half of what is above it.

    Returns
    -------
    numpy.ndarray
        (N, axes): full widths at half maximum in voxels; NaN where a line does not fall to the
        half within twice the width, or the image's border is nearer.
    numpy.ndarray
        (N,): the brightest voxels, above the background; NaN for a centre outside the image.
    """
    shape = np.array(image.shape)
    found, peaks = np.full(centres.shape, np.nan), np.full(len(centres), np.nan)
    near = np.maximum(np.round(widths / 2), 1).astype(int)
    reach = np.ceil(REACH * widths).astype(int) + 1
    for bead, centre in enumerate(np.floor(centres + 0.5).astype(int)):
        if (centre < 0).any() or (centre >= shape).any():
            continue
        low = np.maximum(centre - near, 0)
        core = image[tuple(map(slice, low, centre + near + 1))]
        peak = low + np.unravel_index(int(core.argmax()), core.shape)
        peaks[bead] = float(image[tuple(peak)]) - background
        for axis, at in enumerate(peak):
            line: list[int | slice] = list(peak)
            line[axis] = slice(max(at - reach[axis], 0), at + reach[axis] + 1)
            profile = image[tuple(line)].astype(np.float64) - background
            # Noise far down the line may not be taken for the bead.
            if int(profile.argmax()) == at - max(at - reach[axis], 0):
                found[bead, axis] = profile_width(profile)
    return found, peaks
