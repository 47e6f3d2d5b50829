"""The bead images that a command is given: files, and folders of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.deconvolution.finer import same_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import files_in
from napari_psf_distiller.io import VENDOR_ENDINGS, read_image
from napari_psf_distiller.pipeline import distill_steps_of, distill_steps_of_stacks
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.provenance import provenance_of, provenance_of_stacks
from napari_psf_distiller.results import Result

__all__ = ["BeadStacks", "read_stacks"]

SUFFIXES = (".tif", ".tiff", ".zarr", *VENDOR_ENDINGS)


@dataclasses.dataclass(frozen=True)
class BeadStacks:
    """One bead image, or several of one voxel size.

    Attributes
    ----------
    paths : tuple of Path
    images : tuple of numpy.ndarray
    spacing : tuple of float or None
        In micrometres; None where no file says it.
    """

    paths: tuple[Path, ...]
    images: tuple[NDArray[Any], ...]
    spacing: tuple[float, ...] | None

    @property
    def names(self) -> list[str]:
        """What the files are called, with their folders where two have the same name."""
        names = [path.name for path in self.paths]
        return names if len(set(names)) == len(names) else [str(path) for path in self.paths]

    @property
    def title(self) -> str:
        """What they are called together."""
        first, *others = self.names
        if not others:
            return first
        return f"{first} and {len(others)} other{'s' if len(others) > 1 else ''}"

    @property
    def sha256(self) -> str:
        """The checksum that a recipe has of them; see `Provenance`."""
        if len(self.images) == 1:
            return provenance_of(self.images[0], "").image_sha256
        return provenance_of_stacks(self.images, self.names, "").image_sha256

    def steps(self, recipe: Recipe) -> Steps[Result]:
        """Distil their PSF, as a generator of progress."""
        if len(self.images) == 1:
            return distill_steps_of(self.images[0], recipe)
        return distill_steps_of_stacks(self.images, recipe, self.names)


def read_stacks(given: Sequence[Path], part: Mapping[str, Any]) -> BeadStacks:
    """Read one bead image or several.

    Parameters
    ----------
    given : sequence of Path
        Files, and folders whose image files are meant, in the order of their names.
    part : mapping of str to Any
        Which scene, channel and time of each, as keywords of `read_image`.

    Raises
    ------
    InputError
        A file cannot be read, a folder has no image file, or the files say different voxel sizes.
    """
    paths = [path for one in given for path in _files_of(one)]
    images, spacing, told_by = [], None, paths[0]
    for path in paths:
        stored = read_image(path, **part)
        images.append(stored.image)
        if stored.spacing is None:
            continue
        if spacing is None:
            spacing, told_by = stored.spacing, path
        elif len(spacing) != len(stored.spacing) or not same_spacing(spacing, stored.spacing):
            one, other = (
                " x ".join(f"{size:g}" for size in sizes) for sizes in (spacing, stored.spacing)
            )
            raise InputError(
                f"{told_by} has voxels of {one} micrometres, and {path} of {other}: images that "
                "are distilled together must have one voxel size. Distil each by itself."
            )
    return BeadStacks(tuple(paths), tuple(images), spacing)


def _files_of(path: Path) -> list[Path]:
    """Return a file or an OME-Zarr, or the image files in a folder."""
    if not path.is_dir() or is_zarr(path):
        return [path]
    found = files_in(path, SUFFIXES)
    if not found:
        raise InputError(f"The folder {path} has no TIFF file or OME-Zarr, and no CZI, LIF or ND2.")
    return found
