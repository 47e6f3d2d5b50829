"""Figures of a result in words, the same in the terminal, the report and the viewer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

__all__ = ["duration_text", "listed", "reasons_text", "sizes_text", "width_text", "widths_text"]

# In nanometres: nobody needs to know a width better than this.
FINEST = 0.1


# Above so many seconds they are told in steps of so many, so that a figure does not flicker; then
# in minutes, and in hours.
COARSE_ABOVE, COARSE_STEP = 20, 5
MINUTES_ABOVE, HOURS_ABOVE = 100, 100 * 60


def duration_text(seconds: float) -> str:
    """Return how long something takes, as roughly as it is known.

    Examples
    --------
    >>> [duration_text(n) for n in (0.2, 8, 63, 400, 20_000)]
    ['1 s', '8 s', '65 s', '7 min', '5.6 h']
    """
    if seconds > HOURS_ABOVE:
        return f"{seconds / 3600:.1f} h"
    if seconds > MINUTES_ABOVE:
        return f"{round(seconds / 60)} min"
    if seconds > COARSE_ABOVE:
        seconds = COARSE_STEP * round(seconds / COARSE_STEP)
    return f"{max(1, round(seconds))} s"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names as a sentence lists them.

    Parameters
    ----------
    names : sequence of str
        One or more.
    word : str
        What stands before the last.

    Examples
    --------
    >>> listed(["z"]), listed(["z", "y"]), listed([".tif", ".dv", ".otf"], "or")
    ('z', 'z and y', '.tif, .dv or .otf')
    """
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last


def width_text(width: float, error: float = math.nan, unit: str = " nm") -> str:
    """Return a full width at half maximum as people read it: in nanometres.

    Parameters
    ----------
    width : float
        In micrometres; NaN means that there is none within the window.
    error : float
        Its standard error; NaN where it is not known.
    unit : str
        What follows the figures.

    Examples
    --------
    >>> width_text(0.6213), width_text(0.6213, 0.0028), width_text(0.2167, 0.0002)
    ('621 nm', '621 ± 3 nm', '216.7 ± 0.2 nm')
    """
    if math.isnan(width):
        return "wider than the window"
    if math.isnan(error):
        return f"{1000 * width:.0f}{unit}"
    digits = 0 if round(1000 * error, 1) >= 1 else 1
    return f"{1000 * width:.{digits}f} ± {max(1000 * error, FINEST):.{digits}f}{unit}"


def widths_text(widths: Sequence[float], errors: Sequence[float] | None = None) -> str:
    """Return the full width at half maximum along each axis as people read it.

    Parameters
    ----------
    widths : sequence of float
        In micrometres, along z, y, x or y, x; see `width_text`.
    errors : sequence of float, optional
        Their standard errors.

    Examples
    --------
    >>> widths_text((0.6213, 0.2167), (0.0028, 0.0002))
    'y 621 ± 3 nm, x 216.7 ± 0.2 nm'
    """
    known = [math.nan] * len(widths) if errors is None else errors
    return ", ".join(
        f"{axis} {width_text(width, error)}"
        for axis, width, error in zip("zyx"[-len(widths) :], widths, known, strict=True)
    )


def sizes_text(sizes: Sequence[float]) -> str:
    """Return one number an axis as people read them.

    Parameters
    ----------
    sizes : sequence of float

    Examples
    --------
    >>> sizes_text((31, 65, 65)), sizes_text((0.2, 0.08, 0.08))
    ('31 x 65 x 65', '0.2 x 0.08 x 0.08')
    """
    return " x ".join(f"{size:g}" for size in sizes)


def reasons_text(beads: pd.DataFrame) -> str:
    """Return how many beads are not used and why; empty if all are.

    Parameters
    ----------
    beads : pandas.DataFrame
        With the columns ``used`` and ``reason``.

    Examples
    --------
    >>> reasons_text(pd.DataFrame({"used": [True, False], "reason": ["", "border"]}))
    '1 border'
    """
    counts = beads.loc[~beads["used"], "reason"].value_counts()
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())
