"""Up to which frequencies beads stand out from the noise."""

import dataclasses
import functools

import numpy as np
import pytest
from joint_fields import BAND, OFFSET, aberrated_psf, image_of, known_field
from scipy import ndimage

from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.detection import Candidates
from napari_psf_distiller.joint.image.history import ImageHistory, image_history
from napari_psf_distiller.joint.image.observed_band import observed_band

# So fine that the voxels pass twice the band.
SPACING = (0.15, 0.06, 0.06)
SHAPE, DEVIATION = (40, 130, 130), 2.0
WIDTHS = np.array([4.0, 3.8, 3.8])
CENTRES = np.array([(20.3, 25.2 + 40 * i, 24.7 + 40 * j) for i in range(3) for j in range(3)])
# The periodogram's steps along z and in the plane: a frequency is known to no better than two.
STEPS = np.array([1 / (39 * 0.15), 1 / (33 * 0.06)])


@functools.cache
def beads(astigmatism: float = 0.0):
    psf = aberrated_psf((25, 61, 61), SPACING, astigmatism=astigmatism)
    return image_of(psf, CENTRES, [1.0] * len(CENTRES), SHAPE) - OFFSET - 10


def noise(seed: int = 0, blur=0.0):
    made = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, SHAPE), blur)
    return DEVIATION * made / made.std()


def candidates(voxels=CENTRES, in_halo=None) -> Candidates:
    count = len(voxels)
    shaded = np.zeros(count, bool) if in_halo is None else in_halo
    return Candidates(np.round(voxels).astype(np.intp), np.ones(count), shaded, WIDTHS)


def field_of(image, saturation: float = np.inf) -> BeadImage:
    field = known_field(10 + image, DEVIATION, spacing=SPACING, saturation=saturation)
    return dataclasses.replace(field, history=image_history(field.intensity))


def seen(image) -> np.ndarray:
    """Return the band along z and in the plane."""
    lateral, axial = observed_band(field_of(image), candidates())
    return np.array([axial, lateral])


TRUE = np.array([BAND.axial, BAND.lateral])
blurs = pytest.mark.parametrize(
    "blur", [0.0, (0, 0.7, 0.7), 0.7, 1.0], ids=["white", "alike in planes", "alike", "blurred"]
)


@blurs
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_has_no_band(blur, seed):
    assert (seen(noise(seed, blur)) <= STEPS).all()


@pytest.mark.parametrize("astigmatism", [0.0, 0.15])
def test_bright_beads_show_all_of_the_band(astigmatism):
    found = seen(1e5 * beads(astigmatism) + noise())
    assert (np.abs(found - TRUE) <= 2 * STEPS).all()


@pytest.mark.parametrize("astigmatism", [0.0, 0.15])
def test_dim_beads_show_less_of_it(astigmatism):
    dim, dimmer = (seen(light * beads(astigmatism) + noise()) for light in (1e4, 2e3))
    assert (dim <= TRUE + STEPS).all()
    assert (dim >= TRUE / 2).all()
    assert (dimmer < dim).all()
    assert (dimmer > 0).all()


@blurs
def test_noise_that_is_alike_does_not_pass_for_detail(blur):
    for light in (1e3, 1e4, 1e5):
        assert (seen(light * beads() + noise(1, blur)) <= TRUE + 2 * STEPS).all()


def test_alike_noise_is_told_by_its_correlation():
    # Were it taken for independent, it would be a band of its own.
    image = 10 + noise(1, 0.7)
    field = known_field(image, DEVIATION, spacing=SPACING)
    assert field.history == ImageHistory()
    assert observed_band(field, candidates()).lateral > 1.3 * BAND.lateral


def test_in_a_plane():
    image = 1e5 * beads()[20:21] + noise()[20:21]
    field = known_field(10 + image, DEVIATION, spacing=(1.0, *SPACING[1:]))
    places = CENTRES * (0, 1, 1)
    lateral, axial = observed_band(
        field, candidates(places)._replace(widths=np.array([1, 3.8, 3.8]))
    )
    assert lateral == pytest.approx(BAND.lateral, abs=2 * STEPS[1])
    assert axial == 0


def test_only_whole_beads_count():
    image = 1e5 * beads() + noise()
    saturation = 0.9 * (10 + image.max())
    cut = np.array([(20, 3, 60), (20, 60, 128)])
    assert observed_band(field_of(image), candidates(cut)) is None
    assert observed_band(field_of(image, saturation), candidates(CENTRES[:1])) is None
    field, blank = field_of(image), np.zeros(SHAPE, bool)
    blank[:, :, 60:] = True
    masked = dataclasses.replace(field, history=ImageHistory(blank=blank))
    assert observed_band(masked, candidates(CENTRES[4:5])) is None
    assert observed_band(masked, candidates(CENTRES[3:4])) == observed_band(
        field, candidates(CENTRES[3:4])
    )
    shaded = np.ones(len(CENTRES), bool)
    assert observed_band(field_of(image), candidates(in_halo=shaded)) is None
    shaded[4] = False
    one = observed_band(field_of(image), candidates(in_halo=shaded))
    assert one == observed_band(field_of(image), candidates(CENTRES[4:5]))


def test_pixels_of_very_unequal_sides_tell_nothing():
    # No ring of frequencies is as far as the longer side's own.
    field = dataclasses.replace(field_of(beads()), spacing=(0.15, 0.06, 0.0006))
    band = observed_band(field, candidates())
    assert band.lateral == 0
    assert band.axial >= 0
