"""Each bead's centre and amplitude, its fit and its shape, on the few voxels that tell them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.compute.rings import turn_of
from napari_psf_distiller.steps.joint_model import JointModel

__all__ = ["MOMENTS", "BeadFit", "Places", "fit_beads", "improve_places"]

Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# A bead's core reaches so many of its widths to each side; beyond it little tells its place.
CORE = 1.6

# A bead counts if the image reaches so many of its widths further than its centre, on all sides.
SEEN = 0.3

# So many beads are looked at together.
BATCH = 8

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
        (beads, 6): by how much the second moments of its light exceed the model's, in squared
        voxels; see `MOMENTS`.
    covariance : numpy.ndarray
        (beads, 6, 6): of these, from the noise.
    information : numpy.ndarray
        (beads, 4, 4): see `Places`.
    whole : numpy.ndarray
        bool: whether its middle lies in the image, to all sides.
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
    free = np.array([0, 2, 3] if flat else [0, 1, 2, 3])
    # On one thread: others would wait for Python's lock most of the time, as the arrays are small.
    for cores in _cores(model, widths, range(count) if beads is None else beads):
        derivatives = _Light(model, cores, amplitudes).slopes()
        weight, off = cores.weighted(model)
        matrix, vector = _normal(derivatives, weight, off)
        information[cores.beads] = matrix
        solution = _inverse(matrix[:, free[:, None], free]) @ vector[:, free, None]
        steps[np.ix_(cores.beads, free)] = solution[..., 0]
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
    axes = np.flatnonzero(shape > 1)
    pairs = np.flatnonzero(np.isin(MOMENTS, axes).all(axis=1))
    chi, moments = np.zeros(count), np.zeros((count, 6))
    covariance, information = np.zeros((count, 6, 6)), np.zeros((count, 4, 4))
    saturated = np.zeros(count, bool)
    moved = np.r_[0, 1 + axes]
    # In a stack of a few planes those to each side of the middle one.
    reach = np.clip(np.round(SEEN * widths), 1, np.maximum((shape - 1) // 2, 1)).astype(np.intp)
    low, high = model.nearest - reach, model.nearest + reach
    whole = np.all(((low >= 0) & (high < shape))[:, axes], axis=1)
    for cores in _cores(model, widths, range(count)):
        some = cores.beads
        light = _Light(model, cores, amplitudes)
        derivatives, second = light.slopes(), light.curvatures()
        weight, off = cores.weighted(model)
        chi[some] = (weight * off * off).mean(axis=1)
        saturated[some] = (cores.of(model.field.image) >= model.field.saturation).any(axis=1)
        rows = np.concatenate([derivatives[:, moved], second[:, pairs]], axis=1)
        matrix, vector = _normal(rows, weight, off)
        inverse = _inverse(matrix)
        solved = (inverse @ vector[..., None])[..., 0]
        first = len(moved)
        moments[np.ix_(some, pairs)] = solved[:, first:]
        covariance[np.ix_(some, pairs, pairs)] = inverse[:, first:, first:]
        information[some], _ = _normal(derivatives, weight, off)
    return BeadFit(chi, moments, covariance, information, whole, saturated)


class _Cores:
    """The parts of an image, all as large, that tell some beads' places: within their windows."""

    def __init__(self, model: JointModel, beads: list[int], boxes: list[Slices]) -> None:
        self.beads, self._boxes = np.array(beads), boxes
        # Along each axis, (beads, places), in voxels from the beads' centres.
        each = [model.places.offsets(bead, box) for bead, box in zip(beads, boxes, strict=True)]
        self.offsets = [np.stack(along) for along in zip(*each, strict=True)]

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels of an image, (beads, voxels)."""
        return np.stack([image[box].ravel() for box in self._boxes])

    def weighted(self, model: JointModel) -> tuple[Floats, Floats]:
        """Return one over the voxels' variance and what the model leaves, (beads, voxels)."""
        levels = [
            model.local_background(int(bead), box).ravel()
            for bead, box in zip(self.beads, self._boxes, strict=True)
        ]
        level, light, image = np.stack(levels), self.of(model.light), self.of(model.field.image)
        off = image - light - level
        weight = 1 / model.variance(light, level)
        if not model.field.all_count:
            weight *= np.stack([model.field.counting(box).ravel() for box in self._boxes])
        return weight.astype(np.float64), off.astype(np.float64)


def _cores(model: JointModel, widths: Floats, beads: Iterable[int]) -> list[_Cores]:
    """Return the beads' cores, some of one size together."""
    reach = np.maximum(np.round(CORE * widths), 2).astype(int).tolist()
    sizes: dict[tuple[int, ...], list[tuple[int, Slices]]] = {}
    for bead in beads:
        box = model.places.middle(bead, reach)
        size = tuple(part.stop - part.start for part in box)
        sizes.setdefault(size, []).append((bead, box))
    return [
        _Cores(model, *map(list, zip(*alike[first : first + BATCH], strict=True)))
        for alike in sizes.values()
        for first in range(0, len(alike), BATCH)
    ]


class _Light:
    """Beads' light in their cores, and how it depends on amplitude, centre and size."""

    def __init__(self, model: JointModel, cores: _Cores, amplitudes: Floats) -> None:
        basis = self._basis = model.basis
        z, y, x = cores.offsets
        self._amplitudes, self._along = amplitudes, basis.waves_along(z)
        self._waves = self._along @ amplitudes
        self._rising = basis.waves_along(z, derivative=True) @ amplitudes
        self._across = y[:, :, None] * basis.spacing[1]
        self._sideways = x[:, None, :] * basis.spacing[2]
        self._functions, self._falling = _functions(basis, self._across, self._sideways)
        self._shape = (len(z), z.shape[1], y.shape[1], x.shape[1])
        # What turns with the angle is small, and its slope in the plane is left out.
        self._symmetric = len(basis.radial)
        self._brightness = model.amplitudes[cores.beads, None, None, None]
        self._radius = np.maximum(np.hypot(self._across, self._sideways), 1e-9)
        self._radial = self._times(self._waves[..., : self._symmetric], -self._falling)

    def slopes(self) -> Floats:
        """Return the derivatives by amplitude, z, y and x, (beads, 4, voxels)."""
        light = self._times(self._waves, self._functions) / self._brightness
        along = self._times(self._rising, self._functions)
        sy, sx = self._basis.spacing[1:]
        down = self._radial * (self._across / self._radius * sy)[:, None]
        right = self._radial * (self._sideways / self._radius * sx)[:, None]
        return np.stack([light, along, down, right], axis=1).reshape(len(light), 4, -1)

    def curvatures(self) -> Floats:
        """Return the derivatives by the second moments, (beads, 6, voxels); see `MOMENTS`."""
        basis, count = self._basis, self._symmetric
        radius = self._radius[:, None]
        # Along r: the slope over r, which on the axis is half of the Laplacian, and the curvature.
        bent = self._waves[..., :count] * -((2 * np.pi * basis.radial) ** 2)
        laplacian = self._times(bent, self._functions[..., :count])
        slope = np.where(radius > basis.step, -self._radial / radius, laplacian / 2)
        curvature = laplacian - slope
        rise = self._times(self._rising[..., :count], -self._falling)
        angle = np.arctan2(self._across, self._sideways)[:, None]
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
            ],
            axis=1,
        )
        second[:, :3] *= 0.5
        return second.reshape(len(second), 6, -1)

    def _times(self, along: Floats, across: Floats) -> Floats:
        values = (along @ across.swapaxes(1, 2)).reshape(self._shape)
        values *= self._brightness
        return values


def _functions(basis: FourierBessel, across: Floats, sideways: Floats) -> tuple[Floats, Floats]:
    """Return all terms' functions at places in the plane, and the symmetric ones' slopes.

    Both are (beads, places, functions).
    """
    rows = basis.rows_at(across, sideways).reshape(len(across), -1)
    parts = []
    for order, sine in basis.terms:
        values = basis.tables[basis.orders.index(order)][rows].astype(np.float64)
        if order:
            angle = np.arctan2(across, sideways).reshape(rows.shape)
            values *= turn_of(order, sine, angle)[..., None]
        parts.append(values)
    return np.concatenate(parts, axis=-1), basis.slopes[rows].astype(np.float64)


def _normal(rows: Floats, weight: Floats, off: Floats) -> tuple[Floats, Floats]:
    """Return the normal equations' matrices and vectors of fits to what is off."""
    weighted = rows * weight[:, None]
    return weighted @ rows.swapaxes(1, 2), (weighted @ off[..., None])[..., 0]


def _inverse(matrices: Floats) -> Floats:
    """Invert matrices of information whose parameters have different units."""
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    scale = scale[:, :, None] * scale[:, None]
    scaled = matrices * scale + 1e-9 * np.eye(matrices.shape[1])
    inverse: Floats = np.linalg.inv(scaled) * scale
    return inverse
