"""The OTF of a PSF, with the frequencies that the optics pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.colours import AXIS_COLOURS, CUTOFF
from napari_psf_distiller.figures.style import (
    AXIS_LINES,
    MICROMETRES,
    SMALL,
    axes_at,
    label_axes,
    legend,
    plain,
)
from napari_psf_distiller.measure.otf import otf_lines, otf_section
from napari_psf_distiller.optics import Support

__all__ = ["draw_otf"]

# What lies below this part of the OTF's maximum is noise in any PSF that was measured.
LEAST_SHOWN = 1e-4
# In inches: what the letters take beside, below and above the drawings; and the upper one's part.
LEFT, RIGHT, LETTERS, LEGEND, RIM, UPPER = 0.62, 0.72, 0.4, 0.24, 0.08, 0.56


def draw_otf(
    figure: Figure,
    psf: ArrayLike,
    spacing: Sequence[float],
    *,
    support: Support | None = None,
    unit: str = MICROMETRES,
    foreground: str = "black",
) -> None:
    """Draw the OTF's magnitude, as a section and along its axes, both logarithmic.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    psf : array_like
        (Z, Y, X), of which the section ky = 0 is drawn, or (Y, X).
    spacing : sequence of float
        Voxel size in micrometres.
    support : Support, optional
        What the optics pass; its outline and cutoffs are drawn in.
    unit : {"µm", "voxels"}
        What the spacing is in.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The PSF or the spacing cannot be used.
    """
    section = otf_section(psf, spacing)
    lines = otf_lines(psf, spacing)
    names = AXES[-len(lines) :]
    figure.clear()
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    across = width - LEFT - RIGHT
    tall = (height - 2 * LETTERS - LEGEND - RIM) * UPPER
    above = axes_at(figure, LEFT, RIM, across, tall)
    under = RIM + tall + LETTERS + LEGEND
    below = axes_at(figure, LEFT, under, across, height - under - LETTERS)
    per = f"cycles/{unit.removesuffix('s')}"
    _draw_section(above, section.magnitude, section.down, section.across, foreground)
    label_axes(above, f"kx ({per})", f"k{names[0]} ({per})", foreground)
    _draw_colours(axes_at(figure, LEFT + across + 0.08, RIM, 0.12, tall), above, foreground)
    if support is not None:
        _outline(above, support, flat=len(lines) == 2)
    for name, (frequency, magnitude) in zip(names, lines, strict=True):
        below.plot(
            frequency,
            magnitude,
            color=AXIS_COLOURS[name],
            linestyle=AXIS_LINES[name],
            linewidth=1.4,
            label=f"k{name}",
        )
    last = max(float(frequency[-1]) for frequency, _ in lines)
    if support is not None and support.band.lateral <= last:
        below.axvline(
            support.band.lateral, color=CUTOFF, linewidth=1.3, linestyle="--", label="cutoff"
        )
    plain(below, foreground)
    below.set_yscale("log")
    below.set_ylim(LEAST_SHOWN, 1.5)
    below.set_xlim(0, last)
    below.yaxis.set_major_formatter(FuncFormatter(_plain_number))
    below.yaxis.set_minor_locator(NullLocator())
    label_axes(below, f"frequency ({per})", "|OTF|", foreground)
    legend(
        below,
        foreground,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        handlelength=1.8,
        columnspacing=1,
        borderaxespad=0.2,
    )


def _draw_section(
    axes: Axes,
    magnitude: NDArray[np.float64],
    down: NDArray[np.float64],
    across: NDArray[np.float64],
    foreground: str,
) -> None:
    steps = [(values[1] - values[0]) / 2 for values in (across, down)]
    axes.imshow(
        magnitude,
        cmap="inferno",
        norm=LogNorm(LEAST_SHOWN, 1, clip=True),
        extent=(
            across[0] - steps[0],
            across[-1] + steps[0],
            down[0] - steps[1],
            down[-1] + steps[1],
        ),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    plain(axes, foreground)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _outline(axes: Axes, support: Support, *, flat: bool) -> None:
    """Draw where the OTF's support ends; what lies beyond the sampling is cut off."""
    limits = axes.get_xlim(), axes.get_ylim()
    cutoff = support.band.lateral
    if flat:
        angle = np.linspace(0, 2 * np.pi, 361)
        edges = [(cutoff * np.cos(angle), cutoff * np.sin(angle))]
    else:
        lateral = np.linspace(-cutoff, cutoff, 401)
        # What nothing bounds is cut off by the drawing's own limits.
        height = np.minimum(support.axial_at(lateral), 10 * limits[1][1])
        edges = [(lateral, height), (lateral, -height)]
    for x, y in edges:
        axes.plot(x, y, color=CUTOFF, linewidth=1.3, linestyle="--")
    axes.set(xlim=limits[0], ylim=limits[1])


def _draw_colours(cell: Axes, section: Axes, foreground: str) -> None:
    colours = section.figure.colorbar(section.images[0], cax=cell, extend="min")
    cell.yaxis.set_major_locator(FixedLocator([1, 0.1, 0.01, 0.001, LEAST_SHOWN]))
    cell.yaxis.set_major_formatter(FuncFormatter(_plain_number))
    cell.yaxis.set_minor_locator(NullLocator())
    cell.tick_params(colors=foreground, labelsize=SMALL)
    colours.outline.set_edgecolor(foreground)


def _plain_number(value: float, _: int | None = None) -> str:
    return f"{value:g}"
