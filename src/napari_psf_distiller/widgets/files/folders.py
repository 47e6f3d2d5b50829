"""Where file dialogs begin: where a file was last saved or opened, else beside the image."""

from pathlib import Path

import napari
from napari.layers import Image

__all__ = ["begin_in", "note_folder"]

# The folder that was chosen last, whichever dialog it was.
_last: list[Path] = []


def note_folder(path: Path) -> None:
    """Let the next dialog begin in the folder of a file that was chosen."""
    _last[:] = [path.parent]


def begin_in() -> Path | None:
    """Return the folder that a dialog begins in; None leaves it to Qt."""
    if _last and _last[0].is_dir():
        return _last[0]
    viewer = napari.current_viewer()
    for layer in viewer.layers if viewer is not None else ():
        path = layer.source.path if isinstance(layer, Image) else None
        # Some readers give what is no path of this computer.
        if path and Path(path).parent.is_dir():
            return Path(path).resolve().parent
    return None
