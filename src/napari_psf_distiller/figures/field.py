"""A field of beads and what a model leaves of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.beads import centres_of
from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.colours import NOT_USED, USED
from napari_psf_distiller.figures.style import (
    SMALL,
    label_axes,
    legend,
    one_pair_of_axes,
    scale_bar,
)

__all__ = ["draw_beads", "draw_residual", "fullest_plane"]

# A residual is shown to so many of its own standard deviations: what a model leaves stands out.
DEVIATIONS_SHOWN = 5


def draw_beads(
    figure: Figure,
    image: ArrayLike,
    beads: pd.DataFrame,
    spacing: Sequence[float],
    *,
    foreground: str = "black",
) -> None:
    """Draw the image's maximum projection along z with the beads that were found.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    image : array_like
        (Z, Y, X) or (Y, X).
    beads : pandas.DataFrame
        See `find_beads`; without a column ``used`` all count as used.
    spacing : sequence of float
        Voxel size in micrometres.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The image or the spacing cannot be used.
    """
    array = check_image(image)
    sizes = check_spacing(spacing, array.ndim)[-2:]
    flat = array.max(axis=0) if array.ndim == 3 else array
    norm = PowerNorm(0.5, vmin=float(flat.min()), vmax=float(flat.max()), clip=True)
    image_drawn = _draw_plane(figure, flat, beads, sizes, "gray", norm, foreground)
    scale_bar(image_drawn.axes, "white")


def fullest_plane(beads: pd.DataFrame, planes: int) -> int:
    """Return in which plane of an image most of the used beads have their centre."""
    if planes == 1:
        return 0
    depths = beads.loc[beads["used"], "z"].to_numpy(dtype=float)
    nearest = np.clip(np.floor(depths + 0.5).astype(int), 0, planes - 1)
    return int(np.bincount(nearest, minlength=planes).argmax())


def draw_residual(
    figure: Figure,
    residual: ArrayLike,
    beads: pd.DataFrame,
    spacing: Sequence[float],
    *,
    foreground: str = "black",
) -> None:
    """Draw what a model leaves of the image, in the plane with most of the used beads.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    residual : array_like
        (Z, Y, X) or (Y, X).
    beads : pandas.DataFrame
        With their centres and ``used``.
    spacing : sequence of float
        Voxel size in micrometres.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The residual or the spacing cannot be used.
    """
    array = check_image(residual, "The residual", constant=True)
    sizes = check_spacing(spacing, array.ndim)[-2:]
    planes = array if array.ndim == 3 else array[None]
    plane = planes[fullest_plane(beads, len(planes))]
    # The median of the magnitudes is 0.6745 standard deviations of a normal distribution; it does
    # not grow with the few voxels that the model fails.
    top = DEVIATIONS_SHOWN * float(np.median(np.abs(plane))) / 0.6745
    top = top or float(np.abs(plane).max()) or 1.0
    image = _draw_plane(figure, plane, beads, sizes, "RdBu_r", Normalize(-top, top), foreground)
    scale_bar(image.axes, "black")
    colours = figure.colorbar(image, ax=image.axes, extend="both", shrink=0.7)
    colours.outline.set_edgecolor(foreground)
    colours.ax.tick_params(colors=foreground, labelsize=SMALL)


def _draw_plane(
    figure: Figure,
    plane: NDArray[np.float32],
    beads: pd.DataFrame,
    sizes: Sequence[float],
    colormap: str,
    norm: Normalize,
    foreground: str,
) -> AxesImage:
    """Draw a plane in micrometres from its first pixel, with the beads marked in it."""
    axes = one_pair_of_axes(figure, foreground)
    (height, width), (dy, dx) = plane.shape, sizes
    image = axes.imshow(
        plane,
        cmap=colormap,
        norm=norm,
        extent=(-0.5 * dx, (width - 0.5) * dx, (height - 0.5) * dy, -0.5 * dy),
        aspect="equal",
    )
    label_axes(axes, "x (µm)", "y (µm)", foreground)
    _mark_beads(axes, beads, sizes, foreground)
    return image


def _mark_beads(axes: Axes, beads: pd.DataFrame, sizes: Sequence[float], foreground: str) -> None:
    """Mark the beads in a picture of a plane, those that are used and the others."""
    used = beads["used"].to_numpy(dtype=bool) if "used" in beads else np.ones(len(beads), bool)
    y, x = (centres_of(beads)[:, -2:] * sizes).T
    axes.scatter(
        x[used],
        y[used],
        s=60,
        marker="o",
        facecolors="none",
        edgecolors=USED,
        linewidths=1.2,
        label=f"used: {int(used.sum())}",
    )
    axes.scatter(
        x[~used],
        y[~used],
        s=36,
        marker="x",
        c=NOT_USED,
        linewidths=1.4,
        label=f"not used: {int((~used).sum())}",
    )
    # Above the picture: on it, it would hide beads.
    legend(axes, foreground, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
