"""A PSF's maximum projections with axes and numbers, for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, Locator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.figures.style import NORMAL, SMALL, label_axes, plain, scale_bar, span

__all__ = ["draw_projections"]

# An axis shorter than this part of the longest has room for one number only.
THIN = 0.3


def draw_projections(
    figure: Figure,
    psf: ArrayLike,
    spacing: Sequence[float],
    *,
    gamma: float = 1.0,
    vmax: float | None = None,
    colormap: str = "inferno",
    foreground: str = "black",
) -> None:
    """Draw the PSF's maximum projections along z, y and x at their physical aspect.

    The projection along z (xy) is at the top left, the one along x (zy) right of it, the one along
    y (xz) below it, all in micrometres from the centre n // 2 and with one range of intensity.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    psf : array_like
        (Z, Y, X), or (Y, X), which is drawn as it is.
    spacing : sequence of float
        Voxel size in micrometres.
    gamma : float
        Exponent of the intensity; below 1 it brings out what is dim.
    vmax : float, optional
        Intensity of the brightest colour, by default the PSF's maximum; the darkest is 0.
    colormap : str
        A matplotlib colormap's name.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used, or gamma or vmax is not positive.
    """
    array = check_image(psf, "The PSF")
    sizes = check_spacing(spacing, array.ndim)
    top = float(array.max()) if vmax is None else float(vmax)
    if not (math.isfinite(gamma) and gamma > 0):
        raise InputError(f"Gamma is {gamma}; it must be positive.")
    if not (math.isfinite(top) and top > 0):
        raise InputError(f"The intensity range ends at {top}; it must end above 0.")
    figure.clear()
    figure.set_layout_engine("compressed")
    norm = PowerNorm(gamma, vmin=0, vmax=top, clip=True)
    spans = dict(zip(AXES[-array.ndim :], map(span, array.shape, sizes), strict=True))
    length = {axis: high - low for axis, (low, high) in spans.items()}
    longest = max(length.values())

    def ticks(axis: str) -> Locator:
        if length[axis] < THIN * longest:
            return FixedLocator([0])
        return MaxNLocator(4, steps=[1, 2, 5, 10])

    def show(cell: SubplotSpec, values: NDArray[np.float32], down: str, across: str) -> AxesImage:
        axes = figure.add_subplot(cell)
        (left, right), (top_edge, bottom) = spans[across], spans[down]
        extent = (left, right, bottom, top_edge)
        image = axes.imshow(values, cmap=colormap, norm=norm, extent=extent, aspect="equal")
        plain(axes, foreground)
        axes.xaxis.set_major_locator(ticks(across))
        axes.yaxis.set_major_locator(ticks(down))
        label_axes(axes, f"{across} (µm)", f"{down} (µm)", foreground)
        return image

    if array.ndim == 2:
        image = show(figure.add_gridspec(1, 1)[0, 0], array, "y", "x")
        bar = image.axes.inset_axes((1.04, 0.0, 0.05, 1.0))
    else:
        grid = figure.add_gridspec(
            2,
            2,
            width_ratios=(length["x"], length["z"]),
            height_ratios=(length["y"], length["z"]),
        )
        image = show(grid[0, 0], array.max(axis=0), "y", "x")
        image.axes.set_xlabel("")
        image.axes.tick_params(labelbottom=False)
        side = show(grid[0, 1], array.max(axis=2).T, "y", "z")
        side.axes.set_ylabel("")
        side.axes.tick_params(labelleft=False)
        # Its labels hang into the empty corner and need no room between the rows.
        side.axes.xaxis.set_in_layout(False)
        show(grid[1, 0], array.max(axis=1), "z", "x")
        corner = figure.add_subplot(grid[1, 1])
        corner.set_axis_off()
        corner.set_box_aspect(1)
        bar = corner.inset_axes((0.1, 0.45, 0.75, 0.08))
        # In a small corner there is no room beneath those labels.
        bar.set_visible(length["z"] > longest / 2)
    scale_bar(image.axes, "white")
    colours = figure.colorbar(
        image,
        cax=bar,
        orientation="vertical" if array.ndim == 2 else "horizontal",
        extend="max" if array.max() > top else "neither",
        ticks=[0, top],
    )
    colours.set_ticklabels(["0", f"{top:.3g}"])
    colours.outline.set_edgecolor(foreground)
    bar.tick_params(colors=foreground, labelsize=SMALL)
    figure.suptitle(f"0 to {top:.3g}, gamma {gamma:g}", color=foreground, fontsize=NORMAL)
