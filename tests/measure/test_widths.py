"""How wide a PSF is."""

import numpy as np
import pytest
from gaussians import gaussian
from scipy import special

from napari_psf_distiller import InputError
from napari_psf_distiller.measure.widths import (
    fwhm,
    peak_profiles,
    profile_width,
    profile_width_slope,
)


@pytest.mark.parametrize("at", [(20, 15, 16), (20.4, 14.7, 16.5)])
def test_the_profiles_go_through_the_peak(at):
    shape, sigmas = (41, 31, 33), (2.5, 1.8, 2.1)
    psf = gaussian(shape, sigmas, at=at)
    for axis, line in enumerate(peak_profiles(psf)):
        expected = np.exp(-(((np.arange(shape[axis]) - at[axis]) / sigmas[axis]) ** 2) / 2)
        np.testing.assert_allclose(line, expected, atol=2e-3)


def test_the_profiles_of_a_plane_and_of_a_single_one():
    psf = gaussian((1, 21, 23), (1, 2, 2))
    z, y, x = peak_profiles(psf)
    np.testing.assert_allclose(z, [psf.max()])
    np.testing.assert_allclose(y, psf[0, :, 11], rtol=1e-9)
    np.testing.assert_allclose(x, psf[0, 10], rtol=1e-9)
    np.testing.assert_allclose(peak_profiles(psf[0])[0], y)


def test_a_tilted_psf_is_as_wide_as_through_its_peak():
    z, y, x = (np.arange(n) - n // 2 - 0.0 for n in (31, 31, 31))
    # The peak lies between voxels across, and the axis of the PSF is tilted.
    across = x - 0.5 - 0.6 * z[:, None, None]
    psf = np.exp(-(across**2) / 8 - (y[:, None] / 2) ** 2 / 2 - (z[:, None, None] / 3) ** 2 / 2)
    sigma = 1 / np.sqrt(0.6**2 / 4 + 1 / 9)
    assert fwhm(psf, (1.0, 1.0, 1.0))[0] == pytest.approx(np.sqrt(8 * np.log(2)) * sigma, rel=2e-3)


@pytest.mark.parametrize("shift", [0, 0.25, 0.5])
@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.7])
def test_the_fwhm_of_a_gaussian(shift, sigma):
    shape, spacing = (40, 41, 44), (0.3, 0.1, 0.108)
    sigmas = (sigma, 1.1 * sigma, 0.9 * sigma)
    psf = gaussian(shape, sigmas, at=tuple(n // 2 + shift for n in shape))
    expected = [np.sqrt(8 * np.log(2)) * s * d for s, d in zip(sigmas, spacing, strict=True)]
    # The narrowest has 3.2 voxels within its width.
    assert fwhm(psf, spacing) == pytest.approx(expected, rel=0.002)
    assert fwhm(psf.astype(np.float32), spacing) == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize("shift", [0, 0.3, 0.5])
@pytest.mark.parametrize("voxels_in_period", [2.2, 2.6, 3.5])
def test_the_fwhm_of_a_psf_with_hardly_more_than_two_voxels_in_a_period(shift, voxels_in_period):
    """An Airy pattern's width is 0.514 wavelengths over the numerical aperture."""
    # Its highest frequency has the period wavelength / 2 NA.
    y, x = (np.arange(41)[(slice(None),) + (None,) * axis] - 20.0 for axis in (1, 0))
    radii = np.pi / voxels_in_period * np.hypot(y, x - shift)
    psf = np.divide(2 * special.j1(radii), radii, out=np.ones_like(radii), where=radii > 0) ** 2
    # Along y the line goes past the peak, if that lies between voxels.
    assert fwhm(psf, (1.0, 1.0))[1] == pytest.approx(1.029 * voxels_in_period, rel=0.003)


def test_the_fwhm_in_2d():
    expected = np.sqrt(8 * np.log(2)) * 0.2
    assert fwhm(gaussian((31, 30), (2, 2)), (0.1, 0.1)) == pytest.approx(
        (expected, expected), rel=0.01
    )


def test_the_fwhm_does_not_depend_on_the_scale():
    psf = gaussian((31, 30), (2, 3))
    assert fwhm(1e-8 * psf, (0.1, 0.1)) == pytest.approx(fwhm(psf, (0.1, 0.1)), rel=1e-9)


def test_the_fwhm_is_that_of_the_middle_peak():
    # Side lobes above half of the maximum must not widen the width.
    psf = gaussian((61, 5), (2, 9)) + 0.8 * gaussian((61, 5), (2, 9), at=(10, 2))
    assert fwhm(psf, (0.1, 0.1))[0] == pytest.approx(np.sqrt(8 * np.log(2)) * 0.2, rel=0.01)


def test_the_fwhm_where_the_psf_does_not_fall_to_half():
    wide = fwhm(gaussian((31, 31, 5), (3, 100, 3)), (0.1, 0.1, 0.1))
    assert np.isfinite(wide[0])
    assert np.isnan(wide[1:]).all()
    # One side that does not fall is enough.
    assert np.isnan(fwhm(gaussian((31, 31), (3, 3), at=(1, 15)), (0.1, 0.1))[0])
    assert np.isnan(fwhm(np.ones((9, 9)), (0.1, 0.1))).all()
    assert np.isnan(fwhm(np.zeros((9, 9)), (0.1, 0.1))).all()
    assert np.isnan(fwhm(gaussian((3, 31), (0.5, 3)), (0.1, 0.1))[0])


def test_the_fwhm_needs_the_voxel_size():
    with pytest.raises(InputError, match="2 values, but the image has 3 axes"):
        fwhm(gaussian((9, 9, 9), (2, 2, 2)), (0.1, 0.1))


@pytest.mark.parametrize("shift", [0, 0.3, 0.5])
def test_how_a_width_depends_on_the_voxels(shift):
    line = gaussian((31,), (2.5,), at=(15 + shift,)) + 0.01
    found, nudge = profile_width_slope(line), 1e-5 * np.eye(len(line))
    expected = [(profile_width(line + n) - profile_width(line - n)) / 2e-5 for n in nudge]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    # A brighter line is as wide.
    assert found @ line == pytest.approx(0, abs=1e-9)


def test_what_has_no_width_has_no_slope():
    np.testing.assert_array_equal(profile_width_slope(np.ones(9)), np.zeros(9))
    np.testing.assert_array_equal(profile_width_slope(np.array([0.0, 1.0, 0.0])), np.zeros(3))
