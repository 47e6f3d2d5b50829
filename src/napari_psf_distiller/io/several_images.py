"""Several images of the same voxels in one TIFF, each a channel with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import ArrayLike

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.io.psf_files import tiff_options

__all__ = ["write_several_images"]


def write_several_images(
    path: str | Path,
    images: Mapping[str, ArrayLike],
    *,
    spacing: Sequence[float] | None,
    first_voxel: Sequence[float] | None = None,
) -> None:
    """Write images as the channels of one float32 TIFF, whole or not at all.

    Parameters
    ----------
    path : str or Path
        ``.ome.tif`` gives OME-TIFF, ``.tif`` ImageJ's hyperstack, whose planes have the names as
        labels.
    images : mapping of str to array_like
        (Z, Y, X) or (Y, X), all of one shape, by their names.
    spacing : sequence of float or None
        Voxel size in micrometres.
    first_voxel : sequence of float, optional
        See `write_image`.

    Raises
    ------
    InputError
        The path cannot be used.
    """
    path = Path(path)
    if not path.name.lower().endswith((".tif", ".tiff")):
        raise InputError(f"{path} cannot be written: its name must end in .tif or .ome.tif.")
    arrays = [np.asarray(image, np.float32) for image in images.values()]
    ndim, names = arrays[0].ndim, list(images)
    # Both formats have the channels next to the planes.
    stacked = np.stack(arrays, axis=ndim - 2)
    sizes = tuple(float(size) for size in spacing) if spacing is not None else None
    planes = len(stacked) if ndim == 3 else 1
    first = tuple(first_voxel) if first_voxel is not None and any(first_voxel) else None
    options = tiff_options(path, ndim, sizes, "", first, planes, len(names))
    metadata: dict[str, Any] = options["metadata"]
    metadata["axes"] = "ZCYX"[-stacked.ndim :]
    if "ome" in options:
        metadata["Channel"] = {"Name": names}
    else:
        metadata |= {"Labels": names * planes, "mode": "grayscale"}
    write_whole(path, lambda part: tifffile.imwrite(part, stacked, **options))
