"""Images in the files of microscopes' makers, CZI, ND2 and LIF, through bioio's readers.

bioio has a package for each format; they are extras, and are imported when a file asks for one.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.chosen_part import ChosenPart, place_of
from napari_psf_distiller.io.tiff_images import AXIS_NAMES, FoundImage, refuse_too_large
from napari_psf_distiller.io.voxel_sizes import stated_spacing

__all__ = ["VENDOR_ENDINGS", "image_in", "is_vendor_file", "ome_description", "opened_scene"]

TILES = "M"


class _Format(NamedTuple):
    """The package that reads a format, and the extra of ours that installs it."""

    package: str
    extra: str


# bioio-czi is under the GPL, and so has an extra of its own.
FORMATS = {
    ".czi": _Format("bioio_czi", "czi"),
    ".lif": _Format("bioio_lif", "bioio"),
    ".nd2": _Format("bioio_nd2", "bioio"),
}
VENDOR_ENDINGS = tuple(FORMATS)


class OpenedScene(NamedTuple):
    """A scene of a file that is open.

    Attributes
    ----------
    reader : Any
        bioio's reader, at the scene.
    number : int
        Of the scene, from 0.
    """

    reader: Any
    number: int


def is_vendor_file(path: str | Path) -> bool:
    """Return whether a file's name ends as those of a maker that bioio has a reader for.

    Examples
    --------
    >>> is_vendor_file("beads.CZI"), is_vendor_file("beads.tif")
    (True, False)
    """
    return Path(path).suffix.lower() in FORMATS


@contextmanager
def opened_scene(path: str | Path, scene: int | str | None = None) -> Iterator[OpenedScene]:
    """Open a file at one of its scenes, so that its every failure is one sentence.

    Parameters
    ----------
    path : str or Path
    scene : int or str, optional
        See `ChosenPart`.

    Raises
    ------
    InputError
        There is no such file or scene, the package that reads it is not installed, or the file
        cannot be read.
    """
    ending = Path(path).suffix.lower()
    try:
        there = Path(path).is_file()
    except (OSError, ValueError):
        # No file can have such a name.
        there = False
    if not there:
        raise InputError(f"There is no file {path}.")
    try:
        # What readers and their dependencies warn of is not of the image.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = _reader_class(path, ending)(str(path))
            scenes = [str(name) for name in reader.scenes]
            number = place_of("scene", scene, len(scenes), path, scenes)
            reader.set_scene(number)
            yield OpenedScene(reader, number)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken file breaks a reader anywhere
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise InputError(
            f"{path} cannot be read as {ending[1:].upper()}: {reason}. Copy or export it again."
        ) from None


def _reader_class(path: str | Path, ending: str) -> Any:
    package, extra = FORMATS[ending]
    try:
        return importlib.import_module(package).Reader
    except ImportError:
        raise InputError(
            f"{path} is read by {package.replace('_', '-')}, which is not installed: pip install "
            f'"napari-psf-distiller[{extra}]".'
        ) from None


def image_in(path: str | Path, chosen: ChosenPart) -> FoundImage:
    """Return the image of one scene, channel and time of a file.

    Parameters
    ----------
    path : str or Path
    chosen : ChosenPart

    Raises
    ------
    InputError
        As `opened_scene`; which one is meant cannot be told; it is colour, or of tiles that are not
        put together; it is larger than the memory.
    """
    notes: list[str] = []
    with opened_scene(path, chosen.scene) as (reader, _):
        order = str(reader.dims.order)
        sizes = dict(zip(order, map(int, reader.dims.shape), strict=True))
        places = {
            "C": place_of(
                "channel", chosen.channel, sizes.get("C", 1), path, channel_names(reader)
            ),
            "T": place_of("time", chosen.time, sizes.get("T", 1), path),
        }
        others = [axis for axis in order if axis not in "CTZYX" and sizes[axis] > 1]
        if others:
            told = ", ".join(
                f"{'tile' if axis == TILES else AXIS_NAMES.get(axis, axis)} ({sizes[axis]})"
                for axis in others
            )
            raise InputError(
                f"{path} has the axes {told} besides channel, time, z, y and x. Save one stack as "
                "a file of its own."
            )
        wanted = [sizes.get(axis, 1) for axis in "ZYX"]
        refuse_too_large(path, wanted, np.dtype(reader.dtype))
        image = np.asarray(reader.get_image_data("ZYX", **places))
        names = "ZYX"
        if len(image) == 1:
            image, names = image[0], names[1:]
        pixels = reader.physical_pixel_sizes
        stated = {axis: getattr(pixels, axis, None) for axis in names}
        # Of what is not known they say None or 0.
        known = {axis: float(size) for axis, size in stated.items() if size}
        return FoundImage(image, stated_spacing(known, names, path, notes), tuple(notes))


def channel_names(reader: Any) -> list[str]:
    """Return how a file calls its channels; none where it does not say."""
    return [str(name) for name in reader.channel_names or ()]


def ome_description(reader: Any) -> str | None:
    """Return what a file says of the microscope as OME's XML; None where bioio cannot tell."""
    try:
        return str(reader.ome_metadata.to_xml())
    # A reader without such metadata has this error; one that translates them wrongly has any.
    except Exception:
        return None
