"""A PSF on other voxels: as its functions are there, interpolated, or continued by theory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_psf_distiller.checks import check_choice, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf import grids
from napari_psf_distiller.psf.tails import continued
from napari_psf_distiller.recipe.quantities import TAILS, Tails

if TYPE_CHECKING:
    from napari_psf_distiller.psf.psf import PSF

__all__ = ["evaluated_psf"]


def evaluated_psf(
    psf: PSF,
    spacing: Sequence[float] | None,
    shape: Sequence[int] | None,
    *,
    with_error: bool,
    interpolate: bool,
    tails: Tails | None,
) -> PSF:
    """Return a PSF on voxels of another size; see `PSF.evaluate`.

    Parameters
    ----------
    psf : PSF
    spacing, shape, with_error, interpolate, tails
        See `PSF.evaluate`.
    """
    sizes = psf.spacing if spacing is None else check_spacing(spacing, psf.ndim)
    if with_error and psf.error is None:
        raise InputError("The PSF does not say how well it is known; leave out with_error.")
    if tails is not None:
        check_choice(tails, "tails", TAILS)
    if tails == "continued" or (tails is None and psf.measured is not None):
        return _continued(psf, sizes, shape, with_error)
    if psf.measured is not None:
        return _as_measured(psf).evaluate(sizes, shape, with_error)
    if psf.model is None:
        if not interpolate:
            raise InputError(
                "The PSF has no functions that could be evaluated on other voxels, which only "
                "the joint fit gives; distil it by that, or give interpolate=True."
            )
        room = grids.room_in_array(psf.shape, psf.spacing, sizes)
    else:
        room = grids.room_in_window(psf.model, sizes)
    if shape is None:
        shape = grids.default_shape(psf.shape, psf.spacing, sizes, room)
    shape = grids.shape_within(shape, room, sizes)
    if psf.model is None:
        points = psf.recipe is not None and psf.recipe.optics.measures_points
        array, scale = grids.interpolated(psf.array, psf.spacing, sizes, shape, points)
    else:
        array, scale = grids.evaluated(psf.model, sizes, shape)
    error = None
    if with_error and psf.error is not None:
        known, known_spacing = psf.error, psf.spacing
        if psf.model is not None:
            model, finer = psf.model, grids.finer_errors(psf.model, psf.spacing, sizes)
            if finer is not None:
                known, known_spacing = finer, model.spacing[-psf.ndim :]
                # They are of the PSF as it was fitted: nothing subtracted, nothing cut off.
                model = dataclasses.replace(model, background=0.0, clip=False)
            own, own_scale = grids.evaluated(model, known_spacing, known.shape)
            if finer is None:
                own_scale *= float(psf.array.max() / own.max())
            scale /= own_scale
        error = grids.errors_on(known, known_spacing, sizes, shape, scale)
    return dataclasses.replace(
        psf, array=array.astype(np.float32), spacing=sizes, error=error, measured=None
    )


def _continued(
    psf: PSF, spacing: tuple[float, ...], shape: Sequence[int] | None, with_error: bool
) -> PSF:
    """Return a PSF that goes on beyond its window as theory says."""
    if psf.model is None or psf.recipe is None:
        raise InputError(
            "Only a PSF of the joint fit, with the recipe that says its optics, can be "
            "continued beyond its window."
        )
    if shape is None:
        room = grids.room_in_array(psf.shape, psf.spacing, spacing)
        shape = grids.default_shape(psf.shape, psf.spacing, spacing, room)
    sizes = grids.shape_of(shape, psf.ndim)
    inner = grids.within_window(sizes, grids.room_in_window(psf.model, spacing))
    known = _as_measured(psf).evaluate(spacing, inner, with_error)
    found = continued(known.array.astype(np.float64), sizes, spacing, psf.recipe.optics)
    error = None
    if known.error is not None:
        # That of all the box, of which less may count as measured.
        wide = tuple(
            slice(n // 2 - m // 2, n // 2 - m // 2 + m)
            for n, m in zip(sizes, known.shape, strict=True)
        )
        stated = np.zeros(sizes)
        stated[wide] = known.error * found.scale
        error = np.where(found.measured, stated, found.error)
    return dataclasses.replace(
        known, array=found.values.astype(np.float32), error=error, measured=found.measured
    )


def _as_measured(psf: PSF) -> PSF:
    """Return the part that is not continued."""
    if psf.measured is None:
        return psf
    places = np.nonzero(psf.measured)
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in places)
    error = None if psf.error is None else psf.error[box]
    return dataclasses.replace(psf, array=psf.array[box], error=error, measured=None)
