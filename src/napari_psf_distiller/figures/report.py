"""The report: one HTML file that shows a distilled PSF and says how it was made."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from napari_psf_distiller import figures
from napari_psf_distiller.beads import AXES, HELD_OUT, REASONS
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.recipe.section import Section
from napari_psf_distiller.theory import theory_text
from napari_psf_distiller.wording import width_text

if TYPE_CHECKING:
    from napari_psf_distiller.results import Result

__all__ = ["write_report"]

# Where artefacts show: half of the range, dim voxels brightened.
ARTEFACT_GAMMA = 0.4
# More rows than this nobody reads, and they would make the file large.
MOST_ROWS = 2000
DOTS_PER_INCH = 130
# Of the maps of the field, in inches.
MAPS_SIZE = (8.8, 8.0)

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1b1f24;
  background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 0.3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid #d0d7de;
  padding-bottom: 0.2rem; }
h3 { font-size: 1rem; margin: 0 0 0.3rem; }
p { margin: 0.4rem 0; max-width: 46rem; }
.key { display: flex; flex-wrap: wrap; gap: 0.6rem 2.4rem; margin: 1.2rem 0; }
.key div { min-width: 6rem; }
.key dt, .faint, figcaption { color: #57606a; font-size: 0.85rem; }
.key dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.warning { border-left: 5px solid #bf5b00; background: #fff4e5; padding: 0.5rem 0.9rem;
  margin: 0.6rem 0; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0 0 0.8rem; flex: 1 1 24rem; min-width: 0; break-inside: avoid; }
img { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.15rem 0.9rem 0.15rem 0; border-bottom: 1px solid #eaeef2;
  vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; }
.scroll { max-height: 24rem; overflow: auto; border: 1px solid #d0d7de; padding: 0 0.6rem; }
.scroll thead th { position: sticky; top: 0; background: #fff; }
.unused td { color: #8a4b00; }
.sections { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 1.2rem 2rem; }
.sections section { break-inside: avoid; }
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; }
  h2, h3 { break-after: avoid; }
  .pair figure { flex-basis: 40%; }
  .scroll { max-height: none; overflow: visible; border: 0; padding: 0; }
  .warning { print-color-adjust: exact; }
}
"""


def write_report(
    path: str | Path, image: ArrayLike, result: Result, *, title: str = "Distilled PSF"
) -> None:
    """Write what a PSF looks like and how it was made as one HTML file, whole or not at all.

    The file needs nothing beside it: its pictures are inside, and it runs nothing.

    Parameters
    ----------
    path : str or Path
    image : array_like
        (Z, Y, X) or (Y, X), the bead image the PSF was distilled from.
    result : Result
        See `distill`.
    title : str
        The heading.

    Raises
    ------
    InputError
        The image cannot be used, or the file cannot be written.
    """
    array = check_image(image)
    psf, spacing = result.psf.array, result.psf.spacing
    top = float(psf.max())
    plain = _picture(
        (5.2, 5.2),
        "The PSF's maximum projections",
        "Maximum projections, intensity from 0 to the maximum.",
        lambda figure: figures.draw_projections(figure, psf, spacing),
    )
    bright = _picture(
        (5.2, 5.2),
        "The PSF's maximum projections, dim parts brightened",
        f"The same to half of the maximum with gamma {ARTEFACT_GAMMA}, where artefacts show: a "
        "grainy or boxy surround, stripes, second peaks.",
        lambda figure: figures.draw_projections(
            figure, psf, spacing, gamma=ARTEFACT_GAMMA, vmax=top / 2
        ),
    )
    profiles = _picture(
        (5.2, 3.6),
        "Profiles through the PSF's peak",
        "Profiles through the peak: voxels, and the cubic spline on which the full width at half "
        "maximum is measured.",
        lambda figure: figures.draw_profiles(figure, psf, spacing),
    )
    gains = result.recipe.distill.method == "joint"
    likelihood = _picture(
        (5.2, 3.6),
        "Log-likelihood against iteration",
        "What the fit has gained in log-likelihood over its start, against the iteration."
        if gains
        else "Log-likelihood of the distilled PSF against the iteration.",
        lambda figure: figures.draw_likelihood(figure, result.log_likelihood, gains=gains),
    )
    size = (6.5, 6.5 * min(1.5, array.shape[-2] * spacing[-2] / (array.shape[-1] * spacing[-1])))
    beads = _picture(
        size,
        "The beads in the image",
        "Maximum projection of the image (gamma 0.5) with the beads that were found.",
        lambda figure: figures.draw_beads(figure, array, result.beads_in_image, spacing),
    )
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            _key_figures(result),
            *(f'<p class="warning"><b>Warning:</b> {escape(w)}</p>' for w in result.warnings),
            "<h2>PSF</h2>",
            f'<p class="faint">{_numbers(result.psf.shape, " x ")} voxels of '
            f"{_numbers(spacing, ' x ')} µm ({', '.join(AXES[-array.ndim :])}), peak at the "
            "centre.</p>",
            f'<div class="pair">{plain}{bright}</div>',
            f'<div class="pair">{profiles}{likelihood}</div>',
            _field(result),
            "<h2>Beads</h2>",
            _bead_summary(result),
            f'<div class="pair">{beads}{_residual(result, size)}</div>',
            _bead_table(result.beads),
            "<h2>How it was made</h2>",
            _parameters(result.recipe),
            "<h2>Image, versions, times</h2>",
            _record(result),
        ]
    )
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _picture(
    size: tuple[float, float], name: str, caption: str, draw: Callable[[Figure], None]
) -> str:
    """Return a drawing as an HTML figure, `size` in inches."""
    figure = Figure(figsize=size, facecolor="white")
    draw(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return (
        f'<figure><img alt="{escape(name)}" width="{round(96 * size[0])}" '
        f'src="data:image/png;base64,{data}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _residual(result: Result, size: tuple[float, float]) -> str:
    """Return the picture of what the model leaves; nothing where there is no model."""
    residual = result.residual
    if residual is None:
        return ""
    planes = len(residual) if residual.ndim == 3 else 1
    plane = figures.fullest_plane(result.beads_in_image, planes)
    where = f", in the plane z = {plane}, which has most of the used beads" if planes > 1 else ""
    return _picture(
        size,
        "What the fit leaves of the image",
        f"The image less the fitted model{where}. Where all is well it is noise; rings or spots at "
        "many beads say that the PSF changes across the image or that the beads are not alike. At "
        "bright beads there is more noise than beside them.",
        lambda figure: figures.draw_residual(
            figure, residual, result.beads_in_image, result.psf.spacing
        ),
    )


def _field(result: Result) -> str:
    """Return how the PSF changes over the field; nothing where it does not."""
    maps = result.maps
    if maps is None:
        return ""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in maps.sentences())
    picture = _picture(
        MAPS_SIZE,
        "Maps of the PSF over the field",
        "Maps over the bead image, with the used beads as dots. Arrows point along the tail of "
        "coma, lines along the long axis of an astigmatic PSF above the focus; the longer, the "
        "stronger. Hatched: beyond the outermost beads, extrapolated.",
        lambda figure: figures.draw_field_maps(figure, maps, result.beads_in_image),
    )
    return f"<h2>The PSF over the field</h2>{said}{picture}"


def _bead_summary(result: Result) -> str:
    """Return how well a joint fit knows the used beads, and why the others are not used."""
    beads = result.beads
    if "chi_squared" not in beads:
        return ""
    used, others = beads[beads["used"]], beads[~beads["used"]]
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
    if len(others):
        reasons = ", ".join(
            f"{count} {REASONS.get(str(reason), str(reason))}"
            for reason, count in others["reason"].value_counts().items()
        )
        sentences.append(f"Not used: {reasons}.")
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _key_figures(result: Result) -> str:
    axes = AXES[-len(result.fwhm) :]
    made = result.recipe.provenance
    figures_ = [
        *(
            (f"FWHM {axis}", width_text(width, error))
            for axis, width, error in zip(axes, result.fwhm, result.fwhm_error, strict=True)
        ),
        ("beads used", f"{int(result.beads['used'].sum())} of {len(result.beads)}"),
        ("time", f"{result.timings['total']:.1f} s"),
        ("device, FFT, precision", made.device if made is not None else result.recipe.device),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures_
    )
    theory = theory_text(result.recipe.optics, result.psf.spacing)
    note = f'<p class="faint">FWHM in theory: {escape(theory)}.</p>' if theory else ""
    note += (
        ""
        if np.isnan(result.fwhm_error).all()
        else '<p class="faint">FWHM ± its standard error: 95 times of 100 the true width lies '
        "within 1.96 of them to each side.</p>"
    )
    return f'<dl class="key">{cells}</dl>{note}'


def _bead_table(beads: pd.DataFrame) -> str:
    shown = beads.iloc[:MOST_ROWS]
    numeric = {str(name): beads[name].dtype.kind in "iuf" for name in beads}
    head = '<th class="number">bead</th>' + "".join(
        f'<th class="number">{escape(name)}</th>' if number else f"<th>{escape(name)}</th>"
        for name, number in numeric.items()
    )
    rows = []
    for label, row in zip(shown.index, shown.itertuples(index=False), strict=True):
        cells = "".join(
            f'<td class="number">{_value(value, name)}</td>'
            if number
            else f"<td>{_value(value, name)}</td>"
            for value, (name, number) in zip(row, numeric.items(), strict=True)
        )
        kind = "" if getattr(row, "used", True) else ' class="unused"'
        rows.append(f'<tr{kind}><td class="number">{escape(str(label))}</td>{cells}</tr>')
    more = (
        f'<p class="faint">The first {MOST_ROWS} of {len(beads)} beads.</p>'
        if len(beads) > MOST_ROWS
        else ""
    )
    return (
        '<p class="faint">Centres in voxels from the image\'s first voxel; amplitude and '
        "background in the image's intensity units.</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _parameters(recipe: Recipe) -> str:
    """Return every parameter of a recipe that its method has, a table for each of its sections."""
    parts = {"general": recipe} | {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.name != "provenance"
    }
    tables = {
        heading: rows
        for heading, part in parts.items()
        if isinstance(part, Section) and (rows := _rows(part, recipe.distill.method))
    }
    note = '<p class="faint">Lengths in micrometres, memory in GiB.</p>'
    return f'{note}<div class="sections">{"".join(map(_section, tables.items()))}</div>'


def _rows(part: Section, method: str) -> dict[str, Any]:
    """Return the parameters of a section that a method of distilling uses, by name."""
    if part.METHODS and method not in part.METHODS:
        return {}
    known = {one.field: one for one in declared(type(part))}
    rows = {}
    for field in dataclasses.fields(part):
        value, one = getattr(part, field.name), known.get(field.name)
        if isinstance(value, Section) or field.name == "provenance":
            continue
        if one is None or not one.methods or method in one.methods:
            rows[field.name] = one.parameter.unset if one and value is None else value
    return rows


def _record(result: Result) -> str:
    made = result.recipe.provenance
    sections: dict[str, dict[str, Any]] = {}
    if made is not None:
        sections["image"] = {
            "shape": _numbers(made.image_shape, " x "),
            "dtype": made.image_dtype,
            "spacing": f"{_numbers(result.psf.spacing, ' x ')} µm",
            "SHA-256": made.image_sha256,
        }
        sections["versions"] = made.versions
    sections["times"] = {name: f"{seconds:.2f} s" for name, seconds in result.timings.items()}
    return f'<div class="sections">{"".join(map(_section, sections.items()))}</div>'


def _section(item: tuple[str, dict[str, Any]]) -> str:
    heading, values = item
    rows = "".join(
        f"<tr><th>{escape(_words(name))}</th><td>{_value(value, name)}</td></tr>"
        for name, value in values.items()
    )
    return f"<section><h3>{escape(_words(heading))}</h3><table>{rows}</table></section>"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Any, name: str = "") -> str:
    """Return a value as escaped text."""
    if value is None:
        return "not set"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, float):
        # Centres have a fixed number of digits, so that their columns can be compared.
        return f"{value:.2f}" if name in AXES else f"{value:.4g}"
    if isinstance(value, tuple | list):
        return escape(_numbers(value, ", "))
    return escape(str(value))


def _numbers(values: Iterable[float] | Sequence[float], between: str) -> str:
    return between.join(f"{value:.6g}" for value in values)
