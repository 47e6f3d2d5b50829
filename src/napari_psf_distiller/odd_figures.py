"""What is odd about the figures given of beads, voxels and microscope, before anything is computed.

What cannot be at all is refused where it is given; this can be, but is seldom meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.lengths import Likely
from napari_psf_distiller.optics import LATERAL_WIDTH_PERIODS, Band
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import seen_band

__all__ = ["OddFigure", "odd_figures", "undersampled_axes"]

# Twice the highest frequency times the voxel size: 1 is Nyquist's limit, near which there is hardly
# anything to be lost.
MAX_NYQUIST_RATIO = 1.05

# A ball of so many of the PSF's widths makes an image that is hardly wider than itself.
MAX_DIAMETER_WIDTHS = 1.7

# From so many micrometres on a bead's diameter is likelier one in nanometres.
LIKELY_NANOMETRES = 10.0


class OddFigure(NamedTuple):
    """A figure that is odd beside the others.

    Attributes
    ----------
    name : {"spacing", "bead_diameter"}
        Which one it is.
    sentence : str
        Why, and what to do.
    likely : Likely or None
        What is likely meant.
    """

    name: str
    sentence: str
    likely: Likely | None = None


def odd_figures(
    optics: Optics, spacing: Sequence[float] | None = None, bead_diameter: float | None = None
) -> tuple[OddFigure, ...]:
    """Return what is odd about the figures that are given.

    Parameters
    ----------
    optics : Optics
        Of what is not known nothing is said.
    spacing : sequence of float, optional
        Voxel size in micrometres, (z, y, x) or (y, x).
    bead_diameter : float, optional
        In micrometres.

    Examples
    --------
    >>> optics = Optics(1.2, 0.52, 1.33)
    >>> odd_figures(optics, (0.2, 0.08, 0.08), 0.1)
    ()
    >>> [odd.name for odd in odd_figures(optics, (0.2, 0.2, 0.2), 1.0)]
    ['spacing', 'bead_diameter']
    """
    seen = seen_band(optics)
    if seen is None:
        return ()
    found = []
    axes = [] if spacing is None else undersampled_axes(seen, spacing)
    if spacing is not None and axes:
        found.append(_too_coarse(seen, spacing, axes))
    width = LATERAL_WIDTH_PERIODS / seen.lateral
    if bead_diameter is not None and bead_diameter > MAX_DIAMETER_WIDTHS * width:
        sentence = (
            f"Beads of {bead_diameter:g} µm are much larger than the PSF of these optics, which "
            f"is {width:.3g} µm wide: little of its width is left to be told. Check diameter and "
            "optics; if they are right, use smaller beads."
        )
        meant = bead_diameter >= LIKELY_NANOMETRES
        likely = Likely(bead_diameter / 1000, f"{bead_diameter:.6g} nm") if meant else None
        found.append(OddFigure("bead_diameter", sentence, likely))
    return tuple(found)


def undersampled_axes(band: Band, spacing: Sequence[float]) -> list[str]:
    """Return the axes along which voxels are too large for a band; infinite is not known.

    Parameters
    ----------
    band : Band
    spacing : sequence of float
        Voxel size in micrometres, (z, y, x) or (y, x).

    Examples
    --------
    >>> undersampled_axes(Band(4.6, 1.4), (0.5, 0.08, 0.08))
    ['z']
    """
    return [
        axis
        for axis, size, highest in _along(band, spacing)
        if MAX_NYQUIST_RATIO < 2 * highest * size < math.inf
    ]


def _too_coarse(band: Band, spacing: Sequence[float], axes: Sequence[str]) -> OddFigure:
    limits = {
        "along z" if axis == "z" else "in the plane": f"{1 / (2 * highest):.3g}"
        for axis, _, highest in _along(band, spacing)
        if axis in axes
    }
    text = " and ".join(f"{limit} µm {where}" for where, limit in limits.items())
    sentence = (
        f"The voxels are too large for these optics: Nyquist's limit is {text}, and finer detail "
        "is lost or folded. Check voxel size and optics; if they are right, take smaller steps or "
        "pixels."
    )
    return OddFigure("spacing", sentence)


def _along(band: Band, spacing: Sequence[float]) -> list[tuple[str, float, float]]:
    """Return for each axis its name, the voxel size and the highest frequency."""
    bands, ndim = (band.axial, band.lateral, band.lateral), len(spacing)
    return list(zip(AXES[-ndim:], spacing, bands[-ndim:], strict=True))
