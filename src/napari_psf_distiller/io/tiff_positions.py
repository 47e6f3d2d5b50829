"""A folder of TIFFs as images of a data set, read by regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_psf_distiller.datasets.ome_zarr import WHITE, ImageLayout
from napari_psf_distiller.datasets.volume import StoredVolume
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import files_in
from napari_psf_distiller.io.psf_files import opened_tiff
from napari_psf_distiller.io.tiff_channels import channels_and_times
from napari_psf_distiller.io.tiff_images import (
    MIN_IS_WHITE,
    imagej_pages,
    refuse_cut_short,
    refuse_too_many,
)
from napari_psf_distiller.io.voxel_sizes import voxel_sizes

__all__ = ["TiffImage", "open_tiffs", "tiff_paths"]

AXES = "TCZYX"


@dataclass(frozen=True)
class TiffImage:
    """An image of a folder of TIFFs, of which boxes can be read.

    Attributes
    ----------
    path : str
        Of the file that has it, or its first plane.
    name : str
        The file's, without its ending, unless another differs from it by that alone; of several
        images in one file, with the image's own.
    layout : ImageLayout
    series : int
        The image's number in the file.
    files : tuple of str
        The files that its planes lie in.
    """

    path: str
    name: str
    layout: ImageLayout
    series: int
    files: tuple[str, ...]

    def volume(self, time: int = 0, channel: int = 0) -> StoredVolume:
        """Return one time and one channel as a volume; see `Volume`."""
        layout = self.layout
        stored = _TiffArray(self.path, self.series, layout.shape, layout.dtype)
        return StoredVolume(stored, layout.index(time, channel), layout.spacing)


@dataclass(frozen=True)
class _TiffArray:
    """The voxels of an image in a TIFF, whose file is open only while some are read."""

    path: str
    series: int
    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        import zarr

        with tifffile.imread(self.path, aszarr=True, series=self.series, level=0) as store:
            stored: Any = zarr.open(store, mode="r")
            return np.asarray(stored[index])


def open_tiffs(folder: str | Path) -> tuple[TiffImage, ...]:
    """Return the images of a folder of TIFFs, in the order of the files' names.

    Each file has one image, or those that OME describes; one whose planes lie in several files is
    one image.

    Raises
    ------
    InputError
        A file cannot be read, lacks planes, or has several images of which it cannot be told what
        they are, or one of other axes than t, c, z, y and x.
    """
    found: list[TiffImage] = []
    # What OME puts in several files is described in each of them.
    known: set[str] = set()
    paths = tiff_paths(folder)
    names = [path.name.removesuffix(path.suffix) for path in paths]
    for path, name in zip(paths, names, strict=True):
        if str(path.resolve()) not in known:
            # With their endings where these alone tell them apart, such as a.tif and a.tiff.
            images = _images(path, name if names.count(name) == 1 else path.name)
            known.update(file for image in images for file in image.files)
            found += images
    return tuple(found)


def tiff_paths(folder: str | Path) -> list[Path]:
    """Return the TIFF files in a folder, in the order of their names, without hidden ones."""
    return files_in(folder, (".tif", ".tiff"))


def _images(path: Path, name: str) -> list[TiffImage]:
    """Return the images of a file, which are called after its name."""
    with opened_tiff(path) as tiff:
        # Else each plane's header is read once a check; there can be tens of thousands.
        tiff.pages.cache = True
        refuse_too_many(tiff, path)
        notes: list[str] = []
        if imagej_pages(tiff, path, notes) is not None:
            raise InputError(f"{path} does not have the planes that it says: export it again.")
        every = [
            (number, series)
            for number, series in enumerate(tiff.series)
            # Small copies for a quick look are no images of their own.
            if not series.keyframe.is_reduced
        ]
        if len(every) > 1 and not tiff.is_ome:
            shapes = ", ".join(" x ".join(map(str, series.shape)) for _, series in every[:5])
            raise InputError(
                f"{path} holds {len(every)} images ({shapes}): save each as a file of its own."
            )
        return [
            _image(
                tiff,
                path,
                name if len(every) == 1 else f"{name}, {series.name or f'image {number}'}",
                number,
                series,
            )
            for number, series in every
        ]


def _image(
    tiff: tifffile.TiffFile,
    path: Path,
    name: str,
    number: int,
    series: tifffile.TiffPageSeries,
) -> TiffImage:
    """Return an image of a file, if it is whole."""
    pages = [page for page in series.pages if page is not None and all(page.databytecounts)]
    missing = len(series.pages) - len(pages)
    if missing:
        raise InputError(f"{path} lacks {missing} of its planes: copy all of its files again.")
    refuse_cut_short(series, path)
    if series.keyframe.photometric == MIN_IS_WHITE and not tiff.is_imagej:
        raise InputError(f"{path} is stored with white as 0: save it with black as 0.")
    axes, shape = _named(series.axes, series.shape, path), tuple(series.shape)
    space = [axis for axis in axes if axis in "zyx"]
    stated = voxel_sizes(tiff, series.keyframe, number)
    sizes = {axis.lower(): size for axis, size in stated.items()}
    described = channels_and_times(tiff, number)
    count = shape[axes.index("c")] if "c" in axes else 0
    names = [*described.names, *[""] * count][:count]
    colors = [*described.colors, *[""] * count][:count]
    layout = ImageLayout(
        tuple(axes),
        shape,
        str(series.dtype),
        tuple(sizes[axis] for axis in space) if set(space) <= set(sizes) else None,
        tuple(name or f"channel {i}" for i, name in enumerate(names)),
        "0.5",
        colors=tuple(color or WHITE for color in colors) if any(colors) else (),
        time_step=described.time_step or 1.0,
        time_unit=described.time_unit,
    )
    files = {str(Path(page.parent.filehandle.path).resolve()) for page in pages}
    return TiffImage(str(path.resolve()), name, layout, number, tuple(sorted(files)))


def _named(axes: str, shape: Sequence[int], path: Path) -> str:
    """Return the axes' names; a single one that has no name is taken for z."""
    unnamed = [axis for axis in axes if axis in "IQ"]
    if len(unnamed) == 1 and "Z" not in axes:
        axes = axes.replace(unnamed[0], "Z")
    if not set(axes) <= set(AXES) or not axes.endswith("YX"):
        raise InputError(
            f"{path} has the axes {axes} of the shape {tuple(shape)}; known are T, C, Z, Y and X, "
            "of which Y and X come last. Save it with these, from ImageJ or as OME-TIFF."
        )
    return axes.lower()
