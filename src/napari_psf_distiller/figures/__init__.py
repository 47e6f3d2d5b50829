"""Drawings of PSFs, beads and likelihoods, for the report and for the viewer's inspector.

Each function draws into a `matplotlib.figure.Figure` that is given to it, whatever its canvas, and
touches nothing else. Colours are set here and not taken from matplotlib's settings: the background
stays the figure's own, so that `foreground` can suit a white page or a dark viewer.
"""

from napari_psf_distiller.colours import NOT_USED, USED
from napari_psf_distiller.figures.comparison import draw_comparison
from napari_psf_distiller.figures.depth_profile import draw_depth_profile
from napari_psf_distiller.figures.field import draw_beads, draw_residual, fullest_plane
from napari_psf_distiller.figures.field_maps import (
    draw_field_map,
    draw_field_maps,
    field_map_names,
)
from napari_psf_distiller.figures.otf import draw_otf
from napari_psf_distiller.figures.profiles import draw_profiles
from napari_psf_distiller.figures.progress import draw_likelihood, draw_progress
from napari_psf_distiller.figures.projections import draw_projections
from napari_psf_distiller.figures.views import Intensity, draw_views
from napari_psf_distiller.wording import width_text

__all__ = [
    "NOT_USED",
    "USED",
    "Intensity",
    "draw_beads",
    "draw_comparison",
    "draw_depth_profile",
    "draw_field_map",
    "draw_field_maps",
    "draw_likelihood",
    "draw_otf",
    "draw_profiles",
    "draw_progress",
    "draw_projections",
    "draw_residual",
    "draw_views",
    "field_map_names",
    "fullest_plane",
    "width_text",
]
