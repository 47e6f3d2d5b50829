"""What a viewer opens: the layers of a reader of ours, and folders that it reads best."""

import importlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from weakref import ref

from napari.layers import Layer
from napari.plugins import _npe2
from napari.plugins.utils import get_preferred_reader
from napari.utils.notifications import show_error
from napari.viewer import Viewer

from napari_psf_distiller.widgets.viewer.canvas import viewer_shown
from napari_psf_distiller.widgets.viewer.private import note_missing, private

try:
    from napari.layers._source import layer_source
except ImportError:
    layer_source = None

__all__ = ["LayerTuples", "Reader", "napari_reader", "open_by", "open_folders_by"]

LayerTuples = list[tuple[Any, dict[str, Any], str]]
Reader = Callable[[str], LayerTuples]

# Whose reader takes every folder, and of an OME-Zarr only the voxels.
NAPARI = "napari"


def napari_reader(path: str | Sequence[str]) -> Reader | None:
    """Return napari's own reader of a file, or of several to be stacked, if it is there."""
    try:
        builtins = importlib.import_module("napari_builtins.io")
    except ImportError:
        note_missing("reader of napari's own", "a file is refused that another reader may take")
        return None
    found: Reader | None = builtins.napari_get_reader(path)
    return found


def open_by(viewer: Viewer, path: Path, read: Reader, plugin: str) -> list[Layer]:
    """Add what a reader makes of a file or folder, whichever reader napari would take.

    Where a layer cannot be told what it is from, it does not know its path.

    Parameters
    ----------
    viewer : napari.Viewer
    path : Path
    read : callable
        May raise as it likes: the user is told.
    plugin : str
        Whose reader it is.

    Returns
    -------
    list of Layer
        Empty if it cannot be read.
    """
    try:
        layers = read(str(path))
        noted: Any = nullcontext()
        if layer_source is not None:
            noted = layer_source(path=str(path), reader_plugin=plugin)
        else:
            note_missing("source of a layer", "a layer does not know its path")
        with noted:
            return [viewer.add_layer(Layer.create(*layer)) for layer in layers]
    except Exception as error:  # whatever a reader raises
        show_error(f"{path.name} could not be opened: {error}")
        return []


def open_folders_by(
    viewer: Viewer, get_reader: Callable[[str], Reader | None], plugin: str
) -> None:
    """Let folders be read by a plugin that somebody opens, or drags into a viewer.

    A reader that is known to napari as one of folders takes all of them, whatever is in them, and
    napari asks its user of each which reader to take. This one is not known to it. Who has another
    reader of folders than napari's own, or chose one in the preferences or for this folder, gets
    that. Where the opening cannot be followed, napari's own reader is taken.

    Parameters
    ----------
    viewer : napari.Viewer
    get_reader : callable
        Returns what reads a folder, or None for one that is left to napari.
    plugin : str
        Its name.
    """
    without = "folders are opened by napari's own reader"
    shown = viewer_shown(viewer)
    if shown is None or "_qt_open" in vars(shown) or private(shown, "_qt_open", without) is None:
        return
    weakly = ref(shown)

    def qt_open(paths: list[str], *args: Any, **keywords: Any) -> None:
        shown = weakly()
        if shown is None:
            return
        left = list(paths)
        # The first says whether they are to be stacked, the second whether to ask for a reader.
        asked = any(args) or any(keywords.values())
        for path in () if asked else paths:
            read = get_reader(path) if Path(path).is_dir() and _is_free(path, plugin) else None
            if read is not None:
                open_by(shown.viewer, Path(path), read, plugin)
                left.remove(path)
        if left:
            type(shown)._qt_open(shown, left, *args, **keywords)

    shown._qt_open = qt_open


def _is_free(path: str, plugin: str) -> bool:
    """Return whether napari would take its own reader for a folder, as nobody chose another."""
    try:
        readers, preferred = set(_npe2.get_readers(path)), get_preferred_reader(path)
    except Exception:  # of a later version of napari, whatever it raises
        note_missing("choice of readers that can be asked", "a folder is opened as an OME-Zarr")
        return True
    return readers <= {NAPARI, plugin} and preferred in (None, plugin)
