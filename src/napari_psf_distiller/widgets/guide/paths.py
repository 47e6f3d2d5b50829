"""Asking for a file."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

__all__ = ["ask_for_file", "ask_where"]


def ask_where(parent: QWidget, caption: str, name: str, kinds: dict[str, str]) -> Path | None:
    """Ask where to write a file; None if nobody wants to.

    Parameters
    ----------
    parent : QWidget
    caption : str
    name : str
        Suggested, without an ending.
    kinds : dict of str to str
        What can be chosen, and the ending of each, such as ``{"ImageJ TIFF": ".tif"}``.
    """
    filters = {f"{kind} (*{ending})": ending for kind, ending in kinds.items()}
    endings = sorted(kinds.values(), key=len, reverse=True)
    first = next(iter(kinds.values()))
    dialog = QFileDialog(parent, caption, "", ";;".join(filters))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(first[1:])
    dialog.selectFile(name + first)

    def end_as(chosen: str) -> None:
        # The name shown is the one that is written, and asked about if there is such a file.
        ending, files = filters[chosen], dialog.selectedFiles()
        dialog.setDefaultSuffix(ending[1:])
        if files:
            stem = Path(files[0]).name
            for other in endings:
                stem = stem.removesuffix(other)
            dialog.selectFile(stem + ending)

    dialog.filterSelected.connect(end_as)
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None


def ask_for_file(parent: QWidget, caption: str, kind: str) -> Path | None:
    """Ask for a file to read; None if nobody wants to.

    Parameters
    ----------
    parent : QWidget
    caption : str
    kind : str
        Such as ``"Recipe (*.json)"``.
    """
    dialog = QFileDialog(parent, caption, "", kind)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None
