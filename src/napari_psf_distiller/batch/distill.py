"""From Python: a PSF from each of several images or files."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from napari_psf_distiller.batch.files import (
    distill_file_steps,
    folder_names,
    images_in,
    stem_of,
)
from napari_psf_distiller.batch.run import BatchImage, batch_steps
from napari_psf_distiller.batch.table import BatchRow, batch_table, write_batch_table
from napari_psf_distiller.checks import check_array, check_callback, check_spacing
from napari_psf_distiller.errors import DistillerWarning, InputError, shown
from napari_psf_distiller.pipeline import distill_steps_of, recipe_given
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.recipe import Optics, Recipe
from napari_psf_distiller.results import Result

__all__ = ["Batch", "distill_each"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """PSFs of several images, each from one.

    Attributes
    ----------
    results : dict of str to Result
        By the images' names, of those that gave a PSF.
    errors : dict of str to str
        By the images' names, why the others did not.
    table : pandas.DataFrame
        A row an image: widths with their standard errors in nanometres, beads used and found,
        seconds, warnings, the error.
    """

    results: dict[str, Result]
    errors: dict[str, str]
    table: pd.DataFrame

    def save(self, folder: str | Path, *, overwrite: bool = False, ome: bool = False) -> None:
        """Write each result into a folder of its own, and ``psfs.csv`` with the table.

        Parameters
        ----------
        folder : str or Path
            Made if its parent exists.
        overwrite, ome : bool
            See `Result.save`.

        Raises
        ------
        InputError
            A folder cannot be written, or has results already.
        """
        place = Path(folder)
        if not place.parent.is_dir():
            raise InputError(
                f"The output folder {place} cannot be made: {place.parent} does not exist."
            )
        place.mkdir(exist_ok=True)
        names = dict(
            zip(self.results, folder_names([stem_of(Path(n)) for n in self.results]), strict=True)
        )
        rows = [BatchRow(image, error=error) for image, error in self.errors.items()]
        for image, result in self.results.items():
            own = place / names[image]
            result.save(own, overwrite=overwrite, ome=ome, title=f"PSF from {image}")
            rows.append(BatchRow.of(image, result, own / f"psf{'.ome' * ome}.tif"))
        order = list(self.table.index)
        write_batch_table(place, sorted(rows, key=lambda row: order.index(row.image)))

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} images gave none" if self.errors else ""
        return f"<Batch: {len(self.results)} PSFs{failed}\n{self.table}>"

    def _repr_html_(self) -> str:
        failed = "".join(f"<p><b>{escape(n)}:</b> {escape(e)}</p>" for n, e in self.errors.items())
        return f"{self.table.to_html()}{failed}"


def distill_each(
    images: str | PathLike[str] | Sequence[ArrayLike | str | PathLike[str]],
    spacing: Sequence[float] | None = None,
    recipe: Recipe | None = None,
    *,
    names: Sequence[str] | None = None,
    bead_diameter: float | None = None,
    optics: Optics | None = None,
    device: str | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Batch:
    """Distil a PSF from each of several bead images; one that fails does not stop the rest.

    `distill` makes one PSF of several images instead.

    Parameters
    ----------
    images : str or Path, or sequence
        A folder of image files, or a list of files, folders and arrays, each (Z, Y, X) or (Y, X).
        What an argument does not say is taken from a file, as far as it says it: voxel size and
        optics.
    spacing : sequence of float, optional
        Voxel size in micrometres, of all; by default each file's, else the recipe's.
    recipe, bead_diameter, optics, device
        See `distill`; they are the same for all images.
    names : sequence of str, optional
        What the images are called, all unlike; by default their files' names, or "image 0" and so
        on.
    callback : callable, optional
        Called with each `Progress`, whose phase names the image.

    Returns
    -------
    Batch

    Warns
    -----
    DistillerWarning
        For each warning of a result, and each image that gave no PSF, with the image's name.

    Raises
    ------
    InputError
        There is no image, or a parameter cannot be used for any.

    Examples
    --------
    >>> import napari_psf_distiller as psfd
    >>> fields = [psfd.simulate_beads((24, 64, 64), beads=4, seed=seed) for seed in (1, 2)]
    >>> batch = psfd.distill_each(
    ...     [field.image for field in fields], spacing=fields[0].spacing, device="numpy"
    ... )
    >>> list(batch.results), list(batch.table["beads_used"])
    (['image 0', 'image 1'], [4, 4])
    """
    check_callback(callback)
    given = [images] if isinstance(images, str | PathLike) else list(images)
    found: list[Any] = []
    for one in given:
        found.extend(images_in(Path(one)) if isinstance(one, str | PathLike) else [one])
    called = _names_of(found, names)
    shared = recipe_given(recipe, bead_diameter=bead_diameter, optics=optics, device=device)
    if spacing is not None:
        sizes = check_spacing(spacing, 2 if len(spacing) == 2 else 3)
        shared = dataclasses.replace(shared, spacing=sizes)

    def steps_of(image: Any) -> Callable[[], Steps[Result]]:
        if isinstance(image, Path):
            counts = spacing is not None
            return lambda: distill_file_steps(image, shared, spacing_counts=counts)
        return lambda: distill_steps_of(check_array(image), shared)

    results: dict[str, Result] = {}

    def keep(row: BatchRow, result: Result | None) -> None:
        if result is not None:
            results[row.image] = result

    batch = [BatchImage(name, steps_of(one)) for name, one in zip(called, found, strict=True)]
    rows = finish(batch_steps(batch, keep), callback)
    for row in rows:
        for text in (*row.warnings, *([row.error] if row.error else [])):
            warnings.warn(f"{row.image}: {text}", DistillerWarning, stacklevel=2)
    errors = {row.image: row.error for row in rows if row.error}
    return Batch(results, errors, batch_table(rows))


def _names_of(images: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """Return what images are called; files of one name with their folders."""
    if names is not None:
        called = [str(name) for name in names]
        if len(called) != len(images):
            raise InputError(
                f"There are {len(images)} images and {len(called)} names; give a name for each "
                "image."
            )
    else:
        files = [image.name for image in images if isinstance(image, Path)]
        called = [
            f"image {number}"
            if not isinstance(image, Path)
            else image.name
            if files.count(image.name) == 1
            else str(image)
            for number, image in enumerate(images)
        ]
    twice = next((name for name in called if called.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"Two images are called {shown(twice)}; give each a name of its own.")
    return called
