"""Whether figures that were typed in, and what stands out in an image, can be those of beads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.optics import Support

__all__ = ["check_plausible"]

Floats = NDArray[np.float64]

# A bead's diameter, in widths of its image, at most: the image is as wide as the ball or wider, at
# half of its maximum 0.87 of the diameter, and widths are at first not well known.
MAX_DIAMETER_WIDTHS = 2.0

# The narrowest image is about half as wide as the period of the highest lateral frequency; STED's
# is a factor narrower.
MIN_WIDTH_PERIODS, STED_FACTOR = 0.5, 0.05

# A bead's image is wider than that, and than the bead, by less than this, however much it is
# aberrated or out of focus; voxels in nanometres make it a thousand times as wide.
MAX_WIDENING = 50.0

# Without optics: the image that the weakest objective makes is narrower, in micrometres.
WIDEST_IMAGE = 50.0

# Astigmatism of 0.3 waves makes a bead's image 6 times as wide along one axis of the plane as along
# the other; what is longer by this is no bead.
MAX_WIDTH_RATIO = 12.0


def check_plausible(
    widths: Floats, spacing: Sequence[float], bead_diameter: float, support: Support | None
) -> None:
    """Refuse a diameter or optics that are not of the beads' order of magnitude, and stripes.

    Parameters
    ----------
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    spacing : sequence of float
        Voxel size in micrometres, three values.
    bead_diameter : float
        In micrometres.
    support : Support or None
        Which frequencies the microscope passes.

    Raises
    ------
    InputError
        They are not.
    """
    across = widths[1:] * np.array(spacing[1:])
    if max(across) > MAX_WIDTH_RATIO * min(across):
        raise InputError(
            f"What stands out in the image is {across[0]:.3g} µm wide along y and "
            f"{across[1]:.3g} µm along x, and no bead's image is so unequal: the image has "
            "stripes, or the voxel size is wrong. Remove the stripes, or give the voxel size in "
            "the order z, y, x."
        )
    width = float(min(across))
    if bead_diameter > MAX_DIAMETER_WIDTHS * width:
        raise InputError(
            f"The bead diameter is {bead_diameter:g} µm, and a bead's image only {width:.3g} µm "
            "wide: give the diameter and the voxel size in micrometres."
        )
    finest = None if support is None else MIN_WIDTH_PERIODS / support.band.lateral
    widest = WIDEST_IMAGE if finest is None else MAX_WIDENING * finest
    if width > max(widest, MAX_WIDENING * bead_diameter):
        expected = (
            "no microscope's image of a bead is" if finest is None else "the optics do not make one"
        )
        raise InputError(
            f"A bead's image is {width:.3g} µm wide, and {expected} as wide: give the voxel size "
            "in micrometres; 100 nm is 0.1."
        )
    if finest is not None and width < STED_FACTOR * finest:
        raise InputError(
            f"A bead's image is {width:.3g} µm wide, and the optics pass nothing that is narrower "
            f"than {finest:.3g} µm: give the wavelength and the voxel size in "
            "micrometres."
        )
