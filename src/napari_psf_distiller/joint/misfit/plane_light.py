"""Whether a PSF's planes have the same light, as those of a widefield microscope do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["plane_light"]

# A defocused plane's disc must fill no more than this part of the window, so that it is all seen.
MAX_DISC_OF_WINDOW = 0.6

# A PSF's width along z at half maximum is about this many periods of its highest axial frequency.
AXIAL_WIDTH_PERIODS = 0.88


def plane_light(
    psf: NDArray[np.floating],
    spacing: Sequence[float],
    aperture: float,
    wavelength: float,
    index: float,
) -> float | None:
    """Return the light of the planes one width above and below focus, over that of the focus.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X), its focus in the middle.
    spacing : sequence of float
        Voxel size in micrometres.
    aperture, wavelength, index : float
        The optics: numerical aperture, wavelength of emission in micrometres, refractive index.

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
    >>> psf = simulate_psf((21, 61, 61), (0.2, 0.08, 0.08))
    >>> bool(plane_light(psf, (0.2, 0.08, 0.08), 1.2, 0.52, 1.33) > 0.95)
    True
    """
    length = AXIAL_WIDTH_PERIODS * wavelength / (index - math.sqrt(index**2 - aperture**2))
    planes = max(1, round(length / spacing[0]))
    middle = len(psf) // 2
    radius = planes * spacing[0] * aperture / math.sqrt(index**2 - aperture**2)
    half = min(n * size for n, size in zip(psf.shape[1:], spacing[1:], strict=True)) / 2
    if planes > middle or radius > MAX_DISC_OF_WINDOW * half:
        return None
    sums = psf.sum(axis=(1, 2), dtype=np.float64)
    if not sums[middle] > 0:
        return None
    return float((sums[middle - planes] + sums[middle + planes]) / (2 * sums[middle]))
