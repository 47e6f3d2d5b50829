"""From the distilled array to the PSF, and its measures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_psf_distiller import InputError
from napari_psf_distiller.measure.widths import (
    centre_on_peak,
    crop_about_centre,
    fwhm,
    peak_profiles,
    postprocess,
    profile_width,
    profile_width_slope,
)

SHAPES = [(7, 9, 11), (8, 10, 12), (8, 9, 10), (9, 10), (7, 7)]


def gaussian(shape, sigma, at=None) -> np.ndarray:
    """A sampled Gaussian about `at`, by default n // 2."""
    at = tuple(n // 2 for n in shape) if at is None else at
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.exp(-0.5 * sum(((g - a) / s) ** 2 for g, a, s in zip(grids, at, sigma, strict=True)))


def peak_of(psf) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(psf.argmax(), psf.shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("at", ["first", "last", "middle"])
def test_the_peak_comes_to_the_centre_wherever_it_was(shape, at):
    peak = {"first": (0,) * len(shape), "last": tuple(n - 1 for n in shape)}.get(at)
    array = np.random.default_rng(3).random(shape)
    array[peak or tuple(n // 2 for n in shape)] = 2
    psf = postprocess(array)
    assert psf.dtype == np.float32
    assert psf.shape == shape
    assert peak_of(psf) == tuple(n // 2 for n in shape)
    assert psf.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=7),
        elements=st.floats(0, 1000, width=32),
        unique=True,
    ),
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8)),
    st.floats(0, 0.9),
)
def test_whatever_it_is_given_the_psf_is_one(array, crop, background):
    psf = postprocess(array, crop=crop, background=background)
    assert psf.shape == tuple(
        min(n, m) for n, m in zip(array.shape, crop[-array.ndim :], strict=True)
    )
    assert psf.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert psf.min() >= 0
    assert psf[tuple(n // 2 for n in psf.shape)] == psf.max()


def test_the_notebooks_numbers_in_its_order():
    # Its example is 50 planes of a larger field; the crop is (50, 65, 65).
    rng = np.random.default_rng(4)
    array = 100 * gaussian((50, 70, 80), (6, 4, 4)) + rng.random((50, 70, 80))
    expected = array[0:50, 35 - 32 : 35 + 33, 40 - 32 : 40 + 33]
    expected = expected - array.max() / 500
    expected[expected < 0] = 0
    expected = expected / expected.sum()
    psf = postprocess(array, crop=(50, 65, 65), background=1 / 500)
    assert psf.shape == (50, 65, 65)
    np.testing.assert_allclose(psf, expected, rtol=1e-5, atol=1e-9)


def test_the_steps_can_be_left_out():
    array = gaussian((9, 11), (2, 2)).astype(np.float32) * 10 - 1
    np.testing.assert_array_equal(postprocess(array, clip=False, normalise=False), array)
    np.testing.assert_array_equal(postprocess(array, normalise=False), np.maximum(array, 0))
    lower = postprocess(array, background=0.5, clip=False, normalise=False)
    np.testing.assert_allclose(lower, array - 4.5, atol=1e-5)


@pytest.mark.parametrize("n", [6, 7])
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 9])
def test_the_centre_stays_the_centre_when_cropped(n, m):
    line = np.arange(n, dtype=np.float32)[:, None] + np.zeros((n, 2), np.float32)
    cropped = crop_about_centre(line, (m, 2))
    assert cropped.shape == (min(n, m), 2)
    assert cropped[min(n, m) // 2, 0] == n // 2
    np.testing.assert_array_equal(np.diff(cropped[:, 0]), 1)


def test_the_last_two_sizes_count_in_2d():
    assert postprocess(gaussian((20, 30), (2, 2)), crop=(51, 7, 9)).shape == (7, 9)


def test_nothing_is_lost_or_made_up_in_centring():
    array = np.random.default_rng(5).random((5, 6, 7)).astype(np.float32)
    np.testing.assert_array_equal(np.sort(centre_on_peak(array), None), np.sort(array, None))


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (gaussian((9, 9), (2, 2)), {"background": 1}, "from 0 to less than 1"),
        (gaussian((9, 9), (2, 2)), {"background": -0.1}, "from 0 to less than 1"),
        (gaussian((9, 9), (2, 2)), {"background": float("nan")}, "from 0 to less than 1"),
        (gaussian((9, 9, 9), (2, 2, 2)), {"crop": (5, 5)}, "must have 3 sizes"),
        (gaussian((9, 9), (2, 2)), {"crop": (5, 0)}, "sizes of 1 or more"),
        (-gaussian((9, 9), (2, 2)), {}, "sum is not positive"),
        (gaussian((9, 9), (2, 2)) - 1, {"clip": False}, "sum is not positive"),
        (np.zeros((9, 9)), {}, "The distilled PSF is constant"),
        (np.full((9, 9), np.nan), {}, "The distilled PSF has 81 voxels that are NaN"),
    ],
)
def test_what_cannot_be(array, options, words):
    with pytest.raises(InputError, match=words):
        postprocess(array, **options)


def test_the_profiles_go_through_the_brightest_voxel():
    array = np.random.default_rng(6).random((4, 5, 6))
    array[1, 2, 3] = 2
    z, y, x = peak_profiles(array)
    np.testing.assert_array_equal(z, array[:, 2, 3])
    np.testing.assert_array_equal(y, array[1, :, 3])
    np.testing.assert_array_equal(x, array[1, 2])


@pytest.mark.parametrize("shift", [0, 0.25, 0.5])
@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.7])
def test_the_fwhm_of_a_gaussian(shift, sigma):
    shape, spacing = (40, 41, 44), (0.3, 0.1, 0.108)
    sigmas = (sigma, 1.1 * sigma, 0.9 * sigma)
    psf = gaussian(shape, sigmas, at=tuple(n // 2 + shift for n in shape))
    expected = [np.sqrt(8 * np.log(2)) * s * d for s, d in zip(sigmas, spacing, strict=True)]
    # The narrowest has 3.2 voxels within its width: a cubic spline through them is good to 1 %.
    assert fwhm(psf, spacing) == pytest.approx(expected, rel=0.01)
    assert fwhm(psf.astype(np.float32), spacing) == pytest.approx(expected, rel=0.01)


def test_the_fwhm_in_2d():
    expected = np.sqrt(8 * np.log(2)) * 0.2
    assert fwhm(gaussian((31, 30), (2, 2)), (0.1, 0.1)) == pytest.approx(
        (expected, expected), rel=0.01
    )


def test_the_fwhm_does_not_depend_on_the_scale():
    psf = gaussian((31, 30), (2, 3))
    assert fwhm(1e-8 * psf, (0.1, 0.1)) == pytest.approx(fwhm(psf, (0.1, 0.1)), rel=1e-9)


def test_the_fwhm_is_that_of_the_middle_peak():
    # Side lobes above half of the maximum must not widen the width.
    psf = gaussian((61, 5), (2, 9)) + 0.8 * gaussian((61, 5), (2, 9), at=(10, 2))
    assert fwhm(psf, (0.1, 0.1))[0] == pytest.approx(np.sqrt(8 * np.log(2)) * 0.2, rel=0.01)


def test_the_fwhm_where_the_psf_does_not_fall_to_half():
    wide = fwhm(gaussian((31, 31, 5), (3, 100, 3)), (0.1, 0.1, 0.1))
    assert np.isfinite(wide[0])
    assert np.isnan(wide[1:]).all()
    # One side that does not fall is enough.
    assert np.isnan(fwhm(gaussian((31, 31), (3, 3), at=(1, 15)), (0.1, 0.1))[0])
    assert np.isnan(fwhm(np.ones((9, 9)), (0.1, 0.1))).all()
    assert np.isnan(fwhm(np.zeros((9, 9)), (0.1, 0.1))).all()
    assert np.isnan(fwhm(gaussian((3, 31), (0.5, 3)), (0.1, 0.1))[0])


def test_the_fwhm_needs_the_voxel_size():
    with pytest.raises(InputError, match="2 values, but the image has 3 axes"):
        fwhm(gaussian((9, 9, 9), (2, 2, 2)), (0.1, 0.1))


@pytest.mark.parametrize("shift", [0, 0.3, 0.5])
def test_how_a_width_depends_on_the_voxels(shift):
    line = gaussian((31,), (2.5,), at=(15 + shift,)) + 0.01
    found, nudge = profile_width_slope(line), 1e-5 * np.eye(len(line))
    expected = [(profile_width(line + n) - profile_width(line - n)) / 2e-5 for n in nudge]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    # A brighter line is as wide.
    assert found @ line == pytest.approx(0, abs=1e-9)


def test_what_has_no_width_has_no_slope():
    np.testing.assert_array_equal(profile_width_slope(np.ones(9)), np.zeros(9))
    np.testing.assert_array_equal(profile_width_slope(np.array([0.0, 1.0, 0.0])), np.zeros(3))
