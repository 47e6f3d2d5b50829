"""What Deconvolve data set does in its threads: it looks, tries a region, and runs."""

from dataclasses import dataclass
from pathlib import Path

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.datasets.ome_zarr import ImageLayout
from napari_psf_distiller.deconvolution.datasets.inputs import spacing_of
from napari_psf_distiller.deconvolution.datasets.run import (
    DeconvolvedDataset,
    deconvolve_dataset_steps,
)
from napari_psf_distiller.deconvolution.datasets.trial import try_dataset_steps
from napari_psf_distiller.deconvolution.regions import middle_region
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.widgets.dataset.psfs import ReadPSF
from napari_psf_distiller.widgets.prove.region import Drawn
from napari_psf_distiller.widgets.running.job import Outcome
from napari_psf_distiller.widgets.trial.region import DETAIL, MIDDLE
from napari_psf_distiller.widgets.trial.shown import ShownTrial, shown_trial

__all__ = ["DatasetTask", "Place", "dataset_steps", "dataset_trial_steps"]


@dataclass(frozen=True)
class Place:
    """Which stack of a data set is tried.

    Attributes
    ----------
    position, time : int
    channel : int or str
        Its number, or its name.
    region : str or Drawn
        `DETAIL`, `MIDDLE`, or a shape as it was drawn.
    """

    position: int
    time: int
    channel: int | str
    region: str | Drawn = DETAIL

    def box(self, layout: ImageLayout, recipe: Recipe, name: str) -> Box | None:
        """Return the region in an image of a data set's name; None for that with most detail.

        Raises
        ------
        InputError
            What was drawn frames nothing of it.
        """
        if isinstance(self.region, Drawn):
            ndim, voxels = len(layout.space), self.region.on_voxels
            origin = (0.0,) * ndim
            shown = {
                "scale": (1.0,) * ndim if voxels else spacing_of(layout, recipe),
                "translate": origin if voxels else layout.first_voxel or origin,
                "units": ("pixel" if voxels else "micrometer",) * ndim,
            }
            return self.region.box(shown, layout.space, name)
        return middle_region(layout.space) if self.region == MIDDLE else None


@dataclass(frozen=True)
class DatasetTask:
    """What is deconvolved and how, as it was read in the main thread.

    Attributes
    ----------
    source : Path
    output : Path
        A trial needs none.
    psfs : tuple of callable
        Each gives the PSF of a channel.
    channels : tuple of str
        The channels' names; empty where the PSFs stand in the channels' order.
    recipe : Recipe
    scheduler : str or None
    workers : int or None
    overwrite : bool
    """

    source: Path
    output: Path
    psfs: tuple[ReadPSF, ...]
    channels: tuple[str, ...]
    recipe: Recipe
    scheduler: str | None
    workers: int | None
    overwrite: bool

    def read_psfs(self) -> list[PSF] | dict[str, PSF]:
        """Return the PSF of each channel; the same file is read once."""
        known = {read: read() for read in dict.fromkeys(self.psfs)}
        found = [known[read] for read in self.psfs]
        return dict(zip(self.channels, found, strict=True)) if self.channels else found


def dataset_steps(task: DatasetTask) -> Steps[Outcome]:
    """Deconvolve a data set; the generator of the widget's worker."""
    done = yield from deconvolve_dataset_steps(
        task.source,
        task.read_psfs(),
        task.output,
        task.recipe,
        scheduler=task.scheduler,
        workers=task.workers,
        overwrite=task.overwrite,
    )
    return Outcome([], _message(done), (*done.notes, *done.warnings), found=done)


def _message(done: DeconvolvedDataset) -> str:
    before = f", {done.skipped} before" if done.skipped else ""
    failed = f"; {len(done.failed)} could not be done, see below" if done.failed else ""
    iterations = ", ".join(map(str, done.iterations))
    return (
        f"done: {done.regions} regions of {done.images} images{before}, {iterations} "
        f"iterations{failed}"
    )


def dataset_trial_steps(task: DatasetTask, place: Place) -> Steps[ShownTrial]:
    """Deconvolve one region of a data set in several ways; the generator of the trial's worker."""
    trial = yield from try_dataset_steps(
        task.source,
        task.read_psfs(),
        task.recipe,
        position=place.position,
        time=place.time,
        channel=place.channel,
        region=lambda layout: place.box(layout, task.recipe, task.source.name),
        workers=task.workers,
    )
    ndim = trial.image.ndim
    spacing = trial.spacing or (1.0,) * ndim
    geometry = {
        "scale": spacing,
        "translate": trial.first_voxel or (0.0,) * ndim,
        "units": ("micrometer",) * ndim,
        "axis_labels": ("z", "y", "x")[-ndim:],
    }
    return shown_trial(trial, geometry, task.source.name)
