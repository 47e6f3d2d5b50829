"""`psf-distiller deconvolve` of a data set."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.cli.commands import Outlet
from napari_psf_distiller.cli.options import with_options
from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.deconvolution.datasets.record import Record
from napari_psf_distiller.deconvolution.datasets.run import deconvolve_dataset_steps
from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.progress import finish
from napari_psf_distiller.psf import PSF, read_psf
from napari_psf_distiller.recipe import Recipe

__all__ = ["deconvolve_data", "is_dataset"]


def is_dataset(path: Path, output: Path) -> bool:
    """Return whether a data set is meant: an OME-Zarr or a folder, and not one image as TIFF."""
    if is_zarr(path):
        return output.suffix.lower() not in (".tif", ".tiff")
    return path.is_dir()


def deconvolve_data(arguments: argparse.Namespace, outlet: Outlet) -> str:
    """Deconvolve a data set with the PSFs of its channels."""
    given = arguments.spacing
    recipe = Recipe(spacing=None if given is None else check_spacing(given, len(given)))
    recipe = with_options(recipe, arguments)
    psfs: Sequence[PSF] | Mapping[str, PSF] = [read_psf(path) for path in arguments.psf]
    steps = deconvolve_dataset_steps(
        arguments.image,
        psfs,
        arguments.output,
        recipe,
        scheduler=arguments.scheduler,
        workers=arguments.workers,
        overwrite=arguments.overwrite,
    )
    try:
        done = finish(steps, outlet.progress)
    except BaseException as end:
        if not isinstance(end, Exception) and Record(arguments.output).read() is not None:
            again = " without --overwrite" if arguments.overwrite else ""
            end.add_note(
                f"the regions that are done are kept: the same command{again} does the rest."
            )
        raise
    if done.failed:
        first, *others = (text.rstrip(".") for text in done.failed)
        more = f", and {len(others)} more" if others else ""
        raise DistillerError(
            f"{len(done.failed)} of {done.regions + done.skipped + len(done.failed)} regions could "
            f"not be done: {first}{more}. The others are written: correct that and start again."
        )
    for warning in done.warnings:
        outlet.warn(warning)
    for note in done.notes:
        outlet.tell(note)
    lines = [
        f"Data:   {done.output}",
        f"Done:   {done.regions} regions of {done.images} images"
        + (f", {done.skipped} before" if done.skipped else ""),
        f"Iterations: {', '.join(map(str, done.iterations))}",
    ]
    if done.device:
        lines.append(f"Device: {done.device}")
    return "\n".join(lines)
