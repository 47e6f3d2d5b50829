"""What an array or a number must be before a step works on it, each refusal a sentence."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.lengths import SPACING
from napari_psf_distiller.wording import sizes_text

__all__ = [
    "check_array",
    "check_callback",
    "check_choice",
    "check_given_spacing",
    "check_image",
    "check_iterations",
    "check_number",
    "check_shape",
    "check_spacing",
    "check_stacks",
    "check_whole",
]

# Whole numbers up to here are exact in float32.
EXACT_IN_FLOAT32 = 2**24

# Beyond these intensities the squares that a variance sums up leave single precision.
LARGEST_INTENSITY, SMALLEST_SPAN = 1e15, 1e-15

# No camera's pixels and no scan's are so much longer than wide.
LONGEST_PIXEL = 20.0

MOST_ITERATIONS = 100_000


def check_image(
    image: ArrayLike, name: str = "The image", *, constant: bool = False
) -> NDArray[np.float32]:
    """Return a 2D or 3D image as float32, or say why it cannot be used.

    Parameters
    ----------
    image : array_like
        (Y, X) or (Z, Y, X); whole or floating-point numbers. Of more axes those of length 1 are
        left out.
    name : str
        What the error's sentence calls it.
    constant : bool
        Whether it may have the same value everywhere.

    Returns
    -------
    numpy.ndarray
        float32, C order; the same memory where the input is that already.

    Raises
    ------
    InputError
        Wrong number of axes, RGB, not numbers, empty, NaN or infinite, masked in part, too large or
        too small for float32, or the same value everywhere.
    """
    array = check_array(image, name, constant=constant)
    return np.ascontiguousarray(array, dtype=np.float32)


def check_array(
    image: ArrayLike, name: str = "The image", *, constant: bool = False
) -> NDArray[Any]:
    """Return a 2D or 3D image as it is, in native byte order, or refuse it; see `check_image`."""
    array = _array(image, name)
    if array.ndim not in (2, 3):
        raise InputError(
            f"{name} has {array.ndim} axes {_shape(array)}; it must have the axes (Z, Y, X) or "
            "(Y, X). Choose one time point and one channel first."
        )
    if array.size == 0:
        raise InputError(f"{name} is empty: its shape is {_shape(array)}.")
    if array.ndim == 3 and array.shape[-1] in (3, 4) and array.dtype == np.uint8:
        raise InputError(
            f"{name} looks like an RGB picture {_shape(array)}; a bead image has one value a "
            "voxel. Choose one channel, or convert it to grey values."
        )
    if array.dtype.kind not in "uif":
        raise InputError(f"{name} has the dtype {array.dtype}; it must hold numbers.")
    if isinstance(image, np.ma.MaskedArray) and np.ma.is_masked(image):
        count = int(np.ma.getmaskarray(image).sum())
        raise InputError(f"{name} has {count} masked voxels; fill them, or crop the image.")
    with np.errstate(invalid="ignore"):
        low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (np.isfinite(low) and np.isfinite(high)):
            _refuse_not_finite(array, name)
        # What is computed of it must be finite too: sums, and squares for a variance.
        largest = max(abs(float(low)), abs(float(high)))
        if largest > LARGEST_INTENSITY:
            raise InputError(
                f"{name} has values up to {largest:.3g}, too large for single precision; divide it "
                "by a constant first."
            )
    elif max(abs(int(low)), abs(int(high))) > EXACT_IN_FLOAT32:
        raise InputError(
            f"{name} has the dtype {array.dtype} and values from {low} to {high}; beyond "
            f"{EXACT_IN_FLOAT32} whole numbers overflow single precision. Subtract an offset or "
            "divide by a constant first."
        )
    if not constant:
        _refuse_constant(float(low), float(high), name)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def check_stacks(
    images: ArrayLike | Sequence[ArrayLike],
    names: Sequence[str] | None = None,
    *,
    planes: bool = False,
) -> list[NDArray[Any]] | None:
    """Return several images as they are, or say why they cannot be used together.

    Parameters
    ----------
    images : sequence of array_like
        A list or tuple of which each item is an image, all (Z, Y, X).
    names : sequence of str, optional
        What the errors' sentences call them; by default "stack 0", "stack 1" and so on.
    planes : bool
        Whether they are several images for sure, so that each may be a plane, (Y, X).

    Returns
    -------
    list of numpy.ndarray or None
        None where it is not several images but one, such as a list of planes.

    Raises
    ------
    InputError
        The list is empty, an image cannot be used, or some have three axes and others two.
    """
    if not isinstance(images, list | tuple):
        return None
    if len(images) == 0:
        raise InputError("There is no image: the list of images is empty.")
    axes = [np.ndim(_array(image, "The image")) for image in images]
    if not planes and max(axes) < 3:
        return None
    called = [f"stack {i}" for i in range(len(images))] if names is None else names
    # A blank one is left out later, with a sentence, and the others go on.
    arrays = [
        check_array(image, f"The image {name}", constant=True)
        for image, name in zip(images, called, strict=True)
    ]
    flat = [name for name, array in zip(called, arrays, strict=True) if array.ndim == 2]
    if 0 < len(flat) < len(arrays):
        deep = next(name for name, one in zip(called, arrays, strict=True) if one.ndim == 3)
        raise InputError(
            f"{flat[0]} is one plane, and {deep} is a stack of planes: images that are distilled "
            "together must be all of one kind."
        )
    return arrays


def _array(image: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array with no more axes of length 1 than it takes."""
    try:
        array = np.asarray(image)
    except ValueError:
        raise InputError(f"{name} is ragged: its rows differ in length.") from None
    except (TypeError, OverflowError) as error:
        raise InputError(f"{name} is no array of numbers: {shown(str(error))}.") from None
    if array.ndim > 3:
        alone = tuple(axis for axis, n in enumerate(array.shape[:-2]) if n == 1)
        array = array.squeeze(alone)
    return array


def _refuse_not_finite(array: NDArray[Any], name: str) -> None:
    bad = ~np.isfinite(array)
    first = np.unravel_index(int(bad.argmax()), bad.shape)
    place = ", ".join(f"{axis} {i}" for axis, i in zip("zyx"[-array.ndim :], first, strict=True))
    raise InputError(
        f"{name} has {int(np.count_nonzero(bad))} voxels that are NaN or infinite, the first at "
        f"{place} (counted from 0); crop them away, or replace them first."
    )


def _refuse_constant(low: float, high: float, name: str) -> None:
    if low == high:
        raise InputError(f"{name} is constant: every voxel is {low:g}. There is nothing to see.")
    if np.float32(low) == np.float32(high):
        raise InputError(
            f"{name} is constant in single precision: its values are from {low:.9g} to "
            f"{high:.9g}. Subtract an offset first."
        )
    if high - low < SMALLEST_SPAN:
        raise InputError(
            f"{name} has values from {low:.3g} to {high:.3g}, too small for single precision; "
            "multiply it by a constant first."
        )


def check_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the voxel size, one length an axis.

    Raises
    ------
    InputError
        None, of another number of axes, not positive and finite, or no microscope's.
    """
    if spacing is None:
        raise InputError(
            "The voxel size is not known; give it in micrometres, "
            + ("z, y and x." if ndim == 3 else "y and x.")
        )
    try:
        # The digits of a text are numbers too, but never what is meant.
        values = () if isinstance(spacing, str | bytes) else tuple(map(_number, spacing))
    except (TypeError, ValueError, OverflowError):
        values = ()
    if not values and not (isinstance(spacing, tuple | list) and len(spacing) == 0):
        raise InputError(
            f"The voxel size (spacing) {shown(spacing)} must be numbers, one an axis, in "
            "micrometres."
        )
    if len(values) != ndim:
        raise InputError(
            f"The voxel size (spacing) {shown(values)} has {len(values)} values, but the image has "
            f"{ndim} axes."
        )
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise InputError(
            f"The voxel size {sizes_text(values)} must be positive on every axis, in micrometres."
        )
    for axis, value in zip("zyx"[-ndim:], values, strict=True):
        SPACING.check(value, f"The voxel size along {axis}")
    if max(values[-2:]) > LONGEST_PIXEL * min(values[-2:]):
        raise InputError(
            f"The voxel size along y and x, {values[-2]:g} x {values[-1]:g} micrometres, "
            "cannot be a pixel's: are they in different units?"
        )
    return values


def check_given_spacing(spacing: Sequence[float], ndim: int) -> tuple[float, ...]:
    """Return a voxel size that was given for an image: of a plane the size along z does not count.

    Files of one plane may be stacks, whose axis z has nothing in it and is left out; who gives the
    voxel size gives it for all three axes.

    Parameters
    ----------
    spacing : sequence of float
        In micrometres.
    ndim : int
        The image's number of axes.

    Raises
    ------
    InputError
        See `check_spacing`.
    """
    if ndim == 2 and not isinstance(spacing, str | bytes) and np.shape(spacing) == (3,):
        return check_spacing(spacing, 3)[1:]
    return check_spacing(spacing, ndim)


def check_number(value: float, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a number as float, or say that it cannot be.

    Parameters
    ----------
    value : float
    what : str
        What the error's sentence calls it.
    low, high : float
        The least and the largest that it may be; it is finite in any case.

    Raises
    ------
    InputError
        No number, not finite, or out of these bounds.
    """
    try:
        number = _number(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        bounds = "finite"
        if math.isfinite(low):
            bounds = "not negative" if low == 0 else f"{low:g} or more"
        if math.isfinite(high):
            bounds = f"from {low:g} to {high:g}" if math.isfinite(low) else f"at most {high:g}"
        raise InputError(f"The {what} is {shown(value)}; it must be a number, {bounds}.")
    return number


def check_whole(value: int, what: str, low: int, high: int) -> int:
    """Return a whole number as int; see `check_number`."""
    number = check_number(value, what, low, high)
    if not number.is_integer():
        raise InputError(f"The {what} is {shown(value)}; it must be a whole number.")
    return int(number)


def check_shape(shape: Sequence[int], least: int, most: int) -> tuple[int, ...]:
    """Return the shape of an image that is to be made.

    Parameters
    ----------
    shape : sequence of int
        (Z, Y, X) or (Y, X).
    least : int
        Of each axis.
    most : int
        Of voxels in all.

    Raises
    ------
    InputError
        It is none, or out of these bounds.
    """
    try:
        sizes = tuple(operator.index(n) for n in shape)
    except TypeError:
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < least:
        raise InputError(
            f"An image of the shape {shown(shape)} cannot be made; it needs 2 or 3 axes of {least} "
            "voxels or more."
        )
    if math.prod(sizes) > most:
        raise InputError(
            f"An image of the shape {shown(sizes)} does not fit into the memory; {most:.3g} voxels "
            "do."
        )
    return sizes


def _number(value: Any) -> float:
    """Return what is a number; a text, a truth value or an array is none."""
    if isinstance(value, str | bytes | bool | np.bool_) or np.ndim(value):
        raise TypeError
    # NumPy gives a complex number's real part with a warning.
    if isinstance(value, complex | np.complexfloating):
        raise TypeError
    return float(value)


def check_iterations(iterations: int) -> int:
    """Return the number of iterations, or say that it must be at least one."""
    try:
        number = _number(iterations)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number.is_integer() or not 1 <= number <= MOST_ITERATIONS:
        raise InputError(
            f"The number of iterations is {shown(iterations)}; it must be 1 or more, and at most "
            f"{MOST_ITERATIONS}."
        )
    return int(number)


def check_callback(callback: object) -> None:
    """Refuse what is to be called with each `Progress` and cannot be called."""
    if callback is not None and not callable(callback):
        raise InputError(f"The callback is {shown(callback)}; it should be a function, or None.")


def check_choice(value: str, what: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices.

    Parameters
    ----------
    value : str
    what : str
        What the error's sentence calls it.
    choices : sequence of str
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"There is no {what} {shown(value)}; choose {', '.join(choices)}.")


def _shape(array: NDArray[np.generic]) -> str:
    return " x ".join(str(n) for n in array.shape) or "()"
