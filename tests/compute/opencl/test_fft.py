"""The OpenCL FFT against SciPy's and against what holds for every Fourier transform."""

import os
from collections.abc import Iterator
from math import prod

import numpy as np
import pyopencl as cl
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_psf_distiller.compute.opencl.fft import OpenCLFFT

pytestmark = pytest.mark.opencl

# How far single precision may be from double precision, relative L2.
TOLERANCE = 1e-6

IN_LOCAL_MEMORY = None
IN_GLOBAL_MEMORY = 0

SMOOTH_LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16]


@pytest.fixture(scope="module")
def queue() -> cl.CommandQueue:
    reasons = []
    try:
        for platform in cl.get_platforms():
            for device in platform.get_devices():
                try:
                    return cl.CommandQueue(cl.Context([device]))
                except cl.Error as error:
                    reasons.append(f"{device.name}: {error}")
    except cl.Error as error:
        reasons.append(str(error))
    reason = f"no usable OpenCL device ({'; '.join(reasons) or 'none found'})"
    if os.environ.get("PSF_DISTILLER_REQUIRE_OPENCL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def cuboid(queue) -> "Iterator[Transform]":
    transform = Transform(queue, (36, 8, 60))
    yield transform
    transform.plan.release()


class Transform:
    """The transform on host arrays."""

    def __init__(
        self,
        queue: cl.CommandQueue,
        shape: tuple[int, ...],
        local_memory_bytes: int | None = IN_LOCAL_MEMORY,
    ) -> None:
        self.plan = OpenCLFFT(queue, shape, local_memory_bytes=local_memory_bytes)
        self._queue = queue
        self._real = buffer(queue, prod(shape) * 4)
        self._spectrum = buffer(queue, prod(self.plan.spectrum_shape) * 8)

    def forward(self, values: NDArray[np.float32]) -> NDArray[np.complex64]:
        cl.enqueue_copy(self._queue, self._real, values)
        self.plan.forward(self._real, self._spectrum)
        after = np.empty_like(values)
        cl.enqueue_copy(self._queue, after, self._real)
        np.testing.assert_array_equal(after, values, "forward() changed its input")
        spectrum = np.empty(self.plan.spectrum_shape, np.complex64)
        cl.enqueue_copy(self._queue, spectrum, self._spectrum)
        return spectrum

    def inverse(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
        cl.enqueue_copy(self._queue, self._spectrum, spectrum)
        self.plan.inverse(self._spectrum, self._real)
        values = np.empty(self.plan.shape, np.float32)
        cl.enqueue_copy(self._queue, values, self._real)
        return values


def buffer(queue: cl.CommandQueue, size: int) -> cl.Buffer:
    return cl.Buffer(queue.context, cl.mem_flags.READ_WRITE, size)


def noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def complex_noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.complex64]:
    return (noise(shape, seed) + 1j * noise(shape, seed + 1)).astype(np.complex64)


def relative_error(values: NDArray[np.generic], exact: NDArray[np.generic]) -> float:
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))


def assert_agrees_with_scipy(transform: Transform, seed: int = 0) -> None:
    shape, spectrum_shape = transform.plan.shape, transform.plan.spectrum_shape
    values = noise(shape, seed)
    spectrum = transform.forward(values)
    assert relative_error(spectrum, scipy.fft.rfftn(values.astype(np.float64))) < TOLERANCE
    assert relative_error(transform.inverse(spectrum), values.astype(np.float64)) < TOLERANCE
    # A spectrum that no real array has: what it lacks in symmetry is to be ignored in the same
    # way.
    spectrum = complex_noise(spectrum_shape, seed)
    exact = scipy.fft.irfftn(spectrum.astype(np.complex128), s=shape)
    assert relative_error(transform.inverse(spectrum), exact) < TOLERANCE


@pytest.mark.parametrize("memory", [IN_LOCAL_MEMORY, IN_GLOBAL_MEMORY])
@pytest.mark.parametrize("shape", [(1,), (2,), (105,), (343, 3), (512, 1, 6)])
def test_agrees_with_scipy(queue, shape, memory):
    transform = Transform(queue, shape, memory)
    assert transform.plan.spectrum_shape == scipy.fft.rfftn(np.empty(shape)).shape
    assert_agrees_with_scipy(transform)
    transform.plan.release()


def test_cuboid_agrees_with_scipy(cuboid):
    # Of so many rows and lines side by side that several work-groups share them, and the last
    # group is not full.
    assert_agrees_with_scipy(cuboid)


@settings(deadline=None, max_examples=30)
@given(
    shape=st.lists(st.sampled_from(SMOOTH_LENGTHS), min_size=1, max_size=3).map(tuple),
    seed=st.integers(0, 1000),
)
def test_any_shape_agrees_with_scipy(queue, shape, seed):
    # Through global memory, where no kernel is built for a single shape.
    transform = Transform(queue, shape, IN_GLOBAL_MEMORY)
    assert_agrees_with_scipy(transform, seed)
    transform.plan.release()


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1000),
    factors=st.tuples(*[st.floats(-10, 10, width=32)] * 2),
)
def test_is_linear(cuboid, seed, factors):
    shape = cuboid.plan.shape
    first, second = noise(shape, seed), noise(shape, seed + 1)
    a, b = np.float32(factors[0]), np.float32(factors[1])
    left = cuboid.forward(a * first + b * second)
    right = a * cuboid.forward(first) + b * cuboid.forward(second)
    scale = (abs(a) + abs(b)) * np.linalg.norm(cuboid.forward(first))
    assert np.linalg.norm(left - right) <= TOLERANCE * scale


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), log_scale=st.integers(-10, 10))
def test_keeps_the_energy(cuboid, seed, log_scale):
    values = noise(cuboid.plan.shape, seed) * np.float32(10.0**log_scale)
    power = np.abs(cuboid.forward(values).astype(np.complex128)) ** 2
    # All but the first and (even length) last planes stand for their mirror images as well.
    energy = 2 * power.sum() - power[..., 0].sum() - power[..., -1].sum()
    expected = np.sum(values.astype(np.float64) ** 2) * values.size
    assert energy == pytest.approx(expected, rel=TOLERANCE)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1000),
    shift=st.tuples(*[st.integers(-40, 40)] * 3),
)
def test_a_shift_is_a_phase_ramp(cuboid, seed, shift):
    shape = cuboid.plan.shape
    values = noise(shape, seed)
    frequencies = np.meshgrid(
        *[scipy.fft.fftfreq(n) for n in shape[:-1]], scipy.fft.rfftfreq(shape[-1]), indexing="ij"
    )
    ramp = np.exp(-2j * np.pi * sum(f * s for f, s in zip(frequencies, shift, strict=True)))
    shifted = cuboid.forward(np.roll(values, shift, axis=(0, 1, 2)))
    assert relative_error(shifted, cuboid.forward(values) * ramp) < TOLERANCE


def test_holds_twiddle_tables_only_where_lines_fit_into_local_memory(cuboid):
    assert cuboid.plan.scratch_bytes == sum(cuboid.plan.shape) * 8


@pytest.mark.parametrize(
    ("shape", "scratch_values"),
    [
        ((8, 10), 8 * 6),
        ((10,), 5),
        ((8, 9), 2 * 8 * 9),
    ],
)
def test_holds_scratch_for_passes_through_global_memory(queue, shape, scratch_values):
    plan = OpenCLFFT(queue, shape, local_memory_bytes=IN_GLOBAL_MEMORY)
    assert plan.scratch_bytes == (sum(shape) + scratch_values) * 8
    plan.release()
    assert plan.scratch_bytes == 0


@pytest.mark.parametrize("shape", [(11,), (4, 22, 8), (8, 13), (0, 4)])
def test_refuses_other_lengths(queue, shape):
    with pytest.raises(ValueError, match="product of the primes 2, 3, 5 and 7"):
        OpenCLFFT(queue, shape)


@pytest.mark.parametrize("shape", [(), (2, 2, 2, 2)])
def test_refuses_other_numbers_of_axes(queue, shape):
    with pytest.raises(ValueError, match="1 to 3 axes"):
        OpenCLFFT(queue, shape)


def test_refuses_small_buffers(queue, cuboid):
    real, spectrum = buffer(queue, 36 * 8 * 60 * 4), buffer(queue, 36 * 8 * 31 * 8)
    too_small = buffer(queue, 64)
    with pytest.raises(ValueError, match="real buffer has 64 bytes"):
        cuboid.plan.forward(too_small, spectrum)
    with pytest.raises(ValueError, match="spectrum buffer has 64 bytes"):
        cuboid.plan.inverse(too_small, real)


def test_cannot_be_used_after_release(queue):
    transform = Transform(queue, (2,))
    transform.plan.release()
    transform.plan.release()
    with pytest.raises(RuntimeError, match="released"):
        transform.forward(noise((2,)))
