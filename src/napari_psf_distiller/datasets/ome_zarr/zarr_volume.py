"""One time and one channel of an OME-Zarr's image, read by boxes whose files are whole."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_psf_distiller.datasets.on_disk import chunk_files
from napari_psf_distiller.datasets.volume import StoredVolume
from napari_psf_distiller.errors import InputError

if TYPE_CHECKING:
    import zarr

__all__ = ["ZarrVolume"]

# A chunk that Blosc packed begins with so many bytes, the last four of which are its length.
BLOSC_HEADER, BLOSC_LENGTH = 16, slice(12, 16)


class ZarrVolume(StoredVolume):
    """A `StoredVolume` of a zarr's array, which does not read files that are cut off.

    What Blosc packed is unpacked without a look at how much of it is there: of some files that are
    cut off, as by a copy that was interrupted, the rest would be whatever lies in the memory.
    """

    def __init__(
        self,
        array: zarr.Array[Any],
        index: tuple[int | slice, ...],
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(array, index, spacing)
        self._folder = _folder_of(array) if _is_packed_by_blosc(array) else None

    def _part(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        if self._folder is not None:
            _check_whole(self._folder, self._array, index)
        return super()._part(index)


def _is_packed_by_blosc(array: zarr.Array[Any]) -> bool:
    """Return whether Blosc was last to pack the chunks; shards have a sum to be checked by."""
    from zarr.codecs import BloscCodec

    last = array.compressors[-1] if array.compressors else None
    blosc = isinstance(last, BloscCodec) or getattr(last, "codec_id", None) == "blosc"
    return blosc and array.shards is None


def _folder_of(array: zarr.Array[Any]) -> Path | None:
    """Return where an array's files are, of one on a disk."""
    from zarr.storage import LocalStore

    place = array.store_path
    return Path(place.store.root, place.path) if isinstance(place.store, LocalStore) else None


def _check_whole(folder: Path, array: zarr.Array[Any], index: Sequence[int | slice]) -> None:
    """Refuse chunks whose files are shorter than they say that they are."""
    parts = [
        part if isinstance(part, int) else slice(*part.indices(n))
        for part, n in zip(index, array.shape, strict=True)
    ]
    for path in chunk_files(folder, array, parts):
        # Who reads it says what is wrong with one that cannot be read, and there may be none.
        with contextlib.suppress(OSError), path.open("rb") as file:
            header = file.read(BLOSC_HEADER)
            there, said = path.stat().st_size, int.from_bytes(header[BLOSC_LENGTH], "little")
            if len(header) < BLOSC_HEADER or there < said:
                raise InputError(
                    f"{path.relative_to(folder.parent)} is cut off: it has {there} bytes of "
                    f"{max(said, BLOSC_HEADER)}. Copy or export it again."
                )
