"""The files that a distillation is kept as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io import write_image
from napari_psf_distiller.psf import FieldMaps
from napari_psf_distiller.recipe import JointFit, Recipe

if TYPE_CHECKING:
    from napari_psf_distiller.results.result import Result

__all__ = ["MAPS", "result_names", "write_field_maps", "write_results"]

# The maps of a PSF that changes over the field.
MAPS = ("field.csv", "field.png")

# Their picture, in inches and dots an inch.
MAPS_SIZE, DOTS_PER_INCH = (9.0, 8.0), 130


def result_names(recipe: Recipe, ome: bool = False) -> tuple[str, ...]:
    """Return the names of what distilling writes: the PSF, three files about it, other images.

    The last may be missing: there are maps of the field only of a PSF that changes over it.
    """
    end = ".ome.tif" if ome else ".tif"
    names = (f"psf{end}", "recipe.json", "beads.csv", "report.html")
    if not isinstance(recipe.distill, JointFit):
        return names
    # Only the joint fit has a model of the image, and with it errors and a residual.
    return (*names, f"psf_error{end}", f"residual{end}", *MAPS)


def write_results(folder: Path, result: Result, title: str, ome: bool = False) -> None:
    """Write the files that `result_names` names."""
    # matplotlib takes a while to import, and only here is it needed.
    from napari_psf_distiller.figures.report import write_report

    psf, recipe, beads, report, *more = (folder / name for name in result_names(result.recipe, ome))
    result.psf.save(psf)
    for path, array in zip(more, (result.psf.error, result.residual), strict=False):
        if array is not None:
            write_image(path, array, spacing=result.psf.spacing)
    result.recipe.save(recipe)
    write_whole(beads, result.beads.to_csv)
    if result.maps is not None:
        write_field_maps(folder, result.maps, result.beads_in_image)
    write_report(report, result.image, result, title=title)


def write_field_maps(folder: Path, maps: FieldMaps, beads: pd.DataFrame | None = None) -> None:
    """Write maps of a PSF over the field as a table and as a picture, with the names `MAPS`.

    Parameters
    ----------
    folder : Path
    maps : FieldMaps
    beads : pandas.DataFrame, optional
        Which the picture shows.
    """
    from matplotlib.figure import Figure

    from napari_psf_distiller.figures import draw_field_maps

    table, picture = (folder / name for name in MAPS)
    maps.write_csv(table)
    figure = Figure(figsize=MAPS_SIZE, facecolor="white")
    draw_field_maps(figure, maps, beads)
    write_whole(picture, lambda part: figure.savefig(part, dpi=DOTS_PER_INCH))
