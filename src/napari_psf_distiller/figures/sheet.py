"""A figure as a sheet of paper: pictures, letters and bars at places in inches."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from napari_psf_distiller.figures.style import NORMAL, SMALL, axes_at

__all__ = ["Sheet"]


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
