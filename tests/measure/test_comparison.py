"""Two PSFs on one grid."""

import numpy as np
import pytest

from napari_psf_distiller import InputError
from napari_psf_distiller.measure.comparison import compare_psfs


def gaussian(shape, spacing=(0.2, 0.1, 0.1), sigma=0.4):
    grids = np.meshgrid(
        *[(np.arange(n) - n // 2) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
    )
    return np.exp(-sum(g**2 for g in grids) / (2 * sigma**2)).astype(np.float32)


def test_a_psf_is_like_itself_at_any_brightness():
    psf = gaussian((20, 31, 32))
    same = compare_psfs(5 * psf, psf)
    assert same.relative_l2 == pytest.approx(0, abs=1e-6)
    assert same.correlation == pytest.approx(1)
    assert same.first.sum() == pytest.approx(1)
    assert (same.shift, same.resampled) == ((0, 0, 0), False)


def test_the_numbers_are_those_of_the_difference():
    rng = np.random.default_rng(1)
    one, other = rng.random((7, 8, 9)), rng.random((7, 8, 9))
    found = compare_psfs(one, other)
    a, b = one / one.sum(), other / other.sum()
    np.testing.assert_allclose(found.difference, a - b, atol=1e-9)
    expected = np.linalg.norm(a - b) / np.linalg.norm(b)
    assert found.relative_l2 == pytest.approx(expected, rel=1e-5)
    expected = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert found.correlation == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(20, 31, 32), (21, 31, 33), (31, 48, 24)])
def test_other_shapes_are_cropped_about_the_centre(shape):
    found = compare_psfs(gaussian((25, 40, 41)), gaussian(shape))
    assert found.first.shape == tuple(np.minimum((25, 40, 41), shape))
    assert found.relative_l2 == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("finer", [0.7, 0.9, 1.15])
@pytest.mark.parametrize("shape", [(40, 60, 61), (41, 61, 60)])
def test_another_voxel_size_is_resampled_about_the_centre(finer, shape):
    spacing, other = (0.2, 0.1, 0.1), tuple(finer * s for s in (0.2, 0.1, 0.1))
    found = compare_psfs(gaussian((31, 51, 50)), gaussian(shape, other), spacing, other)
    assert found.resampled
    assert found.shift == (0, 0, 0)
    assert found.relative_l2 < 0.01


def test_peaks_that_are_apart_are_told():
    psf = gaussian((20, 31, 32))
    assert compare_psfs(np.roll(psf, (2, -1), (0, 2)), psf).shift == (2, 0, -1)


def test_what_cannot_be_compared_is_told_in_a_sentence():
    psf = gaussian((20, 31, 32))
    with pytest.raises(InputError, match="3 axes and the other 2"):
        compare_psfs(psf, psf[10])
    with pytest.raises(InputError, match="sum is not positive"):
        compare_psfs(psf, -psf)
    with pytest.raises(InputError, match=r"PSF to compare with has \d+ voxels that are NaN"):
        compare_psfs(psf, np.where(psf > 0.5, np.nan, psf))
