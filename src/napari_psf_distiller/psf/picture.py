"""How a notebook shows a PSF: a table of what it is, and its maximum projections."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import imagecodecs
import numpy as np
from numpy.typing import NDArray

__all__ = ["as_html", "table"]

# What is faint is drawn brighter by this power, and the shorter side of a picture has so many
# screen pixels.
GAMMA, PIXELS = 0.5, 160


def as_html(array: NDArray[np.float32], spacing: Sequence[float], rows: dict[str, str]) -> str:
    """Return a table beside an array's maximum projections along z and along y.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        In micrometres.
    rows : dict of str to str
        Of the table.
    """
    flat = array.ndim == 2
    views = [("y, x", array if flat else array.max(axis=0), spacing[-2])]
    if not flat:
        views.append(("z, x", array.max(axis=1), spacing[0]))
    pictures = "".join(
        f'<figure style="display:inline-block;margin:0 1em;text-align:center">'
        f'<img src="data:image/png;base64,{_png(view)}" alt="" style="width:{PIXELS}px;height:'
        f'{PIXELS * len(view) * size / (view.shape[1] * spacing[-1]):.0f}px">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, view, size in views
    )
    return f'<div style="display:flex;align-items:center">{table(rows)}<div>{pictures}</div></div>'


def table(rows: dict[str, str]) -> str:
    """Return an HTML table of names and what they are."""
    lines = (
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows.items()
    )
    return f"<table>{''.join(lines)}</table>"


def _png(view: NDArray[np.float32]) -> str:
    top = float(view.max()) or 1.0
    bright = np.clip(view / top, 0, 1) ** GAMMA
    encoded = imagecodecs.png_encode((255 * bright).round().astype(np.uint8))
    return base64.b64encode(encoded).decode("ascii")
