"""The joint model's gradient and curvature by its linear unknowns: PSF and background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.joint.basis.field_evidence import BeadGradients
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.spectrum_prior import is_held, prior_times
from napari_psf_distiller.joint.image.background import NormalEquations
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.background_coupling import (
    BackgroundCoupling,
    BackgroundOverlap,
)
from napari_psf_distiller.joint.model.far_light import FarLight
from napari_psf_distiller.joint.model.field_model import FieldModel
from napari_psf_distiller.joint.model.light import BeadLight, batches
from napari_psf_distiller.joint.model.positions import BeadPositions, Slices
from napari_psf_distiller.joint.model.residual_noise import OUTLIER_SIGMAS

__all__ = ["Curvature"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# A prior of this part of a term's mean precision: so weak that only what the data do not tell at
# all follows it.
MIN_RELATIVE_PRECISION = 1e-7


@dataclass(frozen=True)
class Curvature:
    """Half of chi squared, with the priors, as a quadratic form of PSF and background.

    Its unknowns are ordered as `Linearised` says. All beads are held.

    Attributes
    ----------
    bead_image : BeadImage
    basis : FourierBessel
    positions : BeadPositions
    field_model : FieldModel
        The positions'.
    bead_light : BeadLight
    outside : NormalEquations
        The background's normal equations by what lies outside all windows.
    shares : list of (numpy.ndarray or None)
        For each active bead, which part of each voxel of its window is this window's; see
        `Surroundings.shares`.
    far_light : FarLight or None
        The beads' light beyond their windows, which is held.
    priors : sequence of sequence of (numpy.ndarray or None)
        For each of the field model's modes, the prior precision of each term's coefficients, as
        the field model has turned them.
    amplitudes : numpy.ndarray
        (beads,)
    used : numpy.ndarray
        bool, (beads,): those that may shape the PSF.
    """

    bead_image: BeadImage
    basis: FourierBessel
    positions: BeadPositions
    field_model: FieldModel
    bead_light: BeadLight
    outside: NormalEquations
    shares: list[Array | None]
    far_light: FarLight | None
    priors: Sequence[Sequence[Floats | None]]
    amplitudes: Floats
    used: NDArray[np.bool_]

    @property
    def _psf_amplitudes(self) -> Floats:
        """The amplitudes of the beads that the PSF is fitted to; 0 of the others."""
        active = np.arange(len(self.used)) < len(self.shares)
        return np.where(self.used & active, self.amplitudes, 0.0)

    def linearise(
        self,
        light: Array,
        parameters: Floats,
        background: Floats,
        variance: Callable[[Array, Array], Array],
    ) -> Linearised:
        """Return weights, gradient and the blocks of a preconditioner.

        Parameters
        ----------
        light : numpy.ndarray
            float32, of the image's shape: the beads' light with these parameters.
        parameters : numpy.ndarray
            (modes, coefficients).
        background : numpy.ndarray
            The background's coefficients.
        variance : callable
            Takes voxels' light and background, returns their variance; see `JointModel.variance`.
        """
        basis, positions, amplitudes = self.basis, self.positions, self._psf_amplitudes
        weights: list[Array] = []
        elsewhere = self.outside.matrix + self.bead_image.background.penalty
        background_gradient = self.outside.vector - elsewhere @ background
        stacked_residual = np.zeros(basis.shape, np.float32)
        stacked_weight = np.zeros(basis.shape, np.float32)
        psf_beads = np.flatnonzero(amplitudes)
        gram = basis.bead_functions.displacement_gram([positions.waves[bead] for bead in psf_beads])
        coupling = BackgroundCoupling(basis, positions, gram, elsewhere)
        planes = positions.background_planes(background)
        spectrum_gradient: list[Floats] = []
        for beads in batches(len(self.shares)):
            weighted = self.bead_light.window_buffer(beads)

            def weigh(
                bead: int, weighted: Array = weighted, first: int = beads.start
            ) -> tuple[Array, Floats, BackgroundOverlap]:
                inside = positions.inside[bead]
                residual, weight = self._weighed(bead, light, planes[bead], variance)
                residual = np.multiply(residual, weight, out=weighted[bead - first][inside])
                share = self.shares[bead]
                if share is not None:
                    residual = residual * share
                overlap = coupling.overlap(bead, weight, share, float(amplitudes[bead]))
                return weight, positions.plane_adjoint(bead, residual), overlap

            for bead, (weight, plane, overlap) in zip(beads, in_turn(weigh, beads), strict=True):
                weights.append(weight)
                background_gradient += positions.background_design[bead].T @ plane
                coupling.add(bead, overlap)
                if self.used[bead]:
                    inside, amplitude = positions.inside[bead], float(self.amplitudes[bead])
                    here, part = positions.on_grid[bead], weighted[bead - beads.start][inside]
                    stacked_weight[here] += np.float32(amplitude**2) * weight
                    stacked_residual[here] += np.float32(amplitude) * part
            spectrum_gradient = _added(
                spectrum_gradient, self.bead_light.adjoint(weighted, amplitudes, beads)
            )
        turned = self.field_model.turned(parameters, basis)
        psf_gradient = self._by_parameters(spectrum_gradient) - self._prior_times(turned)
        return Linearised(
            np.concatenate([psf_gradient, background_gradient]),
            weights,
            self._precision(stacked_weight, gram),
            [coupling.precision],
            coupling.coupling,
            coupling.schur_term,
            stacked_residual,
            stacked_weight,
        )

    def bead_gradients(
        self,
        light: Array,
        background: Floats,
        variance: Callable[[Array, Array], Array],
        basis: FourierBessel,
        psf: Floats,
    ) -> BeadGradients:
        """Return what the model leaves of each bead, by the coefficients of its own PSF.

        Parameters
        ----------
        light, background, variance
            See `linearise`.
        basis : FourierBessel
            Of the coefficients: of the model's window and grid.
        psf : numpy.ndarray
            The mean PSF on that grid.
        """
        squared = (psf**2).astype(np.float32)
        positions, amplitudes = self.positions, self._psf_amplitudes
        planes = positions.background_planes(background)
        beads = np.flatnonzero(amplitudes).tolist()

        def look_at(bead: int) -> tuple[Array, list[Floats]]:
            residual, weight = self._weighed(bead, light, planes[bead], variance)
            amplitude = np.float32(amplitudes[bead])
            here = positions.on_grid[bead]
            stacks = np.zeros((2, *basis.shape), np.float32)
            stacks[0][here] = amplitude * residual * weight
            stacks[1][here] = amplitude**2 * weight
            return stacks[1], basis.bead_functions.adjoints(stacks[0], here[0])

        found: list[list[Floats]] = []
        shares: list[float] = []
        stacked_weight = np.zeros(basis.shape, np.float32)
        for some in batches(len(beads)):
            for weight, gradients in in_turn(look_at, [beads[index] for index in some]):
                stacked_weight += weight
                # A bead tells of its PSF where it is bright.
                shares.append(float(np.vdot(weight, squared)))
                found.append(gradients)
        return BeadGradients(
            [np.stack(of_term) for of_term in zip(*found, strict=True)],
            np.array(shares) / sum(shares),
            stacked_weight,
        )

    def times(self, vector: Floats, weights: Sequence[Array], light: Array) -> Floats:
        """Return the curvature times a vector.

        Parameters
        ----------
        vector : numpy.ndarray
            (unknowns,): a change of PSF and background.
        weights : sequence of numpy.ndarray
            For each active bead, the weights of its window's voxels; see `Linearised`.
        light : numpy.ndarray
            float32, of the image's shape, 0 outside the windows: written over there.
        """
        positions, amplitudes = self.positions, self._psf_amplitudes
        modes = positions.field_weights.shape[1]
        size = modes * self.basis.size
        turned, change = vector[:size].reshape(modes, -1), vector[size:]
        parameters = self.field_model.turned_back(turned, self.basis)
        # The light of beads that are not used is held, as their windows do not shape the PSF.
        self.bead_light.render(parameters, amplitudes, light)
        planes = positions.background_planes(change)
        background = (self.outside.matrix + self.bead_image.background.penalty) @ change
        spectrum_gradient: list[Floats] = []
        for beads in batches(len(self.shares)):
            weighted = self.bead_light.window_buffer(beads)

            def weigh(bead: int, weighted: Array = weighted, first: int = beads.start) -> Floats:
                change_here = positions.plane(bead, planes[bead])
                change_here += light[positions.boxes[bead]]
                result = weighted[bead - first][positions.inside[bead]]
                np.multiply(change_here, weights[bead], out=result)
                share = self.shares[bead]
                if share is not None:
                    result = np.multiply(result, share, out=change_here)
                return positions.plane_adjoint(bead, result)

            for bead, plane in zip(beads, in_turn(weigh, beads), strict=True):
                background += positions.background_design[bead].T @ plane
            spectrum_gradient = _added(
                spectrum_gradient, self.bead_light.adjoint(weighted, amplitudes, beads)
            )
        psf = self._prior_times(turned) + self._by_parameters(spectrum_gradient)
        return np.concatenate([psf, background])

    def _weighed(
        self,
        bead: int,
        light: Array,
        plane: Floats,
        variance: Callable[[Array, Array], Array],
    ) -> tuple[Array, Array]:
        """Return what the model leaves of a bead's window, and the voxels' weights."""
        box, level = self.positions.boxes[bead], self.positions.plane(bead, plane)
        if self.far_light is not None:
            level += self.far_light.about_bead(bead, box)
        residual: Array = self.bead_image.intensity[box] - light[box]
        residual -= level
        return residual, self._weights(box, residual, variance(light[box], level))

    def _weights(self, box: Slices, residual: Array, variance: Array) -> Array:
        """Return the voxels' weights; in place, make residuals of those that were cut off."""
        weight: Array = np.float32(1) / variance
        self.bead_image.mask_and_censor(box, residual, weight)
        # Huber's weights, for what no bead explains.
        squared = residual * residual * weight
        outliers = squared > OUTLIER_SIGMAS**2
        weight[outliers] *= np.float32(OUTLIER_SIGMAS) / np.sqrt(squared[outliers])
        weight *= self.bead_image.independent_fraction
        return weight

    def _by_parameters(self, spectrum_gradient: Sequence[Floats]) -> Floats:
        """Return the gradient by the turned parameters, all modes in one vector."""
        basis = self.basis
        rows = [basis.bead_spectrum_adjoint(spectrum) for spectrum in spectrum_gradient]
        turned = self.field_model.turned(np.stack(rows), basis)
        for row, priors in zip(turned, self.priors, strict=True):
            for part, prior in zip(basis.split(row), priors, strict=True):
                if is_held(prior):
                    part[:] = 0
        return turned.ravel()

    def _prior_times(self, parameters: Floats) -> Floats:
        """Return the priors' precision times parameters, all modes in one vector."""
        return np.concatenate(
            [
                prior_times(priors, self.basis.split(row))
                for priors, row in zip(self.priors, parameters, strict=True)
            ]
        )

    def _precision(self, stacked_weight: Array, gram: Floats) -> list[list[Floats]]:
        """Return about the curvature by each mode's and term's coefficients; see `Linearised`."""
        hessians = [
            self.basis.bead_functions.hessian(stacked_weight, term, gram)
            for term in range(len(self.basis.terms))
        ]
        # As if weights and modes varied independently: exact for a constant field.
        return [
            [
                _with_prior(share * hessian, prior)
                for hessian, share, prior in zip(hessians, of_terms, priors, strict=True)
            ]
            for of_terms, priors in zip(self._mean_squares(), self.priors, strict=True)
        ]

    def _mean_squares(self) -> Floats:
        """Return the mean over the beads of each mode's and term's squared factor.

        It is (modes, terms), each bead counting by its squared light; of what turns with the place,
        that of a pattern's cosine and sine together.
        """
        basis, light = self.basis, self._psf_amplitudes**2
        of_modes = light @ self.positions.field_weights**2 / light.sum()
        found = np.empty((len(of_modes), len(basis.terms)))
        for term, (order, _) in enumerate(basis.terms):
            found[:, term] = self.field_model.turned_squares(of_modes) if order else of_modes
        return found


def _with_prior(matrix: Floats, prior: Floats | None) -> Floats:
    """Return a precision with what is expected; the matrix is written over."""
    if is_held(prior):
        return np.ones(len(matrix))
    diagonal = np.diag_indices_from(matrix)
    matrix[diagonal] += MIN_RELATIVE_PRECISION * np.trace(matrix) / len(matrix)
    if prior is None:
        return matrix
    if prior.ndim == 1:
        matrix[diagonal] += prior
        return matrix
    return matrix + prior


def _added(total: list[Floats], more: list[Floats]) -> list[Floats]:
    """Return the sums of two lists' arrays; the first one may be empty."""
    return [a + b for a, b in zip(total, more, strict=True)] if total else more
