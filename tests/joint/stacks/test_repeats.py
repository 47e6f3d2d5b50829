"""Which of several images are the same data."""

import numpy as np
import pytest

from napari_psf_distiller import simulate_beads
from napari_psf_distiller.joint.stacks.repeats import repeated_images
from napari_psf_distiller.recipe.provenance import sha256_of


def repeated(*images):
    return repeated_images(images, [sha256_of(image) for image in images])


@pytest.fixture(scope="module")
def field():
    return simulate_beads((16, 64, 64), beads=4, seed=1)


def test_the_same_values_are_the_same_image(field):
    assert repeated(field.image, field.image.copy(), field.image.astype(np.int32)) == {1: 0, 2: 0}


def test_other_units_are_the_same_image(field):
    scaled = (field.image.astype(np.float32) - 100) / 7
    rounded = np.round(field.image * 0.5).astype(np.uint8)
    assert repeated(field.image, scaled) == {1: 0}
    # Of the same noise, though half of it was rounded away.
    assert repeated(scaled, rounded) == {1: 0}
    assert repeated(field.image, field.image.astype(np.uint16) * 3) == {1: 0}


@pytest.mark.parametrize("photons", [3e3, 1e6])
def test_the_same_beads_at_another_time_are_not(field, photons):
    rng = np.random.default_rng(2)
    clean = 10 + photons * _blobs(field)
    first, second = (rng.poisson(clean).astype(np.uint16) for _ in range(2))
    assert repeated(first, second) == {}


def _blobs(field):
    """Return the light of beads, of the sum 1 each."""
    light = np.zeros(field.image.shape)
    light[tuple(np.round(field.centres).astype(int).T)] = 0.05
    return light


def test_blank_and_broken_images_repeat_only_themselves(field):
    blank = np.full(field.image.shape, 100, np.uint16)
    broken = np.where(np.arange(64) == 5, np.nan, field.image)
    assert repeated(field.image, blank, broken, blank) == {3: 1}
