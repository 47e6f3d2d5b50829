"""The PSF that an image layer shows, with all that the step that wrote it knows of it."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.psf import PSF
from napari_psf_distiller.widgets.layers.note import LayerNote
from napari_psf_distiller.widgets.layers.source import Source

__all__ = ["changes_over_field", "psf_of_layer", "psf_shown"]


def psf_shown(array: NDArray[Any], spacing: tuple[float, ...], note: LayerNote | None) -> PSF:
    """Return the PSF that a layer shows.

    Parameters
    ----------
    array : numpy.ndarray
        The layer's.
    spacing : tuple of float
        Voxel size in micrometres.
    note : LayerNote or None
        What the layer says of how it was made.
    """
    if note is None:
        return PSF(array, spacing)
    # What was edited since, or is drawn with another voxel size, has other errors and functions.
    if isinstance(note.psf, PSF) and _same_voxels(note.psf, array, spacing):
        return dataclasses.replace(note.psf, recipe=note.recipe)
    return PSF(array, spacing, recipe=note.recipe)


def psf_of_layer(layer: Source, note: LayerNote | None) -> PSF | NDArray[Any]:
    """Return a layer's PSF with its functions if it has them, else its voxels.

    Parameters
    ----------
    layer : Source
    note : LayerNote or None
        See `psf_shown`.
    """
    array, spacing = np.asarray(layer.data), layer.recipe.spacing
    if spacing is None or note is None or not isinstance(note.psf, PSF):
        return array
    return psf_shown(array, spacing, note)


def changes_over_field(note: LayerNote | None) -> bool:
    """Return whether the PSF of a layer changes over the field, as far as its note says."""
    psf = None if note is None else note.psf
    return isinstance(psf, PSF) and psf.model is not None and psf.model.over_field is not None


def _same_voxels(psf: PSF, array: NDArray[Any], spacing: tuple[float, ...]) -> bool:
    return np.array_equal(psf, array) and np.allclose(psf.spacing, spacing, rtol=1e-6, atol=0)
