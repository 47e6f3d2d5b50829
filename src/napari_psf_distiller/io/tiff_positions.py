"""A folder of TIFFs as images of a data set, read by regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_psf_distiller.datasets.ome_zarr import ImageLayout
from napari_psf_distiller.datasets.volume import StoredVolume
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import files_in
from napari_psf_distiller.io.voxel_sizes import voxel_sizes

__all__ = ["TiffImage", "open_tiffs", "tiff_paths"]

AXES = "TCZYX"


@dataclass(frozen=True)
class TiffImage:
    """A TIFF of a folder, of which boxes can be read.

    Attributes
    ----------
    path : str
    name : str
        The file's, without its ending.
    layout : ImageLayout
    """

    path: str
    name: str
    layout: ImageLayout

    @property
    def files(self) -> tuple[str, ...]:
        """The file that its voxels lie in."""
        return (self.path,)

    def volume(self, time: int = 0, channel: int = 0) -> StoredVolume:
        """Return one time and one channel as a volume; see `Volume`."""
        layout = self.layout
        stored = _TiffArray(self.path, layout.shape, layout.dtype)
        return StoredVolume(stored, layout.index(time, channel), layout.spacing)


@dataclass(frozen=True)
class _TiffArray:
    """The voxels of a TIFF, whose file is open only while some are read."""

    path: str
    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        import zarr

        with tifffile.imread(self.path, aszarr=True, level=0) as store:
            stored: Any = zarr.open(store, mode="r")
            return np.asarray(stored[index])


def open_tiffs(folder: str | Path) -> tuple[TiffImage, ...]:
    """Return the TIFFs of a folder, in the order of their names.

    Raises
    ------
    InputError
        One of them cannot be read, or has other axes than t, c, z, y and x.
    """
    return tuple(_image(path) for path in tiff_paths(folder))


def tiff_paths(folder: str | Path) -> list[Path]:
    """Return the TIFF files in a folder, in the order of their names, without hidden ones."""
    return files_in(folder, (".tif", ".tiff"))


def _image(path: Path) -> TiffImage:
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            axes, shape, dtype = series.axes, series.shape, str(series.dtype)
            pages = [page for page in series.pages if page is not None]
            missing = len(series.pages) - len(pages)
            sizes = voxel_sizes(tiff, tiff.pages.first, 0)
    except (OSError, ValueError, IndexError, KeyError, tifffile.TiffFileError) as error:
        raise InputError(f"{path} cannot be read as a TIFF: {error}.") from error
    if missing:
        raise InputError(f"{path} lacks {missing} of its planes: copy all of its files again.")
    axes = _named(axes, shape, path)
    space = [axis for axis in axes if axis in "zyx"]
    sizes = {axis.lower(): size for axis, size in sizes.items()}
    spacing = tuple(sizes[axis] for axis in space) if set(space) <= set(sizes) else None
    channels = tuple(f"channel {i}" for i in range(shape[axes.index("c")])) if "c" in axes else ()
    layout = ImageLayout(tuple(axes), tuple(shape), dtype, spacing, channels, "0.5")
    return TiffImage(str(path.resolve()), path.name.removesuffix(path.suffix), layout)


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
