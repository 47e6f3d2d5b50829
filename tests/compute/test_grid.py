"""The grid: its size, the PSF on it, and the light of it that is seen."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import BOUNDARIES, asymmetric_psf, random_problem, whole_grid

from napari_psf_distiller.compute import displaced_axes
from napari_psf_distiller.compute.grid import (
    centre_of,
    clij_grid,
    grid_of,
    padded_image,
    seen_light,
    seen_through,
    smooth_size,
    wrapped_psf,
)

# Odd and even, thin and flat, and a PSF that is larger than the image.
SHAPES = [
    ((8, 9, 10), (3, 5, 4)),
    ((7, 11, 6), (4, 4, 5)),
    ((1, 12, 13), (1, 5, 6)),
    ((4, 9, 20), (9, 8, 7)),
    ((11, 6), (13, 9)),
    ((5, 5), (20, 21)),
]


def correlated(box, psf_on_grid) -> np.ndarray:
    spectrum = np.fft.fftn(box.astype(float)) * np.fft.fftn(psf_on_grid.astype(float)).conj()
    return np.fft.ifftn(spectrum).real


@pytest.mark.parametrize(
    ("n", "expected"), [(1, 1), (7, 7), (11, 12), (13, 14), (121, 125), (2048, 2048), (2059, 2100)]
)
def test_smooth_sizes(n, expected):
    assert smooth_size(n) == expected


@given(st.integers(1, 5000))
def test_a_smooth_size_is_the_smallest(n):
    smooth = {
        2**a * 3**b * 5**c * 7**d
        for a, b, c, d in itertools.product(range(14), range(9), range(7), range(6))
    }
    assert smooth_size(n) == min(size for size in smooth if size >= n)


@pytest.mark.parametrize(("shape", "psf_shape"), SHAPES)
def test_the_grids_size(shape, psf_shape):
    def next_odd(n: int) -> int:
        return n + 1 - n % 2

    circulant = grid_of(shape, psf_shape, ("circulant",) * len(shape), next_odd)
    assert circulant == clij_grid(shape, psf_shape, "circulant")
    assert circulant == tuple(smooth_size(max(n, m)) for n, m in zip(shape, psf_shape, strict=True))
    # Nothing depends on what lies beyond the reach of the image's light.
    reach = [n + 2 * (m // 2) for n, m in zip(shape, psf_shape, strict=True)]
    open_grid = grid_of(shape, psf_shape, ("noncirculant",) * len(shape), next_odd)
    assert open_grid == tuple(map(next_odd, reach))
    # Each axis has a boundary of its own.
    mixed = ("circulant", *["noncirculant"] * (len(shape) - 1))
    assert grid_of(shape, psf_shape, mixed, next_odd) == (circulant[0], *open_grid[1:])
    assert clij_grid(shape, psf_shape, "noncirculant") == tuple(map(smooth_size, reach))


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "psf_shape"), SHAPES)
def test_the_psfs_centre_is_where_padding_to_clijs_grid_puts_it(shape, psf_shape, boundary):
    grid = clij_grid(shape, psf_shape, boundary)
    centre = centre_of(shape, psf_shape, boundary, "clij2-fft")
    psf = np.zeros(psf_shape)
    psf[centre] = 1
    widths = [((g - m + 1) // 2, (g - m) // 2) for g, m in zip(grid, psf_shape, strict=True)]
    assert np.fft.ifftshift(np.pad(psf, widths)).flat[0] == 1
    moved = [axis for axis, m in enumerate(psf_shape) if centre[axis] != m // 2]
    assert displaced_axes(shape, psf_shape, boundary, "clij2-fft") == tuple(moved)
    # Only there: the grid odd and the PSF even.
    assert moved == [
        axis for axis, (g, m) in enumerate(zip(grid, psf_shape, strict=True)) if g % 2 and not m % 2
    ]


def test_an_odd_psf_displaces_nothing():
    for n, m in itertools.product(range(1, 30), range(1, 30, 2)):
        for boundary in BOUNDARIES:
            assert displaced_axes((n, n), (m, m), boundary, "clij2-fft") == ()


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from(BOUNDARIES),
)
def test_the_psfs_centre_is_half_its_size(shape, psf_shape, boundary):
    assert centre_of(shape, psf_shape, boundary) == tuple(m // 2 for m in psf_shape)
    assert displaced_axes(shape, psf_shape, boundary) == ()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "psf_shape"), SHAPES)
def test_the_psf_is_wrapped_round_its_centre(host, shape, psf_shape, boundary):
    psf = asymmetric_psf(psf_shape)
    problem = whole_grid(random_problem(shape, 0)[0], psf, boundary, host)
    wrapped = wrapped_psf(problem)
    assert wrapped.shape == problem.grid
    assert wrapped.dtype == np.float32
    assert np.count_nonzero(wrapped) == psf.size
    expected = np.zeros_like(wrapped)
    for index in np.ndindex(problem.psf.shape):
        offset = tuple(i - c for i, c in zip(index, problem.centre, strict=True))
        expected[offset] = problem.psf[index]
    np.testing.assert_array_equal(wrapped, expected)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "psf_shape"), SHAPES)
def test_seen_light_is_the_boxs_correlation_with_the_psf(host, shape, psf_shape, boundary):
    problem = whole_grid(random_problem(shape, 0)[0], asymmetric_psf(psf_shape), boundary, host)
    box = np.zeros(problem.grid)
    box[tuple(slice(n) for n in problem.image.shape)] = 1
    expected = correlated(box, wrapped_psf(problem))
    expected[expected < 1e-5] = 1
    seen = seen_light(problem)
    assert seen.dtype == np.float32
    # Single precision, of a sum that is no more than 1.
    np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=2e-7)
    if boundary == "circulant":
        np.testing.assert_allclose(seen, 1, rtol=1e-6)
    else:
        assert seen.min() < 0.9


def test_little_light_counts_as_all(host):
    # A PSF with faint skirts: at the grid's edge less than 1e-5 of the light is seen.
    psf = np.array([[1e-6, 1e-3, 1, 1e-3, 1e-6]], np.float32)
    seen = seen_light(whole_grid(np.arange(12.0)[None], psf, "noncirculant", host))[0, 0]
    assert seen[12:14] == pytest.approx([1e-3, 1], rel=3e-3)
    assert seen[-2:] == pytest.approx([1, 1e-3], rel=3e-3)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("shape", "psf_shape"), SHAPES[:4])
def test_light_seen_through_a_mask(host, shape, psf_shape, boundary):
    problem = whole_grid(random_problem(shape, 0)[0], asymmetric_psf(psf_shape), boundary, host)
    mask = np.random.default_rng(0).random(problem.image.shape) < 0.6
    box = np.zeros(problem.grid)
    box[tuple(slice(n) for n in problem.image.shape)] = mask
    expected = correlated(box, wrapped_psf(problem))
    expected[expected < 1e-5] = 1
    seen = seen_through(dataclasses.replace(problem, mask=mask))
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("n", "g", "expected"),
    [
        (4, 4, [0, 1, 2, 3]),
        (4, 5, [1, 0, 1, 2, 3]),
        (4, 7, [2, 1, 0, 1, 2, 3, 2]),
        # A grid far larger than the image: the reflection is itself reflected.
        (3, 10, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]),
        (1, 4, [0, 0, 0, 0]),
    ],
)
def test_a_padded_image_is_reflected(n, g, expected):
    array, region = padded_image(np.arange(float(n)), (g,))
    assert array.tolist() == expected
    assert array[region].tolist() == list(range(n))


def test_an_image_that_fills_the_grid_is_not_copied():
    image = np.zeros((4, 5))
    padded, region = padded_image(image, (4, 5))
    assert padded is image
    assert region == (slice(0, 4), slice(0, 5))
