"""A PSF that changes over the field, at one place of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.psf import grids
from napari_psf_distiller.psf.polynomials import place_of

if TYPE_CHECKING:
    from napari_psf_distiller.psf.psf import PSF

__all__ = ["PSFOverField", "psf_at_place"]

Floats = NDArray[np.float64]


def psf_at_place(psf: PSF, y: float, x: float, z: float | None = None) -> PSF:
    """Return a PSF at a place of the bead image, wherever the beads end; see `PSF.at`.

    Parameters
    ----------
    psf : PSF
    y, x : float
        In voxels of the bead image.
    z : float, optional
        The plane; without it in the mean over the depth.

    Returns
    -------
    PSF
        The one given if it is the same everywhere. With errors where that has them.
    """
    model = psf.model
    if model is None or model.over_field is None:
        return psf
    own = model.at(y, x, z)
    shape = grids.within_window(psf.shape, grids.room_in_window(own, psf.spacing))
    here = dataclasses.replace(psf, model=own, error=None, measured=None)
    return _with_errors(here.evaluate(psf.spacing, shape), psf, y, x, z)


class PSFOverField:
    """A PSF that changes over the field, at one place after the other.

    What does not depend on the place is computed once, which takes as long as some places; from
    then on a place takes a third of the time of `psf_at_place`, which gives the same.

    Parameters
    ----------
    psf : PSF
        That changes over the field.
    """

    def __init__(self, psf: PSF) -> None:
        model = psf.model
        assert model is not None
        assert model.over_field is not None
        self._psf, self._model, self._over_field = psf, model, model.over_field
        # On other voxels than those of the fit the brightest one is not sought on these alone.
        self._parts: Floats | None = None
        if np.allclose(psf.spacing, model.spacing[-psf.ndim :], rtol=1e-9, atol=0):
            # The window about its middle, and as large a one about the mean PSF's centre.
            box = tuple(
                n + 2 * (math.ceil(abs(centre) / size) if n > 1 else 0)
                for n, centre, size in zip(model.window, model.centre, model.spacing, strict=True)
            )
            self._parts = np.stack(
                list(model.values_by_polynomial(model.spacing, box, model.centre))
            )

    def at(self, y: float, x: float, z: float | None = None) -> PSF:
        """Return the PSF at a place of the bead image, wherever the beads end; see `PSF.at`.

        Parameters
        ----------
        y, x : float
            In voxels of the bead image.
        z : float, optional
            The plane; without it in the mean over the depth.
        """
        psf, model, parts = self._psf, self._model, self._parts
        if parts is None:
            return psf_at_place(psf, y, x, z)
        polynomials = self._over_field.polynomials_at(place_of(y, x, z))[0]
        values = np.tensordot(polynomials, parts, axes=1)
        middle = np.array(values.shape) // 2
        window = values[_about(middle, model.window)]
        top = np.unravel_index(int(window.argmax()), window.shape)
        moved = np.array(top) - np.array(model.window) // 2
        cz, cy, cx = (model.centre + moved * model.spacing).tolist()
        own = dataclasses.replace(
            model,
            amplitudes=self._over_field.amplitudes_at(y, x, z),
            centre=(cz, cy, cx),
            error=None,
            over_field=None,
        )
        shape = grids.within_window(psf.shape, grids.room_in_window(own, psf.spacing))
        deep = (1, *shape) if psf.ndim == 2 else shape
        array = (
            own.as_psf(values[_about(middle + moved, deep)], model.spacing)
            .values.astype(np.float32)
            .reshape(shape)
        )
        here = dataclasses.replace(psf, array=array, model=own, error=None, measured=None)
        return _with_errors(here, psf, y, x, z)


def _about(middle: NDArray[np.intp], shape: Sequence[int]) -> tuple[slice, ...]:
    """Return the part of an array whose voxel at n // 2 is a given one."""
    first = [int(m) - n // 2 for m, n in zip(middle, shape, strict=True)]
    return tuple(slice(low, low + n) for low, n in zip(first, shape, strict=True))


def _with_errors(here: PSF, psf: PSF, y: float, x: float, z: float | None) -> PSF:
    """Return a PSF at a place with the errors there, if the PSF that changes has errors."""
    model, own = psf.model, here.model
    assert model is not None
    assert own is not None
    over_field = model.over_field
    errors = None if over_field is None else over_field.errors_at(y, x, z)
    if over_field is None or psf.error is None or errors is None:
        return here
    # They lie about the mean PSF's centre.
    moves = [
        round((mean - place) / size)
        for mean, place, size in zip(model.centre, own.centre, over_field.spacing, strict=True)
    ]
    moved = np.roll(errors, moves, axis=(0, 1, 2))
    sizes = over_field.spacing[-psf.ndim :]
    # A voxel's light is in proportion to its size.
    scale = math.prod(psf.spacing) / math.prod(sizes)
    error = grids.errors_on(
        moved[0] if psf.ndim == 2 else moved, sizes, psf.spacing, here.shape, scale
    )
    return dataclasses.replace(here, error=error)
