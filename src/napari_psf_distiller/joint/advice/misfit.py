"""What a user should know of beads that differ from a joint fit's model, each a sentence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.joint.misfit.bead_sizes import SizeMisfit
from napari_psf_distiller.joint.misfit.field_variation import Variation, place_in_words
from napari_psf_distiller.joint.misfit.summary import Misfit

__all__ = ["misfit_warnings", "spacing_warnings"]

# What is less than this part of a bead's image is not worth a word: of what is left of all beads
# alike, of what changes with the place, and of what planes are displaced by.
COMMON, VARYING, PLANES = 0.05, 0.04, 0.17

# What the optics forbid is not there by chance, and so is told sooner.
FORBIDDEN = 0.015

# A width that differs by less is not the sentence's figure.
WIDTH = 0.05

# By this part of its width in the plane a PSF moves within its width along z, and so many standard
# errors, if it leans; and then no more than this part of its planes' unevenness is left if they are
# moved back: aberrations that go together make a PSF lean, too, and leave most.
LEANING, CERTAIN, UNEVEN = 0.12, 6.0, 0.4

# The planes' brightness may vary by this part.
FLICKER = 0.1

PARTS = ("along z", "in the plane")

# Light that is missing at a mean bead's peak, and how likely noise makes as much.
MISSING, MISSING_CHANCE = 0.1, 2e-3

# So many beads, and this part of all, are many.
MANY, MOST = 4, 0.5

# The beads that were refused for their shape have their places if chance is less likely than this.
PLACED = 1e-3

# Images of beads are round: in the plane, up to this factor, and in another order of the voxel size
# up to the lesser one.
ROUND, ROUNDER = 1.35, 1.15

# The spectrum's end, relative to its beginning, where voxels are too large, along z and in the
# plane; see `sampling_edge`.
EDGES = (0.2, 0.055)

# The same along z where all beads differ from the model, too.
FOLDED_EDGE = 0.13


def misfit_warnings(
    misfit: Misfit,
    beads: pd.DataFrame,
    bead_diameter: float | None,
    *,
    optics: bool,
    undersampled: bool = False,
) -> tuple[str, ...]:
    """Return what the beads show that the model does not say, with the size of the harm.

    Parameters
    ----------
    misfit : Misfit
    beads : pandas.DataFrame
        The joint fit's.
    bead_diameter : float or None
        In micrometres.
    optics : bool
        Whether the band is that of optics which were given,
    undersampled : bool
        and the voxels are known to be too large for them, which explains what beads have in common.
    """
    displaced = _displaced(misfit)
    varies = _harmful(misfit.across)
    return (
        *_of_all(misfit, optics=optics, undersampled=undersampled),
        *_of_places(misfit, depth=not displaced),
        *_of_brightness(misfit),
        *_of_refused(
            misfit, beads, bead_diameter, varies=varies, sizes=None if displaced else misfit.sizes
        ),
    )


def _of_all(misfit: Misfit, *, optics: bool, undersampled: bool) -> list[str]:
    """Return what all beads or all planes show, by its likeliest cause."""
    common, planes, part = misfit.common, misfit.planes, _percent(misfit.common.harm)
    forbidden = [power.evident for power in common.beyond]
    least = FORBIDDEN if any(forbidden) else COMMON
    harmful = common.significant and common.harm > least and not undersampled
    coarse = _coarse(misfit, harmful=harmful, folded=harmful and forbidden[1])
    if coarse and not optics:
        return [
            f"The PSF's spectrum goes on beyond what the voxels can show along {', '.join(coarse)}:"
            " they are too large for the microscope, and fine detail is lost or folded. Use "
            "smaller voxels."
        ]
    if harmful and any(forbidden) and optics:
        names = [name for name, told in zip(PARTS, forbidden, strict=True) if told]
        return [
            f"The image has finer detail {' and '.join(names)} than the optics pass, and the "
            f"PSF lacks it: an error of {part}. Check the numerical aperture, the wavelength, the "
            "refractive index and the voxel size; if the microscope is not a widefield one "
            "(confocal, light sheet, STED), leave the optics out."
        ]
    if planes is not None and _displaced(misfit):
        y, x = planes.displaced
        return [
            f"The planes are displaced against each other by {y:.2f} voxels along y and "
            f"{x:.2f} along x (root mean square): slide or stage moved, and the PSF is blurred "
            "by it. Take the image again on a steady stage."
        ]
    found = []
    leans = misfit.leaning > LEANING and misfit.lean.significance > CERTAIN
    if leans and misfit.uneven < UNEVEN:
        y, x = misfit.lean.slopes
        found.append(
            f"The beads lean by {y:.2f} voxels along y and {x:.2f} along x from one plane to the "
            f"next, {_percent(misfit.leaning)} of their width within their depth: the slide "
            "drifted during the stack, or the optical axis is tilted. Take the image again once "
            "it stands still."
        )
    elif harmful:
        found.append(
            f"All beads differ alike from the model, by {part} of their image and "
            f"{common.ratio:.1f} times the noise: the PSF is wrong by about as much. Look at the "
            "residual image; check the bead diameter, the voxel size, also whether it is small "
            "enough, and the optics, which mean a widefield microscope."
        )
    if planes is not None and planes.significant and planes.flicker > FLICKER:
        found.append(
            f"The planes' brightness varies by {_percent(planes.flicker)} (root mean square): "
            "the light flickers or the beads bleach. Take the image again with steady light."
        )
    return found


def _of_places(misfit: Misfit, *, depth: bool) -> list[str]:
    """Return how the PSF changes from place to place."""
    found = []
    across, along = misfit.across, misfit.along
    if across is not None and _harmful(across):
        a, b = (place_in_words(place, misfit.image_shape) for place in across.places)
        between = f"between the {a} and the {b}" if a != b else f"within the {a}"
        found.append(
            f"The PSF changes across the field: {_change(across)} {between}. The PSF is a mean: "
            "distil parts of the image."
        )
    if along is not None and _harmful(along) and depth:
        low, high = sorted(round(place[0]) for place in along.places)
        found.append(
            f"The PSF changes with depth: {_change(along)} between planes {low} and {high}. "
            "The PSF is a mean: distil beads of one depth."
        )
    return found


def _of_brightness(misfit: Misfit) -> list[str]:
    """Return how beads' images change with their brightness."""
    compression = misfit.compression
    if (
        compression is None
        or compression.part < MISSING
        or compression.chance > MISSING_CHANCE
        or misfit.sizes is not None
    ):
        return []
    return [
        f"The brighter a bead, the flatter is its image: {_percent(compression.part)} of the light "
        "is missing at the peak of a mean one. The camera saturates softly, its levels were "
        "changed (gamma, contrast), or the brighter beads are larger ones. Take the image with "
        "less light, or use the dimmer beads alone."
    ]


def _of_refused(
    misfit: Misfit,
    beads: pd.DataFrame,
    bead_diameter: float | None,
    *,
    varies: bool,
    sizes: SizeMisfit | None,
) -> list[str]:
    """Return what the beads that were refused for their shape tell of the others."""
    whole = beads["used"] | (beads["reason"] == "touching")
    unlike, count = int((beads["reason"] == "touching").sum()), int(whole.sum())
    if sizes is not None:
        larger = "" if bead_diameter is None else _larger(sizes, bead_diameter)
        return [
            f"{sizes.narrower} of {count} beads are narrower and {sizes.dimmer:.1f} times dimmer "
            f"than those that the PSF was made from: there are beads of two sizes{larger}. Use "
            "beads of one size, or mark the larger ones as not used."
        ]
    if unlike >= MANY and misfit.refused_chance < PLACED:
        return [
            f"{unlike} of {count} beads were refused for their shape, and it depends on their "
            "place in the field which: the PSF changes across it. Distil parts of the image."
        ]
    if unlike >= MANY and unlike >= MOST * count and not varies:
        return [
            f"{unlike} of {count} beads were refused for their shape: they are clumped or of "
            "several sizes, or the PSF changes from one to the other. Look at them, and use an "
            "image with single beads."
        ]
    return []


def spacing_warnings(widths: Sequence[float], spacing: Sequence[float]) -> tuple[str, ...]:
    """Return whether the voxel size looks like one in another order.

    Parameters
    ----------
    widths : sequence of float
        Full width at half maximum of a bead's image along z, y and x, in voxels.
    spacing : sequence of float
        Voxel size in micrometres, of as many axes.
    """
    if len(spacing) < 3:
        return ()
    ratio = _out_of_round(widths, spacing)
    others = {order for order in itertools.permutations(spacing) if order != tuple(spacing)}
    better = [order for order in others if _out_of_round(widths, order) < ROUNDER]
    if ratio < ROUND or not better:
        return ()
    given = ", ".join(f"{size:g}" for size in spacing)
    wide, narrow = ("x", "y") if widths[2] * spacing[2] > widths[1] * spacing[1] else ("y", "x")
    return (
        f"A bead's image is {ratio:.1f} times as wide along {wide} as along {narrow} with the "
        f"voxel size {given}: it looks like one in another order. Give it as z, y, x.",
    )


def _out_of_round(widths: Sequence[float], spacing: Sequence[float]) -> float:
    y, x = widths[1] * spacing[1], widths[2] * spacing[2]
    return max(x / y, y / x)


def _coarse(misfit: Misfit, *, harmful: bool, folded: bool) -> list[str]:
    """Return the axes along which voxels are too large."""
    along, across = misfit.edge[0], max(misfit.edge[1:])
    found = [
        misfit.capped[0] and along > (FOLDED_EDGE if harmful else EDGES[0]),
        misfit.capped[1] and (across > EDGES[1] or folded),
    ]
    return [axis for axis, which in zip(AXES, (0, 1, 1), strict=True) if found[which]]


def _displaced(misfit: Misfit) -> bool:
    """Whether planes are displaced against each other so that it harms."""
    planes = misfit.planes
    return planes is not None and planes.significant and planes.harm > PLANES


def _harmful(variation: Variation | None) -> bool:
    """Whether a change is worth a word."""
    return variation is not None and variation.significant and variation.harm > VARYING


def _change(variation: Variation) -> str:
    """Return by how much two PSFs differ."""
    whole = f"it differs by {_percent(variation.apart)}"
    if variation.width < WIDTH or not np.isfinite(variation.width):
        return whole
    return (
        f"its width along {AXES[variation.axis]} differs by {_percent(variation.width)}, "
        f"all of it by {_percent(variation.apart)},"
    )


def _larger(sizes: SizeMisfit, told: float) -> str:
    """Return what the used beads' diameter is if the others have the one that was told."""
    return (
        f", and if {1000 * told:.0f} nm is the smaller one, the PSF was made from beads of about "
        f"{1000 * sizes.larger(told):.0f} nm and is too wide"
    )


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.01 else f"{100 * part:.1g} %"
