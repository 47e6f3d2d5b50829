"""What a user should know of a joint fit, each a sentence that says what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.joint.advice.light import light_warnings
from napari_psf_distiller.joint.advice.misfit import misfit_warnings, spacing_warnings
from napari_psf_distiller.joint.results import JointFit
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.optics import Band, optics_band
from napari_psf_distiller.recipe import Recipe

__all__ = ["joint_warnings"]

# Twice the highest frequency times the voxel size: 1 is Nyquist's limit, near which there is hardly
# anything to be lost.
MAX_NYQUIST_RATIO = 1.05

# Beads of more than this part of their image's width leave the PSF to guesswork. Of smaller ones
# its errors tell what is not known.
MAX_DIAMETER_WIDTHS = 1.05

# With fewer planes than so many of a bead's widths the light's fall along z is hardly seen.
MIN_DEPTH_WIDTHS = 2.0

# A width's standard error, as a part of it, that makes the PSF doubtful.
MAX_RELATIVE_WIDTH_ERROR = 0.05

# The median bead's residuals, in units of the noise's variance. Beads that are alike, of a raw
# image, have 0.9 to 1.1; what a denoiser left has 1.3 or more.
MAX_MEDIAN_CHI_SQUARED = 1.25


def joint_warnings(fit: JointFit, spacing: Sequence[float], recipe: Recipe) -> tuple[str, ...]:
    """Return what a user should know of a joint fit.

    Parameters
    ----------
    fit : JointFit
    spacing : sequence of float
        Voxel size in micrometres.
    recipe : Recipe
    """
    found = []
    axes = AXES[-len(spacing) :]
    optics = dataclasses.asdict(recipe.optics)
    missing = [name.replace("_", " ") for name, value in optics.items() if value is None]
    if 0 < len(missing) < len(optics):
        found.append(
            f"Of the optics, {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not "
            "given, so that none of them counts: give all three."
        )
    figures = recipe.optics.figures
    coarse = [] if figures is None else _too_coarse(optics_band(*figures), spacing)
    if coarse:
        found.append(
            f"The voxels are too large for the optics along {', '.join(coarse)}: what "
            "the PSF has of fine detail is lost or folded. Use smaller voxels."
        )
    # As parts of the PSF's widths, where it has such.
    doubts = np.array(fit.fwhm_error) / fwhm(fit.psf, spacing)
    if fit.second_peak is not None:
        # In the plane the widths of two peaks differ, however well each is known.
        doubts[1:] = 0
    if np.nanmax(doubts, initial=0.0) > MAX_RELATIVE_WIDTH_ERROR:
        worst = int(np.nanargmax(doubts))
        found.append(
            f"The PSF's width along {axes[worst]} is known to {100 * doubts[worst]:.0f} % only: "
            "its beads are few or dim. Use more beads, brighter ones, or more images."
        )
    second = fit.second_peak
    if second is not None:
        distance = abs(second.planes) * spacing[0]
        found.append(
            f"The PSF has two peaks along z, {distance:.2g} um apart, of which the errors do not "
            f"tell the higher one: the second has {100 * second.height:.0f} % of the first. Its "
            "middle and its widths may be those of either. Look for aberrations: spherical ones "
            "from the correction collar, the cover glass or the immersion, or astigmatism."
        )
    widths = [w * s for w, s in zip(fit.widths[-len(spacing) :], spacing, strict=True)]
    diameter = recipe.bead_diameter
    if diameter is None:
        found.append(
            "The beads' diameter is not given: the PSF is as wide as a bead's image. Give the "
            "diameter that the beads' maker states."
        )
    elif diameter > MAX_DIAMETER_WIDTHS * min(widths):
        found.append(
            f"The beads of {1000 * diameter:.0f} nm are as large as their images of "
            f"{1000 * min(widths):.0f} nm: little of the PSF's width is left to be told. Use "
            "smaller beads, or check the diameter and the voxel size."
        )
    depth = len(fit.residual) if len(spacing) == 3 else 0
    if 0 < depth < MIN_DEPTH_WIDTHS * fit.widths[0]:
        found.append(
            f"The image has {depth} planes, and a bead's image is {fit.widths[0]:.1f} planes wide: "
            "the PSF's width along z is a guess between few values, off by more than its error "
            "says. Take more planes, above and below the beads."
        )
    used = fit.beads[fit.beads["used"]]
    saturated = int((fit.beads["reason"] == "saturated").sum())
    if saturated > len(used):
        found.append(
            f"{saturated} of {len(fit.beads)} beads are saturated. Expose for a shorter time."
        )
    found += light_warnings(fit, spacing, recipe.optics)
    if not fit.converged:
        found.append(
            f"The fit was ended after {fit.iterations} iterations while it still became better: "
            "the PSF is wrong by more than its errors say. Look at the residual image; leave out "
            "beads that are not single ones, or use a smaller window."
        )
    poor = float(used["chi_squared"].median())
    if poor > MAX_MEDIAN_CHI_SQUARED:
        found.append(
            f"The beads differ from the model by {np.sqrt(poor):.1f} times the noise that the "
            "image's dark part shows (median): they are not alike, the PSF changes across the "
            "image, or the image was denoised. Look at the residual image; use the raw image."
        )
    disordered = spacing_warnings(fit.widths.tolist(), spacing)
    # With a wrong voxel size the other figures say nothing.
    found += disordered or misfit_warnings(
        fit.misfit, fit.beads, diameter, optics=not missing, undersampled=bool(coarse)
    )
    return tuple(found)


def _too_coarse(band: Band, spacing: Sequence[float]) -> list[str]:
    """Return the axes along which voxels are too large for what the optics pass."""
    bands = (band.axial, band.lateral, band.lateral)[-len(spacing) :]
    return [
        axis
        for axis, size, highest in zip(AXES[-len(spacing) :], spacing, bands, strict=True)
        if 2 * highest * size > MAX_NYQUIST_RATIO
    ]
