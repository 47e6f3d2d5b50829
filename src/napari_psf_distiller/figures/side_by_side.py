"""Images of one region side by side, to compare them by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_psf_distiller.figures.sheet import Sheet
from napari_psf_distiller.figures.style import MICROMETRES, SMALL, VOXELS

__all__ = ["draw_side_by_side", "side_by_side_size"]

COLOURS = "gray"

# Inches: around all, between pictures, of a heading, and of a picture's width.
MARGIN, GAP, HEAD, FOOT, WIDE = 0.15, 0.08, 0.42, 0.25, 2.4

# Each image is shown up to this percentile of its projection: one bright bead does not leave it
# dark.
BRIGHTEST = 99.7


def side_by_side_size(
    images: Mapping[str, NDArray[np.float32]], spacing: Sequence[float] | None
) -> tuple[float, float]:
    """Return the width and height in inches of a figure that images fit in; see below."""
    first = next(iter(images.values()))
    sizes = spacing or (1.0,) * first.ndim
    high = sum(n * size for n, size in zip(first.shape[:-1], sizes, strict=False))
    wide = first.shape[-1] * sizes[-1]
    gaps = GAP * (first.ndim - 2)
    return (
        2 * MARGIN + len(images) * WIDE + (len(images) - 1) * GAP,
        HEAD + FOOT + gaps + WIDE * high / wide,
    )


def draw_side_by_side(
    figure: Figure,
    images: Mapping[str, NDArray[np.float32]],
    spacing: Sequence[float] | None = None,
    *,
    foreground: str = "black",
) -> None:
    """Draw maximum projections of images in a row, of each along z and below it along y.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first; of `side_by_side_size`.
    images : mapping of str to numpy.ndarray
        (Z, Y, X) or (Y, X), of one shape, by what stands above them. A comma begins a new line.
    spacing : sequence of float, optional
        Voxel size in micrometres.
    foreground : str
        Colour of text.
    """
    sheet = Sheet(figure, foreground)
    first = next(iter(images.values()))
    sizes = spacing or (1.0,) * first.ndim
    scale = WIDE / (first.shape[-1] * sizes[-1])
    unit = VOXELS if spacing is None else MICROMETRES
    for n, (name, image) in enumerate(images.items()):
        left, top = MARGIN + n * (WIDE + GAP), HEAD
        for row, line in enumerate(name.split(", ", 1)):
            sheet.text(left + WIDE / 2, 0.12 + 0.15 * row, line, ha="center")
        planes = [(image, sizes[0])]
        if image.ndim == 3:
            planes = [(image.max(0), sizes[1]), (image.max(1), sizes[0])]
        shown = planes[0][0]
        limits = Normalize(float(shown.min()), float(np.percentile(shown, BRIGHTEST)))
        for plane, size in planes:
            high = scale * plane.shape[0] * size
            sheet.picture(plane, (left, top, WIDE, high), COLOURS, limits)
            top += high + GAP
    sheet.text(
        MARGIN,
        sheet.height - 0.12,
        f"maximum projections, {first.shape[-1] * sizes[-1]:.3g} {unit} wide, each image from its "
        f"darkest pixel to the {BRIGHTEST} % percentile",
        fontsize=SMALL,
    )
