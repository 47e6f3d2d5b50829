"""Images of OME-Zarr, one or a plate or a series of them, read and written by regions.

Metadata is read and checked by ome-zarr-models, voxels are read and written by zarr itself: what
writes a region must know chunks and shards, which the higher libraries (ome-zarr, ngff-zarr) hide
behind dask arrays. Both are MIT-licensed; of OME-Zarr they know the versions 0.4 (zarr 2) and 0.5
(zarr 3, with shards). Neither is imported before a data set is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_psf_distiller.datasets.volume import StoredVolume
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.length_units import micrometres_in

if TYPE_CHECKING:
    import zarr

__all__ = ["ImageLayout", "OmeZarrImage", "create_group", "create_image", "open_images"]

SPACE = ("z", "y", "x")

# Voxels of a written chunk along z, y and x, at most.
CHUNK = (32, 128, 128)

# A pyramid ends where no side in the plane is longer, in pixels.
SMALLEST_LEVEL = 256

VERSIONS = ("0.4", "0.5")


@dataclass(frozen=True)
class ImageLayout:
    """What there is of an image besides its voxels.

    Attributes
    ----------
    axes : tuple of str
        Of "t", "c", "z", "y", "x", in the order in which they are stored.
    shape : tuple of int
    dtype : str
    spacing : tuple of float or None
        Voxel size along the axes of space in micrometres; None where it is not known.
    channels : tuple of str
        Names of the channels; empty where there are none.
    version : str
        Of OME-Zarr.
    first_voxel : tuple of float
        Where the first voxel's centre lies along the axes of space, in micrometres; empty is 0.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    spacing: tuple[float, ...] | None
    channels: tuple[str, ...]
    version: str
    first_voxel: tuple[float, ...] = ()

    def size(self, axis: str) -> int:
        """Return the number of voxels, times or channels along an axis; 1 if it has no such."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def space(self) -> tuple[int, ...]:
        """(Z, Y, X) or (Y, X) voxels."""
        return self.along_space(self.shape)

    def along_space(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Return those of some numbers, one an axis, that belong to the axes of space."""
        return tuple(n for n, axis in zip(numbers, self.axes, strict=True) if axis in SPACE)

    def index(self, time: int, channel: int, box: Sequence[slice] = ()) -> tuple[int | slice, ...]:
        """Return where a box of one time and one channel lies in the array; () is all of it."""
        parts = iter(box or [slice(None)] * len(self.space))
        chosen: dict[str, int] = {"t": time, "c": channel}
        return tuple(chosen[axis] if axis in chosen else next(parts) for axis in self.axes)


@dataclass(frozen=True)
class OmeZarrImage:
    """An image of an OME-Zarr, of which boxes can be read.

    Attributes
    ----------
    path : str
        Of the data set.
    name : str
        Of the image in it: "" of the only one, "A/1/0" in a plate.
    layout : ImageLayout
    array : str
        Name of the array with the full resolution.
    """

    path: str
    name: str
    layout: ImageLayout
    array: str

    def volume(self, time: int = 0, channel: int = 0) -> StoredVolume:
        """Return one time and one channel as a volume; see `Volume`."""
        group = _opened(self.path)
        layout = self.layout
        stored = group[f"{self.name}/{self.array}".lstrip("/")]
        return StoredVolume(stored, layout.index(time, channel), layout.spacing)


def open_images(path: str | Path) -> tuple[OmeZarrImage, ...]:
    """Return the images of an OME-Zarr: of one image, of a plate, or of a series.

    Parameters
    ----------
    path : str or Path
        The folder, or an address that fsspec knows.

    Raises
    ------
    InputError
        There is no OME-Zarr, it is damaged, or has no image.
    """
    group = _opened(str(path))
    found = tuple(_image(group, str(path), name) for name in _names(group, path))
    if not found:
        raise InputError(f"{path} has no image: its plate or series is empty.")
    return found


def _opened(path: str) -> zarr.Group:
    import zarr

    try:
        return zarr.open_group(path, mode="r")
    except Exception as error:  # zarr raises what its stores raise
        raise InputError(
            f"{path} cannot be opened as OME-Zarr: {_first_line(error)}. Give the folder whose "
            "name ends in .zarr."
        ) from error


def _names(group: zarr.Group, path: str | Path) -> Iterator[str]:
    """Yield the names of a data set's images."""
    ome = ome_attributes(group)
    if "plate" in ome:
        for well in ome["plate"].get("wells", ()):
            inside = ome_attributes(_member(group, well["path"], path)).get("well", {})
            for image in inside.get("images", ()):
                yield f"{well['path']}/{image['path']}"
    elif "multiscales" in ome:
        yield ""
    elif "bioformats2raw.layout" in ome:
        yield from sorted((name for name in group.group_keys() if name.isdigit()), key=int)
    else:
        raise InputError(
            f"{path} is a zarr without OME-Zarr's metadata (multiscales, plate): it does not say "
            "which axis is which. Save it as OME-Zarr."
        )


def ome_attributes(group: zarr.Group) -> Mapping[str, Any]:
    """Return OME-Zarr's own attributes of a group, wherever its version keeps them."""
    attributes = group.attrs.asdict()
    inside = attributes.get("ome", attributes)
    return inside if isinstance(inside, Mapping) else {}


def _member(group: zarr.Group, name: str, path: str | Path) -> zarr.Group:
    import zarr

    try:
        found = group[name]
    except KeyError as error:
        raise InputError(f"{path} names {name}, which is not there: copy it again.") from error
    if not isinstance(found, zarr.Group):
        raise InputError(f"{path} names {name}, which is no image but an array.")
    return found


def _image(root: zarr.Group, path: str, name: str) -> OmeZarrImage:
    from ome_zarr_models.v04 import Image as Image04
    from ome_zarr_models.v05 import Image as Image05

    where = f"{path}/{name}".rstrip("/")
    group = _member(root, name, path) if name else root
    version = "0.5" if group.metadata.zarr_format == 3 else "0.4"
    try:
        model = (Image05 if version == "0.5" else Image04).from_zarr(group)
    except Exception as error:  # of the validator, of zarr, of the store
        raise InputError(
            f"{where} is not valid OME-Zarr {version}: {_first_line(error)}. Its metadata must "
            "name the axes and a scale for each resolution."
        ) from error
    scales = model.ome_attributes.multiscales[0]
    axes = tuple(str(axis.name) for axis in scales.axes)
    space = tuple(axis for axis in axes if axis in SPACE)
    known = set(axes) <= {"t", "c", *SPACE}
    if not known or space not in (SPACE, SPACE[1:]):
        raise InputError(
            f"{where} has the axes {', '.join(axes)}; known are t, c, z, y and x, those of space "
            "in the order z, y, x. Save it with these."
        )
    first = scales.datasets[0]
    stored: Any = group[first.path]
    factors, moved = np.ones(len(axes)), np.zeros(len(axes))
    for transformations in (first.coordinateTransformations, scales.coordinateTransformations):
        for one in transformations or ():
            scale = np.asarray(getattr(one, "scale", 1.0), float)
            factors, moved = factors * scale, moved * scale
            moved = moved + np.asarray(getattr(one, "translation", 0.0), float)
    units = {str(axis.name): getattr(axis, "unit", None) for axis in scales.axes}
    spacing = _spacing(dict(zip(axes, factors, strict=True)), units, space)
    first_voxel: tuple[float, ...] = ()
    if spacing is not None:
        # In the unit of the scale.
        first_voxel = tuple(
            float(moved[axes.index(axis)] * size / factors[axes.index(axis)])
            for axis, size in zip(space, spacing, strict=True)
        )
    layout = ImageLayout(
        axes,
        tuple(int(n) for n in stored.shape),
        str(stored.dtype),
        spacing,
        _channels(ome_attributes(group), axes, stored.shape),
        version,
        first_voxel if any(first_voxel) else (),
    )
    return OmeZarrImage(path, name, layout, first.path)


def _spacing(
    scale: Mapping[str, float], units: Mapping[str, str | None], space: Sequence[str]
) -> tuple[float, ...] | None:
    """Return the voxel size, or None where neither a unit nor another scale than 1 is said."""
    if not any(units[axis] for axis in space) and all(scale[axis] == 1 for axis in space):
        return None
    factors = [micrometres_in(units[axis] or "micrometer") for axis in space]
    if None in factors:
        return None
    return tuple(
        float(scale[axis]) * factor
        for axis, factor in zip(space, factors, strict=True)
        if factor is not None
    )


def _channels(ome: Mapping[str, Any], axes: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """Return the channels' names; those that have none are counted."""
    if "c" not in axes:
        return ()
    count = int(shape[list(axes).index("c")])
    listed = ome.get("omero", {}).get("channels", [])
    labels = [str(channel.get("label", "")) for channel in listed][:count]
    labels += [""] * (count - len(labels))
    return tuple(label or f"channel {i}" for i, label in enumerate(labels))


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
    source = _opened(like.path)
    root.attrs.update(source.attrs.asdict())
    names = {name.rpartition("/")[0] for name in _names(source, like.path)} - {""}
    for name in sorted(names):
        _created(f"{path}/{name}", version).attrs.update(
            _member(source, name, like.path).attrs.asdict()
        )


def create_image(path: str | Path, layout: ImageLayout, name: str) -> None:
    """Create an image of float32 with its pyramid, empty; what is there is emptied.

    Parameters
    ----------
    path : str or Path
        Of the image's group.
    layout : ImageLayout
    name : str
        For people.

    Raises
    ------
    InputError
        It cannot be written.
    """
    group = _created(str(path), layout.version)
    new = layout.version == "0.5"
    shapes = level_shapes(layout)
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
        group.attrs.update(_metadata(layout, name, len(shapes)))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}.") from error


def _metadata(layout: ImageLayout, name: str, levels: int) -> dict[str, Any]:
    """Return OME-Zarr's attributes of an image."""
    spacing = iter(layout.spacing or (1.0,) * len(layout.space))
    scale = [next(spacing) if axis in SPACE else 1.0 for axis in layout.axes]
    places = iter(layout.first_voxel or (0.0,) * len(layout.space))
    first = [next(places) if axis in SPACE else 0.0 for axis in layout.axes]
    types = {"t": "time", "c": "channel"}
    unit = {"unit": "micrometer"} if layout.spacing is not None else {}
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
    multiscale = {
        "name": name,
        "axes": [
            {"name": axis, "type": types.get(axis, "space"), **(unit if axis in SPACE else {})}
            for axis in layout.axes
        ],
        "datasets": datasets,
        "type": "mean of 2 x 2 pixels",
    }
    window = {"min": 0.0, "max": 65535.0, "start": 0.0, "end": 65535.0}
    omero = {
        "channels": [
            {"label": label, "color": "FFFFFF", "active": True, "window": window}
            for label in layout.channels
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
        raise InputError(f"{path} cannot be written: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
