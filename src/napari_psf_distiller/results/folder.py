"""The files that a distillation is kept as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io import write_image
from napari_psf_distiller.psf import DepthProfile, FieldMaps
from napari_psf_distiller.recipe import JointFit, Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_psf_distiller.results.result import Result

__all__ = [
    "DEPTH",
    "MAPS",
    "result_names",
    "write_depth_profile",
    "write_field_maps",
    "write_results",
]

# The maps of a PSF that changes over the field, and the profile of one that changes with depth.
MAPS, DEPTH = ("field.csv", "field.png"), ("depth.csv", "depth.png")

# Their pictures, in inches and dots an inch.
MAPS_SIZE, DEPTH_SIZE, DOTS_PER_INCH = (9.0, 8.0), (6.0, 4.0), 130


def result_names(recipe: Recipe, ome: bool = False) -> tuple[str, ...]:
    """Return the names of what distilling writes: the PSF, three files about it, other images.

    The last may be missing: there are maps of the field only of a PSF that changes over it, and a
    profile only of one that changes with depth.
    """
    end = ".ome.tif" if ome else ".tif"
    names = (f"psf{end}", "recipe.json", "beads.csv", "report.html")
    if not isinstance(recipe.distill, JointFit):
        return names
    # Only the joint fit has a model of the image, and with it errors and a residual.
    return (*names, f"psf_error{end}", f"residual{end}", *MAPS, *DEPTH)


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
    if result.depth_profile is not None:
        write_depth_profile(folder, result.depth_profile)
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
    from napari_psf_distiller.figures import draw_field_maps

    table, picture = (folder / name for name in MAPS)
    maps.write_csv(table)
    _write_picture(picture, MAPS_SIZE, lambda figure: draw_field_maps(figure, maps, beads))


def write_depth_profile(folder: Path, profile: DepthProfile) -> None:
    """Write what a PSF is in each depth as a table and as a picture, with the names `DEPTH`."""
    from napari_psf_distiller.figures import draw_depth_profile

    table, picture = (folder / name for name in DEPTH)
    profile.write_csv(table)
    _write_picture(picture, DEPTH_SIZE, lambda figure: draw_depth_profile(figure, profile))


def _write_picture(path: Path, size: tuple[float, float], draw: Callable[[Figure], None]) -> None:
    """Write what is drawn, on white."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, facecolor="white")
    draw(figure)
    write_whole(path, lambda part: figure.savefig(part, dpi=DOTS_PER_INCH))
