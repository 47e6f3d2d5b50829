"""Read an OME-Zarr: nothing is loaded before it is shown, and no more than is shown.

The manifest does not name this reader. To napari a reader of folders is one of all folders, and it
would ask which reader to take for each folder of images too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import pint
from napari.utils.notifications import show_info

from napari_psf_distiller.datasets.ome_zarr import (
    ChannelDisplay,
    OmeZarrImage,
    channel_displays,
    image_names,
    is_zarr,
    open_image,
    resolutions,
)
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import is_psf_file
from napari_psf_distiller.widgets.files.reader import read_psf_layer
from napari_psf_distiller.widgets.layers.file_part import FILE_PART_KEY, FilePart
from napari_psf_distiller.widgets.viewer.opening import LayerTuples, Reader

__all__ = ["get_zarr_reader"]

# In this order the axes come to napari; a layer is made of each channel.
AXES = ("t", "z", "y", "x")

# The unit of an axis that the file says none of.
PIXEL = "pixel"


def get_zarr_reader(path: str) -> Reader | None:
    """Return what reads an OME-Zarr, or None for any other folder or file; never raises.

    Parameters
    ----------
    path : str
        Of the zarr its metadata is read, no more.
    """
    if not is_zarr(path):
        return None
    if is_psf_file(path):
        return read_psf_layer
    try:
        image_names(path)
    except InputError:
        # Of a zarr that is none of OME's another reader may know more.
        return None
    return read_zarr_layers


def read_zarr_layers(path: str) -> LayerTuples:
    """Return an image of an OME-Zarr as the keywords of lazy image layers, one a channel.

    Of a plate or a series it is the first image: of a plate the first field of the well that it
    lists first, of a series that with the lowest number. Others are opened by their own folder.

    Parameters
    ----------
    path : str

    Raises
    ------
    InputError
        It is damaged, or its axes are not known.
    """
    names = image_names(path)
    image = open_image(path, names[0])
    if len(names) > 1:
        show_info(
            f"{Path(path).name} holds {len(names)} images; {names[0]}, the first, is opened. Open "
            f"another by its own folder, such as {Path(path).name}/{names[-1]}."
        )
    levels = [_lazily(array, image.where) for array in resolutions(image)]
    keywords = _geometry(image)
    layers = []
    for number, shown in enumerate(channel_displays(image)):
        parts = [_in_order(level, image, number) for level in levels]
        own = keywords | _drawn(shown, _name(path, image, number, shown))
        own["metadata"] = {FILE_PART_KEY: FilePart(image.where, number)}
        data = parts if len(parts) > 1 else parts[0]
        layers.append((data, own | {"multiscale": len(parts) > 1}, "image"))
    return layers


def _lazily(array: Any, where: str) -> Any:
    read: Callable[[Any], Any] = dask.array.from_zarr
    try:
        return read(array)
    except (ArithmeticError, MemoryError, TypeError, ValueError) as error:
        raise InputError(
            f"{where} is damaged, or cut into too many chunks: one of its arrays has the shape "
            f"{array.shape} in chunks of {array.chunks}. Export it again."
        ) from error


def _in_order(level: Any, image: OmeZarrImage, channel: int) -> Any:
    """Return a channel of a level, its axes in napari's order."""
    axes = list(image.layout.axes)
    if "c" in axes:
        level = level[tuple(channel if axis == "c" else slice(None) for axis in axes)]
        axes.remove("c")
    return level.transpose([axes.index(axis) for axis in AXES if axis in axes])


def _geometry(image: OmeZarrImage) -> dict[str, Any]:
    """Return how an image lies in the world; of one whose voxel size is not known nothing."""
    layout = image.layout
    axes = [axis for axis in AXES if axis in layout.axes]
    found: dict[str, Any] = {"axis_labels": tuple(axes)}
    if layout.spacing is None:
        return found
    sizes = dict(zip(layout.space_axes, layout.spacing, strict=True))
    units = dict.fromkeys(layout.space_axes, "micrometer")
    if layout.time_step > 0 and _is_time(layout.time_unit):
        sizes["t"], units["t"] = layout.time_step, layout.time_unit
    first = dict(zip(layout.space_axes, layout.first_voxel, strict=False))
    return found | {
        "scale": tuple(sizes.get(axis, 1.0) for axis in axes),
        "translate": tuple(first.get(axis, 0.0) for axis in axes),
        "units": tuple(units.get(axis, PIXEL) for axis in axes),
    }


def _is_time(unit: str) -> bool:
    """Return whether a text is a unit of time."""
    try:
        return bool(unit) and pint.get_application_registry().Quantity(1, unit).check("[time]")
    except Exception:  # of pint, as many kinds as there are ways to write no unit
        return False


def _name(path: str, image: OmeZarrImage, number: int, shown: ChannelDisplay) -> str:
    """Return what a layer is called: the folder, the image in it, and the channel."""
    parts = [Path(path).name.removesuffix(".zarr").removesuffix(".ome"), image.name]
    if image.layout.size("c") > 1:
        parts.append(shown.name or f"channel {number}")
    return " ".join(part for part in parts if part)


def _drawn(shown: ChannelDisplay, name: str) -> dict[str, Any]:
    """Return a layer's keywords for its look; what is not known is left to napari."""
    keywords: dict[str, Any] = {"name": name, "visible": shown.visible}
    if shown.colour is not None:
        keywords |= {"colormap": shown.colour, "blending": "additive"}
    if shown.limits is not None:
        keywords["contrast_limits"] = shown.limits
    return keywords
