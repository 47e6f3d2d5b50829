"""Drawings of PSFs, beads and likelihoods, for the report and for the viewer's inspector.

Each function draws into a `matplotlib.figure.Figure` that is given to it, whatever its canvas, and
touches nothing else. Colours are set here and not taken from matplotlib's settings: the background
stays the figure's own, so that `foreground` can suit a white page or a dark viewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, Locator, MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps.beads import AXES, centres_of
from napari_psf_distiller.steps.psf import fwhm, peak_profiles
from napari_psf_distiller.wording import width_text

__all__ = [
    "draw_beads",
    "draw_likelihood",
    "draw_profiles",
    "draw_projections",
    "draw_residual",
    "fullest_plane",
    "width_text",
    "widths_text",
]

SMALL, NORMAL = 7.0, 8.0
# Okabe and Ito's colours, told apart by colour-blind readers too, and on white as on dark grey.
AXIS_COLOURS = {"z": "#D55E00", "y": "#009E73", "x": "#3391D6"}
USED, NOT_USED = "#56B4E9", "#E69F00"
# An axis shorter than this part of the longest has room for one number only.
THIN = 0.3
# The profiles are shown this many widths to either side: further out, they look flat.
WIDTHS_SHOWN = 3
AXIS_MARKERS = {"z": "s", "y": "^", "x": "o"}
# A residual is shown to so many of its own standard deviations: what a model leaves stands out.
DEVIATIONS_SHOWN = 5


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
    spans = dict(zip(AXES[-array.ndim :], map(_span, array.shape, sizes), strict=True))
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
        _plain(axes, foreground)
        axes.xaxis.set_major_locator(ticks(across))
        axes.yaxis.set_major_locator(ticks(down))
        axes.set_xlabel(f"{across} (µm)", color=foreground, fontsize=NORMAL)
        axes.set_ylabel(f"{down} (µm)", color=foreground, fontsize=NORMAL)
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


def draw_profiles(
    figure: Figure, psf: ArrayLike, spacing: Sequence[float], *, foreground: str = "black"
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
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used.
    """
    array = check_image(psf, "The PSF")
    sizes = check_spacing(spacing, array.ndim)
    figure.clear()
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    _plain(axes, foreground)
    widths = fwhm(array, sizes)
    for name, profile, size, width in zip(
        AXES[-array.ndim :], peak_profiles(array), sizes, widths, strict=True
    ):
        _draw_profile(axes, profile.astype(np.float64), size, name, width)
    axes.axhline(0.5, color=foreground, linewidth=0.8, linestyle=":")
    axes.set_xlabel("distance from the peak (µm)", color=foreground, fontsize=NORMAL)
    axes.set_ylabel("intensity / peak", color=foreground, fontsize=NORMAL)
    axes.set_ylim(bottom=min(-0.03, axes.get_ylim()[0]), top=1.08)
    if not any(map(math.isnan, widths)):
        axes.set_xlim(-WIDTHS_SHOWN * max(widths), WIDTHS_SHOWN * max(widths))
    _legend(axes, foreground, title="FWHM")


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
    figure.clear()
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    (height, width), (dy, dx) = flat.shape, sizes
    axes.imshow(
        flat,
        cmap="gray",
        norm=PowerNorm(0.5, vmin=float(flat.min()), vmax=float(flat.max()), clip=True),
        extent=(-0.5 * dx, (width - 0.5) * dx, (height - 0.5) * dy, -0.5 * dy),
        aspect="equal",
    )
    _plain(axes, foreground)
    axes.set_xlabel("x (µm)", color=foreground, fontsize=NORMAL)
    axes.set_ylabel("y (µm)", color=foreground, fontsize=NORMAL)
    _mark_beads(axes, beads, sizes, foreground)


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
    figure.clear()
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    (height, width), (dy, dx) = plane.shape, sizes
    image = axes.imshow(
        plane,
        cmap="RdBu_r",
        norm=Normalize(-top, top),
        extent=(-0.5 * dx, (width - 0.5) * dx, (height - 0.5) * dy, -0.5 * dy),
        aspect="equal",
    )
    _plain(axes, foreground)
    axes.set_xlabel("x (µm)", color=foreground, fontsize=NORMAL)
    axes.set_ylabel("y (µm)", color=foreground, fontsize=NORMAL)
    _mark_beads(axes, beads, sizes, foreground)
    colours = figure.colorbar(image, ax=axes, extend="both", shrink=0.7)
    colours.outline.set_edgecolor(foreground)
    colours.ax.tick_params(colors=foreground, labelsize=SMALL)


def draw_likelihood(
    figure: Figure,
    curve: Sequence[tuple[int, float]],
    *,
    gains: bool = False,
    foreground: str = "black",
) -> None:
    """Draw the log-likelihood, as its gain since the first one, against the iteration.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    curve : sequence of (int, float)
        Iteration and log-likelihood; of an empty one the drawing says that there is none.
    gains : bool
        Whether the values are gains over the start already, as those of the joint fit.
    foreground : str
        Colour of text and lines.
    """
    figure.clear()
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    _plain(axes, foreground)
    if len(curve) == 0:
        axes.set_axis_off()
        axes.text(
            0.5,
            0.5,
            "The likelihood was not computed.",
            ha="center",
            color=foreground,
            fontsize=NORMAL,
            transform=axes.transAxes,
        )
        return
    # Known up to a constant only, and that constant is so large that it hides the differences.
    first = (0, 0.0) if gains else curve[0]
    points = [first, *curve] if gains else curve
    iterations = [iteration for iteration, _ in points]
    gained = [value - first[1] for _, value in points]
    axes.plot(iterations, gained, color=AXIS_COLOURS["x"], linewidth=1.2, marker="o", markersize=3)
    axes.set_xlabel("iteration", color=foreground, fontsize=NORMAL)
    label = (
        "gain in log-likelihood over the start"
        if gains
        else f"log-likelihood gained since iteration {first[0]}"
    )
    axes.set_ylabel(label, color=foreground, fontsize=NORMAL)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.get_offset_text().set(color=foreground, fontsize=SMALL)


def widths_text(psf: ArrayLike, spacing: Sequence[float] | None) -> str:
    """Return the FWHM along each axis as a line of text, or that the voxel size is missing.

    Parameters
    ----------
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float or None
        Voxel size in micrometres.
    """
    if spacing is None:
        return "FWHM unknown: the layer has no voxel size"
    widths = fwhm(psf, spacing)
    axes = AXES[-len(widths) :]
    return "FWHM " + ", ".join(
        f"{axis} {width_text(width)}" for axis, width in zip(axes, widths, strict=True)
    )


def _span(n: int, size: float) -> tuple[float, float]:
    """Return where an axis of n voxels begins and ends, in micrometres from voxel n // 2."""
    return (-(n // 2) - 0.5) * size, (n - n // 2 - 0.5) * size


def _draw_profile(
    axes: Axes, profile: NDArray[np.float64], size: float, name: str, width: float
) -> None:
    at = int(profile.argmax())
    voxels = np.arange(len(profile))
    colour, label = AXIS_COLOURS[name], f"{name} {width_text(width)}"
    if len(profile) < 2:
        axes.plot((voxels - at) * size, profile / profile[at], "o", color=colour, label=label)
        return
    spline = CubicSpline(voxels, profile)
    fine = np.linspace(0, len(profile) - 1, 20 * (len(profile) - 1) + 1)
    curve = spline(fine)
    # The width is measured at half of the spline's maximum, so that is what counts as 1 here.
    peak = float(curve[np.abs(fine - at) <= 1].max())
    axes.plot((fine - at) * size, curve / peak, color=colour, linewidth=1.2, label=label)
    axes.plot(
        (voxels - at) * size,
        profile / peak,
        linestyle="none",
        marker=AXIS_MARKERS[name],
        markersize=3,
        color=colour,
    )


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
    _legend(axes, foreground, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _plain(axes: Axes, foreground: str) -> None:
    """Give axes the foreground's colour and the figure's background."""
    axes.set_facecolor("none")
    axes.tick_params(colors=foreground, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_edgecolor(foreground)


def _legend(axes: Axes, foreground: str, **options: Any) -> None:
    legend = axes.legend(
        frameon=False, fontsize=SMALL, title_fontsize=SMALL, labelcolor=foreground, **options
    )
    legend.get_title().set_color(foreground)
