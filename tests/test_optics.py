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
from napari_psf_distiller.optics import (
    Band,
    Confocal,
    LightSheet,
    MultiPhoton,
    Support,
    Widefield,
    support_of,
)
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


OTHERS = [
    Confocal(1.3, 0.52, 1.515, 0.488),
    Confocal(0.8, 0.7, 1.0, 0.4),
    MultiPhoton(1.05, 0.92, 1.33, 2),
    MultiPhoton(1.05, 1.3, 1.33, 3),
]


@pytest.mark.parametrize(
    "support",
    [SUPPORT, Sectioning(3.0, 1.0), *OTHERS, LightSheet(1.0, 0.52, 1.33, 1.5)],
    ids=lambda support: type(support).__name__,
)
def test_the_band_holds_all_that_passes(support):
    lateral = np.linspace(-2 * support.band.lateral, 2 * support.band.lateral, 4001)
    axial = support.axial_at(lateral)
    assert axial.max() == pytest.approx(support.band.axial, rel=1e-3)
    assert not support.equal_plane_light or support.axial_at(np.zeros(1))[0] == pytest.approx(0)
    np.testing.assert_allclose(axial[np.abs(lateral) > support.band.lateral], 0, atol=1e-12)
    np.testing.assert_allclose(axial, axial[::-1], atol=1e-12)


def sums(first, second):
    """The highest sum of an axial frequency of each of two outlines, at lateral frequencies.

    Both are given at steps from 0 on; two lateral frequencies make any that is the third side of a
    triangle with them.
    """
    n = len(first)
    found = np.full(2 * n - 1, -np.inf)
    for i, height in enumerate(first):
        for j, other in enumerate(second):
            reached = slice(abs(i - j), i + j + 1)
            found[reached] = np.maximum(found[reached], height + other)
    return found


@pytest.mark.parametrize("support", OTHERS[:3], ids=lambda support: type(support).__name__)
def test_a_product_of_two_psfs_passes_the_sums_of_their_frequencies(support):
    figures = (support.numerical_aperture, support.refractive_index)
    second = getattr(support, "excitation", support.wavelength)
    one, two = (Widefield(figures[0], wave, figures[1]) for wave in (support.wavelength, second))
    lateral = np.linspace(0, max(one.band.lateral, two.band.lateral), 201)
    expected = sums(
        *(
            np.where(lateral < w.band.lateral * 1.0001, w.axial_at(lateral), -np.inf)
            for w in (one, two)
        )
    )
    at = np.arange(len(expected)) * lateral[1]
    inside = at < 0.99 * support.band.lateral
    step = 0.02 * support.band.axial
    np.testing.assert_allclose(support.axial_at(at)[inside], expected[inside], atol=step)
    assert support.band.lateral == pytest.approx(one.band.lateral + two.band.lateral)


def test_three_photons_pass_three_times_the_frequencies_of_the_focus():
    focus, three = Widefield(1.05, 1.3, 1.33), MultiPhoton(1.05, 1.3, 1.33, 3)
    np.testing.assert_allclose(three.band, np.multiply(3, focus.band))
    # Beyond three times its ring the same direction is the best of all three.
    beyond = np.linspace(0.5, 1, 20) * three.band.lateral
    np.testing.assert_allclose(three.axial_at(beyond), 3 * focus.axial_at(beyond / 3), atol=1e-9)
    np.testing.assert_allclose(three.axial_at(beyond / 2), three.band.axial)


def test_a_sheet_widens_the_support_along_the_axis():
    thin, thick = (LightSheet(1.0, 0.52, 1.33, sheet) for sheet in (0.5, 5.0))
    detection = Widefield(1.0, 0.52, 1.33)
    assert thin.band.lateral == thick.band.lateral == detection.band.lateral
    # A Gaussian's transform has a hundredth of its maximum there.
    wider = thin.band.axial - detection.band.axial
    z = np.linspace(-2, 2, 4001)
    profile = np.exp(-4 * np.log(2) * (z / 0.5) ** 2)
    part = (profile * np.cos(2 * np.pi * wider * z)).sum() / profile.sum()
    assert part == pytest.approx(0.01, rel=1e-3)
    assert thick.band.axial - detection.band.axial == pytest.approx(wider / 10)
    unknown = LightSheet(1.0, 0.52, 1.33)
    assert unknown.band == (detection.band.lateral, np.inf)
    np.testing.assert_array_equal(unknown.axial_at(np.array([0.0, 4.0])), [np.inf, 0])


@pytest.mark.parametrize(
    ("kind", "figures", "support"),
    [
        ("confocal", {"excitation": 0.488, "pinhole": 1.0}, Confocal(1.2, 0.52, 1.33, 0.488)),
        ("spinning disk", {"excitation": 0.488}, Confocal(1.2, 0.52, 1.33, 0.488)),
        ("two-photon", {"excitation": 0.92}, MultiPhoton(1.2, 0.92, 1.33, 2)),
        ("three-photon", {"excitation": 1.3}, MultiPhoton(1.2, 1.3, 1.33, 3)),
        ("light sheet", {"sheet": 1.5}, LightSheet(1.2, 0.52, 1.33, 1.5)),
        ("light sheet", {}, LightSheet(1.2, 0.52, 1.33)),
        ("confocal", {}, None),
        ("two-photon", {}, None),
    ],
)
def test_the_support_of_a_kind(kind, figures, support):
    assert support_of(Optics(1.2, 0.52, 1.33, microscope=kind, **figures)) == support


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
