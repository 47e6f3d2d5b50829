"""Simulated bead fields: the optics are right, and the truth is what is in the image."""

import numpy as np
import pytest
from conditions.optics import Microscope, intensity

import napari_psf_distiller as psfd
from napari_psf_distiller import InputError, simulate_beads, simulate_psf
from napari_psf_distiller.measure.widths import peak_profiles
from napari_psf_distiller.theory import theoretical_widths

# A dry objective of low aperture, where the paraxial theory holds.
LOW = {"numerical_aperture": 0.3, "wavelength": 0.5, "refractive_index": 1.0}
# No noise to speak of: only the optics.
CLEAN = {"photons": 1e7, "background": 0, "offset": 0, "read_noise": 0, "spread": 0}


def test_the_psf_of_a_low_aperture_is_airys():
    psf = simulate_psf((121, 101, 101), (0.5, 0.1, 0.1), **LOW)
    z, y, x = psfd.fwhm(psf, (0.5, 0.1, 0.1))
    # Airy's disc, 0.5145 wavelength / NA, and sinc^2 along z, 1.772 n wavelength / NA^2 (Born and
    # Wolf, 8.8); the disc on a grid, and the aperture's 0.3, make 2 %.
    assert y == x
    assert x == pytest.approx(0.5145 * 0.5 / 0.3, rel=0.02)
    assert z == pytest.approx(1.772 * 0.5 / 0.3**2, rel=0.03)
    line = peak_profiles(psf)[2][50:]
    first_zero = np.flatnonzero((line[1:-1] < line[:-2]) & (line[1:-1] < line[2:]))[0] + 1
    assert 0.1 * first_zero == pytest.approx(0.61 * 0.5 / 0.3, abs=0.1)


@pytest.mark.parametrize(
    ("aperture", "index"), [(0.6, 1.0), (0.95, 1.0), (1.2, 1.33), (1.4, 1.518)]
)
def test_the_psf_is_another_programs(aperture, index):
    psfmodels = pytest.importorskip("psfmodels")
    spacing = (0.2, 0.08, 0.08)
    ours = simulate_psf((31, 65, 65), spacing, numerical_aperture=aperture, refractive_index=index)
    theirs = psfmodels.make_psf(
        (np.arange(31) - 15) * 0.2,
        nx=65,
        dxy=0.08,
        NA=aperture,
        wvl=0.52,
        ns=index,
        ni=index,
        ni0=index,
        model="vectorial",
        oversample_factor=1,
    )
    # Theirs is interpolated between coarser distances from the axis.
    assert psfd.fwhm(ours, spacing) == pytest.approx(psfd.fwhm(theirs, spacing), rel=0.04)
    # Where it is not faded out.
    inner = (slice(6, -6), slice(12, -12), slice(12, -12))
    ours, theirs = ours[inner] / ours[inner].sum(), theirs[inner] / theirs[inner].sum()
    assert np.linalg.norm(ours - theirs) < 0.06 * np.linalg.norm(theirs)


@pytest.mark.parametrize("waves", [0.0, 0.15, -0.1])
def test_the_psf_is_that_of_a_sum_over_the_pupil(waves):
    spacing = (0.2, 0.07, 0.07)
    ours = simulate_psf(
        (25, 41, 41), spacing, numerical_aperture=1.4, refractive_index=1.515, spherical=waves
    )
    pupil = Microscope(1.4, 1.515, 0.52, aberrations=((4, 0, waves),))
    light = intensity(pupil, (np.arange(25) - 12) * 0.2, 41, 0.07)
    # Where it is not faded out.
    inner = (slice(3, -3), slice(5, -5), slice(5, -5))
    ours, summed = ours[inner] / ours[inner].sum(), light[inner] / light[inner].sum()
    assert np.linalg.norm(ours - summed) < 0.01 * np.linalg.norm(summed)


@pytest.mark.parametrize("shape", [(15, 31, 33), (16, 30, 32), (31, 32)])
def test_the_psf_has_sum_1_and_its_focus_at_the_centre(shape):
    psf = simulate_psf(shape, (0.2, 0.08, 0.08)[-len(shape) :])
    assert psf.dtype == np.float64
    assert psf.shape == shape
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    assert psf.min() >= 0
    assert np.unravel_index(psf.argmax(), shape) == tuple(n // 2 for n in shape)


def test_the_psf_is_symmetric_unless_aberrated():
    psf = simulate_psf((15, 31, 31), (0.2, 0.08, 0.08))
    for axis in range(3):
        np.testing.assert_allclose(psf, np.flip(psf, axis), atol=1e-12)
    np.testing.assert_allclose(psf, psf.swapaxes(1, 2), atol=1e-12)
    aberrated = simulate_psf((15, 31, 31), (0.2, 0.08, 0.08), spherical=0.1)
    assert np.abs(aberrated - aberrated[::-1]).max() > 0.1 * aberrated.max()
    assert aberrated.max() < psf.max()


def test_the_focal_plane_alone():
    flat = simulate_psf((31, 31), (0.08, 0.08))
    plane = simulate_psf((15, 31, 31), (0.2, 0.08, 0.08))[7]
    np.testing.assert_allclose(flat, plane / plane.sum(), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"numerical_aperture": 1.4, "refractive_index": 1.33}, "below the refractive index"),
        ({"numerical_aperture": 0}, "is from 0.01 to 2.5"),
        ({"wavelength": 0.3}, r"Pixels of 0\.08 micrometres are too large"),
        ({"spacing": (0.2, 0.2, 0.2)}, "too large to simulate"),
        ({"spacing": (0.2, 0.08)}, "2 values, but the image has 3 axes"),
        ({"spacing": (0, 0.08, 0.08)}, "positive"),
    ],
)
def test_optics_that_cannot_be(options, words):
    arguments = {"shape": (16, 32, 32), "spacing": (0.2, 0.08, 0.08)} | options
    with pytest.raises(InputError, match=words):
        simulate_psf(**arguments)
    with pytest.raises(InputError, match=words):
        simulate_beads(**arguments)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((24, 64, 72), (0.2, 0.08, 0.08)), ((64, 72), (0.08, 0.08))]
)
def test_a_field_and_its_truth(shape, spacing):
    field = simulate_beads(shape, spacing, beads=4, bead_diameter=0.2, seed=1)
    assert field.image.dtype == np.uint16
    assert field.image.shape == shape
    assert field.centres.shape == (4, len(shape))
    assert field.amplitudes.shape == (4,)
    assert field.spacing == spacing
    assert field.bead_diameter == 0.2
    assert field.psf.ndim == len(shape)
    assert all(n % 2 for n in field.psf.shape)
    assert (field.centres >= 0).all()
    assert (field.centres <= np.array(shape) - 1).all()


def test_the_light_of_a_widefield_microscope_goes_on_as_far_as_it_is_followed():
    shape, options = (24, 64, 64), {"beads": 3, "read_noise": 0.0, "photons": 1e6, "seed": 2}
    near, far = (simulate_beads(shape, reach=reach, **options) for reach in (2.0, 5.0))
    assert near.psf.shape == (2 * 13 + 1, 2 * 25 + 1, 2 * 25 + 1)
    assert far.psf.shape == (2 * 23 + 1, 2 * 62 + 1, 2 * 62 + 1)
    # Of the light of the focal plane, how much is in the plane 2 µm above it.
    parts = [
        field.psf[len(field.psf) // 2 + 10].sum() / field.psf[len(field.psf) // 2].sum()
        for field in (near, far)
    ]
    assert parts[0] < 0.7
    assert parts[1] > 0.9


def test_the_same_seed_gives_the_same_image():
    one, again, other = (simulate_beads((16, 48, 48), beads=3, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.centres, again.centres)
    assert not np.array_equal(one.centres, other.centres)


def test_background_offset_and_noise_are_the_cameras():
    options = {"background": 20, "offset": 100, "read_noise": 3}
    image = simulate_beads((16, 64, 64), beads=0, seed=1, **options).image.astype(float)
    # 65536 voxels tell the mean to 0.02 and the variance to 0.6 %.
    assert image.mean() == pytest.approx(120, abs=0.1)
    assert image.var() == pytest.approx(20 + 3**2 + 1 / 12, rel=0.03)


@pytest.mark.parametrize("diameter", [0.02, 0.2])
@pytest.mark.parametrize("shape", [(33, 97, 97), (97, 97)])
def test_a_beads_light_is_where_and_as_much_as_the_truth_says(shape, diameter):
    spacing = (0.3, 0.1, 0.1)[-len(shape) :]
    optics = {"numerical_aperture": 0.6, "refractive_index": 1.0}
    field = simulate_beads(
        shape, spacing, beads=1, bead_diameter=diameter, seed=3, **CLEAN | {"photons": 1e5} | optics
    )
    whole = np.round(field.centres[0]).astype(int)
    window = tuple(slice(w - 8, w + 9) for w in whole)
    counts = field.image[window].astype(float)
    # The window cuts light off, in the PSF too: compare what both have within it.
    inside = field.psf[tuple(slice(n // 2 - 8, n // 2 + 9) for n in field.psf.shape)]
    assert counts.sum() == pytest.approx(field.amplitudes[0] * inside.sum(), rel=0.03)
    grids = np.meshgrid(*(np.arange(w - 8, w + 9) for w in whole), indexing="ij")
    weights = np.maximum(counts - 0.1 * counts.max(), 0)
    found = [(grid * weights).sum() / weights.sum() for grid in grids]
    np.testing.assert_allclose(found, field.centres[0], atol=0.1)


def test_a_large_bead_widens_its_image_as_a_ball_does():
    # A uniform ball adds d^2 / 20 to the variance along each axis; measured where a Gaussian-like
    # PSF has all its light, in a plane's marginal of a noise-free image.
    spacing, diameter = (0.1, 0.1), 1.0
    variances = []
    for size in (1e-3, diameter):
        field = simulate_beads(
            (64, 64),
            spacing,
            beads=1,
            bead_diameter=size,
            seed=4,
            numerical_aperture=1.2,
            **CLEAN | {"photons": 4e5},
        )
        profile = field.image.sum(axis=0).astype(float)
        x = np.arange(64) - field.centres[0, 1]
        near = np.abs(x) < 16
        variances.append((profile * x**2)[near].sum() / profile[near].sum() * spacing[1] ** 2)
    # The far tails of a PSF, which the window cuts, change a little with the bead.
    assert variances[1] - variances[0] == pytest.approx(diameter**2 / 20, rel=0.1)


def test_beads_keep_their_distance():
    field = simulate_beads((16, 128, 128), beads=30, separation=1.0, seed=2)
    plane = field.centres[:, 1:] * 0.08
    gaps = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    assert gaps[~np.eye(len(plane), dtype=bool)].min() >= 1.0


def test_fewer_beads_are_placed_where_no_more_fit():
    field = simulate_beads((16, 32, 32), beads=50, separation=1.0, seed=2)
    assert 1 <= len(field.centres) < 50


def test_a_slide_is_flat_and_a_gel_is_not():
    slide, gel = (
        simulate_beads((64, 96, 96), (0.2, 0.08, 0.08), beads=20, separation=0.5, layout=layout)
        for layout in ("slide", "gel")
    )
    assert np.ptp(slide.centres[:, 0]) < 15
    assert np.ptp(gel.centres[:, 0]) > 30


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": (8, 64, 64)}, "16 voxels or more"),
        ({"shape": (64,), "spacing": (0.1,)}, "2 or 3 axes"),
        ({"shape": (2, 16, 64, 64)}, "2 or 3 axes"),
        ({"layout": "cloud"}, "no layout 'cloud'; choose .*slide.*gel"),
    ],
)
def test_fields_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        simulate_beads(**{"shape": (16, 32, 32)} | options)


@pytest.mark.parametrize(
    "options",
    [
        {"beads": 10**8},
        {"beads": -1},
        {"beads": 1.5},
        {"beads": "many"},
        {"photons": float("inf")},
        {"photons": 1e30},
        {"spread": 1e3},
        {"background": float("nan")},
        {"read_noise": None},
        {"offset": 1j},
        {"separation": float("inf")},
        {"seed": -1},
        {"seed": "1"},
        {"spherical": float("nan")},
        {"bead_diameter": float("inf")},
        {"shape": (10**6, 10**6, 10**6)},
        {"shape": "large"},
        {"reach": 0.0},
        {"reach": 1e4},
        {"reach": "far"},
        {"shape": (20.0, 20, 20)},
        {"layout": None},
    ],
)
def test_what_cannot_be_simulated_is_said_at_once(options):
    with pytest.raises(InputError, match=r"\.$"):
        simulate_beads(**{"shape": (16, 24, 24), "spacing": (0.2, 0.1, 0.1)} | options)


KINDS = {
    "widefield": {},
    "confocal": {"excitation": 0.488, "pinhole": 0.7},
    "light sheet": {"sheet": 3.0},
    "two-photon": {"excitation": 0.92},
    "three-photon": {"excitation": 1.3},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("aperture", "depth"), [(0.5, 5), (1.2, 1.5)])
def test_a_kind_of_microscope_has_its_theorys_widths(kind, aperture, depth):
    optics = psfd.Optics(aperture, 0.52, 1.33, microscope=kind, **KINDS[kind])
    # In proportion to the light's wavelength.
    pixel = (optics.excitation if "photon" in kind else 0.488) / (10 * aperture)
    spacing = (depth * pixel, pixel, pixel)
    psf = psfd.simulate_psf(
        (61, 65, 65),
        spacing,
        numerical_aperture=aperture,
        wavelength=0.52,
        refractive_index=1.33,
        microscope=kind,
        **KINDS[kind],
    )
    expected = theoretical_widths(optics, (depth * pixel, 0.001, 0.001))
    np.testing.assert_allclose(psfd.fwhm(psf, spacing), expected, rtol=0.02)
    assert psf.sum() == pytest.approx(1)


def test_a_sted_spot_is_narrow_and_a_spinning_disk_sees_other_pinholes():
    shape, spacing = (31, 65, 65), (0.15, 0.05, 0.05)
    wide = psfd.simulate_psf(shape, spacing)
    sted = psfd.simulate_psf(shape, spacing, microscope="STED")
    assert psfd.fwhm(sted, spacing)[1] < psfd.fwhm(wide, spacing)[1] / 3
    scanned = {"excitation": 0.488, "pinhole": 1.0}
    confocal = psfd.simulate_psf(shape, spacing, microscope="confocal", **scanned)
    disk = psfd.simulate_psf(shape, spacing, microscope="spinning disk", **scanned)
    out_of_focus = [psf[3].sum() / psf[15].sum() for psf in (confocal, disk, wide)]
    assert out_of_focus == sorted(out_of_focus)
    assert out_of_focus[0] < out_of_focus[1] / 1.2


@pytest.mark.parametrize("kind", ["confocal", "two-photon"])
def test_voxels_too_large_for_the_kind_show_its_beads_all_the_same(kind):
    # Half of the frequencies that a confocal microscope passes.
    spacing = (0.2, 0.08, 0.08)
    field = psfd.simulate_beads(
        (24, 64, 64),
        spacing,
        beads=1,
        bead_diameter=0.0,
        photons=5e5,
        spread=0.0,
        background=0.0,
        offset=0.0,
        read_noise=0.0,
        microscope=kind,
        excitation=KINDS[kind]["excitation"],
    )
    image = field.image.astype(float)
    assert image.sum() == pytest.approx(5e5, rel=0.02)
    # Its halo is cut off by the image's border.
    corner = np.round(field.centres[0]).astype(int) - 5
    core = image[tuple(slice(start, start + 11) for start in corner)]
    centroid = np.indices(core.shape).reshape(3, -1) @ core.ravel() / core.sum()
    np.testing.assert_allclose(corner + centroid, field.centres[0], atol=0.05)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"microscope": "confocal"}, "simulate a confocal microscope, excitation must be given"),
        ({"microscope": "light sheet"}, "sheet must be given too"),
        ({"microscope": "other"}, "another kind cannot be simulated"),
        ({"microscope": "light"}, "should be 'widefield'"),
        ({"excitation": 0.488}, "'widefield', which has none"),
    ],
)
def test_a_kind_that_cannot_be_simulated(figures, words):
    with pytest.raises(InputError, match=words):
        psfd.simulate_psf((3, 5, 5), (0.2, 0.05, 0.05), **figures)
    with pytest.raises(InputError, match=words):
        psfd.simulate_beads((16, 32, 32), (0.2, 0.05, 0.05), **figures)
