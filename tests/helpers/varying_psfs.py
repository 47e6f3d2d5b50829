"""PSFs that change over the field as they are told to, without a fit."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from joint_fields import basis_of, gaussian_coefficients

from napari_psf_distiller import PSF
from napari_psf_distiller.psf import FittedFunctions
from napari_psf_distiller.psf.field import PSFField, field_degrees

SPACING = (0.3, 0.1, 0.1)
IMAGE_SHAPE = (40, 40)
EXTENT = ((5.0, 34.0), (5.0, 34.0))


@functools.cache
def constant_functions(orders: tuple[int, ...] = (0, 1, 2)) -> FittedFunctions:
    """Return functions whose sum is a Gaussian."""
    basis = basis_of((15, 25, 25), orders)
    functions = basis.functions(gaussian_coefficients(basis))
    return dataclasses.replace(functions, spacing=SPACING)


def varying_functions(
    parts: dict[tuple[int, int], float], degree: int = 1, **changes: Any
) -> FittedFunctions:
    """Return functions whose terms grow with the place.

    Parameters
    ----------
    parts : dict
        (polynomial, term) -> how much there is of the term, as a part of the Gaussian's amplitudes.
    degree : int
    **changes
        Of the field.
    """
    functions = constant_functions()
    count = len(field_degrees(degree))
    amplitudes = np.zeros((count, *functions.amplitudes.shape))
    amplitudes[0] = functions.amplitudes
    # The radial frequencies tell an order's part from a displacement's.
    strength = functions.amplitudes[0] * functions.radial**2 / (functions.radial**2).mean()
    for (polynomial, term), part in parts.items():
        amplitudes[polynomial, term] += part * strength
    over_field = PSFField(
        degree=degree,
        extent=EXTENT,
        image_shape=IMAGE_SHAPE,
        pixel=SPACING[1:],
        amplitudes=amplitudes,
        gram=np.eye(count),
        spacing=SPACING,
    )
    return dataclasses.replace(functions, over_field=dataclasses.replace(over_field, **changes))


def varying_psf(parts: dict[tuple[int, int], float], degree: int = 1, **changes: Any) -> PSF:
    """Return a PSF of `varying_functions`."""
    functions = varying_functions(parts, degree, **changes)
    array = functions.evaluate(SPACING, functions.window).values
    return PSF(array.astype(np.float32), SPACING, model=functions)
