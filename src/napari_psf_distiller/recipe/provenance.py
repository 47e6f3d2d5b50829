"""What a result was made with."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.recipe.recipe import Provenance

__all__ = ["provenance_of"]

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


def provenance_of(image: NDArray[np.generic], device: str) -> Provenance:
    """Return the record of what a result was made with.

    Parameters
    ----------
    image : numpy.ndarray
        As the user gave it.
    device : str
        The engine's description.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    # In one byte order, whichever the file had.
    values = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    digest = hashlib.sha256(values.view(np.uint8).data).hexdigest()
    return Provenance(
        versions=versions,
        device=device,
        image_shape=image.shape,
        image_dtype=str(image.dtype.newbyteorder("=")),
        image_sha256=digest,
    )
