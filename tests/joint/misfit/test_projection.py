"""How wide a PSF is by the sum of its planes, whatever its aberrations."""

import numpy as np
import pytest
from conditions.optics import Microscope, intensity
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_psf_distiller import Optics, simulate_psf
from napari_psf_distiller.joint.misfit.projection import projected_scale
from napari_psf_distiller.theory import theoretical_psf

OPTICS, SPACING, SHAPE = Optics(1.2, 0.52, 1.33), (0.25, 0.08, 0.08), (31, 51, 51)


def aberrated(degree, order, waves):
    microscope = Microscope(1.2, 1.33, 0.52, aberrations=((degree, order, waves),))
    heights = (np.arange(SHAPE[0]) - SHAPE[0] // 2) * SPACING[0]
    # Points, which theory integrates over pixels.
    return intensity(microscope, heights, SHAPE[1], SPACING[1])


POINTS = projected_scale(simulate_psf(SHAPE, SPACING), SPACING, OPTICS).scale


def test_theory_is_as_wide_as_itself():
    found = projected_scale(theoretical_psf(SHAPE, SPACING, OPTICS), SPACING, OPTICS)
    assert found.scale == pytest.approx(1, abs=1e-3)
    assert found.error < 1e-3


@settings(deadline=None, max_examples=10)
@given(spherical=st.floats(-0.3, 0.3))
def test_spherical_aberration_does_not_change_it(spherical):
    found = projected_scale(simulate_psf(SHAPE, SPACING, spherical=spherical), SPACING, OPTICS)
    assert found.scale == pytest.approx(POINTS, abs=0.03)


@pytest.mark.parametrize(("degree", "order"), [(3, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("waves", [0.05, 0.15, 0.25])
def test_no_aberration_makes_it_narrower(degree, order, waves):
    found = projected_scale(aberrated(degree, order, waves), SPACING, OPTICS)
    assert found.scale > POINTS - 0.02


@pytest.mark.parametrize("spherical", [0.0, 0.2])
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_pixels_of_another_size_are_seen(spherical, factor):
    told = (SPACING[0], *(factor * size for size in SPACING[1:]))
    found = projected_scale(simulate_psf(SHAPE, SPACING, spherical=spherical), told, OPTICS)
    assert found.scale == pytest.approx(factor * POINTS, abs=0.05)


def test_noise_is_in_the_error():
    rng = np.random.default_rng(3)
    psf = theoretical_psf(SHAPE, SPACING, OPTICS)
    noisy = [psf + 2e-5 * rng.normal(size=SHAPE) for _ in range(12)]
    found = np.array([projected_scale(one, SPACING, OPTICS) for one in noisy])
    assert 0.4 < found[:, 0].std() / found[:, 1].mean() < 2.5


def test_what_has_no_such_sum_has_none():
    psf = theoretical_psf(SHAPE, SPACING, OPTICS)
    sheet = Optics(1.2, 0.52, 1.33, microscope="light sheet", sheet=2.0)
    assert projected_scale(psf, SPACING, sheet) is None
    assert projected_scale(psf, SPACING, Optics()) is None
    assert projected_scale(psf[15], SPACING[1:], OPTICS) is None
    assert projected_scale(psf[:3], SPACING, OPTICS) is None
