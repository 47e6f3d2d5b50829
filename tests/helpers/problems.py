"""Images to deconvolve, and Richardson-Lucy in double precision to compare with."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage

from napari_psf_distiller.compute import Engine
from napari_psf_distiller.compute.engine import Problem
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.richardson_lucy import richardson_lucy
from napari_psf_distiller.progress import finish

BOUNDARIES = ["circulant", "noncirculant"]

# Without padding the grid is the image's, and all that holds on the grid can be seen.
smooth_shapes = st.sampled_from([(8, 9, 10), (1, 12, 14), (7, 8), (15, 16)])
seeds = st.integers(0, 2**32 - 1)


def relative_l2(found, expected) -> float:
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def run(image, psf, iterations, model: Model | str, engine: Engine, **options) -> np.ndarray:
    image, psf = np.asarray(image, np.float32), np.asarray(psf, np.float32)
    model = Model(model) if isinstance(model, str) else model
    return finish(richardson_lucy(image, psf, iterations, model, engine, **options))


def whole_grid(image, psf, model: Model | str, engine: Engine) -> Problem:
    """Return a problem whose result is the whole grid."""
    image, psf = np.asarray(image, np.float32), np.asarray(psf, np.float32)
    problem = problem_of(image, psf, Model(model) if isinstance(model, str) else model, engine)
    return dataclasses.replace(problem, region=tuple(slice(0, n) for n in problem.grid))


def asymmetric_psf(shape) -> np.ndarray:
    """Of sum 1, about n // 2, different on each side."""
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    psf = np.exp(-0.5 * sum((g / (1 + 0.2 * a)) ** 2 for a, g in enumerate(grids)))
    for grid in grids:
        psf = psf * (1 + 0.3 * np.sign(grid))
    return (psf / psf.sum()).astype(np.float32)


def delta(shape) -> np.ndarray:
    psf = np.zeros(shape, np.float32)
    psf[tuple(n // 2 for n in shape)] = 1
    return psf


def points(shape, psf, seed=0, light=1.0, background=2.0) -> np.ndarray:
    """Return a noisy image of a few points."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(shape)
    for _ in range(6):
        truth[tuple(rng.integers(0, n) for n in shape)] = rng.uniform(200, 2000) * light
    return noisy(truth, psf, rng, background)


def dense(shape, psf, seed=0, light=1.0, background=2.0) -> np.ndarray:
    """Return a noisy image of smooth structure everywhere, the border too."""
    rng = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(rng.gamma(0.2, 1, shape), 1.2, mode="wrap")
    truth += 0.5 * (ndimage.gaussian_filter(rng.standard_normal(shape), 4, mode="wrap") > 0.01)
    return noisy(100 * light * truth / truth.mean(), psf, rng, background)


def noisy(truth, psf, rng, background) -> np.ndarray:
    psf = np.asarray(psf, float)
    light = ndimage.convolve(truth, psf / psf.sum(), mode="wrap")
    return rng.poisson(np.maximum(light, 0) + background).astype(np.float32)


def random_problem(shape, seed) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with zeros and bright voxels, and a PSF of sum 1, both at random."""
    rng = np.random.default_rng(seed)
    image = rng.poisson(rng.gamma(0.3, 30, shape)).astype(np.float32)
    image[(0,) * len(shape)] = 50
    psf = rng.gamma(
        0.5, 1, tuple(min(n, m) for n, m in zip(shape, (3, 5, 4)[-len(shape) :], strict=True))
    )
    return image, (psf / psf.sum()).astype(np.float32)


class Exact:
    """Richardson-Lucy in double precision with numpy.fft, on a canvas that nothing leaves.

    A non-circulant image lies in the middle of a canvas larger by a PSF on each side; a circulant
    one must have a size that is not padded. The PSF's centre is at n // 2. On a finer canvas each
    pixel of the image sees the sum of its own, and each plane of several that at half of them.
    """

    def __init__(self, image, psf, boundary, *, background=0.0, mask=None, finer=None) -> None:
        image, psf = np.asarray(image, float), np.asarray(psf, float)
        self._finer = finer or (1,) * image.ndim
        fine = [n * f for n, f in zip(image.shape, self._finer, strict=True)]
        beyond = [m if boundary == "noncirculant" else 0 for m in psf.shape]
        self.inside = tuple(slice(b, b + n) for b, n in zip(beyond, fine, strict=True))
        self.shape = tuple(n + 2 * b for n, b in zip(fine, beyond, strict=True))
        self._background = np.broadcast_to(background, image.shape)
        self._counts = np.ones(image.shape, bool) if mask is None else mask
        self._image = image
        kernel = np.zeros(self.shape)
        kernel[tuple(slice(0, m) for m in psf.shape)] = psf / psf.sum()
        kernel = np.roll(kernel, [-(m // 2) for m in psf.shape], range(psf.ndim))
        self._otf = np.fft.fftn(kernel)
        seen = self.back(self._counts.astype(float))
        seen[seen < 1e-5] = 1
        even = mask is None and boundary == "circulant" and self._between == 1
        self._seen = 1.0 if even else seen
        if boundary == "noncirculant" or finer is not None:
            light = image[self._counts].mean() - self._background[self._counts].mean()
            self.estimate = np.full(self.shape, light / math.prod(self._finer))
        else:
            self.estimate = image.copy()

    @property
    def _between(self) -> int:
        """How many planes of the canvas one of the image stands for."""
        return self._finer[0] if len(self._finer) == 3 else 1

    def _matrices(self):
        """Return what the image sees of the canvas along each axis: (image, canvas)."""
        for axis, (n, f) in enumerate(zip(self._image.shape, self._finer, strict=True)):
            seen = np.kron(np.eye(n), np.ones(f))
            if axis == self._image.ndim - 3:
                seen = np.kron(np.eye(n), f * np.eye(f)[f // 2])
            yield axis, seen

    def forward(self, estimate) -> np.ndarray:
        blurred = np.fft.ifftn(np.fft.fftn(estimate) * self._otf).real[self.inside]
        for axis, seen in self._matrices():
            blurred = np.moveaxis(np.tensordot(seen, blurred, (1, axis)), 0, axis)
        return blurred + self._background

    def back(self, image) -> np.ndarray:
        canvas = np.zeros(self.shape)
        for axis, seen in self._matrices():
            image = np.moveaxis(np.tensordot(seen, image, (0, axis)), 0, axis)
        canvas[self.inside] = image
        return np.fft.ifftn(np.fft.fftn(canvas) * self._otf.conj()).real

    def step(self) -> None:
        model = self.forward(self.estimate)
        ratio = np.where(self._counts & (model > 0), self._image / np.where(model > 0, model, 1), 0)
        self.estimate = self.estimate * np.maximum(self.back(ratio), 0) / self._seen

    def result(self, iterations: int) -> np.ndarray:
        for _ in range(iterations):
            self.step()
        return self.estimate[self.inside]


def poisson(image, model, counts=True) -> float:
    """Return the log-likelihood of an image, but for a constant of it."""
    counts = np.broadcast_to(counts, np.shape(image))
    image, model = np.asarray(image, float)[counts], np.asarray(model, float)[counts]
    lit = image > 0
    with np.errstate(divide="ignore"):
        return math.fsum(image[lit] * np.log(model[lit])) - math.fsum(model)
