"""The report's beads: how well they are known, why some are not used, and all in a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_psf_distiller.beads import AXES, HELD_OUT, REASONS
from napari_psf_distiller.figures.report.page import value_text

if TYPE_CHECKING:
    from napari_psf_distiller.results import Result

__all__ = ["bead_summary", "bead_table"]

# More rows than this nobody reads, and they would make the file large.
MOST_ROWS = 2000
# More than this are folded away, on a screen and on paper.
ROWS_SHOWN = 100

# What stands below the names of columns.
UNITS = {
    **dict.fromkeys(AXES, "voxel"),
    **{f"{axis}_error": "voxel" for axis in AXES},
    **dict.fromkeys(("amplitude", "amplitude_error", "background"), "grey value"),
}


def bead_summary(result: Result) -> str:
    """Return how well a joint fit knows the used beads, as HTML."""
    beads = result.beads
    if "chi_squared" not in beads:
        return ""
    used = beads[beads["used"]]
    axes = AXES[-len(result.psf.spacing) :]
    errors = ", ".join(
        f"{1000 * size * float(used[f'{axis}_error'].median()):.2g} nm along {axis}"
        for axis, size in zip(axes, result.psf.spacing, strict=True)
    )
    part = 100 * float((used["amplitude_error"] / used["amplitude"]).median())
    chi_squared = used["chi_squared"].to_numpy(dtype=float)
    low, middle, high = np.percentile(chi_squared, [5, 50, 95])
    sentences = [
        f"Standard errors of the used beads (median): centres {errors}; amplitudes {part:.2g} %.",
        f"Mean square of their residuals over the noise's (chi squared): median {middle:.3g}, from "
        f"{low:.3g} to {high:.3g} for 9 of 10; 1 is a perfect fit.",
    ]
    held_out = beads.loc[beads["reason"] == HELD_OUT, "chi_squared"].to_numpy(dtype=float)
    if len(held_out):
        sentences.append(
            f"Of the {len(held_out)} beads that were held out, which the PSF was not fitted to: "
            f"median {float(np.median(held_out)):.3g}."
        )
    others = beads[~beads["used"]]
    if len(others):
        reasons = ", ".join(
            f"{count} {REASONS.get(str(reason), str(reason))}"
            for reason, count in others["reason"].value_counts().items()
        )
        sentences.append(f"Not used: {reasons}.")
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def bead_table(beads: pd.DataFrame) -> str:
    """Return the table of all beads as HTML, folded away if it is long."""
    shown = beads.iloc[:MOST_ROWS]
    numeric = {str(name): beads[name].dtype.kind in "iuf" for name in beads}
    columns = {"bead": True, **numeric}
    names = "".join(_cell("th", escape(name), number) for name, number in columns.items())
    units = "".join(
        _cell("th", UNITS.get(name, ""), number, "unit") for name, number in columns.items()
    )
    rows = []
    for label, row in zip(shown.index, shown.itertuples(index=False), strict=True):
        cells = "".join(
            _cell("td", value_text(value, name), number)
            for value, (name, number) in zip(row, numeric.items(), strict=True)
        )
        kind = "" if getattr(row, "used", True) else ' class="unused"'
        rows.append(f"<tr{kind}>{_cell('td', escape(str(label)), True)}{cells}</tr>")
    more = (
        f'<p class="faint">The first {MOST_ROWS} of {len(beads)} beads; beads.csv has all.</p>'
        if len(beads) > MOST_ROWS
        else ""
    )
    table = (
        '<p class="faint">Centres in voxels from the centre of the image\'s first voxel; amplitude '
        "and background in the image's grey values; a column's name with _error is the standard "
        "error.</p>"
        f'<div class="scroll"><table><thead><tr>{names}</tr><tr>{units}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )
    open_ = " open" if len(beads) <= ROWS_SHOWN else ""
    return (
        f'<details class="beads"{open_}><summary>Table of all {len(beads)} beads</summary>'
        f"{table}</details>"
    )


def _cell(tag: str, text: str, number: bool, kind: str = "") -> str:
    """Return a cell of a table, with text that is HTML already."""
    kinds = " ".join([kind] * bool(kind) + ["number"] * number)
    return f'<{tag} class="{kinds}">{text}</{tag}>' if kinds else f"<{tag}>{text}</{tag}>"
