"""The OTF that rotates about the optical axis, of which some programs make a PSF themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import fft
from scipy.special import j0

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.shaping import (
    check_centred,
    check_square_pixels,
    check_volume,
    cropped,
    square_size,
)
from napari_psf_distiller.wording import sizes_text

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["CUDADECON", "RadialOTF", "radial_otf"]

# cudadecon keeps the OTF in the constant memory of the graphics card, of 64 kB, with other things.
MOST_BYTES = 60000


class RadialOTF(NamedTuple):
    """An OTF averaged around the optical axis.

    Attributes
    ----------
    values : numpy.ndarray
        complex64, (kr, kz): from 0 on along kr; along kz in the order of a discrete Fourier
        transform, 0 first and the negative frequencies last. The largest modulus is 1.
    kr_step, kz_step : float
        From one value to the next, in cycles per micrometre.
    """

    values: NDArray[np.complex64]
    kr_step: float
    kz_step: float


def radial_otf(psf: PSF, program: str) -> RadialOTF:
    """Return the mean of a PSF's OTF around the optical axis.

    Its frequencies are those of a discrete Fourier transform of the PSF: of all planes, and in the
    plane of the largest even size that y and x both have.

    Parameters
    ----------
    psf : PSF
    program : str
        What it is made for, for the errors' sentences.

    Raises
    ------
    InputError
        The PSF has 2 axes, is not centred, or its pixels are not square.
    """
    check_volume(psf, program)
    check_centred(psf, program)
    check_square_pixels(psf, program)
    planes, size = psf.shape[0], square_size(psf.array, odd=False)
    if size < 2:
        raise InputError(
            f"The PSF's planes have {sizes_text(psf.shape[1:])} voxels, too few for {program}."
        )
    array = cropped(psf.array, (planes, size, size)).astype(np.float64)
    rings, kr_step = size // 2 + 1, 1 / (size * psf.spacing[-1])
    places = (np.arange(size) - size // 2) * psf.spacing[-1]
    distance = np.hypot(places[:, None], places).ravel()
    along_z = np.empty((rings, planes))
    for ring in range(rings):
        # What the mean of a Fourier transform around the axis is, at exactly this frequency.
        along_z[ring] = array.reshape(planes, -1) @ j0(2 * np.pi * kr_step * ring * distance)
    values = fft.fft(np.fft.ifftshift(along_z, axes=1), axis=1)
    values /= np.abs(values).max()
    return RadialOTF(values.astype(np.complex64), kr_step, 1 / (planes * psf.spacing[0]))


def write_cudadecon(psf: PSF, path: Path) -> None:
    """Write the OTF as a TIFF with real and imaginary parts side by side."""
    otf = radial_otf(psf, "cudadecon")
    if otf.values.nbytes > MOST_BYTES:
        rings, planes = otf.values.shape
        raise InputError(
            f"The OTF of {sizes_text(psf.shape)} voxels takes {otf.values.nbytes} bytes, and "
            f"cudadecon has {MOST_BYTES} for it. Give a smaller shape, such as "
            f"{_largest(planes, rings)}."
        )
    tifffile.imwrite(path, otf.values.view(np.float32), photometric="minisblack", metadata=None)


def _largest(planes: int, rings: int) -> str:
    """Return a shape whose OTF fits, smaller by the same factor along each axis."""
    most = MOST_BYTES // np.dtype(np.complex64).itemsize
    factor = (most / (planes * rings)) ** 0.5
    fewer, size = int(planes * factor), 2 * (int(rings * factor) - 1)
    return sizes_text((fewer, size, size))


CUDADECON = Exporter(
    name="cudadecon OTF",
    suffixes=(".otf.tif",),
    description="for cudadecon, pycudadecon and LLSpy: the OTF averaged around the optical axis, "
    "real and imaginary parts side by side",
    write=write_cudadecon,
    other_suffixes=(".tif", ".tiff"),
)
