"""The joint fit of PSFs of other kinds of microscope."""

import numpy as np
import pytest
from joint_fields import BAND, observed, simulated

import napari_psf_distiller as psfd
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.spectrum_prior import expected_spectrum
from napari_psf_distiller.joint.basis.theory_spectrum import theory_spectrum
from napari_psf_distiller.joint.image.detection import find_candidates
from napari_psf_distiller.joint.start import initial_frequencies, within_support
from napari_psf_distiller.optics import (
    Band,
    Confocal,
    LightSheet,
    MultiPhoton,
    Widefield,
    sampled_band,
)
from napari_psf_distiller.theory import theory_text

FIGURES = {"numerical_aperture": 0.8, "wavelength": 0.6, "refractive_index": 1.0}
KINDS = {
    "confocal": {"excitation": 0.561, "pinhole": 0.6},
    "light sheet": {"sheet": 1.5},
    "two-photon": {"excitation": 1.0},
}


@pytest.fixture(scope="module")
def looked_at():
    known = observed(simulated().image)
    return known, find_candidates(known, 7.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_told_gives_the_true_psf(kind):
    spacing, figures = (0.35, 0.11, 0.11), FIGURES | KINDS[kind]
    field = psfd.simulate_beads(
        (28, 110, 110),
        spacing,
        beads=9,
        bead_diameter=0.2,
        photons=1e5,
        background=2.0,
        seed=4,
        microscope=kind,
        **figures,
    )
    optics = psfd.Optics(microscope=kind, **figures)
    result = psfd.distill(field.image, spacing, bead_diameter=0.2, optics=optics, device="numpy")
    true = np.array(psfd.fwhm(field.psf, spacing))
    off = np.abs(np.array(result.fwhm) - true)
    assert (off < np.maximum(0.02 * true, 4 * np.array(result.fwhm_error))).all()
    assert (off < 0.05 * true).all()
    assert result.warnings == ()
    theory = theory_text(optics, spacing)
    assert f"Theory:  {theory}" in result.summary()
    assert f"({kind} without aberrations)" in theory


@pytest.mark.parametrize(
    "support", [Widefield(0.9, 0.6, 1.0), MultiPhoton(0.2, 0.9, 1.33, 2)], ids=["one", "two"]
)
def test_a_psf_may_have_all_that_passes(looked_at, support):
    # The optics' figures are known to a few per cent.
    band = initial_frequencies(support, *looked_at).band
    np.testing.assert_allclose(band, np.multiply(support.band, (1.02, 1.05)))


def test_voxels_bound_what_passes(looked_at):
    band, sampling = initial_frequencies(Confocal(1.4, 0.52, 1.515, 0.488), *looked_at)
    grid = np.array(looked_at[0].spacing) / sampling
    np.testing.assert_allclose(band, sampled_band(grid))


def test_of_a_sheet_that_is_not_known_beads_tell_the_axial_band(looked_at):
    band = initial_frequencies(LightSheet(1.2, 0.52, 1.33), *looked_at).band
    assert band.axial == initial_frequencies(None, *looked_at).band.axial
    assert band.lateral <= 1.02 * BAND.lateral


def test_of_pixels_that_are_not_square_the_band_is_the_same_along_either_side():
    spacing = (0.2, 0.07, 0.1)
    image = psfd.simulate_beads((16, 64, 64), spacing, beads=6, bead_diameter=0.1, seed=1).image
    turned, turned_spacing = np.swapaxes(image, 1, 2), (0.2, 0.1, 0.07)
    bands = []
    for one, sizes in ((image, spacing), (turned, turned_spacing)):
        known = observed(one, spacing=sizes)
        bands.append(initial_frequencies(None, known, find_candidates(known, 7.0)).band)
    np.testing.assert_allclose(bands[0], bands[1], rtol=0.01)


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")
def test_a_pinhole_alone_does_not_count_and_that_is_told():
    field = psfd.simulate_beads((16, 64, 64), beads=3, seed=1)
    optics = psfd.Optics(microscope="confocal", pinhole=1.0)
    result = psfd.distill(field.image, field.spacing, optics=optics, device="numpy")
    assert any("so that none of them counts" in text for text in result.warnings)


@pytest.mark.parametrize("kind", ["confocal", "two-photon"])
@pytest.mark.parametrize("spherical", [0.0, 0.1])
def test_aberrations_do_not_raise_the_spectrum_over_its_limit(kind, spherical):
    window, spacing, figures = (21, 41, 41), (0.3, 0.1, 0.1), FIGURES | KINDS[kind]
    limit = theory_spectrum(psfd.Optics(microscope=kind, **figures))
    basis = FourierBessel(window, spacing, Band(4.5, 1.3), 0.0)
    psf = psfd.simulate_psf(window, spacing, microscope=kind, spherical=spherical, **figures)
    coefficients = basis.fitted(psf)
    power = expected_spectrum(basis, coefficients / basis.total(coefficients))
    over = np.maximum(power - limit(basis), 0)
    assert over.sum() < 0.01 * power.sum()
    # Nor is it far above: beyond what the light is seen to have next to nothing is expected.
    assert limit(basis).sum() < 10 * power.sum() or spherical


def test_a_pinhole_that_is_not_known_may_be_all_but_closed():
    window, spacing, figures = (21, 41, 41), (0.3, 0.08, 0.08), FIGURES | {"excitation": 0.561}
    basis = FourierBessel(window, spacing, Band(5.5, 1.3), 0.0)
    closed, unknown = (
        theory_spectrum(psfd.Optics(microscope="confocal", pinhole=size, **figures))(basis)
        for size in (0.2, None)
    )
    highest = np.abs(basis.radial) > 4.0
    assert unknown[:, highest].sum() > 0.9 * closed[:, highest].sum()


def test_what_has_no_theory_has_no_limit():
    assert theory_spectrum(psfd.Optics(1.2, 0.52, 1.33, microscope="STED")) is None


def test_without_a_support_nothing_bounds_a_band():
    assert within_support(Band(5.0, 2.0), None) == (5.0, 2.0)
