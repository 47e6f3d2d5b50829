"""Where a PSF is put into the viewer."""

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.widgets.layers import Source

__all__ = ["inset"]


def inset(source: Source, psf: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the offset that puts a PSF into an image's corner, with its middle plane as its.

    So it is in focus where a viewer begins.
    """
    offset = tuple(source.geometry["translate"])
    if psf.ndim == 2:
        return offset
    planes = (np.shape(source.data)[0] - 1) // 2 - psf.shape[0] // 2
    return (offset[0] + planes * source.geometry["scale"][0], *offset[1:])
