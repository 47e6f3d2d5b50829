"""Maps of a PSF over the field of view, as pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from napari_psf_distiller.beads import centres_of
from napari_psf_distiller.figures.style import NORMAL, SMALL, label_axes, plain

if TYPE_CHECKING:
    from napari_psf_distiller.psf.angular_orders import OrderMap
    from napari_psf_distiller.psf.field_maps import FieldMaps

__all__ = ["draw_field_map", "draw_field_maps", "field_map_names"]

Floats = NDArray[np.float64]

# Pictures beside one another.
MOST_COLUMNS = 3

# An order weaker than this part of the PSF at each place has no picture of its own.
LEAST_STRENGTH = 0.02

# A map that is flat is shown between this part of it below and above.
FLAT = 0.01

# Of a place's part of the picture, how long the lines that tell a direction are where an order is
# strongest; and a head of an arrow, of its line.
LONGEST, HEAD = 0.85, 0.3

# Colours that grow brighter evenly, for colour-blind readers too, and one that is seen on all of
# them.
COLOURS, ON_COLOURS = "cividis", "white"


class _Picture(NamedTuple):
    """A map with its name, and how what lies on it is drawn."""

    name: str
    title: str
    values: Floats
    marks: Callable[[Axes], None] | None = None


def draw_field_maps(
    figure: Figure,
    maps: FieldMaps,
    beads: pd.DataFrame | None = None,
    *,
    compared: FieldMaps | None = None,
    foreground: str = "black",
) -> None:
    """Draw maps of a PSF over the field of view, each with its colours and its unit.

    Widths come first, then the focus where it is known, then the angular orders with their
    directions: an arrow along the tail of coma, a line along the long axis of astigmatism, legs of
    trefoil and quatrefoil. Places beyond the outermost beads are hatched.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    maps : FieldMaps
        See `PSF.field_maps`.
    beads : pandas.DataFrame, optional
        With centres in voxels, and ``used``: the used ones are marked.
    compared : FieldMaps, optional
        Maps that are drawn elsewhere, such as of another day: each colour then stands for the same
        value in both.
    foreground : str
        Colour of text and lines.
    """
    pictures = _pictures(maps)
    others = {} if compared is None else {one.name: one.values for one in _pictures(compared)}
    figure.clear()
    figure.set_layout_engine("constrained")
    columns = min(MOST_COLUMNS, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    for number, picture in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, number + 1)
        norm = _norm(picture.values, others.get(picture.name))
        _draw(figure, axes, picture, norm, maps, beads, foreground)
        # Letters once for all pictures of a column or a row.
        label_axes(
            axes,
            "x (µm)" if number + columns >= len(pictures) else "",
            "y (µm)" if number % columns == 0 else "",
            foreground,
        )


def field_map_names(maps: FieldMaps) -> tuple[str, ...]:
    """Return what the maps that are drawn are called, in their order; see `draw_field_map`."""
    return tuple(picture.name for picture in _pictures(maps))


def draw_field_map(
    figure: Figure,
    maps: FieldMaps,
    name: str,
    beads: pd.DataFrame | None = None,
    *,
    place: tuple[float, float] | None = None,
    foreground: str = "black",
) -> None:
    """Draw one of the maps that `draw_field_maps` draws, in the figure's first axes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    maps : FieldMaps
    name : str
        One of `field_map_names`.
    beads : pandas.DataFrame, optional
        See `draw_field_maps`.
    place : (float, float), optional
        y and x in voxels of the bead image: it is marked.
    foreground : str
        Colour of text and lines.
    """
    picture = next(picture for picture in _pictures(maps) if picture.name == name)
    figure.clear()
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    _draw(figure, axes, picture, _norm(picture.values, None), maps, beads, foreground)
    label_axes(axes, "x (µm)", "y (µm)", foreground)
    if place is not None:
        y, x = (value * size for value, size in zip(place, maps.pixel, strict=True))
        for colour, width in (("black", 3.5), (ON_COLOURS, 1.5)):
            axes.scatter(x, y, s=140, marker="+", c=colour, linewidths=width)


def _pictures(maps: FieldMaps) -> list[_Picture]:
    """Return what is drawn of the maps, in its order."""
    found = []
    for axis, width in maps.widths.items():
        name = f"FWHM along {axis}"
        theory = f"theory {1000 * maps.theory[axis]:.0f}" if axis in maps.theory else ""
        title = _title(f"{name} (nm)", theory, _error_text(1000 * width.error, maps))
        found.append(_Picture(name, title, 1000 * width.values))
    if maps.focus is not None:
        title = _title("focus, from the middle (µm)", _error_text(maps.focus.error, maps))
        found.append(_Picture("focus", title, maps.focus.values))
    for one in maps.orders:
        if one.strength.max() >= LEAST_STRENGTH:
            change = "" if one.order else "change from the middle"
            error = _error_text(100 * one.strength_error, maps)
            marks = _directions(maps, one) if one.order else None
            title = _title(f"{one.name} (%)", change, error)
            found.append(_Picture(one.name, title, 100 * one.strength, marks))
    return found


def _title(first: str, *more: str) -> str:
    """Return a title, what more there is to say in its second line."""
    second = ", ".join(text for text in more if text)
    return f"{first}\n{second}" if second else first


def _error_text(errors: Floats, maps: FieldMaps) -> str:
    """Return how large a map's error typically is where there are beads; empty if not known."""
    known = errors[maps.covered & np.isfinite(errors)]
    return f"error {float(f'{np.median(known):.2g}'):g}" if len(known) else ""


def _norm(values: Floats, others: Floats | None) -> Normalize:
    """Return the range of the colours of a map, and of another if there is one."""
    both = values.ravel() if others is None else np.concatenate([values.ravel(), others.ravel()])
    known = both[np.isfinite(both)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high - low < 1e-6 * abs(high):
        low, high = low * (1 - FLAT), high * (1 + FLAT)
    return Normalize(low, high)


def _draw(
    figure: Figure,
    axes: Axes,
    picture: _Picture,
    norm: Normalize,
    maps: FieldMaps,
    beads: pd.DataFrame | None,
    foreground: str,
) -> None:
    plain(axes, foreground)
    (height, width), (dy, dx) = maps.image_shape, maps.pixel
    image = axes.imshow(
        picture.values,
        cmap=COLOURS,
        norm=norm,
        extent=(-0.5 * dx, (width - 0.5) * dx, (height - 0.5) * dy, -0.5 * dy),
        aspect="equal",
        interpolation="nearest",
    )
    axes.set_title(picture.title, color=foreground, fontsize=NORMAL)
    for row, column in np.argwhere(~maps.covered):
        axes.add_patch(_hatched(maps, int(row), int(column)))
    if beads is not None:
        used = beads[beads["used"].astype(bool)] if "used" in beads else beads
        y, x = (centres_of(used)[:, -2:] * maps.pixel).T
        axes.scatter(x, y, s=3, c=ON_COLOURS, linewidths=0, alpha=0.8)
    if picture.marks is not None:
        picture.marks(axes)
    colours = figure.colorbar(image, ax=axes, shrink=0.8)
    colours.outline.set_edgecolor(foreground)
    colours.ax.tick_params(colors=foreground, labelsize=SMALL)


def _hatched(maps: FieldMaps, row: int, column: int) -> Rectangle:
    """Return the part of the picture that a place stands for, hatched."""
    (down, across), (dy, dx) = maps.step, maps.pixel
    left, top = (column * across - 0.5) * dx, (row * down - 0.5) * dy
    return Rectangle(
        (left, top),
        across * dx,
        down * dy,
        fill=False,
        hatch="////",
        edgecolor=ON_COLOURS,
        linewidth=0,
        alpha=0.6,
    )


def _directions(maps: FieldMaps, one: OrderMap) -> Callable[[Axes], None]:
    """Return what draws an order's directions into a picture."""

    def draw(axes: Axes) -> None:
        size = min(n * pixel for n, pixel in zip(maps.step, maps.pixel, strict=True))
        lengths = LONGEST * size * one.strength / one.strength.max()
        places = np.stack(np.meshgrid(maps.rows, maps.columns, indexing="ij"), -1) * maps.pixel
        lines = [
            line
            for place, length, angle in zip(
                places.reshape(-1, 2),
                lengths.ravel(),
                np.radians(one.direction.ravel()),
                strict=True,
            )
            if np.isfinite(angle)
            for line in _mark(place[::-1], length, angle, one.order)
        ]
        for colour, width in (("black", 2.2), (ON_COLOURS, 1.0)):
            axes.add_collection(
                LineCollection(lines, colors=colour, linewidths=width, capstyle="round"),
                autolim=False,
            )

    return draw


def _mark(place: Floats, length: float, angle: float, order: int) -> list[Floats]:
    """Return the lines, (points, 2) of x and y, that tell a direction of an angular order.

    An arrow for the order 1; a line through the place for 2; else as many legs as the order has.
    """
    if order == 1:
        start, end = place - _step(angle, length / 2), place + _step(angle, length / 2)
        barbs = [end - _step(angle + side, HEAD * length) for side in (0.5, -0.5)]
        return [np.array([start, end]), np.array([barbs[0], end, barbs[1]])]
    if order == 2:
        half = _step(angle, length / 2)
        return [np.array([place - half, place + half])]
    turns = angle + 2 * np.pi * np.arange(order) / order
    return [np.array([place, place + _step(turn, length / 2)]) for turn in turns]


def _step(angle: float, length: float) -> Floats:
    return length * np.array([np.cos(angle), np.sin(angle)])
