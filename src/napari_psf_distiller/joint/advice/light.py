"""What a user should know of light that is missing, or too much, each a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.misfit.haze import haze_level, uneven_light
from napari_psf_distiller.joint.misfit.negative_light import negative_light
from napari_psf_distiller.joint.model.plane_light import MIN_PLANE_LIGHT, plane_light
from napari_psf_distiller.joint.results import JointFitResult
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.recipe import Optics

__all__ = ["light_warnings"]

# Light that is neither beads nor background, as a part of a typical bead's height.
MIN_HAZE_OF_HEIGHT = 0.01

# The same summed over the PSF's window, as a part of a typical bead's light, that is worth a word;
# or twice the PSF's own relative error, if that is more.
MIN_UNEVEN_OF_LIGHT = 0.25


def light_warnings(
    fit: JointFitResult, spacing: Sequence[float], optics: Optics
) -> tuple[str, ...]:
    """Return what a joint fit's PSF and residual say of light that beads do not make.

    Parameters
    ----------
    fit : JointFitResult
    spacing : sequence of float
        Voxel size in micrometres.
    optics : Optics
    """
    used = fit.beads[fit.beads["used"]]
    light = float(used["amplitude"].median())
    haze = haze_level(fit.residual) / (light * float(fit.psf.max()))
    found = []
    if haze > MIN_HAZE_OF_HEIGHT:
        found.append(
            f"There is haze that is as narrow as the beads' halos, of {100 * haze:.0f} % "
            "of a typical bead's height: it is part of the PSF now. Use an image of beads alone, "
            "or a smaller window."
        )
    negative = negative_light(fit.psf, fit.psf_error)
    uneven = uneven_light(_around_beads(fit), fit.psf.shape[-2:]) * fit.psf.size / light
    known = float(np.linalg.norm(fit.psf_error) / np.linalg.norm(fit.psf))
    if negative.harmful:
        found.append(
            f"The PSF is negative, down to -{100 * negative.depth:.1f} % of its peak and by "
            f"{negative.significance:.0f} of its standard errors, which no light is: the image was "
            "sharpened, filtered (difference of Gaussians, mean subtracted) or deconvolved, or the "
            "beads are smaller than the diameter given. Use the raw image; check the diameter."
        )
    elif uneven > max(MIN_UNEVEN_OF_LIGHT, 2 * known) and haze <= MIN_HAZE_OF_HEIGHT:
        found.append(
            "The background is not smooth: within the PSF's window what the fit leaves of it is "
            f"{100 * uneven:.0f} % of a typical bead's light, from place to place, and the PSF's "
            "sum and its faint parts are wrong by about as much, not its width. Correct uneven "
            "illumination (flat field), use the image before a filter subtracted its background, "
            "or give a smaller window."
        )
    part = None
    support = support_of(optics)
    if support is not None and support.equal_plane_light and len(spacing) == 3:
        part = plane_light(fit.psf, spacing, support)
    if part is not None and part < MIN_PLANE_LIGHT:
        found.append(
            f"Just above and below its focus the PSF has {100 * part:.0f} % of its light, where a "
            "widefield microscope's has all of it: the background was subtracted with a filter "
            "(rolling ball, local minimum), and the beads' halos with it, or it is another "
            "microscope (confocal, light sheet, two-photon). Use the raw image, or choose the "
            "kind of microscope that it is."
        )
    return tuple(found)


def _around_beads(fit: JointFitResult) -> NDArray[np.float32]:
    """Return the residual of the planes in the beads' windows: beyond lies the beads' light."""
    if fit.psf.ndim < 3:
        return fit.residual
    reach = len(fit.psf) // 2
    middle = round(float(fit.beads.loc[fit.beads["used"], "z"].median()))
    return fit.residual[max(middle - reach, 0) : middle + reach + 1]
