"""What a user should know of a joint fit, each a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.joint.advice.contradiction import (
    narrower_warnings,
    support_warnings,
    theory_ratios,
    wider_warnings,
)
from napari_psf_distiller.joint.advice.field import field_warnings
from napari_psf_distiller.joint.advice.held_out import held_out_warnings
from napari_psf_distiller.joint.advice.image import history_warnings
from napari_psf_distiller.joint.advice.light import light_warnings
from napari_psf_distiller.joint.advice.misfit import (
    finer_detail,
    misfit_warnings,
    spacing_warnings,
)
from napari_psf_distiller.joint.misfit.negative_light import negative_light
from napari_psf_distiller.joint.results import JointFitResult
from napari_psf_distiller.joint.voxel_phases import MIN_PHASE_COVERAGE
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.odd_figures import undersampled_axes
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.recipe import Optics, Recipe
from napari_psf_distiller.theory import seen_band
from napari_psf_distiller.wording import listed

__all__ = ["joint_warnings"]

# Beads of a larger diameter than this, in widths of their image, leave the PSF to guesswork. Of
# smaller ones its errors tell what is not known.
MAX_DIAMETER_WIDTHS = 1.05

# In fewer planes than this, in widths of a bead's image, the light's fall along z is hardly seen.
MIN_DEPTH_WIDTHS = 2.0

# A width's standard error, as a part of it, that makes the PSF doubtful.
MAX_RELATIVE_WIDTH_ERROR = 0.05

# The median bead's residuals, in units of the noise's variance. Beads that are alike, of a raw
# image, have 0.9 to 1.1; what a denoiser left has 1.3 or more.
MAX_MEDIAN_CHI_SQUARED = 1.25


def joint_warnings(
    fit: JointFitResult, spacing: Sequence[float], recipe: Recipe
) -> tuple[str, ...]:
    """Return what a user should know of a joint fit.

    Parameters
    ----------
    fit : JointFitResult
    spacing : sequence of float
        Voxel size in micrometres, of as many axes as the image has.
    recipe : Recipe
    """
    support = support_of(recipe.optics)
    forbidding = support is not None and recipe.optics.support == "microscope"
    seen = seen_band(recipe.optics)
    # The PSF's own grid is as fine as the beads' places can tell.
    grid = fit.state.basis.grid_spacing[-len(spacing) :]
    coarse = [] if seen is None else undersampled_axes(seen, grid)
    covered = dict(zip(AXES, fit.misfit.phase_coverage, strict=True))
    unresolved = [
        axis
        for axis, finer in zip(AXES, fit.unresolved, strict=True)
        if finer or (axis in coarse and covered[axis] <= MIN_PHASE_COVERAGE)
    ]
    reordered = spacing_warnings(fit.widths.tolist(), spacing)
    # With a wrong voxel size the other figures say nothing.
    against_the_model = reordered or misfit_warnings(
        fit.misfit,
        fit.beads,
        recipe.bead_diameter,
        optics=forbidding,
        undersampled=bool(coarse),
    )
    too_few_planes = _depth_warnings(fit, spacing)
    contradicted = support_warnings(fit, support, recipe.optics)
    if not reordered and not contradicted:
        # Between large voxels a width is a guess.
        unsure = [] if seen is None else undersampled_axes(seen, spacing)
        ratios = theory_ratios(fit, spacing, recipe.optics, unsure)
        # What the optics forbid, and what else makes a PSF narrow or wide, is told already.
        forbidden = forbidding and finer_detail(fit.misfit, undersampled=bool(coarse))
        if not forbidden and not negative_light(fit.psf, fit.psf_error).harmful:
            contradicted += narrower_warnings(ratios, recipe.optics, recipe.bead_diameter)
        processed = history_warnings(fit.state.bead_image.history, fit.widths)
        if not (against_the_model or too_few_planes or processed):
            contradicted += wider_warnings(ratios, recipe.optics, recipe.bead_diameter)
    return (
        *_optics_warnings(recipe.optics),
        *_undersampling_warnings(coarse, unresolved),
        *_width_warnings(fit, spacing),
        *_second_peak_warnings(fit, spacing),
        *_diameter_warnings(fit, spacing, recipe.bead_diameter),
        *too_few_planes,
        *_saturation_warnings(fit),
        *light_warnings(fit, spacing, recipe.optics),
        *field_warnings(fit),
        *_convergence_warnings(fit),
        *_chi_squared_warnings(fit),
        *held_out_warnings(fit),
        *contradicted,
        *against_the_model,
    )


def _optics_warnings(optics: Optics) -> list[str]:
    """Return whether some of the figures that tell the optics' band are given, others are not."""
    missing = [name.replace("_", " ") for name in optics.missing]
    objective = (optics.numerical_aperture, optics.wavelength, optics.refractive_index)
    of_kind = (optics.excitation, optics.pinhole, optics.sheet)
    if not missing or all(value is None for value in (*objective, *of_kind)):
        return []
    return [
        f"Of the optics, {listed(missing)} {'is' if len(missing) == 1 else 'are'} not "
        f"given, so that none of them counts: give {'it' if len(missing) == 1 else 'them'} too."
    ]


def _undersampling_warnings(axes: Sequence[str], unresolved: Sequence[str]) -> list[str]:
    """Return along which axes the voxels are too large for the PSF.

    Parameters
    ----------
    axes : sequence of str
        Along which they are too large for the optics.
    unresolved : sequence of str
        Along which the beads' places within their voxels cannot tell what is finer.
    """
    others = [axis for axis in axes if axis not in unresolved]
    found = []
    if unresolved:
        along = ", ".join(unresolved)
        found.append(
            f"The voxels are too coarse along {along} for what the PSF has of fine detail, and the "
            "beads lie at too few different places within them to tell it: it is folded or lost, "
            "and the PSF wider than it is. Use more beads at different places, such as on a slide "
            "that is a little tilted, or smaller voxels."
        )
    if others:
        found.append(
            f"The voxels are too large for the optics along {', '.join(others)}: what "
            "the PSF has of fine detail is lost or folded. Use smaller voxels."
        )
    return found


def _width_warnings(fit: JointFitResult, spacing: Sequence[float]) -> list[str]:
    """Return whether the PSF's widths are known too badly."""
    # As parts of the PSF's widths, where it has such.
    relative = np.array(fit.fwhm_error) / fwhm(fit.psf, spacing)
    if fit.second_peak is not None:
        # In the plane the widths of two peaks differ, however well each is known.
        relative[1:] = 0
    if not np.nanmax(relative, initial=0.0) > MAX_RELATIVE_WIDTH_ERROR:
        return []
    worst = int(np.nanargmax(relative))
    axis = AXES[-len(spacing) :][worst]
    return [
        f"The PSF's width along {axis} is known to {100 * relative[worst]:.0f} % only: "
        "its beads are few or dim. Use more beads, brighter ones, or more images."
    ]


def _second_peak_warnings(fit: JointFitResult, spacing: Sequence[float]) -> list[str]:
    """Return whether the PSF may have its peak elsewhere."""
    second = fit.second_peak
    if second is None:
        return []
    distance = abs(second.planes) * spacing[0]
    return [
        f"The PSF has two peaks along z, {distance:.2g} µm apart, of which the errors do not "
        f"tell the higher one: the second has {100 * second.height:.0f} % of the first. Its "
        "middle and its widths may be those of either. Look for aberrations: spherical ones "
        "from the correction collar, the cover glass or the immersion, or astigmatism."
    ]


def _diameter_warnings(
    fit: JointFitResult, spacing: Sequence[float], diameter: float | None
) -> list[str]:
    """Return whether the beads' diameter is missing, or as large as their images."""
    widths = [w * s for w, s in zip(fit.widths[-len(spacing) :], spacing, strict=True)]
    if diameter is None:
        return [
            "The beads' diameter is not given: the PSF is as wide as a bead's image. Give the "
            "diameter that the beads' maker states."
        ]
    if diameter > MAX_DIAMETER_WIDTHS * min(widths):
        return [
            f"The beads of {1000 * diameter:.0f} nm are as large as their images of "
            f"{1000 * min(widths):.0f} nm: little of the PSF's width is left to be told. Use "
            "smaller beads, or check the diameter and the voxel size."
        ]
    return []


def _depth_warnings(fit: JointFitResult, spacing: Sequence[float]) -> list[str]:
    """Return whether the image has too few planes."""
    depth = len(fit.residual) if len(spacing) == 3 else 0
    if not 0 < depth < MIN_DEPTH_WIDTHS * fit.widths[0]:
        return []
    return [
        f"The image has {depth} planes, and a bead's image is {fit.widths[0]:.1f} planes wide: "
        "the PSF's width along z is a guess between few values, off by more than its error "
        "says. Take more planes, above and below the beads."
    ]


def _saturation_warnings(fit: JointFitResult) -> list[str]:
    """Return whether more beads are saturated than used."""
    saturated = int((fit.beads["reason"] == "saturated").sum())
    if saturated <= int(fit.beads["used"].sum()):
        return []
    return [f"{saturated} of {len(fit.beads)} beads are saturated. Expose for a shorter time."]


def _convergence_warnings(fit: JointFitResult) -> list[str]:
    """Return whether the fit ended before its end."""
    if fit.converged:
        return []
    return [
        f"The fit was ended after {fit.iterations} iterations while it still became better: "
        "the PSF is wrong by more than its errors say. Look at the residual image; leave out "
        "beads that are not single ones, or use a smaller window."
    ]


def _chi_squared_warnings(fit: JointFitResult) -> list[str]:
    """Return whether the typical bead differs from the model by more than noise."""
    median = float(fit.beads.loc[fit.beads["used"], "chi_squared"].median())
    if not median > MAX_MEDIAN_CHI_SQUARED:
        return []
    return [
        f"The beads differ from the model by {np.sqrt(median):.1f} times the noise that the "
        "image's dark part shows (median): they are not alike, the PSF changes across the "
        "image, or the image was denoised. Look at the residual image; use the raw image."
    ]
