"""The joint model of a bead image: one PSF, each bead's place and amplitude, and the background."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.compute.windows import BeadWindows
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import order_precision, order_scale
from napari_psf_distiller.joint.basis.spectrum_prior import (
    expected_spectrum,
    prior_precision,
    prior_times,
)
from napari_psf_distiller.joint.image.background import NormalEquations
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.background_coupling import (
    BackgroundCoupling,
    BackgroundOverlap,
)
from napari_psf_distiller.joint.model.conjugate_gradients import conjugate_gradients
from napari_psf_distiller.joint.model.light import BeadLight, batches
from napari_psf_distiller.joint.model.positions import BeadPositions
from napari_psf_distiller.joint.model.residual_noise import (
    OUTLIER_SIGMAS,
    ResidualNoise,
    fit_residual_noise,
)
from napari_psf_distiller.joint.model.surroundings import Surroundings

__all__ = ["FittedUnknowns", "JointModel"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# So many voxels in the middle of every bead's window tell how large the residuals are; where these
# are more than enough, of every second to fourth row.
NOISE_VOXELS_PER_BEAD, NOISE_VOXELS, MAX_ROW_STEP = 20_000, 400_000, 4

# A prior so weak that only what the data do not tell at all follows it.
MIN_RELATIVE_PRECISION = 1e-7

# The PSF may have so many times as much power anywhere as its spectrum by now.
PRIOR_POWER_FACTOR = 10.0

# A variance is found in so many steps at most, to this part of itself.
VARIANCE_MAX_ITERATIONS, VARIANCE_RELATIVE_GAIN = 16, 0.1

# What would make the image likelier by less than this, in nats an unknown, changes nothing: the
# noise alone is worth half of one.
MIN_NATS_PER_UNKNOWN = 0.01


class FittedUnknowns(NamedTuple):
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
    noise: ResidualNoise
    priors: list[Floats | None]


class JointModel:
    """A model of a bead image, and how it is improved.

    Every voxel is the background plus, for each bead, its amplitude times the PSF convolved with
    the bead's ball, at the bead's fractional centre. The unknowns that enter linearly, the PSF's
    coefficients and the background's, are found together by `solve`.

    Parameters
    ----------
    bead_image : BeadImage
    basis : FourierBessel
    windows : BeadWindows
    centres : numpy.ndarray
        (beads, 3), voxels.
    coefficients : numpy.ndarray
        The PSF to start from, with the sum 1 in the window.
    """

    def __init__(
        self,
        bead_image: BeadImage,
        basis: FourierBessel,
        windows: BeadWindows,
        centres: Floats,
        coefficients: Floats,
    ) -> None:
        self.bead_image, self.basis, self.windows = bead_image, basis, windows
        self.coefficients, self.background = coefficients, bead_image.coefficients.copy()
        self.noise = ResidualNoise()
        self._height = basis.value_at_middle(coefficients, 0.0)
        self.priors: list[Floats | None] = [None] * len(basis.terms)
        self.light = np.zeros(bead_image.intensity.shape, np.float32)
        self._surroundings = Surroundings(bead_image)
        self._put(centres, np.ones(len(centres)))
        heights = [
            float(bead_image.intensity[tuple(voxel)]) - level
            for voxel, level in zip(self.nearest, self.background_at_beads, strict=True)
        ]
        peak = float(basis.bead(coefficients).max())
        self.amplitudes = np.maximum(heights, np.sqrt(bead_image.floor)) / peak
        self.used = np.ones(len(centres), bool)
        self.active_count = len(centres)
        # How far the iterations have come that are under way.
        self._step: Floats = np.zeros(0)
        self.invalidate_surroundings()

    @property
    def centres(self) -> Floats:
        """The beads' centres, (beads, 3) in voxels."""
        return self.places.centres

    @property
    def nearest(self) -> NDArray[np.intp]:
        """The voxels nearest to them."""
        return self.places.nearest

    @property
    def boxes(self) -> list[Slices]:
        """The parts of the image that the beads' windows cover."""
        return self.places.boxes

    @property
    def fits_psf(self) -> NDArray[np.bool_]:
        """Which beads shape the PSF: those used among the attended ones."""
        return self.used & (np.arange(len(self.used)) < self.active_count)

    @property
    def background_at_beads(self) -> Floats:
        """The background at the beads' centres."""
        return self.places.background_at_beads(self.background)

    def move(self, centres: Floats, amplitudes: Floats) -> None:
        """Give the beads new centres and amplitudes."""
        before = self.boxes
        self._put(centres, amplitudes)
        # Where windows still are it is written over.
        for box, now in itertools.zip_longest(before, self.boxes[: len(before)]):
            if box != now:
                self.light[box] = 0

    def _put(self, centres: Floats, amplitudes: Floats) -> None:
        self.places = BeadPositions(centres, self.basis, self.bead_image.background)
        self._beads = BeadLight(self.basis, self.windows, self.places)
        self.amplitudes = amplitudes
        self._rendered = False

    @property
    def coefficients_so_far(self) -> Floats:
        """The PSF's coefficients as the iterations under way have improved them."""
        return self.coefficients + self._step[: self.basis.size]

    def fitted(self) -> FittedUnknowns:
        """Return what was learnt, for another model of the same image."""
        return FittedUnknowns(self.coefficients, self.background, self.noise, list(self.priors))

    def resume(self, fitted: FittedUnknowns) -> None:
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
            self._observed = False
            self._surroundings.invalidate()
        self.basis, self.windows, self.priors = basis, windows, priors
        self.coefficients = coefficients
        self.move(self.centres, self.amplitudes)

    def invalidate_surroundings(self) -> None:
        """Have the voxels outside all windows tell of the background, as soon as it is improved."""
        self._observed = False

    def _observe(self) -> None:
        if self._observed:
            return
        self._observed = True
        # How many windows cover a voxel is counted where else the light is: an image's memory less.
        counts = self.light
        self._rendered = False
        self._shares = self._surroundings.shares(self.places, self.active_count, counts)
        matrix, vector = self._surroundings.normal_equations(
            self.places, self.background, counts, self.halo()
        )
        self._outside = NormalEquations(matrix / self.noise.scale, vector / self.noise.scale)

    def halo(self) -> Floats:
        """Return how bright the beads' light is at their windows' sides, in each plane."""
        image = self.basis.bead(self.coefficients)
        sides = (image[:, [0, -1]].mean(axis=(1, 2)) + image[:, :, [0, -1]].mean(axis=(1, 2))) / 2
        planes = np.arange(len(self.light)) - self.nearest[:, :1] + len(sides) // 2
        halo: Floats = self.amplitudes @ sides[np.clip(planes, 0, len(sides) - 1)]
        return halo

    def render(self) -> None:
        """Compute the beads' light in their windows, if it changed."""
        if self._rendered:
            return
        self._rendered = True
        self._beads.render(self.basis.amplitudes(self.coefficients), self.amplitudes, self.light)

    def variance(self, light: Array, level: Array) -> Array:
        """Return the variance of voxels with so much light from beads, and this background."""
        light = np.maximum(light, 0)
        spread = self.bead_image.variance(light + level)
        scale, gain, misfit = (np.float32(value) for value in self.noise)
        if scale != 1:
            spread *= scale
        if misfit:
            spread += (gain + misfit * misfit * light) * light
        elif gain:
            spread += gain * light
        return spread

    def local_background(self, bead: int, box: Slices, coefficients: Floats | None = None) -> Array:
        """Return the background of a part of the image near a bead, as a plane through it."""
        used = self.background if coefficients is None else coefficients
        return self.places.plane(bead, self.places.weighted_residual[bead] @ used, box)

    def weighted_residual(self, bead: int, box: Slices) -> tuple[Array, Array]:
        """Return what a part of the image near a bead tells: what the model leaves, and its weight.

        Voxels that do not count weigh nothing; see `BeadImage.mask_and_censor`.
        """
        level = self.local_background(bead, box)
        off: Array = self.bead_image.intensity[box] - self.light[box] - level
        weight = np.float32(1) / self.variance(self.light[box], level)
        self.bead_image.mask_and_censor(box, off, weight)
        return off, weight * self.bead_image.independent

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
        least = MIN_NATS_PER_UNKNOWN * len(state.gradient)
        step = yield from self._descended(state, state.gradient, most, relative, least, enough)
        if not step.any():
            return state
        size = self.basis.size
        self.coefficients = self.coefficients + step[:size]
        self.background = self.background + step[size:]
        # The scale belongs to the amplitudes. It is told by the PSF's middle, as its sum is known
        # only as well as the background.
        self._scale(self.basis.value_at_middle(self.coefficients, 0.0) / self._height)
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
        steps = self._descended(
            state, functional, VARIANCE_MAX_ITERATIONS, VARIANCE_RELATIVE_GAIN, 0.0
        )
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
            state.preconditioner,
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
        elsewhere = self._outside.matrix + self.bead_image.background.penalty
        downwards = self._outside.vector - elsewhere @ self.background
        residual = np.zeros(basis.window, np.float32)
        density = np.zeros(basis.window, np.float32)
        turned = np.zeros((len(basis.waves), basis.columns))
        places, brightness = self.places, np.where(self.used, self.amplitudes, 0.0)
        shaping = np.flatnonzero(self.fits_psf)
        displaced = basis.displacement_gram([places.waves[bead] for bead in shaping])
        coupling = BackgroundCoupling(basis, places, displaced, elsewhere)
        planes = places.planes(self.background)
        for beads in batches(self.active_count):
            pushes = self._beads.space(beads)

            def weigh(
                bead: int, pushes: Array = pushes, first: int = beads.start
            ) -> tuple[Array, Floats, BackgroundOverlap]:
                box, inside = places.boxes[bead], places.inside[bead]
                level = places.plane(bead, planes[bead])
                off: Array = self.bead_image.intensity[box] - self.light[box]
                off -= level
                weight = self._weights(box, off, level)
                push = pushes[bead - first][inside]
                off = np.multiply(off, weight, out=push)
                share = self._shares[bead]
                if share is not None:
                    off = off * share
                met = coupling.met(bead, weight, share, float(brightness[bead]))
                return weight, places.plane_adjoint(bead, off), met

            for bead, (weight, plane, met) in zip(beads, in_turn(weigh, beads), strict=True):
                weights.append(weight)
                downwards += places.weighted_residual[bead].T @ plane
                coupling.add(bead, met)
                if self.used[bead]:
                    inside, amplitude = places.inside[bead], float(self.amplitudes[bead])
                    density[inside] += np.float32(amplitude**2) * weight
                    residual += np.float32(amplitude) * pushes[bead - beads.start]
            turned += self._beads.adjoint(pushes, brightness, beads)
        gradient = basis.bead_spectrum_adjoint(turned)
        precision = []
        for term, prior in enumerate(self.priors):
            matrix = basis.hessian(density, term, displaced)
            matrix[np.diag_indices_from(matrix)] += (
                MIN_RELATIVE_PRECISION * np.trace(matrix) / len(matrix)
            )
            if prior is not None:
                matrix += np.diag(prior) if prior.ndim == 1 else prior
            precision.append(matrix)
        gradient -= prior_times(self.priors, basis.split(self.coefficients))
        return Linearised(
            np.concatenate([gradient, downwards]),
            weights,
            precision,
            coupling.precision,
            coupling.coupling,
            coupling.schur_term,
            residual,
            density,
        )

    def update_spectrum_prior(self) -> None:
        """Expect of the PSF the spectrum that it has by now.

        Of the symmetric part that decides only where the image tells nothing: at frequencies that
        the optics do not pass after all, or that the beads are too large to show. Of what turns it
        is what keeps the noise out.
        """
        covariance = self.basis.covariance(expected_spectrum(self.basis, self.coefficients), 0)
        self.priors[0] = prior_precision(PRIOR_POWER_FACTOR * covariance)

    def update_order_priors(self, state: Linearised) -> None:
        """Learn how strong each order that turns is, from its fit."""
        parts = self.basis.split(self.coefficients)
        for order in self.basis.orders:
            if order == 0:
                continue
            terms = [n for n, (turns, _) in enumerate(self.basis.terms) if turns == order]
            expected = [self.basis.prior_variances_of(term) for term in terms]
            odd = [self.basis.odd(term) for term in terms]
            scale = order_scale(
                expected, [parts[n] for n in terms], [state.precision[n] for n in terms], odd
            )
            for term, variances, is_odd in zip(terms, expected, odd, strict=True):
                self.priors[term] = order_precision(variances, is_odd, scale)

    def update_noise(self) -> None:
        """Learn from the residuals how large they are, in the dark and in the beads' light."""
        self.render()
        top = max(float(self.light[box].max()) for box in self.boxes)
        # The middle of a window, as large as a sample is.
        window = self.basis.window
        part = min(
            1.0, (NOISE_VOXELS_PER_BEAD / np.prod(window)) ** (1 / sum(n > 1 for n in window))
        )
        reach = [max(1, int(part * n / 2)) for n in window]
        beads = np.flatnonzero(self.fits_psf).tolist()
        thin = min(
            MAX_ROW_STEP,
            -(-len(beads) * min(NOISE_VOXELS_PER_BEAD, math.prod(window)) // NOISE_VOXELS),
        )

        def sampled(bead: int) -> tuple[Slices, Array]:
            z, y, x = self.places.middle(bead, reach)
            # The bead's own row is among them.
            rows = slice(y.start + (int(self.nearest[bead, 1]) - y.start) % thin, y.stop, thin)
            return (z, rows, x), self.local_background(bead, (z, rows, x))

        self.noise = fit_residual_noise(self.bead_image, self.light, top, sampled, beads)

    def _weights(self, box: Slices, off: Array, level: Array) -> Array:
        spread = self.variance(self.light[box], level)
        weight = np.float32(1) / spread
        self.bead_image.mask_and_censor(box, off, weight)
        # Huber's weights, for what no bead explains.
        far = off * off * weight
        doubted = far > OUTLIER_SIGMAS**2
        weight[doubted] *= np.float32(OUTLIER_SIGMAS) / np.sqrt(far[doubted])
        weight *= self.bead_image.independent
        return weight

    def _normal(self, vector: Floats, weights: list[Array]) -> Floats:
        """Return the matrix of half of chi squared times a vector."""
        basis, places, size = self.basis, self.places, self.basis.size
        # The light of beads that are not used is held, as their windows do not shape the PSF. The
        # trial's light takes the place of the model's.
        self._rendered = False
        shaping = np.where(self.fits_psf, self.amplitudes, 0.0)
        self._beads.render(basis.amplitudes(vector[:size]), shaping, self.light)
        change = vector[size:]
        planes = places.planes(change)
        below = (self._outside.matrix + self.bead_image.background.penalty) @ change
        turned = np.zeros((len(basis.waves), basis.columns))
        for beads in batches(self.active_count):
            pushes = self._beads.space(beads)

            def push(bead: int, pushes: Array = pushes, first: int = beads.start) -> Floats:
                change_here = places.plane(bead, planes[bead])
                change_here += self.light[places.boxes[bead]]
                pushed = pushes[bead - first][places.inside[bead]]
                np.multiply(change_here, weights[bead], out=pushed)
                share = self._shares[bead]
                if share is not None:
                    pushed = np.multiply(pushed, share, out=change_here)
                return places.plane_adjoint(bead, pushed)

            for bead, plane in zip(beads, in_turn(push, beads), strict=True):
                below += places.weighted_residual[bead].T @ plane
            turned += self._beads.adjoint(pushes, shaping, beads)
        result = prior_times(self.priors, basis.split(vector[:size]))
        result += basis.bead_spectrum_adjoint(turned)
        return np.concatenate([result, below])
