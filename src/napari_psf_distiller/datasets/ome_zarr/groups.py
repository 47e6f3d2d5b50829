"""Groups of a zarr, opened so that every failure is one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_psf_distiller.errors import InputError

if TYPE_CHECKING:
    import zarr

__all__ = ["is_zarr", "member_group", "ome_attributes", "opened_group", "reason"]

# Where zarr keeps what it says of a group or an array: its versions 3 and 2.
MARKS = ("zarr.json", ".zgroup", ".zarray")


def is_zarr(path: str | Path) -> bool:
    """Return whether a path is that of a zarr, by its name or by what is there.

    Examples
    --------
    >>> is_zarr("beads.ome.zarr"), is_zarr("beads.tif")
    (True, False)
    """
    if str(path).rstrip("/\\").lower().endswith(".zarr"):
        return True
    try:
        return any((Path(path) / mark).is_file() for mark in MARKS)
    except (OSError, ValueError):
        # No folder can have such a name.
        return False


def opened_group(path: str) -> zarr.Group:
    """Open a zarr to be read.

    Raises
    ------
    InputError
        There is none, or it is a single array.
    """
    import zarr

    try:
        return zarr.open_group(path, mode="r")
    except Exception as error:  # zarr raises what its stores raise
        is_array = isinstance(error, zarr.errors.ContainsArrayError)
        if is_array or (Path(path) / ".zarray").is_file():
            raise InputError(
                f"{path} is a single array of a zarr, which does not say which axis is which: give "
                "the OME-Zarr that it lies in."
            ) from None
        raise InputError(
            f"{path} cannot be opened as OME-Zarr: {reason(error)}. Give the folder whose "
            "name ends in .zarr."
        ) from error


def ome_attributes(group: zarr.Group) -> Mapping[str, Any]:
    """Return OME-Zarr's own attributes of a group, wherever its version keeps them."""
    attributes = group.attrs.asdict()
    inside = attributes.get("ome", attributes)
    return inside if isinstance(inside, Mapping) else {}


def member_group(group: zarr.Group, name: str, path: str | Path) -> zarr.Group:
    """Return a group in another one of the zarr at a path.

    Raises
    ------
    InputError
        There is none of the name.
    """
    import zarr

    try:
        found = group[name]
    except KeyError as error:
        raise InputError(f"{path} names {name}, which is not there: copy it again.") from error
    if not isinstance(found, zarr.Group):
        raise InputError(f"{path} names {name}, which is no image but an array.")
    return found


def reason(error: BaseException) -> str:
    """Return what an error says, in one line without a full stop; of several the first."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        text = first["msg"].removeprefix("Value error, ")
        return f"{place}: {text}".removeprefix(": ").rstrip(".")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
