"""What is to be done to a data set, told so that a run that was stopped goes on with the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import Recipe

__all__ = ["check_same", "state_of", "task_of"]


def task_of(
    source: str | Path,
    images: Sequence[DatasetImage],
    psfs: Sequence[Sequence[PSFOnImage]],
    recipe: Recipe,
) -> dict[str, Any]:
    """Return what tells one task from another, as a record keeps it."""
    digest = hashlib.sha256()
    for psf in (one for of_image in psfs for one in of_image):
        digest.update(repr(psf.array.shape).encode() + psf.array.tobytes())
        if psf.variation is not None:
            eigen = psf.variation.eigen
            parts: list[NDArray[Any]] = [eigen.kernels, eigen.coefficients, np.array(eigen.extent)]
            # Where the image lies in the field.
            parts += [psf.variation.rows, psf.variation.columns]
            if psf.variation.planes is not None and eigen.depth_coefficients is not None:
                parts += [eigen.depth_coefficients, np.array(eigen.depth_extent)]
                parts.append(psf.variation.planes)
            for part in parts:
                digest.update(part.tobytes())
    settings = replace(recipe, memory=None, provenance=None)
    return {
        "source": str(Path(source).resolve()),
        "images": [[image.name, list(image.layout.shape)] for image in images],
        "psf": digest.hexdigest(),
        "settings": settings.to_json(),
        "state": state_of(images),
    }


def state_of(images: Sequence[DatasetImage]) -> str:
    """Return a digest of the sizes of the images' files, and of when they were last changed."""
    digest = hashlib.sha256()
    for path in sorted({path for image in images for path in image.files}):
        try:
            found = Path(path).stat()
        except OSError:
            # What can no longer be read is told by the region that needs it.
            continue
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode(errors="replace"))
    return digest.hexdigest()


def check_same(before: Mapping[str, Any], task: Mapping[str, Any], target: Path) -> None:
    """Refuse to go on with another task than a record's.

    Raises
    ------
    InputError
        They differ, or the data have changed in between.
    """
    other = {name for name, value in task.items() if before.get(name) != value}
    if other == {"state"}:
        raise InputError(
            f"{task['source']} has changed since {target} was begun, which is not finished: give "
            "another name, or say to overwrite it."
        )
    if other or not {"iterations", "cuts"} <= set(before):
        raise InputError(
            f"{target} was begun with another image, PSF or other settings, and is not finished: "
            "give these again, another name, or say to overwrite it."
        )
