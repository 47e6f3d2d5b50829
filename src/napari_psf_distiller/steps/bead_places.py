"""Each bead's centre and amplitude, its fit and its shape, on the few voxels that tell them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.fourier_bessel import FourierBessel, turn_of
from napari_psf_distiller.steps.joint_model import JointModel

__all__ = ["MOMENTS", "BeadFit", "Places", "fit_beads", "improve_places"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# A bead's core reaches so many of its widths to each side; beyond it little tells its place.
CORE = 1.6

# A centre moves by at most this in one step, in voxels, and an amplitude by half.
LONGEST_STEP = 0.7

# The second moments of a bead's light, in this order.
MOMENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class Places(NamedTuple):
    """Steps towards better centres and amplitudes, and how well these are known.

    Attributes
    ----------
    steps : numpy.ndarray
        (beads, 4): of the amplitude, and of z, y and x in voxels.
    information : numpy.ndarray
        (beads, 4, 4): the Fisher information of these.
    """

    steps: Floats
    information: Floats


class BeadFit(NamedTuple):
    """How well single beads fit the model.

    Attributes
    ----------
    chi_squared : numpy.ndarray
        (beads,): mean square of the residuals over the core, in units of the noise's variance.
    moments : numpy.ndarray
        (beads, 6): by how much the second moments of its light exceed the model's, in squared
        voxels; see `MOMENTS`.
    covariance : numpy.ndarray
        (beads, 6, 6): of these, from the noise.
    information : numpy.ndarray
        (beads, 4, 4): see `Places`.
    whole : numpy.ndarray
        bool: whether all of its core lies in the image, and none of it is saturated.
    saturated : numpy.ndarray
        bool
    """

    chi_squared: Floats
    moments: Floats
    covariance: Floats
    information: Floats
    whole: NDArray[np.bool_]
    saturated: NDArray[np.bool_]


def improve_places(model: JointModel, widths: Floats, beads: Iterable[int] | None = None) -> Places:
    """Return a Newton step (Gauss's) of each bead's amplitude and centre, all others held.

    Parameters
    ----------
    model : JointModel
        Its light is rendered.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    beads : iterable of int, optional
        Only these take a step.
    """
    amplitudes = model.basis.amplitudes(model.coefficients)
    flat = model.field.image.shape[0] == 1
    count = len(model.centres)
    steps, information = np.zeros((count, 4)), np.zeros((count, 4, 4))
    free = np.array([True, not flat, True, True])
    for bead in range(count) if beads is None else beads:
        box = _core(model, bead, widths)
        derivatives = _Light(model, bead, box, amplitudes).slopes()
        weight, off = _weighted(model, bead, box)
        weighted = derivatives * weight
        matrix = weighted @ derivatives.T
        information[bead] = matrix
        solution = _solved(matrix[np.ix_(free, free)], (weighted @ off)[free])
        steps[bead, free] = solution
    largest = 0.5 * model.amplitudes
    steps[:, 0] = np.clip(steps[:, 0], -largest, 2 * largest)
    steps[:, 1:] = np.clip(steps[:, 1:], -LONGEST_STEP, LONGEST_STEP)
    return Places(steps, information)


def fit_beads(model: JointModel, widths: Floats) -> BeadFit:
    """Return how well each bead fits, and by how much its shape differs from the model's.

    Parameters
    ----------
    model : JointModel
        Its light is rendered.
    widths : numpy.ndarray
        See `improve_places`.

    Notes
    -----
    Two beads that touch look like one with larger second moments: to second order, convolving with
    a small displacement's distribution of covariance C adds ``C_ij / 2`` times the second
    derivatives. Their size is fitted to the residuals together with amplitude and centre: a score
    test (C. R. Rao, 1948) of each bead against the model.
    """
    amplitudes = model.basis.amplitudes(model.coefficients)
    count = len(model.centres)
    shape = np.array(model.field.image.shape)
    axes = [axis for axis in range(3) if shape[axis] > 1]
    pairs = [n for n, (i, j) in enumerate(MOMENTS) if i in axes and j in axes]
    chi, moments = np.zeros(count), np.zeros((count, 6))
    covariance, information = np.zeros((count, 6, 6)), np.zeros((count, 4, 4))
    whole, saturated = np.zeros(count, bool), np.zeros(count, bool)
    for bead in range(count):
        box = _core(model, bead, widths)
        light = _Light(model, bead, box, amplitudes)
        derivatives, second = light.slopes(), light.curvatures()
        weight, off = _weighted(model, bead, box)
        chi[bead] = float((weight * off * off).mean())
        reach = np.round(0.75 * widths).astype(np.intp)
        low, high = model.nearest[bead] - reach, model.nearest[bead] + reach
        whole[bead] = all(low[a] >= 0 and high[a] < shape[a] for a in axes)
        saturated[bead] = bool((model.field.image[box] >= model.field.saturation).any())
        rows = np.concatenate([derivatives[[0, *(1 + a for a in axes)]], second[pairs]], axis=0)
        weighted = rows * weight
        inverse = _inverse(weighted @ rows.T)
        solved = inverse @ (weighted @ off)
        first = 1 + len(axes)
        moments[bead, pairs] = solved[first:]
        covariance[bead][np.ix_(pairs, pairs)] = inverse[first:, first:]
        information[bead] = (derivatives * weight) @ derivatives.T
    return BeadFit(chi, moments, covariance, information, whole, saturated)


def _core(model: JointModel, bead: int, widths: Floats) -> Slices:
    """Return the part of the image that tells a bead's place: within its window."""
    reach = np.maximum(np.round(CORE * widths), 2).astype(np.intp)
    centre = model.nearest[bead]
    return tuple(
        slice(max(part.start, int(c - r)), min(part.stop, int(c + r) + 1))
        for part, c, r in zip(model.boxes[bead], centre, reach, strict=True)
    )


def _weighted(model: JointModel, bead: int, box: Slices) -> tuple[Floats, Floats]:
    level = model.local_background(bead, box)
    light = model.light[box]
    off = model.field.image[box] - light - level
    weight = (model.field.image[box] < model.field.saturation) / model.variance(light, level)
    return weight.ravel().astype(np.float64), off.ravel().astype(np.float64)


class _Light:
    """A bead's light in a part of the image, and how it depends on amplitude, centre and size."""

    def __init__(self, model: JointModel, bead: int, box: Slices, amplitudes: Floats) -> None:
        basis = self._basis = model.basis
        z, y, x = (
            np.arange(part.start, part.stop) - centre
            for part, centre in zip(box, model.centres[bead], strict=True)
        )
        corner = int(model.nearest[bead, 0]) - basis.window[0] // 2
        rows = slice(box[0].start - corner, box[0].stop - corner)
        displaced = float(model.centres[bead, 0] - model.nearest[bead, 0])
        self._amplitudes, self._along = amplitudes, basis.waves_at(displaced)[rows]
        self._waves = self._along @ amplitudes
        self._rising = basis.waves_at(displaced, derivative=True)[rows] @ amplitudes
        self._functions, self._falling = _functions(basis, y, x)
        self._shape = (len(z), len(y), len(x))
        # What turns with the angle is small, and its slope in the plane is left out.
        self._symmetric = len(basis.radial)
        self._brightness = float(model.amplitudes[bead])
        self._across, self._sideways = y[:, None] * basis.spacing[1], x[None] * basis.spacing[2]
        self._radius = np.maximum(np.hypot(self._across, self._sideways), 1e-9)
        self._radial = self._times(self._waves[:, : self._symmetric], -self._falling)

    def slopes(self) -> Floats:
        """Return the derivatives by amplitude, z, y and x, (4, voxels)."""
        light = self._times(self._waves, self._functions) / self._brightness
        along = self._times(self._rising, self._functions)
        sy, sx = self._basis.spacing[1:]
        down = self._radial * (self._across / self._radius * sy)
        right = self._radial * (self._sideways / self._radius * sx)
        return np.stack([light, along, down, right]).reshape(4, -1)

    def curvatures(self) -> Floats:
        """Return the derivatives by the second moments, (6, voxels); see `MOMENTS`."""
        basis, count = self._basis, self._symmetric
        # Along r: the slope over r, which on the axis is half of the Laplacian, and the curvature.
        bent = self._waves[:, :count] * -((2 * np.pi * basis.radial) ** 2)
        laplacian = self._times(bent, self._functions[:, :count])
        slope = np.where(self._radius > basis.step, -self._radial / self._radius, laplacian / 2)
        curvature = laplacian - slope
        rise = self._times(self._rising[:, :count], -self._falling)
        angle = np.arctan2(self._across, self._sideways)
        sine, cosine = np.sin(angle), np.cos(angle)
        sy, sx = basis.spacing[1:]
        curved = self._along * -((2 * np.pi * basis.waves * basis.spacing[0]) ** 2)
        second = np.stack(
            [
                self._times(curved @ self._amplitudes, self._functions),
                (curvature * sine**2 + slope * cosine**2) * sy**2,
                (curvature * cosine**2 + slope * sine**2) * sx**2,
                rise * sine * sy,
                rise * cosine * sx,
                (curvature - slope) * sine * cosine * sy * sx,
            ]
        )
        second[:3] *= 0.5
        return second.reshape(6, -1)

    def _times(self, along: Floats, across: Floats) -> Floats:
        values: Floats = self._brightness * (along @ across.T).reshape(self._shape)
        return values


def _functions(basis: FourierBessel, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return all terms' functions at places in the plane, and the symmetric ones' slopes."""
    across, sideways = y[:, None] * basis.spacing[1], x[None] * basis.spacing[2]
    rows = basis.rows_at(across, sideways).ravel()
    parts = []
    for order, sine in basis.terms:
        values = basis.tables[basis.orders.index(order)][rows].astype(np.float64)
        if order:
            angle = np.arctan2(across, sideways).ravel()
            values *= turn_of(order, sine, angle)[:, None]
        parts.append(values)
    return np.concatenate(parts, axis=1), basis.slopes[rows].astype(np.float64)


def _solved(matrix: Floats, vector: Floats) -> Floats:
    solved: Floats = _inverse(matrix) @ vector
    return solved


def _inverse(matrix: Floats) -> Floats:
    """Invert a matrix of information whose parameters have different units."""
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * scale[:, None] * scale
    scaled[np.diag_indices_from(scaled)] += 1e-9
    inverse: Floats = np.linalg.inv(scaled) * scale[:, None] * scale
    return inverse
