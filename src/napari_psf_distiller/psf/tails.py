"""A PSF beyond the window that it was measured in, where it goes on as theory says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import (
    NO_ABERRATION,
    Aberration,
    theoretical_psf,
    theoretical_widths,
)

__all__ = ["Continued", "aberration_of", "continued", "shape_with_tails"]

Floats = NDArray[np.float64]

# Planes whose light lies within the window up to this part of that of the plane with the most there
# tell how bright the tails are.
LEAST_INSIDE = 0.95

# Of a widefield microscope, planes count as measured that have between these parts of the light
# that they should have within the window, as far from the focus as all between do. At the window's
# ends some were seen of too few beads, and others have light of the beads' own tails.
LEAST_LIGHT, MOST_LIGHT = 0.93, 1.07

# A plane's tail is at most so many times as bright as theory has it.
MOST_SCALED = 3.0

# The outer part of the window, along each axis, in which PSF and theory are compared.
RIM = 0.2

# Theory itself is known to this part of a tail: how bright a lens' edge is differs.
LEAST_ERROR = 0.15

# A PSF's spherical aberration is told from so many widths of its middle along each axis; it counts
# where it leaves less than this part of what theory without it does.
WIDTHS_TOLD_FROM, LEFT_BY_ABERRATION = 8, 0.9

# First guesses of it, in waves, and of a spinning disk's crosstalk, and the most steps from these;
# steps of waves and of the focus' height in micrometres, and of the crosstalk.
GUESSES, GUESSED_CROSSTALK, MOST_STEPS = (0.02, -0.1, 0.1), 0.01, 20
STEP, CROSSTALK_STEP = 0.05, 0.02

# A tail is smoothed over so many voxels for its errors: its rings may lie elsewhere.
SMOOTHED = 5


class Continued(NamedTuple):
    """A PSF that goes on beyond its window.

    Attributes
    ----------
    values : numpy.ndarray
        float64, of the sum 1.
    measured : numpy.ndarray
        bool: where it is known from beads.
    error : numpy.ndarray
        float64: the standard errors of what is continued, 0 where it is measured.
    scale : float
        By which the measured part was multiplied.
    """

    values: Floats
    measured: NDArray[np.bool_]
    error: Floats
    scale: float


def continued(
    inner: Floats, shape: Sequence[int], spacing: Sequence[float], optics: Optics
) -> Continued:
    """Return a PSF in a larger box, with the tails of the theoretical PSF beyond its own.

    Parameters
    ----------
    inner : numpy.ndarray
        The PSF as it was measured, its centre at n // 2, of an odd size along each axis.
    shape : sequence of int
        No smaller than it.
    spacing : sequence of float
        In micrometres.
    optics : Optics
        Of the microscope.

    Raises
    ------
    InputError
        There is no theory of the microscope, as far as it is known.

    Notes
    -----
    The tails are the theoretical PSF's, with the spherical aberration that the measured one has in
    its middle: no other moves as much light far from the focus. They are scaled by the light of the
    planes that lie within the window almost wholly. In a plane of the window they are scaled once
    more. A widefield microscope has the same light in every plane: so what the window lacks of it
    is in the tail. Planes at the window's ends that lack much were seen of too few beads; those
    that have too much took it from light beyond the window, where the fit did not know that.
    Both are continued too. Of any other, a tail is brighter or darker than theory's by as much as
    the plane's part within the window is.

    The error is a part of the theoretical tail: that by which PSF and theory differ in the window's
    outer part, that by which the plane's tail was scaled, and 15 % for what theory does not know.
    It is a bound and no estimate: noise and the scaling itself count in full, and beads cannot tell
    what lies beyond their window. Where theory is right it is several times too large.
    """
    aberration = aberration_of(inner, spacing, optics)
    theory = theoretical_psf(shape, spacing, optics, aberration)
    if theory is None:
        raise InputError(
            "The PSF can be continued beyond its window only where its recipe says the optics of a "
            "microscope that there is a theory of: its kind, numerical aperture, refractive index "
            "and wavelengths."
        )
    flat = inner.ndim == 2
    core, whole = (inner[None], theory[None]) if flat else (inner, theory)
    place = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m)
        for n, m in zip(whole.shape, core.shape, strict=True)
    )
    light, light_inside = whole.sum(axis=(1, 2)), whole[place].sum(axis=(1, 2))
    share = light_inside / light[place[0]]
    telling = share >= LEAST_INSIDE * share.max()
    brightness = core[telling].sum() / light_inside[telling].sum()
    support = support_of(optics)
    equal_light = support is not None and support.equal_plane_light
    if equal_light:
        first, last = _ends(core.sum(axis=(1, 2)) / (brightness * light_inside))
        core, light_inside = core[first : last + 1], light_inside[first : last + 1]
        place = (slice(place[0].start + first, place[0].start + last + 1), *place[1:])
    planes, inside = place[0], whole[place]
    measured_light = core.sum(axis=(1, 2)) / brightness
    outside = light[planes] - light_inside
    if equal_light:
        lacking = light[planes] - measured_light
        scales = np.divide(lacking, outside, where=outside > 0, out=np.ones_like(outside))
        ends = 1.0, 1.0
    else:
        scales = measured_light / light_inside
        # Crosstalk is told of all planes better than of those at the ends.
        ends = (1.0, 1.0) if aberration.crosstalk else (float(scales[0]), float(scales[-1]))
    scales = np.clip(scales, 0, MOST_SCALED)
    times = np.ones(len(whole))
    times[: planes.start], times[planes.stop :] = np.clip(ends, 0, MOST_SCALED)
    times[planes] = scales
    values = whole * (brightness * times)[:, None, None]
    compared = _rim(core.shape)
    difference = core - brightness * inside
    relative = np.sqrt(
        np.mean(difference[compared] ** 2) / np.mean((brightness * inside[compared]) ** 2)
    )
    wrong = np.sqrt(relative**2 + LEAST_ERROR**2 + (times - 1) ** 2)
    smooth = ndimage.uniform_filter(whole, (1, SMOOTHED, SMOOTHED))
    error = brightness * wrong[:, None, None] * smooth
    measured = np.zeros(whole.shape, bool)
    values[place], error[place], measured[place] = core, 0, True
    total = values.sum()
    parts = (values / total, measured, error / total)
    if flat:
        parts = (parts[0][0], measured[0], parts[2][0])
    return Continued(*parts, float(1 / total))


def aberration_of(inner: Floats, spacing: Sequence[float], optics: Optics) -> Aberration:
    """Return the aberration with which the theoretical PSF is most like a measured one.

    Spherical aberration, and of a spinning disk the crosstalk of its pinholes.

    Parameters
    ----------
    inner : numpy.ndarray
        Its centre at n // 2, of an odd size along each axis; of a single plane it is not told.
    spacing : sequence of float
        In micrometres.
    optics : Optics
        Of the microscope; where there is no theory of it, nothing is told.
    """
    widths = theoretical_widths(optics, spacing)
    known = [width for width in widths if width is not None]
    if inner.ndim == 2 or len(known) < inner.ndim:
        return NO_ABERRATION
    told_from = tuple(
        slice(n // 2 - half, n // 2 + half + 1)
        for n, half in (
            (n, min(n // 2, round(WIDTHS_TOLD_FROM / 2 * width / size)))
            for n, width, size in zip(inner.shape, known, spacing, strict=True)
        )
    )
    middle = inner[told_from]

    scale = float(np.linalg.norm(middle))

    def difference(found: Floats) -> Floats:
        theory = theoretical_psf(middle.shape, spacing, optics, _aberration(found))
        assert theory is not None
        fitting = theory * (middle * theory).sum() / np.square(theory).sum()
        left: Floats = (middle - fitting).ravel() / scale
        return left

    disk = optics.microscope == "spinning disk"
    crosstalk, steps = ([GUESSED_CROSSTALK], [CROSSTALK_STEP]) if disk else ([], [])
    fits = [
        least_squares(
            difference,
            np.array([guess, 0.0, *crosstalk]),
            x_scale=np.array([STEP, STEP, *steps]),
            diff_step=np.full(2 + len(steps), STEP / 2),
            max_nfev=MOST_STEPS,
        )
        for guess in GUESSES
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    without = float(np.linalg.norm(difference(np.zeros(2))))
    if not np.sqrt(2 * best.cost) < LEFT_BY_ABERRATION * without:
        return NO_ABERRATION
    return _aberration(best.x)


def _aberration(found: Floats) -> Aberration:
    spherical, height, *crosstalk = map(float, found)
    return Aberration(spherical, height, *(max(0.0, one) for one in crosstalk))


def shape_with_tails(
    psf_shape: Sequence[int],
    image_shape: Sequence[int],
    spacing: Sequence[float],
    optics: Optics,
) -> tuple[int, ...]:
    """Return the size of a PSF that has all light that comes from one voxel of an image to another.

    Parameters
    ----------
    psf_shape : sequence of int
        Of the PSF as it is; it gets no smaller.
    image_shape : sequence of int
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size of both, in micrometres.
    optics : Optics
        Light leaves the axis by the aperture's angle: what lies beyond, over the image's depth, is
        left out.
    """
    depth = (image_shape[0] - 1) * spacing[0] if len(image_shape) == 3 else 0.0
    aperture, index = optics.numerical_aperture, optics.refractive_index
    sine = aperture / index if aperture is not None and index is not None else 0.0
    across = depth * sine / math.sqrt(1 - sine**2)
    found = []
    for axis, (own, n, size) in enumerate(zip(psf_shape, image_shape, spacing, strict=True)):
        most = 2 * n - 1
        if axis != len(image_shape) - 3:
            most = min(most, own + 2 * math.ceil(across / size))
        found.append(max(own, most))
    return tuple(found)


def _ends(light: Floats) -> tuple[int, int]:
    """Return the first and the last plane that count, of the part that each has of its light."""
    middle = len(light) // 2
    wrong = np.flatnonzero((light < LEAST_LIGHT) | (light > MOST_LIGHT))
    before, after = wrong[wrong < middle], wrong[wrong > middle]
    first = int(before[-1]) + 1 if before.size else 0
    return first, int(after[0]) - 1 if after.size else len(light) - 1


def _rim(shape: Sequence[int]) -> NDArray[np.bool_]:
    found = np.ones(tuple(shape), bool)
    inner = tuple(
        slice(round(RIM / 2 * n), n - round(RIM / 2 * n)) if n > 1 else slice(None) for n in shape
    )
    found[inner] = False
    return found
