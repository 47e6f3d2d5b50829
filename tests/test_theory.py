"""The PSF of a microscope without aberrations: known widths, and the frequencies of its kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import j1

from napari_psf_distiller import InputError, Optics, fwhm
from napari_psf_distiller.optics import support_of
from napari_psf_distiller.theory import seen_band, theoretical_psf, theoretical_widths, theory_text

EMISSION, EXCITATION, INFRARED = 0.52, 0.488, 0.92
KINDS = {
    "widefield": {},
    "confocal": {"excitation": EXCITATION, "pinhole": 0.3},
    "spinning disk": {"excitation": EXCITATION, "pinhole": 0.5},
    "light sheet": {"sheet": 1.5},
    "two-photon": {"excitation": INFRARED},
    "three-photon": {"excitation": 1.3},
}
FINE = (0.001, 0.001, 0.001)


def of_kind(kind, aperture=1.2, index=1.33, **figures):
    return Optics(aperture, EMISSION, index, microscope=kind, **(KINDS.get(kind, {}) | figures))


def peak_of(psf):
    return tuple(int(i) for i in np.unravel_index(psf.argmax(), psf.shape))


def airy(v):
    return (2 * j1(v) / v) ** 2


def airy_width(power, wavelength, aperture):
    """The width at half maximum of a power of the Airy disc."""
    half = brentq(lambda v: airy(v) ** power - 0.5, 0.1, 2.5)
    return 2 * half * wavelength / (2 * np.pi * aperture)


def axial_width(power, wavelength, aperture, index):
    """The same of a low aperture along its axis, where the field is a sinc."""
    half = brentq(lambda u: np.sinc(u) ** (2 * power) - 0.5, 0.05, 0.9)
    return 2 * half * wavelength / (index - np.sqrt(index**2 - aperture**2))


@settings(deadline=None, max_examples=15)
@given(
    aperture=st.floats(0.1, 0.3),
    wavelength=st.floats(0.4, 0.8),
    index=st.sampled_from([1.0, 1.33, 1.515]),
)
def test_a_low_aperture_has_the_textbooks_widths(aperture, wavelength, index):
    z, y, x = theoretical_widths(Optics(aperture, wavelength, index), FINE)
    assert y == pytest.approx(x)
    assert x == pytest.approx(airy_width(1, wavelength, aperture), rel=0.015)
    assert x == pytest.approx(0.51 * wavelength / aperture, rel=0.02)
    assert z == pytest.approx(axial_width(1, wavelength, aperture, index), rel=0.01)


@pytest.mark.parametrize(("kind", "photons"), [("two-photon", 2), ("three-photon", 3)])
def test_several_photons_have_a_power_of_the_focus(kind, photons):
    optics = of_kind(kind, 0.2, 1.0)
    z, y, _ = theoretical_widths(optics, FINE)
    assert y == pytest.approx(airy_width(photons, optics.excitation, 0.2), rel=0.01)
    assert z == pytest.approx(axial_width(photons, optics.excitation, 0.2, 1.0), rel=0.01)


def test_a_small_pinhole_has_the_product_of_both_foci():
    optics = of_kind("confocal", 0.2, 1.0, pinhole=0.01)
    product = brentq(
        lambda y: (
            airy(2 * np.pi * 0.2 * y / EMISSION) * airy(2 * np.pi * 0.2 * y / EXCITATION) - 0.5
        ),
        0.01,
        1.2,
    )
    assert theoretical_widths(optics, FINE)[1] == pytest.approx(2 * product, rel=0.01)


def test_an_open_pinhole_has_the_excitation_alone():
    wide = theoretical_widths(of_kind("confocal", pinhole=50.0), FINE)
    lit = theoretical_widths(Optics(1.2, EXCITATION, 1.33), FINE)
    np.testing.assert_allclose(wide, lit, rtol=0.02)


def test_the_wider_the_pinhole_the_wider_the_psf():
    widths = [
        theoretical_widths(of_kind("confocal", pinhole=pinhole), FINE)
        for pinhole in (0.1, 0.3, 0.6, 1.0, 1.5, 3.0)
    ]
    assert (np.diff(widths, axis=0) > 0).all()
    # One that is not known is taken to be a usual one.
    assert theoretical_widths(of_kind("confocal", pinhole=None), FINE) == widths[3]


def test_a_disc_of_pinholes_has_what_the_disc_sees():
    optics = of_kind("confocal", 0.9, 1.0, pinhole=1.3)
    spacing, n = (0.3, 0.02, 0.02), 161
    seen = theoretical_psf((3, n, n), spacing, optics)
    emission = theoretical_psf((3, n, n), spacing, Optics(0.9, EMISSION, 1.0))
    lit = theoretical_psf((3, n, n), spacing, Optics(0.9, EXCITATION, 1.0))
    # In Fourier space the disc is exact.
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n, 0.02)] * 2, indexing="ij"))
    v = 2 * np.pi * k * 1.3 * 0.61 * EMISSION / 0.9
    disc = 2 * j1(np.maximum(v, 1e-9)) / np.maximum(v, 1e-9)
    expected = np.fft.ifft2(np.fft.fft2(emission) * disc).real * lit
    expected /= expected.sum()
    np.testing.assert_allclose(seen, expected, atol=0.01 * expected.max())


def test_a_thin_sheet_is_as_wide_as_it_is():
    optics = of_kind("light sheet", 0.2, 1.0, sheet=2.0)
    assert theoretical_widths(optics, FINE)[0] == pytest.approx(2.0, rel=0.01)
    thick = of_kind("light sheet", sheet=500.0)
    wide = theoretical_widths(Optics(1.2, EMISSION, 1.33), FINE)
    np.testing.assert_allclose(theoretical_widths(thick, FINE), wide, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_widths_are_those_of_the_psf(kind):
    spacing = (0.08, 0.05, 0.05)
    optics = of_kind(kind)
    psf = theoretical_psf((61, 41, 41), spacing, optics)
    np.testing.assert_allclose(fwhm(psf, spacing), theoretical_widths(optics, spacing), rtol=0.01)
    assert psf.sum() == pytest.approx(1)
    assert peak_of(psf) == (30, 20, 20)
    np.testing.assert_allclose(psf, psf[::-1, :, ::-1])


def test_pixels_make_it_wider():
    fine, coarse = (theoretical_widths(of_kind("widefield"), (0.2, p, p)) for p in (0.01, 0.2))
    # The square of a pixel has the variance p^2 / 12.
    sigmas = 2.355 * 0.2 / np.sqrt(12)
    assert coarse[1] == pytest.approx(np.hypot(fine[1], sigmas), rel=0.03)


def test_an_even_shape_has_its_peak_at_half():
    psf = theoretical_psf((10, 20, 32), (0.2, 0.08, 0.08), of_kind("widefield"))
    assert peak_of(psf) == (5, 10, 16)


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_the_peak_of_few_planes_is_at_half(planes):
    psf = theoretical_psf((planes, 9, 8), (0.3, 0.1, 0.1), of_kind("widefield"))
    assert peak_of(psf) == (planes // 2, 4, 4)


def test_a_single_plane():
    optics = of_kind("confocal")
    plane = theoretical_psf((33, 33), (0.05, 0.05), optics)
    volume = theoretical_psf((3, 33, 33), (0.2, 0.05, 0.05), optics)[1]
    np.testing.assert_allclose(plane, volume / volume.sum())
    assert (
        theoretical_widths(optics, (0.05, 0.05))
        == theoretical_widths(optics, FINE[:1] + (0.05,) * 2)[1:]
    )


@pytest.mark.parametrize(
    "optics",
    [
        Optics(),
        Optics(1.2, 0.52),
        Optics(1.2, 0.52, 1.33, microscope="STED"),
        Optics(1.2, 0.52, 1.33, microscope="other"),
        Optics(1.2, 0.52, 1.33, microscope="confocal"),
    ],
)
def test_what_has_no_theory(optics):
    assert theoretical_widths(optics, FINE) == (None, None, None)
    assert theoretical_psf((3, 3, 3), FINE, optics) is None


def test_a_sheet_that_is_not_known():
    optics = of_kind("light sheet", sheet=None)
    z, y, x = theoretical_widths(optics, FINE)
    assert z is None
    assert (y, x) == theoretical_widths(Optics(1.2, EMISSION, 1.33), FINE)[1:]
    assert theoretical_psf((3, 3, 3), FINE, optics) is None


@pytest.mark.parametrize(("shape", "spacing"), [((3,), (0.1,)), ((3, 3), (0.1, -0.1))])
def test_what_cannot_be_made(shape, spacing):
    with pytest.raises(InputError):
        theoretical_psf(shape, spacing, of_kind("widefield"))


@pytest.mark.parametrize("spacing", [(0.1,), (0.2, 0.2, 0.1, 0.1), (), "ab"])
def test_widths_are_along_two_axes_or_three(spacing):
    with pytest.raises(InputError, match="spacing"):
        theoretical_widths(of_kind("widefield"), spacing)


def test_pixels_that_take_all_light_of_a_plane_have_no_width_along_z():
    optics, spacing = of_kind("widefield"), (0.2, 5.0, 5.0)
    z, y, x = theoretical_widths(optics, spacing)
    assert z is None
    assert y == pytest.approx(x) == pytest.approx(5, rel=0.01)
    assert theory_text(optics, spacing).startswith("y 5")


def test_what_is_seen_is_less_than_what_passes():
    assert seen_band(of_kind("widefield")) == support_of(of_kind("widefield")).band
    for kind in KINDS:
        optics = of_kind(kind)
        seen, passed = seen_band(optics), support_of(optics).band
        assert 0.3 * passed.lateral < seen.lateral <= passed.lateral
        assert 0.3 * passed.axial < seen.axial <= passed.axial
    assert seen_band(of_kind("light sheet", sheet=None)).axial == np.inf
    assert seen_band(of_kind("STED")) is None


# How near to its edge, as a part of its size, the spectrum of each kind is still seen: a confocal
# microscope's light hardly reaches there, and so does that of several photons.
REACHES = {
    "widefield": 0.9,
    "confocal": 0.75,
    "spinning disk": 0.7,
    "light sheet": 0.75,
    "two-photon": 0.7,
    "three-photon": 0.6,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optics", [(0.8, 1.0), (1.3, 1.515)])
def test_the_spectrum_lies_within_the_support_and_reaches_its_edge(kind, optics):
    known = of_kind(kind, *optics)
    support = support_of(known)
    # Twice as fine as Nyquist's limit.
    spacing = (0.25 / support.band.axial, 0.25 / support.band.lateral, 0.25 / support.band.lateral)
    shape = (64, 64, 64)
    psf = theoretical_psf(shape, spacing, known)
    # Its edges fade, so that what leaks from a frequency ends within three others.
    for axis, n in enumerate(shape):
        fading = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        psf = psf * fading.reshape([-1 if a == axis else 1 for a in range(3)])
    spectrum = np.abs(np.fft.rfftn(psf)) / psf.sum()
    fz, fy, fx = (
        np.fft.fftfreq(shape[0], spacing[0]),
        np.fft.fftfreq(shape[1], spacing[1]),
        np.fft.rfftfreq(shape[2], spacing[2]),
    )
    across = np.hypot(fy[:, None], fx)
    along = np.abs(fz)[:, None, None]
    steps = [3 / (n * s) for n, s in zip(shape, spacing, strict=True)]
    # The highest that a frequency beside each can reach.
    highest = np.max(
        [support.axial_at(np.abs(across) + d) for d in np.linspace(-steps[1], steps[1], 13)], axis=0
    )
    outside = (along > highest + steps[0]) | (across > support.band.lateral + steps[1])
    assert spectrum[outside].max() < 2e-3
    seen = spectrum > 2e-3
    part = REACHES[kind]
    assert (np.broadcast_to(across, seen.shape)[seen]).max() > part * support.band.lateral
    assert (np.broadcast_to(along, seen.shape)[seen]).max() > part * support.band.axial
