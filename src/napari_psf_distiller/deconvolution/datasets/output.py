"""The OME-Zarr that a data set's results go to: whether it may be written, and its making."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from napari_psf_distiller.datasets.ome_zarr import (
    ImageLayout,
    OmeZarrImage,
    create_group,
    create_image,
)
from napari_psf_distiller.datasets.on_disk import flush_files, flush_folder
from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage
from napari_psf_distiller.errors import InputError

__all__ = ["check_place", "create_output", "group_of"]


def check_place(source: Path, output: Path) -> None:
    """Refuse a place that the results of a data set cannot go to.

    Raises
    ------
    InputError
        Its name is no zarr's, its folder is not there, or it lies in the data or they in it.
    """
    if output.suffix.lower() != ".zarr":
        raise InputError(f"{output} cannot be written: its name must end in .zarr.")
    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} is not there; make it first.")
    one, other = source.resolve(), output.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise InputError(f"{output} and {source} lie in each other: give another name.")


def create_output(
    output: Path,
    images: Sequence[DatasetImage],
    layouts: Sequence[ImageLayout],
    source: str | Path,
) -> None:
    """Create the results' OME-Zarr, empty; one that is there is removed.

    Raises
    ------
    InputError
        It cannot be written.
    """
    if output.exists():
        try:
            shutil.rmtree(output)
        except OSError as error:
            raise InputError(f"{output} cannot be replaced: {error}.") from error
    first = images[0]
    create_group(output, first if isinstance(first, OmeZarrImage) else None, layouts[0].version)
    for number, (image, layout) in enumerate(zip(images, layouts, strict=True)):
        name = image.name or Path(source).stem
        create_image(group_of(output, images, number), layout, name)
    try:
        flush_files(output.rglob("*"), output)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error}.") from error
    flush_folder(output.parent)


def group_of(output: Path, images: Sequence[DatasetImage], number: int) -> str:
    """Return the group of an image's result: named as in an OME-Zarr, else numbered."""
    image = images[number]
    name = image.name if isinstance(image, OmeZarrImage) else str(number)
    return f"{output}/{name}".rstrip("/")
