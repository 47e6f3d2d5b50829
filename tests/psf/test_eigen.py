"""A PSF over the field as a sum of few kernels."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from varying import fitted
from varying_psfs import changing_with_depth

from napari_psf_distiller import PSF, InputError, simulate_psf
from napari_psf_distiller.psf.field import Depth

PSF_OVER_FIELD = fitted()
EIGEN = PSF_OVER_FIELD.eigen_psfs()
FINEST = PSF_OVER_FIELD.eigen_psfs(left=1e-4)
EXTENT = PSF_OVER_FIELD.model.over_field.extent


def exact(psf: PSF, y: float, x: float, z: float | None = None) -> np.ndarray:
    """Return the PSF at a place as the functions have it there, about the mean PSF's centre."""
    model = psf.model
    here = dataclasses.replace(
        model, amplitudes=model.over_field.amplitudes_at(y, x, z), over_field=None
    )
    values = here.values(psf.spacing, psf.shape, model.centre)
    return model.as_psf(values, psf.spacing).values


def relative(found, expected) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


places = st.tuples(*(st.floats(*ends) for ends in EXTENT))


@given(places)
def test_the_kernels_make_the_psf_of_each_place(place):
    expected = exact(PSF_OVER_FIELD, *place)
    assert relative(FINEST.at(*place), expected) < 5e-3
    assert relative(EIGEN.at(*place), expected) < 0.04
    assert EIGEN.at(*place).sum() == pytest.approx(1, abs=1e-5)


def test_the_psf_at_a_place_is_that_of_the_psf_itself():
    # `PSF.at` is about its own brightest voxel; in the middle of this field that is the mean's.
    y, x = 59.5, 79.5
    found = PSF_OVER_FIELD.at(y, x)
    assert found.shape == PSF_OVER_FIELD.shape
    assert relative(FINEST.at(y, x), found.array) < 5e-3


def test_the_first_kernel_is_the_mean_and_the_others_what_changes():
    assert EIGEN.kernels.dtype == np.float32
    assert EIGEN.kernels.shape == (len(EIGEN), *PSF_OVER_FIELD.shape)
    assert EIGEN.kernels[0].min() >= 0
    sums = EIGEN.kernels.sum(axis=(1, 2, 3), dtype=float)
    np.testing.assert_allclose(sums, [1] + [0] * (len(EIGEN) - 1), atol=1e-6)
    rows, columns = (np.linspace(*ends, 41) for ends in EXTENT)
    weights = EIGEN.weights_at(rows, columns)
    np.testing.assert_allclose(weights[0], 1, rtol=1e-6)
    np.testing.assert_allclose((weights[1:] ** 2).mean(axis=(1, 2)), 1, rtol=0.15)
    # What changes most comes first, and all of it is told.
    assert list(EIGEN.shares) == sorted(EIGEN.shares, reverse=True)
    assert 1 - 1e-4 < sum(EIGEN.shares) <= 1
    assert 1 - 1e-8 < sum(FINEST.shares) <= 1 + 1e-12
    assert len(FINEST) > len(EIGEN) > 2


@pytest.mark.parametrize("left", [0.05, 0.02, 0.005])
def test_no_more_is_left_out_than_said(left):
    found = PSF_OVER_FIELD.eigen_psfs(left=left)
    assert 1 - sum(found.shares) <= left**2
    rows, columns = (np.linspace(*ends, 7) for ends in EXTENT)
    errors, norms = 0.0, 0.0
    for y in rows:
        for x in columns:
            expected = exact(PSF_OVER_FIELD, y, x)
            errors += float(((found.at(y, x) - expected) ** 2).sum())
            norms += float((expected**2).sum())
    # The sides of the extent count more here than over the field.
    assert errors / norms <= (2 * left) ** 2


def test_beyond_the_beads_the_nearest_place_counts():
    (top, bottom), (left, right) = EXTENT
    rows, columns = np.array([-50.0, top, bottom, 999.0]), np.array([-50.0, left, right, 999.0])
    weights = EIGEN.weights_at(rows, columns)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 2], weights[:, 3])
    np.testing.assert_array_equal(weights[:, :, 0], weights[:, :, 1])
    np.testing.assert_array_equal(weights[:, :, 2], weights[:, :, 3])


@pytest.mark.parametrize(
    ("spacing", "shape"), [((0.3, 0.05, 0.05), (7, 33, 33)), ((0.6, 0.17, 0.17), (5, 9, 9))]
)
def test_on_other_voxels_it_is_the_same_psf(spacing, shape):
    other = PSF_OVER_FIELD.eigen_psfs(spacing, shape)
    assert other.kernels.shape[1:] == shape
    there = PSF_OVER_FIELD.evaluate(spacing, shape)
    y, x = 59.5, 79.5
    here = there.model.at(y, x).evaluate(there.spacing, there.shape).values
    assert relative(other.at(y, x), here) < 0.03


def test_in_a_plane():
    psf = fitted(ndim=2)
    eigen = psf.eigen_psfs()
    assert eigen.kernels.shape[1:] == psf.shape == (17, 17)
    assert relative(eigen.at(30.0, 100.0), exact_in_plane(psf, 30.0, 100.0)) < 0.04


def exact_in_plane(psf: PSF, y: float, x: float) -> np.ndarray:
    model = psf.model
    here = dataclasses.replace(
        model, amplitudes=model.over_field.amplitudes_at(y, x), over_field=None
    )
    spacing = (model.spacing[0], *psf.spacing)
    values = here.values(spacing, (1, *psf.shape), model.centre)
    return model.as_psf(values, spacing).values[0]


def test_a_psf_that_is_the_same_everywhere_is_its_one_kernel():
    array = simulate_psf((9, 15, 15), (0.2, 0.08, 0.08)).astype(np.float32)
    eigen = PSF(array, (0.2, 0.08, 0.08)).eigen_psfs()
    np.testing.assert_array_equal(eigen.kernels, array[None])
    np.testing.assert_array_equal(eigen.weights_at(np.arange(3.0), np.arange(4.0)), 1)
    assert eigen.shares == (1.0,)
    assert len(fitted(change=1e-4).eigen_psfs()) == 1


def test_where_it_is_continued_nothing_is_known_of_its_change():
    measured = np.ones(PSF_OVER_FIELD.shape, bool)
    with pytest.raises(InputError, match="or its mean"):
        dataclasses.replace(PSF_OVER_FIELD, measured=measured).eigen_psfs()


DEPTH = Depth((5.0, 45.0), 50, 0.3)
DEEP = dataclasses.replace(
    PSF_OVER_FIELD, model=changing_with_depth(PSF_OVER_FIELD.model, 0.3, DEPTH)
)
DEEP_FINEST = DEEP.eigen_psfs(left=1e-4)


@given(places, st.floats(*DEPTH.extent))
def test_the_kernels_make_the_psf_of_each_plane(place, plane):
    y, x = place
    assert relative(DEEP_FINEST.at(y, x, plane), exact(DEEP, y, x, plane)) < 1e-2
    assert relative(DEEP_FINEST.at(y, x), exact(DEEP, y, x)) < 1e-2
    assert DEEP_FINEST.at(y, x, plane).sum() == pytest.approx(1, abs=1e-5)


def test_planes_without_beads_have_the_psf_of_the_nearest():
    depths = DEEP_FINEST.depths_at(np.array([-99.0, 5.0, 45.0, 99.0]))
    np.testing.assert_array_equal(depths[:, 0], depths[:, 1])
    np.testing.assert_array_equal(depths[:, 2], depths[:, 3])
    assert (depths[:, 0] != depths[:, 2]).any()
    here = np.arange(3.0)
    assert (DEEP_FINEST.depth_weights_at(here, here)[1:] != 0).any()
    assert FINEST.depth_weights_at(here, here).shape == (len(FINEST), 0, 3, 3)


@pytest.mark.parametrize("left", ["little", -0.1, 2.0, np.nan])
def test_what_may_be_left_out_is_a_part(left):
    with pytest.raises(InputError, match="part that may be left out"):
        PSF_OVER_FIELD.eigen_psfs(left=left)
