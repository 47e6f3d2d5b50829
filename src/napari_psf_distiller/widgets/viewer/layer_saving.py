"""Layers that are saved by a writer of ours, though another one is offered first."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from napari.layers import Layer
from napari.viewer import Viewer

from napari_psf_distiller.widgets.viewer.private import note_missing

__all__ = ["save_by"]

TIFF = (".tif", ".tiff")

# Whose writers lose what a layer says of itself.
NAPARI = "napari"


def save_by(viewer: Viewer, plugin: str, fits: Callable[[Layer], bool]) -> None:
    """Let one layer that fits be saved by a plugin where napari's own writer would be taken.

    napari's dialog offers its own first, which writes a TIFF without voxel size. Whatever else is
    chosen there is done as chosen. Where the saving cannot be followed, napari's writer is taken.

    Parameters
    ----------
    viewer : napari.Viewer
    plugin : str
        Its name.
    fits : callable
        Whether it is to save a layer.
    """
    layers = viewer.layers
    if "save" in vars(layers):
        return
    weakly, own = ref(layers), plugin

    def save(
        path: Any, *, selected: bool = False, plugin: str | None = None, **more: Any
    ) -> list[str]:
        layers = weakly()
        assert layers is not None
        chosen = [one for one in layers if one in layers.selection or not selected]
        if plugin is None and len(chosen) == 1 and fits(chosen[0]) and _is_tiff(path, more):
            return list(type(layers).save(layers, path, selected=selected, plugin=own))
        return list(type(layers).save(layers, path, selected=selected, plugin=plugin, **more))

    try:
        layers.save = save
    except AttributeError:
        note_missing("saving of layers that can be followed", "a PSF's type has to be chosen")


def _is_tiff(path: Any, more: dict[str, Any]) -> bool:
    """Return whether napari's own writer would write a TIFF.

    Parameters
    ----------
    path : str or Path
    more : dict
        With the writer that was chosen in a dialog, if one was.
    """
    name, writer = str(path).lower(), more.get("_writer")
    if name.endswith(TIFF):
        return writer is None or writer.plugin_name == NAPARI
    # A name without an ending gets the first of the writer's.
    endings = () if writer is None else tuple(writer.filename_extensions)
    return (
        writer is not None
        and writer.plugin_name == NAPARI
        and endings[:1] == TIFF[:1]
        and not name.endswith(endings)
    )
