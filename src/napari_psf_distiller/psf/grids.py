"""A PSF on other voxels than its own: how many of them there are, and their values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from napari_psf_distiller.checks import check_shape
from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.negative_values import without_negative_values
from napari_psf_distiller.psf.functions import Evaluated, FittedFunctions
from napari_psf_distiller.simulate.psf import voxels_in_memory
from napari_psf_distiller.wording import sizes_text

__all__ = [
    "VOXEL_BYTES",
    "Room",
    "default_shape",
    "errors_on",
    "evaluated",
    "finer_errors",
    "interpolated",
    "room_in_array",
    "room_in_window",
    "shape_of",
    "shape_within",
    "within_window",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# How many voxels there can be before and after the central one, along each axis.
Room = tuple[tuple[int, int], ...]

# Bytes that a voxel takes while it is computed.
VOXEL_BYTES = 64

# The light up to an edge is interpolated by polynomials of this order.
LIGHT_ORDER = 5

# A voxel counts as inside if its centre is, but for this part of a voxel.
ROUNDING = 1e-6


def room_in_window(model: FittedFunctions, spacing: Sequence[float]) -> Room:
    """Return the room that the window has in which functions were fitted.

    Parameters
    ----------
    model : FittedFunctions
    spacing : sequence of float
        (z, y, x) or (y, x), in micrometres.
    """
    return tuple(
        (_count(low, size), _count(high, size))
        for (low, high), size in zip(model.reach[-len(spacing) :], spacing, strict=True)
    )


def room_in_array(shape: Sequence[int], own: Sequence[float], spacing: Sequence[float]) -> Room:
    """Return the room that an array has for voxels of another size.

    Parameters
    ----------
    shape : sequence of int
        The array's.
    own, spacing : sequence of float
        Size of its voxels and of the others, in micrometres.
    """
    return tuple(
        (_count((n // 2 + 0.5) * old, new), _count((n - n // 2 - 0.5) * old, new))
        for n, old, new in zip(shape, own, spacing, strict=True)
    )


def default_shape(
    shape: Sequence[int], own: Sequence[float], spacing: Sequence[float], room: Room
) -> tuple[int, ...]:
    """Return how many other voxels have their centres within the extent of an array's.

    Parameters
    ----------
    shape, own, spacing
        See `room_in_array`.
    room : tuple of (int, int)
    """
    found = []
    for n, old, new, (most_before, most_after) in zip(shape, own, spacing, room, strict=True):
        before = min(_count(n // 2 * old, new), most_before)
        after = min(_count((n - 1 - n // 2) * old, new), most_after)
        # Only so is the central voxel that at n // 2.
        before = min(before, after + 1)
        found.append(before + min(before, after) + 1)
    return tuple(found)


def shape_within(shape: Sequence[int], room: Room, spacing: Sequence[float]) -> tuple[int, ...]:
    """Return a shape that was asked for, or say that it is none or does not fit.

    Raises
    ------
    InputError
    """
    sizes = shape_of(shape, len(room))
    if math.prod(sizes) == 1:
        raise InputError(
            f"Voxels of {sizes_text(spacing)} micrometres are so large that one alone would be the "
            "PSF. Choose smaller ones, or more of them."
        )
    largest = tuple(min(2 * before + 1, 2 * after + 2) for before, after in room)
    if any(n > most for n, most in zip(sizes, largest, strict=True)):
        raise InputError(
            f"{sizes_text(sizes)} voxels of {sizes_text(spacing)} micrometres are more than the "
            "window in which the PSF is known, beyond which it goes on only with tails continued; "
            f"the largest possible is {sizes_text(largest)}."
        )
    return sizes


def shape_of(shape: Sequence[int], axes: int) -> tuple[int, ...]:
    """Return a shape that was asked for, or say that it is none or that the memory is too small.

    Raises
    ------
    InputError
    """
    sizes = check_shape(shape, 1, voxels_in_memory(VOXEL_BYTES))
    if len(sizes) != axes:
        raise InputError(
            f"The shape {shown(sizes)} has {len(sizes)} axes, the PSF {axes}; they must have the "
            "same."
        )
    return sizes


def within_window(shape: Sequence[int], room: Room) -> tuple[int, ...]:
    """Return the odd shape of the part of a shape, about its centre, that lies in the window."""
    return tuple(2 * min(*sides, (n - 1) // 2) + 1 for n, sides in zip(shape, room, strict=True))


def evaluated(model: FittedFunctions, spacing: Sequence[float], shape: Sequence[int]) -> Evaluated:
    """Return what the functions are on voxels; of a PSF in 2D, in the plane.

    Parameters
    ----------
    model : FittedFunctions
    spacing, shape : sequence
        (z, y, x) or (y, x).
    """
    flat = len(shape) == 2
    deep = (model.spacing[0], *spacing) if flat else tuple(spacing)
    found = model.evaluate(deep, (1, *shape) if flat else tuple(shape))
    return found._replace(values=found.values[0]) if flat else found


def interpolated(
    array: Array,
    own: Sequence[float],
    spacing: Sequence[float],
    shape: Sequence[int],
    points: bool = False,
) -> Evaluated:
    """Return an array on other voxels, by splines, scaled to the sum 1.

    Along z planes are thin, and what lies between them is interpolated. In the plane a pixel has
    all light that falls on it: so the light up to each edge of the array's pixels is known, that
    up to other edges is interpolated, and another pixel has the difference of its two. Where the
    array ends, so does the light.

    Parameters
    ----------
    array : numpy.ndarray
    own, spacing : sequence of float
        Size of its voxels and of the others, in micrometres.
    shape : sequence of int
        The centres, at n // 2, coincide.
    points : bool
        Whether voxels are thin in the plane too, as those of a focus that is scanned.
    """
    values = array.astype(np.float64)
    if points:
        values = _on(values, own, spacing, shape, order=3)
    else:
        if array.ndim == 3:
            values = _on_axis(values, 0, shape[0], spacing[0] / own[0], order=3)
        for axis in (-2, -1):
            values = _on_pixels(values, axis, shape[axis], spacing[axis] / own[axis])
    if array.min() >= 0:
        # Splines swing below 0 beside what is steep.
        values = without_negative_values(values)
    total = float(values.sum())
    if not total > 0:
        raise InputError("The PSF's sum is not positive, so it cannot be scaled to 1.")
    return Evaluated(values / total, 1 / total)


def finer_errors(
    model: FittedFunctions, own: Sequence[float], spacing: Sequence[float]
) -> Array | None:
    """Return the errors of the finer voxels that functions were fitted on, if these are called for.

    Parameters
    ----------
    model : FittedFunctions
    own, spacing : sequence of float
        Size of the PSF's voxels and of those that are asked for, (z, y, x) or (y, x) in
        micrometres.

    Returns
    -------
    numpy.ndarray or None
        None where the PSF's own voxels tell as much.
    """
    if model.error is None or all(new >= old for old, new in zip(own, spacing, strict=True)):
        return None
    return model.error[0] if len(own) == 2 else model.error


def errors_on(
    error: Array,
    own: Sequence[float],
    spacing: Sequence[float],
    shape: Sequence[int],
    scale: float,
) -> Array:
    """Return standard errors on other voxels, their variances interpolated linearly.

    Parameters
    ----------
    error : numpy.ndarray
    own, spacing, shape
        See `interpolated`.
    scale : float
        What a value of the PSF is multiplied by.
    """
    variance = _on(error.astype(np.float64) ** 2, own, spacing, shape, order=1)
    return (scale * np.sqrt(variance)).astype(np.float32)


def _on(
    array: Floats, own: Sequence[float], spacing: Sequence[float], shape: Sequence[int], order: int
) -> Floats:
    values = array
    for axis, (n, old, new) in enumerate(zip(shape, own, spacing, strict=True)):
        values = _on_axis(values, axis, n, new / old, order)
    return values


def _on_axis(values: Floats, axis: int, n: int, step: float, order: int) -> Floats:
    """Return values at n other places along an axis, their distance in the array's."""
    m = values.shape[axis]
    places = (np.arange(n) - n // 2) * step + m // 2
    spline = make_interp_spline(np.arange(m), values, k=min(order, m - 1), axis=axis)
    # The outermost half of a voxel is as its middle.
    found: Floats = spline(np.clip(places, 0, m - 1))
    return found


def _on_pixels(values: Floats, axis: int, n: int, step: float) -> Floats:
    """Return the light that falls on n other pixels along an axis, their size in the array's."""
    m = values.shape[axis]
    light = np.insert(np.cumsum(values, axis=axis), 0, 0.0, axis=axis)
    edges = (np.arange(n + 1) - n // 2 - 0.5) * step + m // 2 + 0.5
    spline = make_interp_spline(np.arange(m + 1), light, k=min(LIGHT_ORDER, m), axis=axis)
    return np.diff(spline(np.clip(edges, 0, m)), axis=axis)


def _count(length: float, size: float) -> int:
    return max(0, int(np.floor(length / size + ROUNDING)))
