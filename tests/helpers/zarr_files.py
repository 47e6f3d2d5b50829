"""OME-Zarr as other programs write it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr
from numpy.typing import NDArray

TYPES = {"t": "time", "c": "channel"}


def write_zarr(
    path: Path,
    image: NDArray[Any],
    axes: str = "zyx",
    *,
    spacing: Sequence[float] | None = None,
    unit: str | None = "micrometer",
    channels: Sequence[str | Mapping[str, Any]] = (),
    version: str = "0.5",
    levels: int = 1,
    **options: Any,
) -> zarr.Group:
    """Write an image.

    Parameters
    ----------
    path : Path
        Of the image's group.
    image : numpy.ndarray
    axes : str
        A letter for each axis, in the order in which they are stored.
    spacing : sequence of float, optional
        Of the axes of space, in the order in which they are stored; 1 by default.
    unit : str, optional
        Of the spacing, as OME-Zarr calls it.
    channels : sequence of str or mapping
        Their names, or all that is said of them.
    version : {"0.5", "0.4"}
    levels : int
        Of the pyramid, each of every second pixel.
    **options : Any
        Of each array, such as its chunks and shards.
    """
    new = version == "0.5"
    group = zarr.open_group(path, mode="w", zarr_format=3 if new else 2)
    sizes = iter(spacing or [1.0] * len(axes))
    scale = [next(sizes) if axis in "zyx" else 1.0 for axis in axes]
    datasets = []
    for level in range(levels):
        step = 2**level
        part = image[tuple(slice(None, None, step if axis in "yx" else 1) for axis in axes)]
        made = group.create_array(
            f"s{level}",
            shape=part.shape,
            dtype=part.dtype,
            dimension_names=list(axes) if new else None,
            **options,
        )
        made[...] = part
        larger = [n * step if axis in "yx" else n for n, axis in zip(scale, axes, strict=True)]
        datasets.append(
            {
                "path": f"s{level}",
                "coordinateTransformations": [{"type": "scale", "scale": larger}],
            }
        )
    listed = [
        {"name": axis, "type": TYPES.get(axis, "space")}
        | ({"unit": unit} if unit is not None and axis in "zyx" else {})
        for axis in axes
    ]
    said: dict[str, Any] = {"multiscales": [{"axes": listed, "datasets": datasets}]}
    if channels:
        said["omero"] = {
            "channels": [{"label": one} if isinstance(one, str) else dict(one) for one in channels]
        }
    if not new:
        said["multiscales"][0]["version"] = "0.4"
    group.attrs.update({"ome": {"version": "0.5", **said}} if new else said)
    return group
