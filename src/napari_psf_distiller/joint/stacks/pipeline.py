"""The joint way of several images' data: from raw images to one PSF, and what became of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.advice import bead_warnings, psf_warnings
from napari_psf_distiller.beads import IN_LEFT_OUT_STACK
from napari_psf_distiller.checks import check_array, check_spacing
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.advice.fit import joint_warnings
from napari_psf_distiller.joint.advice.image import history_warnings
from napari_psf_distiller.joint.pipeline import fit_of_image, joint_step, psf_of_fit
from napari_psf_distiller.joint.results import JointFitResult, JointState
from napari_psf_distiller.joint.stacks.advice import (
    disagreement_text,
    grouped,
    left_out_text,
    repeated_text,
    unsure_text,
)
from napari_psf_distiller.joint.stacks.fit import agreement_of, distill_together, leading
from napari_psf_distiller.joint.stacks.repeats import repeated_images
from napari_psf_distiller.progress import Progress, Steps, noting
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.provenance import provenance_of_stacks, sha256_of
from napari_psf_distiller.results import Clock, Result, StackResult
from napari_psf_distiller.steps import StepId

__all__ = ["LeftOut", "StackFits", "fit_stacks", "stack_steps"]


class _Alone(NamedTuple):
    """What the fit of one image alone found."""

    number: int
    state: JointState
    beads: pd.DataFrame
    fwhm: tuple[float, ...]


class LeftOut(NamedTuple):
    """Why an image is left out.

    Attributes
    ----------
    reason : str
    beads : pandas.DataFrame or None
        Its own fit's, where it has any.
    difference : float or None
        By what part its PSF differs from the others', relative L2, where it was left out for that.
    """

    reason: str
    beads: pd.DataFrame | None = None
    difference: float | None = None


class StackFits(NamedTuple):
    """The fit of several images together.

    Attributes
    ----------
    fits : dict of int to JointFitResult
        Of the images that are used, in their order: the same PSF in all.
    left_out : dict of int to LeftOut
        Of the others.
    unsure : dict of int to str
        What is to be said of images that are used, though they tell too little to compare them.
    main : int
        The image with the most used beads.
    checksums : list of str
        Of all images.
    """

    fits: dict[int, JointFitResult]
    left_out: dict[int, LeftOut]
    unsure: dict[int, str]
    main: int
    checksums: list[str]

    @property
    def beads(self) -> pd.DataFrame:
        """The beads of all images in one table, those of the first image first."""
        tables = {number: fit.beads for number, fit in self.fits.items()}
        for number, out in self.left_out.items():
            if out.beads is not None:
                tables[number] = out.beads.assign(used=False, reason=IN_LEFT_OUT_STACK)
        beads = pd.concat([table.assign(stack=number) for number, table in sorted(tables.items())])
        beads.insert(0, "stack", beads.pop("stack"))
        beads.index = pd.RangeIndex(1, len(beads) + 1, name="bead")
        return beads

    def warnings(self, names: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
        """Return what a user should know of the images and of their fit.

        Parameters
        ----------
        names : sequence of str
            What people call the images.
        recipe : Recipe
            With the spacing.
        """
        said = []
        for number, fit in self.fits.items():
            spacing = check_spacing(recipe.spacing, fit.psf.ndim)
            history = history_warnings(fit.state.bead_image.history, fit.widths)
            said.append((names[number], (*joint_warnings(fit, spacing, recipe), *history)))
        beads = self.beads
        return (
            *(f"{names[number]}: {self.left_out[number].reason}" for number in self.left_out),
            *(f"{names[number]}: {text}" for number, text in self.unsure.items()),
            *bead_warnings(beads[beads["stack"].isin(list(self.fits))]),
            *grouped(said),
        )


def stack_steps(
    images: Sequence[NDArray[Any]], names: Sequence[str], recipe: Recipe
) -> Steps[Result]:
    """Do all steps from several raw images to their one PSF, as a generator of progress.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        All (Z, Y, X), or all (Y, X), of one voxel size; their shapes and types may differ.
    names : sequence of str
        What people call them.
    recipe : Recipe
        Whose method is "joint".

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    clock = Clock()
    device = choose_device(recipe.device)
    curve: list[tuple[int, float]] = []
    found = yield from noting(fit_stacks(images, names, recipe, device, clock=clock), curve)
    main = found.fits[found.main]
    record = provenance_of_stacks(images, names, f"{device.name}, float32", found.checksums)
    recipe = dataclasses.replace(recipe, provenance=record)
    psf = yield from psf_of_fit(main, recipe)
    clock.note(StepId.POSTPROCESS)
    fits, left_out = found.fits, found.left_out
    return Result(
        psf=psf,
        beads=found.beads,
        recipe=recipe,
        timings=clock.total(),
        fwhm=psf.fwhm(),
        fwhm_error=main.fwhm_error,
        log_likelihood=tuple(curve),
        warnings=(
            *found.warnings(names, recipe),
            *psf_warnings(images[found.main].shape, psf.array, recipe),
        ),
        image=images[found.main],
        residual=main.residual,
        preprocessed=None,
        stacks=tuple(
            StackResult(
                name,
                number in fits,
                left_out[number].reason if number in left_out else "",
                left_out[number].difference if number in left_out else None,
                images[number],
                fits[number].residual if number in fits else None,
            )
            for number, name in enumerate(names)
        ),
    )


def fit_stacks(
    images: Sequence[NDArray[Any]],
    names: Sequence[str],
    recipe: Recipe,
    device: Device,
    *,
    beads: Mapping[int, pd.DataFrame] | None = None,
    preview_every: int = 0,
    clock: Clock | None = None,
) -> Steps[StackFits]:
    """Fit one PSF to those of several images that agree, as a generator of progress.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        All (Z, Y, X), or all (Y, X), of one voxel size.
    names : sequence of str
        What people call them.
    recipe : Recipe
        Whose method is "joint", with the spacing.
    device : Device
    beads : mapping of int to pandas.DataFrame, optional
        For some of the images the beads that were found already; see `joint_step`.
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.
    clock : Clock, optional
        Is told when the beads are found, and when the fit is done.

    Raises
    ------
    InputError, DeviceError
        See `distill`.
    """
    clock = clock or Clock()
    checksums = [sha256_of(image) for image in images]
    left_out = {
        number: LeftOut(repeated_text(names[earlier]))
        for number, earlier in repeated_images(images, checksums).items()
    }
    alone = yield from _all_alone(images, names, recipe, device, left_out, beads or {})
    if not alone:
        reasons = " ".join(f"{names[n]}: {left_out[n].reason}" for n in sorted(left_out))
        raise InputError(f"None of the {len(images)} images can be used. {reasons}")
    clock.note(StepId.FIND_BEADS)
    kept, unsure = yield from _agreeing(alone, names, left_out, device)
    fits = yield from distill_together([one.state for one in kept], device, preview_every)
    clock.note(StepId.DISTILL)
    by_number = {one.number: fit for one, fit in zip(kept, fits, strict=True)}
    main = max(by_number, key=lambda number: int(by_number[number].beads["used"].sum()))
    in_order = {number: left_out[number] for number in sorted(left_out)}
    return StackFits(by_number, in_order, unsure, main, checksums)


def _all_alone(
    images: Sequence[NDArray[Any]],
    names: Sequence[str],
    recipe: Recipe,
    device: Device,
    left_out: dict[int, LeftOut],
    beads: Mapping[int, pd.DataFrame],
) -> Steps[list[_Alone]]:
    """Fit each image alone, but those that are left out already; note which cannot be fitted."""
    alone: dict[int, _Alone] = {}
    dim: list[int] = []
    for number, (image, name) in enumerate(zip(images, names, strict=True)):
        if number in left_out:
            continue
        try:
            # Not before: what is wrong with one image is no error of the others.
            check_array(image, "The image")
            _check_planes(image)
        except InputError as error:
            left_out[number] = LeftOut(f"it was left out. {error}")
            continue
        yield Progress(StepId.FIND_BEADS, 0, 1, note=f"{name}, {number + 1} of {len(images)}")
        try:
            if number in beads:
                steps = joint_step(image, beads[number], recipe)
            else:
                steps = fit_of_image(image, recipe, device)
            alone[number] = _alone(number, (yield from steps), recipe)
        except InputError as error:
            left_out[number] = LeftOut(f"it was left out. {error}")
            if number not in beads:
                dim.append(number)
    for number in dim if alone else ():
        # How wide a bead is must not be found out of dim ones if the other images tell it.
        widths = leading([one.state for one in alone.values()]).widths
        yield Progress(StepId.FIND_BEADS, 0, 1, note=f"{names[number]}, once more")
        with suppress(InputError):
            fit = yield from fit_of_image(images[number], recipe, device, widths)
            alone[number] = _alone(number, fit, recipe)
            del left_out[number]
    return [alone[number] for number in sorted(alone)]


def _alone(number: int, fit: JointFitResult, recipe: Recipe) -> _Alone:
    # The residual is as large as the image, and is told anew in the end.
    own = PSF(fit.psf, check_spacing(recipe.spacing, fit.psf.ndim))
    return _Alone(number, fit.state, fit.beads, own.fwhm())


def _check_planes(image: NDArray[Any]) -> None:
    """Refuse a single plane among stacks of several: it says nothing of the PSF along z."""
    if image.ndim == 3 and len(image) == 1:
        raise InputError(
            "It has one plane and others have more; planes can only be distilled with planes."
        )


def _agreeing(
    alone: list[_Alone], names: Sequence[str], left_out: dict[int, LeftOut], device: Device
) -> Steps[tuple[list[_Alone], dict[int, str]]]:
    """Return the images that have one PSF, and of which this cannot be told well.

    Why the others are left out is noted.

    Raises
    ------
    InputError
        No more than half of them have.
    """
    if len(alone) == 1:
        return alone, {}
    agreement = yield from agreement_of([one.state for one in alone], device)
    differing = agreement.differences
    if not agreement.kept:
        one = alone[agreement.compared]
        most = max(differing, key=lambda i: differing[i].significance)
        raise InputError(
            disagreement_text(
                (names[one.number], one.fwhm),
                (names[alone[most].number], alone[most].fwhm),
                differing[most],
                len(alone),
            )
        )
    typical = alone[max(agreement.kept, key=lambda i: int(alone[i].beads["used"].sum()))]
    for index, difference in differing.items():
        one = alone[index]
        left_out[one.number] = LeftOut(
            left_out_text(difference, one.fwhm, typical.fwhm), one.beads, difference.part
        )
    unsure = {
        alone[index].number: text
        for index, part in agreement.least_told.items()
        if (text := unsure_text(part))
    }
    return [alone[index] for index in agreement.kept], unsure
