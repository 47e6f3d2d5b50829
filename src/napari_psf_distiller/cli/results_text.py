"""What the command line says of a distillation that it wrote to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.results import Result
from napari_psf_distiller.results.folder import result_names
from napari_psf_distiller.results.stacks import stacks_text
from napari_psf_distiller.theory import theory_text
from napari_psf_distiller.wording import reasons_text, width_text

__all__ = ["labelled", "results_text"]

# Letters from the beginning of a line to the value in it: as many as the longest label has.
WIDTH = 10


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
    theory = theory_text(result.recipe.optics, result.psf.spacing)
    labels = ("Errors", "Residual", "Maps") if result.maps is not None else ("Errors", "Residual")
    return labelled(
        {
            "PSF": psf,
            **dict(zip(labels, more, strict=False)),
            "Report": report,
            "Recipe": recipe,
            "Beads": f"{beads} ({used}{'; not used: ' * bool(reasons)}{reasons})",
            **({"Stacks": stacks_text(result.stacks)} if result.stacks else {}),
            "Device": made.device if made is not None else result.recipe.device,
            "Time": f"{result.timings['total']:.1f} s",
            "FWHM": f"{widths} nm ({axes})",
            **({"Theory": theory} if theory else {}),
        }
    )


def labelled(values: Mapping[str, object]) -> str:
    """Return values with what they are before them, a line each.

    Examples
    --------
    >>> print(labelled({"PSF": "out/psf.tif", "Residual": "out/residual.tif"}))
    PSF:      out/psf.tif
    Residual: out/residual.tif
    """
    return "\n".join(f"{label + ':':<{WIDTH}}{value}" for label, value in values.items())
