"""Richardson-Lucy deconvolution, plain and accelerated, on any engine.

The plain one follows clij2-fft (B. Northan): the padding, the start and the normalisation are its
own, so that the results are too, but where `Model.compatibility` says.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.compute.engine import (
    Array,
    Compatibility,
    Engine,
    HeldOut,
    Likelihoods,
    Problem,
    ProblemSize,
    Solver,
)
from napari_psf_distiller.compute.grid import Boundary, Frame, frame_of, grid_of, padded_image
from napari_psf_distiller.compute.sampling import extent
from napari_psf_distiller.compute.total_variation import CLIJ_SPACING
from napari_psf_distiller.errors import DeviceError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = [
    "METHODS",
    "STARTS",
    "Method",
    "Model",
    "Start",
    "flat_start",
    "iterate",
    "problem_of",
    "richardson_lucy",
    "size_of",
]

T = TypeVar("T", bound=np.generic)

Start = Literal["image", "flat"]
STARTS: tuple[str, ...] = get_args(Start)
Method = Literal["plain", "accelerated"]
METHODS: tuple[str, ...] = get_args(Method)

# An iteration with the likelihood costs one pass more; one in ten is enough for a curve.
LIKELIHOOD_EVERY = 10

# The nu-method's parameter: less is faster at first, and overshoots on some images.
NU = 0.75

# An accelerated step that makes the divergence larger than the least so far by more than this part
# is undone. Plain steps lose as much to rounding where little of a voxel's light is seen; and where
# the model is the image, to rounding of the image's own terms.
TOLERANCE = 0.01
ROUNDING = 1e-7


@dataclass(frozen=True)
class Model:
    """What is assumed of the image, and how it is fitted.

    Attributes
    ----------
    boundary : {"circulant", "noncirculant"}
        What lies beyond the image: its other side, or anything (unknown light).
    method : {"plain", "accelerated"}
        See `richardson_lucy`.
    start : {"image", "flat"}, float or None
        The first estimate: the padded image, or its mean everywhere; a number is that everywhere,
        so that a part of an image begins as the whole does, see `flat_start`. None is clij2-fft's:
        "image" for circulant, "flat" for non-circulant; on a grid of finer voxels, which would show
        the image's own as blocks, it is "flat".
    total_variation : float
        Weight of the total variation; 0 is none.
    spacing : tuple of float or None
        Of voxels along the image's axes, in units of the finest, for the total variation; None is
        the same along each.
    compatibility : {"clij2-fft"} or None
        "clij2-fft" gives its own results where they differ: its total variation (see
        `total_variation_factor`), and a PSF of even size that displaces the result by one voxel
        where the grid is odd (see `centre_of`).
    background : numpy.ndarray or float
        Light in the image that is no object's, in its intensity units; float32 of the image's
        shape, or a number.
    mask : numpy.ndarray or None
        bool, of the image's shape: the voxels that count.
    finer : tuple of int or None
        How many voxels of the estimate, and of the PSF, one of the image has along each of its
        axes; None is 1. See `compute.sampling`.
    """

    boundary: Boundary = "noncirculant"
    method: Method = "plain"
    start: Start | float | None = None
    total_variation: float = 0.0
    spacing: tuple[float, ...] | None = None
    compatibility: Compatibility | None = None
    background: Array | float = 0.0
    mask: NDArray[np.bool_] | None = None
    finer: tuple[int, ...] | None = None

    @property
    def first(self) -> Start | float:
        """The first estimate where `start` leaves it open."""
        if self.start is not None:
            return self.start
        return "image" if self.boundary == "circulant" and not self.is_finer else "flat"

    @property
    def is_finer(self) -> bool:
        """Whether the estimate's voxels are finer than the image's."""
        return self.finer is not None and max(self.finer) > 1

    def factors(self, ndim: int) -> tuple[int, ...]:
        """Return how many voxels of the result one of the image has along each axis."""
        return self.finer or (1,) * ndim

    def result_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what is made of an image."""
        return extent(image_shape, self.factors(len(image_shape)))

    def result_box(self, box: Box) -> Box:
        """Return where a part of an image lies in the result."""
        factors = self.factors(len(box))
        return tuple(slice(s.start * f, s.stop * f) for s, f in zip(box, factors, strict=True))

    def psf_reach(self, psf_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return over how many voxels of the image a PSF reaches along each axis."""
        factors = self.factors(len(psf_shape))
        return tuple(-(-m // f) for m, f in zip(psf_shape, factors, strict=True))


def richardson_lucy(
    image: Array,
    psf: Array,
    iterations: int,
    model: Model,
    engine: Engine,
    step: StepId = StepId.DECONVOLVE,
    preview_every: int = 0,
    frame: Frame | None = None,
) -> Steps[Array]:
    """Deconvolve an image by Richardson-Lucy iterations, as a generator of progress.

    Parameters
    ----------
    image, psf : numpy.ndarray
        float32, both (Z, Y, X) or (Y, X); any sizes. The PSF has the voxels of the result, and its
        centre at n // 2; its scale does not matter.
    iterations : int
    model : Model
    engine : Engine
        See `open_engine`.
    step : str
        The name in the progress.
    preview_every : int
        The progress of every so many iterations carries the present estimate; 0 is never.
    frame : Frame, optional
        How a part of an image lies on its grid; a whole one lies there as the model's boundary has
        it.

    Yields
    ------
    Progress
        After each iteration, with the log-likelihood at the first of every ten and at the last;
        of an accelerated one always.

    Returns
    -------
    numpy.ndarray
        float32, not negative, of the image's shape, times `Model.finer`.

    Raises
    ------
    DeviceError
        The device has too little memory, fails, or gives NaN.

    Notes
    -----
    A plain iteration multiplies the estimate by the correlation of the PSF with the quotient of the
    image and its model (W. H. Richardson 1972, https://doi.org/10.1364/JOSA.62.000055; L. B. Lucy
    1974, https://doi.org/10.1086/111605). An accelerated one goes further: the logarithm of that
    factor is enlarged, and part of the last one's is added, with the coefficients of the nu-method
    (M. Hanke, Numer. Math. 60 (1991) 341-373), so that 20 iterations get as far as 200 plain ones.
    The estimate stays positive. A step that makes the image clearly less likely is undone, and a
    plain one taken in its place; so is the last step always. A preview is of the point between two
    steps, which lies a little beyond the estimate.

    Where the estimate's voxels are finer, the image's model is what its own voxels see of the
    estimate's convolution with the PSF (`compute.sampling`), and the factor is the correlation of
    the PSF with the quotient, each voxel of it put back to where it was seen, divided by how much
    of a voxel's light is seen. A plane between the image's is not seen by itself: the PSF's sum is
    taken as the number of planes that one of the image stands for, so that all light is kept.
    """
    problem = problem_of(image, psf, model, engine, frame=frame)
    running = iterate(problem, engine, iterations, model.method)
    try:
        for iteration, likelihoods, solver in running:
            show = preview_every > 0 and iteration % preview_every == 0
            preview = _estimate(solver, engine, image.ndim) if show else None
            found = likelihoods.image if likelihoods is not None else None
            yield Progress(step, iteration, iterations, found, preview)
            if iteration == iterations:
                return _estimate(solver, engine, image.ndim)
        raise AssertionError("there is at least one iteration")
    finally:
        running.close()


def flat_start(image: Array, model: Model) -> Model:
    """Return a model of which parts of an image begin as the whole one does.

    Parameters
    ----------
    image : numpy.ndarray
        The whole one.
    model : Model
        One that begins with the image stays as it is.
    """
    if model.first != "flat":
        return model
    level = _mean_light(image, model.background, model.mask)
    return dataclasses.replace(model, start=level / math.prod(model.factors(image.ndim)))


def iterate(
    problem: Problem, engine: Engine, iterations: int, method: Method
) -> Generator[tuple[int, Likelihoods | None, Solver], None, None]:
    """Do Richardson-Lucy iterations; yield their number, the likelihoods before it, the solver.

    Raises
    ------
    DeviceError
        See `richardson_lucy`.
    """
    solver = engine.solver(problem)
    accelerated = method == "accelerated"
    age, least = 0, np.inf
    try:
        for iteration in range(1, iterations + 1):
            wanted = (
                accelerated
                or problem.held_out is not None
                or iteration % LIKELIHOOD_EVERY == 1
                or iteration == iterations
            )
            found = solver.project(wanted)
            if found is not None and not np.isfinite(found.image):
                raise _not_finite(engine)
            relaxation = momentum = 0.0
            if accelerated and found is not None:
                slack = TOLERANCE * least + ROUNDING * abs(found.image - found.divergence)
                if age > 0 and found.divergence > least + slack:
                    # The momentum has carried the point too far. A plain step from the one before
                    # cannot.
                    solver.back()
                    found = solver.project(wanted)
                    age = 0
                else:
                    age += 1
                    relaxation, momentum = _nu_method(age)
                least = min(least, found.divergence) if found is not None else least
            if iteration == iterations:
                relaxation = momentum = 0.0
            solver.update(relaxation, momentum)
            yield iteration, found, solver
    finally:
        solver.close()


def problem_of(
    image: Array,
    psf: Array,
    model: Model,
    engine: Engine,
    held_out: HeldOut | None = None,
    frame: Frame | None = None,
) -> Problem:
    """Return the problem on its grid; see `grid_of`.

    Parameters
    ----------
    image, psf, model, engine, frame
        See `richardson_lucy`.
    held_out : HeldOut, optional
        Its image of the image's shape.
    """
    shape, of_part = image.shape, frame is not None
    if frame is None:
        frame = frame_of(shape, psf.shape, model.boundary, None, model.compatibility)
    finer = model.factors(len(shape))
    grid = grid_of(shape, psf.shape, frame.boundaries, engine.good_size, finer)
    # Where it is circulant the border counts, as in clij2-fft: it is reflected, and so is all that
    # goes with it.
    box = _measured(shape, grid, frame, finer)
    solid, region = padded_image(image, box)
    solid = _solid(solid)
    background, mask = model.background, model.mask
    if isinstance(background, np.ndarray):
        background = _solid(padded_image(background, box)[0])
    if mask is not None:
        mask = _solid(padded_image(mask, box)[0])
    if held_out is not None:
        held_out = dataclasses.replace(held_out, image=_solid(padded_image(held_out.image, box)[0]))
    # Elsewhere clij2-fft puts the ceiling of half before the image; here it is at the grid's end.
    origin = tuple((g + (g - n) // -2) % g for g, n in zip(grid, extent(box, finer), strict=True))
    grid, finer = _three(grid, 1), _three(finer, 1)
    if isinstance(model.first, float):
        start: Array | float = model.first
    elif model.first == "flat":
        start = _mean_light(solid, background, mask) / math.prod(finer)
    else:
        start = _filled_up(_in_parts(solid, finer), grid, of_part)
    total = psf.sum(dtype=np.float64) / finer[0]
    return Problem(
        image=solid,
        psf=_solid((psf / total).astype(np.float32)),
        centre=_three(frame.centre, 0),
        grid=grid,
        start=start,
        region=(slice(0, 1),) * (3 - len(shape)) + model.result_box(region),
        finer=finer,
        origin=_three(origin, 0),
        normalised=_is_normalised(frame, finer),
        background=background,
        mask=mask,
        total_variation=model.total_variation,
        spacing=_spacing_of(model),
        compatibility=model.compatibility,
        momentum=model.method == "accelerated",
        held_out=held_out,
    )


def size_of(
    image_shape: tuple[int, ...],
    psf_shape: tuple[int, ...],
    model: Model,
    engine: Engine,
    frame: Frame | None = None,
) -> ProblemSize:
    """Return what decides how much memory a problem needs."""
    if frame is None:
        frame = frame_of(image_shape, psf_shape, model.boundary, None, model.compatibility)
    finer = model.factors(len(image_shape))
    grid = grid_of(image_shape, psf_shape, frame.boundaries, engine.good_size, finer)
    return ProblemSize(
        image=_three(_measured(image_shape, grid, frame, finer), 1),
        grid=_three(grid, 1),
        normalised=_is_normalised(frame, _three(finer, 1)) or model.mask is not None,
        background=isinstance(model.background, np.ndarray),
        mask=model.mask is not None,
        total_variation=model.total_variation > 0,
        momentum=model.method == "accelerated",
        finer=max(finer) > 1,
    )


def _measured(
    image_shape: tuple[int, ...], grid: tuple[int, ...], frame: Frame, finer: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape of what counts as measured: a circulant axis' border, too."""
    return tuple(
        g // f if boundary == "circulant" else n
        for n, g, boundary, f in zip(image_shape, grid, frame.boundaries, finer, strict=True)
    )


def _is_normalised(frame: Frame, finer: tuple[int, ...]) -> bool:
    """Return whether voxels of the grid differ in how much of their light is seen.

    Light from beyond the image is seen in part; and of planes between the image's, those that are
    in focus in one of its planes are seen brighter than others.
    """
    return "noncirculant" in frame.boundaries or finer[0] > 1


def _nu_method(k: int) -> tuple[float, float]:
    """Return the relaxation and the momentum of the k-th step since the last plain one.

    They are the coefficients of the nu-method for linear equations (H. Brakhage 1987; M. Hanke,
    Accelerated Landweber iterations for the solution of ill-posed equations, Numer. Math. 60
    (1991) 341-373), here taken for the logarithm of the estimate.
    """
    v = NU
    omega = 4 * (2 * k + 2 * v - 1) * (k + v - 1) / ((k + 2 * v - 1) * (2 * k + 4 * v - 1))
    if k == 1:
        return (4 * v + 2) / (4 * v + 1) - 1, 0.0
    momentum = (k - 1) * (2 * k - 3) * (2 * k + 2 * v - 1)
    momentum /= (k + 2 * v - 1) * (2 * k + 4 * v - 1) * (2 * k + 2 * v - 3)
    return omega - 1, momentum


def _spacing_of(model: Model) -> tuple[float, float, float]:
    """Return the spacing that the total variation takes, of three axes."""
    if model.compatibility is not None:
        return CLIJ_SPACING
    sizes = model.spacing or ()
    z, y, x = (1.0,) * (3 - len(sizes)) + sizes
    return z, y, x


def _mean_light(image: Array, background: Array | float, mask: NDArray[np.bool_] | None) -> float:
    """Return the mean of what is to be estimated, above 0 where there is any light."""
    if mask is not None and not mask.any():
        # A tile may have no voxel that counts.
        return 0.0
    where = True if mask is None else mask
    light = image.mean(dtype=np.float64, where=where)
    dark = np.mean(background, dtype=np.float64, where=where if np.ndim(background) else True)
    return float(max(light - dark, 1e-3 * light))


def _in_parts(image: Array, finer: tuple[int, ...]) -> Array:
    """Return an image on finer voxels, its light in equal parts."""
    if max(finer) == 1:
        return image
    for axis, f in enumerate(finer):
        image = np.repeat(image, f, axis)
    return image / np.float32(math.prod(finer))


def _filled_up(image: Array, grid: tuple[int, ...], of_part: bool) -> Array:
    """Return an image at the corner of a grid of zeros.

    Zeros stay zeros. Around a part of an image there is light: there it goes on as its mirror
    image.
    """
    if image.shape == grid:
        return image
    if not of_part:
        array = np.zeros(grid, np.float32)
        array[tuple(slice(n) for n in image.shape)] = image
        return array
    extra = [g - n for g, n in zip(grid, image.shape, strict=True)]
    widths = [(e - e // 2, e // 2) for e in extra]
    return np.roll(np.pad(image, widths, mode="symmetric"), [-w for w, _ in widths], range(3))


def _three(numbers: tuple[int, ...], filler: int) -> tuple[int, int, int]:
    """Return numbers of three axes."""
    z, y, x = (filler,) * (3 - len(numbers)) + numbers
    return z, y, x


def _solid(array: NDArray[T]) -> NDArray[T]:
    """Return an array with three axes, in C order."""
    return np.ascontiguousarray(array.reshape((1,) * (3 - array.ndim) + array.shape))


def _estimate(solver: Solver, engine: Engine, ndim: int) -> Array:
    estimate = solver.estimate()
    if not np.isfinite(estimate).all():
        raise _not_finite(engine)
    return estimate.reshape(estimate.shape[-ndim:])


def _not_finite(engine: Engine) -> DeviceError:
    return DeviceError(
        f"{engine.description} gave NaN or infinite values. Check the range of the image's "
        "values; on an OpenCL device, update its driver or choose the device 'numpy'."
    )
