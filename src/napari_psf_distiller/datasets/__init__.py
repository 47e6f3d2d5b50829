"""Volumes that are read by the box: from memory, or from where they are stored."""

from napari_psf_distiller.datasets.volume import (
    ArrayVolume,
    StoredVolume,
    Volume,
    as_volume,
)

__all__ = ["ArrayVolume", "StoredVolume", "Volume", "as_volume"]
