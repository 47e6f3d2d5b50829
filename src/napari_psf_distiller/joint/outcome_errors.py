"""How well the PSF of a finished joint fit is known, on the voxels that it is given on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.errors import PSFErrors, psf_errors
from napari_psf_distiller.joint.grid_refinement import unresolved_axes
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.model.stacked_model import StackedModel

__all__ = ["OutcomeErrors", "about_plane", "axial_peak", "errors_of"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class OutcomeErrors(NamedTuple):
    """How well a finished PSF is known.

    Attributes
    ----------
    of_psf : PSFErrors
        On the image's voxels.
    on_grid : numpy.ndarray
        float32, (Z, Y, X): of the voxels of the PSF's own grid.
    finer : numpy.ndarray or None
        The same about the PSF's peak, for a PSF with the sum 1 there, where that grid is finer.
    displacement : float
        Displacement of the PSF's peak along z from the middle of its window, in voxels.
    unresolved : tuple of bool
        Along which axes what is finer cannot be told; see `unresolved_axes`.
    """

    of_psf: PSFErrors
    on_grid: Array
    finer: Array | None
    displacement: float
    unresolved: tuple[bool, bool, bool]

    @property
    def planes(self) -> int:
        """`displacement` in whole voxels."""
        return round(self.displacement)

    @property
    def fraction(self) -> float:
        """By which the PSF is displaced so that its peak is in the middle of a plane.

        Beyond the window's ends the functions are anything: displaced by more than a fraction of a
        plane, the PSF has fewer.
        """
        return self.planes - self.displacement


def errors_of(
    model: JointModel | StackedModel,
    state: Linearised,
    sum_variance: float,
    centres: Floats,
    widths: Floats,
) -> OutcomeErrors:
    """Return how well a PSF is known.

    Parameters
    ----------
    model : JointModel or StackedModel
        Of the PSF.
    state : Linearised
        Its linearisation.
    sum_variance : float
        Variance of the PSF's sum, relative to the sum's square.
    centres : numpy.ndarray
        (beads, 3), in voxels: of the beads that shape the PSF.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    """
    basis, coefficients = model.basis, model.coefficients
    # In voxels of the PSF's own grid.
    peak = axial_peak(basis, coefficients, basis.shape[0] // 4)
    displacement = peak / basis.sampling[0]
    grid = basis.on_voxels
    unknown = model.far_light_error
    fraction = round(displacement) - displacement
    errors = psf_errors(grid, coefficients, state, sum_variance, fraction, unknown)
    unresolved = unresolved_axes(basis, coefficients, state, centres, widths)
    if grid is basis:
        return OutcomeErrors(errors, errors.voxels, None, displacement, unresolved)
    finer = psf_errors(basis, coefficients, state, sum_variance, round(peak) - peak, unknown)
    # As parts of a sum over more voxels.
    part = np.float32(1 / math.prod(basis.sampling))
    of_peak: Array = part * about_plane(finer.voxels, round(peak))
    return OutcomeErrors(errors, finer.voxels, of_peak, displacement, unresolved)


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


def about_plane(array: NDArray[Any], planes: int) -> NDArray[Any]:
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
