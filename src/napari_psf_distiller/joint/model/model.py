"""The joint model of a bead image: the PSF, the beads' centres and amplitudes, the background."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.windows import BeadWindows
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.basis.field_evidence import BeadGradients
from napari_psf_distiller.joint.basis.field_priors import (
    FieldScales,
    field_priors,
    field_scales,
    symmetric_precision,
)
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import order_priors
from napari_psf_distiller.joint.basis.spectrum_prior import spectrum_prior
from napari_psf_distiller.joint.basis.theory_spectrum import SpectrumLimit
from napari_psf_distiller.joint.image.background import NormalEquations
from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.joint.model.curvature import Curvature
from napari_psf_distiller.joint.model.far_light import (
    FAR_LIGHT_ERROR,
    FarLight,
    light_of_plane,
    profile_of,
)
from napari_psf_distiller.joint.model.field_model import (
    ConstantField,
    FieldModel,
    PolynomialField,
)
from napari_psf_distiller.joint.model.light import BeadLight
from napari_psf_distiller.joint.model.linear_unknowns import LinearUnknowns
from napari_psf_distiller.joint.model.positions import BeadPositions
from napari_psf_distiller.joint.model.residual_noise import ResidualNoise, fit_residual_noise
from napari_psf_distiller.joint.model.surroundings import Surroundings
from napari_psf_distiller.recipe import Optics

__all__ = ["FittedUnknowns", "JointModel"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Slices = tuple[slice, ...]

# Voxels in the middle of each bead's window that tell how large the residuals are; and of all beads
# together: where there are more, only every second to fourth row is looked at.
NOISE_VOXELS_PER_BEAD, NOISE_VOXELS, MAX_ROW_STEP = 20_000, 400_000, 4

# With fewer beads that shape the PSF there is hardly any light of one in another's window, and how
# bright its planes are is too uncertain.
MIN_FAR_LIGHT_BEADS = 3


class FittedUnknowns(NamedTuple):
    """What a model has learnt of an image, but for its beads.

    Attributes
    ----------
    parameters : numpy.ndarray
        (modes, coefficients): of the PSF; see `FieldModel`.
    background : numpy.ndarray
        The background's coefficients.
    noise : ResidualNoise
    priors : list of (numpy.ndarray or None)
        The prior precision of the coefficients of each of the basis's terms.
    field_model : FieldModel
        How the PSF depends on the place.
    variation_priors : list of list of (numpy.ndarray or None)
        `priors` of each of the field model's modes but the first.
    field_scales : mapping
        How strong changes over the field are; see `JointModel.field_scales`.
    mean_weights : numpy.ndarray
        (modes,): the modes' means over the beads.
    """

    parameters: Floats
    background: Floats
    noise: ResidualNoise
    priors: list[Floats | None]
    field_model: FieldModel
    variation_priors: list[list[Floats | None]]
    field_scales: FieldScales
    mean_weights: Floats

    @property
    def coefficients(self) -> Floats:
        """The PSF's coefficients; of one that depends on the place, their mean over the beads."""
        coefficients: Floats = self.mean_weights @ self.parameters
        return coefficients


class JointModel(LinearUnknowns):
    """A model of a bead image, and how it is improved.

    Every voxel is the background plus, for each bead, its amplitude times the PSF at its place
    convolved with the bead's ball, at the bead's sub-voxel centre. The unknowns that enter
    linearly, the PSF's parameters and the background's coefficients, are found together by `solve`;
    of several images with one PSF by that of a `StackedModel`.

    Parameters
    ----------
    bead_image : BeadImage
    basis : FourierBessel
    windows : BeadWindows
    centres : numpy.ndarray
        (beads, 3), voxels.
    coefficients : numpy.ndarray
        The PSF to start from, with the sum 1 in the window: (coefficients,), or
        (modes, coefficients) for a field model of several modes.
    field_model : FieldModel, optional
        How the PSF depends on the place; without one it is the same everywhere.

    Attributes
    ----------
    amplitudes : numpy.ndarray
        (beads,): all light of each bead, in the image's unit, if the PSF has the sum 1.
    background : numpy.ndarray
        The background's coefficients.
    noise : ResidualNoise
    priors : list of (numpy.ndarray or None)
        The prior precision of the coefficients of each of the basis's terms, of the field model's
        first mode; None expects nothing.
    variation_priors : list of list of (numpy.ndarray or None)
        The same of each of its other modes.
    field_scales : mapping
        How strong the PSF's changes over the field are, of a `PolynomialField`; see
        `field_evidence`.
    spectrum_limit : callable or None
        The power that a PSF of the sum 1 is expected to have at most, in a basis.
    far_light_optics : Optics or None
        The widefield microscope by whose theory the PSF goes on beyond the windows; where its
        figures are missing, it is the one that the PSF looks like. None leaves that light to the
        background.
    used : numpy.ndarray
        bool, (beads,): those that may shape the PSF.
    active_count : int
        The first this many beads take part in `solve`; the others' light is modelled, and held.
    """

    def __init__(
        self,
        bead_image: BeadImage,
        basis: FourierBessel,
        windows: BeadWindows,
        centres: Floats,
        coefficients: Floats,
        field_model: FieldModel | None = None,
    ) -> None:
        super().__init__()
        self.bead_image, self.basis, self.windows = bead_image, basis, windows
        self.field_model = ConstantField() if field_model is None else field_model
        self.background = bead_image.coefficients.copy()
        self.noise = ResidualNoise()
        self.priors: list[Floats | None] = [None] * len(basis.terms)
        self.variation_priors: list[list[Floats | None]] = [
            [None] * len(basis.terms) for _ in range(self.field_model.modes - 1)
        ]
        self.field_scales: FieldScales = {}
        self.spectrum_limit: SpectrumLimit | None = None
        self.far_light_optics: Optics | None = None
        self._far_light: FarLight | None = None
        # Voxels of the image's size that are computed into: see `light` and `_borrowed_buffer`.
        self._buffer = np.zeros(bead_image.intensity.shape, np.float32)
        self._buffer_holds_light = False
        self._surroundings = Surroundings(bead_image)
        self._surroundings_known = False
        self._shares: list[Array | None] = []
        self._outside: NormalEquations | None = None
        self._parameters = np.atleast_2d(np.asarray(coefficients, np.float64))
        self._place(centres, np.ones(len(centres)))
        self._height = basis.value_at_middle(self.coefficients, 0.0)
        heights = [
            float(bead_image.intensity[tuple(voxel)]) - level
            for voxel, level in zip(self.nearest, self.background_at_beads, strict=True)
        ]
        peak = float(basis.bead(self.coefficients).max())
        self.amplitudes = np.maximum(heights, np.sqrt(bead_image.floor)) / peak
        self.used = np.ones(len(centres), bool)
        self.active_count = len(centres)

    # The PSF.

    @property
    def parameters(self) -> Floats:
        """The PSF's vectors of parameters, (modes, coefficients); see `FieldModel`."""
        return self._parameters

    @parameters.setter
    def parameters(self, parameters: Floats) -> None:
        self._parameters = parameters
        self._buffer_holds_light = False

    @property
    def coefficients(self) -> Floats:
        """The PSF's coefficients; of one that depends on the place, their mean over the beads."""
        return self._mean_psf(self._parameters)

    @coefficients.setter
    def coefficients(self, coefficients: Floats) -> None:
        if self.field_model.modes != 1:
            raise ValueError("A PSF that depends on the place has parameters: set these.")
        self.parameters = np.asarray(coefficients, np.float64)[None]

    @property
    def coefficients_so_far(self) -> Floats:
        """`coefficients`, as the iterations under way have improved them."""
        return self.coefficients_after(self._step)

    def coefficients_after(self, step: Floats) -> Floats:
        """Return `coefficients` as a step of the unknowns makes them; an empty one changes none."""
        if not len(step):
            return self.coefficients
        return self._mean_psf(self._parameters + self._change_of_parameters(step))

    def _change_of_parameters(self, step: Floats) -> Floats:
        """Return by how much a step of the unknowns changes the parameters."""
        turned = step[: self._parameters.size].reshape(self._parameters.shape)
        return self.field_model.turned_back(turned, self.basis)

    def _mean_psf(self, parameters: Floats) -> Floats:
        mean: Floats = self.positions.field_weights.mean(axis=0) @ parameters
        return mean

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
        """Scale the PSF to the sum 1, and the amplitudes by the inverse; see `total`."""
        self.divide_psf_by(self.total)

    def divide_psf_by(self, factor: float) -> None:
        """Scale the PSF, and the amplitudes by the inverse."""
        self.parameters = self._parameters / factor
        self.amplitudes = self.amplitudes * factor

    def change_basis(
        self,
        basis: FourierBessel,
        windows: BeadWindows,
        parameters: Floats,
        priors: list[Floats | None],
        field_model: FieldModel | None = None,
        variation_priors: Sequence[list[Floats | None]] = (),
    ) -> None:
        """Let the PSF be a sum of other functions, with these parameters and priors.

        Parameters
        ----------
        basis : FourierBessel
        windows : BeadWindows
        parameters : numpy.ndarray
            (coefficients,), or (modes, coefficients) for a field model of several modes.
        priors : list of (numpy.ndarray or None)
        field_model : FieldModel, optional
            Without one the PSF is the same everywhere.
        variation_priors : sequence of list of (numpy.ndarray or None)
        """
        if basis.window != self.basis.window:
            self.invalidate_surroundings()
            self._surroundings.invalidate()
        self.basis, self.windows, self.priors = basis, windows, priors
        self.field_model = ConstantField() if field_model is None else field_model
        self.variation_priors = [list(of_mode) for of_mode in variation_priors]
        self.parameters = np.atleast_2d(parameters)
        self.move(self.centres, self.amplitudes)

    def fitted(self) -> FittedUnknowns:
        """Return what was learnt, for another model of the same image."""
        return FittedUnknowns(
            self._parameters,
            self.background,
            self.noise,
            list(self.priors),
            self.field_model,
            [list(of_mode) for of_mode in self.variation_priors],
            self.field_scales,
            self.positions.field_weights.mean(axis=0),
        )

    def resume(self, fitted: FittedUnknowns) -> None:
        """Take over what another model of the same image, with the same basis, has learnt."""
        self.change_basis(
            self.basis,
            self.windows,
            fitted.parameters,
            list(fitted.priors),
            fitted.field_model,
            fitted.variation_priors,
        )
        self.background, self.noise = fitted.background, fitted.noise
        self.field_scales = fitted.field_scales

    # The beads.

    @property
    def centres(self) -> Floats:
        """The beads' centres, (beads, 3) in voxels."""
        return self.positions.centres

    @property
    def nearest(self) -> NDArray[np.intp]:
        """The voxels nearest to the beads' centres, (beads, 3)."""
        return self.positions.nearest

    @property
    def boxes(self) -> list[Slices]:
        """The parts of the image that the beads' windows cover."""
        return self.positions.boxes

    @property
    def fits_psf(self) -> NDArray[np.bool_]:
        """Which beads the PSF is fitted to, (beads,): those used among the active ones."""
        return self.used & (np.arange(len(self.used)) < self.active_count)

    @property
    def centres_used(self) -> Floats:
        """The used beads' centres, (beads, 3) in voxels."""
        return self.centres[self.used]

    @property
    def beads_used(self) -> int:
        """The number of beads that shape the PSF."""
        return int(self.fits_psf.sum())

    @property
    def bead_count(self) -> int:
        """The number of beads, used or not."""
        return len(self.used)

    def move(self, centres: Floats, amplitudes: Floats) -> None:
        """Give the beads new centres, (beads, 3) in voxels, and amplitudes, (beads,)."""
        before = self.boxes
        self._place(centres, amplitudes)
        # Where windows still are it is written over.
        for box, now in itertools.zip_longest(before, self.boxes[: len(before)]):
            if box != now:
                self._buffer[box] = 0

    def _place(self, centres: Floats, amplitudes: Floats) -> None:
        self.positions = BeadPositions(
            centres, self.basis, self.bead_image.background, self.field_model
        )
        self._bead_light = BeadLight(self.basis, self.windows, self.positions)
        self.amplitudes = amplitudes
        self._buffer_holds_light = False

    # The image.

    @property
    def light(self) -> Array:
        """The beads' light, float32, of the image's shape.

        It is computed when it is asked for after the model changed. The array is the model's own:
        it holds the light until the model is changed or solved, and must not be written to.
        """
        if not self._buffer_holds_light:
            self._bead_light.render(self._parameters, self.amplitudes, self._buffer)
            self._buffer_holds_light = True
        return self._buffer

    def _borrowed_buffer(self) -> Array:
        """Return the array that `light` is in, for something else: an image's memory less.

        Outside the beads' windows it is 0. The light is computed anew when it is next asked for.
        """
        self._buffer_holds_light = False
        return self._buffer

    def residual_image(self) -> Array:
        """Return the image less the model, float32, in the memory where the light was.

        The model cannot be used any more. What was never measured is 0; where the image was cut
        off at a lowest value, it is compared with the mean of what the model makes of it then.
        """
        residual, bead_image = self.light, self.bead_image
        self._buffer_holds_light = False
        for z in range(len(residual)):
            residual[z] += bead_image.background.plane(self.background, z)
            if self._far_light is not None:
                residual[z] += np.float32(self._far_light.scale) * self._far_light.of_plane(z)
            np.subtract(
                bead_image.intensity[z], bead_image.censored_mean(residual[z]), out=residual[z]
            )
        if bead_image.history.blank is not None:
            residual[bead_image.history.blank] = 0
        return residual

    @property
    def background_at_beads(self) -> Floats:
        """The background at the beads' centres, (beads,)."""
        return self.positions.background_at_centres(self.background)

    def local_background(self, bead: int, box: Slices) -> Array:
        """Return the background of a part of a bead's window, as a plane through it.

        What other beads have there beyond their windows is added.
        """
        plane = self.positions.background_design[bead] @ self.background
        level = self.positions.plane(bead, plane, box)
        if self._far_light is not None:
            level += self._far_light.about_bead(bead, box)
        return level

    def halo(self) -> Floats:
        """Return how bright the beads' light is at their windows' sides, in each plane: (Z,)."""
        image = self.basis.bead(self.coefficients)
        sides = (image[:, [0, -1]].mean(axis=(1, 2)) + image[:, :, [0, -1]].mean(axis=(1, 2))) / 2
        planes = np.arange(len(self._buffer)) - self.nearest[:, :1] + len(sides) // 2
        halo: Floats = self.amplitudes @ sides[np.clip(planes, 0, len(sides) - 1)]
        return halo

    @property
    def far_light_error(self) -> float:
        """Which part of the beads' light beyond their windows is not known, 1 being all of it."""
        return 1.0 if self._far_light is None else FAR_LIGHT_ERROR

    def update_far_light(self) -> None:
        """Learn from the fit so far what light the beads have beyond their windows."""
        if self.far_light_optics is None:
            return
        psf = self.basis.on_voxels.psf(self.coefficients)
        profile = None
        if self.beads_used >= MIN_FAR_LIGHT_BEADS:
            profile = profile_of(psf, self.bead_image, self.far_light_optics)
        if profile is None:
            if self._far_light is not None:
                self._set_far_light(None)
            return
        light = self.amplitudes * max(0.0, light_of_plane(psf, profile))
        before = self._far_light
        if before is not None and before.is_about(profile, self.positions, light):
            return
        scale = 1.0 if before is None else before.scale
        shape = self.bead_image.intensity.shape
        self._set_far_light(FarLight(profile, self.positions, light, shape, scale))

    def _set_far_light(self, far_light: FarLight | None) -> None:
        self._far_light = far_light
        self.invalidate_surroundings()
        self._surroundings.invalidate()

    def variance(self, light: Array, background: Array) -> Array:
        """Return the expected variance of voxels by the beads' light in them, and the background.

        Parameters
        ----------
        light, background : numpy.ndarray
            float32, of one shape.
        """
        light = np.maximum(light, 0)
        variance = self.bead_image.variance(light + background)
        scale, gain, misfit = (np.float32(value) for value in self.noise)
        if scale != 1:
            variance *= scale
        if misfit:
            variance += (gain + misfit * misfit * light) * light
        elif gain:
            variance += gain * light
        return variance

    def weighted_residual(self, bead: int, box: Slices) -> tuple[Array, Array]:
        """Return what the model leaves of a part of the image near a bead, and the voxels' weights.

        Voxels that do not count weigh nothing; see `BeadImage.mask_and_censor`.
        """
        level = self.local_background(bead, box)
        residual: Array = self.bead_image.intensity[box] - self.light[box] - level
        weight = np.float32(1) / self.variance(self.light[box], level)
        self.bead_image.mask_and_censor(box, residual, weight)
        return residual, weight * self.bead_image.independent_fraction

    # What is learnt.

    def linearise(self) -> Linearised:
        """Compute weights, gradient and (about) the curvature at the present state."""
        return self._curvature().linearise(
            self.light, self._parameters, self.background, self.variance
        )

    def bead_gradients(self, basis: FourierBessel) -> BeadGradients:
        """Return what the model leaves of each bead that shapes the PSF.

        Parameters
        ----------
        basis : FourierBessel
            The gradients are by its coefficients; it has the window and the grid of the model's.
        """
        return self._curvature().bead_gradients(
            self.light, self.background, self.variance, basis, self.basis.psf(self.coefficients)
        )

    def curvature_times(self, weights: Sequence[Array]) -> Callable[[Floats], Floats]:
        """Return a function that multiplies a vector by the curvature; see `Curvature.times`."""
        curvature = self._curvature()
        return lambda vector: curvature.times(vector, weights, self._borrowed_buffer())

    def add_step(self, step: Floats) -> None:
        """Change PSF and background by a step of the unknowns."""
        size = self._parameters.size
        self.parameters = self._parameters + self._change_of_parameters(step)
        self.background = self.background + step[size:]

    @property
    def excess_height(self) -> float:
        """How many times as high as at the beginning the PSF is in its middle."""
        return self.basis.value_at_middle(self.coefficients, 0.0) / self._height

    def _curvature(self) -> Curvature:
        self._look_around()
        assert self._outside is not None
        return Curvature(
            self.bead_image,
            self.basis,
            self.positions,
            self.field_model,
            self._bead_light,
            self._outside,
            self._shares,
            self._far_light,
            [self.priors, *self.variation_priors],
            self.amplitudes,
            self.used,
        )

    def invalidate_surroundings(self) -> None:
        """Have what lies outside all windows looked at again, before PSF and background are solved.

        It tells of the background; where windows moved or beads joined it is another part.
        """
        self._surroundings_known = False

    def _look_around(self) -> None:
        """Look at the voxels outside all windows, and at those that windows share, if need be."""
        if self._surroundings_known:
            return
        self._surroundings_known = True
        halo = self.halo()
        counts = self._borrowed_buffer()
        self._shares = self._surroundings.shares(self.positions, self.active_count, counts)
        (matrix, vector), self._far_light = self._surroundings.fit(
            self.positions, self.background, counts, halo, self._far_light
        )
        self._outside = NormalEquations(matrix / self.noise.scale, vector / self.noise.scale)

    def update_spectrum_prior(self) -> None:
        """Expect of the PSF's symmetric part the spectrum that the PSF has by now.

        It decides only where the image tells nothing: at frequencies that the optics do not pass
        after all, or that the beads are too large to show. It has no more than its limit.
        """
        limit = None if self.spectrum_limit is None else self.spectrum_limit(self.basis)
        self.priors[0] = spectrum_prior(self.basis, self.coefficients, limit)

    def update_order_priors(self, state: Linearised) -> None:
        """Learn from the fit how strong each angular order beyond 0 is; see `order_priors`."""
        self.priors[1:] = order_priors(self.basis, self.coefficients, state.precision)

    def update_variation_priors(self, state: Linearised) -> None:
        """Learn from the fit how strong changes over the field are; see `field_scales`."""
        if not isinstance(self.field_model, PolynomialField):
            return
        patterns = self.field_model.patterns[1:]
        symmetric = symmetric_precision(self.basis, self.basis.envelope(self.coefficients))
        turned = self.field_model.turned(self._parameters, self.basis)
        self.field_scales = field_scales(
            self.basis,
            symmetric,
            patterns,
            self.field_scales.keys(),
            turned[1:],
            state.precisions[1:],
        )
        self.variation_priors = field_priors(
            self.basis, symmetric, patterns, self.field_scales, self.basis.total(self.coefficients)
        )

    def update_noise(self) -> None:
        """Learn from the residuals how large they are, in the dark and in the beads' light."""
        light = self.light
        top = max(float(light[box].max()) for box in self.boxes)
        # The middle of a window, as large as a sample is.
        window = self.basis.window
        axes = sum(n > 1 for n in window)
        part = min(1.0, (NOISE_VOXELS_PER_BEAD / np.prod(window)) ** (1 / axes))
        reach = [max(1, int(part * n / 2)) for n in window]
        beads = np.flatnonzero(self.fits_psf).tolist()
        voxels = len(beads) * min(NOISE_VOXELS_PER_BEAD, math.prod(window))
        every = min(MAX_ROW_STEP, -(-voxels // NOISE_VOXELS))

        def sampled(bead: int) -> tuple[Slices, Array]:
            z, y, x = self.positions.inner_box(bead, reach)
            # The bead's own row is among them.
            rows = slice(y.start + (int(self.nearest[bead, 1]) - y.start) % every, y.stop, every)
            return (z, rows, x), self.local_background(bead, (z, rows, x))

        self.noise = fit_residual_noise(self.bead_image, light, top, sampled, beads)
