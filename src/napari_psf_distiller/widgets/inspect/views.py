"""What the inspector draws: a PSF's pictures, profiles, OTF, comparison and progress.

All that draws is called in the drawings' thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.files import write_whole
from napari_psf_distiller.widgets.inspect.picture import Drawing, Page
from napari_psf_distiller.wording import listed

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from napari_psf_distiller.measure.comparison import Comparison
    from napari_psf_distiller.optics import Support
    from napari_psf_distiller.widgets.inspect.subject import LookedAt, Subject

__all__ = [
    "FINISHED",
    "UNFINISHED",
    "Pair",
    "Progress",
    "draw_compared",
    "draw_pictures",
    "draw_progress",
    "draw_psf_otf",
    "draw_psf_profiles",
    "save_figure",
    "save_profiles",
]

# Of a figure that is saved; and its width and height in inches where the PSF's shape does not
# decide them: a column of a journal's page is 3.5 wide.
DOTS_PER_INCH = 300
PROFILES_PAGE, OTF_PAGE, PROGRESS_PAGE = (3.5, 2.8), (3.5, 4.2), (3.5, 4.8)

# What is said of a PSF in progress.
UNFINISHED = "The PSF while it is distilled: not finished."
# What is said of it when the run is over.
FINISHED = "How the PSF of the last run formed."


@dataclass(frozen=True, eq=False)
class Progress:
    """A PSF on its way.

    Attributes
    ----------
    psf : numpy.ndarray or None
    spacing : tuple of float or None
    curve : tuple of (int, float)
        Iteration and log-likelihood.
    gains : bool
        Whether these are gains over the start already.
    finished : bool
        Whether the run is over.
    """

    psf: NDArray[Any] | None
    spacing: tuple[float, ...] | None
    curve: tuple[tuple[int, float], ...]
    gains: bool
    finished: bool = False


def draw_pictures(
    looked_at: LookedAt,
    kind: Literal["maximum projections", "central slices"],
    vmax: float,
    gamma: float,
    logarithmic: bool,
) -> Drawing:
    """Return what draws the PSF along its axes."""

    def draw(figure: Figure, foreground: str) -> str:
        from napari_psf_distiller.figures import Intensity, draw_views

        subject = looked_at.evaluated()
        psf = subject.psf()
        draw_views(
            figure,
            psf,
            subject.sizes,
            kind=kind,
            intensity=Intensity(vmax, gamma, logarithmic),
            unit=subject.unit,
            foreground=foreground,
        )
        return _numbers(subject, psf)

    def page() -> Page:
        from napari_psf_distiller.figures.views import views_size

        subject = looked_at.evaluated()
        return views_size(subject.psf().shape, subject.sizes)

    return Drawing(draw, page)


def draw_psf_profiles(looked_at: LookedAt, logarithmic: bool) -> Drawing:
    """Return what draws the profiles through the PSF's peak."""

    def draw(figure: Figure, foreground: str) -> str:
        from napari_psf_distiller.figures import draw_profiles

        subject = looked_at.evaluated()
        psf = subject.psf()
        draw_profiles(
            figure,
            psf,
            subject.sizes,
            errors=subject.fwhm_error,
            psf_error=subject.errors(),
            logarithmic=logarithmic,
            unit=subject.unit,
            foreground=foreground,
        )
        return _numbers(subject, psf)

    return Drawing(draw, lambda: PROFILES_PAGE)


def draw_psf_otf(looked_at: LookedAt) -> Drawing:
    """Return what draws the OTF, with the optics' band where they are known."""

    def draw(figure: Figure, foreground: str) -> str:
        from napari_psf_distiller.figures import draw_otf

        subject = looked_at.evaluated()
        psf = subject.psf()
        support, text = _support(subject)
        draw_otf(
            figure, psf, subject.sizes, support=support, unit=subject.unit, foreground=foreground
        )
        return text

    return Drawing(draw, lambda: OTF_PAGE)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two PSFs to compare, which is done once, however often they are drawn."""

    looked_at: LookedAt
    other: Subject

    @cached_property
    def comparison(self) -> Comparison:
        """The two on one grid; computed in the drawings' thread."""
        from napari_psf_distiller.measure.comparison import compare_psfs

        subject = self.looked_at.evaluated()
        first, second = subject.psf(), self.other.psf()
        return compare_psfs(first, second, subject.spacing, self.other.spacing)


def draw_compared(pair: Pair, vmax: float, gamma: float) -> Drawing:
    """Return what draws two PSFs and their difference."""

    def draw(figure: Figure, foreground: str) -> str:
        from napari_psf_distiller.figures import Intensity, draw_comparison

        subject, other, comparison = pair.looked_at.evaluated(), pair.other, pair.comparison
        draw_comparison(
            figure,
            comparison,
            subject.sizes,
            names=(subject.name, other.name),
            intensity=Intensity(vmax, gamma),
            unit=subject.unit,
            foreground=foreground,
        )
        notes = []
        if comparison.resampled:
            notes.append(f"{other.name!r} was resampled to the voxels of {subject.name!r}.")
        if (subject.spacing is None) != (other.spacing is None):
            notes.append("One has no voxel size, so voxel is compared with voxel.")
        if any(comparison.shift):
            axes = "zyx"[-len(comparison.shift) :]
            apart = ", ".join(
                f"{n:+d} {a}" for n, a in zip(comparison.shift, axes, strict=True) if n
            )
            notes.append(f"Their peaks are apart by {apart} voxels, which counts as difference.")
        widths = [_widths(subject, subject.psf()), _widths(other, other.psf())]
        rows = "".join(
            f"<tr><td>FWHM {_bold(axis)}&nbsp;</td><td>{_unbroken(escape(text))}&nbsp;</td>"
            f"<td>and {_unbroken(escape(other_text))}</td></tr>"
            for (axis, text), (_, other_text) in zip(*widths, strict=True)
        )
        return f"<table>{rows}</table>" + "<br>".join(map(escape, notes))

    def page() -> Page:
        from napari_psf_distiller.figures.comparison import comparison_size

        return comparison_size(pair.comparison.first.shape, pair.looked_at.evaluated().sizes)

    return Drawing(draw, page)


def draw_progress(progress: Progress) -> Drawing:
    """Return what draws an unfinished PSF and the likelihood's curve."""

    def draw(figure: Figure, foreground: str) -> str:
        from napari_psf_distiller import figures

        psf = progress.psf
        sizes = progress.spacing or (1.0,) * (0 if psf is None else psf.ndim)
        figures.draw_progress(
            figure,
            psf,
            sizes,
            progress.curve,
            gains=progress.gains,
            finished=progress.finished,
            foreground=foreground,
        )
        return FINISHED if progress.finished else UNFINISHED

    return Drawing(draw, lambda: PROGRESS_PAGE)


def save_figure(path: Path, drawing: Drawing) -> None:
    """Write a drawing in black on white on its page, in the format of the path's extension.

    Raises
    ------
    InputError
        It cannot be drawn, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=drawing.page(), dpi=DOTS_PER_INCH, facecolor="white")
    drawing.draw(figure, "black")
    kind = path.suffix.lower().removeprefix(".")
    write_whole(path, lambda part: figure.savefig(part, format=kind))


def save_profiles(path: Path, looked_at: LookedAt) -> None:
    """Write the profiles through the PSF's peak as CSV.

    Raises
    ------
    InputError
        There is no PSF, or the file cannot be written.
    """
    from napari_psf_distiller.measure.profiles import profiles_of, write_profiles

    subject = looked_at.evaluated()
    profiles = profiles_of(subject.psf(), subject.sizes, subject.fwhm_error, subject.errors())
    write_profiles(path, profiles, "um" if subject.spacing is not None else "voxels")


def _widths(subject: Subject, psf: NDArray[np.float32]) -> list[tuple[str, str]]:
    """Return each axis with its FWHM in words."""
    from napari_psf_distiller.measure.profiles import profile_width_text, profiles_of

    profiles = profiles_of(psf, subject.sizes, subject.fwhm_error)
    return [(p.axis, profile_width_text(p, subject.unit)) for p in profiles]


def _numbers(subject: Subject, psf: NDArray[np.float32]) -> str:
    """Return what is to be read beside every view of a PSF."""
    from napari_psf_distiller.theory import theory_text

    widths = ", ".join(
        _unbroken(f"{_bold(axis)} {escape(text)}") for axis, text in _widths(subject, psf)
    )
    lines = [f"FWHM {widths}", f"sum {psf.sum(dtype=np.float64):.4g}, {_shape(psf.shape)} voxels"]
    theory = theory_text(subject.optics, subject.spacing)
    if theory:
        lines.insert(1, f"in theory {theory}")
    if subject.spacing is None:
        lines.append("The layer has no voxel size: lengths are in voxels.")
    negative = float(-psf[psf < 0].sum(dtype=np.float64))
    if negative > 0:
        part = negative / float(np.abs(psf).sum(dtype=np.float64))
        lines.append(f"Negative values, shown as 0, hold {100 * part:.2g} % of it.")
    return "<br>".join(lines)


def _support(subject: Subject) -> tuple[Support | None, str]:
    """Return which frequencies the optics pass, and what is to be read beside the OTF."""
    from napari_psf_distiller.optics import support_of
    from napari_psf_distiller.theory import seen_band

    optics = subject.optics
    if subject.spacing is None:
        return None, "The layer has no voxel size: frequencies are in cycles per voxel."
    if optics.missing:
        missing = " and ".join(name.replace("_", " ") for name in optics.missing)
        return None, (
            f"No cutoff: the layer's recipe does not know the {missing}. Give what is missing "
            "where the PSF is distilled."
        )
    support = support_of(optics)
    if support is None:
        return None, f"No cutoff is known of this kind of microscope ({optics.microscope})."
    band, seen = support.band, seen_band(optics) or support.band
    cutoffs = [("lateral", band.lateral, seen.lateral, subject.sizes[-1])]
    if len(subject.sizes) == 3 and math.isfinite(band.axial):
        cutoffs.append(("axial", band.axial, seen.axial, subject.sizes[0]))
    text = f"{optics.microscope} cutoff: " + ", ".join(
        f"{name} {value:.3g} cycles/µm ({1000 / value:.0f} nm)" for name, value, *_ in cutoffs
    )
    coarse = [name for name, _, highest, size in cutoffs if highest > 0.5 / size]
    if coarse:
        text += f"<br>The voxels are too large for the {listed(coarse)} cutoff."
    return support, text


def _bold(text: str) -> str:
    return f"<b>{text}</b>"


def _unbroken(text: str) -> str:
    """Return text that is kept on one line."""
    return text.replace(" ", "&nbsp;")


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(str(n) for n in shape)  # noqa: RUF001
