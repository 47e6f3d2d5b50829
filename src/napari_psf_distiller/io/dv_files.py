"""PSFs in the files of DeltaVision microscopes, as softWoRx and Priism write them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.psf_record import StoredPSF, record_of
from napari_psf_distiller.io.tiff_images import refuse_too_large
from napari_psf_distiller.io.voxel_sizes import stated_spacing

__all__ = ["read_dv_psf"]

HEADER_BYTES = 1024

# What tells the variant from plain MRC, whose lengths are in ångström, and where it lies.
MARK, MARK_AT = -16224, 96

# How numbers are stored, by the header's figure for it; 3 and 4 are complex.
TYPES = {0: "u1", 1: "i2", 2: "f4", 6: "u2"}
COMPLEX = (3, 4)


class _Header(NamedTuple):
    """What a header says.

    Attributes
    ----------
    columns, rows, sections : int
    number_type : int
        See `TYPES`.
    spacing : tuple of float
        Voxel size in micrometres along z, y and x.
    begin : int
        Of the voxels, in bytes.
    times, wavelengths : int
    order : str
        Of a number's bytes, "<" or ">".
    """

    columns: int
    rows: int
    sections: int
    number_type: int
    spacing: tuple[float, ...]
    begin: int
    times: int
    wavelengths: int
    order: str


def read_dv_psf(path: str | Path) -> StoredPSF:
    """Read a PSF from a DeltaVision file of one wavelength and one time.

    Raises
    ------
    InputError
        The file cannot be read, is cut short, is no DeltaVision file, holds an OTF or more than one
        stack, or says nothing of its voxel size.
    """
    try:
        # The voxels only where they are a PSF's: an image of many times may be given by mistake.
        with Path(path).open("rb") as file:
            header = _header(file.read(HEADER_BYTES), path)
            shape, dtype = _voxels_of(header, path)
            nbytes = math.prod(shape) * dtype.itemsize
            if file.seek(0, os.SEEK_END) < header.begin + nbytes:
                raise InputError(f"{path} is damaged or cut short. Copy or export it again.")
            refuse_too_large(path, shape, dtype)
            file.seek(header.begin)
            content = file.read(nbytes)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    voxels: Any = np.frombuffer(content, dtype).reshape(shape)
    psf = check_image(voxels, f"The PSF in {path}")
    names = "ZYX"[-psf.ndim :]
    sizes = dict(zip("ZYX", header.spacing, strict=True))
    notes: list[str] = []
    spacing = stated_spacing(sizes, names, path, notes)
    if spacing is None:
        raise InputError(
            f"{' '.join(notes)} Save it with its voxel size in micrometres, or as a TIFF."
        )
    return record_of(psf, spacing, None, {})


def _voxels_of(header: _Header, path: str | Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and the type of a PSF's voxels, or say why they are none."""
    if header.number_type in COMPLEX:
        raise InputError(
            f"{path} holds complex numbers, as an OTF has: a PSF cannot be had of an OTF averaged "
            "around its axis. Give the PSF's own file."
        )
    if header.number_type not in TYPES:
        raise InputError(
            f"{path} stores its numbers in a way ({header.number_type}) that is not known. Save it "
            "as 32-bit floating point."
        )
    if header.times * header.wavelengths != 1:
        raise InputError(
            f"{path} holds {header.times} times and {header.wavelengths} wavelengths; a PSF is of "
            "one. Save that as a file of its own."
        )
    # Of a single plane the distance to others says nothing.
    shape = (header.sections, header.rows, header.columns)[header.sections == 1 :]
    if min(shape) < 1:
        raise InputError(f"{path} is damaged or cut short. Copy or export it again.")
    return shape, np.dtype(header.order + TYPES[header.number_type])


def _header(content: bytes, path: str | Path) -> _Header:
    for order in "<>":
        if len(content) < HEADER_BYTES:
            break
        whole = np.frombuffer(content, f"{order}i4", HEADER_BYTES // 4)
        real = np.frombuffer(content, f"{order}f4", HEADER_BYTES // 4)
        short = np.frombuffer(content, f"{order}i2", HEADER_BYTES // 2)
        if short[MARK_AT // 2] != MARK:
            continue
        columns, rows, sections, number_type = (int(n) for n in whole[:4])
        x, y, z = (float(size) for size in real[10:13])
        # Behind the header lies another one, of so many bytes.
        extended = int(whole[23])
        if extended < 0:
            break
        # Some programs write 0 for one.
        times, wavelengths = max(int(short[90]), 1), max(int(short[98]), 1)
        begin = HEADER_BYTES + extended
        spacing = (z, y, x)
        return _Header(
            columns, rows, sections, number_type, spacing, begin, times, wavelengths, order
        )
    raise InputError(
        f"{path} is no DeltaVision file, or damaged; an MRC of another kind does not say its voxel "
        "size in micrometres. Save the PSF as TIFF with its voxel size."
    )
