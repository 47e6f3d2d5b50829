"""What a result was made with: which program, device and image."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.recipe.section import Section

__all__ = ["Provenance", "provenance_of", "provenance_of_stacks", "sha256_of"]

# Whose versions are noted with a result.
PACKAGES = (
    "napari-psf-distiller",
    "numpy",
    "scipy",
    "scikit-image",
    "pyopencl",
    "ducc0",
    "pyvkfft",
)


@dataclass(frozen=True)
class Provenance(Section):
    """What a result was made with; a record that changes nothing when the recipe is replayed.

    Attributes
    ----------
    versions : dict of str
        Of Python, this package, and the libraries that compute.
    device : str
        The device that was used, with its FFT and precision.
    image_shape : tuple of int
    image_dtype : str
    image_sha256 : str
        Of the image's values in C order, so that a replay can tell whether it has the same image.
    by_hand : tuple of str
        The steps whose result was edited by hand: a replay does not repeat that.
    stacks : tuple of str
        The names of the images, in their order, where the PSF is of several; the shape and the
        type are then those of the first, and the checksum is of all checksums.
    time : str
        When it was made, as ISO 8601 has it, with the distance from UTC; "" where it is not known.
    image_name : str
        What the image is called: its file or its layer; "" where it is not known.
    microscope : str
        The name of the microscope's preset, or of its objective in the image's file; "" where
        neither is known.
    note : str
        What the person who made it wants to be kept with it.

    Two records that differ only in these four words are the same: they are of the same work.
    """

    versions: dict[str, str]
    device: str
    image_shape: tuple[int, ...]
    image_dtype: str
    image_sha256: str
    by_hand: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    time: str = field(default="", compare=False)
    image_name: str = field(default="", compare=False)
    microscope: str = field(default="", compare=False)
    note: str = field(default="", compare=False)


def provenance_of(
    image: NDArray[np.generic], device: str, checksum: str | None = None
) -> Provenance:
    """Return the record of what a result was made with.

    Parameters
    ----------
    image : numpy.ndarray
        As the user gave it.
    device : str
        The engine's description.
    checksum : str, optional
        The image's, if it is known; see `sha256_of`.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return Provenance(
        versions=versions,
        device=device,
        image_shape=image.shape,
        image_dtype=str(image.dtype.newbyteorder("=")),
        image_sha256=sha256_of(image) if checksum is None else checksum,
        time=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def provenance_of_stacks(
    images: Sequence[NDArray[np.generic]],
    names: Sequence[str],
    device: str,
    checksums: Sequence[str] | None = None,
) -> Provenance:
    """Return the record of what a PSF of several images was made with.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        As the user gave them.
    names : sequence of str
        Of the images.
    device : str
        The engine's description.
    checksums : sequence of str, optional
        The images', if they are known; see `sha256_of`.
    """
    if checksums is None:
        checksums = [sha256_of(image) for image in images]
    whole = hashlib.sha256("".join(checksums).encode()).hexdigest()
    return replace(provenance_of(images[0], device, whole), stacks=tuple(names))


def sha256_of(image: NDArray[np.generic]) -> str:
    """Return the checksum of an image's values in C order, in one byte order."""
    values = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    return hashlib.sha256(values.view(np.uint8).data).hexdigest()
