"""The likelihood's curve."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from napari_psf_distiller.colours import AXIS_COLOURS
from napari_psf_distiller.figures.style import NORMAL, SMALL, label_axes, one_pair_of_axes

__all__ = ["draw_likelihood"]


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
