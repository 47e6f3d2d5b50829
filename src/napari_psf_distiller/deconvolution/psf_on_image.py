"""The PSF on the voxels of an image that it meets: as it is, evaluated there, or interpolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.deconvolution.deconvolve import check_psf
from napari_psf_distiller.deconvolution.finer import finer_spacing, finer_told, same_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.wording import sizes_text

__all__ = ["PSFOnImage", "psf_on_image"]


class PSFOnImage(NamedTuple):
    """A PSF on the voxels that an image is deconvolved on.

    Attributes
    ----------
    array : numpy.ndarray
        float32, with as many axes as the image, not negative, its centre at n // 2.
    note : str
        A sentence on how it came to these voxels, or what was assumed of them; empty where it has
        them already.
    """

    array: NDArray[np.float32]
    note: str


def psf_on_image(
    psf: ArrayLike,
    image_shape: tuple[int, ...],
    recipe: Recipe,
    psf_spacing: Sequence[float] | None = None,
) -> PSFOnImage:
    """Return a PSF on the voxels of an image, or on finer ones that a recipe asks for.

    Whatever uses a PSF on an image asks this for it. A PSF with these voxels, within 1 %, is taken
    as it is. Else its functions are evaluated there, or, without functions, its voxels interpolated
    if the recipe's ``deconvolve.interpolate`` says so; see `PSF.evaluate`.

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
        It cannot be had on these voxels: another number of axes; no functions, and it is not to be
        interpolated; finer voxels are asked for, and a voxel size is not known. Or it is no PSF.

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
    if settings.is_finer:
        _check_known(recipe.spacing, own)
    if recipe.spacing is None or own is None:
        return PSFOnImage(array, _assumed(recipe.spacing, own))
    image_spacing = check_spacing(recipe.spacing, len(image_shape))
    finer = settings.factors(image_shape)
    known = psf if isinstance(psf, PSF) else None
    own = check_spacing(own, np.ndim(psf))
    # A plane and a stack of one plane are the same.
    wanted = finer_spacing(image_spacing, finer)
    wanted = (own[: len(own) - len(wanted)] + wanted)[-len(own) :]
    if same_spacing(own, wanted):
        return PSFOnImage(array, "")
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
    if settings.is_finer and known.model is not None:
        # The image's voxels are sums of the result's: so what they measured, points too, is what
        # falls on these.
        known = replace(known, model=replace(known.model, pixel=None))
    there = known.evaluate(spacing=wanted, interpolate=settings.interpolate)
    way = "interpolated" if known.model is None else "evaluated"
    note = (
        f"The PSF was {way} on the {whose}'s voxels, {sizes_text(wanted)} micrometres; its own are "
        f"{sizes_text(own)}."
    )
    return PSFOnImage(check_psf(there, image_shape), note)


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
