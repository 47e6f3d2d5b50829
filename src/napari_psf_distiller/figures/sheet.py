"""A figure as a sheet of paper: pictures, letters and bars at places in inches."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MaxNLocator
from matplotlib.transforms import Affine2D
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.figures.style import NORMAL, SMALL, axes_at

__all__ = ["Sheet"]

# In inches: the marks of a curve's axes, and what is left between them and their numbers. What is
# free about the points, as a part of their extent.
MARK, APART, AROUND = 0.04, 0.03, 0.05


class Sheet:
    """One pair of axes over a whole figure, in inches from its top left corner.

    To make axes takes longer than to draw a picture, and to seek a layout longer still; what is
    drawn while a hand moves has neither.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    foreground : str
        Colour of text and lines.

    Attributes
    ----------
    width, height : float
        Of the figure, in inches.
    """

    def __init__(self, figure: Figure, foreground: str) -> None:
        figure.clear()
        figure.set_layout_engine("none")
        self.width, self.height = map(float, figure.get_size_inches())
        self._foreground = foreground
        self._axes: Axes = axes_at(figure, 0, 0, self.width, self.height)
        self._axes.set(xlim=(0, self.width), ylim=(self.height, 0), autoscale_on=False)
        self._axes.set_axis_off()

    def picture(
        self,
        plane: ArrayLike,
        place: tuple[float, float, float, float],
        colours: str | Colormap,
        norm: Normalize,
    ) -> AxesImage:
        """Show an array at a place: left, top, width and height."""
        left, top, width, height = place
        return self._axes.imshow(
            plane,
            cmap=colours,
            norm=norm,
            extent=(left, left + width, top + height, top),
            aspect="auto",
            interpolation="nearest",
        )

    def text(self, x: float, y: float, text: str, **options: Any) -> None:
        """Write at a place; it begins there, and its middle is at that height."""
        own: dict[str, Any] = {
            "color": self._foreground,
            "fontsize": NORMAL,
            "ha": "left",
            "va": "center",
        }
        self._axes.text(x, y, text, **(own | options))

    def label(self, x: float, y: float, text: str) -> None:
        """Write into a picture's top left corner, readable on any colour."""
        self.text(
            x + 0.03,
            y + 0.03,
            text,
            color="white",
            va="top",
            bbox={"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 2},
        )

    def line(self, x: tuple[float, float], y: tuple[float, float], width: float) -> None:
        """Draw a line."""
        self._axes.plot(
            x, y, color=self._foreground, linewidth=width, solid_capstyle="butt", clip_on=False
        )

    def ramp(
        self,
        place: tuple[float, float, float, float],
        colours: str | Colormap,
        norm: Normalize,
        middle: str = "",
    ) -> None:
        """Draw a bar of colours, with what the first and the last of them stand for below it."""
        left, top, width, height = place
        self.picture(np.linspace(0, 1, 256)[None], place, colours, Normalize(0, 1))
        below: dict[str, Any] = {"va": "top", "fontsize": SMALL}
        assert isinstance(norm.vmin, float | int)
        assert isinstance(norm.vmax, float | int)
        foot = top + height + 0.03
        self.text(left, foot, f"{norm.vmin:.2g}", **below)
        self.text(left + width / 2, foot, middle, ha="center", **below)
        self.text(left + width, foot, f"{norm.vmax:.2g}", ha="right", **below)

    def curve(
        self,
        place: tuple[float, float, float, float],
        points: NDArray[np.float64],
        colour: str,
        label: str,
        marks: tuple[int, int],
    ) -> None:
        """Draw points joined by a line in a frame, with numbers beside it.

        Parameters
        ----------
        place : tuple of float
            The frame's left, top, width and height; the numbers are left of it and below.
        points : numpy.ndarray
            (points, 2): across, in whole numbers, and up.
        colour : str
            Of the line.
        label : str
            What it is called among the axes' lines.
        marks : (int, int)
            How many numbers each axis has at most.
        """
        left, top, width, height = place
        width, height = max(width, MARK), max(height, MARK)
        (low_x, high_x), (low_y, high_y) = (_limits(values) for values in points.T)
        # From the points' own units to inches on the sheet, whose ordinate points down.
        across, up = width / (high_x - low_x), height / (high_y - low_y)
        to_sheet = Affine2D().translate(-low_x, -high_y).scale(across, -up).translate(left, top)
        self._axes.add_patch(
            Rectangle(
                (left, top), width, height, fill=False, edgecolor=self._foreground, linewidth=0.8
            )
        )
        self._axes.plot(
            *points.T,
            color=colour,
            linewidth=1.4,
            marker="o",
            markersize=3,
            label=label,
            transform=to_sheet + self._axes.transData,
        )
        numbers = EngFormatter(sep="")
        foot = top + height
        for value in _within(low_x, high_x, MaxNLocator(marks[0], integer=True)):
            x = left + across * (value - low_x)
            self.line((x, x), (foot, foot + MARK), width=0.8)
            self.text(x, foot + MARK + APART, f"{value:g}", ha="center", va="top", fontsize=SMALL)
        for value in _within(low_y, high_y, MaxNLocator(marks[1])):
            y = top + up * (high_y - value)
            self.line((left - MARK, left), (y, y), width=0.8)
            self.text(left - MARK - APART, y, numbers(value), ha="right", fontsize=SMALL)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return where an axis begins and ends that shows some values, with a margin."""
    seen = values[np.isfinite(values)]
    if len(seen) == 0:
        return 0.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    margin = AROUND * (high - low)
    if margin == 0:
        # About a single value it begins and ends where it can be told from it.
        margin = max(0.5, 0.5 * abs(low))
    return low - margin, high + margin


def _within(low: float, high: float, locator: MaxNLocator) -> list[float]:
    """Return the round numbers between two limits."""
    return [float(value) for value in locator.tick_values(low, high) if low <= value <= high]
