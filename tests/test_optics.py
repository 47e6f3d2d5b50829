"""Which frequencies microscopes pass, and that a kind of microscope is one class."""

from dataclasses import dataclass

import numpy as np
import pytest
from joint_fields import APERTURE, BAND, DIAMETER, INDEX, SUPPORT, WAVELENGTH, observed, simulated

from napari_psf_distiller import InputError, Optics
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.joint.fit import distill_jointly
from napari_psf_distiller.joint.image.detection import find_candidates
from napari_psf_distiller.joint.results import Settings
from napari_psf_distiller.optics import Band, Support, Widefield, support_of
from napari_psf_distiller.progress import finish


@dataclass(frozen=True)
class Sectioning(Support):
    """A microscope that passes a box of frequencies."""

    lateral: float
    axial: float
    equal_plane_light = False

    @property
    def band(self):
        return Band(self.lateral, self.axial)

    def axial_at(self, lateral):
        return np.where(np.abs(lateral) < self.lateral, self.axial, 0.0)


def test_the_band_of_a_widefield_microscope():
    band = Widefield(1.2, 0.5, 1.33).band
    assert band.lateral == pytest.approx(4.8)
    angle = np.arcsin(1.2 / 1.33)
    assert band.axial == pytest.approx(1.33 * (1 - np.cos(angle)) / 0.5)
    assert Widefield(APERTURE, WAVELENGTH, INDEX).band == BAND


@pytest.mark.parametrize("support", [SUPPORT, Sectioning(3.0, 1.0)], ids=["widefield", "toy"])
def test_the_band_holds_all_that_passes(support):
    lateral = np.linspace(-2 * support.band.lateral, 2 * support.band.lateral, 4001)
    axial = support.axial_at(lateral)
    assert axial.max() == pytest.approx(support.band.axial, rel=1e-3)
    np.testing.assert_allclose(axial[np.abs(lateral) > support.band.lateral], 0, atol=1e-12)
    np.testing.assert_allclose(axial, axial[::-1], atol=1e-12)


@pytest.mark.parametrize(("aperture", "index"), [(1.4, 1.33), (1.33, 1.33), (0, 1.33), (-1, 1.5)])
def test_optics_that_cannot_be(aperture, index):
    with pytest.raises(InputError, match="must be positive and must be below the refractive index"):
        Widefield(aperture, 0.5, index)


def test_optics_that_are_not_known():
    assert support_of(Optics()) is None
    assert support_of(Optics(APERTURE, WAVELENGTH)) is None
    assert support_of(Optics(APERTURE, WAVELENGTH, INDEX)) == SUPPORT


@pytest.mark.parametrize("kind", ["STED", "other"])
def test_a_kind_whose_frequencies_are_not_known(kind):
    optics = Optics(APERTURE, WAVELENGTH, INDEX, microscope=kind)
    assert support_of(optics) is None
    assert optics.missing == ()


def test_a_psf_has_the_frequencies_that_the_microscope_passes():
    support = Sectioning(0.6 * BAND.lateral, 0.7 * BAND.axial)
    known = observed(simulated().image)
    settings = Settings(DIAMETER, support, (3.0, 2.4, 2.4), max_angular_order=0)
    found = finish(
        distill_jointly(known, find_candidates(known, 7.0), settings, choose_device("numpy"))
    )
    # The optics' figures are known to a few per cent.
    np.testing.assert_allclose(found.band, np.multiply(support.band, (1.02, 1.05)))
    spectrum = np.abs(np.fft.fft2(found.psf.sum(axis=0)))
    across = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n, 0.1) for n in spectrum.shape]))
    # The window cuts the PSF, so that a little leaks over the edge.
    assert spectrum[across > 1.3 * found.band.lateral].max() < 0.02 * spectrum.max()
