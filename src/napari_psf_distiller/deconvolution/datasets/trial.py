"""A region of a data set deconvolved in several ways, before the long run over all of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.checks import check_callback
from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.compute.threads import host_threads
from napari_psf_distiller.datasets import Volume
from napari_psf_distiller.datasets.ome_zarr import ImageLayout
from napari_psf_distiller.deconvolution.attempts import attempts_on
from napari_psf_distiller.deconvolution.datasets.channels import numbers_of_channels
from napari_psf_distiller.deconvolution.datasets.inputs import images_of, psfs_of, spacing_of
from napari_psf_distiller.deconvolution.datasets.iterations import (
    SOUGHT_WITHIN,
    enough_of,
    part_with_light,
)
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.pipeline import bytes_of, engine_of
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage, settings_of_psf
from napari_psf_distiller.deconvolution.regions import (
    checked_region,
    detailed_region,
    middle_region,
)
from napari_psf_distiller.deconvolution.stopping import Enough
from napari_psf_distiller.deconvolution.tiled import Workload, work_of
from napari_psf_distiller.deconvolution.trial import Trial, first_voxel_of, usual_settings
from napari_psf_distiller.errors import DistillerWarning, InputError
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Deconvolve, Recipe

__all__ = ["try_dataset", "try_dataset_steps"]

PSFs = PSF | Sequence[PSF] | Mapping[str, PSF]

# For each axis of space, from the first voxel to the one after the last.
Ranges = Sequence[slice | Sequence[int]]


def try_dataset(
    source: str | Path,
    psf: PSFs,
    position: int | str = 0,
    time: int = 0,
    channel: int | str = 0,
    region: Ranges | None = None,
    settings: Sequence[Deconvolve] | None = None,
    *,
    recipe: Recipe | None = None,
    workers: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Trial:
    """Deconvolve one region of a data set with several settings, to choose before a long run.

    Each result is the region of what `deconvolve_dataset` would write. Of the data, the region and
    the surroundings that the PSF needs are read, and for an automatic number of iterations what
    `deconvolve_dataset` seeks it on.

    Parameters
    ----------
    source : str or Path
        See `deconvolve_dataset`.
    psf : PSF, or sequence or mapping of PSF
        See `deconvolve_dataset`.
    position : int or str
        Which of the images: its number from 0, or its name, such as ``"B/2/0"`` of a plate.
    time : int
        Which point of time, from 0.
    channel : int or str
        Its number from 0, or its name.
    region : sequence of slice or of (int, int), optional
        For each axis of space, from the first voxel to the one after the last. By default the one
        with the most bright detail that is in focus, of the middle of the field: at most 384 x 384
        pixels.
    settings : sequence of Deconvolve, optional
        By default an automatic end, a number of iterations, and with total variation.
    recipe : Recipe, optional
        Voxel size, device, memory and what else `deconvolve` has.
    workers : int, optional
        Among how many processes `deconvolve_dataset` will share the memory.
    callback : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Trial
        The ``seconds_for_all`` of its attempts are those of the data set on this machine, about.

    Raises
    ------
    InputError
        Something that was given cannot be used.
    DeviceError
        The device cannot be used.

    Warns
    -----
    DistillerWarning
        See `deconvolve_dataset`.
    """
    check_callback(callback)
    steps = try_dataset_steps(
        source,
        psf,
        recipe or Recipe(),
        position=position,
        time=time,
        channel=channel,
        region=region,
        settings=settings,
        workers=workers,
    )
    done = finish(steps, callback)
    for warning in done.warnings:
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    return done


def try_dataset_steps(
    source: str | Path,
    psf: PSFs,
    recipe: Recipe,
    *,
    position: int | str = 0,
    time: int = 0,
    channel: int | str = 0,
    region: Ranges | Callable[[ImageLayout], Ranges | None] | None = None,
    settings: Sequence[Deconvolve] | None = None,
    workers: int | None = None,
) -> Steps[Trial]:
    """Deconvolve a region of a data set as a generator of progress; see `try_dataset`.

    The region may be a function that is asked when the layout of the chosen image is known.
    """
    images = images_of(source)
    of_position = _place(position, [one.name for one in images], "position", source)
    image = images[of_position]
    layout = image.layout
    names = layout.channels or ("",) * layout.size("c")
    of_channel = _place(channel, names, "channel", source)
    _place(time, ("",) * layout.size("t"), "time", source)
    tried = tuple(settings) if settings is not None else usual_settings(recipe.deconvolve)
    if not tried:
        raise InputError("There are no settings to try: give some.")
    ways = [settings_of_psf(one) for one in tried]
    on_images = {
        way: psfs_of(psf, [image], replace(recipe, deconvolve=way)) for way in dict.fromkeys(ways)
    }
    psfs = [on_images[way][0][0][of_channel] for way in ways]
    notes = [note for _, told in on_images.values() for note in told]
    volume = image.volume(time, of_channel)
    spacing = spacing_of(layout, recipe)
    chosen = region(layout) if callable(region) else region
    if chosen is not None:
        box = checked_region(chosen, layout.space)
    else:
        box = _detailed(volume, psfs[0].array, tried[0])
    measured = np.asarray(volume.read(box), np.float32)
    if not np.isfinite(measured).all():
        raise InputError(
            "The region has voxels that are not finite (NaN or infinite). Choose another."
        )
    if measured.max() <= 0:
        raise InputError("No voxel of the region is above 0: there is no light. Choose another.")
    engine = engine_of(recipe)
    memory = bytes_of(recipe.memory)
    if memory is not None:
        memory //= workers or host_threads()

    def seek(settings: Deconvolve, on_image: PSFOnImage, _: Model) -> Steps[Enough]:
        # As for the long run, where there is light.
        channels = numbers_of_channels(images)
        numbers = next(one for one in channels if one[of_position] == of_channel)
        lit = yield from part_with_light(images, numbers)
        if lit is None:
            raise InputError(
                "The channel is constant in all stacks: there is no light. Choose another."
            )
        sought, wanted = images[lit.image], replace(recipe, deconvolve=settings)
        # To continue a PSF takes seconds to minutes: that of an image alike is taken.
        there = sought.layout
        if (there.space, spacing_of(there, recipe)) != (layout.space, spacing):
            on_image = psfs_of(psf, [sought], wanted)[0][0][lit.channel]
        return (yield from enough_of(sought.layout, lit, on_image, wanted, engine))

    stacks = Counter[tuple[int, ...]]()
    for each in images:
        stacks[each.layout.space] += each.layout.size("t") * each.layout.size("c")

    def work(kernel: Array, model: Model) -> Workload:
        found = [
            (count, work_of(shape, kernel, model, engine, memory))
            for shape, count in stacks.items()
        ]
        return Workload(
            sum(count * one.voxels for count, one in found),
            sum(count * one.tiles for count, one in found),
        )

    attempts = yield from attempts_on(
        volume,
        box,
        tried,
        psfs,
        replace(recipe, spacing=spacing),
        engine,
        seek,
        work,
        # The long run seeks a number for each channel.
        searches=len(numbers_of_channels(images)),
    )
    found_in = dict.fromkeys(one for attempt in attempts for one in attempt.warnings)
    return Trial(
        box,
        measured,
        attempts,
        spacing,
        tuple(dict.fromkeys(notes)),
        tuple(found_in),
        first_voxel_of(box, spacing, layout.first_voxel),
    )


def _place(wanted: int | str, names: Sequence[str], what: str, source: str | Path) -> int:
    """Return the number of one of some things that have a number and a name each."""
    if isinstance(wanted, str):
        if wanted in names:
            return names.index(wanted)
        if wanted.isdecimal():
            wanted = int(wanted)
        else:
            known = ", ".join(name for name in names if name) or "none with a name"
            raise InputError(f"{source} has no {what} {wanted!r}; there are: {known}.")
    if not 0 <= wanted < len(names):
        raise InputError(f"{source} has no {what} {wanted}: it has {len(names)}, counted from 0.")
    return wanted


def _detailed(volume: Volume, kernel: Array, settings: Deconvolve) -> Box:
    """Return the region with the most detail of the middle of a volume."""
    planes = volume.shape[0] if len(volume.shape) == 3 else 1
    middle = middle_region(volume.shape, planes * SOUGHT_WITHIN**2)
    image = np.asarray(volume.read(middle), np.float32)
    factors = settings.factors(image.shape)
    reach = tuple(-(-m // f) for m, f in zip(kernel.shape, factors, strict=True))
    counting = None if settings.saturation is None else image < settings.saturation
    found = detailed_region(image, reach, counting)
    return tuple(
        slice(a.start + b.start, a.start + b.stop) for a, b in zip(middle, found, strict=True)
    )
