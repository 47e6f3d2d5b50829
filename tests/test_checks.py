"""Every image that cannot be used is refused with a sentence that says why."""

import math

import numpy as np
import pytest

from napari_psf_distiller import InputError
from napari_psf_distiller.checks import (
    check_array,
    check_given_spacing,
    check_image,
    check_iterations,
    check_number,
    check_shape,
    check_spacing,
)


def ramp(dtype, shape=(4, 5, 6)) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def with_voxels(*values: float, dtype=np.float32) -> np.ndarray:
    """A ramp with its first voxels replaced."""
    image = ramp(dtype)
    image.flat[: len(values)] = values
    return image


def sentence(image, **options) -> str:
    with pytest.raises(InputError) as raised:
        check_image(image, **options)
    text = str(raised.value)
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("shape", [(4, 5, 6), (5, 6), (1, 5, 6), (7, 3), (2, 5, 7)])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f2", "f4", "f8", ">u2", ">f4"])
def test_numbers_come_back_as_single_precision(shape, dtype):
    image = ramp(dtype, shape)
    array = check_image(image)
    assert array.dtype == np.float32
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, image)


def test_what_is_right_already_is_not_copied():
    image = ramp(np.float32)
    assert check_image(image) is image


def test_lists_and_transposed_arrays():
    np.testing.assert_array_equal(check_image([[0, 1], [2, 3]]), [[0, 1], [2, 3]])
    turned = check_image(ramp(np.float32).T)
    assert turned.flags.c_contiguous
    assert turned.shape == (6, 5, 4)


@pytest.mark.parametrize("channels", [3, 4])
def test_rgb(channels):
    text = sentence(ramp(np.uint8, (5, 6, channels)))
    assert "RGB" in text
    assert f"5 x 6 x {channels}" in text
    assert "Choose one channel" in text


@pytest.mark.parametrize("shape", [(2, 4, 5, 6), (2, 3, 4, 5, 6), (6,), ()])
def test_wrong_number_of_axes_says_which_are_needed(shape):
    text = sentence(np.zeros(shape))
    assert f"{len(shape)} axes" in text
    assert "(Z, Y, X) or (Y, X)" in text
    assert "one time point and one channel" in text


@pytest.mark.parametrize("shape", [(0, 5), (4, 0, 6), (0, 0)])
def test_empty(shape):
    assert "is empty" in sentence(np.zeros(shape))


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([np.nan], 1),
        ([np.inf, -np.inf], 2),
        ([np.nan, np.inf, np.nan], 3),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_and_infinity_are_counted(values, count, dtype):
    assert f"{count} voxels that are NaN or infinite" in sentence(with_voxels(*values, dtype=dtype))


@pytest.mark.parametrize(
    "image",
    [
        with_voxels(2**24 + 1, dtype=np.uint32),
        with_voxels(2**63, dtype=np.uint64),
        with_voxels(-(2**63), dtype=np.int64),
        with_voxels(-(2**24) - 1, dtype=np.int32),
    ],
)
def test_whole_numbers_that_overflow(image):
    text = sentence(image)
    assert "overflow" in text
    assert str(image.dtype) in text


def test_the_largest_whole_number_is_exact():
    assert check_image(with_voxels(2**24, dtype=np.uint32)).max() == 2**24


@pytest.mark.parametrize("value", [1e39, -1e300, 1e38])
def test_floats_too_large_for_their_sum(value):
    # 1e38 itself fits into single precision, the sum of a hundred such does not.
    assert "too large for single precision" in sentence(with_voxels(value, dtype=np.float64))


@pytest.mark.parametrize("value", [0, 7, 2.5, -1.0])
def test_constant(value):
    text = sentence(np.full((4, 5), value))
    assert "is constant" in text
    assert f"{value:g}" in text


@pytest.mark.parametrize(
    "image",
    [
        np.eye(4, dtype=bool),
        np.eye(4, dtype=complex),
        np.array([[1, "a"], [2, None]], dtype=object),
        np.array([["a", "b"], ["c", "d"]]),
        np.zeros((3, 3), "datetime64[s]"),
    ],
    ids=lambda image: str(image.dtype),
)
def test_dtypes_that_are_no_numbers(image):
    text = sentence(image)
    assert str(image.dtype) in text
    assert "must hold numbers" in text


def test_the_sentence_names_what_was_given():
    assert sentence(np.zeros((4, 5)), name="The PSF").startswith("The PSF ")


def test_pixels_that_are_no_pixels():
    with pytest.raises(InputError, match=r"30 x 0\.001 micrometres"):
        check_spacing((0.2, 30, 0.001), 3)
    assert check_spacing((50, 0.1, 1), 3) == (50, 0.1, 1)


def test_spacing():
    assert check_spacing([1, 0.5, np.float32(0.25)], 3) == (1.0, 0.5, 0.25)


@pytest.mark.parametrize(
    ("spacing", "ndim", "words"),
    [
        (None, 3, "z, y and x"),
        (None, 2, "y and x"),
        ((0.1, 0.1), 3, "2 values, but the image has 3 axes"),
        ((0.2, 0.1, 0.1), 2, "3 values, but the image has 2 axes"),
        ((), 2, "0 values"),
        ((0, 0.1), 2, "positive"),
        ((0.1, -0.1), 2, "positive"),
        ((0.1, float("nan")), 2, "positive"),
        ((0.1, float("inf")), 2, "positive"),
    ],
)
def test_spacing_that_cannot_be(spacing, ndim, words):
    with pytest.raises(InputError, match="voxel size") as raised:
        check_spacing(spacing, ndim)
    assert words in str(raised.value)


def test_of_a_plane_the_spacing_along_z_does_not_count():
    assert check_given_spacing((0.2, 0.1, 0.09), 2) == (0.1, 0.09)
    assert check_given_spacing((0.2, 0.1, 0.09), 3) == (0.2, 0.1, 0.09)
    with pytest.raises(InputError, match="2 values, but the image has 3 axes"):
        check_given_spacing((0.1, 0.1), 3)
    with pytest.raises(InputError, match="along z"):
        check_given_spacing((200, 0.1, 0.1), 2)


def test_iterations():
    assert check_iterations(1) == 1
    assert type(check_iterations(np.int64(20))) is int


@pytest.mark.parametrize(
    "iterations", [0, -1, 1.5, True, float("nan"), float("inf"), "3", None, 10**9, 10**400]
)
def test_iterations_that_cannot_be(iterations):
    with pytest.raises(InputError, match="1 or more"):
        check_iterations(iterations)


def test_where_the_first_bad_voxel_is():
    image = ramp(np.float32)
    image[2, 3, 4] = image[3] = np.nan
    text = sentence(image)
    assert "31 voxels that are NaN or infinite, the first at z 2, y 3, x 4" in text


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 4, 5, 6), (4, 5, 6)),
        ((4, 1, 5, 6), (4, 5, 6)),
        ((1, 1, 4, 5, 6), (4, 5, 6)),
        ((1, 1, 5, 6), (5, 6)),
        ((1, 5, 6), (1, 5, 6)),
        ((1, 4, 1, 6), (4, 1, 6)),
    ],
)
def test_axes_of_length_1_are_left_out_where_there_are_too_many(shape, expected):
    image = ramp(np.uint16, shape)
    array = check_image(image)
    assert array.shape == expected
    np.testing.assert_array_equal(array.ravel(), image.ravel())


@pytest.mark.parametrize("image", [[[1, 2], [3]], "text", b"text", None, 7, {}, object(), 10**400])
def test_what_is_no_array(image):
    assert len(sentence(image)) < 300


def test_masked_voxels_are_told():
    image = np.ma.masked_greater(ramp(np.float32), 100)
    assert "19 masked voxels" in sentence(image)
    assert check_image(np.ma.masked_greater(ramp(np.float32), 1000)).shape == (4, 5, 6)


@pytest.mark.parametrize("factor", [1e-20, 1e-30, 1e14, 1e30])
def test_values_whose_squares_leave_single_precision(factor):
    assert "single precision" in sentence(ramp(np.float64) * factor)


def test_what_differs_in_double_precision_only():
    assert "constant in single precision" in sentence(ramp(np.float64) + 1e12)


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", ">f8"])
def test_native_byte_order_inside(dtype):
    image = ramp(dtype)
    array = check_array(image)
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, image)
    assert image.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    "spacing",
    [
        *("123", b"123", 0.1, "abc", "x" * 10**6, object(), [[1], [2], [3]]),
        *([0.1, "x", 0.1], [0.1, None, 0.1], (True, 0.1, 0.1), (1j, 0.1, 0.1)),
        (10**400, 0.1, 0.1),
    ],
)
def test_spacing_that_is_no_lengths(spacing):
    with pytest.raises(InputError, match="must be numbers") as raised:
        check_spacing(spacing, 3)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("value", ["1", None, True, math.nan, math.inf, 1j, [1], -1, 11, 10**400])
def test_numbers_that_cannot_be(value):
    with pytest.raises(InputError, match=r"The width is .*; it must be a number, from 0 to 10\.$"):
        check_number(value, "width", 0, 10)


@pytest.mark.parametrize("value", [0, 10, 0.5, np.float32(0.5), np.int8(3)])
def test_numbers(value):
    number = check_number(value, "width", 0, 10)
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize(
    "shape", [5, "55", (5,), (5, 5, 5, 5), (0, 5), (5.0, 5), (5, None), (-1, 5)]
)
def test_shapes_that_cannot_be(shape):
    with pytest.raises(InputError, match="cannot be made"):
        check_shape(shape, 1, 1000)


def test_shapes_that_are_too_large():
    with pytest.raises(InputError, match="does not fit into the memory"):
        check_shape((10**9, 10**9, 10**9), 1, 10**9)
    assert check_shape([np.int64(5), 7], 1, 35) == (5, 7)
