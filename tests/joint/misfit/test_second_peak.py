"""A PSF's second peak along z."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.misfit.second_peak import second_peak


def two_peaks(second: float, *, apart: int = 8, wider: float = 1.0) -> np.ndarray:
    """Two Gaussians along z, of which the second may be wider in the plane."""
    z, y, x = (np.arange(n) - n // 2 for n in (31, 21, 21))
    psf = np.zeros((31, 21, 21))
    for place, height, width in ((0, 1.0, 1.5), (apart, second, 1.5 * wider)):
        line = height * np.exp(-0.5 * ((z - place) / 1.2) ** 2)
        plane = np.exp(-0.5 * np.hypot(y[:, None], x) ** 2 / width**2)
        psf += line[:, None, None] * plane
    return psf.astype(np.float32)


@given(second=st.floats(0.9, 0.99), apart=st.sampled_from([-9, -7, 7, 8]))
def test_a_second_peak_is_found_where_it_is(second, apart):
    psf = two_peaks(second, apart=apart, wider=1.4)
    found = second_peak(psf, np.full_like(psf, 0.08))
    assert found is not None
    assert found.planes == apart
    assert found.height == pytest.approx(second, abs=0.01)
    np.testing.assert_allclose(found.widths, 1.4 * 1.5 * 2.355, rtol=0.02)


@given(second=st.floats(0.0, 0.6))
def test_a_lower_peak_is_no_rival(second):
    psf = two_peaks(second)
    assert second_peak(psf, np.full_like(psf, 0.08)) is None


def test_small_errors_tell_which_is_higher():
    psf = two_peaks(0.9)
    assert second_peak(psf, np.full_like(psf, 0.01)) is None


def test_noise_makes_no_peaks():
    # Its bumps are as high as its errors.
    rng = np.random.default_rng(1)
    psf = two_peaks(0.0) + rng.normal(0, 0.05, (31, 21, 21)).astype(np.float32)
    assert second_peak(psf, np.full_like(psf, 0.05)) is None


@pytest.mark.parametrize("shape", [(1, 9, 9), (2, 9, 9)])
def test_few_planes_have_none(shape):
    psf = np.ones(shape, np.float32)
    assert second_peak(psf, psf) is None
