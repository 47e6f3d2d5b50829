"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_psf_distiller.errors import InputError

__all__ = ["write_whole"]


def write_whole(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside `path`, and put it in its place when it is complete.

    Parameters
    ----------
    path : str or Path
        The file to make or replace.
    write : callable
        Gets the path of an empty file in the same folder, with the same extension.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written, or the disk is full; an earlier file of
        that name is then unchanged.
    """
    path = Path(path)
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"{path} cannot be written: the folder {folder} does not exist.")
    if path.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder.")
    suffix = "".join(path.suffixes[-2:])
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=suffix, dir=folder)
        os.close(handle)
        part = Path(name)
        write(part)
        _give_usual_permissions(part, path)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written: {reason}.") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _give_usual_permissions(part: Path, path: Path) -> None:
    """Give the file the mode that an ordinary write would have left, not a private one."""
    if path.exists():
        mode = path.stat().st_mode & 0o777
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    part.chmod(mode)
