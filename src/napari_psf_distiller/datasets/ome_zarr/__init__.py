"""Images of OME-Zarr, one or a plate or a series of them, read and written by regions.

Metadata is read and checked by ome-zarr-models, voxels are read and written by zarr itself: what
writes a region must know chunks and shards, which the higher libraries (ome-zarr, ngff-zarr) hide
behind dask arrays. Both are MIT-licensed; of OME-Zarr they know the versions 0.4 (zarr 2) and 0.5
(zarr 3, with shards). Neither is imported before a data set is opened.
"""

from napari_psf_distiller.datasets.ome_zarr.display import (
    ChannelDisplay,
    channel_displays,
    resolutions,
)
from napari_psf_distiller.datasets.ome_zarr.groups import is_zarr
from napari_psf_distiller.datasets.ome_zarr.layout import WHITE, ImageLayout
from napari_psf_distiller.datasets.ome_zarr.reading import (
    OmeZarrImage,
    image_names,
    open_image,
    open_images,
    series_listed,
)
from napari_psf_distiller.datasets.ome_zarr.writing import (
    VERSIONS,
    chunks_of,
    create_group,
    create_image,
    level_shapes,
)

__all__ = [
    "VERSIONS",
    "WHITE",
    "ChannelDisplay",
    "ImageLayout",
    "OmeZarrImage",
    "channel_displays",
    "chunks_of",
    "create_group",
    "create_image",
    "image_names",
    "is_zarr",
    "level_shapes",
    "open_image",
    "open_images",
    "resolutions",
    "series_listed",
]
