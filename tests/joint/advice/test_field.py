"""What is said of a PSF that changes over the field."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
from varying_psfs import IMAGE_SHAPE, polynomials_of, varying_functions

from napari_psf_distiller.joint.advice.field import field_warnings


def said_of(functions) -> str:
    fit = SimpleNamespace(
        functions=functions, misfit=SimpleNamespace(image_shape=(9, *IMAGE_SHAPE))
    )
    return "\n".join(field_warnings(fit))


def test_what_changes_most_is_named_with_its_place():
    said = said_of(varying_functions([(lambda y, x: 0.5 * x, 1), (lambda y, x: 0.1 * y, 3)]))
    assert "mostly in coma" in said
    assert "left" in said or "right" in said


def test_a_sum_that_the_background_took_is_no_change():
    # Next to no light in each voxel, but of all voxels as much as the PSF has at one side.
    functions = varying_functions([])
    values = functions.values(functions.spacing, functions.window, functions.centre)
    everywhere = np.zeros_like(functions.amplitudes[0])
    flat = np.abs(functions.waves).argmin(), functions.radial.argmin()
    everywhere[flat] = values.sum() / values.size
    amplitudes = functions.over_field.amplitudes.copy()
    amplitudes[:, 0] -= np.multiply.outer(polynomials_of(lambda _, x: 0.999 * x, 1), everywhere)
    of_field = dataclasses.replace(functions.over_field, amplitudes=amplitudes)
    changed = dataclasses.replace(functions, over_field=of_field)
    found = re.search(r"differs by (\d+) %", said_of(changed) or "differs by 0 %")
    assert int(found[1]) < 20


def test_nothing_is_said_of_next_to_no_change():
    assert said_of(varying_functions([(lambda y, x: 0.01 * x, 1)])) == ""
