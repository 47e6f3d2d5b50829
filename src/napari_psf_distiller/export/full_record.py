"""All that a PSF keeps with its voxels, for the formats that can hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_psf_distiller.io import StoredPSF

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["full_record"]


def full_record(psf: PSF) -> StoredPSF:
    """Return all that is known of a PSF, as it is stored."""
    functions = None if psf.model is None else psf.model.arrays()
    return StoredPSF(psf.array, psf.spacing, psf.recipe, psf.error, functions, psf.measured)
