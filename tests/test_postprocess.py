"""From the distilled array to the PSF."""

import numpy as np
import pytest
from gaussians import gaussian
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_psf_distiller import InputError
from napari_psf_distiller.postprocess import centre_on_peak, crop_about_centre, postprocess

SHAPES = [(7, 9, 11), (8, 10, 12), (8, 9, 10), (9, 10), (7, 7)]


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
    clipped = postprocess(array, normalise=False)
    assert clipped.min() == 0
    assert array.sum() <= clipped.sum() < 0.5 * (array.sum() + np.maximum(array, 0).sum())
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
