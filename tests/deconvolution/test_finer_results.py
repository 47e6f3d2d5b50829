"""A result on finer voxels: its voxels and its PSF, of what use it is, what is refused."""

import numpy as np
import psutil
import pytest
from problems import run
from scipy import ndimage, signal

import napari_psf_distiller as psfd
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.finer import finer_told
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.errors import InputError

SPACING = (0.3, 0.2, 0.2)
QUICK = {"iterations": 3, "device": "numpy", "fft": "scipy"}


def gaussian(shape, widths) -> np.ndarray:
    """A PSF of sum 1, of some standard deviations in its voxels."""
    psf = np.ones(())
    for n, width in zip(shape, widths, strict=True):
        line = np.exp(-0.5 * ((np.arange(n) - n // 2) / width) ** 2)
        psf = psf[..., None] * line
    return psf / psf.sum()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).poisson(9, (6, 20, 22)).astype(np.float32)


@pytest.fixture(scope="module")
def fine() -> psfd.PSF:
    """A PSF on pixels of half of the image's size."""
    return psfd.PSF(gaussian((5, 11, 11), (1, 2, 2)), (0.3, 0.1, 0.1))


@pytest.fixture(scope="module")
def fitted() -> psfd.PSF:
    """A PSF with functions, on the voxels of a bead image."""
    field = psfd.simulate_beads((24, 96, 96), beads=8, seed=1)
    optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    return psfd.distill(
        field.image, spacing=field.spacing, bead_diameter=0.1, optics=optics, device="numpy"
    ).psf


# What it is.


def test_it_has_the_finer_voxels_and_their_size(image, fine):
    done = psfd.deconvolve(image, fine, spacing=SPACING, finer=2, **QUICK)
    assert done.shape == (6, 40, 44)
    assert done.spacing == pytest.approx((0.3, 0.1, 0.1))
    model = Model(method="accelerated", finer=(1, 2, 2))
    engine = open_engine("numpy", "scipy")
    np.testing.assert_array_equal(done, run(image, fine.array, 3, model, engine))
    assert float(np.sum(done)) == pytest.approx(image.sum(), rel=0.05)


def test_planes_and_a_plane(image):
    psf = psfd.PSF(gaussian((9, 7, 7), (2, 1, 1)), (0.15, 0.2, 0.2))
    done = psfd.deconvolve(image, psf, spacing=SPACING, finer_z=2, **QUICK)
    assert done.shape == (12, 20, 22)
    assert done.spacing == pytest.approx((0.15, 0.2, 0.2))
    assert done.first_voxel == pytest.approx((-0.15, 0, 0))
    flat = psfd.PSF(gaussian((9, 9), (2, 2)), (0.1, 0.1))
    for plane in (image[0], image[:1]):
        spacing = SPACING[-plane.ndim :]
        found = psfd.deconvolve(plane, flat, spacing=spacing, finer=2, **QUICK)
        assert found.shape == (*plane.shape[:-2], 40, 44)
        assert found.spacing == pytest.approx((0.3, 0.1, 0.1)[-plane.ndim :])


def test_its_own_voxels_are_the_images(image, fine):
    psf = psfd.PSF(fine.array, SPACING)
    done = psfd.deconvolve(image, psf, finer=1, finer_z=1, **QUICK)
    np.testing.assert_array_equal(done, psfd.deconvolve(image, psf, **QUICK))
    assert done.spacing == SPACING
    assert done.first_voxel is None


def test_a_psf_with_functions_is_evaluated_on_them(fitted):
    rng = np.random.default_rng(2)
    image = rng.poisson(30, (24, 40, 40)).astype(np.float32)
    spacing = (0.2, 0.16, 0.16)
    for finer, size in ((2, 0.08), (4, 0.04)):
        there = fitted.evaluate(spacing=(0.2, size, size))
        found = psfd.deconvolve(image, fitted, spacing=spacing, finer=finer, **QUICK)
        expected = psfd.deconvolve(image, there, spacing=spacing, finer=finer, **QUICK)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Its own voxels are those of the result: none is evaluated.
    bare = psfd.PSF(fitted.array, fitted.spacing)
    found = psfd.deconvolve(image, bare, spacing=spacing, finer=2, **QUICK)
    assert found.shape == (24, 80, 80)


def test_the_total_variation_has_the_results_voxel_size(image, fine):
    weight = 0.01
    done = psfd.deconvolve(image, fine, spacing=SPACING, finer=2, total_variation=weight, **QUICK)
    model = Model(method="accelerated", total_variation=weight, spacing=(3, 1, 1), finer=(1, 2, 2))
    engine = open_engine("numpy", "scipy")
    np.testing.assert_allclose(done, run(image, fine.array, 3, model, engine), rtol=1e-4)


def test_a_psf_larger_than_the_image_is_told_in_its_voxels(image):
    psf = psfd.PSF(gaussian((5, 11, 61), (1, 2, 2)), (0.3, 0.1, 0.1))
    with pytest.warns(psfd.DistillerWarning, match=r"\(31 > 22 along x\)"):
        psfd.deconvolve(image, psf, spacing=SPACING, finer=2, **QUICK)


# Of what use it is.


def seen_with(times: int, truth: np.ndarray, psf: np.ndarray, seed: int = 0) -> np.ndarray:
    blurred = signal.fftconvolve(truth, psf, mode="same")
    rows, columns = (n // times for n in truth.shape)
    sums = blurred.reshape(rows, times, columns, times).sum(axis=(1, 3))
    return np.random.default_rng(seed).poisson(np.maximum(sums, 0) + 10)


def binned(psf: np.ndarray, times: int) -> np.ndarray:
    """A PSF on pixels of an odd number of its own: the sums about its centre."""
    half = psf.shape[0] // 2 // times * times + times // 2
    inner = np.pad(psf, times)[
        tuple(slice(n // 2 + times - half, n // 2 + times + half + 1) for n in psf.shape)
    ]
    side = inner.shape[0] // times
    return inner.reshape(side, times, side, times).sum(axis=(1, 3))


def test_two_points_closer_than_a_pixel_are_told_apart():
    truth = np.zeros((96, 96))
    # 5 of the truth's pixels apart, of which the image's have 6 and the result's 2.
    truth[49, 45] = truth[49, 50] = 50_000
    image = seen_with(6, truth, gaussian((31, 31), (3, 3)))
    fine = psfd.PSF(gaussian((17, 17), (1.5, 1.5)), (0.1, 0.1))
    done = psfd.deconvolve(
        image, fine, 200, spacing=(0.3, 0.3), finer=3, background=10, device="numpy"
    )
    one, *between, other = np.asarray(done)[24, 22:26]
    assert max(between) < 0.75 * min(one, other)
    assert min(one, other) == np.sort(np.ravel(done))[-2:].min()


def test_finer_voxels_bring_the_object_nearer_to_the_truth():
    rng = np.random.default_rng(3)
    truth = np.zeros((180, 180))
    truth[rng.integers(10, 170, 40), rng.integers(10, 170, 40)] = rng.uniform(2000, 9000, 40)
    psf = gaussian((41, 41), (2.2, 2.2))
    image = seen_with(3, truth, psf)
    errors = []
    for finer, kernel in ((1, binned(psf, 3)), (3, psf)):
        known = psfd.PSF(kernel, (0.3 / finer,) * 2)
        done = psfd.deconvolve(
            image, known, 25, spacing=(0.3, 0.3), finer=finer, background=10, device="numpy"
        )
        size = 3 // finer
        there = np.kron(done, np.full((size, size), 1 / size**2))
        expected = ndimage.gaussian_filter(truth, 2)
        wrong = ndimage.gaussian_filter(there, 2) - expected
        errors.append(np.linalg.norm(wrong) / np.linalg.norm(expected))
    assert errors[1] < 0.7 * errors[0]


def test_it_ends_by_itself_where_the_images_noise_begins():
    rng = np.random.default_rng(4)
    truth = np.zeros((192, 192))
    truth[rng.integers(8, 184, 40), rng.integers(8, 184, 40)] = rng.uniform(200, 1000, 40)
    psf = gaussian((21, 21), (2.2, 2.2))
    image = seen_with(2, truth, psf)
    known = psfd.PSF(psf, (0.1, 0.1))
    done = psfd.deconvolve(image, known, spacing=(0.2, 0.2), finer=2, background=10, device="numpy")
    assert (done.why_ended, done.warnings) == ("noise", ())
    assert 3 <= done.iterations <= 100


# What is refused.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"finer": 1.5}, r"Deconvolve\.finer is 1\.5"),
        ({"finer": 0}, r"Deconvolve\.finer is 0"),
        ({"finer": 11}, r"Deconvolve\.finer is 11"),
        ({"finer": "2"}, r"Deconvolve\.finer is '2'"),
        ({"finer_z": -1}, r"Deconvolve\.finer_z is -1"),
        ({"spacing": None}, "voxel size is not known, and a result on finer voxels needs it"),
        ({"spacing": (0.2, 0.2)}, "has 2 values, but the image has 3 axes"),
        ({"spacing": (0.3, 0.3, 0.3)}, r"of 0\.3 x 0\.1 x 0\.1 .* 0\.3 x 0\.15 x 0\.15"),
        ({"finer": 3}, "cannot be had on other voxels than its own"),
        ({"finer_z": 2}, r"would have such of 0\.15 x 0\.1 x 0\.1"),
        ({"compatibility": "clij2-fft"}, "clij2-fft has no result on finer voxels"),
    ],
)
def test_what_cannot_be(image, fine, options, words):
    with pytest.raises(InputError, match=words) as refused:
        psfd.deconvolve(image, fine, **{"spacing": SPACING, "finer": 2} | options, **QUICK)
    assert str(refused.value).endswith(".")


def test_a_psf_must_say_its_voxel_size(image, fine):
    with pytest.raises(InputError, match="An array does not say its voxel size"):
        psfd.deconvolve(image, fine.array, spacing=SPACING, finer=2, **QUICK)


def test_a_psf_of_coarser_voxels_is_refused(image):
    coarse = psfd.PSF(gaussian((5, 5, 5), (1, 1, 1)), (0.3, 0.4, 0.4))
    with pytest.raises(InputError, match="one of the joint fit"):
        psfd.deconvolve(image, coarse, spacing=SPACING, finer=2, **QUICK)


@pytest.mark.parametrize("shape", [(20, 22), (1, 20, 22)])
def test_a_plane_has_no_planes_between(image, shape):
    plane = image[0].reshape(shape)
    psf = psfd.PSF(gaussian((5, 5), (1, 1)), (0.2, 0.2))
    spacing = SPACING[-plane.ndim :]
    with pytest.raises(InputError, match=r"a single plane.*choose finer z 1"):
        psfd.deconvolve(plane, psf, spacing=spacing, finer_z=3, **QUICK)


def test_what_does_not_fit_the_memory_is_refused_before_it_is_begun(image, fine, monkeypatch):
    free = psutil.virtual_memory()._replace(available=20_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(InputError, match="The result, 6 x 40 x 44 voxels, needs"):
        psfd.deconvolve(image, fine, spacing=SPACING, finer=2, **QUICK)


def test_a_psf_without_functions_on_other_voxels_than_the_image_is_refused(image, fine):
    with pytest.raises(InputError, match=r"cannot be had .* choose finer 2 for a result"):
        psfd.deconvolve(image, fine, spacing=SPACING, **QUICK)


def test_which_finer_voxels_a_psf_has():
    assert finer_told(SPACING, (0.1, 0.05, 0.05)).endswith(
        "choose finer 4 and finer z 3 for a result on them."
    )
    assert finer_told((0.2, 0.2), (0.1, 0.1)).endswith("choose finer 2 for a result on them.")
    for psf in (None, SPACING, (0.3, 0.4, 0.4), (0.3, 0.1, 0.05), (0.3, 0.13, 0.13), (0.1, 0.1)):
        assert finer_told(SPACING, psf) == ""
    assert finer_told(None, SPACING) == ""
    assert finer_told((0.3, 0.3, 0.3), (0.3, 0.02, 0.02)) == ""
