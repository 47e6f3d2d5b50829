"""The joint way of several images' data: from raw images to one PSF, and what became of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
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
from napari_psf_distiller.joint.pipeline import fit_of_image, psf_of_fit
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

__all__ = ["stack_steps"]


class _Alone(NamedTuple):
    """What the fit of one image alone found."""

    number: int
    state: JointState
    beads: pd.DataFrame
    fwhm: tuple[float, ...]


class _LeftOut(NamedTuple):
    """Why an image is left out, and its beads where it has any."""

    reason: str
    beads: pd.DataFrame | None = None
    difference: float | None = None


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
    checksums = [sha256_of(image) for image in images]
    left_out = {
        number: _LeftOut(repeated_text(names[earlier]))
        for number, earlier in repeated_images(images, checksums).items()
    }
    alone = yield from _all_alone(images, names, recipe, device, left_out)
    if not alone:
        reasons = " ".join(f"{names[n]}: {left_out[n].reason}" for n in sorted(left_out))
        raise InputError(f"None of the {len(images)} images can be used. {reasons}")
    clock.note(StepId.FIND_BEADS)
    kept, unsure = yield from _agreeing(alone, names, left_out, device)
    curve: list[tuple[int, float]] = []
    fits = yield from noting(distill_together([one.state for one in kept], device), curve)
    clock.note(StepId.DISTILL)
    most_beads = int(np.argmax([int(fit.beads["used"].sum()) for fit in fits]))
    main, shown = fits[most_beads], images[kept[most_beads].number]
    record = provenance_of_stacks(images, names, f"{device.name}, float32", checksums)
    recipe = dataclasses.replace(recipe, provenance=record)
    psf = yield from psf_of_fit(main, recipe)
    clock.note(StepId.POSTPROCESS)
    by_number = {one.number: fit for one, fit in zip(kept, fits, strict=True)}
    beads = _all_beads(by_number, left_out)
    said = [
        (
            names[number],
            (
                *joint_warnings(fit, psf.spacing, recipe),
                *history_warnings(fit.state.bead_image.history, fit.widths),
            ),
        )
        for number, fit in by_number.items()
    ]
    return Result(
        psf=psf,
        beads=beads,
        recipe=recipe,
        timings=clock.total(),
        fwhm=psf.fwhm(),
        fwhm_error=main.fwhm_error,
        log_likelihood=tuple(curve),
        warnings=(
            *(f"{names[number]}: {left_out[number].reason}" for number in sorted(left_out)),
            *(f"{names[number]}: {text}" for number, text in unsure.items()),
            *bead_warnings(beads[~beads["stack"].isin(list(left_out))]),
            *grouped(said),
            *psf_warnings(shown.shape, psf.array, recipe),
        ),
        image=shown,
        residual=main.residual,
        preprocessed=None,
        stacks=tuple(
            StackResult(
                name,
                number in by_number,
                left_out[number].reason if number in left_out else "",
                left_out[number].difference if number in left_out else None,
                images[number],
                by_number[number].residual if number in by_number else None,
            )
            for number, name in enumerate(names)
        ),
    )


def _all_alone(
    images: Sequence[NDArray[Any]],
    names: Sequence[str],
    recipe: Recipe,
    device: Device,
    left_out: dict[int, _LeftOut],
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
            left_out[number] = _LeftOut(f"it was left out. {error}")
            continue
        yield Progress(StepId.FIND_BEADS, 0, 1, note=f"{name}, {number + 1} of {len(images)}")
        try:
            alone[number] = yield from _one_alone(image, number, recipe, device)
        except InputError as error:
            left_out[number] = _LeftOut(f"it was left out. {error}")
            dim.append(number)
    for number in dim if alone else ():
        # How wide a bead is must not be found out of dim ones if the other images tell it.
        widths = leading([one.state for one in alone.values()]).widths
        yield Progress(StepId.FIND_BEADS, 0, 1, note=f"{names[number]}, once more")
        with suppress(InputError):
            alone[number] = yield from _one_alone(images[number], number, recipe, device, widths)
            del left_out[number]
    return [alone[number] for number in sorted(alone)]


def _one_alone(
    image: NDArray[Any],
    number: int,
    recipe: Recipe,
    device: Device,
    widths: NDArray[np.float64] | None = None,
) -> Steps[_Alone]:
    fit = yield from fit_of_image(image, recipe, device, widths)
    # The residual is as large as the image, and is told anew in the end.
    own = PSF(fit.psf, check_spacing(recipe.spacing, image.ndim))
    return _Alone(number, fit.state, fit.beads, own.fwhm())


def _check_planes(image: NDArray[Any]) -> None:
    """Refuse a single plane among stacks of several: it says nothing of the PSF along z."""
    if image.ndim == 3 and len(image) == 1:
        raise InputError(
            "It has one plane and others have more; planes can only be distilled with planes."
        )


def _agreeing(
    alone: list[_Alone], names: Sequence[str], left_out: dict[int, _LeftOut], device: Device
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
        left_out[one.number] = _LeftOut(
            left_out_text(difference, one.fwhm, typical.fwhm), one.beads, difference.part
        )
    unsure = {
        alone[index].number: text
        for index, part in agreement.least_told.items()
        if (text := unsure_text(part))
    }
    return [alone[index] for index in agreement.kept], unsure


def _all_beads(fits: dict[int, JointFitResult], left_out: dict[int, _LeftOut]) -> pd.DataFrame:
    """Return the beads of all images in one table, those of the first image first."""
    tables = {number: fit.beads for number, fit in fits.items()}
    for number, out in left_out.items():
        if out.beads is not None:
            tables[number] = out.beads.assign(used=False, reason=IN_LEFT_OUT_STACK)
    beads = pd.concat([table.assign(stack=number) for number, table in sorted(tables.items())])
    beads.insert(0, "stack", beads.pop("stack"))
    beads.index = pd.RangeIndex(1, len(beads) + 1, name="bead")
    return beads
