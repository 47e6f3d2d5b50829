"""Writing a PSF layer to TIFF: what File > Save Selected Layers calls."""

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_info
from superqt.utils import ensure_main_thread

from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.export import exporter_for, exporters
from napari_psf_distiller.export.tiff import IMAGEJ_TIFF, OME_TIFF
from napari_psf_distiller.widgets.files.palette import NOT_GIVEN, ask_where_to_save
from napari_psf_distiller.widgets.files.reader import own_name, prefer_own_reader
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_layer import psf_shown
from napari_psf_distiller.widgets.layers.record import voxel_size_noted

__all__ = ["write_psf_layer"]

# A name that ends so is of another kind of file; a layer's name may have a point in it too.
OTHER_ENDING = re.compile(r"\.(?!psf$)[a-z][a-z0-9]{1,3}$")


def write_psf_layer(
    path: Any = NOT_GIVEN, data: Any = None, attributes: dict[str, Any] | None = None
) -> list[str]:
    """Write an image layer as a PSF, with its voxel size and what is known of it; see `PSF.save`.

    Parameters
    ----------
    path : str
        Its ending chooses the format. A name without one gets ``.psf.tif``: napari opens a file of
        that name with voxel size and recipe. Without a path, as the command palette calls it, it
        is asked for, and the selected layer is saved.
    data : array_like
        (Z, Y, X) or (Y, X).
    attributes : dict
        The layer's, as napari gives them.

    Returns
    -------
    list of str
        What was written: the path.

    Raises
    ------
    DistillerError
        The layer has no voxel size, or cannot be a PSF, or the path cannot be written.
    """
    if path is NOT_GIVEN or attributes is None:
        ask_where_to_save()
        return []
    try:
        path = _named(path)
        _write(path, data, attributes)
    except InputError as error:
        # napari takes a ValueError for a writer that does not fit, and drops its sentence.
        raise DistillerError(str(error)) from error
    if threading.current_thread() is threading.main_thread():
        _help_reading(path)
    else:
        ensure_main_thread(_help_reading)(path)
    return [path]


def _help_reading(path: str) -> None:
    """See to it that the file comes back into napari as it went; in the main thread."""
    prefer_own_reader()
    if not own_name(path) and exporter_for(path) in (IMAGEJ_TIFF, OME_TIFF):
        show_info(
            f"{Path(path).name} is saved. Named .psf.tif it would come back into napari with voxel "
            "size and recipe."
        )


def _named(path: str) -> str:
    """Return the path with an ending; a save dialog gives it as it was typed."""
    name = Path(path).name.lower()
    known = tuple(suffix for exporter in exporters().values() for suffix in exporter.suffixes)
    if name.endswith(known) or OTHER_ENDING.search(name):
        return path
    whole = path + (".tif" if name.endswith(".psf") else ".psf.tif")
    # The dialog asked about the name as it was typed, not about this one.
    if Path(whole).exists():
        raise InputError(f"There is a file {whole} already; type its whole name to replace it.")
    return whole


def _write(path: str, data: Any, attributes: dict[str, Any]) -> None:
    metadata = attributes.get("metadata", {})
    spacing = voxel_size_noted(metadata, attributes["scale"], attributes.get("units") or ())
    if spacing is None:
        raise InputError(
            f"The layer {attributes.get('name', '')!r} has no voxel size; set its scale and units "
            "before it is saved as a PSF."
        )
    name = attributes.get("name", "")
    if attributes.get("rgb") or attributes.get("multiscale"):
        raise InputError(
            f"The layer {name!r} is RGB or multiscale; a PSF has one value a voxel, and one level."
        )
    psf_shown(np.asarray(data), spacing, own_note(metadata)).save(path)
