"""The light of a PSF's planes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller import simulate_psf
from napari_psf_distiller.joint.model.plane_light import plane_light
from napari_psf_distiller.optics import Widefield

SPACING = (0.2, 0.08, 0.08)
SUPPORT = Widefield(1.2, 0.52, 1.33)


@pytest.mark.parametrize(
    ("aperture", "index"), [(1.2, 1.33), (1.4, 1.515), (0.95, 1.0), (1.0, 1.33)]
)
@pytest.mark.parametrize("spherical", [0.0, 0.15])
def test_a_widefield_psf_has_all_of_it_in_each_plane(aperture, index, spherical):
    optics = {"numerical_aperture": aperture, "refractive_index": index, "wavelength": 0.52}
    psf = simulate_psf((21, 81, 81), SPACING, spherical=spherical, **optics)
    assert plane_light(psf, SPACING, Widefield(aperture, 0.52, index)) == pytest.approx(1, abs=0.06)


def test_a_confocal_psf_has_not():
    psf = simulate_psf((21, 81, 81), SPACING)
    assert plane_light(psf**2, SPACING, SUPPORT) < 0.5


@given(scale=st.floats(1e-6, 1e6))
def test_its_unit_does_not_matter(scale):
    psf = simulate_psf((11, 41, 41), SPACING).astype(np.float64)
    found = plane_light(scale * psf, SPACING, SUPPORT)
    assert found == pytest.approx(plane_light(psf, SPACING, SUPPORT))


@pytest.mark.parametrize("shape", [(3, 41, 41), (21, 9, 9)])
def test_a_small_window_does_not_show_it(shape):
    assert plane_light(np.ones(shape), SPACING, SUPPORT) is None
