"""Images in OME-Zarr: one of a plate or a series, one channel and one time, and no more is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_psf_distiller.datasets.ome_zarr import (
    OmeZarrImage,
    image_names,
    open_image,
    series_listed,
)
from napari_psf_distiller.datasets.volume import AXES
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.chosen_part import ChosenPart, place_of
from napari_psf_distiller.io.tiff_images import FoundImage, refuse_too_large
from napari_psf_distiller.io.voxel_sizes import stated_spacing

__all__ = ["described_by", "image_in_zarr", "zarr_scene"]

# Where bioformats2raw keeps OME's description of the files that a series was made from.
OME_GROUP, OME_FILE = "OME", "METADATA.ome.xml"

# Of folders that it is sought in: a plate, a row, a well and an image.
MOST_ABOVE = 4

# Of fewer axes there is no image.
PLANE = 2


def image_in_zarr(path: str | Path, chosen: ChosenPart) -> FoundImage:
    """Return the image of one scene, channel and time of an OME-Zarr, in its full resolution.

    Parameters
    ----------
    path : str or Path
        See `open_image`.
    chosen : ChosenPart
        A scene is an image of a plate or a series, by its number in their order or by its name,
        such as "A/1/0".

    Raises
    ------
    InputError
        It is no OME-Zarr, or damaged; which image, channel or time is meant cannot be told; the
        image is larger than the memory, or cannot be read.
    """
    image = zarr_scene(path, chosen.scene)
    layout = image.layout
    notes: list[str] = []
    channel = place_of("channel", chosen.channel, layout.size("c"), path, layout.channels)
    time = place_of("time", chosen.time, layout.size("t"), path)
    if 0 in layout.shape:
        raise InputError(f"{image.where} has no voxels: its shape is {layout.shape}.")
    volume = image.volume(time, channel)
    refuse_too_large(image.where, volume.shape, volume.dtype)
    try:
        stored = np.asarray(volume)
    except InputError as error:
        raise InputError(f"{image.where}: {error}") from error
    order = layout.space_axes
    names = [axis for axis in AXES if axis in order]
    array = stored.transpose([order.index(axis) for axis in names])
    if len(names) > PLANE and len(array) == 1:
        array, names = array[0], names[1:]
    sizes = dict(zip(order, layout.spacing, strict=True)) if layout.spacing is not None else {}
    spacing = stated_spacing(sizes, "".join(names), path, notes)
    if spacing is not None and image.unit_assumed:
        notes.append(
            f"{path} does not say the unit of its voxel size: "
            f"{' x '.join(f'{size:.3g}' for size in spacing)} is taken to be in micrometres."
        )
    return FoundImage(array, spacing, tuple(notes))


def zarr_scene(path: str | Path, scene: int | str | None) -> OmeZarrImage:
    """Return one image of an OME-Zarr; its voxels are not read.

    Raises
    ------
    InputError
        See `image_in_zarr`.
    """
    names = image_names(path)
    # The only image of a zarr that is one has no name.
    return open_image(path, names[place_of("scene", scene, len(names), path, names)])


def described_by(image: OmeZarrImage) -> tuple[str, int] | None:
    """Return OME's XML that lies beside an image, and which image of it that is; None of none."""
    place, name = Path(image.path), image.name
    # What was given may be one image of a series, or of a well of a plate, and not all of it.
    for _ in range(MOST_ABOVE):
        xml = place / OME_GROUP / OME_FILE
        if xml.is_file():
            listed = series_listed(place / OME_GROUP)
            if name in listed:
                return xml.read_text("utf-8"), listed.index(name)
            return (xml.read_text("utf-8"), int(name)) if name.isdecimal() else None
        place, name = place.parent, f"{place.name}/{name}".rstrip("/")
    return None
