"""What the drawings share: letters, colours, the frame and the legend."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from napari_psf_distiller.measure.profiles import VOXELS
from napari_psf_distiller.typed_numbers import MICROMETRES

__all__ = [
    "AXIS_LINES",
    "AXIS_MARKERS",
    "MICROMETRES",
    "NORMAL",
    "SMALL",
    "VOXELS",
    "axes_at",
    "label_axes",
    "legend",
    "one_pair_of_axes",
    "plain",
    "round_length",
    "scale_bar",
    "span",
]

SMALL, NORMAL = 7.0, 8.0
AXIS_MARKERS = {"z": "s", "y": "^", "x": "o"}
# Where y and x are alike, as of a round PSF, the one shows through the gaps of the other.
AXIS_LINES = {"z": "-", "y": "--", "x": ":"}
# A scale bar takes up to this part of a picture's width.
LONGEST_BAR = 0.3


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches from the figure's top left corner.

    Seeking a layout takes longer than all of the drawing, so what is drawn often is placed.
    """
    wide, high = figure.get_size_inches()
    least = 0.01
    box = (
        left / wide,
        1 - (top + height) / high,
        max(width, least) / wide,
        max(height, least) / high,
    )
    return figure.add_axes(box)


def one_pair_of_axes(figure: Figure, foreground: str) -> Axes:
    """Clear a figure and give it one pair of axes, whose letters are within it."""
    figure.clear()
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    plain(axes, foreground)
    return axes


def plain(axes: Axes, foreground: str) -> None:
    """Give axes the foreground's colour and the figure's background."""
    axes.set_facecolor("none")
    axes.tick_params(colors=foreground, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_edgecolor(foreground)


def label_axes(axes: Axes, across: str, up: str, foreground: str) -> None:
    """Say what the axes are."""
    axes.set_xlabel(across, color=foreground, fontsize=NORMAL)
    axes.set_ylabel(up, color=foreground, fontsize=NORMAL)


def legend(axes: Axes, foreground: str, **options: Any) -> None:
    """Add a legend without a frame, in the foreground's colour."""
    made = axes.legend(
        frameon=False, fontsize=SMALL, title_fontsize=SMALL, labelcolor=foreground, **options
    )
    made.get_title().set_color(foreground)


def span(n: int, size: float) -> tuple[float, float]:
    """Return where an axis of n voxels begins and ends, as a length from voxel n // 2."""
    return (-(n // 2) - 0.5) * size, (n - n // 2 - 0.5) * size


def round_length(longest: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is no longer than this.

    Examples
    --------
    >>> round_length(0.7), round_length(2.0), round_length(49.0)
    (0.5, 2.0, 20.0)
    """
    power = 10.0 ** math.floor(math.log10(longest))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= longest * (1 + 1e-9))


def scale_bar(axes: Axes, colour: str) -> None:
    """Draw a bar of a round length with its length beneath, in a picture's lower right corner.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Of a picture whose coordinates are micrometres.
    colour : str
    """
    left, right = sorted(axes.get_xlim())
    length = round_length(LONGEST_BAR * (right - left))
    end, height = 0.96, 0.085
    start = end - length / (right - left)
    # It is seen on a picture of any brightness.
    edge = [withStroke(linewidth=4, foreground="black" if colour == "white" else "white")]
    axes.plot(
        (start, end),
        (height, height),
        transform=axes.transAxes,
        color=colour,
        linewidth=2,
        solid_capstyle="butt",
        scalex=False,
        scaley=False,
        path_effects=edge,
    )
    axes.text(
        (start + end) / 2,
        height - 0.015,
        f"{length:g} µm",
        transform=axes.transAxes,
        color=colour,
        fontsize=SMALL,
        ha="center",
        va="top",
        path_effects=edge,
    )
