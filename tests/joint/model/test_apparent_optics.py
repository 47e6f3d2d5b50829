"""The widefield optics that a PSF looks like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_psf_distiller import Optics
from napari_psf_distiller.joint.model.apparent_optics import INDEX, apparent_optics
from napari_psf_distiller.theory import theoretical_psf


@settings(max_examples=12)
@given(st.floats(0.3, 0.93), st.floats(0.3, 0.5), st.floats(0.5, 0.95))
def test_a_widefield_psf_tells_its_angle_and_wavelength(sine, wavelength, sampling):
    across = sampling * wavelength / (4 * sine)
    along = sampling * wavelength / (2 * (1 - np.sqrt(1 - sine**2)))
    optics = Optics(sine * 1.515, wavelength * 1.515, 1.515)
    psf = theoretical_psf((17, 41, 41), (along, across, across), optics)
    found = apparent_optics(psf, (along, across, across))
    assert found is not None
    assert found.numerical_aperture / INDEX == pytest.approx(sine, rel=0.06)
    assert found.wavelength / INDEX == pytest.approx(wavelength, rel=0.06)


@pytest.mark.parametrize(
    "optics",
    [
        Optics(1.2, 0.52, 1.33, microscope="confocal", excitation=0.488, pinhole=1.0),
        Optics(1.2, None, 1.33, microscope="two-photon", excitation=0.9),
        Optics(1.2, 0.52, 1.33, microscope="light sheet", sheet=1.0),
    ],
    ids=lambda optics: optics.microscope,
)
def test_a_microscope_that_sections_looks_like_none(optics):
    # Large enough to show that the planes beside the focus have less light.
    spacing = (0.15, 0.06, 0.06)
    assert apparent_optics(theoretical_psf((31, 121, 121), spacing, optics), spacing) is None


@pytest.mark.parametrize("times", [0.05, 30.0])
def test_no_light_has_such_waves(times):
    spacing = (0.2, 0.08, 0.08)
    psf = theoretical_psf((21, 61, 61), spacing, Optics(1.2, 0.52, 1.33))
    assert apparent_optics(psf, tuple(times * size for size in spacing)) is None


def test_what_has_no_width_looks_like_none():
    assert apparent_optics(np.full((9, 9, 9), 1.0), (0.2, 0.1, 0.1)) is None
