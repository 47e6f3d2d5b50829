"""Open a PSF that this plugin saved: with voxel size, unit, and how it was made."""

import os
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from napari.settings import get_settings

from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.io import is_psf_file
from napari_psf_distiller.psf import read_psf
from napari_psf_distiller.recipe import Preprocess, Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.files.palette import NOT_GIVEN, ask_for_psf
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, LayerSummary

__all__ = ["PSF_NAMES", "get_reader", "own_name", "prefer_own_reader"]

PLUGIN = "napari-psf-distiller"

# napari asks its user which reader to take wherever the names of two overlap, and its own takes all
# of *.tif. So ours takes names that nobody else's files have; the manifest repeats them.
PSF_NAMES = ("*.psf.tif", "*.psf.tiff", "*.psf.ome.tif", "*.psf.ome.tiff")

# Of folders napari asks with a separator at the end.
PSF_FOLDERS = f"*.psf.zarr{os.sep}"

ENDING = re.compile(r"(\.psf)?((\.ome)?\.tiff?|\.zarr)$", re.IGNORECASE)

LayerTuples = list[tuple[Any, dict[str, Any], str]]


def get_reader(path: Any = NOT_GIVEN) -> Callable[[str], LayerTuples] | None:
    """Return what reads a PSF of ours, or None for any other file, folder or list; never raises.

    Parameters
    ----------
    path : str or list of str
        As napari gives it. Of a TIFF file its first directory is read, no more. Without one, as
        the command palette calls it, the file is asked for and opened.
    """
    if path is NOT_GIVEN:
        ask_for_psf()
        return None
    if not isinstance(path, str) or is_zarr(path):
        return None
    if not ENDING.search(path) or not is_psf_file(path):
        return None
    prefer_own_reader()
    return read_psf_layer


def read_psf_layer(path: str) -> LayerTuples:
    """Return a PSF as the keywords of an image layer on which every step can go on.

    Parameters
    ----------
    path : str
        Of a file or an OME-Zarr that `PSF.save` wrote.

    Raises
    ------
    InputError
        The file is damaged, or of a later version.
    """
    stored = read_psf(path)
    name = ENDING.sub("", Path(path).name)
    ndim = stored.ndim
    recipe = stored.recipe or Recipe(preprocess=Preprocess(background="none"))
    file = LayerSummary(Path(path).name, stored.shape, "float32")
    note = LayerNote(StepId.OPEN, recipe, name, source=file, psf=stored)
    keywords = {
        "name": name,
        "scale": stored.spacing,
        "units": ("micrometer",) * ndim,
        "axis_labels": ("z", "y", "x")[-ndim:],
        "colormap": "inferno",
        "contrast_limits": (min(0.0, float(np.min(stored))), float(np.max(stored))),
        "metadata": {METADATA_KEY: note},
    }
    return [(stored.array, keywords, "image")]


def own_name(path: str) -> bool:
    """Return whether a file's name tells napari to open it with this reader."""
    return any(fnmatch(Path(path).name.lower(), pattern) for pattern in PSF_NAMES)


def prefer_own_reader() -> None:
    """Let napari open files named as our PSFs without asking, unless its user chose another way.

    The names are ours alone, so that no other file's reader changes.
    """
    plugins = get_settings().plugins
    names = (*PSF_NAMES, PSF_FOLDERS)
    missing = {name: PLUGIN for name in names if name not in plugins.extension2reader}
    if missing:
        plugins.extension2reader = {**plugins.extension2reader, **missing}
