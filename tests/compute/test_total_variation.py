"""Total variation: as its formula has it, and as clij2-fft has it; the same on every engine."""

import functools
import threading
from pathlib import Path

import numpy as np
import pyopencl as cl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import fft

from napari_psf_distiller.compute import total_variation
from napari_psf_distiller.compute.devices import kernel_source, opencl_device
from napari_psf_distiller.compute.total_variation import (
    CLIJ_SPACING,
    LARGEST_WEIGHT,
    total_variation_factor,
)

# What clij2-fft 0.30 gives on an OpenCL CPU device (PoCL); written by
# benchmarks/parity_clij2fft.py, which says what is in it.
PARITY = Path(__file__).parent.parent / "data" / "clij2fft_tv.npz"
# Its padded sizes, by the size of the image.
SMOOTH = {11: 12, 15: 15, 17: 18, 18: 18, 20: 20, 24: 24, 26: 27, 28: 28, 30: 30}

# Work-items of a group.
GROUP = 64

NOWHERE = (0, 0, 0)
AXES = (0, 1, 2)

Array = NDArray[np.float32]

shapes = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 10))
seeds = st.integers(0, 2**32 - 1)
weights = st.floats(0, 0.16)
spacings = st.sampled_from([(1.0, 1.0, 1.0), (2.5, 1.0, 1.0), (1.0, 1.3, 2.0), (4.0, 1.1, 1.0)])

EVEN = (1.0, 1.0, 1.0)
CLIJ = "clij2-fft"
# What a factor may be asked for: the scheme of a spacing, or that of clij2-fft.
SCHEMES = {
    "even": (EVEN, None),
    "planes apart": ((2.5, 1.0, 1.0), None),
    "all differ": ((1.0, 1.3, 2.0), None),
    CLIJ: (CLIJ_SPACING, CLIJ),
}
schemes = st.sampled_from(list(SCHEMES.values()))


def factor(
    estimate: Array, weight: float, first: tuple[int, int, int] = NOWHERE, scheme=SCHEMES["even"]
) -> Array:
    out = np.full_like(estimate, np.nan)
    total_variation_factor(estimate, weight, out, slice(None), first, *scheme)
    return out


def divergence(estimate: Array, spacing) -> NDArray[np.float64]:
    return (1 - 1 / factor(estimate, 0.1, scheme=(spacing, None)).astype(float)) / 0.1


def random_estimate(shape, seed) -> Array:
    """With empty voxels, bright ones, and some that are equal."""
    rng = np.random.default_rng(seed)
    return np.round(rng.gamma(0.5, 30, shape), 1).astype(np.float32)


def relative_l2(found, expected) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# As clij2-fft has it.


@pytest.mark.parametrize("weight", [0.001, 0.01, 0.1])
def test_the_factor_is_that_of_clij2fft(weight):
    with np.load(PARITY) as data:
        image, expected = data["factor_image"], data[f"factor_{weight}"]
    assert np.ptp(expected) > weight
    # An FFT in single precision lies between.
    found = factor(image, weight, scheme=SCHEMES[CLIJ])
    np.testing.assert_allclose(found, expected, rtol=2e-6)


# The gradient's direction is rounding's where there is hardly a gradient, and some of that returns
# with each iteration: clij2-fft is as far from itself, with the last bit of the image changed. Its
# scheme without its two departures would be twice the tolerance away, and more.
@pytest.mark.parametrize(
    ("iterations", "weight", "tolerance"),
    [(20, 0.001, 1e-4), (20, 0.01, 3e-3), (50, 0.001, 1e-3), (50, 0.01, 1e-2)],
)
@pytest.mark.parametrize("boundary", ["circulant", "noncirculant"])
@pytest.mark.parametrize("psf", ["odd", "even"])
def test_parity_with_clij2fft(psf, boundary, iterations, weight, tolerance):
    with np.load(PARITY) as data:
        image, expected = data["image"], data[f"{psf}_{boundary}_{iterations}_{weight}"]
        result = plain(image, data[f"{psf}_psf"], iterations, boundary, weight)
    assert relative_l2(result, expected) <= tolerance


def plain(image: Array, psf: Array, iterations: int, boundary: str, weight: float) -> Array:
    """Richardson-Lucy as clij2-fft pads, starts and normalises it, in a few lines."""
    circulant = boundary == "circulant"
    sizes = [
        SMOOTH[max(n, m) if circulant else n + 2 * (m // 2)]
        for n, m in zip(image.shape, psf.shape, strict=True)
    ]
    observed = padded(image, sizes, "reflect" if circulant else "constant")
    otf = fft.rfftn(fft.ifftshift(padded(psf / psf.sum(), sizes, "constant")))
    normaliser = np.float32(1)
    estimate = observed
    if not circulant:
        region = padded(np.ones_like(image), sizes, "constant")
        normaliser = fft.irfftn(fft.rfftn(region) * otf.conj(), s=sizes)
        normaliser[normaliser < 1e-5] = 1
        estimate = np.full_like(observed, observed.mean())
    for _ in range(iterations):
        model = fft.irfftn(fft.rfftn(estimate) * otf, s=sizes)
        ratio = np.divide(observed, model, out=np.zeros_like(model), where=model > 0)
        correction = fft.irfftn(fft.rfftn(ratio) * otf.conj(), s=sizes)
        regularised = factor(estimate, weight, scheme=SCHEMES[CLIJ])
        estimate = estimate * correction / normaliser * regularised
    low = [(size - n + 1) // 2 for size, n in zip(sizes, image.shape, strict=True)]
    return estimate[tuple(slice(b, b + n) for b, n in zip(low, image.shape, strict=True))]


def padded(array: Array, sizes: list[int], mode: str) -> Array:
    extra = [size - n for size, n in zip(sizes, array.shape, strict=True)]
    return np.pad(array, [((e + 1) // 2, e // 2) for e in extra], mode=mode).astype(np.float32)


# The same on every engine.


@pytest.mark.opencl
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("first", [NOWHERE, (2, 3, 4), (5, 8, 0)])
@pytest.mark.parametrize("shape", [(6, 9, 10), (1, 12, 14), (6, 9, 1), (6, 1, 10)])
def test_opencl_gives_what_numpy_gives(opencl_device, shape, first, scheme):
    first = tuple(min(f, n - 1) for f, n in zip(first, shape, strict=True))
    estimate = random_estimate(shape, 0)
    expected = factor(estimate, 0.1, first, SCHEMES[scheme])
    result = factor_on(opencl_device, estimate, 0.1, first, SCHEMES[scheme])
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.opencl
def test_opencl_gives_what_numpy_gives_of_hardly_any_light(opencl_device):
    estimate = random_estimate((4, 6, 7), 0)
    for scale in (1e-10, 1e-17, 1e-24, 1e-37):
        dim = (scale * estimate).astype(np.float32)
        result = factor_on(opencl_device, dim, 0.1, NOWHERE)
        np.testing.assert_allclose(result, factor(dim, 0.1), rtol=1e-6)


@functools.cache
def kernel_on(device, compatibility) -> cl.Kernel:
    definition = "" if compatibility is None else "#define CLIJ2_FFT\n"
    context = cl.Context([opencl_device(device)])
    program = cl.Program(context, definition + kernel_source("total_variation")).build()
    return program.total_variation


def factor_on(
    device,
    estimate: Array,
    weight: float,
    first: tuple[int, int, int],
    scheme=SCHEMES["even"],
) -> Array:
    spacing, compatibility = scheme
    kernel = kernel_on(device, compatibility)
    context = kernel.context
    queue = cl.CommandQueue(context)
    source = cl.Buffer(context, cl.mem_flags.READ_ONLY, estimate.nbytes)
    target = cl.Buffer(context, cl.mem_flags.WRITE_ONLY, estimate.nbytes)
    cl.enqueue_copy(queue, source, estimate)
    kernel(
        queue,
        (-(-estimate.size // GROUP) * GROUP,),
        (GROUP,),
        np.uint64(estimate.size),
        source,
        target,
        np.float32(weight),
        *(np.uint64(n) for n in (*estimate.shape, *first)),
        *(np.float32(1 / size) for size in spacing),
    )
    result = np.empty_like(estimate)
    cl.enqueue_copy(queue, result, target)
    source.release()
    target.release()
    return result


# What holds for the method.


def components(estimate: Array, spacing) -> tuple[list[NDArray[np.float64]], ...]:
    """The slopes to the next voxels, and the gradient's direction of the module's formula."""
    values = estimate.astype(float)
    forward, backward = [], []
    for axis, size in enumerate(spacing):
        edge = np.take(values, [-1], axis), np.take(values, [0], axis)
        forward.append(np.diff(values, axis=axis, append=edge[0]) / size)
        backward.append(np.diff(values, axis=axis, prepend=edge[1]) / size)
    lesser = [
        np.maximum(np.minimum(f, np.maximum(b, 0)), np.minimum(b, 0)) * (f * b > 0)
        for f, b in zip(forward, backward, strict=True)
    ]
    directions = []
    for axis in AXES:
        others = [lesser[other] ** 2 for other in AXES if other != axis]
        length = np.sqrt(forward[axis] ** 2 + sum(others))
        directions.append(
            np.divide(forward[axis], length, out=np.zeros_like(length), where=length > 0)
        )
    return forward, directions


@given(shapes, seeds, spacings)
def test_the_divergence_is_that_of_the_formula(shape, seed, spacing):
    estimate = random_estimate(shape, seed)
    _, directions = components(estimate, spacing)
    expected = sum(np.diff(directions[axis], axis=axis, prepend=0) / spacing[axis] for axis in AXES)
    np.testing.assert_allclose(divergence(estimate, spacing), expected, atol=2e-5)


@given(shapes, seeds, spacings)
def test_the_divergence_is_the_adjoint_of_the_gradient(shape, seed, spacing):
    estimate, other = random_estimate(shape, seed), random_estimate(shape, seed + 1)
    _, directions = components(estimate, spacing)
    slopes, _ = components(other, spacing)
    expected = -sum(float((d * s).sum()) for d, s in zip(directions, slopes, strict=True))
    found = float((divergence(estimate, spacing) * other).sum())
    assert found == pytest.approx(expected, abs=1e-4 * float(np.abs(other).sum()) + 1e-9)


@given(shapes, seeds, spacings)
def test_no_light_is_made(shape, seed, spacing):
    assert abs(divergence(random_estimate(shape, seed), spacing).sum()) <= 2e-5 * np.prod(shape)


@given(seeds, st.sampled_from(AXES), st.floats(1, 5), st.floats(0.01, 0.16))
def test_the_spacing_counts_alike_along_each_axis(seed, axis, size, weight):
    # A profile whose voxels are so many times as long has so many times gentler slopes.
    shape, spacing = [1, 1, 1], [1.0, 1.0, 1.0]
    shape[axis], spacing[axis] = 9, size
    profile = np.broadcast_to(random_estimate(shape, seed), (9, 9, 9))
    expected = factor(profile, weight / size)
    found = factor(profile, weight, scheme=(tuple(spacing), None))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@given(shapes, seeds, weights, spacings, st.permutations(AXES))
def test_the_axes_are_alike_in_any_order(shape, seed, weight, spacing, order):
    estimate = random_estimate(shape, seed)
    turned = factor(
        np.ascontiguousarray(estimate.transpose(order)),
        weight,
        scheme=(tuple(spacing[axis] for axis in order), None),
    )
    expected = factor(estimate, weight, scheme=(spacing, None)).transpose(order)
    np.testing.assert_allclose(turned, expected, rtol=1e-5)


def ellipsoid(along: int, spacing) -> Array:
    """A smooth blob, twice as long along an axis, on voxels of a spacing."""
    grids = np.meshgrid(
        *(size * np.arange(-(40 // size), 40 // size + 1) for size in spacing), indexing="ij"
    )
    widths = [12 if axis == along else 6 for axis in AXES]
    squares = sum((grid / width) ** 2 for grid, width in zip(grids, widths, strict=True))
    return (1000 * np.exp(-0.5 * squares)).astype(np.float32)


def test_the_total_variation_of_a_body_is_the_same_whichever_way_it_lies():
    def total_variation_of(along: int, spacing, scheme) -> float:
        estimate = ellipsoid(along, spacing)
        found = (1 - 1 / factor(estimate, 0.1, scheme=scheme).astype(float)) / 0.1
        return -float((found * estimate).sum()) * float(np.prod(spacing))

    spacing = (2.0, 1.0, 1.0)
    right = [total_variation_of(axis, spacing, (spacing, None)) for axis in AXES]
    assert right == pytest.approx([right[0]] * 3, rel=0.015)
    # As it is where the voxels are cubes.
    assert right[0] == pytest.approx(total_variation_of(0, EVEN, (EVEN, None)), rel=0.05)
    # With another spacing than its own it is not.
    other = [total_variation_of(axis, spacing, SCHEMES[CLIJ]) for axis in AXES]
    assert max(other) > 1.1 * min(other)


@pytest.mark.parametrize("spacing", [EVEN, (2.0, 1.0, 1.0)])
def test_a_balls_divergence_is_its_curvature(spacing):
    # -2 / r at the distance r, in units of the finest voxel size, whichever way it is looked at.
    grids = np.meshgrid(
        *(size * np.arange(-(32 // size), 32 // size + 1) for size in spacing), indexing="ij"
    )
    ball = np.exp(-0.5 * sum(grid**2 for grid in grids) / 10**2).astype(np.float32)
    found = divergence(ball, spacing)
    for axis in AXES:
        for side in (-1, 1):
            place = [n // 2 for n in ball.shape]
            place[axis] += side * int(20 / spacing[axis])
            assert found[tuple(place)] == pytest.approx(-2 / 20, rel=0.2)


@given(shapes, seeds, weights, st.data())
def test_planes_are_computed_by_themselves(shape, seed, weight, data):
    scheme = data.draw(schemes)
    estimate = random_estimate(shape, seed)
    first = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    start = data.draw(st.integers(0, shape[0] - 1))
    planes = slice(start, data.draw(st.integers(start, shape[0])))
    out = np.full_like(estimate, -1)
    total_variation_factor(estimate, weight, out, planes, first, *scheme)
    expected = np.full_like(estimate, -1)
    expected[planes] = factor(estimate, weight, first, scheme)[planes]
    np.testing.assert_array_equal(out, expected)


def test_threads_share_the_planes():
    estimate = random_estimate((16, 40, 41), 0)
    out = np.empty_like(estimate)
    threads = [
        threading.Thread(
            target=total_variation_factor, args=(estimate, 0.1, out, slice(z, z + 4), (3, 5, 7))
        )
        for z in range(0, 16, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(out, factor(estimate, 0.1, (3, 5, 7)))


@pytest.mark.parametrize("scheme", [SCHEMES["all differ"], SCHEMES[CLIJ]])
@pytest.mark.parametrize("first", [NOWHERE, (2, 4, 3)])
def test_blocks_of_rows_join(monkeypatch, first, scheme):
    estimate = random_estimate((4, 9, 8), 0)
    expected = factor(estimate, 0.1, first, scheme)
    for block in (1, 16, 30):
        monkeypatch.setattr(total_variation, "BLOCK", block)
        np.testing.assert_array_equal(factor(estimate, 0.1, first, scheme), expected)


@given(shapes, seeds, weights, schemes, st.data())
def test_a_grid_wrapped_round_gives_the_factor_wrapped_round(shape, seed, weight, scheme, data):
    estimate = random_estimate(shape, seed)
    first = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    wrapped = factor(np.roll(estimate, first, AXES), weight, first, scheme)
    expected = np.roll(factor(estimate, weight, NOWHERE, scheme), first, AXES)
    np.testing.assert_array_equal(wrapped, expected)


@given(shapes, weights, schemes, st.floats(0, 1e6))
def test_an_even_estimate_is_left_as_it_is(shape, weight, scheme, value):
    estimate = np.full(shape, value, np.float32)
    np.testing.assert_array_equal(factor(estimate, weight, scheme=scheme), 1)


@given(shapes, seeds, schemes)
def test_no_weight_changes_nothing(shape, seed, scheme):
    np.testing.assert_array_equal(factor(random_estimate(shape, seed), 0, scheme=scheme), 1)


@given(shapes, seeds, weights, schemes, st.integers(-20, 20))
def test_how_bright_the_image_is_does_not_matter(shape, seed, weight, scheme, power):
    # Powers of two, which are exact.
    estimate = random_estimate(shape, seed)
    brighter = (estimate * 2.0**power).astype(np.float32)
    expected = factor(estimate, weight, scheme=scheme)
    np.testing.assert_allclose(factor(brighter, weight, scheme=scheme), expected, rtol=1e-6)


@given(shapes, seeds, weights, schemes)
def test_the_factor_is_bounded(shape, seed, weight, scheme):
    assert 0 <= weight < LARGEST_WEIGHT
    found = factor(random_estimate(shape, seed), weight, scheme=scheme)
    most = weight / LARGEST_WEIGHT
    assert found.min() >= (1 - 1e-5) / (1 + most)
    assert found.max() <= (1 + 1e-5) / (1 - most)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_peak_is_lowered_and_a_hole_filled(scheme):
    faces = 2 * sum(1 / size for size in SCHEMES[scheme][0])
    for value in (-1, 1):
        estimate = np.full((5, 5, 5), 2, np.float32)
        estimate[2, 2, 2] += value
        centre = factor(estimate, 0.1, scheme=SCHEMES[scheme])[2, 2, 2]
        assert centre == pytest.approx(1 / (1 + value * 0.1 * faces), rel=1e-6)


@given(seeds, weights, schemes, st.sampled_from(AXES))
def test_a_mirrored_profile_gives_the_mirrored_factor(seed, weight, scheme, axis):
    # Not so an image: the differences are one-sided, and across an axis those of the voxel before.
    shape = [1, 1, 1]
    shape[axis] = 9
    profile = np.broadcast_to(random_estimate(shape, seed), (9, 9, 9))
    mirrored = factor(np.flip(profile, axis), weight, scheme=scheme)
    expected = np.flip(factor(profile, weight, scheme=scheme), axis)
    np.testing.assert_allclose(mirrored, expected, rtol=1e-6)


@given(shapes, seeds, weights)
def test_rows_and_columns_are_alike_in_one_plane_with_clij2fft(shape, seed, weight):
    # Not so in more: see the module's notes on where clij2-fft departs from the scheme.
    estimate = random_estimate((1, *shape[1:]), seed)
    turned = factor(np.ascontiguousarray(estimate.swapaxes(1, 2)), weight, scheme=SCHEMES[CLIJ])
    expected = factor(estimate, weight, scheme=SCHEMES[CLIJ])
    np.testing.assert_allclose(turned.swapaxes(1, 2), expected, rtol=1e-6)


def test_its_input_is_not_changed():
    estimate = random_estimate((4, 5, 6), 0)
    before = estimate.copy()
    factor(estimate, 0.1, (1, 2, 3))
    np.testing.assert_array_equal(estimate, before)
