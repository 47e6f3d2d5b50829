"""A PSF that is not finished yet, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.colours import AXIS_COLOURS
from napari_psf_distiller.figures.sheet import Sheet
from napari_psf_distiller.figures.views import Intensity, place_views

__all__ = ["draw_progress"]

# In inches: what the curve and its letters take below the pictures, and beside it.
CURVE, LETTERS, LEFT, RIGHT, HEAD = 1.0, 0.42, 0.62, 0.12, 0.24


def draw_progress(
    figure: Figure,
    psf: ArrayLike | None,
    spacing: Sequence[float],
    curve: Sequence[tuple[int, float]],
    *,
    gains: bool = True,
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
    sheet.text(sheet.width / 2, HEAD / 2, f"unfinished PSF, {iteration}", ha="center")
    # Known up to a constant only, and that constant is so large that it hides the differences.
    first = 0.0 if gains or len(curve) == 0 else curve[0][1]
    points = np.array([(i, value - first) for i, value in curve], float).reshape(-1, 2)
    place = LEFT, top, sheet.width - LEFT - RIGHT, CURVE
    sheet.curve(place, points, AXIS_COLOURS["x"], "log-likelihood", (5, 3))
    sheet.text(LEFT + place[2] / 2, sheet.height - 0.1, "iteration", ha="center")
