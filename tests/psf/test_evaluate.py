"""A PSF on voxels of another size: against the truth there, within its window, or refused."""

import dataclasses

import numpy as np
import pytest
from conditions.optics import Microscope
from conditions.point_spread import psf_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, InputError, PostProcess, Recipe
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.optics import Band
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.postprocess import crop_about_centre
from napari_psf_distiller.progress import finish
from napari_psf_distiller.psf import FittedFunctions
from napari_psf_distiller.psf.grids import errors_on

SPACING, WINDOW = (0.25, 0.095, 0.095), (29, 81, 81)
OPTICS = Microscope(numerical_aperture=1.2, index=1.33, wavelength=0.6)
SHAPE = (28, 112, 112)


@pytest.fixture(scope="module")
def points():
    """The light of a point, on no pixels yet."""
    return psf_of(OPTICS, SPACING, WINDOW, integrating=False)


def truth_on(points, spacing, shape, height=0.0):
    """Return what voxels of any size and number see of the light, its focus at some height."""
    spectrum = fft.fftn(fft.irfftn(points.spectrum, points.grid))
    kz, ky, kx = (fft.fftfreq(n, d) for n, d in zip(points.grid, points.step, strict=True))
    spectrum = spectrum * np.sinc(ky * spacing[1])[:, None] * np.sinc(kx * spacing[2])
    places = [(np.arange(n) - n // 2) * size for n, size in zip(shape, spacing, strict=True)]
    places[0] = places[0] - height
    waves = [np.exp(2j * np.pi * np.outer(p, k)) for p, k in zip(places, (kz, ky, kx), strict=True)]
    values = np.einsum("az,by,cx,zyx->abc", *waves, spectrum, optimize=True).real
    return values / values.sum()


def l2(found, truth):
    return float(np.linalg.norm(np.asarray(found) - truth) / np.linalg.norm(truth))


def nearest_l2(psf, points):
    """Return the least distance from the truth, whose height is not what is looked at."""
    heights = np.linspace(-0.02, 0.02, 9)
    return min(l2(psf, truth_on(points, psf.spacing, psf.shape, height)) for height in heights)


@pytest.fixture(scope="module")
def distilled(points):
    """The PSF that is distilled from points of this light."""
    rng = np.random.default_rng(0)
    pixels = psf_of(OPTICS, SPACING, WINDOW)
    image = np.full(SHAPE, 20.0)
    for _ in range(8):
        centre = np.array([*rng.uniform(12, 15, 1), *rng.uniform(20, 92, 2)])
        whole = np.round(centre).astype(int)
        low = whole - np.array(WINDOW) // 2
        first, last = np.maximum(low, 0), np.minimum(low + WINDOW, SHAPE)
        there = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        here = tuple(slice(a, b) for a, b in zip(first - low, last - low, strict=True))
        image[there] += 2e5 * pixels.image(WINDOW, centre - whole)[here]
    counts = np.round(rng.poisson(image) + rng.normal(100, 1.6, SHAPE)).astype(np.uint16)
    optics = psfd.Optics(OPTICS.numerical_aperture, OPTICS.wavelength, OPTICS.index)
    recipe = Recipe(SPACING, optics=optics, device="numpy", postprocess=PostProcess(crop=None))
    return finish(distill_steps_of(counts, recipe)).psf


def test_on_its_own_voxels_it_is_itself(distilled):
    again = distilled.evaluate(with_error=True)
    np.testing.assert_allclose(again, distilled, rtol=0, atol=1e-6 * distilled.array.max())
    np.testing.assert_allclose(again.error, distilled.error, rtol=1e-5)
    assert (again.spacing, again.shape) == (distilled.spacing, distilled.shape)


@pytest.mark.parametrize("finer", [0.6, 1.7])
def test_on_other_voxels_it_is_as_near_to_the_truth(distilled, points, finer):
    other = distilled.evaluate([finer * size for size in SPACING], with_error=True)
    own = nearest_l2(distilled, points)
    assert own < 0.05
    assert nearest_l2(other, points) < 1.2 * own
    assert np.sum(other, dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert np.unravel_index(np.argmax(other), other.shape) == tuple(n // 2 for n in other.shape)
    # A part of the extent is left where it is no multiple of the voxels.
    for n, m in zip(other.shape, distilled.shape, strict=True):
        assert m - 2 - 2 * finer < n * finer <= m + finer
    centre = tuple(n // 2 for n in other.shape)
    old = tuple(n // 2 for n in distilled.shape)
    # The larger the pixels, the lower the peak that has the error.
    assert other.error[centre] / other[centre] == pytest.approx(
        distilled.error[old] / distilled[old], rel=0.15
    )


def at_points(psf, spacing, shape):
    """A PSF between its voxels by cubic splines, whatever its pixels see."""
    places = [
        (np.arange(n) - n // 2) * new / old + m // 2
        for n, m, new, old in zip(shape, psf.shape, spacing, psf.spacing, strict=True)
    ]
    found = ndimage.map_coordinates(
        psf.array.astype(float), np.meshgrid(*places, indexing="ij"), order=3, mode="nearest"
    )
    return found / found.sum()


@pytest.mark.parametrize("finer", [0.6, 1.7])
def test_interpolated_it_has_the_light_on_its_pixels(distilled, points, finer):
    spacing = [finer * size for size in SPACING]
    functions = nearest_l2(distilled.evaluate(spacing), points)
    bare = PSF(distilled.array, SPACING, distilled.error)
    splines = bare.evaluate(spacing, with_error=True, interpolate=True)
    plain = PSF(at_points(distilled, spacing, splines.shape), spacing)
    assert functions < 0.8 * nearest_l2(plain, points)
    assert nearest_l2(splines, points) < 1.2 * functions
    assert np.sum(splines, dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert splines.array.min() >= 0
    assert splines.error.shape == splines.shape


@given(st.sampled_from([3, 5]), st.integers(0, 2**32 - 1))
def test_interpolated_pixels_share_the_light_of_those_that_they_are_made_of(times, seed):
    values = np.random.default_rng(seed).random((9 * times, 11 * times)).astype(np.float32) + 0.5
    psf = PSF(values, (0.1, 0.1))
    sums = values.reshape(9, times, 11, times).sum(axis=(1, 3))
    other = psf.evaluate((0.1 * times,) * 2, (9, 11), interpolate=True)
    np.testing.assert_allclose(other, sums / sums.sum(), rtol=1e-4)
    again = psf.evaluate(interpolate=True)
    np.testing.assert_allclose(again, values / values.sum(dtype=float), rtol=1e-4)


def functions_of(window, spacing, orders, coefficients=None, seed=0):
    """A basis, coefficients of it, and the same sum as a PSF's functions."""
    basis = FourierBessel(window, spacing, Band(3.0, 1.0), 0.0, orders)
    if coefficients is None:
        coefficients = np.random.default_rng(seed).normal(size=basis.size)
    return basis, FittedFunctions(
        waves=basis.waves,
        radial=basis.radial,
        terms=basis.terms,
        amplitudes=np.array(basis.psf_amplitudes(coefficients)),
        spacing=basis.spacing,
        window=basis.window,
        centre=(0.0, 0.0, 0.0),
        clip=False,
    )


@pytest.mark.parametrize("orders", [(0,), (0, 1), (0, 2, 3)])
@pytest.mark.parametrize("pixels", [(0.07, 0.07), (0.16, 0.16), (0.09, 0.13), (2.0, 1.5)])
def test_pixels_of_another_size_measure_the_light_on_them(orders, pixels):
    _, functions = functions_of((5, 15, 15), (0.3, 0.1, 0.1), orders)
    # What falls on a pixel falls on its parts.
    count, here = 15, (0.0, 0.02, -0.03)
    parts = functions.values(
        (0.3, *(size / count for size in pixels)), (5, 5 * count, 5 * count), here
    )
    expected = parts.reshape(5, 5, count, 5, count).mean(axis=(2, 4))
    found = functions.values((0.3, *pixels), (5, 5, 5), here)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(parts).max())


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([2, 3]), st.sampled_from([(0,), (0, 1), (0, 2)]), st.integers(0, 2**32 - 1))
def test_points_that_lie_farther_apart_are_some_of_those_that_lie_nearer(times, orders, seed):
    _, functions = functions_of((5, 15, 15), (0.3, 0.1, 0.1), orders, seed=seed)
    points = dataclasses.replace(functions, pixel=(0.1, 0.1))
    here = (0.1, 0.02, -0.03)
    near = points.values((0.3, 0.1, 0.1), (5, 6 * times + 1, 6 * times + 1), here)
    np.testing.assert_allclose(
        near, functions.values((0.3, 0.1, 0.1), near.shape, here), atol=1e-9 * np.abs(near).max()
    )
    far = points.values((0.3, 0.1 * times, 0.1 * times), (5, 7, 7), here)
    np.testing.assert_allclose(far, near[:, ::times, ::times], atol=1e-9 * np.abs(near).max())


@pytest.fixture(scope="module")
def scanned():
    """The PSF of a confocal microscope, whose voxels are points."""
    confocal = {"microscope": "confocal", "excitation": 0.488, "pinhole": 1.0}
    field = psfd.simulate_beads(
        (26, 128, 128), (0.2, 0.08, 0.08), beads=12, background=1, photons=3e4, seed=2, **confocal
    )
    optics = psfd.Optics(1.2, 0.52, 1.33, **confocal)
    psf = psfd.distill(
        field.image, field.spacing, bead_diameter=0.1, optics=optics, device="numpy"
    ).psf

    def truth(spacing, shape):
        large = [4 * (n // 2) + 1 for n in shape]
        found = crop_about_centre(psfd.simulate_psf(large, spacing, **confocal), shape)
        return found / found.sum()

    return psf, truth


@pytest.mark.parametrize("times", [0.5, 1.25])
def test_a_scanned_focus_measures_points_however_far_apart(scanned, times):
    psf, truth = scanned
    z, y, x = psf.spacing
    shape = (15, 21, 21)
    here = psf.evaluate(shape=shape)
    own = l2(here, truth(here.spacing, shape))
    there = psf.evaluate((z, times * y, times * x), shape)
    assert l2(there, truth(there.spacing, shape)) < 1.2 * own
    # Without its functions, it is points that are interpolated.
    splines = PSF(psf.array, psf.spacing, recipe=psf.recipe).evaluate(
        there.spacing, shape, interpolate=True
    )
    assert l2(splines, truth(there.spacing, shape)) < 1.3 * own


def with_negative_values(functions):
    """Return whether they are negative somewhere, as noise makes them."""
    as_they_are = dataclasses.replace(functions, clip=False)
    return as_they_are.evaluate(functions.spacing, functions.window).values.min() < 0


def test_points_farther_apart_have_the_light_of_those_that_they_are(scanned):
    psf, _ = scanned
    assert with_negative_values(psf.model)
    near = psf.model.evaluate(psf.spacing, (13, 41, 41)).values[::2, ::2, ::2]
    far = psf.model.evaluate([2 * size for size in psf.spacing], (7, 21, 21)).values
    np.testing.assert_allclose(far, near / near.sum(), rtol=0, atol=1e-9 * far.max())


def test_larger_pixels_have_the_light_of_those_that_they_are_made_of(scanned):
    psf, _ = scanned
    functions = dataclasses.replace(psf.model, pixel=None)
    z, y, x = functions.spacing
    small = functions.evaluate((z, y, x), (13, 39, 39)).values
    sums = small.reshape(13, 13, 3, 13, 3).sum(axis=(2, 4))
    large = functions.evaluate((z, 3 * y, 3 * x), (13, 13, 13)).values
    np.testing.assert_allclose(large, sums, rtol=0, atol=1e-9 * sums.max())


@pytest.mark.parametrize("times", [(1.3, 1, 1), (1, 1.7, 1.4), (0.6, 1.6, 2.3)])
@pytest.mark.parametrize("pixel", [None, (0.08, 0.08)])
def test_on_voxels_of_any_size_no_light_is_negative(scanned, times, pixel):
    psf, _ = scanned
    functions = dataclasses.replace(psf.model, pixel=pixel)
    sizes = [one * size for one, size in zip(times, psf.spacing, strict=True)]
    found = functions.evaluate(sizes, (11, 17, 17)).values
    as_they_are = dataclasses.replace(functions, clip=False).evaluate(sizes, (11, 17, 17)).values
    assert found.min() >= 0 > as_they_are.min()
    bright = found > 0.05 * found.max()
    assert found[bright].sum() == pytest.approx(as_they_are[bright].sum(), rel=0.1)


def test_a_file_keeps_that_voxels_are_points(scanned, tmp_path):
    psf, _ = scanned
    assert psf.model.pixel == psf.spacing[1:]
    for name in ("psf.tif", "psf.npz"):
        psf.save(tmp_path / name)
        again = psfd.read_psf(tmp_path / name)
        assert again.model.pixel == psf.model.pixel
        spacing = (0.2, 0.05, 0.05)
        np.testing.assert_allclose(
            again.evaluate(spacing), psf.evaluate(spacing), atol=1e-6 * psf.array.max()
        )


def test_pixels_of_a_finer_result_share_the_light_of_a_point(scanned):
    psf, _ = scanned
    recipe = Recipe(psf.spacing, deconvolve=psfd.Deconvolve(finer=3))
    fine = np.asarray(psf_on_image(psf, (26, 64, 64), recipe).array, float)
    y, x = (slice(n // 2 - 16, n // 2 + 17) for n in fine.shape[1:])
    sums = fine[:, y, x].reshape(len(fine), 11, 3, 11, 3).sum(axis=(2, 4))
    own = crop_about_centre(np.asarray(psf), sums.shape)
    assert l2(sums / sums.sum(), own / own.sum()) < 0.01


@settings(max_examples=20, deadline=None)
@given(
    st.floats(0.05, 0.4),
    st.floats(0.03, 0.2),
    st.integers(0, 2**32 - 1),
)
def test_the_default_shape_covers_what_it_can_and_no_more(depth, pixel, seed):
    array = np.zeros((9, 20, 13), np.float32)
    array[4, 10, 6] = 1
    array += np.random.default_rng(seed).random(array.shape).astype(np.float32) / 1e3
    psf = PSF(array, (0.2, 0.1, 0.1))
    other = psf.evaluate((depth, pixel, pixel), interpolate=True)
    for n, m, new, old in zip(other.shape, psf.shape, other.spacing, psf.spacing, strict=True):
        assert n // 2 * new <= m // 2 * old + 1e-4
        assert (n - 1 - n // 2) * new <= (m - 1 - m // 2) * old + 1e-4
        assert min(m // 2, m - 1 - m // 2) * old - (n - 1 - n // 2) * new <= new + 1e-4
    assert np.sum(other, dtype=np.float64) == pytest.approx(1, abs=1e-5)


def test_the_interpolated_errors_are_those_of_the_functions():
    basis, _ = functions_of((7, 21, 21), (0.25, 0.1, 0.1), (0,))
    scales = 1 / (1 + np.arange(basis.size))
    own = np.sqrt(basis.variance([np.diag(scales)])).astype(np.float32)
    # By propagating each coefficient on the other voxels.
    spacing, shape = (0.15, 0.06, 0.06), (9, 27, 27)
    variance = np.zeros(shape)
    for index in range(basis.size):
        _, single = functions_of(
            (7, 21, 21), (0.25, 0.1, 0.1), (0,), scales[index] * np.eye(basis.size)[index]
        )
        variance += single.values(spacing, shape, (0.0, 0.0, 0.0)) ** 2
    found = errors_on(own, (0.25, 0.1, 0.1), spacing, shape, 1.0)
    ratio = found / np.sqrt(variance)
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.quantile(np.abs(np.log(ratio)), 0.9) < 0.25


def test_a_shape_can_be_given_also_an_even_one(distilled):
    part = distilled.evaluate(shape=(8, 20, 21))
    assert part.shape == (8, 20, 21)
    assert np.argmax(part) == np.ravel_multi_index((4, 10, 10), part.shape)
    expected = crop_about_centre(distilled.array, part.shape)
    np.testing.assert_allclose(part, expected / expected.sum(dtype=float), rtol=1e-4, atol=1e-8)


def test_a_crop_can_be_made_larger_up_to_the_window(distilled):
    small = distilled.evaluate(shape=(9, 15, 15))
    whole = small.evaluate(shape=distilled.shape)
    np.testing.assert_allclose(whole, distilled, rtol=0, atol=1e-6 * distilled.array.max())
    with pytest.raises(InputError) as refused:
        small.evaluate(shape=(999, 15, 15))
    largest = str(refused.value).split("possible is ")[1].rstrip(".")
    assert largest == " x ".join(map(str, distilled.model.window))
    assert small.evaluate(shape=distilled.model.window).shape == distilled.model.window


def test_an_off_centre_peak_is_put_into_the_middle_of_finer_voxels():
    axis = FourierBessel((1, 31, 31), (1.0, 0.1, 0.1), Band(3.0, 1.0))
    y, x = np.mgrid[-15:16, -15:16] * 0.1
    spot = np.exp(-(y**2 + x**2) / (2 * 0.15**2))[None]
    _, functions = functions_of((1, 31, 31), (1.0, 0.1, 0.1), (0,), axis.fitted(spot))
    moved = dataclasses.replace(functions, centre=(0.0, 0.03, -0.04))
    array = moved.evaluate((1.0, 0.1, 0.1), (1, 21, 21)).values[0]
    psf = PSF(array, (0.1, 0.1), model=moved)
    finer = psf.evaluate((0.02, 0.02))
    assert np.unravel_index(np.argmax(finer), finer.shape) == tuple(n // 2 for n in finer.shape)
    again = finer.evaluate()
    np.testing.assert_allclose(again, finer, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spacing": (0.1, 0.1)}, "has 2 values"),
        ({"spacing": (0.1, -0.1, 0.1)}, "must be positive"),
        ({"shape": (5, 5)}, "has 2 axes, the PSF 3"),
        ({"shape": (5, 5, 0)}, "cannot be made"),
        ({"shape": (5, 5, 999)}, "the largest possible is"),
        ({"shape": "large"}, "cannot be made"),
        ({"spacing": (40, 9, 9)}, "one alone would be the PSF"),
        ({"with_error": True}, "does not say how well it is known"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(distilled, options, words):
    bare = dataclasses.replace(distilled, error=None)
    with pytest.raises(InputError, match=words):
        bare.evaluate(**options)


def test_a_psf_without_functions_says_so():
    psf = PSF(psfd.simulate_psf((9, 21, 21), (0.2, 0.08, 0.08)), (0.2, 0.08, 0.08))
    with pytest.raises(InputError, match="interpolate=True"):
        psf.evaluate((0.1, 0.04, 0.04))
    flat = psf.array[4]
    other = PSF(flat, (0.08, 0.08)).evaluate((0.04, 0.04), interpolate=True)
    assert other.shape == (41, 41)
