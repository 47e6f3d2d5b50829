"""What a data set has in it, before anything of it is deconvolved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_psf_distiller.compute.engine import GIB
from napari_psf_distiller.deconvolution.datasets.channels import channel_names
from napari_psf_distiller.deconvolution.datasets.inputs import images_of
from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage
from napari_psf_distiller.wording import sizes_text

__all__ = ["Survey", "survey", "survey_of"]


@dataclass(frozen=True)
class Survey:
    """What a data set has in it.

    Attributes
    ----------
    positions : tuple of str
        The names of its images: fields of a plate's wells, images of a series, or TIFFs of a
        folder; of a single one it is "".
    times : int
        Points of time; of images that differ, the most.
    channels : tuple of str
        Their names: those of the image that has most, and what others have besides; empty where
        there is one without a name.
    named : bool
        Whether these names tell a channel in each image. Else each image has names of its own,
        its channels are told by their order, and the names are those of the image that has most.
    shapes : tuple of tuple of int
        (Z, Y, X) or (Y, X): the different sizes of the images.
    spacing : tuple of float or None
        Voxel size of the first image in micrometres, where the data say it.
    dtypes : tuple of str
        The different types of voxels.
    stacks : int
        Of one position, time and channel each.
    nbytes : int
        Of all voxels, uncompressed.
    """

    positions: tuple[str, ...]
    times: int
    channels: tuple[str, ...]
    named: bool
    shapes: tuple[tuple[int, ...], ...]
    spacing: tuple[float, ...] | None
    dtypes: tuple[str, ...]
    stacks: int
    nbytes: int

    def __str__(self) -> str:
        parts = [
            _counted(len(self.positions), "position"),
            _counted(self.times, "time"),
            _counted(max(len(self.channels), 1), "channel"),
        ]
        named = f" ({', '.join(self.channels)})" if self.channels else ""
        sizes = ", ".join(sizes_text(shape) for shape in self.shapes[:3])
        more = ", ..." if len(self.shapes) > 3 else ""
        voxels = (
            f"{sizes_text(self.spacing)} µm"
            if self.spacing is not None
            else "a size that the data do not say"
        )
        return (
            f"{' x '.join(parts)}{named}, {sizes}{more} voxels of {voxels}, "
            f"{', '.join(self.dtypes)}, {self.nbytes / GIB:.2g} GiB"
        )


def survey(source: str | Path) -> Survey:
    """Return what an OME-Zarr or a folder of TIFFs has in it; only its metadata are read.

    Parameters
    ----------
    source : str or Path

    Raises
    ------
    InputError
        It is neither, or is damaged.
    """
    return survey_of(images_of(source))


def survey_of(images: Sequence[DatasetImage]) -> Survey:
    """Return what some images have in them; see `survey`."""
    layouts = [image.layout for image in images]
    channels, named = channel_names(images)
    return Survey(
        positions=tuple(image.name for image in images),
        times=max(layout.size("t") for layout in layouts),
        channels=channels,
        named=named,
        shapes=tuple(dict.fromkeys(layout.space for layout in layouts)),
        spacing=layouts[0].spacing,
        dtypes=tuple(dict.fromkeys(layout.dtype for layout in layouts)),
        stacks=sum(layout.size("t") * layout.size("c") for layout in layouts),
        nbytes=sum(math.prod(one.shape) * np.dtype(one.dtype).itemsize for one in layouts),
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
