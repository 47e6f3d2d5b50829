"""The image in a TIFF file: which of several it is, which of its planes are there, and how."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from napari_psf_distiller.compute.engine import GIB
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.chosen_part import THE_ONLY_ONE, ChosenPart, place_of
from napari_psf_distiller.io.voxel_sizes import stated_spacing, voxel_sizes

__all__ = ["FoundImage", "found_image", "refuse_too_large"]

AXIS_NAMES = {
    "T": "time",
    "C": "channel",
    "S": "colour",
    "Z": "z",
    "Y": "y",
    "X": "x",
    "R": "position",
    "E": "wavelength",
}

# What only describes many planes, such as a line of text with a typing mistake, takes the reader
# minutes; a stack has far fewer.
MOST_PLANES = 100_000

# What of an OME description counts planes.
OME_COUNTS = re.compile(r'\b(?:Size[ZCT]|First[ZCT]|IFD|PlaneCount|NumPlanes)\s*=\s*"(\d+)"')
OME_SIZES = re.compile(r'\bSize([ZCT])\s*=\s*"(\d+)"')

MIN_IS_WHITE = 0


class FoundImage(NamedTuple):
    """An image as it was found in a file.

    Attributes
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X), as stored.
    spacing : tuple of float or None
        Voxel size in micrometres, where the file has a possible one for every axis.
    notes : tuple of str
        What a user should know of it, each a sentence.
    """

    image: NDArray[Any]
    spacing: tuple[float, ...] | None
    notes: tuple[str, ...]


class _Series(NamedTuple):
    """A part of a file that is one array, and its number there."""

    series: tifffile.TiffPageSeries
    number: int


def found_image(
    tiff: tifffile.TiffFile, path: str | Path, chosen: ChosenPart = THE_ONLY_ONE
) -> FoundImage:
    """Return the image that a TIFF file holds.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    path : str or Path
        How the file is called in sentences.
    chosen : ChosenPart, optional
        Which of its images, channels and times is meant.

    Raises
    ------
    InputError
        There is no image or no telling which one is meant; it is colour, or has more axes than z, y
        and x; none of its planes is there, or one in part only; it is larger than the memory.
    """
    notes: list[str] = []
    refuse_too_many(tiff, path)
    series, number = (
        _scene(tiff, path, chosen.scene)
        if chosen.scene is not None
        else imagej_pages(tiff, path, notes) or _largest(tiff, path, notes)
    )
    axes, shape = series.axes, series.shape
    refuse_cut_short(series, path)
    refuse_too_large(path, series.shape, series.dtype)
    # Only axes that are no length are squeezed away: a time series must be seen as one.
    kept = [i for i, n in enumerate(shape) if n > 1 or axes[i] in "YX"]
    names = "".join(axes[i] for i in kept)
    # Writers that know no axes call a stack's first one I or Q; only its place tells what it is.
    if len(kept) == 3 and names[0] in "IQ" and names[1:] == "YX":
        names = "ZYX"
    places = _places(axes, shape, chosen, path)
    kept = [i for i in kept if axes[i] not in places]
    names = "".join(name for name in names if name not in places)
    if names in ("TYX", "CYX"):
        # Programs that were not told what the axes are write so too: it may well be z.
        notes.append(
            f"The first axis of {path} is called {AXIS_NAMES[names[0]]} ({shape[kept[0]]}); it is "
            "taken as z."
        )
        names = "ZYX"
    if names not in ("YX", "ZYX"):
        shown = ", ".join(f"{AXIS_NAMES.get(axes[i], axes[i])} ({shape[i]})" for i in kept)
        raise InputError(
            f"{path} has the axes {shown}; an image here has z, y, x or y, x. Choose one time "
            "point and one channel (time=0, channel=0 in Python, --time 0 --channel 0 on the "
            "command line), or save it as a file of its own."
        )
    planes = _planes(series, path, shape[kept[0]] if len(kept) == 3 else 1, notes)
    image = series.asarray()[tuple(places.get(axis, slice(None)) for axis in axes)]
    image = image.reshape([shape[i] for i in kept])
    if len(kept) == 3:
        image = image[planes]
        if len(image) == 1:
            image, names = image[0], names[1:]
    image = _bright_light(image, series.keyframe, tiff.is_imagej, path, notes)
    sizes = voxel_sizes(tiff, series.keyframe, number)
    return FoundImage(image, stated_spacing(sizes, names, path, notes), tuple(notes))


def _places(
    axes: str, shape: tuple[int, ...], chosen: ChosenPart, path: str | Path
) -> dict[str, int]:
    """Return where on the axes of channels and times what is chosen lies."""
    lengths = dict(zip(axes, shape, strict=True))
    wanted = {"C": ("channel", chosen.channel), "T": ("time", chosen.time)}
    places = {
        axis: place_of(what, number, lengths.get(axis, 1), path)
        for axis, (what, number) in wanted.items()
        if number is not None
    }
    return {axis: place for axis, place in places.items() if axis in lengths}


def _scene(tiff: tifffile.TiffFile, path: str | Path, scene: int | str) -> _Series:
    """Return one image of a file that holds several."""
    names = [series.name for series in tiff.series]
    number = place_of("scene", scene, len(names), path, names)
    return _Series(tiff.series[number], number)


def refuse_too_many(tiff: tifffile.TiffFile, path: str | Path) -> None:
    """Refuse a file that describes more planes than a stack has, before each is looked for."""
    declared = 0
    if tiff.is_ome and tiff.ome_metadata:
        declared = max(map(_count, OME_COUNTS.findall(tiff.ome_metadata)), default=0)
        for pixels in re.findall(r"<[^<>]*\bPixels\b[^<>]*>", tiff.ome_metadata):
            sizes = dict(OME_SIZES.findall(pixels))
            declared = max(declared, math.prod(map(_count, sizes.values())))
    elif tiff.imagej_metadata is not None:
        declared = math.prod(_imagej_counts(tiff.imagej_metadata).values())
    if declared > MOST_PLANES:
        raise InputError(
            f"{path} says that it has {declared:.7g} planes; at most {MOST_PLANES} are read. Save "
            "one stack as a file of its own."
        )


def _count(digits: str) -> int:
    # Python does not read numbers of thousands of digits.
    return int(digits) if len(digits) < 19 else 10**18


def _imagej_counts(imagej: dict[str, Any]) -> dict[str, int]:
    counts = {"C": imagej.get("channels", 1), "Z": imagej.get("slices", 1)}
    counts["T"] = imagej.get("frames", 1)
    return {axis: n for axis, n in counts.items() if type(n) is int and n > 1}


def imagej_pages(tiff: tifffile.TiffFile, path: str | Path, notes: list[str]) -> _Series | None:
    """Return the pages of an ImageJ file that are there, if they are not those it describes."""
    imagej = tiff.imagej_metadata
    if imagej is None or tiff.is_ome:
        return None
    counts = _imagej_counts(imagej)
    declared = math.prod(counts.values())
    first = tiff.pages.first
    if len(tiff.pages) == 1:
        # A large stack has one page that speaks for all planes, which follow without a gap.
        if declared == 1 or not first.is_final:
            return None
        room = tiff.filehandle.size - first.dataoffsets[0]
        if room >= declared * first.nbytes:
            return None
        if room >= 2 * first.nbytes:
            raise _cut_short(path)
    pages = _whole_pages(tiff)
    kinds = _kinds(pages)
    # The colours of an RGB image are channels in the description.
    if len(kinds) == 1 and (len(pages) == declared or first.samplesperpixel > 1):
        return None
    there = max(kinds, key=lambda group: len(group) * math.prod(group[0].shape))
    if len(kinds) > 1:
        _tell_several(path, [group[0].shape for group in kinds], notes)
    if declared > 1 and len(there) != declared:
        notes.append(
            f"{path} says that it has {declared} planes, and has {len(there)}; those that are "
            "there are read."
        )
    if len(counts) > 1:
        stated = ", ".join(f"{AXIS_NAMES[axis]} ({n})" for axis, n in counts.items())
        raise InputError(
            f"{path} says that it has the axes {stated}, which are {declared} planes, but it has "
            f"{len(there)}: it cannot be told which are there. Export it again."
        )
    keyframe = there[0]
    shape, axes = keyframe.shape, keyframe.axes
    if len(there) > 1:
        shape, axes = (len(there), *shape), ("".join(counts) or "I") + axes
    return _Series(tifffile.TiffPageSeries(there, shape, keyframe.dtype, axes), 0)


def _whole_pages(tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Return all pages with what each says of itself, not with what the first one says."""
    tiff.pages.useframes = False
    return [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]


def _kinds(pages: Sequence[tifffile.TiffPage]) -> list[list[tifffile.TiffPage]]:
    """Return the pages of each size and type."""
    groups: dict[tuple[object, ...], list[tifffile.TiffPage]] = {}
    for page in pages:
        groups.setdefault((page.shape, page.dtype), []).append(page)
    return list(groups.values())


def _largest(tiff: tifffile.TiffFile, path: str | Path, notes: list[str]) -> _Series:
    """Return the largest image of a file, or refuse where there are several such."""
    every = [
        (number, series)
        for number, series in enumerate(tiff.series)
        # Small copies for a quick look are no images of their own.
        if not series.keyframe.is_reduced
    ] or list(enumerate(tiff.series))
    if not every:
        raise InputError(f"{path} holds no image.")
    number, largest = max(every, key=lambda item: item[1].size)
    same = [series for _, series in every if series.size == largest.size]
    if len(same) > 1:
        names = ", ".join(dict.fromkeys(series.name for series in same[:5] if series.name))
        called = f" ({names}{', ...' if len(same) > 5 else ''})" if names else ""
        raise InputError(
            f"{path} holds {len(same)} images of {_size(largest.shape)} voxels{called}; it cannot "
            "be told which one is meant. Save that one as a file of its own."
        )
    if len(every) > 1:
        _tell_several(path, [series.shape for _, series in every], notes)
    elif tiff.is_ome and None not in largest.pages:
        own = sum(page.parent is tiff for page in largest.pages if page is not None)
        if len(tiff.pages) > own:
            notes.append(
                f"{path} says that it has {len(largest.pages)} planes, and has "
                f"{len(tiff.pages) - own} more; those are not read."
            )
    return _Series(largest, number)


def _tell_several(path: str | Path, shapes: Sequence[tuple[int, ...]], notes: list[str]) -> None:
    shown = ", ".join(map(_size, shapes[:5])) + (", ..." if len(shapes) > 5 else "")
    notes.append(f"{path} holds {len(shapes)} images ({shown}); the largest is read.")


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape if n > 1) or "1"


def _planes(
    series: tifffile.TiffPageSeries, path: str | Path, count: int, notes: list[str]
) -> slice:
    """Return which planes are to be taken, the longest run of those that are there."""
    there = [page is not None and all(page.databytecounts) for page in series.pages]
    if all(there):
        return slice(None)
    missing = there.count(False)
    if not any(there) or len(there) != count:
        raise InputError(
            f"Of {path} {missing} of {len(there)} planes are missing, and without them it is no "
            "stack. Export it again, or put the files that belong to it in its folder."
        )
    # What lies beyond a gap is no neighbour.
    runs = [list(run) for seen, run in itertools.groupby(range(count), there.__getitem__) if seen]
    longest = max(runs, key=len)
    notes.append(
        f"{missing} of {count} planes are missing in {path}; planes {longest[0] + 1} to "
        f"{longest[-1] + 1} are read."
    )
    return slice(longest[0], longest[-1] + 1)


def refuse_cut_short(series: tifffile.TiffPageSeries, path: str | Path) -> None:
    """Refuse an image whose file ends before its last voxel.

    Raises
    ------
    InputError
        It does.
    """
    keyframe = series.keyframe
    # Of strips that are not there each would be looked for.
    least = 1 if keyframe.is_contiguous else math.prod(keyframe.chunked)
    for page in series.pages:
        if page is None:
            continue
        starts, counts = (np.array(n, np.uint64) for n in (page.dataoffsets, page.databytecounts))
        end = int((starts + counts).max()) if len(starts) >= least else math.inf
        if keyframe.is_contiguous and counts.any():
            end = max(end, int(starts[0]) + keyframe.nbytes)
        if end > page.parent.filehandle.size:
            raise _cut_short(path)


def _cut_short(path: str | Path) -> InputError:
    return InputError(
        f"{path} is cut short: it ends before its last voxel. Copy or export it again."
    )


def refuse_too_large(path: str | Path, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse what does not fit; a small file can describe any size, and be packed to nothing.

    Raises
    ------
    InputError
    """
    needed = math.prod(shape) * dtype.itemsize
    if needed > psutil.virtual_memory().total:
        raise InputError(
            f"{path} holds {_size(shape)} voxels, {needed / GIB:.3g} GiB, which is "
            "more than the memory of this machine. Save a part of it as a file of its own."
        )


def _bright_light(
    image: NDArray[Any], page: tifffile.TiffPage, imagej: bool, path: str | Path, notes: list[str]
) -> NDArray[Any]:
    """Return an image so that more light is a higher value."""
    if page.photometric != MIN_IS_WHITE:
        return image
    if imagej:
        # ImageJ says so of an image that it draws with an inverted lookup table; its values are
        # what it shows in its status bar, and measures.
        notes.append(
            f"{path} is drawn by ImageJ with white as 0; its values are read as ImageJ tells them."
        )
        return image
    if image.dtype.kind != "u":
        raise InputError(
            f"{path} is stored with white as 0, but its values are {image.dtype}, of which it is "
            "not known what black is. Invert it and save it with black as 0."
        )
    notes.append(f"{path} is stored with white as 0; it is read inverted, so that light is bright.")
    inverted: NDArray[Any] = image.dtype.type(2**page.bitspersample - 1) - image
    return inverted
