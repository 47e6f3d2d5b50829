"""What is chosen in napari's menus and its command palette without a file: it is asked for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import napari
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from napari_psf_distiller.widgets.files.reader import get_reader
from napari_psf_distiller.widgets.files.saving import ask_for_file, ask_for_folder, ask_where
from napari_psf_distiller.widgets.viewer.opening import Reader, open_by

__all__ = ["NOT_GIVEN", "ask_for_psf", "ask_for_zarr", "ask_where_to_save"]

PLUGIN = "napari-psf-distiller"

# Stands for a path that nobody gave, which may well be None.
NOT_GIVEN = object()

FILES = "PSF (*.tif *.tiff)"


def ask_for_psf() -> None:
    """Ask for a PSF's file, and open it in the viewer in front, whatever its name."""
    if _viewer() is not None:
        ask_for_file(_window(), "Open a saved PSF", FILES, partial(_open, get_reader, "PSF"))


def ask_for_zarr() -> None:
    """Ask for the folder of an OME-Zarr, and open it in the viewer in front."""
    # Imports dask's arrays, which take their time.
    from napari_psf_distiller.widgets.files.zarr_reader import get_zarr_reader

    if _viewer() is not None:
        opened = partial(_open, get_zarr_reader, "OME-Zarr")
        ask_for_folder(_window(), "Open an OME-Zarr", opened)


def ask_where_to_save() -> None:
    """Ask where the selected PSF is to be saved, and save it."""
    viewer = _viewer()
    if viewer is None:
        return
    layer = viewer.layers.selection.active
    if layer is None:
        show_info("Select the layer of the PSF that is to be saved.")
        return

    def save(path: Path) -> None:
        try:
            layer.save(str(path), plugin=PLUGIN)
        except Exception as error:  # napari passes on what a writer says
            show_error(str(error))

    kinds = {"PSF as TIFF, with voxel size and recipe": ".psf.tif"}
    ask_where(_window(), "Save PSF", layer.name, kinds, save)


def _open(get_reader: Callable[[str], Reader | None], kind: str, path: Path) -> None:
    viewer, read = _viewer(), get_reader(str(path))
    if read is None:
        show_error(f"{path.name} could not be opened: it is no {kind} that PSF Distiller can read.")
    elif viewer is not None:
        open_by(viewer, path, read, PLUGIN)


def _viewer() -> Viewer | None:
    viewer: Viewer | None = napari.current_viewer()
    return viewer


def _window() -> QWidget:
    """Return what a dialog belongs to: the window that was used last."""
    active = QApplication.activeWindow()
    if active is not None:
        return active
    windows = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow)]
    return windows[-1]
