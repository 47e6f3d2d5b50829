"""The front door: from an image of beads to its PSF.

Each ``*_step`` of the ways behind it is a generator of progress that takes arrays and a recipe.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from napari_psf_distiller.checks import check_array, check_callback, check_spacing, check_stacks
from napari_psf_distiller.deconvolution.pipeline import engine_of
from napari_psf_distiller.errors import DistillerWarning, InputError, shown
from napari_psf_distiller.joint.pipeline import joint_steps
from napari_psf_distiller.joint.stacks.pipeline import stack_steps
from napari_psf_distiller.progress import Progress, Steps, finish
from napari_psf_distiller.recipe import Optics, Recipe, ThresholdedObjects
from napari_psf_distiller.results import Result
from napari_psf_distiller.stepwise.pipeline import stepwise_steps

__all__ = ["distill", "distill_steps_of", "distill_steps_of_stacks", "recipe_given"]


def distill(
    image: ArrayLike | Sequence[ArrayLike],
    spacing: Sequence[float] | None = None,
    recipe: Recipe | None = None,
    *,
    bead_diameter: float | None = None,
    optics: Optics | None = None,
    device: str | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Result:
    """Distil the PSF from an image of fluorescent beads, or from several.

    Parameters
    ----------
    image : array_like, or sequence of array_like
        (Z, Y, X) or (Y, X), numbers. A stack of one plane is taken as that plane. Of a list or
        tuple of stacks, each (Z, Y, X), one PSF is distilled; planes are given as stacks of one.
    spacing : sequence of float, optional
        Voxel size in micrometres; by default the recipe's.
    recipe : Recipe, optional
        All parameters; by default ``Recipe()``.
    bead_diameter : float, optional
        In micrometres; by default the recipe's, else a point.
    optics : Optics, optional
        What the microscope passes; by default the recipe's, else it is told from the beads.
    device : str, optional
        See `choose_device`; by default the recipe's, which is "auto" unless set.
    callback : callable, optional
        Called with each `Progress`, in the thread that called this. What it raises ends the
        distilling and is raised here.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        The image, the spacing, the optics or the recipe cannot be used, no bead was found, or the
        recipe has another bead diameter or other optics than those given; of several images, more
        than half of which do not have the same PSF.
    DeviceError
        The device cannot be used, or failed.

    Warns
    -----
    DistillerWarning
        For each of the result's warnings.

    Notes
    -----
    Several images are for the joint fit. They may differ in shape, type, exposure and background,
    each of which has its own noise and its own beads; their voxel size is one. Each is fitted alone
    first. One whose PSF is another than that of the others, by more than their errors explain, is
    left out, with a warning; so is one without beads. If no more than half of them agree, that is
    an error: PSFs of different microscopes have no mean.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_psf_distiller as psfd
    >>> field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
    >>> optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    >>> result = psfd.distill(
    ...     field.image, spacing=field.spacing, bead_diameter=0.1, optics=optics, device="numpy"
    ... )
    >>> result.psf.ndim, round(float(np.sum(result.psf)), 3), int(result.beads["used"].sum())
    (3, 1.0, 4)
    """
    check_callback(callback)
    recipe = recipe_given(recipe, bead_diameter=bead_diameter, optics=optics, device=device)
    stacks = check_stacks(image)
    if stacks is None:
        _refuse_four_axes(image)
    images = [check_array(cast(ArrayLike, image))] if stacks is None else stacks
    if spacing is not None:
        sizes = check_spacing(spacing, images[0].ndim)
        recipe = dataclasses.replace(recipe, spacing=sizes)
    steps = (
        distill_steps_of(images[0], recipe)
        if stacks is None
        else distill_steps_of_stacks(images, recipe)
    )
    result = finish(steps, callback)
    for warning in result.warnings:
        warnings.warn(warning, DistillerWarning, stacklevel=2)
    return result


def _refuse_four_axes(image: ArrayLike | Sequence[ArrayLike]) -> None:
    """Say what to do with an image of several stacks."""
    shape = np.shape(cast(ArrayLike, image))
    if len(shape) == 4 and 1 not in shape:
        raise InputError(
            f"The image has 4 axes {' x '.join(map(str, shape))}; a stack has (Z, Y, X). Choose "
            "one point of time, position or channel, such as image[0]; or, where all along its "
            "first axis were taken by one microscope in one colour, give list(image) for their one "
            "PSF."
        )


def recipe_given(
    recipe: Recipe | None,
    *,
    bead_diameter: float | None,
    optics: Optics | None,
    device: str | None,
) -> Recipe:
    """Return the recipe of a call, with the parameters that it gives beside it.

    Parameters
    ----------
    recipe, bead_diameter, optics, device
        See `distill`.

    Raises
    ------
    InputError
        One cannot be used, or the recipe has another one itself.
    """
    recipe = recipe if recipe is not None else Recipe()
    if not isinstance(recipe, Recipe):
        raise InputError(f"The recipe is {shown(recipe)}; it should be a Recipe.")
    if bead_diameter is not None:
        recipe = _with_given(recipe, "bead_diameter", bead_diameter, None)
    if optics is not None:
        recipe = _with_given(recipe, "optics", optics, Optics())
    return recipe if device is None else dataclasses.replace(recipe, device=device)


def _with_given(recipe: Recipe, name: str, given: Any, unset: Any) -> Recipe:
    """Return the recipe with a parameter that the call gives, unless it has another one itself."""
    changed = dataclasses.replace(recipe, **{name: given})
    noted, wanted = getattr(recipe, name), getattr(changed, name)
    if noted not in (unset, wanted):
        raise InputError(
            f"The recipe has the {name} {shown(noted)}, and {shown(wanted)} is given beside it; "
            "give it in one place."
        )
    return changed


def distill_steps_of(image: ArrayLike, recipe: Recipe) -> Steps[Result]:
    """Do all steps from an image to its PSF, as a generator of progress.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), numbers.
    recipe : Recipe
        With the spacing.

    Yields
    ------
    Progress
        Of each step in turn.

    Returns
    -------
    Result

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    original = check_array(image)
    spacing = check_spacing(recipe.spacing, original.ndim)
    if len(original) == 1 and original.ndim == 3:
        # What a single plane says nothing of is no part of its PSF.
        original, spacing = original[0], spacing[1:]
        recipe = dataclasses.replace(recipe, spacing=spacing)
    # What cannot be done is an error before the work, not after half of it.
    _check_lengths(recipe, original.ndim)
    engine_of(recipe)
    if recipe.distill.method == "joint":
        # It looks at the image as it is; a large one need not lie in memory twice.
        return (yield from joint_steps(original, recipe))
    return (yield from stepwise_steps(original, recipe))


def distill_steps_of_stacks(
    images: Sequence[ArrayLike], recipe: Recipe, names: Sequence[str] | None = None
) -> Steps[Result]:
    """Do all steps from several images to their one PSF, as a generator of progress.

    Parameters
    ----------
    images : sequence of array_like
        All (Z, Y, X), or all (Y, X), numbers; their shapes may differ.
    recipe : Recipe
        With the spacing, which is that of all.
    names : sequence of str, optional
        What people call them; by default "stack 0", "stack 1" and so on. Where some are the same,
        their numbers are put behind them, counted from 0.

    Yields
    ------
    Progress
        Of each step in turn.

    Returns
    -------
    Result

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    if names is None:
        names = [f"stack {i}" for i in range(len(images))]
    elif len(names) != len(images):
        raise InputError(
            f"There are {len(images)} images and {len(names)} names; give a name for each image."
        )
    names = _told_apart(names)
    originals = check_stacks(list(images), names, planes=True)
    assert originals is not None
    if recipe.distill.method != "joint":
        raise InputError(
            f"Several images can only be distilled by the joint fit, and the recipe's method is "
            f"{recipe.distill.method!r}: give one image, or the joint fit's recipe."
        )
    spacing = check_spacing(recipe.spacing, originals[0].ndim)
    if originals[0].ndim == 3 and all(len(image) == 1 for image in originals):
        originals, spacing = [image[0] for image in originals], spacing[1:]
    recipe = dataclasses.replace(recipe, spacing=spacing)
    _check_lengths(recipe, originals[0].ndim)
    engine_of(recipe)
    return (yield from stack_steps(originals, names, recipe))


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same."""
    found, counts = list(names), Counter(names)
    while len(counts) < len(found):
        found = [
            f"{name} ({number})" if counts[name] > 1 else name for number, name in enumerate(found)
        ]
        counts = Counter(found)
    return found


def _check_lengths(recipe: Recipe, ndim: int) -> None:
    """Refuse a recipe whose lists are too short for an image of so many axes."""
    found = recipe.find_beads
    margin = found.margin if isinstance(found, ThresholdedObjects) else None
    for name, values in (
        ("margin", margin),
        ("crop", recipe.postprocess.crop),
    ):
        if values is not None and len(values) < ndim:
            raise InputError(
                f"The {name} {values} has {len(values)} values, but the image has {ndim} axes."
            )
