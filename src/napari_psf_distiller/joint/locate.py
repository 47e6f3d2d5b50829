"""Each bead's centre and amplitude, its fit and its shape, on the few voxels that tell them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.angular_derivatives import (
    AmplitudesByOrder,
    amplitudes_by_order,
    plane_slope,
)
from napari_psf_distiller.joint.bead_core import inverse_information, reach_in_voxels
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["MOMENTS", "BeadFit", "PositionSteps", "fit_beads", "position_steps"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# A bead's middle is seen if the image reaches this many of its widths further than its centre, on
# all sides.
MIN_MARGIN_WIDTHS = 0.3

# Beads whose cores are computed together.
BEADS_AT_ONCE = 8

# A centre moves by at most this in one step, in voxels, and an amplitude by half.
MAX_STEP_VOXELS = 0.7

# The axes of the second moments of a bead's light: (0, 1) is that of z times y.
MOMENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class PositionSteps(NamedTuple):
    """Steps towards better centres and amplitudes, and how well these are known.

    Attributes
    ----------
    steps : numpy.ndarray
        (beads, 4): of the amplitude, in the image's unit, and of z, y and x in voxels.
    information : numpy.ndarray
        (beads, 4, 4): the Fisher information of amplitude, z, y and x.
    """

    steps: Floats
    information: Floats

    @property
    def gains(self) -> Floats:
        """By how many nats each bead's step makes the image likelier, (beads,)."""
        gains: Floats = 0.5 * np.einsum("bi,bij,bj->b", self.steps, self.information, self.steps)
        return gains


class BeadFit(NamedTuple):
    """How well single beads fit the model.

    Attributes
    ----------
    chi_squared : numpy.ndarray
        (beads,): mean square of the residuals over the core, in units of the noise's variance.
    moments : numpy.ndarray
        (beads, 6): by how much the second moments of a bead's light exceed the model's, in squared
        voxels; see `MOMENTS`.
    covariance : numpy.ndarray
        (beads, 6, 6): the covariance of `moments` that noise makes.
    information : numpy.ndarray
        (beads, 4, 4): the Fisher information of amplitude, z, y and x.
    whole : numpy.ndarray
        bool, (beads,): whether a bead's middle lies in the image, to all sides.
    saturated : numpy.ndarray
        bool, (beads,): whether a voxel of the core is saturated.
    """

    chi_squared: Floats
    moments: Floats
    covariance: Floats
    information: Floats
    whole: NDArray[np.bool_]
    saturated: NDArray[np.bool_]


def position_steps(
    model: JointModel, widths: Floats, beads: Iterable[int] | None = None
) -> PositionSteps:
    """Return a Gauss-Newton step of each bead's amplitude and centre, all others held.

    Parameters
    ----------
    model : JointModel
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    beads : iterable of int, optional
        Only these beads take a step; without it all.
    """
    spectra = _spectra(model)
    flat = model.bead_image.intensity.shape[0] == 1
    count = len(model.centres)
    steps, information = np.zeros((count, 4)), np.zeros((count, 4, 4))
    free = np.array([0, 2, 3] if flat else [0, 1, 2, 3])
    # On one thread: others would wait for Python's lock most of the time, as the arrays are small.
    for cores in _cores(model, widths, range(count) if beads is None else beads):
        derivatives = _LightDerivatives(model, cores, spectra).slopes()
        weight, residual = cores.weighted(model)
        matrix, vector = _normal_equations(derivatives, weight, residual)
        information[cores.beads] = matrix
        solution = inverse_information(matrix[:, free[:, None], free]) @ vector[:, free, None]
        steps[np.ix_(cores.beads, free)] = solution[..., 0]
    largest = 0.5 * model.amplitudes
    steps[:, 0] = np.clip(steps[:, 0], -largest, 2 * largest)
    steps[:, 1:] = np.clip(steps[:, 1:], -MAX_STEP_VOXELS, MAX_STEP_VOXELS)
    return PositionSteps(steps, information)


def fit_beads(model: JointModel, widths: Floats) -> BeadFit:
    """Return how well each bead fits, and by how much its shape differs from the model's.

    Parameters
    ----------
    model : JointModel
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.

    Notes
    -----
    Two beads that touch look like one with larger second moments: to second order, convolving with
    a small displacement's distribution of covariance C adds ``C_ij / 2`` times the second
    derivatives. Their size is fitted to the residuals together with amplitude and centre: a score
    test (C. R. Rao, 1948) of each bead against the model.
    """
    spectra = _spectra(model)
    count = len(model.centres)
    shape = np.array(model.bead_image.intensity.shape)
    axes = np.flatnonzero(shape > 1)
    pairs = np.flatnonzero(np.isin(MOMENTS, axes).all(axis=1))
    chi, moments = np.zeros(count), np.zeros((count, 6))
    covariance, information = np.zeros((count, 6, 6)), np.zeros((count, 4, 4))
    saturated = np.zeros(count, bool)
    moved = np.r_[0, 1 + axes]
    # In a stack of a few planes those to each side of the middle one.
    margin = np.clip(np.round(MIN_MARGIN_WIDTHS * widths), 1, np.maximum((shape - 1) // 2, 1))
    reach = margin.astype(np.intp)
    low, high = model.nearest - reach, model.nearest + reach
    whole = np.all(((low >= 0) & (high < shape))[:, axes], axis=1)
    for cores in _cores(model, widths, range(count)):
        some = cores.beads
        light = _LightDerivatives(model, cores, spectra)
        derivatives, second = light.slopes(), light.curvatures()
        weight, residual = cores.weighted(model)
        chi[some] = cores.chi_squared(model)
        intensity = cores.of(model.bead_image.intensity)
        saturated[some] = (intensity >= model.bead_image.saturation).any(axis=1)
        rows = np.concatenate([derivatives[:, moved], second[:, pairs]], axis=1)
        matrix, vector = _normal_equations(rows, weight, residual)
        inverse = inverse_information(matrix)
        solved = (inverse @ vector[..., None])[..., 0]
        first = len(moved)
        moments[np.ix_(some, pairs)] = solved[:, first:]
        covariance[np.ix_(some, pairs, pairs)] = inverse[:, first:, first:]
        information[some], _ = _normal_equations(derivatives, weight, residual)
    return BeadFit(chi, moments, covariance, information, whole, saturated)


def _spectra(model: JointModel) -> list[AmplitudesByOrder]:
    """Return the spectrum of a bead with the PSF of each of the field model's modes."""
    basis = model.basis
    return [
        amplitudes_by_order(basis.voxel_functions.terms, basis.bead_spectrum(coefficients))
        for coefficients in model.parameters
    ]


class _Cores:
    """The cores of some beads, all of one size: the parts of the image that tell their centres."""

    def __init__(self, model: JointModel, beads: list[int], boxes: list[Slices]) -> None:
        self.beads, self._boxes = np.array(beads), boxes
        # Along each axis, (beads, voxels), in voxels from the beads' centres.
        each = [model.positions.offsets(bead, box) for bead, box in zip(beads, boxes, strict=True)]
        self.offsets = [np.stack(along) for along in zip(*each, strict=True)]

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels of an image, (beads, voxels)."""
        return np.stack([image[box].ravel() for box in self._boxes])

    def weighted(self, model: JointModel) -> tuple[Floats, Floats]:
        """Return the voxels' weights and what the model leaves of them, (beads, voxels)."""
        weights, residuals = [], []
        for bead, box in zip(self.beads, self._boxes, strict=True):
            residual, weight = model.weighted_residual(int(bead), box)
            weights.append(weight.ravel())
            residuals.append(residual.ravel())
        return np.stack(weights).astype(np.float64), np.stack(residuals).astype(np.float64)

    def chi_squared(self, model: JointModel) -> Floats:
        """Return the residuals' mean squares, in units of what noise makes, (beads,)."""
        sums = []
        for residual, variance, box in self._residuals(model):
            squares, expected = model.bead_image.score_squares(box, residual, variance)
            known = expected > 0
            parts = np.divide(squares, variance, out=np.zeros_like(residual), where=known)
            sums.append((parts.sum(dtype=np.float64), (expected / variance).sum(dtype=np.float64)))
        found, expected_sums = np.array(sums).T
        chi_squared: Floats = found / np.maximum(expected_sums, 1)
        return chi_squared

    def _residuals(self, model: JointModel) -> Iterator[tuple[Array, Array, Slices]]:
        """Yield what the model leaves of each core, and its variance."""
        for bead, box in zip(self.beads, self._boxes, strict=True):
            light, level = model.light[box], model.local_background(int(bead), box)
            residual = model.bead_image.intensity[box] - light - level
            yield residual, model.variance(light, level), box


def _cores(model: JointModel, widths: Floats, beads: Iterable[int]) -> list[_Cores]:
    """Return the beads' cores, some of one size together."""
    reach = reach_in_voxels(widths)
    by_size: dict[tuple[int, ...], list[tuple[int, Slices]]] = {}
    for bead in beads:
        box = model.positions.inner_box(bead, reach)
        size = tuple(part.stop - part.start for part in box)
        by_size.setdefault(size, []).append((bead, box))
    return [
        _Cores(model, *map(list, zip(*same[first : first + BEADS_AT_ONCE], strict=True)))
        for same in by_size.values()
        for first in range(0, len(same), BEADS_AT_ONCE)
    ]


class _LightDerivatives:
    """Beads' light in their cores, differentiated by amplitude, centre and second moments.

    Parameters
    ----------
    model : JointModel
    cores : _Cores
    spectra : sequence of AmplitudesByOrder
        A bead's spectrum with the PSF of each of the field model's modes.
    """

    def __init__(
        self, model: JointModel, cores: _Cores, spectra: Sequence[AmplitudesByOrder]
    ) -> None:
        basis = self._basis = model.basis.voxel_functions
        z, y, x = cores.offsets
        self._waves = basis.waves_along(z)
        self._waves_by_z = basis.waves_along(z, derivative=True)
        self._shape = (len(z), z.shape[1], y.shape[1], x.shape[1])
        self._amplitudes = model.amplitudes[cores.beads, None, None, None]
        across, sideways = y[:, :, None] * basis.spacing[1], x[:, None] * basis.spacing[2]
        self._rows, self._part = (
            values.reshape(len(z), -1) for values in basis.table_rows_at(across, sideways)
        )
        self._angle = np.arctan2(across, sideways).reshape(self._rows.shape)
        self._functions: dict[int, Floats] = {}
        self._spectrum = spectra[0]
        if len(spectra) > 1:
            weights = model.positions.field_weights[cores.beads]
            self._spectrum = {
                order: np.tensordot(weights, np.stack([mode[order] for mode in spectra]), axes=1)
                for order in spectra[0]
            }
        # By a displacement of a voxel, which is the opposite of a voxel's offset from the bead.
        self._by_y, self._by_x = self._by(1, self._spectrum), self._by(2, self._spectrum)

    def slopes(self) -> Floats:
        """Return the derivatives by amplitude, z, y and x, (beads, 4, voxels)."""
        derivatives = [
            self._image_of(self._waves, self._spectrum) / self._amplitudes,
            self._image_of(self._waves_by_z, self._spectrum),
            self._image_of(self._waves, self._by_y),
            self._image_of(self._waves, self._by_x),
        ]
        return np.stack(derivatives, axis=1).reshape(len(self._rows), 4, -1)

    def curvatures(self) -> Floats:
        """Return the derivatives by the second moments, (beads, 6, voxels); see `MOMENTS`."""
        basis = self._basis
        waves_by_zz = self._waves * -((2 * np.pi * basis.waves * basis.spacing[0]) ** 2)
        second = np.stack(
            [
                self._image_of(waves_by_zz, self._spectrum),
                self._image_of(self._waves, self._by(1, self._by_y)),
                self._image_of(self._waves, self._by(2, self._by_x)),
                self._image_of(self._waves_by_z, self._by_y),
                self._image_of(self._waves_by_z, self._by_x),
                self._image_of(self._waves, self._by(2, self._by_y)),
            ],
            axis=1,
        )
        second[:, :3] *= 0.5
        return second.reshape(len(second), 6, -1)

    def _by(self, axis: int, spectrum: AmplitudesByOrder) -> AmplitudesByOrder:
        """Return the derivative by a displacement along an axis in the plane, in voxels."""
        scale = -self._basis.spacing[axis]
        return plane_slope(spectrum, self._basis.radial, sine=axis == 1, scale=scale)

    def _image_of(self, waves: Floats, spectrum: AmplitudesByOrder) -> Floats:
        """Return the light of a spectrum with these waves along z, (beads, Z, Y, X)."""
        amplitudes, functions = [], []
        for order, part in spectrum.items():
            amplitudes.append(part.real)
            if order:
                amplitudes.append(-part.imag)
            functions.append(self._functions_of(order))
        lateral = np.concatenate(functions, axis=-1)
        values: Floats = waves @ np.concatenate(amplitudes, axis=-1) @ lateral.swapaxes(1, 2)
        return values.reshape(self._shape) * self._amplitudes

    def _functions_of(self, order: int) -> Floats:
        """Return an order's functions in the cores, (beads, pixels, functions), cosine and sine."""
        if order not in self._functions:
            table, part = self._basis.table(order), self._part[..., None]
            values = table[self._rows] * (1 - part) + table[self._rows + 1] * part
            if order:
                factors = [np.cos(order * self._angle), np.sin(order * self._angle)]
                values = np.concatenate([values * f[..., None] for f in factors], axis=-1)
            self._functions[order] = values
        return self._functions[order]


def _normal_equations(rows: Floats, weight: Floats, residual: Floats) -> tuple[Floats, Floats]:
    """Return the matrices and vectors of weighted fits of rows to residuals."""
    weighted = rows * weight[:, None]
    return weighted @ rows.swapaxes(1, 2), (weighted @ residual[..., None])[..., 0]
