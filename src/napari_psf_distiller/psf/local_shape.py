"""Where a PSF that changes over the field is highest, and how wide it is there, between voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.measure.widths import LEAST_VOXELS, half_maximum
from napari_psf_distiller.psf.functions import FittedFunctions

__all__ = ["LocalShape", "local_shapes", "local_width_errors"]

Floats = NDArray[np.float64]

# The peak is first sought among the voxels up to so many pixels from the window's middle.
SEARCHED_PIXELS = 8

# Then on lines along each axis, one after the other so many times, up to so many voxels to each
# side, so many places a voxel. A parabola tells what lies between.
ROUNDS, LINE_REACH, LINE_STEPS = 2, 1.25, 4

# Places a voxel at which a line is computed whose width is measured, and how many voxels to each
# side at first: further out only where the PSF is wider.
WIDTH_STEPS, WIDTH_REACH = 2, 8


class LocalShape(NamedTuple):
    """Where a PSF is highest at a place of the field, and how wide.

    Attributes
    ----------
    peak : tuple of float
        (z, y, x) in micrometres, from the middle of the window that the PSF was fitted in.
    widths : tuple of float
        Full width at half maximum along each axis in micrometres, on lines through the peak; NaN
        where the PSF does not fall to the half within the window.
    bluntness : tuple of float
        See `HalfMaximum`, of each of these lines, in micrometres.
    """

    peak: tuple[float, float, float]
    widths: tuple[float, float, float]
    bluntness: tuple[float, float, float]


def local_shapes(
    functions: FittedFunctions, pixel: Sequence[float], places: Floats, *, widths: bool = True
) -> list[LocalShape]:
    """Return where a PSF is highest at some places of the field, and how wide it is there.

    Parameters
    ----------
    functions : FittedFunctions
    pixel : sequence of float
        Size of the pixels that measure the light, (y, x) in micrometres.
    places : numpy.ndarray
        (places, 2): y and x in voxels of the bead image.
    widths : bool
        Whether they are wanted; else they are NaN.
    """
    # Computed between pixels, it is still what pixels of this size measure.
    measured = replace(functions, pixel=functions.pixel or (pixel[0], pixel[1]))
    of_field = functions.over_field
    if of_field is None:
        polynomials, amplitudes = np.ones((len(places), 1)), functions.amplitudes[None]
    else:
        polynomials, amplitudes = of_field.polynomials_at(places), of_field.amplitudes
    box = (
        functions.window[0],
        *(min(n, 2 * SEARCHED_PIXELS + 1) for n in functions.window[1:]),
    )
    middle = (0.0, 0.0, 0.0)
    parts = np.stack(list(measured.values_by_polynomial(functions.spacing, box, middle)))
    found = []
    for row in polynomials:
        top = np.unravel_index(int(np.tensordot(row, parts, axes=1).argmax()), box)
        start = [
            (int(index) - n // 2) * size
            for index, n, size in zip(top, box, functions.spacing, strict=True)
        ]
        here = np.tensordot(row, amplitudes, axes=1)
        own = replace(measured, amplitudes=here, over_field=None)
        peak = _peak(own, start)
        found.append(LocalShape(peak, *(_widths(own, peak) if widths else ((np.nan,) * 3,) * 2)))
    return found


def local_width_errors(
    functions: FittedFunctions, pixel: Sequence[float], places: Floats, shapes: Sequence[LocalShape]
) -> Floats | None:
    """Return the standard errors of a PSF's widths at some places of the field.

    Parameters
    ----------
    functions, pixel, places
        See `local_shapes`.
    shapes : sequence of LocalShape
        There.

    Returns
    -------
    numpy.ndarray or None
        (places, 3), in micrometres; None where the PSF is the same everywhere, or no errors are
        known.

    Notes
    -----
    As uncertain values widen a PSF the more, the less steeply it falls, the errors of the mean
    PSF's widths are multiplied by how much blunter the PSF of a place is.
    """
    of_field = functions.over_field
    errors = None if of_field is None else of_field.width_errors_at(places)
    if errors is None:
        return None
    mean = local_shapes(replace(functions, over_field=None), pixel, places[:1])[0]
    bluntness = np.array([shape.bluntness for shape in shapes])
    found: Floats = errors * bluntness / mean.bluntness
    return found


def _peak(functions: FittedFunctions, start: Sequence[float]) -> tuple[float, float, float]:
    """Return where functions are highest near a place, in micrometres."""
    peak = list(start)
    reach = int(LINE_REACH * LINE_STEPS)
    axes = [axis for axis in range(3) if functions.window[axis] > 1]
    for _ in range(ROUNDS):
        for axis in axes:
            step = functions.spacing[axis] / LINE_STEPS
            line = _line(functions, axis, step, 2 * reach + 1, peak)
            top = int(line.argmax())
            shift = 0.0
            if 0 < top < 2 * reach:
                before, at, after = line[top - 1 : top + 2]
                curvature = before - 2 * at + after
                shift = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
            peak[axis] += (top - reach + shift) * step
    return (float(peak[0]), float(peak[1]), float(peak[2]))


def _widths(
    functions: FittedFunctions, peak: tuple[float, float, float]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return widths and bluntness of functions on lines through their peak, in micrometres."""
    widths, bluntness = [], []
    for axis, (n, size, place) in enumerate(
        zip(functions.window, functions.spacing, peak, strict=True)
    ):
        step = size / WIDTH_STEPS
        # Beyond the window the functions are anything.
        most = int((n / 2 * size - abs(place)) / step)
        width = blunt = np.nan
        for reach in sorted({min(WIDTH_REACH * WIDTH_STEPS, most), most}):
            if np.isnan(width) and reach >= LEAST_VOXELS:
                line = _line(functions, axis, step, 2 * reach + 1, peak)
                line = line - functions.background * line[reach]
                found = half_maximum(line)
                if found is not None:
                    width, blunt = found.width * step, found.bluntness * step
        widths.append(width)
        bluntness.append(blunt)
    return (widths[0], widths[1], widths[2]), (bluntness[0], bluntness[1], bluntness[2])


def _line(
    functions: FittedFunctions, axis: int, step: float, n: int, middle: Sequence[float]
) -> Floats:
    """Return n values of functions along an axis, about a place."""
    shape, spacing = [1, 1, 1], list(functions.spacing)
    shape[axis], spacing[axis] = n, step
    return functions.values(spacing, shape, middle).ravel()
