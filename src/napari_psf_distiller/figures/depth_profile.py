"""How wide a PSF is in each depth, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from napari_psf_distiller.colours import AXIS_COLOURS
from napari_psf_distiller.figures.style import (
    AXIS_MARKERS,
    label_axes,
    legend,
    one_pair_of_axes,
)

if TYPE_CHECKING:
    from napari_psf_distiller.psf.depth_profile import DepthProfile

__all__ = ["draw_depth_profile"]

# Opacity of the bands of the errors, and of the grey where there are no beads.
BAND_OPACITY, BEYOND_OPACITY = 0.25, 0.15


def draw_depth_profile(figure: Figure, profile: DepthProfile, *, foreground: str = "black") -> None:
    """Draw the full widths at half maximum in each depth, with bands of 1.96 standard errors.

    Grey: above and below all beads, where they are extrapolated.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    profile : DepthProfile
        See `PSF.depth_profile`.
    foreground : str
        Colour of text and lines.
    """
    axes = one_pair_of_axes(figure, foreground)
    for axis, width in profile.widths.items():
        axes.plot(
            profile.depths,
            1000 * width,
            color=AXIS_COLOURS[axis],
            marker=AXIS_MARKERS[axis],
            markersize=3,
            linewidth=1.2,
            label=axis,
        )
        error = 1.96 * np.nan_to_num(profile.errors[axis])
        axes.fill_between(
            profile.depths,
            1000 * (width - error),
            1000 * (width + error),
            color=AXIS_COLOURS[axis],
            alpha=BAND_OPACITY,
            linewidth=0,
        )
    low, high = axes.get_xlim()
    if profile.covered.any():
        first, last = profile.depths[profile.covered][[0, -1]]
        for edges in ((low, first), (last, high)):
            axes.axvspan(*edges, color=foreground, alpha=BEYOND_OPACITY, linewidth=0)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    label_axes(axes, "depth from the first plane (µm)", "FWHM (nm)", foreground)
    legend(axes, foreground, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
