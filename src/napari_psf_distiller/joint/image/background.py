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

__all__ = ["NormalEquations", "SplineBackground", "first_background"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Pixels are summed over squares of this side before the spline is fitted to them: it is smooth
# there.
BLOCK_PIXELS = 16

# Voxels that the spline is fitted to, at most: their mean is known to a thousandth of their noise.
MAX_SAMPLED_VOXELS = 4_000_000

# Voxels that the first spline is fitted to, at most: enough to tell where the beads are.
MAX_SAMPLED_VOXELS_AT_FIRST = 1_000_000

# Coefficients of a spline, at most: of more its knots lie farther apart. A larger one takes longer
# than all the rest, and tells nothing more of a haze; at the usual scale that is an image of 1.5
# mm.
MAX_COEFFICIENTS = 2500

# Knots do not lie nearer to each other along z than this many planes, nor in the plane than the
# squares: they tell nothing more.
MIN_KNOT_PLANES = 4

# By about this part of the background's level its slopes change from one knot to the next.
SLOPE_CHANGE = 0.01


# The first spline is fitted this many times, each time to what lies less than this many standard
# deviations of the noise above the one before.
FIRST_FITS, BEAD_SIGMAS = 4, 2


class NormalEquations(NamedTuple):
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
        least `BLOCK_PIXELS` voxels, along z `MIN_KNOT_PLANES`, and more where there would be
        more than `MAX_COEFFICIENTS` coefficients.
    level : float
        About the background's intensity above the camera's offset.

    Attributes
    ----------
    size : int
        Number of coefficients.
    penalty : numpy.ndarray
        (size, size): minus the logarithm of the prior is half of ``c' penalty c`` for the
        coefficients c.
    weak_precision : float
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
        self.weak_precision = 1 / level**2
        self.penalty = self._second_differences() / (SLOPE_CHANGE * level) ** 2

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
                    (MIN_KNOT_PLANES, BLOCK_PIXELS, BLOCK_PIXELS),
                    strict=True,
                )
            ]
            counts = (p + degree for p, degree in zip(pieces, self._degrees, strict=True))
            if math.prod(counts) <= MAX_COEFFICIENTS or max(pieces) == 1:
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

    def design_at(self, points: Floats) -> Floats:
        """Return the design matrix of the background's value and slopes at some points.

        Parameters
        ----------
        points : numpy.ndarray
            (points, 3), voxels.

        Returns
        -------
        numpy.ndarray
            (points, 4, size): times the coefficients, the value and its slopes a voxel along z, y
            and x.
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

    def normal_equations(
        self,
        coefficients: Floats,
        sampled: Callable[[int, int], tuple[Array, Array]],
        step: int | None = None,
    ) -> NormalEquations:
        """Return the normal equations of a fit to voxels of the whole image.

        Parameters
        ----------
        coefficients : numpy.ndarray
            A background's near to the one that is looked for: of the difference, squares are taken
            for constant, also where only some of their voxels count.
        sampled : callable
            Takes a plane's number and a step; returns the weights of every step-th voxel along y
            and x, and the weights times what the intensities exceed this background by.
        step : int, optional
            The step; None is `step`.
        """
        step = self.step if step is None else step

        down, across = (_in_blocks(len(range(0, n, step))) for n in self.shape[1:])

        def blocks(z: int) -> tuple[Floats, Floats]:
            weights, values = ((across @ (down @ plane).T).T for plane in sampled(z, step))
            return weights, values

        weights, values = zip(*in_turn(blocks, range(self.shape[0])), strict=True)
        z_design, y, x = self._block_designs(step)
        in_plane = np.einsum(
            "zab,aj,am,bk,bn->zjkmn", np.array(weights), y, y, x, x, optimize="greedy"
        )
        flat = in_plane.reshape(len(weights), y.shape[1] * x.shape[1], -1)
        matrix = np.einsum("zpq,zi,zl->iplq", flat, z_design, z_design, optimize="greedy")
        square = matrix.reshape(self.size, -1)
        vector = self._times_designs(np.array(values), step)
        return NormalEquations(square, vector + square @ coefficients)

    def sums(self, values: Sequence[Array]) -> Floats:
        """Return each spline's sum over voxels, times these voxels' values: (size,).

        Parameters
        ----------
        values : sequence of numpy.ndarray
            Of each plane, those of every `step`-th voxel along y and x.
        """
        step = self.step
        down, across = (_in_blocks(len(range(0, n, step))) for n in self.shape[1:])
        in_blocks = [(across @ (down @ plane).T).T for plane in values]
        return self._times_designs(np.array(in_blocks), step)

    def _block_designs(self, step: int) -> tuple[Floats, Floats, Floats]:
        """Return the splines along z, and their means in blocks of voxels along y and x."""
        z, y, x = self._designs
        return z, _block_means(y[::step]), _block_means(x[::step])

    def _times_designs(self, in_blocks: Floats, step: int) -> Floats:
        """Return the sums over blocks of their values times each spline, (size,)."""
        sums: Floats = np.einsum(
            "zab,zi,aj,bk->ijk", in_blocks, *self._block_designs(step), optimize="greedy"
        )
        return sums.ravel()

    @property
    def step(self) -> int:
        """The step from voxel to voxel along y and x that is fine enough for the background."""
        return self.step_for(MAX_SAMPLED_VOXELS)

    def step_for(self, voxels: int) -> int:
        """Return the step along y and x that leaves about some number of voxels."""
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
    mask_and_censor: Callable[[tuple[slice, ...], Array, Array], None] | None = None,
) -> Floats:
    """Return the coefficients of a background below the beads.

    What lies `BEAD_SIGMAS` standard deviations of the noise above the background is taken for
    bead, and the background is fitted to the rest, `FIRST_FITS` times over.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X), numbers.
    background : SplineBackground
    variance : callable
        Takes intensities, returns the variance of their noise.
    mask_and_censor : callable, optional
        See `BeadImage.mask_and_censor`; without it all voxels count.
    """
    step = background.step_for(MAX_SAMPLED_VOXELS_AT_FIRST)
    # The beads are the bright part of an image, seldom more than half of it.
    some = (slice(None, None, 1 + len(image) // 16), *(slice(None, None, step),) * 2)
    counted = np.ones(image[some].shape, np.float32)
    if mask_and_censor is not None:
        mask_and_censor(some, np.zeros_like(counted), counted)
    lowest = float(np.percentile(image[some][counted > 0], 25)) if counted.any() else 0.0
    # The splines add up to 1 everywhere.
    coefficients = np.full(background.size, lowest)

    def sampled(z: int, every: int) -> tuple[Array, Array]:
        plane = image[z, ::every, ::every]
        part = slice(None, None, every)
        level = background.plane(coefficients, z, part, part)
        noise_variance, excess = variance(level), plane - level
        dark = excess < BEAD_SIGMAS * np.sqrt(noise_variance)
        weights = dark * (np.float32(1) / noise_variance)
        if mask_and_censor is not None:
            mask_and_censor((slice(z, z + 1), part, part), excess[None], weights[None])
        return weights, weights * excess

    for _ in range(FIRST_FITS):
        matrix, vector = background.normal_equations(coefficients, sampled, step)
        matrix = matrix + background.penalty
        # Where no voxel counts, such as in a hole of the image, the penalty alone cannot tell.
        matrix[np.diag_indices_from(matrix)] += 1e-9 * np.trace(matrix) / len(matrix)
        coefficients = linalg.solve(matrix, vector, assume_a="pos")
    return coefficients


def _in_blocks(count: int) -> sparse.csr_array:
    """Return which voxels of a line are in which block: (blocks, voxels), 1 or 0."""
    voxels = np.arange(count)
    return sparse.csr_array((np.ones(count, np.float32), (voxels // BLOCK_PIXELS, voxels)))


def _block_means(design: Floats) -> Floats:
    return np.stack(
        [design[i : i + BLOCK_PIXELS].mean(axis=0) for i in range(0, len(design), BLOCK_PIXELS)]
    )
