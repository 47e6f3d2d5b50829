"""A PSF beyond its window: its light, its mask, of what use it is, and what is refused."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller import InputError, Recipe
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.psf.tails import aberration_of, continued
from napari_psf_distiller.theory import Aberration, theoretical_psf

SPACING = (0.25, 0.1, 0.1)
OPTICS = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
CONFOCAL = dataclasses.replace(OPTICS, microscope="confocal", excitation=0.488, pinhole=1.0)
DEEP = (49, 90, 91)


@pytest.fixture(scope="module")
def distilled():
    field = psfd.simulate_beads((22, 128, 128), SPACING, beads=20, seed=3)
    return psfd.distill(
        field.image, spacing=SPACING, bead_diameter=0.1, optics=OPTICS, device="numpy"
    ).psf


@pytest.fixture(scope="module")
def deep(distilled):
    return distilled.evaluate(shape=DEEP, with_error=True, tails="continued")


def cut(psf, shape):
    """The middle of a PSF."""
    box = (
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(psf.shape, shape, strict=True)
    )
    return psf[tuple(box)]


@pytest.mark.parametrize("optics", [OPTICS, CONFOCAL], ids=["widefield", "confocal"])
def test_what_was_cut_off_from_theory_comes_back(optics):
    theory = theoretical_psf(DEEP, SPACING, optics)
    window = (21, 51, 51)
    inner = cut(theory, window)
    found = continued(inner / inner.sum(), DEEP, SPACING, optics)
    np.testing.assert_allclose(found.values, theory, rtol=1e-6, atol=1e-12)
    assert found.measured.sum() == inner.size
    assert cut(found.measured, window).all()
    outside = ~found.measured
    smooth = ndimage.uniform_filter(theory, (1, 5, 5))
    np.testing.assert_allclose(found.error[outside], 0.15 * smooth[outside], rtol=1e-3)
    assert not found.error[found.measured].any()


@pytest.mark.parametrize("spherical", [-0.08, 0.05])
def test_an_aberrated_psf_goes_on_aberrated(spherical):
    aberration = Aberration(spherical, 0.05)
    whole = theoretical_psf(DEEP, SPACING, OPTICS, aberration)
    inner = cut(whole, (21, 51, 51))
    assert aberration_of(inner, SPACING, OPTICS) == pytest.approx(aberration, abs=1e-3)
    found = continued(inner / inner.sum(), DEEP, SPACING, OPTICS)
    np.testing.assert_allclose(found.values, whole, rtol=0, atol=1e-3 * whole.max())
    outside = ~found.measured
    perfect = theoretical_psf(DEEP, SPACING, OPTICS)
    off = [np.linalg.norm((one - whole)[outside]) for one in (found.values, perfect)]
    assert off[0] < 0.05 * off[1]


def test_a_spinning_disk_goes_on_with_the_light_of_other_pinholes():
    shape = (41, 61, 61)
    disk = dataclasses.replace(CONFOCAL, microscope="spinning disk")
    crosstalk = Aberration(crosstalk=0.03)
    whole = theoretical_psf(shape, SPACING, disk, crosstalk)
    inner = cut(whole, (21, 41, 41))
    assert aberration_of(inner, SPACING, disk) == pytest.approx(crosstalk, abs=1e-3)
    light = continued(inner / inner.sum(), shape, SPACING, disk).values.sum(axis=(1, 2))
    np.testing.assert_allclose(light, whole.sum(axis=(1, 2)), rtol=0.05)


def test_a_plane_of_a_stack_has_the_light_that_the_window_lacks():
    theory = theoretical_psf(DEEP, SPACING, OPTICS)
    inner = cut(theory, (21, 51, 51)).copy()
    inner[2, 10:40, 10:40] *= 0.9
    found = continued(inner / inner.sum(), DEEP, SPACING, OPTICS).values
    # The light of the plane stays, and so that of all others.
    np.testing.assert_allclose(found.sum(axis=(1, 2)), theory.sum(axis=(1, 2)), rtol=1e-6)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_planes_that_lack_light_or_have_others_are_continued(factor):
    theory = theoretical_psf(DEEP, SPACING, OPTICS)
    inner = cut(theory, (21, 51, 51)).copy()
    inner[:4] *= factor
    # A plane beyond one that is wrong does not count either.
    inner[1] /= factor
    found = continued(inner / inner.sum(), DEEP, SPACING, OPTICS)
    np.testing.assert_allclose(found.values, theory, rtol=1e-6, atol=1e-12)
    planes = np.flatnonzero(found.measured.any(axis=(1, 2)))
    assert planes.tolist() == list(range(18, 35))


def test_a_plane_is_continued_too():
    theory = theoretical_psf((121, 121), SPACING[1:], OPTICS)
    inner = cut(theory, (41, 41))
    found = continued(inner / inner.sum(), (121, 121), SPACING[1:], OPTICS)
    np.testing.assert_allclose(found.values, theory, rtol=1e-6, atol=1e-12)
    assert found.measured.shape == (121, 121)


def test_the_measured_part_stays_as_it_is(distilled, deep):
    assert deep.shape == DEEP
    assert np.sum(deep, dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert np.argmax(deep) == np.ravel_multi_index([n // 2 for n in DEEP], DEEP)
    # Planes at the ends of the beads' image were seen of too few to count.
    shape = (13, 65, 65)
    assert cut(deep.measured, shape).all()
    assert deep.measured.sum() < 21 * 67 * 67
    values, highest = cut(deep.array, shape), deep.array.max()
    whole = distilled.evaluate(shape=(21, 65, 65), with_error=True)
    expected = cut(whole.array, shape) / whole.array.max()
    np.testing.assert_allclose(values / highest, expected, rtol=1e-4, atol=1e-8)
    expected = cut(whole.error, shape) / whole.array.max()
    np.testing.assert_allclose(cut(deep.error, shape) / highest, expected, rtol=1e-4)
    assert (deep.error[~deep.measured] > 0).all()
    assert "partly continued" in repr(deep)


def test_planes_beyond_the_window_have_as_much_light(deep):
    light = deep.array.sum(axis=(1, 2), dtype=float)
    theory = theoretical_psf(DEEP, SPACING, OPTICS).sum(axis=(1, 2))
    ratio = light / theory
    np.testing.assert_allclose(ratio / ratio[DEEP[0] // 2], 1, atol=0.03)


def test_a_file_keeps_what_is_measured(deep, tmp_path):
    for name in ("deep.tif", "deep.ome.tif"):
        deep.save(tmp_path / name)
        again = psfd.read_psf(tmp_path / name)
        np.testing.assert_array_equal(again.measured, deep.measured)
        np.testing.assert_array_equal(again.array, deep.array)
        np.testing.assert_array_equal(again.error, deep.error)


def test_it_stays_continued_on_the_voxels_of_an_image(deep):
    other = (0.3, 0.12, 0.12)
    found = psf_on_image(deep, (40, 60, 60), Recipe(spacing=other)).array
    assert all(
        n * new > m * old - 2.5 * new
        for n, m, new, old in zip(found.shape, DEEP, other, SPACING, strict=True)
    )
    whole = deep.evaluate(other)
    assert not whole.measured.all()
    bare = deep.evaluate(other, tails="none")
    assert bare.measured is None
    assert bare.shape < whole.shape


def test_haze_from_afar_goes_back_to_its_beads(distilled):
    shape = (48, 48, 48)
    size = tuple(2 * n - 1 for n in shape)
    true = psfd.simulate_psf(size, SPACING)
    truth = np.zeros(shape)
    truth[6, 24, 24] = truth[41, 20, 30] = 1e5
    image = np.full(shape, 10.0)
    for z, y, x in np.argwhere(truth):
        box = tuple(slice(n - 1 - c, 2 * n - 1 - c) for n, c in zip(shape, (z, y, x), strict=True))
        image += truth[z, y, x] * true[box] / true[size[0] // 2].sum()
    far = []
    part = distilled.evaluate(shape=(21, 47, 47))
    for psf in (part, distilled.evaluate(shape=size, tails="continued")):
        done = np.asarray(psfd.deconvolve(image, psf, 40, background=10, device="numpy"), float)
        near = np.zeros(shape, bool)
        for place in np.argwhere(truth):
            near[tuple(slice(max(0, c - 4), c + 5) for c in place)] = True
        far.append(done[~near].sum() / done[near].sum())
    assert far[1] < 0.3 * far[0]


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"model": None}, {}, "Only a PSF of the joint fit"),
        ({"recipe": None}, {}, "Only a PSF of the joint fit"),
        ({"recipe": Recipe(SPACING)}, {}, "only where its recipe says the optics"),
        ({}, {"shape": (61, 121)}, "has 2 axes, the PSF 3"),
        ({}, {"shape": (61, 121, 0)}, "cannot be made"),
        ({}, {"shape": (10**5, 10**5, 10**5)}, "does not fit into the memory"),
        ({}, {"tails": "guessed"}, "tails"),
    ],
)
def test_what_cannot_be_continued_is_refused(distilled, change, options, words):
    psf = dataclasses.replace(distilled, **change)
    with pytest.raises(InputError, match=words):
        psf.evaluate(**{"shape": DEEP, "tails": "continued"} | options)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(InputError, match="what is measured of it"):
        psfd.PSF(np.eye(5), (0.1, 0.1), measured=np.ones((4, 4), bool))
