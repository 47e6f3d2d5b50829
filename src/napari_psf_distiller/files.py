"""Writing a file whole or not at all."""

from __future__ import annotations

import secrets
import shutil
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
        part = folder / f".{path.stem}-{secrets.token_hex(8)}{suffix}"
        # Made here, so that it is nobody else's; it has the permissions of any new file.
        part.touch(exist_ok=False)
        write(part)
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written: {reason}.") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
