"""How wide and bright single beads are, and whether they stand alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_psf_distiller.boxes import around
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.widths import fwhm, profile_width

__all__ = ["PSFOfBead", "flux_of_beads", "isolated", "measure_beads", "widths_of"]

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


def flux_of_beads(
    before: NDArray[np.generic],
    after: NDArray[np.generic],
    psf: NDArray[np.floating] | PSFOfBead,
    centres: Floats,
    widths: Floats,
    background_after: float = 0.0,
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

    Returns
    -------
    numpy.ndarray
        (N,): before, all the light that the bead sent: the PSF is fitted there by least squares
        with a background of its own. NaN where the PSF is the same all over the window.
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
    """
    kernel_at = _kernels(psf)
    reach = np.ceil(REACH * widths).astype(int)
    sent, gathered = np.empty(len(centres)), np.empty(len(centres))
    for bead, centre in enumerate(centres):
        middle = np.floor(centre + 0.5).astype(int)
        window = around(middle.tolist(), reach.tolist(), before.shape)
        low, high = np.array([(part.start, part.stop) for part in window]).T
        kernel = kernel_at(centre)
        expected = ndimage.affine_transform(
            kernel,
            np.ones(kernel.ndim),
            low - centre + np.array(kernel.shape) // 2,
            tuple(int(n) for n in high - low),
            prefilter=False,
        )
        from_mean = expected - expected.mean()
        contrast = (from_mean**2).sum()
        sent[bead] = (from_mean * before[window]).sum() / contrast if contrast > 0 else np.nan
        core = after[window]
        gathered[bead] = core.sum(dtype=np.float64) - core.size * background_after
    return sent, gathered


def _kernels(psf: NDArray[np.floating] | PSFOfBead) -> Callable[[Floats], Floats]:
    """Return what gives a bead's PSF as a spline."""
    if callable(psf):
        return lambda centre: _as_spline(psf(centre))
    one = _as_spline(psf)
    return lambda _: one


def _as_spline(psf: NDArray[np.floating]) -> Floats:
    """Return the coefficients of a cubic spline through a PSF of the sum 1."""
    total = float(np.sum(psf, dtype=np.float64))
    if not total > 0:
        raise InputError("The PSF's sum is not positive, so it holds no light to compare with.")
    spline: Floats = ndimage.spline_filter(np.asarray(psf, np.float64) / total)
    return spline
