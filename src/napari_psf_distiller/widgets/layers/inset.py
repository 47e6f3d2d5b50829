"""Where a PSF is put into the viewer."""

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.widgets.layers.geometry import in_true_size, unit_ratios
from napari_psf_distiller.widgets.layers.source import Source

__all__ = ["inset"]


def inset(source: Source, psf: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the offset that puts a PSF into an image's corner, with its middle plane as its.

    So it is in focus where a viewer begins. The PSF is drawn in its true size, see `in_true_size`.
    """
    image, own = source.geometry, in_true_size(source.geometry, source.recipe.spacing)
    corner = np.array(image["translate"], float)
    if psf.ndim == 3:
        corner[0] += (np.shape(source.data)[0] - 1) // 2 * image["scale"][0]
    offset = corner * unit_ratios(image["units"], own["units"])
    if psf.ndim == 3:
        offset[0] -= psf.shape[0] // 2 * own["scale"][0]
    return tuple(float(value) for value in offset)
