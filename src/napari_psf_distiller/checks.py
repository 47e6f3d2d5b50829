"""What an array must be before a step works on it, each refusal a sentence for the user."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.errors import InputError

__all__ = ["check_array", "check_choice", "check_image", "check_iterations", "check_spacing"]

# Whole numbers up to here are exact in float32.
EXACT_IN_FLOAT32 = 2**24

# Voxels of less than a nanometre or more than this, in micrometres, are of another unit.
SMALLEST_SPACING, LARGEST_SPACING = 0.001, 50.0


def check_image(
    image: ArrayLike, name: str = "The image", *, constant: bool = False
) -> NDArray[np.float32]:
    """Return a 2D or 3D image as float32, or say why it cannot be used.

    Parameters
    ----------
    image : array_like
        (Y, X) or (Z, Y, X); whole or floating-point numbers.
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
        Wrong number of axes, RGB, not numbers, empty, NaN or infinite, too large for float32, or
        the same value everywhere.
    """
    array = check_array(image, name, constant=constant)
    return np.ascontiguousarray(array, dtype=np.float32)


def check_array(
    image: ArrayLike, name: str = "The image", *, constant: bool = False
) -> NDArray[Any]:
    """Return a 2D or 3D image as it is, or say why it cannot be used; see `check_image`."""
    try:
        array = np.asarray(image)
    except ValueError:
        raise InputError(f"{name} is ragged: its rows differ in length.") from None
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
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (np.isfinite(low) and np.isfinite(high)):
            count = int(np.count_nonzero(~np.isfinite(array)))
            raise InputError(
                f"{name} has {count} voxels that are NaN or infinite; replace them first."
            )
        # Its sum must be finite too: background, normalisation and flux are sums.
        largest = max(abs(float(low)), abs(float(high)))
        if largest > float(np.finfo(np.float32).max) / array.size:
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
    if low == high and not constant:
        raise InputError(f"{name} is constant: every voxel is {low:g}. There is nothing to see.")
    return array


def check_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the voxel size, one length an axis.

    Raises
    ------
    InputError
        None, of another number of axes, or not positive and finite.
    """
    if spacing is None:
        raise InputError(
            "The voxel size is not known; give the spacing in micrometres, "
            + ("z, y and x." if ndim == 3 else "y and x.")
        )
    try:
        values = tuple(float(value) for value in spacing)
    except (TypeError, ValueError):
        raise InputError(
            f"The spacing {spacing!r} must be numbers, one an axis, in micrometres."
        ) from None
    if len(values) != ndim:
        raise InputError(
            f"The spacing {values} has {len(values)} values, but the image has {ndim} axes."
        )
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise InputError(f"The spacing {values} must be positive on every axis, in micrometres.")
    if min(values) < SMALLEST_SPACING or max(values) > LARGEST_SPACING:
        raise InputError(
            f"The spacing {values} cannot be a microscope's voxel size in micrometres; is it in "
            "another unit?"
        )
    return values


def check_iterations(iterations: int) -> int:
    """Return the number of iterations, or say that it must be at least one."""
    number = isinstance(iterations, int | float | np.number) and not isinstance(iterations, bool)
    if not number or not float(iterations).is_integer() or iterations < 1:
        raise InputError(f"The number of iterations is {iterations}; it must be 1 or more.")
    return int(iterations)


def check_choice(value: str, what: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices.

    Parameters
    ----------
    value : str
    what : str
        What the error's sentence calls it.
    choices : sequence of str
    """
    if value not in choices:
        raise InputError(f"There is no {what} {value!r}; choose {', '.join(choices)}.")


def _shape(array: NDArray[np.generic]) -> str:
    return " x ".join(str(n) for n in array.shape) or "()"
