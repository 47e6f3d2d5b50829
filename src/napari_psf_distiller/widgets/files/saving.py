"""Asking for a file's name, and writing the file beside the viewer."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.files.folders import begin_in, note_folder
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.wording import listed

__all__ = ["Saver", "ask_for_file", "ask_for_folder", "ask_where"]

# Called in the main thread with a path; returns what writes the file in a thread.
Writer = Callable[[Path], Callable[[], None]]

# What no file can have in its name on some system; that of an objective, such as 63x/1.4, may.
NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|]')


def ask_where(
    parent: QWidget,
    caption: str,
    name: str,
    kinds: Mapping[str, str],
    chosen: Callable[[Path], None],
) -> QFileDialog:
    """Ask where to write a file.

    Parameters
    ----------
    parent : QWidget
    caption : str
        Of the dialog.
    name : str
        Suggested, without an ending; what a file's name cannot have is replaced.
    kinds : mapping of str to str
        What can be chosen, and the ending of each, such as ``{"ImageJ TIFF": ".tif"}``.
    chosen : callable
        Gets the path, unless the dialog is closed without one.

    Returns
    -------
    QFileDialog
        Which is open.
    """
    filters = {f"{kind} (*{ending})": ending for kind, ending in kinds.items()}
    endings = sorted(kinds.values(), key=len, reverse=True)
    first = next(iter(kinds.values()))
    dialog = QFileDialog(parent, caption)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setNameFilters(list(filters))
    dialog.setDefaultSuffix(first[1:])
    _begin(dialog)
    dialog.selectFile(NOT_IN_NAMES.sub("-", name) + first)

    def end_as(kind: str) -> None:
        # The name shown is the one that is written, and asked about if there is such a file.
        ending, files = filters[kind], dialog.selectedFiles()
        dialog.setDefaultSuffix(ending[1:])
        if files:
            stem = Path(files[0]).name
            for other in endings:
                stem = stem.removesuffix(other)
            dialog.selectFile(stem + ending)

    dialog.filterSelected.connect(end_as)
    return _opened(dialog, chosen)


def ask_for_file(
    parent: QWidget, caption: str, kind: str, chosen: Callable[[Path], None]
) -> QFileDialog:
    """Ask for a file to read.

    Parameters
    ----------
    parent : QWidget
    caption : str
        Of the dialog.
    kind : str
        Such as ``"Recipe (*.json)"``.
    chosen : callable
        Gets the path, unless the dialog is closed without one.

    Returns
    -------
    QFileDialog
        Which is open.
    """
    dialog = QFileDialog(parent, caption)
    dialog.setNameFilter(kind)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    _begin(dialog)
    return _opened(dialog, chosen)


def ask_for_folder(parent: QWidget, caption: str, chosen: Callable[[Path], None]) -> QFileDialog:
    """Ask for a folder to read, such as an OME-Zarr's; see `ask_for_file`."""
    dialog = QFileDialog(parent, caption)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, True)
    _begin(dialog)
    return _opened(dialog, chosen)


def _begin(dialog: QFileDialog) -> None:
    """Begin where its user may look for the file."""
    folder = begin_in()
    if folder is not None:
        dialog.setDirectory(str(folder))


def _opened(dialog: QFileDialog, chosen: Callable[[Path], None]) -> QFileDialog:
    """Open a dialog without waiting for it, so that what runs in the viewer runs on."""

    def note(path: str) -> None:
        note_folder(Path(path))
        chosen(Path(path))

    dialog.fileSelected.connect(note)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog


class Saver(QObject):
    """Writes one file at a time in the drawings' thread, and tells the user.

    Parameters
    ----------
    parent : QWidget
    title : str
        Begins what the user is told.
    kinds : mapping of str to str
        What can be written; see `ask_where`.
    """

    def __init__(self, parent: QWidget, title: str, kinds: Mapping[str, str]) -> None:
        super().__init__(parent)
        self._parent, self._title, self._kinds = parent, title, kinds
        self._path = Path()
        self._background = Background(self._on_done, self._tell, draws=True)

    @property
    def busy(self) -> bool:
        """Whether a file is being written."""
        return self._background.busy

    def ask(self, name: str, writer: Writer) -> QFileDialog:
        """Open a dialog for the file's name; when it is confirmed, the file is written.

        Parameters
        ----------
        name : str
            Offered, without an extension.
        writer : callable
            Called in the main thread with the chosen path, returns what writes the file in the
            drawings' thread.
        """
        return ask_where(
            self._parent,
            f"{self._title}: save",
            name,
            self._kinds,
            lambda path: self.save(path, writer),
        )

    def save(self, path: Path, writer: Writer) -> None:
        """Write the file in the drawings' thread, and tell the user; see `ask`."""
        endings = list(self._kinds.values())
        if not path.name.lower().endswith(tuple(endings)):
            named = listed(endings, "or")
            self._tell(f"{path.name} was not saved; its name must end in {named}.")
            return
        if self.busy:
            self._tell(f"{path.name} was not saved; a file is being written.")
            return
        try:
            write = writer(path)
        except InputError as error:
            self._tell(str(error))
            return
        self._path = path
        self._background.ask(write)

    def _on_done(self, _: None) -> None:
        show_info(f"{self._title}: saved {self._path}")

    def _tell(self, sentence: str) -> None:
        show_error(f"{self._title}: {sentence}")
