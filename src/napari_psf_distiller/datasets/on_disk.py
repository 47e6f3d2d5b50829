"""Files that stay when the power fails: written to the disk, not only handed to the system."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import zarr

__all__ = ["chunk_files", "flush_chunks", "flush_files", "flush_folder"]

# So many files are written to the disk at a time.
AT_ONCE = 16


def flush_files(paths: Iterable[Path], top: Path) -> None:
    """Write those files that are there to the disk, and the entries of their folders.

    Parameters
    ----------
    paths : iterable of Path
    top : Path
        The folder that they lie in, some in folders of it.

    Raises
    ------
    OSError
        The disk failed, or is full.
    """
    files = [path for path in paths if path.is_file()]
    folders: set[Path] = set()
    for path in files:
        folders.update(one for one in path.parents if one == top or top in one.parents)
    # A disk takes many at once in little more time than one.
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(lambda path: _flush(path, os.O_RDWR), files):
            pass
        for _ in threads.map(flush_folder, folders):
            pass


def flush_folder(path: Path) -> None:
    """Write the entries of a folder to the disk, where the system can."""
    # Windows cannot open one, and not all drives write one by itself.
    with contextlib.suppress(OSError):
        _flush(path, os.O_RDONLY)


def flush_chunks(folder: Path, array: zarr.Array[Any], index: Sequence[int | slice]) -> None:
    """Write the chunks, or shards, of a part of an array to the disk.

    Parameters
    ----------
    folder : Path
        Of the array.
    array : zarr.Array
    index : sequence of int or slice
        The part, a number or a slice with both ends for each axis.

    Raises
    ------
    OSError
        The disk failed, or is full.
    """
    flush_files(chunk_files(folder, array, index), folder)


def chunk_files(
    folder: Path, array: zarr.Array[Any], index: Sequence[int | slice]
) -> Iterator[Path]:
    """Yield the files of the chunks, or shards, of a part of an array; one of zeros may not exist.

    Parameters
    ----------
    folder, array, index
        See `flush_chunks`.
    """
    sizes = array.shards or array.chunks
    places = []
    for part, size in zip(index, sizes, strict=True):
        low, high = (part, part + 1) if isinstance(part, int) else (part.start, part.stop)
        places.append(range(low // size, -(-high // size)))
    for place in itertools.product(*places):
        yield folder / array.metadata.encode_chunk_key(place)


def _flush(path: Path, mode: int) -> None:
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
