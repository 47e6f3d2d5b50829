"""PSFs that change over the field as they are told to, without a fit."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joint_fields import basis_of, gaussian_coefficients
from numpy.typing import NDArray

from napari_psf_distiller import PSF
from napari_psf_distiller.psf import FittedFunctions
from napari_psf_distiller.psf.field import Depth, PSFField
from napari_psf_distiller.psf.polynomials import Pattern, field_patterns, field_polynomials

Floats = NDArray[np.float64]
# What a term is at a place, y and x from -1 to 1, and the number of the term.
Parts = Sequence[tuple[Callable[[Floats, Floats], Floats], int]]

SPACING = (0.3, 0.1, 0.1)
IMAGE_SHAPE = (40, 40)
EXTENT = ((5.0, 34.0), (5.0, 34.0))


@functools.cache
def constant_functions(orders: tuple[int, ...] = (0, 1, 2)) -> FittedFunctions:
    """Return functions whose sum is a Gaussian."""
    basis = basis_of((15, 25, 25), orders)
    functions = basis.functions(gaussian_coefficients(basis))
    return dataclasses.replace(functions, spacing=SPACING)


def polynomials_of(function: Callable[[Floats, Floats], Floats], degree: int) -> Floats:
    """Return how much of each polynomial of the field a function of the place has.

    Parameters
    ----------
    function : callable
        Of y and x, each from -1 to 1 among the beads; a polynomial up to the degree.
    degree : int
    """
    side = np.linspace(-1, 1, 7)
    y, x = (values.ravel() for values in np.meshgrid(side, side, indexing="ij"))
    middles, halves = np.mean(EXTENT, axis=1), np.ptp(EXTENT, axis=1) / 2
    values = field_polynomials(degree, EXTENT, middles + halves * np.stack([y, x], axis=1))
    return np.asarray(np.linalg.lstsq(values, function(y, x) + 0 * y)[0], np.float64)


def varying_functions(parts: Parts, degree: int = 1, **changes: Any) -> FittedFunctions:
    """Return functions whose terms grow with the place.

    Parameters
    ----------
    parts : sequence
        How much there is of a term as a function of the place, see `polynomials_of`, and which term
        it is; as a part of the Gaussian's amplitudes.
    degree : int
    **changes
        Of the field.
    """
    functions = constant_functions()
    count = len(field_patterns(degree))
    amplitudes = np.zeros((count, *functions.amplitudes.shape))
    amplitudes[0] = functions.amplitudes
    # The radial frequencies tell an order's part from a displacement's.
    strength = functions.amplitudes[0] * functions.radial**2 / (functions.radial**2).mean()
    for part, term in parts:
        amplitudes[:, term] += np.multiply.outer(polynomials_of(part, degree), strength)
    over_field = PSFField(
        patterns=field_patterns(degree),
        extent=EXTENT,
        image_shape=IMAGE_SHAPE,
        pixel=SPACING[1:],
        amplitudes=amplitudes,
        gram=np.eye(count),
        spacing=SPACING,
    )
    return dataclasses.replace(functions, over_field=dataclasses.replace(over_field, **changes))


def changing_with_depth(
    functions: FittedFunctions, strength: float, depth: Depth, term: int = 0
) -> FittedFunctions:
    """Return functions that change over the field already and with depth, too, without errors.

    Parameters
    ----------
    functions : FittedFunctions
        See `varying_functions`.
    strength : float
        Of a term's growth, linearly with depth: see there.
    depth : Depth
    term : int
    """
    of_field = functions.over_field
    assert of_field is not None
    # The polynomial is root 3 at the ends.
    grown = np.zeros((1, *functions.amplitudes.shape))
    grown[0, term] = functions.amplitudes[0] * functions.radial**2 / (functions.radial**2).mean()
    grown *= strength / np.sqrt(3)
    patterns = (*of_field.patterns, Pattern(0, 0, 1))
    deep = dataclasses.replace(
        of_field,
        patterns=patterns,
        amplitudes=np.concatenate([of_field.amplitudes, grown]),
        gram=np.eye(len(patterns)),
        depth=depth,
        errors=None,
        width_errors=None,
    )
    return dataclasses.replace(functions, over_field=deep)


def varying_psf(parts: Parts, degree: int = 1, **changes: Any) -> PSF:
    """Return a PSF of `varying_functions`."""
    functions = varying_functions(parts, degree, **changes)
    array = functions.evaluate(SPACING, functions.window).values
    return PSF(array.astype(np.float32), SPACING, model=functions)
