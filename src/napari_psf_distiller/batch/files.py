"""The bead images of a batch that lie in files: which they are, and how each is distilled."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import files_in
from napari_psf_distiller.io import (
    VENDOR_ENDINGS,
    StoredMicroscope,
    optics_text,
    read_image,
    read_microscope,
)
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Optics, Recipe
from napari_psf_distiller.results import Result

__all__ = ["IMAGE_ENDINGS", "distill_file_steps", "folder_names", "images_in", "stem_of"]

# Of the files of a folder, these are taken for images.
IMAGE_ENDINGS = (".tif", ".tiff", ".zarr", *VENDOR_ENDINGS)


def images_in(path: Path) -> list[Path]:
    """Return a file or an OME-Zarr itself, or the image files of a folder by their names.

    Raises
    ------
    InputError
        The folder has no image file.
    """
    if not path.is_dir() or is_zarr(path):
        return [path]
    found = files_in(path, IMAGE_ENDINGS)
    if not found:
        raise InputError(f"The folder {path} has no TIFF file or OME-Zarr, and no CZI, LIF or ND2.")
    return found


def stem_of(path: Path) -> str:
    """Return a file's name without its ending, be it .tif or .ome.tif.

    Examples
    --------
    >>> stem_of(Path("beads/slide 1.ome.tif"))
    'slide 1'
    """
    name = path.name
    for ending in (path.suffix, ".ome"):
        name = name.removesuffix(ending)
    return name


def folder_names(names: Sequence[str]) -> list[str]:
    """Return a folder's name for each image, of which no two are the same.

    Names that would be the same get their image's number. A scene of a plate, such as ``A/1/0``, is
    no folder in a folder.

    Parameters
    ----------
    names : sequence of str

    Examples
    --------
    >>> folder_names(["beads", "Beads", "plate-A/1/0"])
    ['beads-0', 'Beads-1', 'plate-A-1-0']
    """
    safe = [re.sub(r'[/\\:*?"<>|]', "-", name) for name in names]
    # Some file systems do not tell capital letters from small ones.
    counts = Counter(name.lower() for name in safe)
    taken, found = set(counts), []
    for number, name in enumerate(safe):
        unlike = name
        if counts[name.lower()] > 1:
            while unlike.lower() in taken:
                unlike = f"{unlike}-{number}"
            taken.add(unlike.lower())
        found.append(unlike)
    return found


def distill_file_steps(
    path: Path, recipe: Recipe, *, spacing_counts: bool = False
) -> Steps[Result]:
    """Read a bead image and distil its PSF, as a generator of progress.

    What the recipe does not say of the microscope is taken from the file. What the file says
    otherwise is a warning of the result.

    Parameters
    ----------
    path : Path
        As `read_image` takes it.
    recipe : Recipe
    spacing_counts : bool
        Whether the recipe's voxel size counts before the file's, or only where that says none.

    Raises
    ------
    InputError, DeviceError
        See `read_image` and `distill`.
    """
    stored = read_image(path)
    if recipe.spacing is None or (stored.spacing is not None and not spacing_counts):
        recipe = dataclasses.replace(recipe, spacing=stored.spacing)
    told = read_microscope(path)
    recipe, notes = _with_microscope(recipe, told)
    result = yield from distill_steps_of(stored.image, recipe)
    result = result.described(image_name=path.name, microscope=told.objective)
    return dataclasses.replace(result, warnings=(*told.notes, *notes, *result.warnings))


def _with_microscope(recipe: Recipe, told: StoredMicroscope) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe with what the file says of the microscope beside it, and what to know."""
    optics = recipe.optics
    values = dataclasses.asdict(optics)
    given = {name for name, value in values.items() if value is not None and optics != Optics()}
    found = told.beside(optics.microscope, given)
    try:
        made = dataclasses.replace(optics, **found)
    except InputError as error:
        return recipe, (
            f"What the file says of the microscope, {optics_text(found)}, does not go with what "
            f"is given, and is left out. {error}",
        )
    other = told.contradicted(made, given)
    here = {name: getattr(made, name) for name in other}
    note = f"The file says {optics_text(other)}, but {optics_text(here)} is given, which counts."
    return dataclasses.replace(recipe, optics=made), (note,) * bool(other)
