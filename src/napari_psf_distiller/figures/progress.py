"""A PSF that is not finished yet, how far it has come, and the likelihood's curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.colours import AXIS_COLOURS
from napari_psf_distiller.figures.sheet import Sheet
from napari_psf_distiller.figures.style import NORMAL, SMALL, label_axes, one_pair_of_axes
from napari_psf_distiller.figures.views import Intensity, place_views

__all__ = ["draw_likelihood", "draw_progress"]

# In inches: what the curve and its letters take below the pictures, and beside it.
CURVE, LETTERS, LEFT, RIGHT, HEAD = 1.0, 0.42, 0.62, 0.12, 0.24


def draw_progress(
    figure: Figure,
    psf: ArrayLike | None,
    spacing: Sequence[float],
    curve: Sequence[tuple[int, float]],
    *,
    gains: bool = True,
    finished: bool = False,
    gamma: float = 0.6,
    foreground: str = "black",
) -> None:
    """Draw the maximum projections of an unfinished PSF above the likelihood's curve.

    It is drawn several times a second, so that it takes little time: no layout is sought.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    psf : array_like or None
        (Z, Y, X) or (Y, X); None or without light, there is the curve only.
    spacing : sequence of float
        Voxel size in micrometres.
    curve : sequence of (int, float)
        Iteration and log-likelihood.
    gains : bool
        Whether these are gains over the start already, as those of the joint fit.
    finished : bool
        Whether there is nothing more to come.
    gamma : float
        Exponent of the intensity.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used.
    """
    sheet = Sheet(figure, foreground)
    if psf is not None:
        array = check_image(psf, "The PSF", constant=True)
        sizes = check_spacing(spacing, array.ndim)
        maximum = float(array.max())
        if maximum > 0:
            rims = HEAD, CURVE + LETTERS + 0.2
            norm = Intensity(gamma=gamma).norm(maximum)
            place_views(sheet, array, sizes, "maximum projections", norm, "inferno", rims)
    iteration = f"iteration {curve[-1][0]}" if len(curve) else "not begun"
    top = sheet.height - LETTERS - CURVE
    sheet.text(0.1, top + CURVE / 2, "log-likelihood gained", ha="center", rotation=90)
    title = f"last shown at {iteration}" if finished else f"unfinished PSF, {iteration}"
    sheet.text(sheet.width / 2, HEAD / 2, title, ha="center")
    # Known up to a constant only, and that constant is so large that it hides the differences.
    first = 0.0 if gains or len(curve) == 0 else curve[0][1]
    points = np.array([(i, value - first) for i, value in curve], float).reshape(-1, 2)
    place = LEFT, top, sheet.width - LEFT - RIGHT, CURVE
    sheet.curve(place, points, AXIS_COLOURS["x"], "log-likelihood", (5, 3))
    sheet.text(LEFT + place[2] / 2, sheet.height - 0.1, "iteration", ha="center")


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
    axes = one_pair_of_axes(figure, foreground)
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
    label = (
        "gain in log-likelihood over the start"
        if gains
        else f"log-likelihood gained since iteration {first[0]}"
    )
    label_axes(axes, "iteration", label, foreground)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.get_offset_text().set(color=foreground, fontsize=SMALL)
