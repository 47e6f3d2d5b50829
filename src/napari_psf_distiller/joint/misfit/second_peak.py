"""Whether a PSF has two peaks along z of which either may be the higher one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.measure.widths import profile_width

__all__ = ["SecondPeak", "second_peak"]

Array = NDArray[np.float32]

# A peak is another one if the line between it and the highest falls below it by this many standard
# errors; and it may be the highest if it is lower by no more than this many.
VALLEY_SIGMAS, HEIGHT_SIGMAS = 2.0, 2.0


class SecondPeak(NamedTuple):
    """A second peak along z that is as high as the first within the errors.

    Attributes
    ----------
    planes : int
        From the highest peak to this one.
    height : float
        Relative to the highest.
    widths : tuple of float
        Full width at half maximum of its plane along y and x, in voxels.
    """

    planes: int
    height: float
    widths: tuple[float, float]


def second_peak(psf: Array, error: Array) -> SecondPeak | None:
    """Look for a second peak on the line along z through a PSF's brightest voxel.

    Parameters
    ----------
    psf, error : numpy.ndarray
        (Z, Y, X): the PSF and the standard errors of its voxels.

    Returns
    -------
    SecondPeak or None
        The highest that there is; None where there is none.

    Notes
    -----
    With spherical aberration a PSF has two foci or more of nearly the same height, and other widths
    in each.
    """
    highest, y, x = (int(place) for place in np.unravel_index(int(psf.argmax()), psf.shape))
    line, line_error = psf[:, y, x], error[:, y, x]
    found = []
    for z in range(1, len(line) - 1):
        if z == highest or line[z] < max(line[z - 1], line[z + 1]):
            continue
        between = line[min(z, highest) : max(z, highest) + 1]
        valley = min(z, highest) + int(between.argmin())
        set_off = line[z] - line[valley] > VALLEY_SIGMAS * np.hypot(
            line_error[z], line_error[valley]
        )
        as_high = line[highest] - line[z] < HEIGHT_SIGMAS * np.hypot(
            line_error[z], line_error[highest]
        )
        if set_off and as_high:
            found.append(z)
    if not found:
        return None
    z = max(found, key=lambda plane: float(line[plane]))
    across = profile_width(psf[z, :, x]), profile_width(psf[z, y])
    return SecondPeak(z - highest, float(line[z] / line[highest]), across)
