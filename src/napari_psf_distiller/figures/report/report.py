"""The report: one HTML file that shows a distilled PSF and says how it was made."""

from __future__ import annotations

import dataclasses
import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from napari_psf_distiller import figures
from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.figures.report.beads import bead_summary, bead_table
from napari_psf_distiller.figures.report.page import numbers_text, page_of, picture, tables
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io import optics_text
from napari_psf_distiller.measure.beads import widths_of
from napari_psf_distiller.measure.structure import residual_structure
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
# Of the maps of the field and of the profile in depth, in inches.
MAPS_SIZE, DEPTH_SIZE = (8.8, 8.0), (6.0, 4.0)


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
    plain = picture(
        (5.2, 5.2),
        "The PSF's maximum projections",
        "Maximum projections, intensity from 0 to the maximum.",
        lambda figure: figures.draw_projections(figure, psf, spacing),
    )
    bright = picture(
        (5.2, 5.2),
        "The PSF's maximum projections, dim parts brightened",
        f"The same to half of the maximum with gamma {ARTEFACT_GAMMA}, where artefacts show: a "
        "grainy or boxy surround, stripes, second peaks.",
        lambda figure: figures.draw_projections(
            figure, psf, spacing, gamma=ARTEFACT_GAMMA, vmax=top / 2
        ),
    )
    profiles = picture(
        (5.2, 3.6),
        "Profiles through the PSF's peak",
        "Profiles through the peak: voxels, and the spline on which the full width at half maximum "
        "is measured"
        + ("; shaded: the standard error of the voxels." if result.psf.error is not None else "."),
        lambda figure: figures.draw_profiles(
            figure, psf, spacing, errors=result.fwhm_error, psf_error=result.psf.error
        ),
    )
    gains = result.recipe.distill.method == "joint"
    likelihood = picture(
        (5.2, 3.6),
        "Log-likelihood against iteration",
        "What the fit has gained in log-likelihood over its start, against the iteration."
        if gains
        else "Log-likelihood of the distilled PSF against the iteration.",
        lambda figure: figures.draw_likelihood(figure, result.log_likelihood, gains=gains),
    )
    size = (6.5, 6.5 * min(1.5, array.shape[-2] * spacing[-2] / (array.shape[-1] * spacing[-1])))
    beads = picture(
        size,
        "The beads in the image",
        "Maximum projection of the image (gamma 0.5) with the beads that were found.",
        lambda figure: figures.draw_beads(figure, array, result.beads_in_image, spacing),
    )
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            _about(result),
            _key_figures(result),
            *(f'<p class="warning"><b>Warning:</b> {escape(w)}</p>' for w in result.warnings),
            "<h2>PSF</h2>",
            f'<p class="faint">{numbers_text(result.psf.shape, " x ")} voxels of '
            f"{numbers_text(spacing, ' x ')} µm ({', '.join(AXES[-array.ndim :])}), peak at the "
            "centre.</p>",
            f'<div class="pair">{plain}{bright}</div>',
            f'<div class="pair">{profiles}{likelihood}</div>',
            _field(result),
            _depth(result),
            "<h2>Beads</h2>",
            bead_summary(result),
            f'<div class="pair">{beads}{_residual(result, size)}</div>',
            bead_table(result.beads),
            "<h2>How it was made</h2>",
            _parameters(result.recipe),
            "<h2>Image, versions, times</h2>",
            _record(result),
        ]
    )
    text = page_of(title, body)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _residual(result: Result, size: tuple[float, float]) -> str:
    """Return the picture of what the model leaves; nothing where there is no model."""
    residual = result.residual
    if residual is None:
        return ""
    planes = len(residual) if residual.ndim == 3 else 1
    plane = figures.fullest_plane(result.beads_in_image, planes)
    where = f", in the plane z = {plane}, which has most of the used beads" if planes > 1 else ""
    verdict = _verdict(result)
    return picture(
        size,
        "What the fit leaves of the image",
        f"The image less the fitted model{where}. Where all is well it is noise; rings or spots at "
        "many beads say that the PSF changes across the image or that the beads are not alike. At "
        f"bright beads there is more noise than beside them.{f' {verdict}' if verdict else ''}",
        lambda figure: figures.draw_residual(
            figure, residual, result.beads_in_image, result.psf.spacing
        ),
    )


def _verdict(result: Result) -> str:
    """Return in a sentence what is left of the beads; nothing where it cannot be told."""
    residual, image, psf = result.residual, np.asarray(result.image), np.asarray(result.psf)
    if residual is None or residual.shape != image.shape:
        return ""
    try:
        widths = widths_of(psf)
        return residual_structure(residual, result.beads_in_image, widths, image, psf).verdict()
    except InputError:
        return ""


def _field(result: Result) -> str:
    """Return how the PSF changes over the field; nothing where it does not."""
    maps = result.maps
    if maps is None:
        return ""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in maps.sentences())
    maps_drawn = picture(
        MAPS_SIZE,
        "Maps of the PSF over the field",
        "Maps over the bead image, with the used beads as dots. Arrows point along the tail of "
        "coma, lines along the long axis of an astigmatic PSF above the focus; the longer, the "
        "stronger. Hatched: beyond the outermost beads, extrapolated.",
        lambda figure: figures.draw_field_maps(figure, maps, result.beads_in_image),
    )
    return f"<h2>The PSF over the field</h2>{said}{maps_drawn}"


def _depth(result: Result) -> str:
    """Return how the PSF changes with depth; nothing where it does not."""
    profile = result.depth_profile
    if profile is None:
        return ""
    drawn = picture(
        DEPTH_SIZE,
        "Widths of the PSF in each depth",
        "Full widths at half maximum in the mean over the field, with bands of 1.96 standard "
        "errors. Grey: above and below all beads, extrapolated.",
        lambda figure: figures.draw_depth_profile(figure, profile),
    )
    return f"<h2>The PSF in each depth</h2><p>{escape(profile.sentence())}</p>{drawn}"


def _about(result: Result) -> str:
    """Return what the PSF is of, of which microscope and when; nothing of what is not known."""
    made, diameter = result.recipe.provenance, result.recipe.bead_diameter
    optics = optics_text(dataclasses.asdict(result.recipe.optics)).removeprefix("microscope ")
    rows = {"Microscope": optics, "Beads": f"{diameter:g} µm" if diameter is not None else ""}
    if made is not None:
        named = f"{made.microscope}: {optics}" if made.microscope else optics
        rows = {
            "Image": ", ".join(made.stacks) or made.image_name,
            "Distilled": _time_text(made.time),
            **rows,
            "Microscope": named,
            "Note": made.note,
        }
    cells = "".join(
        f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in rows.items() if text
    )
    return f'<table class="about">{cells}</table>'


def _time_text(time: str) -> str:
    """Return a time as people read it; as it stands where it is none."""
    try:
        return datetime.datetime.fromisoformat(time).strftime("%Y-%m-%d %H:%M %z").strip()
    except ValueError:
        return time


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


def _parameters(recipe: Recipe) -> str:
    """Return every parameter of a recipe that its method has, a table for each of its sections."""
    parts = {"general": recipe} | {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.name != "provenance"
    }
    found = {
        heading: rows
        for heading, part in parts.items()
        if isinstance(part, Section) and (rows := _rows(part, recipe.distill.method))
    }
    note = '<p class="faint">Lengths in micrometres, memory in GiB.</p>'
    return note + tables(found)


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
            "shape": numbers_text(made.image_shape, " x "),
            "dtype": made.image_dtype,
            "spacing": f"{numbers_text(result.psf.spacing, ' x ')} µm",
            "SHA-256": made.image_sha256,
        }
        sections["versions"] = made.versions
    sections["times"] = {name: f"{seconds:.2f} s" for name, seconds in result.timings.items()}
    return tables(sections)
