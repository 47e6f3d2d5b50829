"""A PSF as a TIFF of voxels alone, for programs that read nothing else, and for deconwolf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.options import CENTRE, SCALE, SIZES, TYPE
from napari_psf_distiller.export.shaping import (
    as_uint16,
    check_centred,
    check_volume,
    odd_sizes,
    scaled,
)

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["DECONWOLF", "PLAIN_TIFF"]


def write_plain(
    psf: PSF,
    path: Path,
    *,
    centre: str = CENTRE.default,
    scale: str = SCALE.default,
    sizes: str = SIZES.default,
    dtype: str = TYPE.default,
) -> None:
    """Write the voxels as an uncompressed TIFF that ImageJ reads, with their size."""
    array: NDArray[Any] = odd_sizes(psf.array) if sizes == "odd" else psf.array
    if centre == "first":
        array = np.fft.ifftshift(array)
    array = as_uint16(array) if dtype == "uint16" else scaled(array, scale).astype(np.float32)
    metadata: dict[str, Any] = {"axes": "ZYX"[-array.ndim :], "unit": "um"}
    if array.ndim == 3:
        metadata["spacing"] = psf.spacing[0]
    resolution = (1 / psf.spacing[-1], 1 / psf.spacing[-2])
    tifffile.imwrite(
        path,
        array,
        imagej=True,
        photometric="minisblack",
        resolution=resolution,
        metadata=metadata,
    )


def write_deconwolf(psf: PSF, path: Path, *, dtype: str = TYPE.default) -> None:
    """Write a stack with odd sizes and its brightest voxel in the middle."""
    check_volume(psf, "deconwolf")
    check_centred(psf, "deconwolf")
    write_plain(psf, path, sizes="odd", dtype=dtype)


PLAIN_TIFF = Exporter(
    name="plain TIFF",
    suffixes=(".plain.tif", ".plain.tiff"),
    description="for DeconvolutionLab2, BigStitcher, RedLionfish, flowdec, scikit-image and "
    "others: voxels and their size alone, uncompressed",
    write=write_plain,
    other_suffixes=(".tif", ".tiff"),
    options=(CENTRE, SCALE, SIZES, TYPE),
)

DECONWOLF = Exporter(
    name="deconwolf",
    suffixes=(".deconwolf.tif",),
    description="for deconwolf: odd sizes, the brightest voxel in the middle, uncompressed; it "
    "wants 2 P - 1 planes for an image of P",
    write=write_deconwolf,
    other_suffixes=(".tif", ".tiff"),
    options=(TYPE,),
)
