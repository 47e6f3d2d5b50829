"""Writing a file, or a folder, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from napari_psf_distiller.errors import InputError

__all__ = ["check_replaceable", "files_in", "write_whole", "write_whole_folder"]

# File systems take names of 255 bytes; what is longer than this is no extension.
LONGEST_EXTENSION = 32


def files_in(folder: str | Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files in a folder with some endings, in the order of their names.

    Hidden ones are left out: macOS puts one beside each file on a drive of another system.

    Parameters
    ----------
    folder : str or Path
    suffixes : collection of str
        In lower case, such as ".tif".
    """
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def write_whole(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside `path`, and put it in its place when it is complete.

    Parameters
    ----------
    path : str or Path
        The file to make or replace; of a link, the file that it leads to.
    write : callable
        Gets the path of an empty file in the same folder, with the same extension.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written, the name is too long or belongs to something
        else than a file, or the disk is full; an earlier file of that name is then unchanged.
    """
    path = Path(path)
    part: Path | None = None
    try:
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist.")
        check_replaceable(path)
        place = Path(os.path.realpath(path)) if path.is_symlink() else path
        part = place.parent / f".psf-distiller-{secrets.token_hex(8)}{_extension(path)}"
        # Made here, so that it is nobody else's; it has the permissions of any new file.
        part.touch(exist_ok=False)
        write(part)
        if place.exists():
            shutil.copymode(place, part)
        part.replace(place)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def write_whole_folder(
    path: str | Path, write: Callable[[Path], Any], may_go: Callable[[Path], bool]
) -> None:
    """Let `write` fill a folder beside `path`, and put it in its place when it is complete.

    Parameters
    ----------
    path : str or Path
        The folder to make or replace.
    write : callable
        Gets the path of an empty folder beside it, with the same extension.
    may_go : callable
        Takes the path of what is there already, and returns whether it may be replaced.

    Raises
    ------
    InputError
        As of `write_whole`; or there is something already that may not go.
    """
    path = Path(path)
    part: Path | None = None
    try:
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist.")
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or not may_go(path)):
            raise InputError(
                f"{path} cannot be written: there is something else of this name, which is not "
                "replaced. Choose another name, or delete that first."
            )
        part = path.parent / f".psf-distiller-{secrets.token_hex(8)}{_extension(path)}"
        part.mkdir()
        write(part)
        if path.exists():
            # A folder is not replaced in one step: what was there goes when the new one is there.
            before = path.parent / f".psf-distiller-{secrets.token_hex(8)}{_extension(path)}"
            path.replace(before)
            try:
                part.replace(path)
            except BaseException:
                before.replace(path)
                raise
            shutil.rmtree(before, ignore_errors=True)
        else:
            part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def check_replaceable(path: Path) -> None:
    """Refuse a name that belongs to something else than a file: a folder, a pipe, a device.

    Raises
    ------
    InputError
    """
    if path.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} cannot be written: it is a pipe or a device.")


def _extension(path: Path) -> str:
    """Return the part of a name that tells a writer what to write, as .tif or .ome.tif."""
    for count in (2, 1):
        extension = "".join(path.suffixes[-count:])
        if len(os.fsencode(extension)) <= LONGEST_EXTENSION:
            return extension
    return ""
