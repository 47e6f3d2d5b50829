"""The PSF that an image layer shows, with all that the step that wrote it knows of it."""

import dataclasses
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import is_psf_file
from napari_psf_distiller.psf import PSF, read_psf
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.file_part import file_part_of
from napari_psf_distiller.widgets.layers.note import LayerNote, own_note
from napari_psf_distiller.widgets.layers.source import NOT_PREPROCESSED, Source

__all__ = ["changes_over_field", "note_of_psf", "psf_of_layer", "psf_shown"]

# What the files of layers that another reader opened say, once they were asked.
_notes_of_files: WeakKeyDictionary[Layer, LayerNote | None] = WeakKeyDictionary()


def note_of_psf(layer: Layer) -> LayerNote | None:
    """Return what the layer of a PSF says of how it was made; None if nobody knows.

    napari's own reader opens a PSF file of ours too, and gives its voxels alone: what else there is
    of it is read here, once.
    """
    note = own_note(layer.metadata)
    path = layer.source.path
    if note is not None or path is None or file_part_of(layer) is not None:
        return note
    if layer not in _notes_of_files:
        _notes_of_files[layer] = _note_of_file(path)
    return _notes_of_files[layer]


def _note_of_file(path: str) -> LayerNote | None:
    if not is_psf_file(path):
        return None
    try:
        psf = read_psf(path)
    except InputError:
        # Whoever reads the layer's voxel size says what is wrong with the file.
        return None
    recipe = psf.recipe or Recipe(preprocess=NOT_PREPROCESSED)
    return LayerNote(StepId.OPEN, recipe, Path(path).name, psf=psf)


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
