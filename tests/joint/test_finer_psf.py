"""PSFs that are finer than the voxels of the image, through the public API."""

import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.postprocess import postprocess
from napari_psf_distiller.psf.postprocessing import with_post_processed
from napari_psf_distiller.recipe import PostProcess

FINE = (0.08, 0.08)
OPTICS = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)

PIXEL = (0.16, 0.16)  # 1.5 times Nyquist's


def binned(image):
    """Return an image as pixels see it that are twice as large."""
    ny, nx = (n // 2 for n in image.shape)
    return image[: 2 * ny, : 2 * nx].reshape(ny, 2, nx, 2).sum(axis=(1, 3), dtype=np.uint32)


def middle(array, shape):
    """Return the middle of an array, of the sum 1."""
    low = [n // 2 - m // 2 for n, m in zip(array.shape, shape, strict=True)]
    part = array[tuple(slice(a, a + m) for a, m in zip(low, shape, strict=True))].astype(float)
    return part / part.sum()


@pytest.fixture(scope="module")
def field():
    return psfd.simulate_beads(
        (512, 512), FINE, beads=60, bead_diameter=0.1, photons=3e4, offset=20.0, seed=5
    )


@pytest.fixture(scope="module")
def result(field):
    image = binned(field.image)
    return psfd.distill(image, PIXEL, bead_diameter=0.1, optics=OPTICS, device="numpy")


def test_beads_tell_what_is_finer_than_pixels(field, result):
    assert result.psf.spacing == PIXEL
    finer = result.psf.evaluate(FINE, with_error=True)
    shape = [min(sizes) for sizes in zip(finer.shape, field.psf.shape, strict=True)]
    found, truth = middle(finer.array, shape), middle(field.psf, shape)
    assert np.linalg.norm(found - truth) < 0.08 * np.linalg.norm(truth)
    assert finer.fwhm() == pytest.approx(psfd.PSF(field.psf, FINE).fwhm(), rel=0.03)
    assert not any("voxels are too large" in text for text in result.warnings)


def test_errors_of_finer_pixels_are_their_own(field, result):
    finer = result.psf.evaluate(FINE, with_error=True)
    shape = [min(sizes) for sizes in zip(finer.shape, field.psf.shape, strict=True)]
    found, truth = middle(finer.array, shape), middle(field.psf, shape)
    error = middle(finer.error, shape)
    error *= float(finer.error.sum() / finer.array.sum())
    assert np.mean(np.abs(found - truth) < 1.96 * error) > 0.85
    # Interpolated from large pixels they would be as small as theirs.
    known = np.linalg.norm(result.psf.error) / np.linalg.norm(result.psf.array)
    assert np.linalg.norm(error) / np.linalg.norm(found) > known


def test_they_survive_saving(result, tmp_path):
    result.psf.save(tmp_path / "psf.tif")
    again = psfd.read_psf(tmp_path / "psf.tif")
    one, other = (psf.evaluate(FINE, with_error=True) for psf in (result.psf, again))
    np.testing.assert_allclose(other.array, one.array, atol=1e-6 * one.array.max())
    np.testing.assert_allclose(other.error, one.error, rtol=1e-5)


@pytest.mark.parametrize("crop", [(33, 33), (15, 15)])
def test_errors_of_finer_pixels_are_as_large_where_a_background_is_subtracted(result, crop):
    background = 0.05
    settings = PostProcess(crop=crop, background=background)
    array = postprocess(result.psf, crop=crop, background=background)
    psf = with_post_processed(result.psf, array, settings)
    before, after = (one.evaluate(FINE, with_error=True) for one in (result.psf, psf))
    relative = [one.error.max() / one.array.max() for one in (before, after)]
    # Only the peak is lower.
    assert relative[1] == pytest.approx(relative[0] / (1 - background), rel=1e-3)


def test_beads_at_the_same_place_within_their_pixels_tell_nothing_finer():
    # A bead's image, repeated at whole pixels.
    one = psfd.simulate_beads(
        (96, 96), FINE, beads=1, bead_diameter=0.1, background=0, read_noise=0, offset=0, seed=3
    )
    rng = np.random.default_rng(1)
    image = rng.poisson(np.tile(0.3 * binned(one.image), (5, 5)) + 20.0)
    image = np.round(image + rng.normal(100, 1.6, image.shape)).astype(np.uint16)
    with pytest.warns(psfd.DistillerWarning) as said:
        psfd.distill(image, PIXEL, bead_diameter=0.1, optics=OPTICS, device="numpy")
    (text,) = [str(w.message) for w in said if "different places within them" in str(w.message)]
    assert "along y, x" in text


def test_the_grid_is_refined_where_beads_show_more_than_their_width_asks_for():
    # A confocal's image is narrow, and its spectrum ends late.
    size = 0.046
    field = psfd.simulate_beads(
        (480, 480),
        (size, size),
        beads=40,
        bead_diameter=0.05,
        photons=2e5,
        numerical_aperture=1.2,
        microscope="confocal",
        excitation=0.488,
        seed=2,
    )
    image = binned(field.image)
    result = psfd.distill(image, (2 * size, 2 * size), bead_diameter=0.05, device="numpy")
    assert result.beads["used"].sum() > 30
    assert result.psf.model.spacing[1:] == (size, size)
    finer = result.psf.evaluate((size, size))
    shape = [min(sizes) for sizes in zip(finer.shape, field.psf.shape, strict=True)]
    found, truth = middle(finer.array, shape), middle(field.psf, shape)
    assert np.linalg.norm(found - truth) < 0.02 * np.linalg.norm(truth)


@pytest.mark.parametrize("beads", [5, 12])
def test_few_beads_tell_it_of_pixels_as_large_as_a_beads_image(beads):
    field = psfd.simulate_beads(
        (384, 384), FINE, beads=beads, bead_diameter=0.1, photons=1e5, seed=1
    )
    image = field.image.astype(np.uint32).reshape(128, 3, 128, 3).sum(axis=(1, 3), dtype=np.uint32)
    result = psfd.distill(image, (0.24, 0.24), bead_diameter=0.1, optics=OPTICS, device="numpy")
    assert result.warnings == ()
    finer = result.psf.evaluate(FINE)
    shape = [min(sizes) for sizes in zip(finer.shape, field.psf.shape, strict=True)]
    found, truth = middle(finer.array, shape), middle(field.psf, shape)
    assert np.linalg.norm(found - truth) < 0.08 * np.linalg.norm(truth)
