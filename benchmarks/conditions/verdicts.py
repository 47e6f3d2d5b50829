"""What a row of the table says, in a word, and what all rows do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from conditions.scoring import Row

# Beyond its stated errors: a width by so many of them and by this part of it, or l2 by so many
# times what is stated.
PULL, OFF, TIMES = 4.0, 0.03, 3.0

# Harm: l2 above its bound, or a width off by this part.
HARM = 0.05

VERDICTS = ("fine", "loud", "wrong", "SILENT", "refused", "crashed")

# Of a warning: words of it, what the table calls it, and whether it says that the PSF is wrong by
# more than its errors tell.
WARNINGS = (
    ("beads could be used", "few beads", False),
    ("Of the optics", "optics in part", False),
    ("too large for the optics", "coarse", True),
    ("% only", "uncertain width", False),
    ("diameter is not given", "no diameter", True),
    ("as large as their images", "large beads", True),
    ("are saturated", "saturated", True),
    ("times the noise that the image's dark part shows", "poor fit", True),
    ("the flatter is its image", "bright ones flatter", True),
    ("two peaks along z", "two foci", False),
    ("of its light, where a widefield", "light missing", True),
    ("is a guess between", "few planes", True),
    ("The PSF is negative", "negative", True),
    ("The background is not smooth", "uneven light", True),
    ("haze that is as narrow", "haze", True),
    ("while it still became better", "not settled", True),
    ("times as wide along", "voxel order", True),
    ("beyond what the voxels can show", "coarse", True),
    ("and the PSF lacks it", "other optics", True),
    ("finer detail than these optics pass", "other optics, widened", False),
    ("narrower than these optics can make it", "narrower than theory", True),
    ("narrower in the plane than one of these optics", "smaller beads", True),
    ("wider than an unaberrated one of these optics", "wider than theory", False),
    ("displaced against each other", "planes displaced", True),
    ("The beads lean", "leaning", True),
    ("differ alike", "all differ", True),
    ("brightness varies", "planes' light", True),
    ("changes across the field", "varies in the field", True),
    ("depends on their place in the field", "varies in the field", True),
    ("changes with depth", "varies with depth", True),
    ("times dimmer than those", "two sizes", True),
    ("refused for their shape: they", "many refused", True),
    ("larger than the image", "large crop", False),
    ("too few voxels", "few voxels", False),
    ("does not fall to half", "no width", True),
    ("smoothed, median-filtered", "smoothed", True),
    ("of the dark voxels have", "background cut", True),
)


def short(warning: str) -> str:
    """Return what the table calls a warning: a name, or the first words of one it does not know."""
    known = (name for words, name, _ in WARNINGS if words in warning)
    return next(known, " ".join(warning.split()[:6]))


def says_wrong(warning: str) -> bool:
    """Whether a warning says that the PSF is wrong; one that is not known does."""
    return next((wrong for words, _, wrong in WARNINGS if words in warning), True)


def beyond_its_errors(row: Row) -> bool:
    """Whether a PSF is wrong by more than it states."""
    widths = any(
        abs(off) > OFF and abs(pull) > PULL for off, pull in zip(row.off, row.pulls, strict=True)
    )
    return widths or row.l2 > TIMES * row.stated


def harmful(row: Row) -> bool:
    """Whether a PSF is so wrong that it matters."""
    return row.l2 > row.bound or any(abs(off) > HARM for off in row.off)


def verdict(row: Row) -> str:
    """Return one of `VERDICTS`.

    - crashed: an error that is not the distiller's own, or out of time
    - refused: no PSF, and why
    - SILENT: wrong beyond its stated errors, and no warning says so
    - loud: so wrong, or harmfully, and a warning says so
    - wrong: harmfully, within its stated errors, and no warning
    - fine: neither
    """
    if row.crashed:
        return "crashed"
    if row.refused:
        return "refused"
    said = any(says_wrong(warning) for warning in row.warnings)
    if beyond_its_errors(row):
        return "loud" if said else "SILENT"
    if harmful(row):
        return "loud" if said else "wrong"
    return "fine"


HEADER = (
    "case",
    "told",
    "seed",
    "verdict",
    "l2",
    "stated",
    "bound",
    "widths off z, y, x (%)",
    "in stated errors",
    "held",
    "used",
    "s",
    "said",
)


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def cells(row: Row) -> list[str]:
    """Return a row of the table as text."""
    found = verdict(row)
    texts = [row.case, row.told, str(row.seed), found]
    if found in ("refused", "crashed"):
        said = (row.crashed or row.refused).replace("|", "/").split("\n")[-1]
        return [*texts, "", "", f"{row.bound:g}", "", "", "", "", f"{row.seconds:.1f}", said]
    return [
        *texts,
        f"{row.l2:.3f}",
        f"{row.stated:.3f}",
        f"{row.bound:g}",
        ", ".join(f"{100 * off:+.1f}" for off in row.off),
        ", ".join(f"{pull:+.1f}" for pull in row.pulls),
        f"{row.held:.2f}",
        f"{row.used} of {row.beads}" + (f", {row.false} false" if row.false else ""),
        f"{row.seconds:.1f}",
        "; ".join(dict.fromkeys(short(warning) for warning in row.warnings)),
    ]


def summary(rows: Sequence[Row]) -> list[str]:
    """Return how often each verdict is given, and whether warnings are told where harm is."""
    if not rows:
        return ["No case."]
    found = Counter(verdict(row) for row in rows)
    done = [row for row in rows if not (row.refused or row.crashed)]
    harm = [row for row in done if harmful(row)]
    others = [row for row in done if not harmful(row)]
    slowest = max(rows, key=lambda row: row.seconds)
    within = sum(row.l2 <= row.bound for row in done)
    return [
        f"- {len(rows)} rows: " + ", ".join(f"{name} {found[name]}" for name in VERDICTS),
        f"- l2 within its bound: {_share(within, len(done))}",
        f"- warned where there is harm: {_share(sum(bool(r.warnings) for r in harm), len(harm))}",
        "- warned where there is none: "
        + _share(sum(bool(r.warnings) for r in others), len(others)),
        f"- slowest: {slowest.case}, {slowest.seconds:.0f} s; median "
        f"{np.median([row.seconds for row in rows]):.1f} s",
    ]


def coverage(rows: Sequence[Row]) -> list[str]:
    """Return how often 95 % intervals hold the truth, as a table of conditions."""
    lines = [
        line(("condition", "told", "fields", "widths z, y, x", "voxels above 1 % of the peak")),
        line(["---"] * 5),
    ]
    for case, told in dict.fromkeys((row.case, row.told) for row in rows):
        done = [row for row in rows if (row.case, row.told) == (case, told) and row.pulls]
        count = sum((row.case, row.told) == (case, told) for row in rows)
        if not done:
            lines.append(line((case, told, f"0 of {count}", "", "")))
            continue
        widths = np.mean([row.widths_held for row in done], axis=0)
        lines.append(
            line(
                (
                    case,
                    told,
                    f"{len(done)} of {count}",
                    ", ".join(f"{share:.2f}" for share in widths),
                    f"{np.mean([row.held for row in done]):.2f}",
                )
            )
        )
    return lines


def _share(count: int, whole: int) -> str:
    return f"{count} of {whole}" + (f" ({100 * count / whole:.0f} %)" if whole else "")
