"""An OME-Zarr made empty, with its metadata and pyramids, to be filled by regions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_psf_distiller.datasets.ome_zarr.groups import member_group, opened_group, reason
from napari_psf_distiller.datasets.ome_zarr.layout import SPACE, WHITE, ImageLayout
from napari_psf_distiller.datasets.ome_zarr.reading import OmeZarrImage, names_in
from napari_psf_distiller.errors import InputError

if TYPE_CHECKING:
    import zarr

__all__ = ["VERSIONS", "chunks_of", "create_group", "create_image", "level_shapes"]

# Voxels of a written chunk along z, y and x, at most.
CHUNK = (32, 128, 128)

# A pyramid ends where no side in the plane is longer, in pixels.
SMALLEST_LEVEL = 256

VERSIONS = ("0.4", "0.5")


def create_group(path: str | Path, like: OmeZarrImage | None, version: str) -> None:
    """Create the groups of a data set, with the plate or series that another one has.

    Parameters
    ----------
    path : str or Path
        Of the new one.
    like : OmeZarrImage or None
        An image of the other one; None makes a series of images with numbers for names.
    version : str
        Of OME-Zarr.

    Raises
    ------
    InputError
        It cannot be written.
    """
    root = _created(str(path), version)
    if like is None:
        layout = {"bioformats2raw.layout": 3}
        root.attrs.update({"ome": {"version": "0.5", **layout}} if version == "0.5" else layout)
        return
    if not like.name:
        return
    source = opened_group(like.path)
    root.attrs.update(source.attrs.asdict())
    names = {name.rpartition("/")[0] for name in names_in(source, like.path)} - {""}
    for name in sorted(names):
        _created(f"{path}/{name}", version).attrs.update(
            member_group(source, name, like.path).attrs.asdict()
        )


def create_image(
    path: str | Path,
    layout: ImageLayout,
    name: str,
    *,
    pyramid: bool = True,
    brightest: float = 65535.0,
) -> None:
    """Create an image of float32 with its pyramid, empty; what is there is emptied.

    Parameters
    ----------
    path : str or Path
        Of the image's group.
    layout : ImageLayout
    name : str
        For people.
    pyramid : bool
        Whether it has levels of fewer pixels too.
    brightest : float
        What a viewer shows as white.

    Raises
    ------
    InputError
        It cannot be written.
    """
    group = _created(str(path), layout.version)
    new = layout.version == "0.5"
    shapes = level_shapes(layout) if pyramid else [layout.shape]
    try:
        for level, shape in enumerate(shapes):
            group.create_array(
                str(level),
                shape=shape,
                chunks=chunks_of(layout, shape),
                dtype="float32",
                fill_value=0.0,
                overwrite=True,
                dimension_names=layout.axes if new else None,
                chunk_key_encoding=None if new else {"name": "v2", "separator": "/"},
            )
        group.attrs.update(_metadata(layout, name, len(shapes), brightest))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}.") from error


def _metadata(layout: ImageLayout, name: str, levels: int, brightest: float) -> dict[str, Any]:
    """Return OME-Zarr's attributes of an image."""
    spacing = iter(layout.spacing or (1.0,) * len(layout.space))
    others = {"t": layout.time_step}
    scale = [next(spacing) if axis in SPACE else others.get(axis, 1.0) for axis in layout.axes]
    places = iter(layout.first_voxel or (0.0,) * len(layout.space))
    first = [next(places) if axis in SPACE else 0.0 for axis in layout.axes]
    types = {"t": "time", "c": "channel"}
    length = "micrometer" if layout.spacing is not None else ""
    units = {"t": layout.time_unit, **dict.fromkeys(SPACE, length)}
    datasets = []
    for level in range(levels):
        # The mean of 2 x 2 pixels lies between them.
        factors = [2**level if axis in ("y", "x") else 1 for axis in layout.axes]
        sizes = [size * factor for size, factor in zip(scale, factors, strict=True)]
        moved = [
            place + size * (factor - 1) / 2
            for place, size, factor in zip(first, scale, factors, strict=True)
        ]
        transformations = [
            {"type": "scale", "scale": sizes},
            {"type": "translation", "translation": moved},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": [
            {
                "name": axis,
                "type": types.get(axis, "space"),
                **({"unit": units[axis]} if units.get(axis) else {}),
            }
            for axis in layout.axes
        ],
        "datasets": datasets,
    }
    if levels > 1:
        multiscale["type"] = "mean of 2 x 2 pixels"
    window = {"min": 0.0, "max": brightest, "start": 0.0, "end": brightest}
    colors = layout.colors or (WHITE,) * len(layout.channels)
    omero = {
        "channels": [
            {"label": label, "color": color, "active": True, "window": window}
            for label, color in zip(layout.channels, colors, strict=True)
        ]
    }
    described: dict[str, Any] = {"multiscales": [multiscale]}
    if layout.channels:
        described["omero"] = omero
    if layout.version == "0.5":
        return {"ome": {"version": "0.5", **described}}
    multiscale["version"] = "0.4"
    return described


def level_shapes(layout: ImageLayout) -> list[tuple[int, ...]]:
    """Return the shapes of a pyramid's levels, each with half the pixels along y and x."""
    shapes = [layout.shape]
    plane = [layout.axes.index(axis) for axis in ("y", "x")]
    while max(shapes[-1][axis] for axis in plane) > SMALLEST_LEVEL:
        shapes.append(
            tuple(math.ceil(n / 2) if a in plane else n for a, n in enumerate(shapes[-1]))
        )
    return shapes


def chunks_of(layout: ImageLayout, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the chunks of an array of an image, each of one time and one channel."""
    most = dict(zip(SPACE, CHUNK, strict=True))
    return tuple(min(n, most.get(axis, 1)) for n, axis in zip(shape, layout.axes, strict=True))


def _created(path: str, version: str) -> zarr.Group:
    import zarr

    try:
        return zarr.open_group(path, mode="a", zarr_format=3 if version == "0.5" else 2)
    except Exception as error:  # zarr raises what its stores raise
        raise InputError(f"{path} cannot be written: {reason(error)}.") from error
