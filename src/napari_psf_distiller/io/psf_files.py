"""Files in and out: PSFs with all that is known of them, bead images with their voxel size."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.checks import check_image, check_spacing
from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.errors import DistillerWarning, InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io.chosen_part import ChosenPart
from napari_psf_distiller.io.ome_microscope import add_objective, image_description
from napari_psf_distiller.io.psf_record import (
    FORMAT,
    StoredPSF,
    made_with,
    named_arrays,
    note_on,
    record_of,
    spacing_now,
)
from napari_psf_distiller.io.tiff_images import found_image
from napari_psf_distiller.io.vendor_files import image_in, is_vendor_file
from napari_psf_distiller.io.voxel_sizes import voxel_sizes
from napari_psf_distiller.io.zarr_images import image_in_zarr
from napari_psf_distiller.lengths import SPACING
from napari_psf_distiller.recipe import Recipe

__all__ = [
    "StoredImage",
    "is_tiff_psf",
    "opened_tiff",
    "read_image",
    "read_tiff_psf",
    "tell",
    "tiff_options",
    "tiff_psf_made_with",
    "write_image",
    "write_psf",
]

OME_ENDING = re.compile(r"\.ome\.tiff?$", re.IGNORECASE)

# A private tag of the first page, from the range that TIFF leaves to everyone, holds what is no
# text, as arrays in NumPy's own npz: programs that do not know it leave it alone.
ARRAYS_TAG = 65361
UNDEFINED = 7


class StoredImage(NamedTuple):
    """An image from a file.

    Attributes
    ----------
    image : numpy.ndarray
        As stored, axes of length 1 left out.
    spacing : tuple of float or None
        Voxel size in micrometres, where the file has one for every axis.
    """

    image: NDArray[Any]
    spacing: tuple[float, ...] | None


def write_psf(path: Path, stored: StoredPSF) -> None:
    """Write a PSF as float32 TIFF with all that is known of it.

    Parameters
    ----------
    path : Path
        ``.ome.tif`` and ``.ome.tiff`` give OME-TIFF, ``.tif`` and ``.tiff`` ImageJ's TIFF. ImageJ
        shows the recipe under Image > Show Info; in OME-TIFF it is the image's description.
    stored : StoredPSF
    """
    options = tiff_options(path, stored.psf.ndim, stored.spacing, note_on(stored))
    arrays = named_arrays(stored)
    if arrays:
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        value = packed.getvalue()
        options["extratags"] = [(ARRAYS_TAG, UNDEFINED, len(value), value, True)]
    if "ome" in options:
        options["metadata"] |= image_description(stored.recipe)
    tifffile.imwrite(path, stored.psf, **options)
    if "ome" in options:
        add_objective(path, stored.recipe)


def write_image(
    path: str | Path,
    image: ArrayLike,
    *,
    spacing: Sequence[float] | None,
    first_voxel: Sequence[float] | None = None,
) -> None:
    """Write an image as float32 TIFF, with its voxel size where known, whole or not at all.

    Parameters
    ----------
    path : str or Path
        See `write_psf`.
    image : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float or None
        Voxel size in micrometres; None writes none.
    first_voxel : sequence of float, optional
        With a spacing: where the first voxel's centre lies, in micrometres along each axis.
        OME-TIFF has it as each plane's position, ImageJ's as the origin, in voxels.

    Raises
    ------
    InputError
        The image, the spacing or the path cannot be used.
    """
    array = check_image(image)
    sizes = check_spacing(spacing, array.ndim) if spacing is not None else None
    if not Path(path).name.lower().endswith((".tif", ".tiff")):
        raise InputError(f"{path} cannot be written: its name must end in .tif or .ome.tif.")
    first = tuple(first_voxel) if first_voxel is not None and any(first_voxel) else None
    planes = array.shape[0] if array.ndim == 3 else 1
    options = tiff_options(Path(path), array.ndim, sizes, "", first, planes)
    if "ome" in options:
        options["metadata"]["Name"] = OME_ENDING.sub("", Path(path).name)
    write_whole(path, lambda part: tifffile.imwrite(part, array, **options))


def read_tiff_psf(path: str | Path) -> StoredPSF:
    """Read a PSF from a TIFF file: one of ours, or any that has a voxel size.

    Raises
    ------
    InputError
        The file cannot be read, is cut short, holds no PSF, or says nothing of its voxel size.
    """
    with opened_tiff(path) as tiff:
        image, spacing, notes = found_image(tiff, path)
        note = _note(tiff)
        arrays = {} if note is None else _arrays(tiff)
        made = None if note is None else _made_with(tiff, note, path)
    tell(notes)
    psf = check_image(image, f"The PSF in {path}")
    recipe, changed = None, ""
    if made is not None:
        spacing, recipe, changed = made
        # A stack of one plane is stored as a plane; its spacing tells.
        if psf.ndim == 2 and len(spacing) == 3:
            psf = psf[None]
        check_spacing(spacing, psf.ndim)
    if spacing is None:
        raise InputError(
            f"{path} does not say how large its voxels are. Save it with its voxel size, or open "
            "it as an image and set the layer's scale."
        )
    found = record_of(psf, spacing, recipe, arrays)
    if not changed:
        return found
    tell([changed])
    return found._replace(functions=None)


def read_image(
    path: str | Path,
    *,
    scene: int | str | None = None,
    channel: int | str | None = None,
    time: int | None = None,
) -> StoredImage:
    """Read an image from a file, with its voxel size if it has one.

    Parameters
    ----------
    path : str or Path
        Of a TIFF file; or of an OME-Zarr, of which only the part that is asked for is read, in full
        resolution; or of a CZI, ND2 or LIF file, with the extra ``czi`` (whose reader is under
        the GPL) or ``bioio``.
    scene, channel : int or str, optional
        Which of several: a number from 0, or the name that the file has for it. A TIFF's channels
        have numbers only, and of several images in it the largest is taken by default. The scenes
        of an OME-Zarr are the images of its plate or series, such as ``"A/1/0"``.
    time : int, optional
        Which of several points of time, from 0.

    Raises
    ------
    InputError
        The file cannot be read, is cut short, is RGB, has more axes than z, y and x of which none
        is chosen, or holds several images of which none is the largest; there is no such scene,
        channel or time; the extra that reads it is not installed.

    Warns
    -----
    DistillerWarning
        The first of three axes is called time or channel; planes are missing, or more than the
        file says; the largest of several images was read; white is stored as 0; the voxel size
        that is stated cannot be.
    """
    chosen = ChosenPart(scene, channel, time)
    if is_vendor_file(path):
        image, spacing, notes = image_in(path, chosen)
    elif is_zarr(path):
        image, spacing, notes = image_in_zarr(path, chosen)
    else:
        with opened_tiff(path) as tiff:
            image, spacing, notes = found_image(tiff, path, chosen)
    tell(notes)
    return StoredImage(image, spacing)


def is_tiff_psf(path: str | Path) -> bool:
    """Return whether a file is a TIFF that `write_psf` filled; never raises."""
    try:
        with _listening(), tifffile.TiffFile(path) as tiff:
            return _note(tiff) is not None
    except Exception:  # any file may be asked about
        return False


def tiff_psf_made_with(path: str | Path) -> tuple[tuple[float, ...], Recipe | None] | None:
    """Return a PSF file's voxel size in micrometres and its recipe; the PSF itself is not read.

    Returns
    -------
    tuple or None
        None of any file that `write_psf` did not fill.

    Raises
    ------
    InputError
        What the file says is not right, or of a later version.
    """
    if not str(path).lower().endswith((".tif", ".tiff")):
        return None
    try:
        with _listening(), tifffile.TiffFile(path) as tiff:
            note = _note(tiff)
            return None if note is None else _made_with(tiff, note, path)[:2]
    except InputError:
        raise
    except Exception:  # any file may be asked about
        return None


def _made_with(
    tiff: tifffile.TiffFile, note: dict[str, Any], path: str | Path
) -> tuple[tuple[float, ...], Recipe | None, str]:
    """Return the voxel size and the recipe, and a sentence if the size is no longer that noted."""
    noted, recipe = made_with(note, path)
    sizes = voxel_sizes(tiff, tiff.pages.first, 0)
    stated = [sizes.get(axis) for axis in "ZYX"[-len(noted) :]]
    possible = [one if one is not None and SPACING.holds(one) else None for one in stated]
    spacing, changed = spacing_now(noted, possible, path)
    return spacing, recipe, changed


def tiff_options(
    path: Path,
    ndim: int,
    sizes: tuple[float, ...] | None,
    note: str,
    first: tuple[float, ...] | None = None,
    planes: int = 1,
    channels: int = 1,
) -> dict[str, Any]:
    """Return how tifffile is to write an image with a voxel size and a note of its own.

    Parameters
    ----------
    path : Path
    ndim : int
        Axes of space.
    sizes : tuple of float or None
        Voxel size in micrometres.
    note : str
        "" is none.
    first : tuple of float, optional
        With a voxel size: where the first voxel's centre lies, in micrometres.
    planes, channels : int
        How many there are, for the planes' places; the channels of a plane follow each other.
    """
    axes = "ZYX"[-ndim:]
    options: dict[str, Any] = {"photometric": "minisblack"}
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        metadata: dict[str, Any] = {"axes": axes}
        if note:
            metadata["Description"] = note
        for axis, size in zip(axes, sizes or (), strict=False):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
        if sizes is not None:
            # For programs that know TIFF, but not OME.
            options["resolution"] = (1e4 / sizes[-1], 1e4 / sizes[-2])
            options["resolutionunit"] = "CENTIMETER"
            if first is not None:
                metadata["Plane"] = _plane_positions(first, sizes, planes, channels)
        return options | {"ome": True, "metadata": metadata}
    metadata = {"axes": axes}
    if note:
        metadata["Info"] = note
    if sizes is not None:
        metadata["unit"] = "um"
        options["resolution"] = (1 / sizes[-1], 1 / sizes[-2])
        if ndim == 3:
            metadata["spacing"] = sizes[0]
        for axis, place, size in zip(axes, first or (), sizes, strict=False):
            # Of 0 micrometres, counted from the first voxel's centre.
            metadata[f"{axis.lower()}origin"] = round(-place / size, 9)
    return options | {"imagej": True, "metadata": metadata}


def _plane_positions(
    first: tuple[float, ...], sizes: tuple[float, ...], planes: int, channels: int
) -> dict[str, list[float] | list[str]]:
    """Return where each plane of an image lies, as OME has it."""
    found: dict[str, list[float] | list[str]] = {}
    for axis, place in zip("ZYX"[-len(first) :], first, strict=True):
        step = sizes[0] if axis == "Z" else 0.0
        each = [round(place + n * step, 9) for n in range(planes)]
        found[f"Position{axis}"] = [one for one in each for _ in range(channels)]
        found[f"Position{axis}Unit"] = ["µm"] * (planes * channels)
    return found


@contextmanager
def opened_tiff(path: str | Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file so that its every failure is one sentence."""
    if not _is_file(path):
        raise InputError(f"There is no file {path}.")
    try:
        with _listening() as complaints, tifffile.TiffFile(path) as tiff:
            yield tiff
            if complaints.damaged:
                raise InputError(f"{path} is damaged or cut short. Copy or export it again.")
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken file breaks a reader anywhere
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"{path} cannot be read as a TIFF file: {reason}.") from None


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        # No file can have such a name.
        return False


@contextmanager
def _listening() -> Iterator[_Complaints]:
    """Take what tifffile logs about a damaged file instead of raising it, and show it to nobody."""
    complaints = _Complaints()
    logger = tifffile.logger()
    logger.addFilter(complaints.take)
    try:
        # A broken file makes NumPy warn of its numbers too.
        with np.errstate(all="ignore"):
            yield complaints
    finally:
        logger.removeFilter(complaints.take)


class _Complaints:
    """What tifffile logs in this thread."""

    def __init__(self) -> None:
        self.damaged = False
        self._thread = threading.get_ident()

    def take(self, record: logging.LogRecord) -> bool:
        """Keep what speaks of offsets beyond the file's end, and the like."""
        if record.thread != self._thread:
            return True
        text = record.getMessage()
        # What a description says of planes is compared with what is there in `tiff_images`.
        described = "series" in text or "coercing invalid ASCII" in text
        if not described and ("invalid" in text or "corrupted" in text):
            self.damaged = True
        return False


def tell(notes: Sequence[str]) -> None:
    """Warn the caller's caller of what a user should know of a file."""
    for note in notes:
        warnings.warn(note, DistillerWarning, stacklevel=3)


def _note(tiff: tifffile.TiffFile) -> dict[str, Any] | None:
    """Return what `write_psf` left in the file, or None if it is not ours."""
    imagej = tiff.imagej_metadata or {}
    text = imagej.get("Info")
    if text is None and tiff.is_ome and tiff.ome_metadata:
        text = _ome_description(tiff.ome_metadata)
    if not isinstance(text, str) or FORMAT not in text:
        return None
    try:
        note = json.loads(text)
    except ValueError:
        return None
    if not isinstance(note, dict) or note.get("format") != FORMAT:
        return None
    return note


def _arrays(tiff: tifffile.TiffFile) -> dict[str, NDArray[Any]]:
    """Return the arrays that `write_psf` left in the file beside its planes."""
    tag = tiff.pages.first.tags.get(ARRAYS_TAG)
    if tag is None:
        return {}
    with np.load(io.BytesIO(tag.value), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _ome_description(xml: str) -> str | None:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(xml)
    for element in root.iter():
        if element.tag.endswith("}Image"):
            for child in element:
                if child.tag.endswith("}Description"):
                    return child.text
    return None
