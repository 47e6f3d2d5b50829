"""PSFs that come and go by napari's own reader and writer, and OME-Zarr, with all that they say.

napari reads the voxels of a file alone, and writes no more: as soon as one of our widgets is open,
a layer of such a file gets what the file says besides, and a PSF is saved with it.
"""

from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
from magicgui.widgets import FunctionGui
from napari.layers import Image, Layer
from napari.utils.notifications import show_info
from napari.viewer import Viewer
from qtpy.QtCore import QTimer

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import psf_made_with
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.widgets.files.reader import PLUGIN, prefer_own_reader
from napari_psf_distiller.widgets.layers.choices import unwrapped, viewer_of
from napari_psf_distiller.widgets.layers.geometry import spacing_of
from napari_psf_distiller.widgets.layers.note import METADATA_KEY
from napari_psf_distiller.widgets.layers.psf_layer import note_of_psf
from napari_psf_distiller.widgets.layers.psf_recognition import step_of_psf
from napari_psf_distiller.widgets.layers.record import voxel_size_noted
from napari_psf_distiller.widgets.parts.docks import when_docked
from napari_psf_distiller.widgets.viewer.layer_saving import save_by
from napari_psf_distiller.widgets.viewer.opening import Reader, open_folders_by

__all__ = ["attend", "attend_to"]

# What the command line writes beside a PSF, with the PSF's voxels.
BESIDE_A_PSF = ("psf_error", "residual")

ENDINGS = (".ome.tif", ".tif")


def attend(gui: FunctionGui[Any, Any]) -> None:
    """Attend to the viewer of a step widget; see `attend_to`."""
    weakly = ref(gui)

    def look() -> None:
        own = weakly()
        viewer = viewer_of(own) if own is not None else None
        if viewer is not None:
            attend_to(viewer)

    when_docked(gui, look)


def attend_to(viewer: Viewer) -> None:
    """See to it that a viewer opens and saves whole what the plugin knows more of than napari.

    PSF files that napari's own reader opened are completed, those to come are opened by ours, as
    is an OME-Zarr; a PSF is saved with all that is known of it.
    """
    viewer = unwrapped(viewer)
    prefer_own_reader()
    open_folders_by(viewer, _reader_of_folder, PLUGIN)
    save_by(viewer, PLUGIN, _can_be_saved)
    for layer in viewer.layers:
        _complete(layer)
    viewer.layers.events.inserted.connect(_on_inserted)


def _reader_of_folder(path: str) -> Reader | None:
    # Imports zarr, which takes its time.
    from napari_psf_distiller.widgets.files.zarr_reader import get_zarr_reader

    return get_zarr_reader(path)


def _on_inserted(event: Any) -> None:
    # When whoever else hears of it has done so.
    QTimer.singleShot(0, partial(_complete, event.value))


def _can_be_saved(layer: Layer) -> bool:
    """Return whether a layer is a PSF of ours with a voxel size."""
    return (
        isinstance(layer, Image)
        and step_of_psf(layer) is not None
        and voxel_size_noted(layer.metadata, layer.scale, layer.units) is not None
    )


def _complete(layer: Layer) -> None:
    """Give a layer what the file says that it was opened from, if another reader left it out.

    A layer that has a voxel size already stays as it is.
    """
    path = layer.source.path if isinstance(layer, Image) else None
    if path is None or METADATA_KEY in layer.metadata:
        return
    if spacing_of(layer.scale, layer.units) is not None:
        return
    note = note_of_psf(layer)
    psf = note.psf if note is not None and isinstance(note.psf, PSF) else None
    spacing = psf.spacing if psf is not None else _of_psf_beside(path)
    if spacing is None or len(spacing) != layer.ndim:
        return
    if psf is not None and np.shape(layer.data) == psf.shape:
        layer.metadata = layer.metadata | {METADATA_KEY: note}
    layer.units = ("micrometer",) * layer.ndim
    layer.scale = spacing
    layer.axis_labels = AXES[-layer.ndim :]
    show_info(f"{Path(path).name} was saved by PSF Distiller: its layer got its voxel size.")


def _of_psf_beside(path: str) -> tuple[float, ...] | None:
    """Return the voxel size of a file that the command line wrote beside a PSF; else None."""
    file = Path(path)
    for ending in ENDINGS:
        if file.name in [name + ending for name in BESIDE_A_PSF]:
            try:
                made = psf_made_with(file.with_name("psf" + ending))
            except InputError:
                return None
            return made[0] if made is not None else None
    return None
