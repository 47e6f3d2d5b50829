"""How many images of beads a file holds, one behind the other in time or at several positions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_psf_distiller.datasets.ome_zarr import image_names, is_zarr
from napari_psf_distiller.io.chosen_part import place_of
from napari_psf_distiller.io.psf_files import opened_tiff
from napari_psf_distiller.io.vendor_files import is_vendor_file, opened_scene
from napari_psf_distiller.io.zarr_images import zarr_scene

__all__ = ["STACK_AXES", "StackAxis", "parts_along"]

StackAxis = Literal["time", "scene"]

# How people call the axes along which a file has several stacks.
STACK_AXES: dict[str, StackAxis] = {
    "t": "time",
    "time": "time",
    "p": "scene",
    "position": "scene",
    "scene": "scene",
}


def parts_along(
    path: str | Path, axis: StackAxis, scene: int | str | None = None
) -> tuple[str, ...]:
    """Return what a file calls its points of time or its scenes; none of their voxels is read.

    Parameters
    ----------
    path : str or Path
        As `read_image` takes it.
    axis : {"time", "scene"}
    scene : int or str, optional
        Of which one the points of time are meant. By default of the only one, of a TIFF of the
        largest.

    Returns
    -------
    tuple of str
        As many names as there are parts, in their order, which `read_image` counts from 0; "" of
        those that have none.

    Raises
    ------
    InputError
        The file cannot be read, or has no such scene.
    """
    if is_zarr(path):
        if axis == "scene":
            return image_names(path)
        return ("",) * zarr_scene(path, scene).layout.size("t")
    if is_vendor_file(path):
        with opened_scene(path, 0 if axis == "scene" else scene) as (reader, _):
            if axis == "scene":
                return tuple(map(str, reader.scenes))
            sizes = dict(zip(str(reader.dims.order), map(int, reader.dims.shape), strict=True))
            return ("",) * sizes.get("T", 1)
    with opened_tiff(path) as tiff:
        every = tiff.series
        if axis == "scene":
            # Small copies for a quick look come last, and are no images of their own.
            return tuple(one.name or "" for one in every if not one.keyframe.is_reduced)
        if scene is not None:
            names = [one.name for one in every]
            series = every[place_of("scene", scene, len(names), path, names)]
        else:
            series = max(every, key=lambda one: one.size)
        return ("",) * dict(zip(series.axes, series.shape, strict=True)).get("T", 1)
