"""The files that a distillation is kept as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io import write_image
from napari_psf_distiller.recipe import Recipe

if TYPE_CHECKING:
    from napari_psf_distiller.results.result import Result

__all__ = ["result_names", "write_results"]


def result_names(recipe: Recipe, ome: bool = False) -> tuple[str, ...]:
    """Return the names of what distilling writes: the PSF, three files about it, other images."""
    end = ".ome.tif" if ome else ".tif"
    # Only the joint fit has a model of the image, and with it errors and a residual.
    more = ("psf_error", "residual") if recipe.distill.method == "joint" else ()
    return (f"psf{end}", "recipe.json", "beads.csv", "report.html", *(name + end for name in more))


def write_results(folder: Path, result: Result, title: str, ome: bool = False) -> None:
    """Write the files that `result_names` names."""
    # matplotlib takes a while to import, and only here is it needed.
    from napari_psf_distiller.figures.report import write_report

    psf, recipe, beads, report, *more = (folder / name for name in result_names(result.recipe, ome))
    result.psf.save(psf)
    images = (array for array in (result.psf.error, result.residual) if array is not None)
    for path, array in zip(more, images, strict=True):
        write_image(path, array, spacing=result.psf.spacing)
    result.recipe.save(recipe)
    write_whole(beads, result.beads.to_csv)
    write_report(report, result.image, result, title=title)
