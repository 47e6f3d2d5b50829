"""Saving what the inspector shows: a figure for a page, or the profiles' numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.widgets.running.worker import do_aside

__all__ = ["FORMATS", "Saver"]

# What the dialog offers, and the extension that a name without one gets.
FORMATS = {
    "PNG picture (*.png)": "png",
    "SVG drawing (*.svg)": "svg",
    "PDF page (*.pdf)": "pdf",
    "Profiles as CSV table (*.csv)": "csv",
}


class Saver(QObject):
    """Asks where to save, and saves there in a thread.

    Parameters
    ----------
    parent : QWidget
    title : str
        Begins what the user is told.
    """

    def __init__(self, parent: QWidget, title: str) -> None:
        super().__init__(parent)
        self._parent = parent
        self._title = title
        self._path: Path | None = None

    @property
    def busy(self) -> bool:
        """Whether a file is being written."""
        return self._path is not None

    def ask(self, name: str, writer: Callable[[Path], Callable[[], None]]) -> QFileDialog:
        """Open a dialog for the file's name; when it is confirmed, the file is written.

        Parameters
        ----------
        name : str
            Offered, without an extension.
        writer : callable
            Called in the main thread with the chosen path, returns what writes the file in the
            drawings' thread.
        """
        # Not modal to the event loop, so that what runs in the viewer runs on.
        dialog = QFileDialog(self._parent, f"{self._title}: save")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setNameFilters(list(FORMATS))
        # With it the dialog asks before it overwrites what the full name belongs to.
        dialog.setDefaultSuffix("png")
        dialog.filterSelected.connect(lambda kind: dialog.setDefaultSuffix(FORMATS[kind]))
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda path: self.save(Path(path), writer))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
        return dialog

    def save(self, path: Path, writer: Callable[[Path], Callable[[], None]]) -> None:
        """Write the file in the drawings' thread, and tell the user; see `ask`."""
        if path.suffix.lower().removeprefix(".") not in FORMATS.values():
            show_error(
                f"{self._title}: {path.name} was not saved; its name must end in .png, .svg, "
                ".pdf or .csv."
            )
            return
        if self.busy:
            show_error(f"{self._title}: {path.name} was not saved; a file is being written.")
            return
        try:
            write = writer(path)
        except InputError as error:
            show_error(f"{self._title}: {error}")
            return
        self._path = path
        do_aside(write, self._take)

    def _take(self, outcome: Any) -> None:
        path, self._path = self._path, None
        if isinstance(outcome, DistillerError):
            show_error(f"{self._title}: {outcome}")
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            show_info(f"{self._title}: saved {path}")
