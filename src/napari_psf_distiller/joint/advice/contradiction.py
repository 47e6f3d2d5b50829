"""What a user should know of input that the image contradicts, with its likely cause."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_psf_distiller.joint.misfit.projection import projected_scale
from napari_psf_distiller.joint.misfit.theory_ratios import (
    WidthRatio,
    likely_diameter,
    narrower_ones,
    wider_ones,
    width_ratios,
)
from napari_psf_distiller.joint.results import JointFitResult
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.optics import Support
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import theoretical_widths
from napari_psf_distiller.wording import listed

__all__ = ["narrower_warnings", "support_warnings", "theory_ratios", "wider_warnings"]

# A PSF has frequencies beyond a support from this factor on: a support is taken with a tolerance.
BEYOND_SUPPORT = 1.06


def theory_ratios(
    fit: JointFitResult, spacing: Sequence[float], optics: Optics, coarse: Sequence[str]
) -> tuple[WidthRatio, ...]:
    """Return the widths of a joint fit's PSF beside those of its optics without aberrations.

    Parameters
    ----------
    fit : JointFitResult
    spacing : sequence of float
        Voxel size in micrometres.
    optics : Optics
    coarse : sequence of str
        Axes along which the voxels are too large for the optics.

    Returns
    -------
    tuple of WidthRatio
        Empty where there is no theory. Last that by the sum of the planes, where there is one; it
        is alone where the PSF has two peaks and so no one width.
    """
    theory = theoretical_widths(optics, spacing)
    found = width_ratios(fwhm(fit.psf, spacing), fit.fwhm_error, theory, coarse)
    if fit.second_peak is not None:
        found = ()
    y, x = theory[-2:]
    if y is None or x is None or {"y", "x"} & set(coarse):
        return found
    sum_of_planes = projected_scale(fit.psf, spacing, optics)
    if sum_of_planes is None:
        return found
    width, (scale, error) = math.sqrt(y * x), sum_of_planes
    return (*found, WidthRatio(False, scale * width, width, error * width, by_sum=True))


def narrower_warnings(
    ratios: Sequence[WidthRatio], optics: Optics, bead_diameter: float | None
) -> list[str]:
    """Return whether the PSF is narrower than its optics can make it, with the likely causes.

    Parameters
    ----------
    ratios : sequence of WidthRatio
    optics : Optics
    bead_diameter : float or None
        As it was given, in micrometres.
    """
    found = narrower_ones(ratios, optics)
    if not found:
        return _smaller_beads_warnings(ratios, bead_diameter)
    causes = [
        f"the voxel size{_where(found)} is larger than given",
        "the numerical aperture higher",
        "the wavelength shorter",
    ]
    if found[0].along:
        causes.append("the refractive index lower")
    if bead_diameter and not found[-1].along:
        causes.append("the bead diameter smaller")
    causes.append(f"it is {_another_kind(optics)}")
    return [
        f"The PSF is narrower than these optics can make it: {_in_words(found)}. No aberration "
        f"does that: {', '.join(causes)}, or the image was sharpened. Check these figures; use the "
        "raw image."
    ]


def _smaller_beads_warnings(ratios: Sequence[WidthRatio], bead_diameter: float | None) -> list[str]:
    """Return whether the PSF is as narrow as if the beads were smaller than given."""
    likely = likely_diameter(ratios, bead_diameter) if bead_diameter else None
    if bead_diameter is None or likely is None or likely > bead_diameter:
        return []
    return [
        "The PSF is narrower in the plane than one of these optics, "
        f"{_in_words(_across(ratios))}, as if the beads were of about "
        f"{1000 * likely:.0f} nm and not of {1000 * bead_diameter:.0f}: too much of their size "
        "was taken out of it. Check the bead diameter, the voxel size in the plane and the "
        "numerical aperture."
    ]


def wider_warnings(
    ratios: Sequence[WidthRatio], optics: Optics, bead_diameter: float | None
) -> list[str]:
    """Return whether the PSF is wider than its optics make it, with the likely causes.

    Parameters
    ----------
    ratios : sequence of WidthRatio
    optics : Optics
    bead_diameter : float or None
        As it was given, in micrometres. Without it the PSF is as wide as a bead's image.
    """
    found = [width for width in wider_ones(ratios) if width.along or bead_diameter]
    likely = likely_diameter(ratios, bead_diameter) if bead_diameter else None
    if not found and likely is not None and bead_diameter and likely > bead_diameter:
        # Less than what good microscopes have, too, but in both directions as beads make it.
        found = _across(ratios)
    if not found:
        return []
    causes = [f"the voxel size{_where(found)} is smaller than given"]
    if found[0].along:
        causes.append("the refractive index higher")
    if not found[-1].along:
        about = "" if likely is None else f" (about {1000 * likely:.0f} nm)"
        causes.append(f"the bead diameter larger{about}")
    causes += ["the numerical aperture lower", "the wavelength longer"]
    return [
        f"The PSF is wider than an unaberrated one of these optics: {_in_words(found)}. It has "
        "aberrations (correction collar, cover glass, immersion, alignment), or "
        f"{', '.join(causes)}, or it is {_wider_kind(optics)}. If the objective is a good one, "
        "check these figures."
    ]


def support_warnings(fit: JointFitResult, support: Support | None, optics: Optics) -> list[str]:
    """Return whether the beads' frequencies were taken in place of the optics' own.

    Parameters
    ----------
    fit : JointFitResult
    support : Support or None
        Which frequencies the optics pass.
    optics : Optics
    """
    if support is None or optics.support != "auto":
        return []
    beyond = [
        f"up to {has:.2g} cycles/µm {where} instead of {passes:.2g}"
        for where, has, passes in (
            ("along z", fit.band.axial, support.band.axial),
            ("in the plane", fit.band.lateral, support.band.lateral),
        )
        if has > BEYOND_SUPPORT * passes
    ]
    if not beyond:
        return []
    return [
        "The beads have finer detail than these optics pass, and the PSF was given what they show "
        f"(support auto): {listed(beyond)}. The numerical aperture is higher than given, the "
        "wavelength shorter, the voxel size larger, the refractive index lower, or it is "
        f"{_another_kind(optics)}. Check these figures."
    ]


def _across(ratios: Sequence[WidthRatio]) -> list[WidthRatio]:
    """Return the width in the plane through the peak."""
    return [one for one in ratios if not (one.along or one.by_sum)]


def _in_words(widths: Sequence[WidthRatio]) -> str:
    """Return widths beside theory's, for a sentence."""
    return " and ".join(
        f"{one.found:.3g} µm {'along z' if one.along else 'in the plane'} instead of "
        f"{one.expected:.3g}{' by the sum of its planes' if one.by_sum else ''}"
        for one in widths
    )


def _where(widths: Sequence[WidthRatio]) -> str:
    """Return in which direction alone widths differ."""
    if len(widths) > 1:
        return ""
    return " along z" if widths[0].along else " in the plane"


def _wider_kind(optics: Optics) -> str:
    """Return what kind of microscope has a wider PSF."""
    if optics.microscope == "widefield":
        return "another kind of microscope (two-photon)"
    return f"another kind of microscope than {optics.microscope} (widefield)"


def _another_kind(optics: Optics) -> str:
    if optics.microscope == "widefield":
        return "another kind of microscope (confocal, light sheet, two-photon)"
    return f"another kind of microscope than {optics.microscope}"
