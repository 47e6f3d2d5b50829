"""Whether a PSF's planes have the same light, as those of a widefield microscope do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.optics import AXIAL_WIDTH_PERIODS, Support

__all__ = ["MIN_PLANE_LIGHT", "plane_light"]

# Planes just out of focus have all of a widefield PSF's light, and this part of it at least where
# noise and background are not well known.
MIN_PLANE_LIGHT = 0.8

# A defocused plane's disc must fill no more than this part of the window, so that it is all seen.
MAX_DISC_OF_WINDOW = 0.6

# Below this part of the lateral band its outline is straight.
LOW_OF_BAND = 1e-6


def plane_light(
    psf: NDArray[np.floating], spacing: Sequence[float], support: Support
) -> float | None:
    """Return the light of the planes one width above and below focus, over that of the focus.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X), its focus in the middle.
    spacing : sequence of float
        Voxel size in micrometres.
    support : Support
        Which frequencies the microscope passes, one with `Support.equal_plane_light`.

    Returns
    -------
    float or None
        The mean of both planes; None where the window is too small to show them.

    Notes
    -----
    What a lens collects of a point in the sample goes through each plane of the image, whatever the
    aberrations: a widefield PSF's planes have one and the same sum, which is its missing cone (N.
    Streibl, "Three-dimensional imaging by a microscope", JOSA A 2, 1985). A pinhole, a sheet of
    light or two photons take from the planes out of focus, and so does a filter that subtracts what
    is wide.

    Examples
    --------
    >>> from napari_psf_distiller import simulate_psf
    >>> from napari_psf_distiller.optics import Widefield
    >>> psf = simulate_psf((21, 61, 61), (0.2, 0.08, 0.08))
    >>> bool(plane_light(psf, (0.2, 0.08, 0.08), Widefield(1.2, 0.52, 1.33)) > 0.95)
    True
    """
    length = AXIAL_WIDTH_PERIODS / support.band.axial
    planes = max(1, round(length / spacing[0]))
    middle = len(psf) // 2
    # At low frequencies the band's outline is as steep as the outermost rays.
    low = LOW_OF_BAND * support.band.lateral
    radius = planes * spacing[0] * float(support.axial_at(np.array([low]))[0]) / low
    half = min(n * size for n, size in zip(psf.shape[1:], spacing[1:], strict=True)) / 2
    if planes > middle or radius > MAX_DISC_OF_WINDOW * half:
        return None
    sums = psf.sum(axis=(1, 2), dtype=np.float64)
    if not sums[middle] > 0:
        return None
    return float((sums[middle - planes] + sums[middle + planes]) / (2 * sums[middle]))
