"""How an image of OME-Zarr is to be shown: its resolutions, and its channels' colours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_psf_distiller.datasets.ome_zarr.groups import ome_attributes, opened_group
from napari_psf_distiller.datasets.ome_zarr.reading import OmeZarrImage, array_in

if TYPE_CHECKING:
    import zarr

__all__ = ["ChannelDisplay", "channel_displays", "resolutions"]

# Six digits of a colour, which some programs begin with a #, and some end with an opacity.
COLOUR = re.compile(r"#?([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?")


class ChannelDisplay(NamedTuple):
    """How a channel is to be shown.

    Attributes
    ----------
    name : str
        "" where the file has none.
    colour : str or None
        Of the brightest, such as "#00ff00".
    limits : tuple of float or None
        The intensities that are black and that have the colour; None where the file says none, or
        but the whole range, as programs do that do not know.
    visible : bool
    """

    name: str = ""
    colour: str | None = None
    limits: tuple[float, float] | None = None
    visible: bool = True


def resolutions(image: OmeZarrImage) -> list[zarr.Array[Any]]:
    """Return the arrays of an image, the finest first; no voxels are read.

    Raises
    ------
    InputError
        One of them is not there.
    """
    group: Any = opened_group(image.path)
    inside = group[image.name] if image.name else group
    datasets = ome_attributes(inside)["multiscales"][0]["datasets"]
    return [array_in(inside, str(level["path"]), image.where) for level in datasets]


def channel_displays(image: OmeZarrImage) -> list[ChannelDisplay]:
    """Return how each channel is to be shown, as far as the file says it; one if it has no axis.

    What it says wrongly is left out.
    """
    group: Any = opened_group(image.path)
    omero = ome_attributes(group[image.name] if image.name else group).get("omero")
    listed = omero.get("channels") if isinstance(omero, Mapping) else None
    given = [_display(one) for one in listed] if isinstance(listed, list) else []
    count = image.layout.size("c")
    return given[:count] + [ChannelDisplay()] * (count - len(given))


def _display(channel: Any) -> ChannelDisplay:
    if not isinstance(channel, Mapping):
        return ChannelDisplay()
    colour = COLOUR.fullmatch(str(channel.get("color", "")))
    window = channel.get("window")
    window = window if isinstance(window, Mapping) else {}
    ends, whole = ([window.get(end) for end in pair] for pair in (("start", "end"), ("min", "max")))
    numbers = [float(n) for n in ends if isinstance(n, int | float) and math.isfinite(n)]
    limits = None
    if len(numbers) == 2 and numbers[0] < numbers[1] and ends != whole:
        limits = (numbers[0], numbers[1])
    return ChannelDisplay(
        str(channel.get("label") or ""),
        f"#{colour[1].lower()}" if colour else None,
        limits,
        channel.get("active") is not False,
    )
