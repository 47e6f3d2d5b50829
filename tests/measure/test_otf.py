"""The OTF against what is known of it in closed form."""

import numpy as np
import pytest

from napari_psf_distiller import InputError, simulate_psf
from napari_psf_distiller.measure.otf import otf_lines, otf_section
from napari_psf_distiller.optics import Widefield

SPACING = (0.2, 0.1, 0.08)
SIGMA = (0.5, 0.25, 0.2)


@pytest.fixture(scope="module")
def gaussian():
    grids = np.meshgrid(
        *[(np.arange(n) - n // 2) * s for n, s in zip((40, 51, 64), SPACING, strict=True)],
        indexing="ij",
    )
    exponent = sum((g / s) ** 2 for g, s in zip(grids, SIGMA, strict=True))
    return np.exp(-exponent / 2)


def of_gaussian(frequency, sigma):
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2)


def test_the_section_of_a_gaussian_is_a_gaussian(gaussian):
    section = otf_section(7 * gaussian, SPACING)
    expected = np.multiply.outer(
        of_gaussian(section.down, SIGMA[0]), of_gaussian(section.across, SIGMA[2])
    )
    np.testing.assert_allclose(section.magnitude, expected, atol=1e-4)
    assert (np.diff(section.down) > 0).all()
    assert section.down.min() == pytest.approx(-0.5 / SPACING[0])


def test_the_lines_of_a_gaussian_are_gaussians_up_to_the_samplings_limit(gaussian):
    for (frequency, magnitude), sigma, size in zip(
        otf_lines(gaussian, SPACING), SIGMA, SPACING, strict=True
    ):
        np.testing.assert_allclose(magnitude, of_gaussian(frequency, sigma), atol=1e-4)
        assert frequency[0] == 0
        assert frequency[-1] == pytest.approx(0.5 / size, rel=0.02)


def test_a_2d_psf_has_its_whole_otf(gaussian):
    section = otf_section(gaussian[20], SPACING[1:])
    expected = np.multiply.outer(
        of_gaussian(section.down, SIGMA[1]), of_gaussian(section.across, SIGMA[2])
    )
    np.testing.assert_allclose(section.magnitude, expected, atol=1e-4)
    assert len(otf_lines(gaussian[20], SPACING[1:])) == 2


def test_the_band_has_the_textbooks_cutoffs():
    support = Widefield(1.2, 0.52, 1.33)
    band = support.band
    assert band.lateral == pytest.approx(2 * 1.2 / 0.52)
    assert band.axial == pytest.approx((1.33 - np.sqrt(1.33**2 - 1.2**2)) / 0.52)
    ends = support.axial_at(np.array([0, -band.lateral, band.lateral, 2 * band.lateral]))
    np.testing.assert_allclose(ends, 0, atol=1e-12)
    assert support.axial_at(np.array([-band.lateral / 2]))[0] == pytest.approx(band.axial)
    # The missing cone opens at the angle of the outermost ray.
    slope = support.axial_at(np.array([1e-6]))[0] / 1e-6
    assert slope == pytest.approx(1.2 / np.sqrt(1.33**2 - 1.2**2), rel=1e-4)


def test_a_simulated_psf_keeps_to_the_band():
    psf = simulate_psf((64, 96, 96), (0.15, 0.08, 0.08), numerical_aperture=1.2, wavelength=0.52)
    section = otf_section(psf, (0.15, 0.08, 0.08))
    height = Widefield(1.2, 0.52, 1.33).axial_at(section.across)[None]
    # A window cuts the PSF, so that a little leaks over the edge.
    outside = np.abs(section.down)[:, None] > height + 0.4
    lateral = np.abs(section.across)[None] > 0.5
    assert section.magnitude[outside & lateral].max() < 0.01
    assert section.magnitude[~outside & lateral].max() > 0.1


def test_what_has_no_otf_is_refused():
    with pytest.raises(InputError, match="must be below the refractive index"):
        Widefield(1.4, 0.52, 1.33)
    with pytest.raises(InputError, match="sum is not positive"):
        otf_section(-np.eye(9), (0.1, 0.1))
