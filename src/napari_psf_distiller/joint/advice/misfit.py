"""What a user should know of beads that differ from a joint fit's model, each a sentence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.joint.misfit.bead_sizes import SizeMisfit
from napari_psf_distiller.joint.misfit.field_variation import (
    MAX_PLACE_P_VALUE,
    MIN_REFUSED_BEADS,
    Variation,
    place_in_words,
)
from napari_psf_distiller.joint.misfit.sampling_edge import MAX_SPECTRUM_AT_LIMIT
from napari_psf_distiller.joint.misfit.summary import Misfit

__all__ = ["finer_detail", "misfit_warnings", "spacing_warnings"]

# Relative L2 differences of a bead's image that are worth a word: of the residual that all beads
# have in common, of what changes with the place, and of the planes' displacements.
MIN_COMMON_L2, MIN_VARIATION_L2, MIN_DISPLACED_PLANES_L2 = 0.05, 0.04, 0.17

# The same of a common residual with frequencies beyond the band, which is not there by chance.
MIN_COMMON_L2_BEYOND_BAND = 0.015

# A relative change of a width from which on it is the sentence's figure.
MIN_WIDTH_CHANGE = 0.05

# A PSF leans if it moves by this part of its width in the plane within its width along z, by this
# many standard errors, and if moving its planes back leaves no more than this part of their
# asymmetry: aberrations that go together make a PSF lean, too, and leave most.
MIN_LEAN_FRACTION, MIN_LEAN_SIGMAS, MAX_ASYMMETRY_LEFT = 0.12, 6.0, 0.4

# A relative variation of the planes' brightness that is worth a word.
MIN_FLICKER = 0.1

DIRECTIONS = ("along z", "in the plane")

# The part of the light that is missing at a mean bead's peak that is worth a word, and the p-value
# below which it is.
MIN_MISSING_FRACTION, MAX_MISSING_P_VALUE = 0.1, 2e-3

# Which part of all beads, refused, is many.
MIN_REFUSED_SHARE = 0.5

# Images of beads are round: in the plane, up to this factor, and in another order of the voxel size
# up to the lesser one.
MAX_WIDTH_RATIO, MAX_WIDTH_RATIO_REORDERED = 1.35, 1.15

# The same along z where all beads differ from the model, too.
MAX_AXIAL_SPECTRUM_IF_COMMON = 0.13


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
        Whether the band is that of optics which were given.
    undersampled : bool
        Whether the voxels are known to be too large for the optics, which explains what beads have
        in common.
    """
    displaced = _planes_displaced(misfit)
    varies = _harmful(misfit.across)
    return (
        *_common_warnings(misfit, optics=optics, undersampled=undersampled),
        *_place_warnings(misfit, depth=not displaced),
        *_brightness_warnings(misfit),
        *_refused_warnings(
            misfit, beads, bead_diameter, varies=varies, sizes=None if displaced else misfit.sizes
        ),
    )


def finer_detail(misfit: Misfit, *, undersampled: bool) -> bool:
    """Return whether beads have detail that their PSF may not have, so that it harms.

    Parameters
    ----------
    misfit : Misfit
    undersampled : bool
        See `misfit_warnings`.
    """
    beyond_band = any(power.significant for power in misfit.common.beyond)
    return beyond_band and _common_is_harmful(misfit, undersampled=undersampled)


def _common_is_harmful(misfit: Misfit, *, undersampled: bool) -> bool:
    """Whether what all beads have in common is more than chance, and worth a word."""
    common = misfit.common
    beyond_band = any(power.significant for power in common.beyond)
    least = MIN_COMMON_L2_BEYOND_BAND if beyond_band else MIN_COMMON_L2
    return common.significant and common.relative_l2 > least and not undersampled


def _common_warnings(misfit: Misfit, *, optics: bool, undersampled: bool) -> list[str]:
    """Return what all beads or all planes show, by its likeliest cause."""
    common, planes, part = misfit.common, misfit.planes, _percent(misfit.common.relative_l2)
    forbidden = [power.significant for power in common.beyond]
    harmful = _common_is_harmful(misfit, undersampled=undersampled)
    coarse = _undersampled_axes(misfit, harmful=harmful, folded=harmful and forbidden[1])
    if coarse and not optics:
        return [
            f"The PSF's spectrum goes on beyond what the voxels can show along {', '.join(coarse)}:"
            " they are too large for the microscope, and fine detail is lost or folded. Use "
            "smaller voxels."
        ]
    if optics and finer_detail(misfit, undersampled=undersampled):
        names = [
            f"{name} than the optics pass, up to {power.reach:.2g} cycles/µm where they pass "
            f"{power.limit:.2g}"
            for name, power in zip(DIRECTIONS, common.beyond, strict=True)
            if power.significant
        ]
        return [
            f"The image has finer detail {', and '.join(names)}, and the PSF lacks it: an error of "
            f"{part}. The numerical aperture is higher than given, the wavelength shorter, the "
            f"voxel size larger, {'the refractive index lower, ' if forbidden[0] else ''}or it is "
            "another kind of microscope. Check these figures, or take the frequencies that the "
            "beads show (support auto)."
        ]
    if planes is not None and _planes_displaced(misfit):
        y, x = planes.displaced
        return [
            f"The planes are displaced against each other by {y:.2f} voxels along y and "
            f"{x:.2f} along x (root mean square): slide or stage moved, and the PSF is blurred "
            "by it. Take the image again on a steady stage."
        ]
    found = []
    leans = misfit.lean_fraction > MIN_LEAN_FRACTION and misfit.lean.significance > MIN_LEAN_SIGMAS
    if leans and misfit.asymmetry_left < MAX_ASYMMETRY_LEFT:
        y, x = misfit.lean.slopes
        found.append(
            f"The beads lean by {y:.2f} voxels along y and {x:.2f} along x from one plane to the "
            f"next, {_percent(misfit.lean_fraction)} of their width within their depth: the slide "
            "drifted during the stack, or the optical axis is tilted. Take the image again once "
            "it stands still."
        )
    elif harmful:
        found.append(
            f"All beads differ alike from the model, by {part} of their image and "
            f"{common.ratio:.1f} times the noise: the PSF is wrong by about as much. Look at the "
            "residual image; check the bead diameter, the voxel size, also whether it is small "
            "enough, the optics and the kind of microscope."
        )
    if planes is not None and planes.significant and planes.flicker > MIN_FLICKER:
        found.append(
            f"The planes' brightness varies by {_percent(planes.flicker)} (root mean square): "
            "the light flickers or the beads bleach. Take the image again with steady light."
        )
    return found


def _place_warnings(misfit: Misfit, *, depth: bool) -> list[str]:
    """Return how the PSF changes from place to place."""
    found = []
    across, along = misfit.across, misfit.along
    if across is not None and _harmful(across):
        a, b = (place_in_words(place, misfit.image_shape) for place in across.places)
        between = f"between the {a} and the {b}" if a != b else f"within the {a}"
        found.append(
            f"The PSF changes across the field: {_change_in_words(across)} {between}. The PSF is a "
            "mean: distil parts of the image."
        )
    if along is not None and _harmful(along) and depth:
        low, high = sorted(round(place[0]) for place in along.places)
        found.append(
            f"The PSF changes with depth: {_change_in_words(along)} between planes {low} and "
            f"{high}. The PSF is a mean: distil beads of one depth."
        )
    return found


def _brightness_warnings(misfit: Misfit) -> list[str]:
    """Return how beads' images change with their brightness."""
    compression = misfit.compression
    if (
        compression is None
        or compression.missing_fraction < MIN_MISSING_FRACTION
        or compression.p_value > MAX_MISSING_P_VALUE
        or misfit.sizes is not None
    ):
        return []
    missing = _percent(compression.missing_fraction)
    return [
        f"The brighter a bead, the flatter is its image: {missing} of the light "
        "is missing at the peak of a mean one. The camera saturates softly, its levels were "
        "changed (gamma, contrast), or the brighter beads are larger ones. Take the image with "
        "less light, or use the dimmer beads alone."
    ]


def _refused_warnings(
    misfit: Misfit,
    beads: pd.DataFrame,
    bead_diameter: float | None,
    *,
    varies: bool,
    sizes: SizeMisfit | None,
) -> list[str]:
    """Return what the beads that were refused for their shape tell of the others."""
    whole = beads["used"] | (beads["reason"] == "touching")
    refused, count = int((beads["reason"] == "touching").sum()), int(whole.sum())
    if sizes is not None:
        dimmer = sizes.brightness_ratio
        larger = "" if bead_diameter is None else _larger_size_in_words(sizes, bead_diameter)
        return [
            f"{sizes.narrower_count} of {count} beads are narrower and {dimmer:.1f} times dimmer "
            f"than those that the PSF was made from: there are beads of two sizes{larger}. Use "
            "beads of one size, or mark the larger ones as not used."
        ]
    if refused >= MIN_REFUSED_BEADS and misfit.refused_p_value < MAX_PLACE_P_VALUE:
        return [
            f"{refused} of {count} beads were refused for their shape, and it depends on their "
            "place in the field which: the PSF changes across it. Distil parts of the image."
        ]
    if refused >= MIN_REFUSED_BEADS and refused >= MIN_REFUSED_SHARE * count and not varies:
        return [
            f"{refused} of {count} beads were refused for their shape: they are clumped or of "
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
    ratio = _lateral_width_ratio(widths, spacing)
    others = {order for order in itertools.permutations(spacing) if order != tuple(spacing)}
    better = [
        order for order in others if _lateral_width_ratio(widths, order) < MAX_WIDTH_RATIO_REORDERED
    ]
    if ratio < MAX_WIDTH_RATIO or not better:
        return ()
    given = ", ".join(f"{size:g}" for size in spacing)
    wide, narrow = ("x", "y") if widths[2] * spacing[2] > widths[1] * spacing[1] else ("y", "x")
    return (
        f"A bead's image is {ratio:.1f} times as wide along {wide} as along {narrow} with the "
        f"voxel size {given}: it looks like one in another order. Give it as z, y, x.",
    )


def _lateral_width_ratio(widths: Sequence[float], spacing: Sequence[float]) -> float:
    y, x = widths[1] * spacing[1], widths[2] * spacing[2]
    return max(x / y, y / x)


def _undersampled_axes(misfit: Misfit, *, harmful: bool, folded: bool) -> list[str]:
    """Return the axes along which voxels are too large."""
    along, across = misfit.spectrum_at_limit[0], max(misfit.spectrum_at_limit[1:])
    found = [
        misfit.limited_by_sampling[0]
        and along > (MAX_AXIAL_SPECTRUM_IF_COMMON if harmful else MAX_SPECTRUM_AT_LIMIT[0]),
        misfit.limited_by_sampling[1] and (across > MAX_SPECTRUM_AT_LIMIT[1] or folded),
    ]
    return [axis for axis, which in zip(AXES, (0, 1, 1), strict=True) if found[which]]


def _planes_displaced(misfit: Misfit) -> bool:
    """Whether planes are displaced against each other so that it harms."""
    planes = misfit.planes
    return (
        planes is not None and planes.significant and planes.relative_l2 > MIN_DISPLACED_PLANES_L2
    )


def _harmful(variation: Variation | None) -> bool:
    """Whether a change is worth a word."""
    return (
        variation is not None and variation.significant and variation.relative_l2 > MIN_VARIATION_L2
    )


def _change_in_words(variation: Variation) -> str:
    """Return by how much two PSFs differ."""
    whole = f"it differs by {_percent(variation.largest_difference)}"
    if variation.width < MIN_WIDTH_CHANGE or not np.isfinite(variation.width):
        return whole
    return (
        f"its width along {AXES[variation.axis]} differs by {_percent(variation.width)}, "
        f"all of it by {_percent(variation.largest_difference)},"
    )


def _larger_size_in_words(sizes: SizeMisfit, diameter: float) -> str:
    """Return what the used beads' diameter is if the others have the one that was given."""
    return (
        f", and if {1000 * diameter:.0f} nm is the smaller one, the PSF was made from beads of "
        f"about {1000 * sizes.larger(diameter):.0f} nm and is too wide"
    )


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.01 else f"{100 * part:.1g} %"
