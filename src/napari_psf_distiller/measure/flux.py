"""How much light single beads have before and after deconvolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import around
from napari_psf_distiller.measure.bead_images import expected_beads
from napari_psf_distiller.measure.beads import REACH, PSFOfBead

__all__ = ["flux_of_beads"]

Floats = NDArray[np.float64]


def flux_of_beads(
    before: NDArray[np.generic],
    after: NDArray[np.generic],
    psf: NDArray[np.floating] | PSFOfBead,
    centres: Floats,
    widths: Floats,
    background_after: float = 0.0,
    *,
    spacing: Sequence[float] | None = None,
    bead_diameter: float = 0.0,
) -> tuple[Floats, Floats]:
    """Measure the light of each bead before and after deconvolution, within twice its width.

    Parameters
    ----------
    before, after : numpy.ndarray
        (Z, Y, X) or (Y, X), the same shape.
    psf : numpy.ndarray or callable
        Its centre at n // 2; its scale does not matter. Of one that changes from bead to bead, see
        `PSFOfBead`.
    centres, widths : numpy.ndarray
        See `isolated`; the centres inside the image.
    background_after : float
        Intensity a voxel.
    spacing : sequence of float, optional
        Voxel size in micrometres.
    bead_diameter : float
        In micrometres; 0 for points, or where the PSF holds the beads' size. It does not count
        without a spacing.

    Returns
    -------
    numpy.ndarray
        (N,): before, all the light that the bead sent: the PSF's image of a bead is fitted there by
        least squares with a background of its own. NaN where that is the same all over the window.
    numpy.ndarray
        (N,): after, what lies above the background there.

    Raises
    ------
    InputError
        The PSF's sum is not positive.

    Notes
    -----
    A sum over the whole image tells nothing: most of it is background in a sparse field, of which
    a non-circulant deconvolution moves some per cent to or from what lies beyond the image. And
    in a wide-field image most of a bead's light lies far from it.

    A bead is wider than the PSF. Taken for a point, one of 200 nm would seem to have sent some per
    cent less light than it did, and to have got more by deconvolution. What still differs, some
    per cent, lies in the dark rings that Richardson-Lucy leaves about what is bright and small.
    """
    bead_at = expected_beads(psf, widths, spacing, bead_diameter)
    reach = np.ceil(REACH * widths).astype(int)
    sent, gathered = np.empty(len(centres)), np.empty(len(centres))
    for bead, centre in enumerate(centres):
        middle = np.floor(centre + 0.5).astype(int)
        window = around(middle.tolist(), reach.tolist(), before.shape)
        (expected,) = bead_at(centre).near.bead(centre, window)
        from_mean = expected - expected.mean()
        contrast = (from_mean**2).sum()
        sent[bead] = (from_mean * before[window]).sum() / contrast if contrast > 0 else np.nan
        core = after[window]
        gathered[bead] = core.sum(dtype=np.float64) - core.size * background_after
    return sent, gathered
