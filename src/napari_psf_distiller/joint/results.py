"""The settings of a joint fit, what it finds, and the state that another one goes on from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_psf_distiller.beads import centres_of
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.misfit.second_peak import SecondPeak
from napari_psf_distiller.joint.misfit.summary import Misfit
from napari_psf_distiller.joint.model.model import FittedUnknowns
from napari_psf_distiller.optics import Band, Support
from napari_psf_distiller.psf import FittedFunctions
from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.recipe import JointFit, Optics

__all__ = ["SAME_BEAD_WIDTHS", "JointFitResult", "JointState", "Settings"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Two centres are of one bead if they lie within this many of its widths.
SAME_BEAD_WIDTHS = 0.7


class Settings(NamedTuple):
    """The settings of a joint fit.

    Attributes
    ----------
    bead_diameter : float
        In micrometres; 0 is a point.
    support : Support or None
        Which frequencies the microscope passes; None takes them from the beads.
    window : tuple of float or None
        Extent of the PSF along z, y and x in micrometres; None chooses it from the beads' width.
    judge : bool
        Whether beads that do not look single are refused.
    beads_may_contradict : bool
        Whether the PSF may have other frequencies than the support's where the beads show them.
    max_angular_order : int or None
        The PSF has all angular orders up to this one; None leaves it to the evidence.
    most_iterations : int
        What all iterations may cost, admissions of orders included, in iterations of a PSF that is
        the same all around its axis: each angular order makes one dearer; see
        `FitOperations.cost`.
    limiting_optics : Optics or None
        The microscope by whose theory the PSF's spectrum is limited; None does not limit it.
    measures_points : bool
        See `Optics.measures_points`.
    may_vary_over_field : bool
        Whether the PSF may change with the place in the plane where the beads show it.
    far_light_optics : Optics or None
        The widefield microscope by whose theory the beads' light goes on beyond their windows;
        where figures are missing, the one that the PSF looks like. None leaves that light to the
        background.
    """

    bead_diameter: float = 0.0
    support: Support | None = None
    window: tuple[float, ...] | None = None
    judge: bool = True
    beads_may_contradict: bool = False
    max_angular_order: int | None = None
    most_iterations: int = JointFit().most_iterations
    limiting_optics: Optics | None = None
    measures_points: bool = False
    may_vary_over_field: bool = True
    far_light_optics: Optics | None = None


class JointState(NamedTuple):
    """Where a joint fit ended, for one of the same image to go on from there.

    Attributes
    ----------
    bead_image : BeadImage
    settings : Settings
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    basis : FourierBessel
    fitted : FittedUnknowns
    centres : numpy.ndarray
        (beads, 3): of all beads, in voxels, in the model: the table's less `displacement` along z.
    amplitudes : numpy.ndarray
        (beads,): of all beads.
    displacement : float
        Displacement of the PSF's peak along z from the middle of its window, in voxels.
    preset_status : numpy.ndarray
        str, (beads,): what was decided before the fit; see `Candidates`.
    reasons : numpy.ndarray
        str, (beads,): why a bead is not used; empty for those that are.
    sum_variance : float
        The variance, relative to the sum's square, of the sum of a PSF from a single bead.
    """

    bead_image: BeadImage
    settings: Settings
    widths: Floats
    basis: FourierBessel
    fitted: FittedUnknowns
    centres: Floats
    amplitudes: Floats
    displacement: float
    preset_status: NDArray[np.str_]
    reasons: NDArray[np.str_]
    sum_variance: float

    def nearest(self, centres: Floats) -> NDArray[np.intp]:
        """Return which bead lies at each of some centres, (beads, 3) in voxels; -1 is none."""
        if len(self.centres) == 0:
            return np.full(len(centres), -1)
        shown = self.centres + np.array([self.displacement, 0.0, 0.0])
        apart, nearest = cKDTree(shown / self.widths).query(centres / self.widths)
        return np.where(np.asarray(apart) < SAME_BEAD_WIDTHS, nearest, -1)


@dataclass(frozen=True)
class JointFitResult:
    """What a joint fit found.

    Attributes
    ----------
    psf : numpy.ndarray
        float32, (Z, Y, X) or (Y, X), sum 1, its peak along z in the middle plane.
    psf_error : numpy.ndarray
        float32, of its shape: the standard error of each voxel.
    finer_error : numpy.ndarray or None
        float32, (Z, Y, X): where the PSF's own grid is finer than the image's voxels, the standard
        error of each voxel of that grid, for a PSF with the sum 1 on it.
    fwhm_error : tuple of float
        Standard errors of the widths along each axis, in micrometres.
    beads : pandas.DataFrame
        One row a bead: its centre and amplitude with their standard errors, ``background``,
        ``chi_squared`` (mean square of the residuals in its core, over the noise's), ``used`` and
        ``reason``.
    residual : numpy.ndarray
        float32, of the image's shape: what the model leaves.
    iterations : int
    converged : bool
        Whether the iterations ended because they gained nothing more, and not for their number.
    band : Band
        The frequencies that the PSF may have.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along z, y and x, in voxels.
    misfit : Misfit
        What the model does not say of the beads.
    second_peak : SecondPeak or None
        A second peak of the PSF along z that may be the higher one.
    unresolved : tuple of bool
        Along which axes the PSF has finer detail than voxels show, and the beads' places within
        their voxels cannot tell it; see `unresolved_axes`.
    over_field : PSFField or None
        How the PSF changes with the place; None where it does not.
    state : JointState
    """

    psf: Array
    psf_error: Array
    finer_error: Array | None
    fwhm_error: tuple[float, ...]
    beads: pd.DataFrame
    residual: Array
    iterations: int
    converged: bool
    band: Band
    widths: Floats
    misfit: Misfit
    second_peak: SecondPeak | None
    unresolved: tuple[bool, bool, bool]
    over_field: PSFField | None
    state: JointState

    def unfitted(self, found: pd.DataFrame) -> int:
        """Return how many of the beads that were found are none by the fit.

        They are hardly there, or part of another's light, and have no row in `beads`.

        Parameters
        ----------
        found : pandas.DataFrame
            With the centres, in voxels.
        """
        centres, fitted = centres_of(found), centres_of(self.beads)
        widths = self.widths[-centres.shape[1] :]
        apart, _ = cKDTree(fitted / widths).query(centres / widths)
        return int(np.count_nonzero(np.asarray(apart) > 1))

    @property
    def functions(self) -> FittedFunctions:
        """The functions that ``psf`` is the sum of."""
        basis = self.state.basis
        _, y, x = basis.spacing
        return replace(
            basis.functions(self.state.fitted.coefficients),
            centre=(self.state.displacement * basis.spacing[0], 0.0, 0.0),
            error=self.finer_error,
            pixel=(y, x) if self.state.settings.measures_points else None,
            over_field=self.over_field,
        )
