"""How near the distilled PSF comes to the truth, on simulated bead fields.

    python benchmarks/accuracy.py [--cases slide,dim] [--only ours,no-optics,averaging]
    python benchmarks/accuracy.py --cases none --variants 10 [--first 100]
    python benchmarks/accuracy.py --coverage 20

One row for each case and method:

- ours: the default recipe, told the bead diameter and the optics; no-optics: without the optics.
- notebook: `Recipe.notebook`, the camera's offset subtracted for it; the better of with and without
  its median filter. averaging: of the beads that stand alone. Neither is told anything.
- floor: plain least squares, given the beads' true centres, amplitudes and the background.

A row marked * was not run: its figure is `bead_references.REFERENCE`'s, and so is the floor of each
ratio; of a random case it is computed. See `Row`, `bead_cases.Score` and `bead_references.Centres`
for the columns.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas
from bead_cases import (
    CASES,
    SCORED,
    Array,
    Case,
    Field,
    Score,
    crop_about_centre,
    frequencies,
    random_case,
    score,
    shift_factor,
    simulate,
    widths,
)
from bead_references import REFERENCE, Centres, average_of_beads, judged, least_squares
from numpy.typing import NDArray
from scipy import fft as scipy_fft

import napari_psf_distiller as psfd

# An interval of so many standard errors holds the truth 95 times of 100.
NORMAL_95 = 1.96
# Where the PSF is above this part of its peak, its errors are also counted apart.
BRIGHT = 0.01


@dataclasses.dataclass(frozen=True)
class Found:
    """What a method makes of a field.

    Attributes
    ----------
    psf : numpy.ndarray
    beads : pandas.DataFrame or None
        z, y, x, used; None where the method has none of its own.
    """

    psf: NDArray[np.floating]
    beads: pandas.DataFrame | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A method's figures on a case.

    Attributes
    ----------
    case, method : str
    l2 : float
        See `bead_cases.Score`.
    ratio : float
        l2 over the floor's.
    score : Score or None
        None where the method was not run, or failed.
    centres : Centres or None
    seconds : float
    note : str
        Why it failed.
    """

    case: str
    method: str
    l2: float
    ratio: float
    score: Score | None = None
    centres: Centres | None = None
    seconds: float = np.nan
    note: str = ""


def recipe_of(case: Case, optics: bool = True) -> psfd.Recipe:
    """Return the default recipe with what is known of a case."""
    known = psfd.Optics(
        numerical_aperture=case.numerical_aperture,
        wavelength=case.wavelength,
        refractive_index=case.immersion_index,
    )
    return psfd.Recipe(bead_diameter=case.bead_diameter, optics=known if optics else psfd.Optics())


def distilled(image: NDArray[np.generic], case: Case, recipe: psfd.Recipe) -> psfd.Result:
    """Distil without the warnings, which the figures stand for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        return psfd.distill(image, case.spacing, recipe=recipe)


def by_default(field: Field) -> Found:
    result = distilled(field.image, field.case, recipe_of(field.case))
    return Found(result.psf.array, result.beads)


def without_optics(field: Field) -> Found:
    result = distilled(field.image, field.case, recipe_of(field.case, optics=False))
    return Found(result.psf.array, result.beads)


def by_notebook(field: Field) -> Found:
    recipe = psfd.Recipe.notebook()
    image = field.image.astype(np.float32) - np.float32(field.case.offset)
    results = []
    for median in (recipe.preprocess.median, 1):
        steps = dataclasses.replace(recipe.preprocess, median=median)
        result = distilled(image, field.case, dataclasses.replace(recipe, preprocess=steps))
        results.append(Found(result.psf.array, result.beads))
    return min(results, key=lambda found: score(found.psf, field.psf).l2)


def by_averaging(field: Field) -> Found:
    return Found(average_of_beads(field.image.astype(float)))


def by_least_squares(field: Field) -> Found:
    return Found(least_squares(field))


METHODS: dict[str, tuple[str, Callable[[Field], Found]]] = {
    "ours": ("ours", by_default),
    "no-optics": ("ours, optics unknown", without_optics),
    "notebook": ("notebook", by_notebook),
    "averaging": ("averaging", by_averaging),
    "floor": ("floor", by_least_squares),
}


def measured(field: Field, method: str, floor: float) -> Row:
    """Run a method on a field; whatever it fails with is noted, and the others go on."""
    label, run = METHODS[method]
    start = time.perf_counter()
    try:
        found = run(field)
    except Exception as error:
        seconds = time.perf_counter() - start
        note = f"{type(error).__name__}: {error}".splitlines()[0]
        return Row(field.case.name, label, np.nan, np.nan, seconds=seconds, note=note)
    seconds = time.perf_counter() - start
    result = score(found.psf, field.psf)
    centres = None if found.beads is None else judged(found.beads, field)
    return Row(field.case.name, label, result.l2, result.l2 / floor, result, centres, seconds)


def rows_of(case: Case, methods: list[str]) -> list[Row]:
    """Return a case's rows: of the methods run, and the figures there are of the others."""
    field = simulate(case)
    known = REFERENCE.get(case.name, {})
    floor = known.get("floor") or score(least_squares(field), field.psf).l2
    rows = [measured(field, method, floor) for method in methods]
    rows += [
        Row(case.name, f"{method} *", l2, l2 / floor)
        for method, l2 in known.items()
        if method not in methods
    ]
    return rows


HEADER = (
    "case",
    "method",
    "l2",
    "/ floor",
    "shape",
    "FWHM bias z, y, x (%)",
    "centre error z, y, x (voxels)",
    "/ bound",
    "recall",
    "precision",
    "clumped flagged",
    "good refused",
    "seconds",
)


def cells(row: Row) -> list[str]:
    """Return a row of the table as text."""
    if row.note:
        return [row.case, row.method, row.note, *[""] * 9, f"{row.seconds:.1f}"]
    texts = [row.case, row.method, f"{row.l2:.3f}", f"{row.ratio:.2f}"]
    if row.score is None:
        return texts + [""] * 9
    texts += [f"{row.score.shape:.3f}", _joined(100 * row.score.bias, "+.1f")]
    if row.centres is None:
        texts += [""] * 6
    else:
        found = row.centres
        texts += [_joined(found.error, ".3f"), _joined(found.excess, ".1f")]
        texts += [
            "" if np.isnan(share) else f"{share:.2f}"
            for share in (found.recall, found.precision, found.flagged, found.refused)
        ]
    return [*texts, f"{row.seconds:.1f}"]


def _joined(values: Array, form: str) -> str:
    return ", ".join(format(value, form) for value in values)


def line(texts: tuple[str, ...] | list[str]) -> str:
    """Return texts as a row of a Markdown table."""
    return f"| {' | '.join(texts)} |"


def summary(rows: list[Row], label: str) -> str:
    """Return a method's mean and worst l2 over the floor's."""
    own = [row for row in rows if row.method == label]
    done = [row for row in own if not np.isnan(row.ratio)]
    if not done:
        return f"{label}: failed on all cases."
    worst = max(done, key=lambda row: row.ratio)
    mean = np.mean([row.ratio for row in done])
    return (
        f"{label}: l2 / floor {mean:.2f} in the mean, {worst.ratio:.2f} at worst ({worst.case}); "
        f"cases done: {len(done)} of {len(own)}."
    )


def draw(folder: Path, case: str, rows: list[Row]) -> None:
    """Save maximum projections of each method's PSF, the truth and their difference."""
    from matplotlib.figure import Figure

    shown = [(row, row.score) for row in rows if row.score is not None]
    if not shown:
        return
    figure = Figure(figsize=(15, 2.8 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 6, squeeze=False)
    for axes, (row, result) in zip(grid, shown, strict=True):
        found, truth = result.found, result.truth
        for plane, name in enumerate(("xy", "xz")):
            for column, array in ((plane, found), (2 + plane, truth)):
                bright = np.sqrt(np.maximum(array.max(axis=plane), 0) / truth.max())
                axes[column].imshow(bright, cmap="inferno", vmin=0, vmax=1)
                axes[column].set_title(f"{'found' if column < 2 else 'truth'}, {name}")
            difference = _strongest(found - truth, plane) / truth.max()
            axes[4 + plane].imshow(difference, cmap="RdBu_r", vmin=-0.1, vmax=0.1)
            axes[4 + plane].set_title(f"difference, {name}")
        for panel in axes:
            panel.set(xticks=[], yticks=[])
        axes[0].set_ylabel(f"{row.method}\nl2 {row.l2:.3f}")
    figure.suptitle(f"{case}: found and truth (square root), difference (a tenth of the scale)")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{case.replace(' ', '-')}.png", dpi=110)


def _strongest(array: Array, axis: int) -> Array:
    """Project the values of largest magnitude along an axis."""
    at = np.abs(array).argmax(axis=axis, keepdims=True)
    return np.take_along_axis(array, at, axis).squeeze(axis)


def coverage_case(seed: int) -> Case:
    """Return a small case that differs from the others of its kind in its beads and noise."""
    return Case(f"coverage {seed}", 10_000 + seed, shape=(34, 192, 192), beads=20)


def coverage(count: int, first: int) -> list[str]:
    """Return how often the intervals of the results hold the truth, in lines of text."""
    held: dict[str, list[NDArray[np.bool_]]] = {
        "FWHM z, y, x": [],
        "PSF": [],
        f"PSF above {BRIGHT:.0%}": [],
    }
    for seed in range(first, first + count):
        field = simulate(coverage_case(seed))
        result = distilled(field.image, field.case, recipe_of(field.case))
        fwhm_error = getattr(result, "fwhm_error", None)
        if fwhm_error is not None:
            error = np.abs(result.fwhm - widths(field.psf) * field.case.spacing)
            held["FWHM z, y, x"].append(error <= NORMAL_95 * np.asarray(fwhm_error, float))
        psf_error = getattr(result, "psf_error", None)
        if psf_error is not None:
            inside, bright = _voxels_held(result.psf.array, psf_error, field.psf)
            held["PSF"].append(inside.mean())
            held[f"PSF above {BRIGHT:.0%}"].append(inside[bright].mean())
    return [
        f"- {name}: " + (", ".join(f"{v:.2f}" for v in np.atleast_1d(np.mean(parts, axis=0))) or "")
        if parts
        else f"- {name}: not available"
        for name, parts in held.items()
    ]


def _voxels_held(
    psf: NDArray[np.floating], error: NDArray[np.floating], truth: Array
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return in which voxels of the scored window the interval holds the truth, and the bright.

    The truth is moved to where the PSF lies, for a shift that beads and PSF share is no error.
    """
    shift = score(psf, truth).shift
    spectrum = scipy_fft.rfftn(truth) * shift_factor(frequencies(truth.shape), -shift)
    moved = crop_about_centre(scipy_fft.irfftn(spectrum, s=truth.shape), psf.shape)
    moved /= moved.sum()
    kept = tuple(min(n, m) for n, m in zip(psf.shape, SCORED, strict=True))
    moved, psf, error = (
        crop_about_centre(np.asarray(array, float), kept) for array in (moved, psf, error)
    )
    return np.abs(psf - moved) <= NORMAL_95 * error, moved > BRIGHT * moved.max()


def chosen(text: str, known: Mapping[str, object], what: str) -> list[str]:
    """Return the names in a list with commas; "all" and "none" are such lists too."""
    if text in ("all", "none"):
        return list(known) if text == "all" else []
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise SystemExit(f"There is no {what} {name!r}; there are {', '.join(known)}.")
    return names


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="all", help=f"of {', '.join(CASES)}; or all, none")
    parser.add_argument("--only", default="ours", help=f"methods: {', '.join(METHODS)}; or all")
    parser.add_argument("--variants", type=int, default=0, help="so many random cases more")
    parser.add_argument("--first", type=int, default=0, help="the first random case's number")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the output here too")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="a PNG for each case")
    parser.add_argument(
        "--coverage",
        type=int,
        metavar="N",
        help="how often, of N small fields, the errors' 95 %% intervals hold the truth; no table",
    )
    return parser.parse_args()


def main() -> None:
    arguments = options()
    output: list[str] = []

    def say(text: str) -> None:
        print(text, flush=True)
        output.append(text)

    if arguments.coverage:
        say(f"Share of {arguments.coverage} fields whose 95 % interval holds the truth:\n")
        for text in coverage(arguments.coverage, arguments.first):
            say(text)
    else:
        methods = chosen(arguments.only, METHODS, "method")
        cases = [CASES[name] for name in chosen(arguments.cases, CASES, "case")]
        seeds = range(arguments.first, arguments.first + arguments.variants)
        cases += [random_case(seed) for seed in seeds]
        say(line(HEADER))
        say(line(["---"] * len(HEADER)))
        rows: list[Row] = []
        for case in cases:
            new = rows_of(case, methods)
            for row in new:
                say(line(cells(row)))
            if arguments.pictures:
                draw(arguments.pictures, case.name, new)
            rows += new
        say("")
        for method in methods:
            say(summary(rows, METHODS[method][0]))
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(output) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
