"""Richardson-Lucy deconvolution, plain and accelerated, on any engine.

The plain one follows clij2-fft (B. Northan): the padding, the start and the normalisation are its
own, so that the results are too, but where `Model.compatibility` says.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_psf_distiller.compute.engine import Array, Engine, Likelihoods, Problem, Solver
from napari_psf_distiller.compute.grid import Frame
from napari_psf_distiller.deconvolution.model import Method, Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.errors import DeviceError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = ["iterate", "richardson_lucy"]

# An iteration with the likelihood costs one pass more; one in ten is enough for a curve.
LIKELIHOOD_EVERY = 10

# The nu-method's parameter: less is faster at first, and overshoots on some images.
NU = 0.75

# An accelerated step that makes the divergence larger than the least so far by more than this part
# is undone. Plain steps lose as much to rounding where little of a voxel's light is seen; and where
# the model is the image, to rounding of the image's own terms.
TOLERANCE = 0.01
ROUNDING = 1e-7


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
