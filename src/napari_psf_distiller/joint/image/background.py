"""A background that varies slowly across the image, as a smooth spline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.interpolate import BSpline

from napari_psf_distiller.compute.threads import in_turn

__all__ = ["Normal", "SplineBackground", "first_background"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Voxels are summed over squares of so many before the spline looks at them: it is smooth there.
BLOCK = 16

# The mean of so many voxels is known to a thousandth of their noise: more do not tell more.
SAMPLE = 4_000_000

# And these are enough to tell where the beads are.
FIRST_SAMPLE = 1_000_000

# A spline of more coefficients takes longer than all the rest, and tells nothing more of a haze; at
# the usual scale it would be an image of 1.5 mm. Its knots lie farther apart there.
MOST_COEFFICIENTS = 2500

# Nor do knots tell more that lie nearer to each other than this: in the plane than the squares.
LEAST_PLANES = 4

# The slopes change by about so much of the background's level from one knot to the next.
CHANGE = 0.01


class Normal(NamedTuple):
    """Normal equations of a weighted least-squares fit: ``matrix @ coefficients = vector``."""

    matrix: Floats
    vector: Floats


class SplineBackground:
    """Tensor products of B-splines, whose slopes change little from knot to knot.

    Quadratic in the plane and linear along z, with P. H. C. Eilers and B. D. Marx's penalty on
    second differences ("Flexible smoothing with B-splines and penalties", Stat. Sci. 11, 1996): a
    slope across the image costs nothing, a hill as small as a bead's halo cannot be formed.

    Parameters
    ----------
    shape : tuple of int
        (Z, Y, X).
    spacing : sequence of float
        Voxel size in micrometres.
    scale : float
        Distance of the knots in micrometres, in the plane; along z it is twice that. It is at
        least `BLOCK` voxels, along z `LEAST_PLANES`, and more where there would be more than
        `MOST_COEFFICIENTS`.
    level : float
        What the background is about, above the camera's offset, in intensity units.

    Attributes
    ----------
    size : int
        Number of coefficients.
    penalty : numpy.ndarray
        (size, size): minus the logarithm of the prior is half of it between coefficients.
    loosely : float
        The precision of a coefficient that is only known to be about as high as the background.
    """

    def __init__(
        self, shape: tuple[int, ...], spacing: Sequence[float], scale: float, level: float
    ) -> None:
        self.shape = shape
        self._degrees = [0 if n == 1 else 1 if axis == 0 else 2 for axis, n in enumerate(shape)]
        self._knots = []
        every = self._pieces(spacing, scale)
        for n, degree, pieces in zip(shape, self._degrees, every, strict=True):
            # Evenly spaced beyond the image too: so second differences of a plane are 0.
            gap = n / pieces
            self._knots.append(np.arange(-degree, pieces + degree + 1) * gap - 0.5)
        self._designs = [self._design(axis, np.arange(n)) for axis, n in enumerate(shape)]
        self._counts = [design.shape[1] for design in self._designs]
        self.size = math.prod(self._counts)
        self.loosely = 1 / level**2
        self.penalty = self._second_differences() / (CHANGE * level) ** 2

    def _pieces(self, spacing: Sequence[float], scale: float) -> list[int]:
        """Return how many pieces the spline has along each axis."""
        extents = [n * size for n, size in zip(self.shape, spacing, strict=True)]
        while True:
            pieces = [
                max(1, min(round(extent / gap), n // least))
                for extent, gap, n, least in zip(
                    extents,
                    (2 * scale, scale, scale),
                    self.shape,
                    (LEAST_PLANES, BLOCK, BLOCK),
                    strict=True,
                )
            ]
            counts = (p + degree for p, degree in zip(pieces, self._degrees, strict=True))
            if math.prod(counts) <= MOST_COEFFICIENTS or max(pieces) == 1:
                return pieces
            scale *= 1.1

    def plane(
        self,
        coefficients: Floats,
        z: int,
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Array:
        """Return the background of one plane of the image, or of a part of it, float32."""
        cube = coefficients.reshape(self._counts)
        flat = np.tensordot(self._designs[0][z], cube, (0, 0))
        y, x = self._designs[1][rows], self._designs[2][columns]
        return (y @ flat).astype(np.float32) @ x.T.astype(np.float32)

    def at(self, points: Floats) -> Floats:
        """Return how value and slopes at points depend on the coefficients.

        Parameters
        ----------
        points : numpy.ndarray
            (points, 3), voxels.

        Returns
        -------
        numpy.ndarray
            (points, 4, size): the value, and its change a voxel along z, y and x.
        """
        values, slopes = [], []
        for axis, n in enumerate(self.shape):
            places = np.clip(points[:, axis], -0.5, n - 0.5)
            values.append(self._design(axis, places))
            if n == 1:
                slopes.append(np.zeros_like(values[-1]))
                continue
            low, high = np.maximum(places - 0.25, -0.5), np.minimum(places + 0.25, n - 0.5)
            rise = self._design(axis, high) - self._design(axis, low)
            slopes.append(rise / (high - low)[:, None])
        factors = [values] + [
            [slopes[a] if a == axis else values[a] for a in range(3)] for axis in range(3)
        ]
        rows = [np.einsum("pi,pj,pk->pijk", *factor).reshape(len(points), -1) for factor in factors]
        return np.stack(rows, axis=1)

    def normal(
        self,
        coefficients: Floats,
        sampled: Callable[[int, int], tuple[Array, Array]],
        step: int | None = None,
    ) -> Normal:
        """Return the normal equations of a fit to voxels of the whole image.

        Parameters
        ----------
        coefficients : numpy.ndarray
            Of a background near to the one that is looked for: where only some voxels of a square
            count, the others' place is taken for theirs, which matters to the difference only.
        sampled : callable
            Of a plane's number and a step: the weights of every step-th voxel along y and x, and
            times these what its intensity exceeds this background by.
        step : int, optional
            The step; None is `step`.
        """
        step = self.step if step is None else step

        down, across = (_in_blocks(len(range(0, n, step))) for n in self.shape[1:])

        def blocks(z: int) -> tuple[Floats, Floats]:
            weights, values = ((across @ (down @ plane).T).T for plane in sampled(z, step))
            return weights, values

        weights, values = zip(*in_turn(blocks, range(self.shape[0])), strict=True)
        y, x = (_block_means(self._designs[axis][::step]) for axis in (1, 2))
        z_design = self._designs[0]
        in_plane = np.einsum(
            "zab,aj,am,bk,bn->zjkmn", np.array(weights), y, y, x, x, optimize="greedy"
        )
        flat = in_plane.reshape(len(weights), y.shape[1] * x.shape[1], -1)
        matrix = np.einsum("zpq,zi,zl->iplq", flat, z_design, z_design, optimize="greedy")
        vector = np.einsum("zab,zi,aj,bk->ijk", np.array(values), z_design, y, x, optimize="greedy")
        square = matrix.reshape(self.size, -1)
        return Normal(square, vector.ravel() + square @ coefficients)

    @property
    def step(self) -> int:
        """Every so many-th voxel along y and x is enough to tell the background."""
        return self.step_for(SAMPLE)

    def step_for(self, voxels: int) -> int:
        """Return the step along y and x with which about so many voxels are looked at."""
        return max(1, math.isqrt(math.prod(self.shape) // voxels))

    def _design(self, axis: int, places: NDArray[np.floating] | NDArray[np.integer]) -> Floats:
        matrix: Floats = BSpline.design_matrix(
            np.asarray(places, np.float64), self._knots[axis], self._degrees[axis]
        ).toarray()
        return matrix

    def _second_differences(self) -> Floats:
        identities = [np.eye(count) for count in self._counts]
        result = np.zeros((self.size, self.size))
        for axis, count in enumerate(self._counts):
            if count < 3:
                continue
            difference = np.diff(np.eye(count), 2, axis=0)
            factors = [*identities]
            factors[axis] = difference.T @ difference
            result += np.kron(np.kron(factors[0], factors[1]), factors[2])
        return result


def first_background(
    image: Array,
    background: SplineBackground,
    variance: Callable[[Array], Array],
    settle: Callable[[tuple[slice, ...], Array, Array], None] | None = None,
) -> Floats:
    """Return the coefficients of a background below the beads.

    What lies two standard deviations of the noise above the background is taken for bead, and the
    background is fitted to the rest, four times over.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.
    background : SplineBackground
    variance : callable
        Of the noise, of intensities.
    settle : callable, optional
        See `BeadField.settle`; without it all voxels count.
    """
    step = background.step_for(FIRST_SAMPLE)
    # The beads are the bright part of an image, seldom more than half of it.
    some = (slice(None, None, 1 + len(image) // 16), *(slice(None, None, step),) * 2)
    counted = np.ones(image[some].shape, np.float32)
    if settle is not None:
        settle(some, np.zeros_like(counted), counted)
    lowest = float(np.percentile(image[some][counted > 0], 25)) if counted.any() else 0.0
    # The splines add up to 1 everywhere.
    coefficients = np.full(background.size, lowest)

    def sampled(z: int, every: int) -> tuple[Array, Array]:
        plane = image[z, ::every, ::every]
        part = slice(None, None, every)
        level = background.plane(coefficients, z, part, part)
        spread, off = variance(level), plane - level
        dark = off < 2 * np.sqrt(spread)
        weights = dark * (np.float32(1) / spread)
        if settle is not None:
            settle((slice(z, z + 1), part, part), off[None], weights[None])
        return weights, weights * off

    for _ in range(4):
        matrix, vector = background.normal(coefficients, sampled, step)
        matrix = matrix + background.penalty
        # Where no voxel counts, such as in a hole of the image, the penalty alone cannot tell.
        matrix[np.diag_indices_from(matrix)] += 1e-9 * np.trace(matrix) / len(matrix)
        coefficients = linalg.solve(matrix, vector, assume_a="pos")
    return coefficients


def _in_blocks(count: int) -> sparse.csr_array:
    """Return which of so many voxels are in which block: (blocks, voxels), 1 or 0."""
    voxels = np.arange(count)
    return sparse.csr_array((np.ones(count, np.float32), (voxels // BLOCK, voxels)))


def _block_means(design: Floats) -> Floats:
    return np.stack([design[i : i + BLOCK].mean(axis=0) for i in range(0, len(design), BLOCK)])
