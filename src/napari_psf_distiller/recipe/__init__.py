"""What a PSF was made with: every parameter, declared once, and where a result comes from."""

from napari_psf_distiller.recipe.deconvolve import Deconvolve
from napari_psf_distiller.recipe.distill import Distill, JointFit, PostProcess, RichardsonLucy
from napari_psf_distiller.recipe.find_beads import (
    FindBeads,
    MatchedFilter,
    Preprocess,
    Threshold,
    ThresholdedObjects,
)
from napari_psf_distiller.recipe.microscope import Camera, Optics
from napari_psf_distiller.recipe.provenance import Provenance
from napari_psf_distiller.recipe.recipe import FINDING, PLACES, Recipe

__all__ = [
    "FINDING",
    "PLACES",
    "Camera",
    "Deconvolve",
    "Distill",
    "FindBeads",
    "JointFit",
    "MatchedFilter",
    "Optics",
    "PostProcess",
    "Preprocess",
    "Provenance",
    "Recipe",
    "RichardsonLucy",
    "Threshold",
    "ThresholdedObjects",
]
