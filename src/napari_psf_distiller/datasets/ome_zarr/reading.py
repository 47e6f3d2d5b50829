"""The images of an OME-Zarr: one, or those of a plate or a series."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_psf_distiller.datasets.ome_zarr.groups import (
    member_group,
    ome_attributes,
    opened_group,
    reason,
)
from napari_psf_distiller.datasets.ome_zarr.layout import SPACE, WHITE, ImageLayout
from napari_psf_distiller.datasets.ome_zarr.zarr_volume import ZarrVolume
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.length_units import micrometres_in

if TYPE_CHECKING:
    import zarr

__all__ = [
    "OmeZarrImage",
    "array_in",
    "image_names",
    "names_in",
    "open_image",
    "open_images",
    "series_listed",
]

# Each is told by its name; an image has far fewer.
MOST_CHANNELS = 10_000


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
    unit_assumed : bool
        Whether the voxel size has no unit there, and was taken to be in micrometres.
    """

    path: str
    name: str
    layout: ImageLayout
    array: str
    unit_assumed: bool = False

    @property
    def where(self) -> str:
        """How the image is called in sentences."""
        return f"{self.path}/{self.name}".rstrip("/")

    @property
    def files(self) -> tuple[str, ...]:
        """The files that its voxels lie in, where these are on a disk."""
        found = Path(self.path, self.name, self.array).rglob("*")
        return tuple(str(path) for path in found if path.is_file())

    def volume(self, time: int = 0, channel: int = 0) -> ZarrVolume:
        """Return one time and one channel as a volume; see `Volume`."""
        group = opened_group(self.path)
        layout = self.layout
        stored: Any = group[f"{self.name}/{self.array}".lstrip("/")]
        return ZarrVolume(stored, layout.index(time, channel), layout.spacing)


def open_images(path: str | Path) -> tuple[OmeZarrImage, ...]:
    """Return the images of an OME-Zarr: of one image, of a plate, or of a series.

    Parameters
    ----------
    path : str or Path
        The folder, or an address that fsspec knows.

    Raises
    ------
    InputError
        There is no OME-Zarr, it is damaged, has no image, or one whose axes of space are not in
        the order z, y, x.
    """
    group = opened_group(str(path))
    found = tuple(_image(group, str(path), name) for name in names_in(group, path))
    for image in found:
        if image.layout.space_axes not in (SPACE, SPACE[1:]):
            raise InputError(
                f"{image.where} has the axes {', '.join(image.layout.axes)}; those of space must "
                "be in the order z, y, x. Save it so."
            )
    return found


def image_names(path: str | Path) -> tuple[str, ...]:
    """Return the names of an OME-Zarr's images, without opening each; see `OmeZarrImage.name`.

    Raises
    ------
    InputError
        There is no OME-Zarr, it is damaged, or has no image.
    """
    return names_in(opened_group(str(path)), path)


def open_image(path: str | Path, name: str = "") -> OmeZarrImage:
    """Return one image of an OME-Zarr, its axes in any order.

    Parameters
    ----------
    path : str or Path
        See `open_images`.
    name : str
        One of `image_names`.

    Raises
    ------
    InputError
        There is no such image, or it is damaged.
    """
    return _image(opened_group(str(path)), str(path), name)


def names_in(group: zarr.Group, path: str | Path) -> tuple[str, ...]:
    """Return the names of the images in the zarr at a path; see `image_names`."""
    try:
        found = tuple(_names(group, path))
    except (AttributeError, KeyError, TypeError):
        raise InputError(
            f"{path} is damaged: what its plate or wells say of their images cannot be read. Copy "
            "or export it again."
        ) from None
    if not found:
        raise InputError(f"{path} has no image: its plate or series is empty.")
    return found


def _names(group: zarr.Group, path: str | Path) -> Iterator[str]:
    """Yield the names of a data set's images."""
    ome = ome_attributes(group)
    if "plate" in ome:
        for well in ome["plate"].get("wells", ()):
            inside = ome_attributes(member_group(group, well["path"], path)).get("well", {})
            for image in inside.get("images", ()):
                yield f"{well['path']}/{image['path']}"
    elif "multiscales" in ome:
        yield ""
    elif "well" in ome:
        yield from (image["path"] for image in ome["well"]["images"])
    elif "bioformats2raw.layout" in ome:
        listed = _listed(group["OME"]) if "OME" in group else ()
        # Where they are not listed they are counted.
        yield from listed or itertools.takewhile(group.__contains__, map(str, itertools.count()))
    else:
        raise InputError(
            f"{path} is a zarr without OME-Zarr's metadata (multiscales, plate): it does not say "
            "which axis is which. Save it as OME-Zarr."
        )


def series_listed(path: str | Path) -> tuple[str, ...]:
    """Return the images that the group OME of a series lists, in their order; () of no such."""
    import zarr

    try:
        return _listed(zarr.open_group(str(path), mode="r"))
    except Exception:  # zarr raises what its stores raise
        return ()


def _listed(group: Any) -> tuple[str, ...]:
    listed = ome_attributes(group).get("series")
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def _image(root: zarr.Group, path: str, name: str) -> OmeZarrImage:
    where = f"{path}/{name}".rstrip("/")
    group = member_group(root, name, path) if name else root
    version = "0.5" if group.metadata.zarr_format == 3 else "0.4"
    ome = ome_attributes(group)
    scales = _multiscale(ome, where, version)
    axes = tuple(str(axis.name) for axis in scales.axes)
    space = tuple(axis for axis in axes if axis in SPACE)
    if not set(SPACE[1:]) <= set(axes) <= {"t", "c", *SPACE}:
        raise InputError(
            f"{where} has the axes {', '.join(axes)}; known are t, c, z, y and x, of which y and x "
            "must be there. Save it with these."
        )
    first = scales.datasets[0]
    stored = array_in(group, first.path, where)
    if len(stored.shape) != len(axes):
        raise InputError(
            f"{where} names {len(axes)} axes ({', '.join(axes)}), but its array {first.path} has "
            f"{len(stored.shape)}. Export it again."
        )
    if "c" in axes and stored.shape[axes.index("c")] > MOST_CHANNELS:
        raise InputError(
            f"{where} says that it has {stored.shape[axes.index('c')]} channels; at most "
            f"{MOST_CHANNELS} are read. Export it again."
        )
    factors, moved = np.ones(len(axes)), np.zeros(len(axes))
    for transformations in (first.coordinateTransformations, scales.coordinateTransformations):
        for one in transformations or ():
            scale = np.asarray(getattr(one, "scale", 1.0), float)
            factors, moved = factors * scale, moved * scale
            moved = moved + np.asarray(getattr(one, "translation", 0.0), float)
    stated = {str(axis.name): getattr(axis, "unit", None) for axis in scales.axes}
    units = {axis: unit if isinstance(unit, str) else None for axis, unit in stated.items()}
    spacing = _spacing(dict(zip(axes, factors, strict=True)), units, space)
    first_voxel: tuple[float, ...] = ()
    if spacing is not None:
        # In the unit of the scale; one of 0, which a file may state, has no place.
        first_voxel = tuple(
            float(moved[axes.index(axis)] * size / factors[axes.index(axis)]) if size else 0.0
            for axis, size in zip(space, spacing, strict=True)
        )
    layout = ImageLayout(
        axes,
        tuple(int(n) for n in stored.shape),
        str(stored.dtype),
        spacing,
        _channels(ome, axes, stored.shape),
        version,
        first_voxel if any(first_voxel) else (),
        _colors(ome, axes, stored.shape),
        float(factors[axes.index("t")]) if "t" in axes else 1.0,
        units.get("t") or "",
    )
    assumed = spacing is not None and not all(units[axis] for axis in space)
    return OmeZarrImage(path, name, layout, first.path, assumed)


def _multiscale(ome: Mapping[str, Any], where: str, version: str) -> Any:
    """Return what an image says of its axes and resolutions, checked by the specification.

    What else its metadata says, as of colours, may be as it likes.
    """
    from ome_zarr_models.v04.multiscales import Multiscale as Multiscale04
    from ome_zarr_models.v05.multiscales import Multiscale as Multiscale05

    stated = str(ome.get("version", version))
    if stated != version:
        raise InputError(
            f"{where} is of OME-Zarr {stated}, and {version} is what can be read in a zarr of this "
            "kind. Convert it to 0.4 or 0.5."
        )
    try:
        model: type[Any] = Multiscale05 if version == "0.5" else Multiscale04
        return model.model_validate(ome["multiscales"][0])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where} is not valid OME-Zarr {version}: {reason(error)}. Its metadata must "
            "name the axes and a scale for each resolution."
        ) from error


def array_in(group: zarr.Group, name: str, where: str) -> zarr.Array[Any]:
    """Return an array of an image's group; its voxels are not read.

    Raises
    ------
    InputError
        There is none, or it cannot be opened.
    """
    import zarr

    try:
        found = group[name]
    except Exception as error:  # zarr raises what its stores raise
        raise InputError(
            f"{where} names the array {name}, which cannot be opened: {reason(error)}. Copy or "
            "export it again."
        ) from error
    if not isinstance(found, zarr.Array):
        raise InputError(f"{where} names {name}, which is no array. Export it again.")
    return found


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
    labels = _of_channels(ome, "label", axes, shape)
    return tuple(label or f"channel {i}" for i, label in enumerate(labels))


def _colors(ome: Mapping[str, Any], axes: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """Return the channels' colours, if any has another than white."""
    colors = [color or WHITE for color in _of_channels(ome, "color", axes, shape)]
    return tuple(colors) if set(colors) - {WHITE} else ()


def _of_channels(
    ome: Mapping[str, Any], what: str, axes: Sequence[str], shape: Sequence[int]
) -> list[str]:
    """Return something that is said of each channel; "" where it is not."""
    if "c" not in axes:
        return []
    count = int(shape[list(axes).index("c")])
    omero = ome.get("omero")
    listed = omero.get("channels") if isinstance(omero, Mapping) else None
    found = [
        str(channel.get(what) or "") if isinstance(channel, Mapping) else ""
        for channel in (listed if isinstance(listed, list) else [])[:count]
    ]
    return found + [""] * (count - len(found))
