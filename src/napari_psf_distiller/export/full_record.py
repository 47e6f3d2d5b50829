"""All that a PSF keeps with its voxels, for the formats that can hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["full_record"]


def full_record(psf: PSF) -> dict[str, Any]:
    """Return what is known of a PSF besides its voxels, as keywords of `io.write_psf`."""
    return {
        "spacing": psf.spacing,
        "recipe": psf.recipe,
        "error": psf.error,
        "functions": None if psf.model is None else psf.model.arrays(),
        "measured": psf.measured,
    }
