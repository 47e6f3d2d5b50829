"""A data set deconvolved region by region: planned, given to workers, recorded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_psf_distiller.checks import check_callback
from napari_psf_distiller.deconvolution.datasets.cluster import workers_of
from napari_psf_distiller.deconvolution.datasets.inputs import (
    images_of,
    kinds_of,
    psfs_of,
    result_layout,
    stacks_of,
)
from napari_psf_distiller.deconvolution.datasets.iterations import iterations_of
from napari_psf_distiller.deconvolution.datasets.jobs import do_regions, regions_of, works_of
from napari_psf_distiller.deconvolution.datasets.output import check_place, create_output
from napari_psf_distiller.deconvolution.datasets.plan import planned
from napari_psf_distiller.deconvolution.datasets.record import Record
from napari_psf_distiller.deconvolution.datasets.task import check_same, state_of, task_of
from napari_psf_distiller.errors import DistillerError, DistillerWarning, InputError
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe

__all__ = ["DeconvolvedDataset", "deconvolve_dataset", "deconvolve_dataset_steps"]


@dataclass(frozen=True)
class DeconvolvedDataset:
    """What became of a data set.

    Attributes
    ----------
    output : str
        The OME-Zarr that was written.
    images : int
        Images in it.
    regions : int
        Regions that were deconvolved in this run.
    skipped : int
        Regions that an earlier run had done.
    iterations : tuple of int
        Of each channel.
    device : str
    notes : tuple of str
        How the PSFs were had on the data's voxels, where they have others; and whether the image
        has voxels below 0.
    failed : tuple of str
        Which regions could not be done, and why; the others are valid.
    warnings : tuple of str
        What should be known of the numbers of iterations that were sought.
    """

    output: str
    images: int
    regions: int
    skipped: int
    iterations: tuple[int, ...]
    device: str
    notes: tuple[str, ...]
    failed: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def deconvolve_dataset(
    source: str | Path,
    psf: PSF | Sequence[PSF] | Mapping[str, PSF],
    output: str | Path,
    iterations: int | None = None,
    *,
    recipe: Recipe | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> DeconvolvedDataset:
    """Deconvolve a data set that need not fit the memory, region by region, on dask's workers.

    A run that was stopped goes on where it ended when it is started again with the same task, and
    its result is the same. In a script it belongs behind ``if __name__ == "__main__":``, as workers
    import the script.

    Parameters
    ----------
    source : str or Path
        An OME-Zarr with an image, a plate or a series of images, or a folder of TIFFs, of the axes
        t, c, z, y and x.
    psf : PSF, or sequence or mapping of PSF
        One for all channels, one for each, or by the channels' names. It is evaluated on the data's
        voxels if it has functions.
    output : str or Path
        The OME-Zarr to write: float32, with a pyramid, of the source's version.
    iterations : int or None
        None seeks for each channel, in the middle of the first stack with light, where its noise
        would begin to be fitted, and takes that for all of the channel: so images can be compared.
    recipe : Recipe, optional
        Voxel size, device, and what else `deconvolve` has; its ``memory`` is what all workers of
        this machine may take together.
    scheduler : str, optional
        Address of a scheduler of dask's, whose workers see the same files; by default workers are
        started on this machine.
    workers : int, optional
        How many of these.
    overwrite : bool
        Replace an output that is there.
    callback : callable, optional
        Called with each `Progress`.

    Returns
    -------
    DeconvolvedDataset

    Raises
    ------
    InputError
        Something that was given cannot be used.
    DeviceError
        The device cannot be used.
    DistillerError
        The scheduler was lost.

    Warns
    -----
    DistillerWarning
        A number of iterations could not be told from the data, or a channel has no light.
    """
    check_callback(callback)
    steps = deconvolve_dataset_steps(
        source,
        psf,
        output,
        recipe_with(recipe or Recipe(), iterations),
        scheduler=scheduler,
        workers=workers,
        overwrite=overwrite,
    )
    done = finish(steps, callback)
    for warning in done.warnings:
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    return done


def recipe_with(recipe: Recipe, iterations: int | None) -> Recipe:
    """Return a recipe with a number of iterations, if one is given."""
    if iterations is None:
        return recipe
    return replace(recipe, deconvolve=replace(recipe.deconvolve, iterations=iterations))


def deconvolve_dataset_steps(
    source: str | Path,
    psf: PSF | Sequence[PSF] | Mapping[str, PSF],
    output: str | Path,
    recipe: Recipe,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> Steps[DeconvolvedDataset]:
    """Deconvolve a data set as a generator of progress; see `deconvolve_dataset`.

    Closed before its end, it leaves what is done, and a record of that.
    """
    if workers is not None and workers < 1:
        raise InputError(f"The number of workers is {workers}; it must be 1 or more.")
    images = images_of(source)
    target = Path(output)
    check_place(Path(source), target)
    on_images, notes = psfs_of(psf, images, recipe)
    stacks = stacks_of(images, on_images, recipe)
    record = Record(target)
    task = task_of(source, images, on_images, recipe)
    with record.alone():
        # A record whose output was removed says nothing of the next one.
        before = record.read() if target.exists() and not overwrite else None
        if before is not None:
            check_same(before[0], task, target)
        elif target.exists() and not overwrite:
            raise InputError(
                f"{target} is there already: give another name, or say to overwrite it."
            )
        known, done = before or ({}, set())
        with workers_of(scheduler, workers, recipe.memory, recipe.device) as there:
            # What does not fit is told before anything is written or replaced.
            plan = there.ask(
                planned,
                kinds_of(images, stacks),
                there.shares,
                recipe.device,
                recipe.fft,
                known.get("cuts"),
            )
            if before is None:
                sought = yield from iterations_of(images, on_images, recipe)
                task["iterations"], task["warnings"] = sought
                known = {**task, "cuts": dict(plan.cuts)}
                # Killed in between, nothing of an earlier run may count as done.
                record.close()
                layouts = [result_layout(image.layout, recipe) for image in images]
                create_output(target, images, layouts, source)
                record.begin(known)
            else:
                record.resume()
            iterations = known["iterations"]
            result = yield from do_regions(
                works_of(images, on_images, recipe, iterations, target),
                regions_of(images, stacks, plan.cuts),
                there.start(plan.share),
                plan.share.workers,
                record,
                done,
            )
        if state_of(images) != known["state"]:
            raise DistillerError(
                f"{source} changed while it was deconvolved: {target} is of several states of it. "
                "Start again when it no longer changes, and say to overwrite."
            )
        if not result.failed:
            record.close()
    if result.negative:
        notes += (
            f"The image has voxels below 0 in {result.negative} of {result.regions} regions; they "
            "counted as 0. If an offset was subtracted, give the image as it was before.",
        )
    return DeconvolvedDataset(
        str(target),
        len(images),
        result.regions,
        result.skipped,
        tuple(iterations),
        result.device,
        notes,
        tuple(result.failed),
        tuple(known.get("warnings", ())),
    )
