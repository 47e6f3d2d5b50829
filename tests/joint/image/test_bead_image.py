"""What is known of a bead image before any bead."""

import numpy as np
import pytest
from joint_fields import OFFSET, READ_NOISE, SPACING, observed, scene, simulated

from napari_psf_distiller import InputError
from napari_psf_distiller.joint.image.bead_image import Camera

INFINITY = float("inf")


def bright(values) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(1, -1)


# Saturation.


def test_an_image_that_is_not_saturated():
    assert observed(simulated().image).saturation == INFINITY


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_one_voxel_at_the_highest_number_is_saturated(dtype):
    image = np.minimum(simulated(photons=2e4).image, 200).astype(dtype)
    image[image == 200] = 199 - np.arange((image == 200).sum()) % 20
    image[3, 20, 20] = np.iinfo(dtype).max
    assert observed(image).saturation == np.iinfo(dtype).max
    image[3, 20, 20] -= 1
    assert observed(image).saturation == INFINITY


@pytest.mark.parametrize("count", [7, 8, 30])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_plateau_is_saturation(count, dtype):
    image = simulated().image.astype(dtype)
    brightest = np.argsort(image, axis=None)[-count:]
    level = image.max() + 1
    image.ravel()[brightest] = level
    assert observed(image).saturation == (level if count >= 8 else INFINITY)


def test_saturation_can_be_given():
    image = simulated().image
    assert observed(image, Camera(saturation=500.0)).saturation == 500
    # It is believed, plateau or not.
    assert observed(np.minimum(image, 400), Camera(saturation=500.0)).saturation == 500
    with pytest.raises(InputError, match=r"saturation of 5 or above; give the value") as raised:
        observed(image, Camera(saturation=5.0))
    assert str(raised.value).startswith("All voxels")


def test_saturated_voxels_do_not_tell_the_noise():
    image = simulated(photons=3e5).image
    cut = np.minimum(image, 600)
    assert observed(cut).noise.gain == pytest.approx(observed(image).noise.gain, rel=0.25)


# The noise.


@pytest.mark.parametrize("shape", [(16, 64, 64), (160, 160)], ids=["3D", "2D"])
def test_the_noise_is_estimated(shape):
    field = observed(simulated(shape, beads=6 if len(shape) == 3 else 30).image)
    dark = field.variance(bright([OFFSET + 10])).item()
    assert dark == pytest.approx(10 + READ_NOISE**2 + 1 / 12, rel=0.15)
    light = field.variance(bright([OFFSET + 510])).item()
    # Of a few beads in a plane it is not known better than to a factor of two.
    assert 0.6 < light / (510 + READ_NOISE**2) < (1.4 if len(shape) == 3 else 2)


def test_the_cameras_figures_are_used():
    image = simulated(photons=3e3).image
    field = observed(image, Camera(offset=OFFSET, gain=1.0))
    assert field.noise.gain == 1
    # The read noise is what is left of the dark's.
    assert field.variance(bright([OFFSET])).item() == pytest.approx(READ_NOISE**2, abs=1.2)
    doubled = observed(image, Camera(offset=OFFSET, gain=2.0))
    steps = doubled.variance(bright([1100.0])) - doubled.variance(bright([600.0]))
    assert steps.item() == pytest.approx(1000)
    # More than the dark's noise the light alone would have: nothing is left for the reading.
    assert doubled.noise.at_zero == pytest.approx(-2 * OFFSET)
    other = observed(image, Camera(offset=90.0, gain=1.0))
    assert other.noise.at_zero == pytest.approx(-90, abs=1e-6)
    only_offset = observed(image, Camera(offset=OFFSET))
    assert only_offset.noise.gain == pytest.approx(observed(image).noise.gain)


def test_with_a_gain_alone_the_dark_tells_the_rest():
    image = simulated(photons=3e3).image
    field = observed(image, Camera(gain=1.5))
    dark = observed(image).variance(bright([np.median(image)])).item()
    assert field.noise.gain == 1.5
    assert field.variance(bright([np.median(image)])).item() == pytest.approx(dark, rel=0.2)


def test_an_image_without_noise_has_a_floor():
    image = scene().image
    field = observed(image, dtype=np.dtype(np.float32))
    span = np.float32(image).max() - np.float32(image).min()
    assert field.floor >= (1e-4 * span) ** 2 * 0.999
    values = field.variance(bright([-1e6, 0, 10, 1e3]))
    assert (values >= np.float32(field.floor)).all()
    assert (field.variance(bright([-1e9])) == np.float32(field.floor)).all()
    assert np.isfinite(values).all()


def test_rounding_is_noise():
    image = np.round(scene([(6.2, 20.1, 20.3)]).image)
    assert observed(image.astype(np.uint16)).floor >= 1 / 12
    # The same numbers as fractions need not be rounded.
    assert observed(image.astype(np.float32) / 1000).floor < 1 / 12
    # A step of the numbers, where most voxels have one and the same.
    rng = np.random.default_rng(0)
    coarse = (image + (rng.random(image.shape) < 0.3)).astype(np.uint16)
    assert observed(coarse).floor >= 1 / 4


# The background.


def test_the_background_is_found():
    field = observed(simulated(photons=2e4).image)
    points = np.array([[2, 5, 5], [12, 60, 3], [8, 32, 60]])
    np.testing.assert_allclose(field.level(points), OFFSET + 10, atol=1.5)
    for z, y, x in points:
        assert field.plane(z)[y, x] == pytest.approx(
            field.level(np.array([[z, y, x]]))[0], abs=1e-4
        )
    assert field.plane(0, slice(None)).shape == (64, 64)


@pytest.mark.parametrize(("scale", "shift"), [(1e3, 0.0), (1e-3, 0.0), (1.0, -500.0), (3.0, 1e4)])
def test_the_unit_and_the_offset_do_not_matter(scale, shift):
    image = simulated(photons=2e4).image.astype(np.float64)
    one = observed(image, dtype=np.dtype(np.float64))
    other = observed(scale * image + shift, dtype=np.dtype(np.float64))
    np.testing.assert_allclose(other.plane(5), scale * one.plane(5) + shift, atol=scale * 0.3)
    values = bright([110, 300, 800])
    expected = scale**2 * one.variance(values.copy())
    np.testing.assert_allclose(other.variance(scale * values + shift), expected, rtol=0.1)


def test_a_plane_is_a_volume_of_one():
    image = simulated((96, 96)).image
    field = observed(image)
    assert field.intensity.shape == (1, 96, 96)
    assert len(field.spacing) == 3
    assert field.spacing[1:] == SPACING[1:]
    np.testing.assert_array_equal(field.intensity[0], image)
