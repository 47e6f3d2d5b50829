"""How wide a bead's image is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import known_field

from napari_psf_distiller import InputError
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM, typical_widths

TRUE = np.array([4.0, 3.0, 3.5])
SHAPE = (24, 40, 40)


def gaussians(places, shape=SHAPE, widths=TRUE, height=1000.0) -> np.ndarray:
    image = np.full(shape, 10.0)
    grid = np.indices(shape)
    for place in places:
        apart = [
            (g - c) / (w * SIGMAS_PER_FWHM) for g, c, w in zip(grid, place, widths, strict=True)
        ]
        image += height * np.exp(-0.5 * sum(a**2 for a in apart))
    return image


def measured(image, places, deviation: float = 1.0, expected=(2.8, 2.8, 2.8)) -> np.ndarray:
    field = known_field(image, deviation)
    voxels = np.round(places).astype(np.intp)
    heights = field.intensity[tuple(voxels.T)] - field.level(voxels)
    return typical_widths(field, voxels, heights, np.array(expected))


# A line between voxels is a little wider than a Gaussian, and it begins at the nearest voxel.


@given(st.tuples(*[st.floats(-0.2, 0.2)] * 3))
def test_of_one_bead(off):
    place = np.add((12, 20, 20), off)
    np.testing.assert_allclose(measured(gaussians([place]), [place]), TRUE, rtol=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_of_one_that_is_hardly_seen(seed):
    place = (12.2, 20.1, 19.8)
    image = gaussians([place], height=30.0)
    image += np.random.default_rng(seed).normal(0, 10, SHAPE)
    np.testing.assert_allclose(measured(image, [place], 10.0), TRUE, rtol=0.35)


@pytest.mark.parametrize("planes", [slice(0, 13), slice(11, 24), slice(11, 14)])
def test_of_one_that_the_image_cuts(planes):
    place = np.array([12.0, 20.0, 20.0])
    image = gaussians([place])[planes, 18:, :23]
    place -= (planes.start, 18, 0)
    np.testing.assert_allclose(measured(image, [place]), TRUE, rtol=0.1)


def test_whole_ones_are_taken_before_those_that_are_cut():
    places = [(12, 2, 20), (12, 20, 20)]
    image = np.maximum(gaussians(places[:1], widths=2 * TRUE), gaussians(places[1:]))
    np.testing.assert_allclose(measured(image, places), TRUE, rtol=0.05)


def test_on_haze():
    place = (12, 20, 20)
    image = gaussians([place]) + gaussians([place], widths=(60, 60, 60), height=900)
    np.testing.assert_allclose(measured(image, [place]), TRUE, rtol=0.15)


def test_only_beads_on_the_sides_are_an_error():
    places = [(12, 0, 20), (12, 39, 8)]
    with pytest.raises(InputError, match="lie at the image's sides"):
        measured(gaussians(places), places)
