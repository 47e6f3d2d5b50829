"""What the command line says of a distillation that it wrote to a folder."""

from __future__ import annotations

from pathlib import Path

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.results import Result
from napari_psf_distiller.results.folder import result_names
from napari_psf_distiller.results.stacks import stacks_text
from napari_psf_distiller.theory import theory_text
from napari_psf_distiller.wording import reasons_text, width_text

__all__ = ["results_text"]


def results_text(folder: Path, result: Result, ome: bool = False) -> str:
    """Return what the command line says of a result that was written to a folder."""
    names = result_names(result.recipe, ome)
    psf, recipe, beads, report, *more = (folder / name for name in names)
    made = result.recipe.provenance
    axes = ", ".join(AXES[-len(result.fwhm) :])
    widths = ", ".join(
        width_text(width, error, unit="")
        for width, error in zip(result.fwhm, result.fwhm_error, strict=True)
    )
    used = f"{int(result.beads['used'].sum())} of {len(result.beads)} used"
    reasons = reasons_text(result.beads)
    labels = ("Errors", "Rest", "Maps") if result.maps is not None else ("Errors", "Rest")
    theory = theory_text(result.recipe.optics, result.psf.spacing)
    return "\n".join(
        [
            f"PSF:    {psf}",
            *(f"{label + ':':<8}{path}" for label, path in zip(labels, more, strict=False)),
            f"Report: {report}",
            f"Recipe: {recipe}",
            f"Beads:  {beads} ({used}{'; not used: ' * bool(reasons)}{reasons})",
            *([f"Stacks: {stacks_text(result.stacks)}"] if result.stacks else []),
            f"Device: {made.device if made is not None else result.recipe.device}",
            f"Time:   {result.timings['total']:.1f} s",
            f"FWHM:   {widths} nm ({axes})",
            *([f"Theory: {theory}"] if theory else []),
        ]
    )
