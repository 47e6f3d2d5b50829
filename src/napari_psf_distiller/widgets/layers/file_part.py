"""Which part of a file a layer was opened from: of an OME-Zarr one image and one channel."""

from typing import NamedTuple

from napari.layers import Layer

__all__ = ["FILE_PART_KEY", "FilePart", "file_part_of"]

# Under which name a layer's metadata hold it.
FILE_PART_KEY = "psf_distiller_file_part"


class FilePart(NamedTuple):
    """A part of a file.

    Attributes
    ----------
    path : str
        Of the image: of one in a plate or series its own folder.
    channel : int
        Its number, from 0.
    """

    path: str
    channel: int


def file_part_of(layer: Layer) -> FilePart | None:
    """Return which part of a file a layer is, where our reader opened it; else None."""
    part = layer.metadata.get(FILE_PART_KEY)
    return part if isinstance(part, FilePart) else None
