"""Whether beads lie at enough different places within their voxels to show what is finer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_PHASE_COVERAGE", "phase_coverage", "resolved_sampling", "subvoxel_places"]

Floats = NDArray[np.float64]

# With less than this, frequencies that voxels show as one cannot be told apart: their noise is more
# than twice that of beads that are spread evenly.
MIN_PHASE_COVERAGE = 0.2

# A bead's neighbouring voxels are taken to have at least this part of its brightest one's light.
LEAST_OF_HEIGHT = 0.02


def phase_coverage(centres: Floats, sampling: Sequence[int]) -> tuple[float, ...]:
    """Return how well beads at some places tell frequencies apart that voxels show as one.

    Parameters
    ----------
    centres : numpy.ndarray
        (beads, 3), in voxels of the image.
    sampling : sequence of int
        Voxels of the PSF's grid to one of the image's, along z, y and x.

    Returns
    -------
    tuple of float
        Along each axis 1 for beads that are spread evenly within their voxels, or where the grid is
        not finer than the image; 0 where frequencies cannot be told apart.

    Notes
    -----
    Voxels show frequencies that differ by whole numbers of cycles a voxel as one; a bead that lies
    off its voxel's middle by d voxels turns the phase of the j-th by ``2 pi j d``. The smallest
    eigenvalue of the means of ``exp(2 pi i (j - l) d)`` over all beads is what the image tells of
    that combination of them which it tells least of, relative to evenly spread beads.

    Examples
    --------
    >>> spread = np.linspace(0, 1, 20, endpoint=False)[:, None] * np.ones(3)
    >>> [round(part, 3) for part in phase_coverage(spread, (1, 2, 3))]
    [1.0, 1.0, 1.0]
    >>> [round(part, 3) for part in phase_coverage(np.round(spread), (1, 2, 3))]
    [1.0, 0.0, 0.0]
    """
    found = []
    for axis, factor in enumerate(sampling):
        numbers = np.arange(factor)
        turned = np.exp(2j * np.pi * centres[:, axis, None] * numbers)
        gram = turned.conj().T @ turned / max(len(centres), 1)
        found.append(max(0.0, float(np.linalg.eigvalsh(gram)[0])))
    return tuple(found)


def resolved_sampling(centres: Floats, wanted: Sequence[int]) -> tuple[int, int, int]:
    """Return how fine a grid beads at some places can tell, along each axis.

    Parameters
    ----------
    centres : numpy.ndarray
        (beads, 3), in voxels of the image.
    wanted : sequence of int
        Voxels of the grid to one of the image's, along z, y and x, at most.

    Returns
    -------
    tuple of int
        The most of them, up to those wanted, of which the beads show all frequencies.

    Examples
    --------
    >>> resolved_sampling(np.array([[0.0, 0.0, 0.0], [0.5, 0.3, 0.0]]), (2, 2, 2))
    (2, 2, 1)
    """
    found = list(wanted)
    while True:
        short = [
            factor > 1 and part <= MIN_PHASE_COVERAGE
            for factor, part in zip(found, phase_coverage(centres, found), strict=True)
        ]
        if not any(short):
            z, y, x = found
            return z, y, x
        found = [factor - less for factor, less in zip(found, short, strict=True)]


def subvoxel_places(
    intensity: NDArray[np.floating], voxels: NDArray[np.intp], levels: Floats
) -> Floats:
    """Return about where beads lie within their brightest voxels.

    Parameters
    ----------
    intensity : numpy.ndarray
        (Z, Y, X).
    voxels : numpy.ndarray
        (beads, 3): the brightest voxels.
    levels : numpy.ndarray
        (beads,): the intensity without a bead there.

    Returns
    -------
    numpy.ndarray
        (beads, 3): between -0.5 and 0.5 voxels; 0 along an axis on which a bead lies at the image's
        side.

    Notes
    -----
    The top of the Gaussian through the brightest voxel and its two neighbours along each axis,
    which is a parabola through their logarithms. The parabola through the voxels themselves draws
    places towards the middles of large voxels, as if all beads lay there.
    """
    places = np.zeros((len(voxels), 3))
    heights = intensity[tuple(voxels.T)] - levels
    for axis, n in enumerate(intensity.shape):
        inside = (voxels[:, axis] > 0) & (voxels[:, axis] < n - 1)
        # Noise may have a neighbour below what is there without a bead.
        least = LEAST_OF_HEIGHT * np.maximum(heights[inside], 1e-300)
        before, middle, after = (
            np.log(np.maximum(intensity[tuple((voxels[inside] + step).T)] - levels[inside], least))
            for step in np.outer((-1, 0, 1), np.eye(3, dtype=np.intp)[axis]).astype(np.intp)
        )
        bend = 2 * middle - before - after
        top = np.divide(after - before, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
        places[inside, axis] = np.clip(top, -0.5, 0.5)
    return places
