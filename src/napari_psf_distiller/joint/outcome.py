"""What becomes of a joint fit: the PSF with its errors, the beads' table, the residual image."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.opening import open_windows
from napari_psf_distiller.joint.basis.extension import extended_basis
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.errors import PSFErrors, psf_errors
from napari_psf_distiller.joint.judging import check_one_kind
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.locate import BeadFit
from napari_psf_distiller.joint.misfit.second_peak import SecondPeak, second_peak
from napari_psf_distiller.joint.misfit.summary import find_misfit
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.results import JointFitResult, JointState, Settings
from napari_psf_distiller.joint.table import bead_table
from napari_psf_distiller.measure.widths import peak_profiles, profile_width

__all__ = ["axial_peak", "finished_fit"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


def finished_fit(
    model: JointModel,
    state: Linearised,
    bead_fit: BeadFit,
    reasons: NDArray[np.str_],
    settings: Settings,
    widths: Floats,
    order: NDArray[np.intp],
    preset_status: NDArray[np.str_],
    device: Device,
    before: JointState | None,
    *,
    iterations: int,
    converged: bool,
) -> JointFitResult:
    """Return what a joint fit found; the model cannot be used afterwards.

    Parameters
    ----------
    model : JointModel
        Fitted.
    state : Linearised
        The model's linearisation before a last step that changed next to nothing.
    bead_fit : BeadFit
    reasons : numpy.ndarray
        str, (beads,): why each bead is not used; empty for those that are.
    settings : Settings
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    order : numpy.ndarray
        (beads that were found first,): their rank in the table.
    preset_status : numpy.ndarray
        str, (beads,): what was decided before the fit; see `Candidates`.
    device : Device
    before : JointState or None
        Where the earlier fit ended that this one went on from.
    iterations : int
    converged : bool
        Whether the iterations ended because they gained nothing more.

    Raises
    ------
    InputError
        The PSF's sum is not positive.
    """
    basis, bead_image = model.basis, model.bead_image
    if not basis.total(model.coefficients) > 0:
        check_one_kind(reasons)
    sum_variance = _sum_variance(model, state, device, before)
    # In voxels of the PSF's own grid.
    peak = axial_peak(basis, model.coefficients, basis.shape[0] // 4)
    displacement = peak / basis.sampling[0]
    planes = round(displacement)
    # Beyond the window's ends the functions are anything: displaced by more than a fraction of a
    # plane, the PSF has fewer.
    fraction = planes - displacement
    grid = basis.on_voxels
    errors = psf_errors(grid, model.coefficients, state, sum_variance, fraction)
    finer_error: Array | None = None
    grid_errors = errors.voxels
    if grid is not basis:
        finer = psf_errors(basis, model.coefficients, state, sum_variance, round(peak) - peak)
        grid_errors = finer.voxels
        # As parts of a sum over more voxels.
        part = np.float32(1 / math.prod(basis.sampling))
        finer_error = part * _about_plane(grid_errors, round(peak))
    misfit = find_misfit(model, bead_fit, state, widths, reasons, errors.voxels, grid_errors)
    model.normalise()
    moved = _about_plane(grid.psf(model.coefficients, fraction), planes)
    voxel_errors = _about_plane(errors.voxels, planes)
    psf = (moved / moved.sum()).astype(np.float32)
    centres = model.centres + np.array([displacement, 0.0, 0.0])
    beads = bead_table(model, bead_fit, centres, reasons, order)
    residual = model.residual_image()
    second = second_peak(psf, voxel_errors)
    fwhm_errors = np.array(_width_errors(psf, errors, second)) * bead_image.spacing
    flat = len(residual) == 1
    return JointFitResult(
        psf=psf[0] if flat else psf,
        psf_error=voxel_errors[0] if flat else voxel_errors,
        finer_error=finer_error,
        fwhm_error=tuple(float(w) for w in (fwhm_errors[1:] if flat else fwhm_errors)),
        beads=beads,
        residual=residual[0] if flat else residual,
        iterations=iterations,
        converged=converged,
        band=basis.band,
        widths=widths,
        misfit=misfit,
        second_peak=second,
        state=JointState(
            bead_image=bead_image,
            settings=settings,
            widths=widths,
            basis=basis,
            fitted=model.fitted(),
            centres=model.centres,
            amplitudes=model.amplitudes,
            displacement=displacement,
            preset_status=preset_status,
            reasons=reasons,
            sum_variance=sum_variance * int(model.used.sum()),
        ),
    )


def axial_peak(basis: FourierBessel, coefficients: Floats, farthest: int) -> float:
    """Return where along z the PSF is highest on its axis, in its grid's voxels from the middle.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        The PSF's coefficients.
    farthest : int
        Planes from the middle; what is higher beyond is not looked at.
    """
    if basis.shape[0] == 1:
        return 0.0
    positions, values_at = basis.profile_gradient(0)
    line = np.where(np.abs(positions) <= farthest, values_at @ coefficients, -np.inf)
    top = int(line.argmax())
    # Between voxels, by halving steps; the line is a sum of waves and can be computed anywhere.
    best = -float(positions[top])
    step = 0.5
    while step > 1e-3:
        displacements = (best - step, best, best + step)
        heights = [float(basis.value_at_middle(coefficients, d)) for d in displacements]
        best = displacements[int(np.argmax(heights))]
        step /= 2
    return -best


def _sum_variance(
    model: JointModel, state: Linearised, device: Device, before: JointState | None
) -> float:
    """Return the relative variance of the PSF's sum, or an earlier fit's: it is the same."""
    if before is not None:
        return before.sum_variance / int(model.used.sum())
    basis, windows = model.basis, model.windows
    coefficients, priors = model.coefficients, model.priors
    if basis.orders == (0,):
        return _relative_sum_variance(model, state)
    # Orders beyond 0 add nothing to the sum, and are not mistaken for background, which is the same
    # all around a bead: without them the same is found in a fraction of the time.
    symmetric = extended_basis(basis, coefficients, basis.band, (0,))
    symmetric_windows = open_windows(device, symmetric.voxel_functions)
    try:
        model.change_basis(symmetric, symmetric_windows, basis.split(coefficients)[0], priors[:1])
        return _relative_sum_variance(model, replace(state, precision=state.precision[:1]))
    finally:
        symmetric_windows.close()
        model.change_basis(basis, windows, coefficients, priors)


def _relative_sum_variance(model: JointModel, state: Linearised) -> float:
    """Return the variance of the sum of a model's PSF, relative to the sum's square."""
    functional = np.concatenate([model.basis.sums, np.zeros(len(model.background))])
    return model.variance_of(state, functional) / model.total**2


def _width_errors(psf: Array, errors: PSFErrors, second: SecondPeak | None) -> list[float]:
    """Return the widths' standard errors, of which a second peak may be as high as the first."""
    found = list(errors.widths)
    if second is None:
        return found
    own = [profile_width(profile) for profile in peak_profiles(psf)]
    for axis, other in zip((1, 2), second.widths, strict=True):
        # Either is the width, as likely as not: half of what they differ by.
        found[axis] = float(np.hypot(found[axis], (other - own[axis]) / 2))
    return found


def _about_plane(array: NDArray[Any], planes: int) -> NDArray[Any]:
    """Return the planes about one that lies off the middle, as many on both sides.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X), Z odd.
    planes : int
        From the middle plane to the one that is in the middle of the result.
    """
    middle = len(array) // 2 + planes
    reach = len(array) // 2 - abs(planes)
    return array[middle - reach : middle + reach + 1]
