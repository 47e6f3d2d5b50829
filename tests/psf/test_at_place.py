"""A PSF at one place of the field after the other."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from varying_psfs import varying_psf

from napari_psf_distiller.psf.at_place import PSFOverField, psf_at_place


def psf_with_errors(centre=(0.0, 0.0, 0.0)):
    """A PSF whose width and whose brightest voxel change with the place."""
    psf = varying_psf([(lambda y, _: -0.4 * y, 0), (lambda _, x: 2.5 * x, 1)])
    rng = np.random.default_rng(1)
    errors = rng.uniform(1e-5, 2e-5, (2, *psf.shape)).astype(np.float32)
    over_field = dataclasses.replace(psf.model.over_field, errors=errors)
    model = dataclasses.replace(psf.model, over_field=over_field, clip=True, centre=centre)
    return dataclasses.replace(psf, model=model, error=errors[0]).evaluate(with_error=True)


CENTRED, OFF = psf_with_errors(), psf_with_errors((0.9, -0.2, 0.13))


@settings(max_examples=25, deadline=None)
@given(place=st.tuples(st.floats(-5, 45), st.floats(-5, 45)), psf=st.sampled_from([CENTRED, OFF]))
def test_it_is_the_same_as_each_place_alone(place, psf):
    found, expected = PSFOverField(psf).at(*place), psf_at_place(psf, *place)
    assert found.shape == expected.shape
    assert found.model.centre == pytest.approx(expected.model.centre)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-6)
    np.testing.assert_allclose(found.model.amplitudes, expected.model.amplitudes)
    assert found.model.over_field is None


def test_the_brightest_voxel_of_some_places_is_another_one():
    centres = {psf_at_place(CENTRED, 20, x).model.centre for x in (5, 20, 34)}
    assert len(centres) > 1


def test_on_other_voxels_and_in_a_plane_too():
    finer = CENTRED.evaluate(spacing=(0.25, 0.08, 0.08))
    np.testing.assert_allclose(PSFOverField(finer).at(9, 30), psf_at_place(finer, 9, 30))
    window = (1, *CENTRED.model.window[1:])
    field = dataclasses.replace(
        CENTRED.model.over_field, errors=CENTRED.model.over_field.errors[:, 7:8]
    )
    model = dataclasses.replace(CENTRED.model, window=window, over_field=field)
    plane = dataclasses.replace(
        CENTRED,
        array=CENTRED.array[7],
        error=CENTRED.error[7],
        spacing=CENTRED.spacing[1:],
        model=model,
    )
    found, expected = PSFOverField(plane).at(9, 30), psf_at_place(plane, 9, 30)
    assert found.ndim == 2
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-6)
