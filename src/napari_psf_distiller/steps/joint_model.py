"""The joint model of a bead image: one PSF, each bead's place and amplitude, and the background."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.compute.bead_windows import BACKGROUND_COLUMNS, BeadWindows
from napari_psf_distiller.compute.conjugate_gradients import conjugate_gradients
from napari_psf_distiller.compute.engine import host_threads
from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps.background import Normal
from napari_psf_distiller.steps.bead_field import BeadField
from napari_psf_distiller.steps.linearised import Linearised
from napari_psf_distiller.steps.residual_noise import OUTLIER, Noise, residual_noise

__all__ = ["Fitted", "JointModel", "inverse_of"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# Windows are computed for so many beads at a time.
BATCH = 16

# So many voxels of every bead's window tell how large the residuals are.
SAMPLE = 20_000

# A prior so weak that only what the data do not tell at all follows it.
LEAST_PRECISION = 1e-7

# What a prior expects less than this part of the largest from is held as firmly as that.
LEAST_EXPECTED = 1e-4

# The PSF may have so many times as much power anywhere as its spectrum by now.
LOOSER = 10.0

# A variance is found in so many steps at most, to this part of itself.
MOST_STEPS, CONVERGED = 16, 0.1

# The background outside the windows is looked at again where more than this part of these moved
# further than a voxel, or the background at a bead changed by this part of the noise: it tells
# which voxels are taken for something else.
MOVED, RAISED = 0.1, 0.2

# What would make the image likelier by less than this, in nats an unknown, changes nothing: the
# noise alone is worth half of one.
LEAST_GAIN = 0.01


class Fitted(NamedTuple):
    """What a model has learnt but its beads.

    Attributes
    ----------
    coefficients, background : numpy.ndarray
        Of the PSF and of the background.
    noise : Noise
    priors : list of (numpy.ndarray or None)
        The precision expected of each of the PSF's terms.
    """

    coefficients: Floats
    background: Floats
    noise: Noise
    priors: list[Floats | None]


class _Seen(NamedTuple):
    """What the background outside the windows was looked at with, and what it told.

    The weights are those of the camera's noise.
    """

    nearest: NDArray[np.intp]
    levels: Floats
    told: Normal


class JointModel:
    """A model of a bead image, and how it is improved.

    Every voxel is the background plus, for each bead, its amplitude times the PSF convolved with
    the bead's ball, at the bead's fractional centre. The unknowns that enter linearly, the PSF's
    coefficients and the background's, are found together by `solve`.

    Parameters
    ----------
    field : BeadField
    basis : FourierBessel
    windows : BeadWindows
    centres : numpy.ndarray
        (beads, 3), voxels.
    coefficients : numpy.ndarray
        The PSF to start from, with the sum 1 in the window.
    """

    def __init__(
        self,
        field: BeadField,
        basis: FourierBessel,
        windows: BeadWindows,
        centres: Floats,
        coefficients: Floats,
    ) -> None:
        self.field, self.basis, self.windows = field, basis, windows
        self.coefficients, self.background = coefficients, field.coefficients.copy()
        self.noise = Noise()
        self._height = basis.psf_centre(coefficients, 0.0)
        self.priors: list[Floats | None] = [None] * len(basis.terms)
        self.light = np.zeros(field.image.shape, np.float32)
        self.boxes: list[Slices] = []
        self.amplitudes = np.ones(len(centres))
        self.move(centres, self.amplitudes)
        heights = [
            float(field.image[tuple(voxel)]) - level
            for voxel, level in zip(self.nearest, self.levels, strict=True)
        ]
        peak = float(basis.bead(coefficients).max())
        self.amplitudes = np.maximum(heights, np.sqrt(field.floor)) / peak
        self.used = np.ones(len(centres), bool)
        self.attended = len(centres)
        # How far the iterations have come that are under way.
        self._step: Floats = np.zeros(0)
        self._observed = False
        self._seen: _Seen | None = None
        self.observe()

    @property
    def shaping(self) -> NDArray[np.bool_]:
        """Which beads shape the PSF: those used among the attended ones."""
        return self.used & (np.arange(len(self.used)) < self.attended)

    @property
    def levels(self) -> Floats:
        """The background at the beads' centres."""
        return self._local[:, 0] @ self.background

    def move(self, centres: Floats, amplitudes: Floats) -> None:
        """Give the beads new centres and amplitudes."""
        shape = np.array(self.field.image.shape)
        self.centres, self.amplitudes = np.asarray(centres, np.float64), amplitudes
        self._rendered = False
        for box in self.boxes:
            self.light[box] = 0
        self.nearest = np.clip(np.floor(self.centres + 0.5), 0, shape - 1).astype(np.intp)
        displaced = self.centres - self.nearest
        window = np.array(self.basis.window)
        corners = self.nearest - window // 2
        low, high = np.maximum(corners, 0), np.minimum(corners + window, shape)
        self.boxes = [_slices(a, b) for a, b in zip(low, high, strict=True)]
        self._inside = [_slices(a, b) for a, b in zip(low - corners, high - corners, strict=True)]
        self._offsets = [
            [np.arange(part.start, part.stop) - c for part, c in zip(box, centre, strict=True)]
            for box, centre in zip(self.boxes, self.centres, strict=True)
        ]
        self._waves = [self.basis.waves_at(d) for d in displaced[:, 0]]
        self.windows.place(displaced[:, 1:])
        self._local = self.field.background.at(self.centres)

    @property
    def coefficients_so_far(self) -> Floats:
        """The PSF's coefficients as the iterations under way have improved them."""
        return self.coefficients + self._step[: self.basis.size]

    def fitted(self) -> Fitted:
        """Return what was learnt, for another model of the same image."""
        return Fitted(self.coefficients, self.background, self.noise, list(self.priors))

    def resume(self, fitted: Fitted) -> None:
        """Take what another model of the same image, with the same PSF's terms, has learnt."""
        self.coefficients, self.background = fitted.coefficients, fitted.background
        self.noise, self.priors = fitted.noise, list(fitted.priors)
        self._rendered = False

    def take(
        self,
        basis: FourierBessel,
        windows: BeadWindows,
        coefficients: Floats,
        priors: list[Floats | None],
    ) -> None:
        """Let the PSF be a sum of other functions, with these coefficients and priors."""
        if basis.window != self.basis.window:
            self._observed, self._seen = False, None
        self.basis, self.windows, self.priors = basis, windows, priors
        self.coefficients = coefficients
        self.move(self.centres, self.amplitudes)

    def observe(self) -> None:
        """Have the voxels outside all windows tell of the background, as soon as it is improved.

        Windows that moved by a voxel change nothing that matters.
        """
        self._observed = False

    def _observe(self) -> None:
        if self._observed:
            return
        self._observed = True
        field = self.field
        deviation = np.sqrt(field.variance(self.levels.astype(np.float32)))
        heights = self.levels / deviation.astype(np.float64)
        # How many windows cover a voxel is counted where else the light is: an image's memory less.
        covered = self.light
        self._rendered = False
        for box in self.boxes:
            covered[box] = 0
        attended, others = self.boxes[: self.attended], self.boxes[self.attended :]
        for box in attended:
            covered[box] += 1
        self._shares: list[Array | None] = [
            np.float32(1) / counts if (counts := covered[box]).max() > 1 else None
            for box in attended
        ]
        for box in others:
            covered[box] += 1

        def sampled(z: int, step: int) -> tuple[Array, Array]:
            part = slice(None, None, step)
            plane = field.image[z, part, part]
            level = field.background.plane(self.background, z, part, part)
            spread = field.variance(level)
            free = (covered[z, part, part] == 0) & (plane < field.saturation)
            free &= (plane - level) ** 2 < 16 * spread
            weights = (free / spread).astype(np.float32)
            return weights, weights * (plane - level)

        if self._seen is None or _differ(self._seen, self.nearest, heights):
            told = field.background.normal(self.background, sampled)
            self._seen = _Seen(self.nearest, heights, told)
        matrix, vector = self._seen.told
        self._outside = Normal(matrix / self.noise.scale, vector / self.noise.scale)
        for box in self.boxes:
            covered[box] = 0

    def render(self) -> None:
        """Compute the beads' light in their windows, if it changed."""
        if self._rendered:
            return
        self._rendered = True
        every = np.ones(len(self.centres), bool)
        self._render(self.basis.amplitudes(self.coefficients), every, self.light)

    def variance(self, light: Array, level: Array) -> Array:
        """Return the variance of voxels with so much light from beads, and this background."""
        light = np.maximum(light, 0)
        spread = self.field.variance(light + level)
        if self.noise != Noise():
            spread *= np.float32(self.noise.scale)
            spread += np.float32(self.noise.gain) * light
            spread += np.float32(self.noise.misfit**2) * light * light
        return spread

    def local_background(self, bead: int, box: Slices, coefficients: Floats | None = None) -> Array:
        """Return the background of a part of the image near a bead, as a plane through it."""
        used = self.background if coefficients is None else coefficients
        offsets = [
            np.arange(part.start, part.stop) - centre
            for part, centre in zip(box, self.centres[bead], strict=True)
        ]
        return _plane(self._local[bead] @ used, offsets)

    def residual(self, bead: int, box: Slices) -> Array:
        """Return what the model leaves of a part of the image near a bead."""
        return self.field.image[box] - self.light[box] - self.local_background(bead, box)

    def solve(
        self, most: int, relative: float, enough: float = 0.0
    ) -> Generator[float, None, Linearised]:
        """Improve PSF and background by conjugate gradients, weights and beads held.

        Parameters
        ----------
        most : int
            Iterations.
        relative : float
            It ends where less than this part of what was gained looks to be left, or nothing.
        enough : float
            Nothing is changed where all that there is to gain looks to be less than this, in nats.

        Yields
        ------
        float
            By how many nats each iteration made the image likelier.

        Returns
        -------
        Linearised
            As it was before.
        """
        state = self.linearise()
        least = LEAST_GAIN * len(state.gradient)
        step = yield from self._descended(state, state.gradient, most, relative, least, enough)
        if not step.any():
            return state
        size = self.basis.size
        self.coefficients = self.coefficients + step[:size]
        self.background = self.background + step[size:]
        # The scale belongs to the amplitudes. It is told by the PSF's middle, as its sum is known
        # only as well as the background.
        self._scale(self.basis.psf_centre(self.coefficients, 0.0) / self._height)
        return state

    def variance_of(self, state: Linearised, functional: Floats) -> float:
        """Return the variance of a linear functional of PSF and background.

        Parameters
        ----------
        state : Linearised
            The present one.
        functional : numpy.ndarray
            Its derivative by the PSF's and the background's coefficients.
        """
        steps = self._descended(state, functional, MOST_STEPS, CONVERGED, 0.0)
        # What the steps gain adds up to half of the functional times the covariance times itself.
        return 2 * sum(steps)

    def _descended(
        self,
        state: Linearised,
        target: Floats,
        most: int,
        relative: float,
        least: float,
        enough: float = 0.0,
    ) -> Generator[float, None, Floats]:
        """Solve for the step whose push on the model is the target, by conjugate gradients."""
        steps = conjugate_gradients(
            lambda vector: self._normal(vector, state.weights),
            state.nearly_inverse,
            target,
            most=most,
            relative=relative,
            least=least,
            enough=enough,
        )
        self._step = np.zeros_like(target)
        for self._step, gain in steps:
            yield gain
        return self._step

    @property
    def total(self) -> float:
        """The PSF's sum over the window.

        Raises
        ------
        InputError
            It is not positive.
        """
        total = self.basis.total(self.coefficients)
        if not total > 0:
            raise InputError(
                "The PSF's halo cannot be told from the background: the beads fill the image. Use "
                "a larger image, fewer beads, or a smaller window."
            )
        return total

    def normalise(self) -> None:
        """Scale the PSF to the sum 1; see `total`."""
        self._scale(self.total)

    def _scale(self, factor: float) -> None:
        self.coefficients = self.coefficients / factor
        self.amplitudes = self.amplitudes * factor
        self._rendered = False

    def linearise(self) -> Linearised:
        """Compute weights, gradient and curvature at the present state."""
        basis = self.basis
        self._observe()
        self.render()
        weights: list[Array] = []
        gradient = np.zeros(basis.size)
        outside = self._outside
        penalty = self.field.background.penalty
        background = outside.matrix + penalty
        downwards = outside.vector - background @ self.background
        residual = np.zeros(basis.window, np.float32)
        density = np.zeros(basis.window, np.float32)
        coupling = np.zeros((math.prod(basis.shapes[0]), len(background)))
        turned = np.zeros((len(basis.waves), basis.columns))
        spread = basis.spread([self._waves[bead] for bead in np.flatnonzero(self.shaping)])
        planes = self._local @ self.background
        for first, beads in self._batches(self.attended):
            pushes = np.zeros((len(beads), *basis.window), np.float32)

            def weigh(
                bead: int, pushes: Array = pushes, first: int = first
            ) -> tuple[Array, float, Floats, Floats | None]:
                box = self.boxes[bead]
                level = _plane(planes[bead], self._offsets[bead])
                off: Array = self.field.image[box] - self.light[box]
                off -= level
                weight = self._weights(box, off, level)
                off *= weight
                pushes[bead - first][self._inside[bead]] = off
                share, shared = self._shares[bead], weight
                if share is not None:
                    shared, off = weight * share, off * share
                plane = self._plane_adjoint(bead, off)
                if not self.used[bead]:
                    return weight, float(shared.sum()), plane, None
                whole = np.zeros(basis.window, np.float32)
                whole[self._inside[bead]] = np.float32(self.amplitudes[bead]) * shared
                return weight, float(shared.sum()), plane, basis.bead_adjoint(whole, 0, spread)

            for bead, (weight, shared, plane, met) in zip(
                beads, in_turn(weigh, beads), strict=True
            ):
                weights.append(weight)
                local = self._local[bead]
                if met is not None:
                    coupling += np.outer(met, local[0])
                background += shared * np.outer(local[0], local[0])
                downwards += local.T @ plane
                if self.used[bead]:
                    inside, amplitude = self._inside[bead], float(self.amplitudes[bead])
                    density[inside] += np.float32(amplitude**2) * weight
                    residual += np.float32(amplitude) * pushes[bead - first]
            turned += self._turned(self.windows.light_adjoint(pushes, first), beads)
        gradient += basis.amplitudes_adjoint(turned)
        precision = []
        for term, prior in enumerate(self.priors):
            matrix = basis.hessian(density, term, spread)
            matrix[np.diag_indices_from(matrix)] += LEAST_PRECISION * np.trace(matrix) / len(matrix)
            if prior is not None:
                matrix += prior
            precision.append(matrix)
        gradient -= self._prior_times(self.coefficients)
        return Linearised(
            np.concatenate([gradient, downwards]),
            weights,
            precision,
            background,
            coupling,
            residual,
            density,
        )

    def expect_alike(self) -> None:
        """Expect of the symmetric part of the PSF the spectrum that it has by now.

        That decides only where the image tells nothing: at frequencies that the optics do not pass
        after all, or that the beads are too large to show.
        """
        axial, lateral = self.basis.alike(self.coefficients, 0)
        precision = np.kron(inverse_of(axial), inverse_of(lateral)) / LOOSER
        self.priors[0] = np.asarray(precision, np.float64)

    def calibrate(self) -> None:
        """Learn from the residuals how large they are, in the dark and in the beads' light."""
        self.render()
        top = max(float(self.light[box].max()) for box in self.boxes)

        def sampled(bead: int) -> tuple[Slices, Array]:
            box = self._inner_box(bead)
            return box, self.local_background(bead, box)

        beads = np.flatnonzero(self.shaping).tolist()
        self.noise = residual_noise(self.field, self.light, top, sampled, beads)

    def _inner_box(self, bead: int) -> Slices:
        """Return the middle of a bead's window, as large as a sample is."""
        window = self.basis.window
        part = min(1.0, (SAMPLE / np.prod(window)) ** (1 / sum(n > 1 for n in window)))
        reach = [max(1, int(part * n / 2)) for n in window]
        return tuple(
            slice(max(whole.start, int(c) - r), min(whole.stop, int(c) + r + 1))
            for whole, c, r in zip(self.boxes[bead], self.nearest[bead], reach, strict=True)
        )

    def _weights(self, box: Slices, off: Array, level: Array) -> Array:
        spread = self.variance(self.light[box], level)
        weight = np.float32(1) / spread
        if np.isfinite(self.field.saturation):
            weight *= self.field.image[box] < self.field.saturation
        # Huber's weights, for what no bead explains.
        far = off * off * weight
        doubted = far > OUTLIER**2
        weight[doubted] *= np.float32(OUTLIER) / np.sqrt(far[doubted])
        return weight

    def _normal(self, vector: Floats, weights: list[Array]) -> Floats:
        """Return the matrix of half of chi squared times a vector."""
        size = self.basis.size
        amplitudes = self.basis.amplitudes(vector[:size])
        # The light of beads that are not used is held, as their windows do not shape the PSF. The
        # trial's light takes the place of the model's.
        self._rendered = False
        self._render(amplitudes, self.shaping, self.light)
        change = vector[size:]
        planes = self._local @ change
        below = (self._outside.matrix + self.field.background.penalty) @ change
        turned = np.zeros((len(self.basis.waves), self.basis.columns))
        for first, beads in self._batches(self.attended):
            pushes = np.zeros((len(beads), *self.basis.window), np.float32)

            def push(bead: int, pushes: Array = pushes, first: int = first) -> Floats:
                box = self.boxes[bead]
                change_here = _plane(planes[bead], self._offsets[bead])
                change_here += self.light[box]
                pushed = pushes[bead - first][self._inside[bead]]
                np.multiply(change_here, weights[bead], out=pushed)
                share = self._shares[bead]
                if share is not None:
                    pushed = np.multiply(pushed, share, out=change_here)
                return self._plane_adjoint(bead, pushed)

            for bead, plane in zip(beads, in_turn(push, beads), strict=True):
                below += self._local[bead].T @ plane
            turned += self._turned(self.windows.light_adjoint(pushes, first), beads)
        result = self._prior_times(vector[:size]) + self.basis.amplitudes_adjoint(turned)
        return np.concatenate([result, below])

    def _prior_times(self, coefficients: Floats) -> Floats:
        parts = self.basis.split(coefficients)
        return np.concatenate(
            [
                np.zeros(part.size) if prior is None else prior @ part.ravel()
                for prior, part in zip(self.priors, parts, strict=True)
            ]
        )

    def _render(self, amplitudes: Floats, lit: NDArray[np.bool_], out: Array) -> None:
        slabs = _slabs(len(out))

        def clear(slab: slice) -> None:
            for box in self.boxes:
                out[_within(box, slab)] = 0

        in_turn(clear, slabs)
        for first, beads in self._batches(len(self.boxes)):
            if not lit[first : first + len(beads)].any():
                continue
            shape = (len(beads), self.basis.window[0], self.basis.columns + BACKGROUND_COLUMNS)
            factors = np.zeros(shape, np.float32)
            for index, bead in enumerate(beads):
                waves = (self.amplitudes[bead] * lit[bead]) * self._waves[bead]
                factors[index, :, :-BACKGROUND_COLUMNS] = waves @ amplitudes
            windows = self.windows.light(factors, first)

            def add(slab: slice, windows: Array = windows, beads: range = beads) -> None:
                for window, bead in zip(windows, beads, strict=True):
                    if lit[bead]:
                        box, inside = self.boxes[bead], self._inside[bead]
                        part = _within(box, slab)
                        skipped = part[0].start - box[0].start
                        rows = slice(inside[0].start + skipped, None)
                        light = window[rows, *inside[1:]]
                        out[part] += light[: max(0, part[0].stop - part[0].start)]

            in_turn(add, slabs)

    def _turned(self, adjoint: Array, beads: range) -> Floats:
        """Return what the adjoint of the used beads' light is by the functions' amplitudes."""
        result = np.zeros((len(self.basis.waves), self.basis.columns))
        for functions, bead in zip(adjoint, beads, strict=True):
            if self.used[bead]:
                waves = float(self.amplitudes[bead]) * self._waves[bead].T
                result += waves @ functions[:, :-BACKGROUND_COLUMNS].astype(np.float64)
        return result

    def _plane_adjoint(self, bead: int, values: Array) -> Floats:
        """Return the sums of values near a bead, and times z, y and x from its centre."""
        in_plane = values.sum(axis=0)
        sums = values.sum(axis=(1, 2)), in_plane.sum(axis=1), in_plane.sum(axis=0)
        moments = [
            float(offsets @ total) for offsets, total in zip(self._offsets[bead], sums, strict=True)
        ]
        return np.array([float(sums[0].sum()), *moments])

    def _batches(self, count: int) -> list[tuple[int, range]]:
        return [(i, range(i, min(i + BATCH, count))) for i in range(0, count, BATCH)]


def inverse_of(covariance: Floats) -> Floats:
    """Invert a prior's covariance, holding what it does not expect all but at 0."""
    values, vectors = linalg.eigh(covariance)
    kept = np.maximum(values, LEAST_EXPECTED * values[-1])
    return np.asarray((vectors / kept) @ vectors.T, np.float64)


def _differ(seen: _Seen, nearest: NDArray[np.intp], levels: Floats) -> bool:
    """Return whether the image outside the windows is to be looked at again."""
    if len(seen.nearest) != len(nearest):
        return True
    moved = (np.abs(seen.nearest - nearest).max(axis=1) > 1).mean()
    return bool(moved > MOVED or np.abs(levels - seen.levels).max() > RAISED)


def _plane(told: Floats, offsets: list[Floats]) -> Array:
    """Return a plane's values: told by the value and the slopes at the origin of the offsets."""
    value, *slopes = told
    z, y, x = (slope * along for slope, along in zip(slopes, offsets, strict=True))
    flat = ((value + y)[:, None] + x).astype(np.float32)
    plane: Array = z.astype(np.float32)[:, None, None] + flat
    return plane


def _slabs(planes: int) -> list[slice]:
    """Return the parts of an image whose voxels threads may write to at the same time."""
    edges = np.linspace(0, planes, min(host_threads(), planes) + 1).astype(int).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _within(box: Slices, slab: slice) -> Slices:
    """Return the part of a box that lies in some of the planes."""
    start = min(max(box[0].start, slab.start), box[0].stop)
    return (slice(start, max(start, min(box[0].stop, slab.stop))), *box[1:])


def _slices(low: NDArray[np.intp], high: NDArray[np.intp]) -> Slices:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
