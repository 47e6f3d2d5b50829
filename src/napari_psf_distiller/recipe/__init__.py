"""What a PSF was made with: every parameter, once, and where a result comes from."""

from napari_psf_distiller.recipe.recipe import (
    Camera,
    Deconvolve,
    Distill,
    FindBeads,
    Optics,
    PostProcess,
    Preprocess,
    Provenance,
    Recipe,
    Threshold,
)

__all__ = [
    "Camera",
    "Deconvolve",
    "Distill",
    "FindBeads",
    "Optics",
    "PostProcess",
    "Preprocess",
    "Provenance",
    "Recipe",
    "Threshold",
]
