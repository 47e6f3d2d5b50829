"""A region of an image deconvolved in several ways, to choose from by eye before a long run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.boxes import Box
from napari_psf_distiller.checks import check_callback, check_image, check_spacing
from napari_psf_distiller.compute import FFT
from napari_psf_distiller.compute.engine import Array
from napari_psf_distiller.datasets import as_volume
from napari_psf_distiller.deconvolution.attempts import Attempt, attempts_on
from napari_psf_distiller.deconvolution.deconvolve import check_mask
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.pipeline import bytes_of, counting_voxels, engine_of
from napari_psf_distiller.deconvolution.psf_on_image import (
    PSFOnImage,
    psf_on_image,
    settings_of_psf,
)
from napari_psf_distiller.deconvolution.regions import checked_region, detailed_region
from napari_psf_distiller.deconvolution.stopping import Enough, enough_iterations
from napari_psf_distiller.deconvolution.tiled import Workload, work_of
from napari_psf_distiller.errors import DistillerWarning, InputError
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Deconvolve, Recipe

__all__ = [
    "Trial",
    "try_region",
    "try_steps",
    "usual_settings",
]

# What is tried beside the automatic end where no number and no weight is given: more iterations
# than most images bear, and some that are near it, smoothed.
MORE_ITERATIONS = {"accelerated": 50, "plain": 400}
SMOOTHED_ITERATIONS = {"accelerated": 25, "plain": 200}
USUAL_WEIGHT = 0.005


@dataclass(frozen=True, eq=False)
class Trial:
    """A region of an image, as it is and as several settings deconvolve it.

    Attributes
    ----------
    region : tuple of slice
        Where it lies in the image, one slice an axis.
    image : numpy.ndarray
        The region as it was measured.
    attempts : tuple of Attempt
    spacing : tuple of float or None
        The image's voxel size in micrometres, where it is known.
    notes : tuple of str
        How the PSF came to the image's voxels, where it has others.
    warnings : tuple of str
        What should be known of the image with this PSF, and of the attempts.
    first_voxel : tuple of float or None
        Where the centre of the region's first voxel lies along each axis, in micrometres, from the
        image's own origin; None where the voxel size is not known.
    """

    region: Box
    image: NDArray[np.float32]
    attempts: tuple[Attempt, ...]
    spacing: tuple[float, ...] | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    first_voxel: tuple[float, ...] | None = None

    def __getitem__(self, name: str) -> Attempt:
        """Return the attempt of a name."""
        for attempt in self.attempts:
            if attempt.name == name:
                return attempt
        raise KeyError(f"{name!r}; there are {', '.join(one.name for one in self.attempts)}")


def usual_settings(settings: Deconvolve | None = None) -> tuple[Deconvolve, ...]:
    """Return what is tried if nothing else is said: the choices that differ most to the eye.

    Parameters
    ----------
    settings : Deconvolve, optional
        All else is taken from these; their number of iterations and weight of the total variation
        are tried where they have some.

    Returns
    -------
    tuple of Deconvolve
        The automatic end, a number of iterations, and some with total variation.

    Examples
    --------
    >>> [(one.iterations, one.total_variation) for one in usual_settings()]
    [(None, 0.0), (50, 0.0), (25, 0.005)]
    """
    base = settings or Deconvolve()
    number = base.iterations or MORE_ITERATIONS[base.method]
    smoothed = base
    if base.total_variation == 0:
        # Without a search of its own, which total variation makes a long one.
        few = base.iterations or SMOOTHED_ITERATIONS[base.method]
        smoothed = replace(base, iterations=few, total_variation=USUAL_WEIGHT)
    plain = replace(base, total_variation=0.0)
    return replace(plain, iterations=None), replace(plain, iterations=number), smoothed


def try_region(
    image: ArrayLike,
    psf: ArrayLike,
    region: Sequence[slice | Sequence[int]] | None = None,
    settings: Sequence[Deconvolve] | None = None,
    *,
    spacing: Sequence[float] | None = None,
    mask: ArrayLike | None = None,
    device: str = "auto",
    fft: FFT = "auto",
    memory: float | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Trial:
    """Deconvolve one region of an image with several settings, to choose between them by eye.

    Each result is the region of what `deconvolve` would give of the whole image with the same
    settings: as much of the surroundings is deconvolved too as the PSF needs, and an automatic
    number of iterations is sought as for the whole. The relative L2 difference is below 1e-3; with
    total variation it can be some per cent after more than 25 accelerated iterations, where a step
    that the whole image undoes is not undone in the region.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers; negative values count as 0.
    psf : PSF or array_like
        See `deconvolve`.
    region : sequence of slice or of (int, int), optional
        For each axis, from the first voxel to the one after the last. By default the one where the
        image has the most bright detail that is in focus: detail as fine as the PSF, whatever haze
        is around it.
    settings : sequence of Deconvolve, optional
        By default an automatic end, a number of iterations, and with total variation.
    spacing : sequence of float, optional
        The image's voxel size in micrometres; by default the `PSF`'s.
    mask : array_like, optional
        bool, of the image's shape: the voxels that count.
    device, fft, memory, callback
        See `deconvolve`.

    Returns
    -------
    Trial
        Its ``attempts`` say for each of the settings how many iterations there were, why no more,
        and how long the whole image would take.

    Raises
    ------
    InputError
        The image, the PSF, the region or the settings cannot be used.
    DeviceError
        The device cannot be used, or failed.

    Warns
    -----
    DistillerWarning
        See `deconvolve`.

    Examples
    --------
    >>> import napari_psf_distiller as psfd
    >>> field = psfd.simulate_beads((16, 64, 64), beads=9, seed=2)
    >>> psf = psfd.PSF(psfd.simulate_psf((7, 9, 9), field.spacing), field.spacing)
    >>> ways = [psfd.Deconvolve(iterations=5), psfd.Deconvolve(iterations=20)]
    >>> trial = psfd.try_region(
    ...     field.image, psf, [(0, 16), (10, 40), (20, 50)], ways, device="numpy"
    ... )
    >>> [one.name for one in trial.attempts], trial["5 iterations"].array.shape
    (['5 iterations', '20 iterations'], (16, 30, 30))
    """
    check_callback(callback)
    array = check_image(image)
    recipe = Recipe(
        spacing=None if spacing is None else check_spacing(spacing, array.ndim),
        device=device,
        fft=fft,
        memory=memory,
    )
    steps = try_steps(array, psf, recipe, region=region, settings=settings, mask=mask)
    done = finish(steps, callback)
    for warning in done.warnings:
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    return done


def try_steps(
    image: ArrayLike,
    psf: ArrayLike,
    recipe: Recipe,
    *,
    psf_spacing: Sequence[float] | None = None,
    region: Sequence[slice | Sequence[int]] | None = None,
    settings: Sequence[Deconvolve] | None = None,
    mask: ArrayLike | None = None,
) -> Steps[Trial]:
    """Deconvolve one region of an image in memory, as a generator of progress; see `try_region`.

    Parameters
    ----------
    image : array_like
    psf : PSF or array_like
    recipe : Recipe
        With the voxel size, the device and the memory; the settings' defaults are made of its
        ``deconvolve``.
    psf_spacing : sequence of float, optional
        See `psf_on_image`.
    region, settings, mask
        See `try_region`.
    """
    # Where it is negative, that counts for the noise, and for nothing else.
    measured = check_image(image)
    array = np.maximum(measured, 0)
    if array.max() <= 0:
        raise InputError("No voxel of the image is above 0: there is no light to deconvolve.")
    tried = tuple(settings) if settings is not None else usual_settings(recipe.deconvolve)
    if not tried:
        raise InputError("There are no settings to try: give some.")
    ways = [settings_of_psf(one) for one in tried]
    on_image = {
        way: psf_on_image(psf, array.shape, replace(recipe, deconvolve=way), psf_spacing)
        for way in dict.fromkeys(ways)
    }
    psfs = [on_image[way] for way in ways]
    kernels = [one.array for one in psfs]
    notes = [one.note for one in on_image.values() if one.note]
    if recipe.spacing is None:
        own = psf.spacing if psf_spacing is None and isinstance(psf, PSF) else psf_spacing
        if own is not None and len(own) >= array.ndim:
            # Of a stack of one plane, the plane's.
            recipe = replace(recipe, spacing=tuple(own)[-array.ndim :])
    masks = [counting_voxels(array, one.saturation, mask) for one in tried]
    if region is not None:
        box = checked_region(region, array.shape)
    else:
        factors = tried[0].factors(array.shape)
        reach = tuple(-(-m // f) for m, f in zip(kernels[0].shape, factors, strict=True))
        counting = None if masks[0] is None else check_mask(masks[0], array.shape)
        box = detailed_region(array, reach, counting)
    engine, memory = engine_of(recipe), bytes_of(recipe.memory)

    def seek(_: Deconvolve, found: PSFOnImage, model: Model) -> Steps[Enough]:
        return enough_iterations(measured, found.array, engine, model, memory)

    def work(kernel: Array, model: Model) -> Workload:
        return work_of(array.shape, kernel, model, engine, memory)

    attempts = yield from attempts_on(
        as_volume(array), box, tried, psfs, recipe, engine, seek, work, masks
    )
    found = deconvolve_warnings(
        measured,
        kernels[0],
        tried[0].boundary,
        recipe.compatibility,
        tried[0].factors(array.shape) if tried[0].is_finer else None,
        tried[0].tails == "continued" or (isinstance(psf, PSF) and psf.measured is not None),
    )
    return Trial(
        box,
        measured[box],
        attempts,
        recipe.spacing,
        tuple(dict.fromkeys(notes)),
        tuple(dict.fromkeys((*found, *(one for done in attempts for one in done.warnings)))),
        None if recipe.spacing is None else first_voxel_of(box, recipe.spacing),
    )


def first_voxel_of(
    region: Box, spacing: Sequence[float], origin: Sequence[float] = ()
) -> tuple[float, ...]:
    """Return where the centre of a region's first voxel lies.

    Parameters
    ----------
    region : tuple of slice
    spacing : sequence of float
        Of the image, one an axis.
    origin : sequence of float
        Where the image's first voxel lies; empty is 0.

    Examples
    --------
    >>> first_voxel_of((slice(0, 8), slice(10, 20)), (0.5, 0.1), (0.0, 7.0))
    (0.0, 8.0)
    """
    starts = (part.start * size for part, size in zip(region, spacing, strict=True))
    return tuple(a + b for a, b in zip(origin or (0.0,) * len(region), starts, strict=True))
