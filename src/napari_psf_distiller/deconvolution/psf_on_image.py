"""The PSF on the voxels of an image that it meets: as it is, evaluated there, or interpolated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.deconvolution.deconvolve import check_psf
from napari_psf_distiller.deconvolution.field_place import variation_over
from napari_psf_distiller.deconvolution.finer import finer_spacing, finer_told, same_spacing
from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.psf.grids import VOXEL_BYTES
from napari_psf_distiller.psf.likeness import doubt_about_large
from napari_psf_distiller.psf.tails import shape_with_tails
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.simulate.psf import voxels_in_memory
from napari_psf_distiller.wording import sizes_text

__all__ = ["PSFOnImage", "psf_on_image", "settings_of_psf"]

# A widefield image is said to be deeper than its PSF where it has more planes than so many times
# the PSF's.
DEEPER = 2

# A PSF that is continued keeps more than this part of its planes, unless its optics are wrong: with
# an aperture that is said to be a tenth smaller it keeps one.
LEAST_KEPT = 0.5


class PSFOnImage(NamedTuple):
    """A PSF on the voxels that an image is deconvolved on.

    Attributes
    ----------
    array : numpy.ndarray
        float32, with as many axes as the image, not negative, its centre at n // 2.
    note : str
        A sentence on how it came to these voxels, or what was assumed of them; empty where it has
        them already.
    variation : PSFVariation or None
        How the PSF changes over the image, of which the array is the mean then.
    """

    array: NDArray[np.float32]
    note: str
    variation: PSFVariation | None = None


def psf_on_image(
    psf: ArrayLike,
    image_shape: tuple[int, ...],
    recipe: Recipe,
    psf_spacing: Sequence[float] | None = None,
) -> PSFOnImage:
    """Return a PSF on the voxels of an image, or on finer ones that a recipe asks for.

    Whatever uses a PSF on an image asks this for it. A PSF with these voxels, within 1 %, is taken
    as it is. Else its functions are evaluated there, or, without functions, its voxels interpolated
    if the recipe's ``deconvolve.interpolate`` says so; see `PSF.evaluate`. If its
    ``deconvolve.tails`` says so, it goes on as theory has it as far as light reaches in the image.
    One that changes over the field does so over the image, unless ``deconvolve.over_field`` says
    that its mean is taken.

    Parameters
    ----------
    psf : PSF or array_like
    image_shape : tuple of int
        (Z, Y, X) or (Y, X); a plane and a stack of one plane are the same.
    recipe : Recipe
        With the image's spacing in micrometres; None takes it to be the PSF's.
    psf_spacing : sequence of float, optional
        Voxel size of the PSF in micrometres; by default that of a `PSF`. An array whose is not
        known is taken to have the image's.

    Returns
    -------
    PSFOnImage

    Raises
    ------
    InputError
        It cannot be had on these voxels: another number of axes; no functions, and it is to be
        continued, or is not to be interpolated; finer voxels are asked for, and a voxel size is not
        known. It changes over the field, and it is not known where the image lies there, or it is
        to be continued. Or it is no PSF.

    Examples
    --------
    >>> import napari_psf_distiller as psfd
    >>> psf = psfd.PSF(psfd.simulate_psf((31, 31), (0.08, 0.08)), (0.08, 0.08))
    >>> recipe = psfd.Recipe(spacing=(0.1, 0.1), deconvolve=psfd.Deconvolve(interpolate=True))
    >>> found = psf_on_image(psf, (64, 64), recipe)
    >>> found.array.shape
    (25, 25)
    >>> found.note.split(",")[0]
    "The PSF was interpolated on the image's voxels"
    """
    settings = recipe.deconvolve
    own = psf.spacing if isinstance(psf, PSF) and psf_spacing is None else psf_spacing
    array = check_psf(psf, image_shape)
    _check_is_no_image(psf, array, image_shape)
    if settings.is_finer:
        _check_known(recipe.spacing, own)
    if settings.tails == "continued":
        return _continued(psf, image_shape, recipe, own)
    if recipe.spacing is None or own is None:
        note = _assumed(recipe.spacing, own)
        return _over_image(psf, array, note, recipe, own, image_shape)
    image_spacing = check_spacing(recipe.spacing, len(image_shape))
    known = psf if isinstance(psf, PSF) else None
    own = check_spacing(own, np.ndim(psf))
    wanted = _wanted(own, image_shape, recipe)
    result_shape = _result_shape(image_shape, recipe)
    if same_spacing(own, wanted):
        return _over_image(psf, array, _shallower(psf, result_shape), recipe, own, image_shape)
    if known is None or known.spacing != own:
        known = PSF(np.asarray(psf), own)
    whose = "result" if settings.is_finer else "image"
    if known.model is None and not settings.interpolate:
        has = "would have" if settings.is_finer else "has"
        raise InputError(
            f"The PSF has voxels of {sizes_text(own)} micrometres, and the {whose} {has} such of "
            f"{sizes_text(wanted)}: a PSF without functions cannot be had on other voxels than its "
            f"own. Give one with the {whose}'s voxels, or one of the joint fit, or choose "
            f"interpolate. {'' if settings.is_finer else finer_told(image_spacing, own)}".rstrip()
        )
    if settings.is_finer:
        known = _on_parts_of_pixels(known)
    there = known.evaluate(spacing=wanted, interpolate=settings.interpolate)
    way = "interpolated" if known.model is None else "evaluated"
    note = (
        f"The PSF was {way} on the {whose}'s voxels, {sizes_text(wanted)} micrometres; its own are "
        f"{sizes_text(own)}."
    )
    more = _shallower(there, result_shape)
    array = check_psf(there, image_shape)
    return _over_image(there, array, f"{note} {more}".rstrip(), recipe, wanted, image_shape)


def settings_of_psf(settings: Deconvolve) -> Deconvolve:
    """Return what of some settings the PSF on an image depends on, all else as by default.

    To continue a PSF takes seconds to minutes: settings that are equal in this share one.

    Examples
    --------
    >>> settings_of_psf(Deconvolve(iterations=9)) == settings_of_psf(Deconvolve(background=3))
    True
    """
    return Deconvolve(
        finer=settings.finer,
        finer_z=settings.finer_z,
        interpolate=settings.interpolate,
        tails=settings.tails,
        over_field=settings.over_field,
        field_z=settings.field_z,
        field_y=settings.field_y,
        field_x=settings.field_x,
        field_scale=settings.field_scale,
    )


def _over_image(
    psf: ArrayLike,
    array: NDArray[np.float32],
    note: str,
    recipe: Recipe,
    own: Sequence[float] | None,
    image_shape: tuple[int, ...],
) -> PSFOnImage:
    """Return a PSF that is had on an image's voxels, and how it changes over the image.

    Parameters
    ----------
    psf : PSF or array_like
    array : numpy.ndarray
        Its voxels, with the image's axes.
    note : str
    recipe : Recipe
    own : sequence of float or None
        Size of these voxels.
    image_shape : tuple of int
    """
    settings = recipe.deconvolve
    if settings.over_field == "mean" or not _is_varying(psf):
        return PSFOnImage(array, note)
    assert isinstance(psf, PSF)
    assert psf.model is not None
    assert psf.model.over_field is not None
    if own is None or not same_spacing(psf.spacing, own):
        rescaled = (
            "The PSF has not the voxel size that it was fitted with: its mean was taken for all of "
            "the image."
        )
        return PSFOnImage(array, f"{note} {rescaled}".strip())
    eigen = psf.eigen_psfs()
    if len(eigen) == 1:
        return PSFOnImage(array, note)
    spacing = own if recipe.spacing is None else recipe.spacing
    variation, said = variation_over(eigen, psf.model.over_field, image_shape, spacing, settings)
    mean = check_psf(eigen.kernels[0], image_shape)
    return PSFOnImage(mean, f"{note} {said}".strip(), variation)


def _is_varying(psf: ArrayLike) -> bool:
    """Return whether a PSF changes over the field."""
    return isinstance(psf, PSF) and psf.model is not None and psf.model.over_field is not None


def _shallower(psf: ArrayLike, result_shape: tuple[int, ...]) -> str:
    """Return a sentence for a result that is deeper than a PSF, where that is known to matter.

    It is, where all planes of a PSF have the same light.
    """
    if not isinstance(psf, PSF) or psf.recipe is None or psf.model is None or psf.ndim < 3:
        return ""
    support = support_of(psf.recipe.optics)
    if psf.measured is not None or support is None or not support.equal_plane_light:
        return ""
    planes = result_shape[0]
    if len(result_shape) < psf.ndim or planes <= DEEPER * psf.shape[0]:
        return ""
    return (
        f"The image has {planes} planes and the PSF {psf.shape[0]}: light of what lies farther "
        "above or below stays in the result as haze. Choose tails continued if that is bright."
    )


def _continued(
    psf: ArrayLike, image_shape: tuple[int, ...], recipe: Recipe, own: Sequence[float] | None
) -> PSFOnImage:
    """Return a PSF that goes on as theory says, as far as light reaches in an image."""
    if not isinstance(psf, PSF) or psf.recipe is None or psf.model is None or own is None:
        raise InputError(
            "Only a PSF of the joint fit, with the recipe that says its optics, can be continued "
            "beyond its window: choose tails none, or distil it by the joint fit."
        )
    if _is_varying(psf) and recipe.deconvolve.over_field != "mean":
        raise InputError(
            "The PSF changes over the field of view, and how it does so is not known beyond its "
            "window: choose tails none, or over field mean."
        )
    own = check_spacing(own, psf.ndim)
    wanted = own if recipe.spacing is None else _wanted(own, image_shape, recipe)
    known = _on_parts_of_pixels(psf) if recipe.deconvolve.is_finer else psf
    result_shape = (1,) * (psf.ndim - len(image_shape)) + _result_shape(image_shape, recipe)
    own_shape = known.evaluate(spacing=wanted).shape
    shape = shape_with_tails(own_shape, result_shape[-psf.ndim :], wanted, psf.recipe.optics)
    if math.prod(shape) > voxels_in_memory(VOXEL_BYTES):
        raise InputError(
            f"Light reaches so far in an image of {sizes_text(image_shape)} voxels that the PSF "
            f"would have {sizes_text(shape)} with tails continued, more than there is memory for: "
            "crop the image, most of all along z, deconvolve on voxels less fine, or choose tails "
            "none."
        )
    there = known.evaluate(spacing=wanted, shape=shape, tails="continued")
    notes = (
        f"The PSF was continued as theory says, from {sizes_text(own_shape)} to "
        f"{sizes_text(there.shape)} voxels of {sizes_text(wanted)} micrometres.",
        _replaced(there, own_shape),
        _assumed(None, own) if recipe.spacing is None else "",
    )
    return PSFOnImage(check_psf(there, image_shape), " ".join(filter(None, notes)))


def _replaced(there: PSF, own_shape: tuple[int, ...]) -> str:
    """Return a sentence where theory stands for most of what was measured of a PSF."""
    if there.measured is None or there.ndim < 3:
        return ""
    planes, kept = own_shape[0], int(there.measured.any(axis=(1, 2)).sum())
    if kept > planes * LEAST_KEPT:
        return ""
    return (
        f"Of its own {planes} planes only {kept} stayed: beyond, it has not the light that theory "
        "says of this microscope, which took its place there. Check the numerical aperture and "
        "the refractive index in its recipe, or choose tails none."
    )


def _result_shape(image_shape: tuple[int, ...], recipe: Recipe) -> tuple[int, ...]:
    factors = recipe.deconvolve.factors(image_shape)
    return tuple(n * factor for n, factor in zip(image_shape, factors, strict=True))


def _wanted(
    own: tuple[float, ...], image_shape: tuple[int, ...], recipe: Recipe
) -> tuple[float, ...]:
    """Return the size of the result's voxels, along the PSF's axes."""
    assert recipe.spacing is not None
    image_spacing = check_spacing(recipe.spacing, len(image_shape))
    wanted = finer_spacing(image_spacing, recipe.deconvolve.factors(image_shape))
    # A plane and a stack of one plane are the same.
    return (own[: len(own) - len(wanted)] + wanted)[-len(own) :]


def _on_parts_of_pixels(psf: PSF) -> PSF:
    """Return a PSF for voxels of which an image's are the sums.

    What these measured, be it at points, is what falls on all of their parts.
    """
    if psf.model is None:
        # Its optics would have it interpolated between points.
        return replace(psf, recipe=None)
    return replace(psf, model=replace(psf.model, pixel=None))


def _check_is_no_image(
    psf: ArrayLike, array: NDArray[np.float32], image_shape: tuple[int, ...]
) -> None:
    """Refuse what is as large as the image and no PSF: it would be deconvolved with itself."""
    if isinstance(psf, PSF) and psf.model is not None:
        return
    if doubt := doubt_about_large(array, image_shape):
        raise InputError(
            f"The PSF, {sizes_text(array.shape)} voxels, is as large as the image, and {doubt}: it "
            "is hardly a PSF, but perhaps the image itself. Give the PSF; if this is one, crop it "
            "to what is around its peak."
        )


def _check_known(image: Sequence[float] | None, psf: Sequence[float] | None) -> None:
    if image is None:
        raise InputError(
            "The image's voxel size is not known, and a result on finer voxels needs it; give the "
            "spacing in micrometres."
        )
    if psf is None:
        raise InputError(
            "An array does not say its voxel size, and a result on finer voxels needs that of the "
            "PSF: give a PSF(array, spacing), or one that was distilled or read from a file."
        )


def _assumed(image: Sequence[float] | None, psf: Sequence[float] | None) -> str:
    if image is None and psf is None:
        return ""
    one, other = ("image", "PSF") if image is None else ("PSF", "image")
    return (
        f"The {one}'s voxel size is not known: it was taken to be the {other}'s, "
        f"{sizes_text((image if psf is None else psf) or ())} micrometres."
    )
