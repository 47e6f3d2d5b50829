"""What a user should know before using a result, each a sentence that says what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.compute import Boundary, displaced_axes
from napari_psf_distiller.joint.advice.light import light_warnings
from napari_psf_distiller.joint.advice.misfit import misfit_warnings, spacing_warnings
from napari_psf_distiller.joint.basis.fourier_bessel import Band
from napari_psf_distiller.joint.results import Joint
from napari_psf_distiller.joint.start import optics_band
from napari_psf_distiller.measure.widths import LEAST_VOXELS, fwhm
from napari_psf_distiller.recipe import PostProcess, Recipe
from napari_psf_distiller.stepwise.find_beads import AXES

__all__ = ["bead_warnings", "deconvolve_warnings", "joint_warnings", "psf_warnings"]

# Fewer beads than this make a PSF that is as much theirs as the microscope's.
FEW_BEADS = 5

# Twice the highest frequency times the voxel size: 1 is Nyquist's limit, near which there is hardly
# anything to be lost.
FINEST = 1.05

# Beads of more than this part of their image's width leave the PSF to guesswork. Of smaller ones
# its errors tell what is not known.
LARGEST_BEAD = 1.05

# With fewer planes than so many of a bead's widths the light's fall along z is hardly seen.
LEAST_DEPTH = 2.0

# A width's standard error, as a part of it, that makes the PSF doubtful.
DOUBTED = 0.05

# The median bead's residuals, in units of the noise's variance. Beads that are alike, of a raw
# image, have 0.9 to 1.1; what a denoiser left has 1.3 or more.
POOR_FIT = 1.25


def deconvolve_warnings(
    image: NDArray[Any], psf: NDArray[Any], boundary: Boundary
) -> tuple[str, ...]:
    """Return what a user should know of an image and a PSF before they are deconvolved.

    Parameters
    ----------
    image, psf : numpy.ndarray
        With the same number of axes.
    boundary : {"circulant", "noncirculant"}
    """
    found = []
    larger = _larger(psf.shape, image.shape)
    if larger:
        found.append(
            f"The PSF is larger than the image ({larger}): most of what it says about "
            "light from outside the image is a guess. Crop the PSF."
        )
    displaced = displaced_axes(image.shape, psf.shape, boundary)
    if displaced:
        axes = ", ".join(AXES[-image.ndim :][axis] for axis in displaced)
        found.append(
            f"The PSF has an even number of voxels along {axes}, and the grid an odd one: the "
            "result lies one voxel too low there. Crop the PSF to an odd number."
        )
    negative = int(np.count_nonzero(image < 0))
    if negative:
        found.append(f"{negative} negative voxels of the image were taken as 0.")
    return tuple(found)


def psf_warnings(
    image_shape: tuple[int, ...], psf: NDArray[np.float32], recipe: Recipe
) -> tuple[str, ...]:
    """Return what a user should know of a post-processed PSF.

    Parameters
    ----------
    image_shape : tuple of int
        Of the image it was distilled from.
    psf : numpy.ndarray
    recipe : Recipe
    """
    found = []
    axes = AXES[-psf.ndim :]
    crop = recipe.postprocess.crop
    # The default takes what there is, up to its size; who asks for a size should get it.
    if crop is not None and crop != PostProcess().crop:
        larger = _larger(crop, image_shape)
        if larger:
            found.append(
                f"The PSF asked for is larger than the image ({larger}); it was cropped "
                "to the image's size there."
            )
    # The unit does not matter for whether there is a width at all.
    widths = fwhm(psf, recipe.spacing or (1.0,) * psf.ndim)
    short = [axis for axis, n in zip(axes, psf.shape, strict=True) if n < LEAST_VOXELS]
    if short:
        found.append(
            f"The PSF has too few voxels along {', '.join(short)} to measure its width there."
        )
    wide = [
        axis
        for axis, width in zip(axes, widths, strict=True)
        if np.isnan(width) and axis not in short
    ]
    if wide:
        found.append(
            f"The PSF does not fall to half of its maximum along {', '.join(wide)}: it is wider "
            "than its window, or the beads are not in focus within the image."
        )
    return tuple(found)


def bead_warnings(beads: pd.DataFrame) -> tuple[str, ...]:
    """Return what a user should know of the beads of `find_beads`."""
    used = int(beads["used"].sum())
    if used >= FEW_BEADS:
        return ()
    return (
        f"Only {used} of {len(beads)} beads could be used: the PSF is noisy, and any bead that is "
        "not a single one spoils it. Use an image with more beads.",
    )


def joint_warnings(fit: Joint, spacing: Sequence[float], recipe: Recipe) -> tuple[str, ...]:
    """Return what a user should know of a joint fit.

    Parameters
    ----------
    fit : Joint
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
    if fit.rival is not None:
        # In the plane the widths of two peaks differ, however well each is known.
        doubts[1:] = 0
    if np.nanmax(doubts, initial=0.0) > DOUBTED:
        worst = int(np.nanargmax(doubts))
        found.append(
            f"The PSF's width along {axes[worst]} is known to {100 * doubts[worst]:.0f} % only: "
            "its beads are few or dim. Use more beads, brighter ones, or more images."
        )
    if fit.rival is not None:
        distance = abs(fit.rival.planes) * spacing[0]
        found.append(
            f"The PSF has two peaks along z, {distance:.2g} um apart, of which the errors do not "
            f"tell the higher one: the second has {100 * fit.rival.height:.0f} % of the first. Its "
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
    elif diameter > LARGEST_BEAD * min(widths):
        found.append(
            f"The beads of {1000 * diameter:.0f} nm are as large as their images of "
            f"{1000 * min(widths):.0f} nm: little of the PSF's width is left to be told. Use "
            "smaller beads, or check the diameter and the voxel size."
        )
    depth = len(fit.residual) if len(spacing) == 3 else 0
    if 0 < depth < LEAST_DEPTH * fit.widths[0]:
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
    if not fit.settled:
        found.append(
            f"The fit was ended after {fit.iterations} iterations while it still became better: "
            "the PSF is wrong by more than its errors say. Look at the residual image; leave out "
            "beads that are not single ones, or use a smaller window."
        )
    poor = float(used["chi_squared"].median())
    if poor > POOR_FIT:
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
        if 2 * highest * size > FINEST
    ]


def _larger(psf: Sequence[int], image: Sequence[int]) -> str:
    """Return where a PSF's shape exceeds an image's; of a longer one the last axes count."""
    axes = AXES[-len(image) :]
    return ", ".join(
        f"{m} > {n} along {axis}"
        for axis, n, m in zip(axes, image, psf[-len(image) :], strict=True)
        if m > n
    )
