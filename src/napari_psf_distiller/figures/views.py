"""A PSF as pictures along its axes: with a scale bar in place of axes, for a narrow window."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.colors import LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.figures.sheet import Sheet
from napari_psf_distiller.figures.style import MICROMETRES, round_length

__all__ = ["Intensity", "Kind", "draw_views", "place_views", "views_size"]

Kind = Literal["maximum projections", "central slices"]

# In inches: between two pictures, around them, and below them for the bars and their numbers.
GAP, MARGIN, FOOT, HEAD = 0.06, 0.06, 0.52, 0.24
# The scale bar is at most this part of the figure's width.
LONGEST_BAR = 0.3
# In inches: a view that is thinner has no room for its name; and the longest axis has so much at
# least, however small the figure is.
LABELLED, LEAST_SCALE = 0.3, 0.1

# Rows of views, by the axes that go across and down. Another one than the first is taken where the
# views are so many times as large.
Arrangement = tuple[tuple[str, ...], ...]
ARRANGEMENTS: tuple[Arrangement, ...] = (
    (("xy", "zy"), ("xz",)),
    (("xy",), ("zy",), ("xz",)),
    (("xy", "zy", "xz"),),
)
MUCH_LARGER = 1.1


@dataclass(frozen=True)
class Intensity:
    """How intensities become colours.

    Attributes
    ----------
    top : float
        The brightest colour's, as a part of the maximum.
    gamma : float
        Exponent; below 1 it brings out what is dim. It does not count for a logarithmic scale.
    logarithmic : bool
    decades : float
        How far a logarithmic scale reaches down.
    """

    top: float = 1.0
    gamma: float = 1.0
    logarithmic: bool = False
    decades: float = 4.0

    def norm(self, maximum: float) -> Normalize:
        """Return matplotlib's norm for an image with this maximum.

        Raises
        ------
        InputError
            The range or gamma is not positive.
        """
        high = self.top * maximum
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise InputError(f"Gamma is {self.gamma}; it must be positive.")
        if not (math.isfinite(high) and high > 0):
            raise InputError(f"The intensity range ends at {high:g}; it must end above 0.")
        if self.logarithmic:
            return LogNorm(high * 10.0**-self.decades, high, clip=True)
        return PowerNorm(self.gamma, vmin=0, vmax=high, clip=True)

    def text(self) -> str:
        """Return in words what the colours mean."""
        top = "maximum" if self.top == 1 else f"{100 * self.top:.3g} %"
        if self.logarithmic:
            return f"{self.decades:g} decades to {top}"
        return f"0 to {top}, gamma {self.gamma:g}"


def draw_views(
    figure: Figure,
    psf: ArrayLike,
    spacing: Sequence[float],
    *,
    kind: Kind = "maximum projections",
    intensity: Intensity | None = None,
    unit: str = MICROMETRES,
    colormap: str = "inferno",
    foreground: str = "black",
) -> None:
    """Draw a PSF along z, y and x at its physical aspect, with a scale bar and a bar of colours.

    The view along z (xy) is at the top left, the one along x (zy) right of it, the one along y
    (xz) below it; where they are larger so, in a narrow or a wide figure, they stand below or
    beside each other. A micrometre has one length in all of them.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first; its size decides the pictures'.
    psf : array_like
        (Z, Y, X), or (Y, X), which is drawn as it is.
    spacing : sequence of float
        Voxel size in micrometres.
    kind : {"maximum projections", "central slices"}
        The slices go through n // 2.
    intensity : Intensity, optional
        From 0 to the maximum by default.
    unit : {"µm", "voxels"}
        What the spacing is in.
    colormap : str
        A matplotlib colormap's name.
    foreground : str
        Colour of text and lines.

    Raises
    ------
    InputError
        The PSF, the spacing or the intensity cannot be used.
    """
    array = check_image(psf, "The PSF")
    sizes = check_spacing(spacing, array.ndim)
    shown = intensity or Intensity()
    norm = shown.norm(float(array.max()))
    sheet = Sheet(figure, foreground)
    scale = place_views(sheet, array, sizes, kind, norm, colormap, (HEAD, FOOT))
    what = kind if array.ndim == 3 else "the PSF"
    sheet.text(MARGIN, HEAD / 2, f"{what}, {shown.text()}")
    # In a wide figure it is no longer than the first picture.
    length = round_length(min(LONGEST_BAR * sheet.width / scale, array.shape[-1] * sizes[-1]))
    foot = sheet.height - FOOT
    sheet.line((MARGIN, MARGIN + length * scale), (foot + 0.16, foot + 0.16), width=3)
    sheet.text(MARGIN, foot + 0.25, f"{length:g} {unit}", va="top")
    left = 0.45 * sheet.width
    sheet.ramp((left, foot + 0.1, sheet.width - MARGIN - left, 0.12), colormap, norm)


def place_views(
    sheet: Sheet,
    array: NDArray[np.float32],
    sizes: Sequence[float],
    kind: Kind,
    norm: Normalize,
    colormap: str,
    rims: tuple[float, float],
) -> float:
    """Put the pictures on a sheet, between rims at its top and bottom.

    Parameters
    ----------
    sheet : Sheet
    array : numpy.ndarray
        (Z, Y, X) or (Y, X).
    sizes : sequence of float
        Voxel size.
    kind : {"maximum projections", "central slices"}
    norm : matplotlib.colors.Normalize
    colormap : str
    rims : (float, float)
        Kept free above and below, in inches.

    Returns
    -------
    float
        Inches a unit of length.
    """
    room = sheet.width - 2 * MARGIN, sheet.height - sum(rims)
    placed = _placed(array.shape, sizes, room, ARRANGEMENTS)
    left = (sheet.width - placed.width) / 2
    top = rims[0] + (room[1] - placed.height) / 2
    for name, (x, y, wide, high) in placed.views.items():
        place = left + x, top + y, wide, high
        sheet.picture(_view(array, name, kind), place, colormap, norm)
        if min(wide, high) > LABELLED:
            sheet.label(left + x, top + y, name)
    return placed.scale


def views_size(
    shape: Sequence[int], spacing: Sequence[float], width: float = 3.5
) -> tuple[float, float]:
    """Return the width and height in inches of a page that `draw_views` fills with a PSF.

    Parameters
    ----------
    shape : sequence of int
        Of the PSF.
    spacing : sequence of float
        Voxel size.
    width : float
        In inches.

    Examples
    --------
    >>> views_size((21, 41, 41), (0.2, 0.1, 0.1))
    (3.5, 4.14)
    """
    placed = _placed(shape, spacing, (width - 2 * MARGIN, math.inf), ARRANGEMENTS[:1])
    return width, round(placed.height + HEAD + FOOT, 2)


class _Placed(NamedTuple):
    """Where views go, in inches from their common corner.

    Attributes
    ----------
    views : dict of str to tuple
        Each one's left, top, width and height.
    width, height : float
        Of all together.
    scale : float
        Inches a unit of length.
    """

    views: dict[str, tuple[float, float, float, float]]
    width: float
    height: float
    scale: float


def _placed(
    shape: Sequence[int],
    sizes: Sequence[float],
    room: tuple[float, float],
    arrangements: Sequence[Arrangement],
) -> _Placed:
    """Return where views are largest in some room; in the first arrangement if that is as good."""
    long = {a: n * size for a, n, size in zip(AXES[-len(shape) :], shape, sizes, strict=True)}
    best: _Placed | None = None
    for rows in arrangements if len(shape) == 3 else ((("xy",),),):
        columns = list(itertools.zip_longest(*rows, fillvalue=""))
        # The first letter of a view's name goes across, the second down.
        wide = [max(long[name[0]] for name in column if name) for column in columns]
        high = [max(long[name[1]] for name in row) for row in rows]
        gaps = GAP * (len(wide) - 1), GAP * (len(high) - 1)
        scale = min((room[0] - gaps[0]) / sum(wide), (room[1] - gaps[1]) / sum(high))
        scale = max(scale, LEAST_SCALE / max(long.values()))
        if best is not None and scale < MUCH_LARGER * best.scale:
            continue
        views = {
            name: (
                sum(wide[:across]) * scale + GAP * across,
                sum(high[:down]) * scale + GAP * down,
                long[name[0]] * scale,
                long[name[1]] * scale,
            )
            for down, row in enumerate(rows)
            for across, name in enumerate(row)
        }
        best = _Placed(views, sum(wide) * scale + gaps[0], sum(high) * scale + gaps[1], scale)
    assert best is not None
    return best


def _view(array: NDArray[np.float32], name: str, kind: Kind) -> NDArray[np.float32]:
    """Return the view of a name: its first letter goes across, the second down."""
    if array.ndim == 2:
        return array
    cut = {"xy": 0, "xz": 1, "zy": 2}[name]
    plane = _plane(array, cut, kind)
    return plane.T if name == "zy" else plane


def _plane(array: NDArray[np.float32], axis: int, kind: Kind) -> NDArray[np.float32]:
    if kind == "central slices":
        middle: NDArray[np.float32] = array.take(array.shape[axis] // 2, axis)
        return middle
    brightest: NDArray[np.float32] = array.max(axis=axis)
    return brightest
