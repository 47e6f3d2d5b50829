"""Profiles through a PSF's peak, with their full widths at half maximum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import ArrayLike

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.colours import AXIS_COLOURS
from napari_psf_distiller.figures.style import (
    AXIS_LINES,
    AXIS_MARKERS,
    MICROMETRES,
    label_axes,
    legend,
    one_pair_of_axes,
)
from napari_psf_distiller.measure.profiles import Profile, profile_width_text, profiles_of
from napari_psf_distiller.measure.widths import profile_spline

__all__ = ["draw_profiles"]

# The profiles are shown this many widths to either side: further out, they look flat.
WIDTHS_SHOWN = 3
# On a logarithmic scale, this part of the peak is the lowest that is shown.
LEAST_SHOWN = 1e-5
BAND_OPACITY = 0.25
# What stands beside each other in the legend: of its letters, as many on an inch, and beside each
# label a key that is as long as so many.
LETTERS_AN_INCH, LETTERS_A_KEY = 17, 5


def draw_profiles(
    figure: Figure,
    psf: ArrayLike,
    spacing: Sequence[float],
    *,
    errors: Sequence[float] | None = None,
    psf_error: ArrayLike | None = None,
    logarithmic: bool = False,
    unit: str = MICROMETRES,
    foreground: str = "black",
) -> None:
    """Draw the profiles through the PSF's peak, with their full widths at half maximum.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size in micrometres.
    errors : sequence of float, optional
        Standard errors of the widths in micrometres, one an axis; NaN where not known.
    psf_error : array_like, optional
        Standard errors of the voxels, of the PSF's shape; drawn as bands.
    logarithmic : bool
        Whether the intensity is, down to `LEAST_SHOWN` of the peak.
    unit : {"µm", "voxels"}
        What the spacing is in.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used.
    """
    array = check_image(psf, "The PSF")
    sizes = check_spacing(spacing, array.ndim)
    axes = one_pair_of_axes(figure, foreground)
    profiles = profiles_of(array, sizes, errors, psf_error)
    for profile in profiles:
        label = f"{profile.axis} {profile_width_text(profile, unit)}"
        _draw_profile(axes, profile, label, smooth=not logarithmic)
    axes.axhline(0.5, color=foreground, linewidth=0.8, linestyle=":")
    label_axes(axes, f"distance from the peak ({unit})", "intensity / peak", foreground)
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(LEAST_SHOWN, 2)
    else:
        axes.set_ylim(bottom=min(-0.03, axes.get_ylim()[0]), top=1.08)
        widths = [profile.width for profile in profiles]
        # On a linear scale there is nothing to see further out.
        if not any(map(math.isnan, widths)):
            axes.set_xlim(-WIDTHS_SHOWN * max(widths), WIDTHS_SHOWN * max(widths))
    # On the picture it would hide a curve, in one scale or the other.
    labels = axes.get_legend_handles_labels()[1]
    letters = sum(map(len, labels)) + LETTERS_A_KEY * len(labels)
    legend(
        axes,
        foreground,
        title="FWHM",
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=len(labels) if letters < LETTERS_AN_INCH * figure.get_figwidth() else 1,
        # Long enough to show what tells the lines apart.
        handlelength=2.2,
        columnspacing=1,
    )


def _draw_profile(axes: Axes, profile: Profile, label: str, *, smooth: bool) -> None:
    values, at = profile.values, int(profile.values.argmax())
    colour, line = AXIS_COLOURS[profile.axis], AXIS_LINES[profile.axis]
    if len(values) < 2:
        axes.plot(profile.positions, values / values[at], "o", color=colour, label=label)
        return
    spline = profile_spline(profile.positions, values)
    fine = np.linspace(
        float(profile.positions[0]), float(profile.positions[-1]), 20 * (len(values) - 1) + 1
    )
    curve = spline(fine)
    # The width is measured at half of the spline's maximum, so that is what counts as 1 here.
    step = profile.positions[1] - profile.positions[0]
    peak = float(curve[np.abs(fine) <= step * (1 + 1e-6)].max())
    # On a logarithmic scale a spline swings far below the voxels that it goes through.
    if smooth:
        axes.plot(fine, curve / peak, line, color=colour, linewidth=1.4, label=label)
    axes.plot(
        profile.positions,
        values / peak,
        linestyle="none" if smooth else line,
        linewidth=1.4,
        label=None if smooth else label,
        marker=AXIS_MARKERS[profile.axis],
        markersize=3,
        color=colour,
    )
    if profile.errors is not None:
        low, high = (values - profile.errors) / peak, (values + profile.errors) / peak
        axes.fill_between(
            profile.positions, low, high, color=colour, alpha=BAND_OPACITY, linewidth=0
        )
