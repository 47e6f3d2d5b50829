"""What a TIFF says of its channels and times: OME's description, or ImageJ's."""

from __future__ import annotations

from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import tifffile

__all__ = ["ChannelsAndTimes", "channels_and_times"]

# OME's units of time, and ImageJ's, by OME-Zarr's names.
TIME_UNITS = {
    "s": "second",
    "sec": "second",
    "seconds": "second",
    "ms": "millisecond",
    "µs": "microsecond",
    "us": "microsecond",
    "ns": "nanosecond",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
}


# A channel of this colour would not be seen: an inverted lookup table ends with it.
BLACK = "000000"


class ChannelsAndTimes(NamedTuple):
    """What a file says of its channels and times.

    Attributes
    ----------
    names : tuple of str
        Of the channels; empty where there are none, and "" of one that has none.
    colors : tuple of str
        Of the channels, such as "00FF00"; "" of one that has none, or black.
    time_step : float
        From one time to the next; 0 where it is not known.
    time_unit : str
        Its unit, by OME-Zarr's name; "" where it is not known.
    """

    names: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    time_step: float = 0.0
    time_unit: str = ""


def channels_and_times(tiff: tifffile.TiffFile, image: int) -> ChannelsAndTimes:
    """Return what a TIFF says of the channels and times of one of its images.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    image : int
        The image's number in the file.
    """
    if tiff.is_ome and tiff.ome_metadata:
        return _of_ome(tiff.ome_metadata, image)
    return _of_imagej(tiff.imagej_metadata or {})


def _of_ome(xml: str, image: int) -> ChannelsAndTimes:
    described = [e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")]
    if image >= len(described):
        return ChannelsAndTimes()
    pixels = described[image]
    channels = [e for e in pixels if e.tag.endswith("}Channel")]
    return ChannelsAndTimes(
        tuple(channel.get("Name", "") for channel in channels),
        tuple(_ome_color(channel.get("Color", "")) for channel in channels),
        *_time(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")),
    )


def _ome_color(text: str) -> str:
    """Return a colour that OME writes as a signed number of red, green, blue and opacity."""
    try:
        number = int(text)
    except ValueError:
        return ""
    return _seen(f"{number % 2**32 >> 8:06X}")


def _seen(color: str) -> str:
    return "" if color == BLACK else color


def _of_imagej(imagej: dict[str, Any]) -> ChannelsAndTimes:
    colors = []
    for table in imagej.get("LUTs", ()):
        # Red, green and blue of 256 brightnesses.
        brightest = np.asarray(table, int)[:3, -1] if np.ndim(table) == 2 else ()
        colors.append(_seen("".join(f"{value:02X}" for value in brightest)))
    return ChannelsAndTimes(
        (), tuple(colors), *_time(imagej.get("finterval"), str(imagej.get("tunit", "s")))
    )


def _time(step: Any, unit: str) -> tuple[float, str]:
    """Return a time and its unit, or that they are not known."""
    try:
        number = float(step)
    except (TypeError, ValueError):
        return 0.0, ""
    name = TIME_UNITS.get(unit.strip().lower(), "")
    return (number, name) if name and 0 < number < float("inf") else (0.0, "")
