"""Two PSFs side by side, and their difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.figures.sheet import Sheet
from napari_psf_distiller.figures.style import MICROMETRES
from napari_psf_distiller.figures.views import LABELLED, Intensity
from napari_psf_distiller.measure.comparison import Comparison

__all__ = ["comparison_size", "draw_comparison"]

# Blue is less and red is more: told apart by the colour-blind, and white is none.
COLOURS, DIFFERENCE_COLOURS = "inferno", "RdBu_r"
# In inches: between and beside the pictures, above and below them.
GAP, MARGIN, HEAD, FOOT = 0.05, 0.06, 0.44, 0.62
# Of the letters of the titles, as many stand beside each other.
LETTERS_AN_INCH = 13


def draw_comparison(
    figure: Figure,
    comparison: Comparison,
    spacing: Sequence[float],
    *,
    names: tuple[str, str] = ("first", "second"),
    intensity: Intensity | None = None,
    unit: str = MICROMETRES,
    foreground: str = "black",
) -> None:
    """Draw the middle planes of two PSFs and of their difference.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    comparison : Comparison
    spacing : sequence of float
        Voxel size of both in micrometres.
    names : (str, str)
        What stands above them.
    intensity : Intensity, optional
        Of the two, both from 0 to the larger of their maxima by default.
    unit : {"µm", "voxels"}
        What the spacing is in.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The spacing or the intensity cannot be used.
    """
    first, second, difference = comparison.first, comparison.second, comparison.difference
    sizes = check_spacing(spacing, first.ndim)
    shown = intensity or Intensity()
    norm = shown.norm(max(float(first.max()), float(second.max())))
    farthest = float(np.abs(difference).max())
    signed = Normalize(-farthest or -1.0, farthest or 1.0)
    sheet = Sheet(figure, foreground)
    across = [n * size for n, size in zip(first.shape, sizes, strict=True)]
    # Of each picture in a column: the axis that is cut, its name, and its height.
    cuts: list[tuple[str, int | None, float]] = [("xy", None, across[-2])]
    if first.ndim == 3:
        cuts = [("xy", 0, across[1]), ("xz", 1, across[0])]
    gaps = GAP * (len(cuts) - 1)
    high = sum(height for *_, height in cuts)
    scale = min(
        (sheet.width - 2 * MARGIN - 2 * GAP) / (3 * across[-1]),
        (sheet.height - HEAD - FOOT - gaps) / high,
    )
    wide = scale * across[-1]
    left = (sheet.width - 3 * wide - 2 * GAP) / 2
    top = HEAD + (sheet.height - HEAD - FOOT - gaps - scale * high) / 2
    sheet.text(
        sheet.width / 2,
        top - HEAD + 0.1,
        f"relative L2 difference {comparison.relative_l2:.3g}, "
        f"correlation {comparison.correlation:.4f}",
        ha="center",
    )
    columns = (
        (_short(names[0], wide), first, COLOURS, norm),
        (_short(names[1], wide), second, COLOURS, norm),
        ("difference", difference, DIFFERENCE_COLOURS, signed),
    )
    for column, (title, array, colours, shown_as) in enumerate(columns):
        begin, below = left + column * (wide + GAP), top
        sheet.text(begin + wide / 2, top - 0.1, title, ha="center")
        for name, axis, height in cuts:
            plane = array if axis is None else array.take(array.shape[axis] // 2, axis)
            sheet.picture(plane, (begin, below, wide, scale * height), colours, shown_as)
            if column == 0 and scale * height > LABELLED:
                sheet.label(begin, below, name)
            below += scale * height + GAP
    foot = below + 0.02
    sheet.ramp((left, foot, 2 * wide + GAP, 0.1), COLOURS, norm, f"gamma {shown.gamma:g}")
    sheet.ramp((begin, foot, wide, 0.1), DIFFERENCE_COLOURS, signed)
    sheet.text(
        sheet.width / 2, foot + 0.38, f"central slices, {across[-1]:.3g} {unit} wide", ha="center"
    )


def comparison_size(
    shape: Sequence[int], spacing: Sequence[float], width: float = 6.0
) -> tuple[float, float]:
    """Return the width and height in inches of a page that `draw_comparison` fills with two PSFs.

    Parameters
    ----------
    shape : sequence of int
        Of both.
    spacing : sequence of float
        Voxel size.
    width : float
        In inches.

    Examples
    --------
    >>> comparison_size((41, 41), (0.1, 0.1))
    (6.0, 2.99)
    """
    across = [n * size for n, size in zip(shape, spacing, strict=True)]
    scale = (width - 2 * MARGIN - 2 * GAP) / (3 * across[-1])
    # Planes along x and y, and of a stack along x and z below them.
    high = scale * sum(across[:-1]) + GAP * (len(shape) - 2)
    return width, round(high + HEAD + FOOT, 2)


def _short(name: str, inches: float) -> str:
    """Return a name that fits above a narrow picture: its end tells layers apart."""
    longest = max(6, int(LETTERS_AN_INCH * inches))
    return name if len(name) <= longest else f"…{name[-longest + 1 :]}"
