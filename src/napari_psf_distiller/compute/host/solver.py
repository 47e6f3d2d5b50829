"""Richardson-Lucy on the host's processors, with NumPy and the fastest FFT that is installed.

An iteration passes four times over its arrays: lines, planes, lines, planes. Between the inverse
transform of a plane and its next forward one lies all that is done voxel by voxel, so that it
happens in the processor's cache; and planes that the image does not have are not transformed.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from napari_psf_distiller.compute.devices import NUMPY, Device
from napari_psf_distiller.compute.engine import (
    LEAST_CORRECTION,
    MOST_STRETCH,
    Array,
    Likelihoods,
    Memory,
    Problem,
    ProblemSize,
)
from napari_psf_distiller.compute.grid import normaliser_of, wrapped_psf
from napari_psf_distiller.compute.host.fft import host_fft
from napari_psf_distiller.compute.host.transform import PIECE, HostTransform
from napari_psf_distiller.compute.host.variation import HostVariation
from napari_psf_distiller.compute.likelihood import TINY, Sums, Yardstick
from napari_psf_distiller.compute.sampling import collected, extent, planes_seen, spread
from napari_psf_distiller.compute.threads import host_threads
from napari_psf_distiller.compute.total_variation import total_variation_factor
from napari_psf_distiller.errors import DeviceMemoryError

__all__ = ["HostEngine", "HostSolver"]

NOTHING = Sums(0.0, 0.0, 0.0)

LOG_STRETCH = np.float32(math.log(MOST_STRETCH))

# A thread's arrays, in parts of what it works on: a spectrum and its transform's copy of it, a
# quotient or a correction.
IN_HAND = 5

# Of the memory that is free, so much is left to others.
SPARED = 0.15


class HostEngine:
    """NumPy, SciPy, and a host FFT."""

    device: Device = NUMPY

    def __init__(self, fft: str = "auto") -> None:
        self.fft = host_fft(fft).name

    @property
    def description(self) -> str:
        """The device, the FFT and the precision, for people."""
        return f"NumPy (CPU), FFT {self.fft}, float32"

    def good_size(self, n: int) -> int:
        """Return a size from n on that the FFT is fast for."""
        return int(scipy_fft.next_fast_len(n))

    def memory_needed(self, size: ProblemSize) -> Memory:
        """Return the memory that a problem of this size needs."""
        # What the threads have in hand: a few planes each, or pieces of them.
        plane = math.prod(size.grid[1:])
        planes = min(size.grid[0], host_threads() * max(1, 2 * PIECE // plane))
        total = size.array_bytes + 4 * IN_HAND * planes * plane
        if size.variations:
            total += size.spectrum_bytes
        return Memory(total, size.spectrum_bytes)

    def memory_limit(self) -> Memory:
        """Return the memory that a problem may take: most of what is free now."""
        free = int((1 - SPARED) * psutil.virtual_memory().available)
        return Memory(free, free)

    def solver(self, problem: Problem) -> HostSolver:
        """Set a problem up."""
        try:
            return HostSolver(problem, self.fft)
        except MemoryError:
            raise DeviceMemoryError("There is too little free memory on this machine.") from None


class HostSolver:
    """Richardson-Lucy iterations (Richardson 1972, Lucy 1974) in the host's memory."""

    def __init__(self, problem: Problem, fft: str) -> None:
        self._problem = problem
        self._transform = HostTransform(problem.grid, fft)
        self._depth = len(problem.image)
        _, rows, columns = extent(problem.image.shape, problem.finer)
        self._part = (rows, columns)
        # Of the grid's planes these are compared with the image; the spectrum has them first.
        self._seen = planes_seen(self._depth, problem.finer[0])
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        problem, transform = self._problem, self._transform
        # First, since with a mask it takes as much memory on its way as all that follows.
        self._normaliser = normaliser_of(problem)
        self._otf = np.empty(transform.spectrum_shape, np.complex64)
        self._spectrum = np.empty(transform.spectrum_shape, np.complex64)
        transform.forward(wrapped_psf(problem), self._otf)
        if isinstance(problem.start, np.ndarray):
            self._point = problem.start.copy()
        else:
            self._point = np.full(problem.grid, problem.start, np.float32)
        self._step = np.zeros(problem.grid, np.float32) if problem.momentum else None
        self._factor = np.empty(problem.grid, np.float32) if problem.total_variation > 0 else None
        self._variation: HostVariation | None = None
        if problem.variation is not None:
            self._variation = HostVariation(problem, problem.variation, transform)
        self._yardstick: Yardstick | None = None
        self._transform_point()

    def project(self, likelihood: bool = False) -> Likelihoods | None:
        """Compare the model of the present point with the image; tell how likely it is, if asked.

        The spectrum becomes that of the quotient of image and model.
        """
        problem, fft, spectrum, otf = (
            self._problem,
            self._transform.fft,
            self._spectrum,
            self._otf,
        )
        depth, lines = len(spectrum), self._depth
        _, down, across = problem.finer
        same_pixels = down == across == 1

        variation = self._variation

        def convolve(rows: slice, threads: int) -> None:
            if depth == 1:
                spectrum[:, rows] *= otf[:, rows]
                if variation is not None:
                    spectrum[:, rows] += variation.light(rows)
                return
            block = fft.lines(spectrum[:, rows], depth, threads)
            block *= otf[:, rows]
            if variation is not None:
                block += variation.light(rows)
            spectrum[:lines, rows] = fft.lines_back(block, threads)[self._seen]

        def compare(planes: slice, threads: int) -> list[Sums]:
            plane = self._transform.plane
            model = fft.planes_back(spectrum[planes], plane, self._part, threads)
            quotient = np.empty(model.shape, np.float32)

            def divide(rows: slice) -> Sums:
                at = planes, rows
                onto = slice(rows.start * down, rows.stop * down)
                part, image = collected(model[:, onto], problem.finer), problem.image[at]
                ratio = quotient[:, onto] if same_pixels else np.empty(part.shape, np.float32)
                part += _part_of(problem.background, at)
                _divide(image, part, ratio)
                mask = None if problem.mask is None else problem.mask[at]
                sums = NOTHING
                if likelihood:
                    held_out = None
                    if problem.held_out is not None:
                        held_out = problem.held_out.image[at], problem.held_out.floor
                    sums = _sums(image, part, ratio, held_out, mask)
                if mask is not None:
                    ratio *= mask
                if not same_pixels:
                    spread(ratio, quotient[:, onto], problem.finer)
                return sums

            shape = (len(model), *problem.image.shape[1:])
            sums = self._transform.over_pieces(divide, shape, threads)
            fft.planes(quotient, plane, spectrum[planes], threads)
            return sums

        if variation is not None:
            variation.convolve(self._point)
        self._transform.over_rows(convolve)
        parts = self._transform.over_planes(compare, lines)
        if not likelihood:
            return None
        if self._yardstick is None:
            self._yardstick = Yardstick(problem)
        return self._yardstick.likelihoods(
            Sums(*(math.fsum(values) for values in zip(*itertools.chain(*parts), strict=True)))
        )

    def update(self, relaxation: float = 0.0, momentum: float = 0.0) -> None:
        """Take one Richardson-Lucy step from the point; see `Solver`."""
        fft, spectrum, otf = self._transform.fft, self._spectrum, self._otf
        depth, lines = len(spectrum), self._depth
        factor = self._factor
        if factor is not None:
            problem = self._problem

            def regularise(planes: slice, threads: int) -> None:
                total_variation_factor(
                    self._point,
                    problem.total_variation,
                    factor,
                    planes,
                    problem.origin,
                    problem.spacing,
                    problem.compatibility,
                )

            self._transform.over_planes(regularise, depth)

        variation = self._variation

        def correlate(rows: slice, threads: int) -> None:
            if depth == 1:
                if variation is not None:
                    variation.keep(rows, spectrum[:, rows])
                spectrum[:, rows] *= otf[:, rows].conj()
                return
            seen = spectrum[:lines, rows]
            if self._seen.step > 1:
                apart = np.zeros((depth, *seen.shape[1:]), np.complex64)
                apart[self._seen] = seen
                seen = apart
            block = fft.lines(seen, depth, threads)
            if variation is not None:
                variation.keep(rows, block)
            block *= otf[:, rows].conj()
            spectrum[:, rows] = fft.lines_back(block, threads)

        def advance(planes: slice, threads: int) -> None:
            plane = self._transform.plane
            corrections = fft.planes_back(spectrum[planes], plane, plane, threads)
            if variation is not None:
                corrections += variation.correction(planes)

            def multiply(rows: slice) -> None:
                at = planes, rows
                correction, point = corrections[:, rows], self._point[at]
                if self._normaliser is not None:
                    correction /= self._normaliser[at]
                if factor is not None:
                    correction *= factor[at]
                # A transform in single precision leaves some -1e-7 where there is nothing.
                if self._step is None:
                    np.maximum(correction, 0, out=correction)
                else:
                    np.maximum(correction, np.float32(LEAST_CORRECTION), out=correction)
                    _stretch(correction, self._step[at], relaxation, momentum)
                point *= correction

            self._transform.over_pieces(multiply, corrections.shape, threads)
            fft.planes(self._point[planes], plane, spectrum[planes], threads)

        self._transform.over_rows(correlate)
        if variation is not None:
            variation.correlate()
        self._transform.over_planes(advance, depth)

    def back(self) -> None:
        """Undo the last update, of a problem with a momentum."""
        step = self._step
        if step is None:
            raise ValueError("Without a momentum the last step is not kept.")

        def undo(planes: slice, threads: int) -> None:
            self._point[planes] *= np.exp(-step[planes])
            step[planes] = 0

        self._transform.over_planes(undo, len(step))
        self._transform_point()

    def estimate(self) -> Array:
        """Return a copy of the point in the problem's region."""
        return self._point[self._problem.region].copy()

    def close(self) -> None:
        """Let go of the arrays and the threads."""
        self._transform.close()
        for name in (
            "_otf",
            "_spectrum",
            "_normaliser",
            "_point",
            "_step",
            "_factor",
            "_variation",
        ):
            self.__dict__.pop(name, None)

    def _transform_point(self) -> None:
        """Transform the planes of the point; `project` does the lines."""

        def forward(planes: slice, threads: int) -> None:
            self._transform.fft.planes(
                self._point[planes], self._transform.plane, self._spectrum[planes], threads
            )

        self._transform.over_planes(forward, len(self._point))


def _divide(image: Array, model: Array, out: Array) -> None:
    """Put image / model into an array, and 0 where the model is not positive; NaN stays NaN."""
    if model.min() > 0:
        np.divide(image, model, out=out)
    else:
        out[...] = 0
        np.divide(image, model, out=out, where=~(model <= 0))


def _sums(
    image: Array,
    model: Array,
    quotient: Array,
    held_out: tuple[Array, float] | None,
    mask: NDArray[np.bool_] | None,
) -> Sums:
    """Return the sums over some planes; sums of so few voxels need no double precision."""
    if mask is not None:
        # What does not count adds nothing: its logarithm is that of 1, and its model 0.
        quotient, model = np.where(mask, quotient, 1), np.where(mask, model, 0)
    terms = np.maximum(quotient, TINY)
    np.log(terms, out=terms)
    logarithms = np.vdot(image, terms)
    held_out_logarithms = 0.0
    if held_out is not None:
        counts, floor = held_out
        np.maximum(model, np.float32(floor), out=terms)
        np.log(terms, out=terms)
        if mask is not None:
            terms *= mask
        held_out_logarithms = float(np.vdot(counts, terms))
    return Sums(float(logarithms), float(model.sum(dtype=np.float64)), held_out_logarithms)


def _stretch(correction: Array, step: Array, relaxation: float, momentum: float) -> None:
    """Make a plain correction an accelerated one, and note the step's logarithm; see `Solver`."""
    np.log(correction, out=correction)
    if relaxation or momentum:
        step *= np.float32(momentum)
        step += np.float32(relaxation) * correction
        np.clip(step, -LOG_STRETCH, LOG_STRETCH, out=step)
        step += correction
    else:
        step[...] = correction
    np.exp(step, out=correction)


def _part_of(array: Array | float, at: tuple[slice, slice]) -> Array | np.float32:
    return array[at] if isinstance(array, np.ndarray) else np.float32(array)
