"""The way of an image that is deconvolved: engine, PSF, iterations, warnings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.checks import (
    check_array,
    check_callback,
    check_image,
    check_iterations,
    check_spacing,
)
from napari_psf_distiller.compute import FFT, Boundary, Compatibility, Engine, open_engine
from napari_psf_distiller.compute.engine import GIB
from napari_psf_distiller.deconvolution import deconvolve as deconvolve_steps
from napari_psf_distiller.deconvolution.finer import finer_first_voxel, finer_spacing
from napari_psf_distiller.deconvolution.model import Method, Model
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.errors import DistillerWarning, InputError
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.recipe.quantities import OverField, Tails
from napari_psf_distiller.results import Deconvolved, WhyEnded

__all__ = [
    "bytes_of",
    "checked_model_of",
    "counting_voxels",
    "deconvolve",
    "deconvolve_step",
    "engine_of",
]

logger = logging.getLogger(__name__)


def deconvolve_step(
    image: ArrayLike,
    psf: ArrayLike,
    recipe: Recipe,
    preview_every: int = 0,
    *,
    background: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    variation: PSFVariation | None = None,
) -> Steps[Deconvolved]:
    """Deconvolve an image with a PSF; see `deconvolve_image`.

    Parameters
    ----------
    image, psf : array_like
        The PSF on the result's voxels; see `psf_on_image`.
    recipe : Recipe
    background : array_like, optional
        Of the image's shape, in the place of the recipe's number.
    mask : array_like, optional
        bool, of the image's shape: the voxels that count, of those that are not saturated.
    variation : PSFVariation, optional
        How the PSF changes over the image; see `psf_on_image`.
    preview_every : int
        See `richardson_lucy`.
    """
    part = recipe.deconvolve
    finer = part.factors(np.shape(image)) if part.is_finer else None
    engine = engine_of(recipe)
    mask = counting_voxels(image, part.saturation, mask)
    logger.info(
        "deconvolution: an image of %s voxels with a PSF of %s, %s, %s, total variation %g, "
        "voxels finer by %s",
        "x".join(map(str, np.shape(image))),
        "x".join(map(str, np.shape(psf))),
        part.method,
        part.boundary,
        part.total_variation,
        "x".join(map(str, finer or (1,))),
    )
    steps = deconvolve_steps.deconvolve_image(
        image,
        psf,
        engine,
        iterations=part.iterations,
        boundary=part.boundary,
        method=part.method,
        total_variation=part.total_variation,
        spacing=recipe.spacing,
        compatibility=recipe.compatibility,
        background=part.background if background is None else background,
        mask=mask,
        finer=finer,
        variation=variation,
        memory=bytes_of(recipe.memory),
        preview_every=preview_every,
    )
    done = yield from steps
    logger.info(
        "deconvolution: ended after %d iterations, %s, on %s",
        done.iterations,
        "as many as asked for"
        if done.why_ended is WhyEnded.GIVEN
        else f"by itself ({done.why_ended})",
        done.device,
    )
    spacing, first = recipe.spacing, None
    if spacing is not None and finer is not None:
        first = finer_first_voxel(spacing, finer)
        spacing = finer_spacing(spacing, finer)
    return replace(done, spacing=spacing, first_voxel=first)


def checked_model_of(
    settings: Deconvolve,
    recipe: Recipe,
    shape: tuple[int, ...],
    spacing: Sequence[float] | None,
    mask: ArrayLike | None = None,
    variation: PSFVariation | None = None,
) -> tuple[Model, tuple[str, ...]]:
    """Return what is assumed of an image by some settings; see `checked_model`.

    Parameters
    ----------
    settings : Deconvolve
    recipe : Recipe
        Of which the compatibility counts.
    shape : tuple of int
        Of the image.
    spacing : sequence of float or None
        Voxel size in micrometres.
    mask : array_like, optional
    variation : PSFVariation, optional
    """
    return deconvolve_steps.checked_model(
        shape,
        boundary=settings.boundary,
        method=settings.method,
        total_variation=settings.total_variation,
        spacing=spacing,
        compatibility=recipe.compatibility,
        background=settings.background,
        mask=mask,
        finer=settings.factors(shape) if settings.is_finer else None,
        variation=variation,
    )


def counting_voxels(
    image: ArrayLike, saturation: float | None, mask: ArrayLike | None = None
) -> ArrayLike | None:
    """Return the mask of the voxels that count: of a mask, those that are not saturated.

    Raises
    ------
    InputError
        All are saturated, or the mask is none of the image.
    """
    if saturation is None:
        return mask
    unsaturated = check_array(image) < saturation
    if not unsaturated.any():
        raise InputError(
            f"All voxels of the image are at the saturation of {saturation:g} or above; "
            "give the value at which the camera saturates."
        )
    if mask is None:
        return unsaturated
    return deconvolve_steps.check_mask(mask, unsaturated.shape) & unsaturated


def deconvolve(
    image: ArrayLike,
    psf: ArrayLike,
    iterations: int | None = None,
    boundary: Boundary = "noncirculant",
    device: str = "auto",
    *,
    method: Method = "accelerated",
    total_variation: float = 0.0,
    spacing: Sequence[float] | None = None,
    compatibility: Compatibility | None = None,
    background: ArrayLike = 0.0,
    mask: ArrayLike | None = None,
    finer: int = 1,
    finer_z: int = 1,
    interpolate: bool = False,
    tails: Tails = "none",
    over_field: OverField = "varying",
    field_z: float = 0.0,
    field_y: float = 0.0,
    field_x: float = 0.0,
    field_scale: float = 1.0,
    fft: FFT = "auto",
    memory: float | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Deconvolved:
    """Deconvolve an image with a PSF by Richardson-Lucy.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers; negative values count as 0.
    psf : PSF or array_like
        As many axes, any number of voxels, not negative, its centre at n // 2. Its scale does not
        matter. A `PSF` on other voxels than the result's, which are the image's unless they are to
        be finer, is evaluated on these; see `interpolate` of one without functions. An array is
        taken to have them.
    iterations : int or None
        None stops where the image's noise would begin to be fitted.
    boundary : {"noncirculant", "circulant"}
        What lies beyond the image: unknown light, or its other side.
    device : str
        See `choose_device`.
    method : {"plain", "accelerated"}
        Accelerated, 20 iterations get as far as 200 plain ones.
    total_variation : float
        Weight of the total variation, less than 0.166; 0 is none, 0.001 to 0.01 are usual. It is a
        length in units of the finest voxel size.
    spacing : sequence of float, optional
        The image's voxel size in micrometres, (z, y, x) or (y, x): for the PSF, and for the total
        variation. By default that of the `PSF`. With an array and without it, the total variation
        takes the size to be the same along each axis, and a warning says so of a stack.
    compatibility : {"clij2-fft"}, optional
        Give clij2-fft's results where they differ: its total variation, which takes planes as 3
        times as far apart as pixels, and a result that a PSF of even size may displace by a voxel.
    background : array_like
        Light in the image that is no object's, in its intensity units: a number, or an array of
        the image's shape.
    mask : array_like, optional
        bool, of the image's shape: the voxels that count.
    finer : int
        How many pixels of the result one of the image has along y and along x, 1 to 10: for an
        image whose pixels are larger than Nyquist's limit. The image's pixel takes the light of all
        of them. It needs the image's `spacing`, and a `PSF` with the result's voxels, or with
        functions, which is evaluated there.
    finer_z : int
        How many planes of the result one of the image stands for, 1 to 10. The image's plane, which
        is thin, is one of them: of those from 0 on that at ``finer_z // 2``.
    tails : {"none", "continued"}
        "continued" lets a `PSF` of the joint fit go on as theory says beyond the window that it was
        measured in, as far as light reaches in the image. For an image of a widefield microscope
        that is deeper than the PSF: else the light of beads far above and below stays in the result
        as haze. It takes several times as long, and more memory. "none" takes the PSF as it is.
    over_field : {"varying", "placed", "mean"}
        Of a `PSF` that changes over the field of view, "varying" takes that of each place, for an
        image that shows as much of the field as the bead image did; "placed" does so for one that
        lies where `field_z`, `field_y`, `field_x` and `field_scale` say; "mean" takes its mean,
        which is faster.
    field_z, field_y, field_x : float
        Of a placed image: where its first voxel lies from the bead image's, in micrometres there.
        The first counts of a PSF that changes with depth, not only over the field.
    field_scale : float
        Of a placed image: how many micrometres in the bead image one of its own is; not 1 after
        another magnification.
    fft : {"auto", "ducc0", "scipy", "vkfft", "opencl"}
        See `open_engine`.
    memory : float, optional
        GiB that may be used on the device; what needs more is done in tiles.
    callback : callable, optional
        Called with each `Progress`, in the thread that called this. What it raises ends the
        deconvolution and is raised here.

    Returns
    -------
    Deconvolved
        An array, float32, of the image's shape and not negative, that says how many iterations
        there were, why no more, on which device, and in its ``notes`` how the PSF came to the
        image's voxels and whether it changes over it. With `finer` it has so many times the voxels,
        and the same light: voxel i of the image along y or x is ``i * finer`` to ``i * finer +
        finer - 1`` of it.

    Raises
    ------
    InputError
        The image, the PSF or a parameter cannot be used.
    DeviceError
        The device cannot be used, or failed.

    Warns
    -----
    DistillerWarning
        The PSF is larger than the image, the image has negative values, the result is displaced by
        one voxel as clij2-fft's is, the voxel size for the total variation was assumed, the noise
        could not be told, or the device had too little memory.

    See Also
    --------
    napari_psf_distiller.deconvolution.richardson_lucy : what is computed.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_psf_distiller as psfd
    >>> image = np.random.default_rng(0).poisson(20.0, (32, 32))
    >>> psf = psfd.simulate_psf((15, 15), (0.08, 0.08))
    >>> sharp = psfd.deconvolve(image, psf, iterations=10, device="numpy")
    >>> sharp.shape, sharp.iterations, str(sharp.why_ended)
    ((32, 32), 10, 'given')
    >>> float(np.min(sharp)) >= 0
    True

    With pixels twice as large as the PSF's, on the finer ones:

    >>> fine = psfd.PSF(psf, (0.08, 0.08))
    >>> sharp = psfd.deconvolve(image, fine, 10, device="numpy", spacing=(0.16, 0.16), finer=2)
    >>> sharp.shape, sharp.spacing
    ((64, 64), (0.08, 0.08))
    """
    check_callback(callback)
    array = check_image(image)
    settings = Deconvolve(
        iterations=None if iterations is None else check_iterations(iterations),
        boundary=boundary,
        method=method,
        total_variation=total_variation,
        finer=finer,
        finer_z=finer_z,
        interpolate=interpolate,
        tails=tails,
        over_field=over_field,
        field_z=field_z,
        field_y=field_y,
        field_x=field_x,
        field_scale=field_scale,
    )
    recipe = Recipe(
        spacing=None if spacing is None else check_spacing(spacing, array.ndim),
        device=device,
        fft=fft,
        memory=memory,
        compatibility=compatibility,
        deconvolve=settings,
    )
    kernel, note, variation = psf_on_image(psf, array.shape, recipe)
    if spacing is None and isinstance(psf, PSF) and psf.ndim == array.ndim:
        recipe = replace(recipe, spacing=psf.spacing)
    steps = deconvolve_step(
        array, kernel, recipe, background=background, mask=mask, variation=variation
    )
    done = finish(steps, callback)
    factors = settings.factors(array.shape)
    continued = tails == "continued" or (isinstance(psf, PSF) and psf.measured is not None)
    found = deconvolve_warnings(array, kernel, boundary, compatibility, factors, continued)
    found += done.warnings
    for warning in found:
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    # The image may have had more axes, of one voxel each.
    shape = (*np.shape(image)[: -array.ndim], *done.shape)
    notes = (note,) if note else ()
    return replace(done, array=done.array.reshape(shape), warnings=found, notes=notes)


def engine_of(recipe: Recipe) -> Engine:
    """Return the engine that a recipe asks for."""
    return open_engine(recipe.device, recipe.fft)


def bytes_of(memory: float | None) -> int | None:
    """Return GiB as bytes."""
    return None if memory is None else int(memory * GIB)
