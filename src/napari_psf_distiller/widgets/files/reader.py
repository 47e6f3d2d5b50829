"""Open a PSF that this plugin saved: with voxel size, unit, and how it was made."""

import os
import re
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
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, LayerSummary
from napari_psf_distiller.widgets.viewer.opening import LayerTuples, Reader, napari_reader

__all__ = [
    "PLUGIN",
    "PREFERRED",
    "PSF_NAMES",
    "get_reader",
    "own_name",
    "prefer_own_reader",
    "read_psf_layer",
]

PLUGIN = "napari-psf-distiller"

# napari asks its user which reader to take wherever the names of two overlap, and its own takes all
# of *.tif. So ours takes names that a PSF of ours has, and hardly another image: those of what is
# saved here, and of the command line's PSF. The manifest repeats them.
PSF_NAMES = (
    "*.psf.tif",
    "*.psf.tiff",
    "*.psf.ome.tif",
    "*.psf.ome.tiff",
    "psf.tif",
    "psf.ome.tif",
)

# The same, as napari's preferences have it, which look at whole paths.
PREFERRED = tuple(name if name.startswith("*") else f"*{os.sep}{name}" for name in PSF_NAMES)

# As napari's dialog keeps a choice of a reader.
ALL_TIFFS = ("*.tif", "*.tiff")

ENDING = re.compile(r"(\.psf)?((\.ome)?\.tiff?|\.zarr)$", re.IGNORECASE)


def get_reader(path: Any = None) -> Reader | None:
    """Return what reads a PSF of ours, or None for another file, folder or list; never raises.

    Of files that others named so it is napari's own reader, since napari asks no other one.

    Parameters
    ----------
    path : str or list of str
        As napari gives it. Of a TIFF file its first directory is read, no more.
    """
    paths = [path] if isinstance(path, str) else path
    if not isinstance(paths, list) or not all(isinstance(one, str) for one in paths):
        return None
    if len(paths) == 1 and _is_own_psf(paths[0]):
        prefer_own_reader()
        return read_psf_layer
    own = bool(paths) and all(own_name(one) and Path(one).is_file() for one in paths)
    return napari_reader(path) if own else None


def _is_own_psf(path: str) -> bool:
    return ENDING.search(path) is not None and not is_zarr(path) and is_psf_file(path)


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
    name = _name(Path(path))
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


def _name(path: Path) -> str:
    """Return what a PSF's layer is called: as its file, or its folder where all have that name."""
    name = ENDING.sub("", path.name)
    return f"{path.resolve().parent.name} {name}".strip() if name == "psf" else name


def own_name(path: str) -> bool:
    """Return whether a file's name tells napari to open it with this reader."""
    return any(fnmatch(Path(path).name.lower(), pattern) for pattern in PSF_NAMES)


def prefer_own_reader() -> None:
    """Let napari open files named as our PSFs without asking, unless its user chose another way.

    The names are ours alone, so that no other file's reader changes. What napari's dialog kept of
    this reader for all TIFFs, or for a folder, is taken back: it reads neither, and napari would
    say so of each.
    """
    plugins = get_settings().plugins
    chosen = {
        name: reader
        for name, reader in plugins.extension2reader.items()
        if reader != PLUGIN or not (name in ALL_TIFFS or name.endswith((os.sep, ".zarr")))
    }
    kept = {**dict.fromkeys(PREFERRED, PLUGIN), **chosen}
    if kept != plugins.extension2reader:
        plugins.extension2reader = kept
