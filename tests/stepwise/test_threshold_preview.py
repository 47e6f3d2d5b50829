"""What a threshold would take."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label

from napari_psf_distiller import InputError
from napari_psf_distiller.measure.noise import noise_level
from napari_psf_distiller.stepwise import threshold_preview
from napari_psf_distiller.stepwise.threshold import threshold, threshold_value
from napari_psf_distiller.stepwise.threshold_preview import (
    IntensityScale,
    count_objects,
    local_excess,
    reduce_by_maximum,
    survey,
)


def noisy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(0, 1, shape), 0.8)
    return (100 + 40 * image / image.std()).astype(np.float32)


@pytest.mark.parametrize("shape", [(7, 30, 41), (1, 20, 20), (40, 50), (3, 1, 60), (5, 40, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int16])
def test_the_objects_are_those_that_find_beads_sees(shape, dtype):
    image = noisy(shape).clip(0).astype(dtype)
    for level in np.percentile(image, (20, 50, 80, 95, 99.5)) + 0.3:
        mask = image > np.float32(level)
        count = count_objects(image, float(level))
        expected: tuple[Any, ...] = (label(mask).max(), pytest.approx(mask.mean()), False)
        assert tuple(count) == expected


@pytest.mark.parametrize("level", [-10, 0, 255, 300])
def test_levels_beyond_the_type(level):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    count = count_objects(image, level)
    assert count.fraction == np.mean(image.astype(int) > level)
    assert count.objects == (1 if level < 255 else 0)


def test_too_many_voxels_are_counted_in_a_part(monkeypatch):
    points = np.zeros((6, 120, 120), np.uint8)
    points[::2, ::4, ::4] = 1
    image = np.where(points, 200, 3).astype(np.uint8)
    assert count_objects(image, 100) == (2700, points.mean(), False)
    monkeypatch.setattr(threshold_preview, "MOST_VOXELS", 500)
    count = count_objects(image, 100)
    assert count.estimated
    assert count.fraction == points.mean()
    assert count.objects == pytest.approx(2700, rel=0.15)


def test_a_survey_has_the_levels_of_a_small_image():
    image = noisy((6, 40, 50))
    seen = survey(image)
    assert seen.exact
    assert (seen.scale.low, seen.scale.high) == (image.min(), image.max())
    assert seen.counts.sum() == image.size
    assert seen.noise == noise_level(image)
    for method, level in seen.levels.items():
        assert level == pytest.approx(threshold_value(image, method), rel=1e-6)


def test_a_survey_of_a_large_image_takes_a_sample(monkeypatch):
    monkeypatch.setattr(threshold_preview, "SAMPLE", 5000)
    image = noisy((12, 60, 60))
    seen = survey(image)
    assert not seen.exact
    assert seen.counts.sum() < 0.3 * image.size
    # The ends and the noise are nevertheless the image's.
    assert (seen.scale.low, seen.scale.high) == (image.min(), image.max())
    assert seen.noise == noise_level(image)
    for method in ("otsu", "li"):
        assert seen.levels[method] == pytest.approx(threshold_value(image, method), rel=0.05)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((4, 5), 3), "constant"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.zeros((0, 4)), "empty"),
        (np.zeros((4, 4), bool), "must hold numbers"),
    ],
)
def test_a_survey_refuses_what_is_no_image(image, words):
    with pytest.raises(InputError, match=words):
        survey(image)


def test_the_scale_goes_both_ways():
    scale = IntensityScale(low=-20.0, high=60000.0, centre=100.0, width=25.0)
    values = np.array([-20.0, 90.0, 100.0, 150.0, 3000.0, 60000.0])
    places = scale.fraction(values)
    assert (places[0], places[-1]) == (0, 1)
    assert (np.diff(places) > 0).all()
    np.testing.assert_allclose(scale.value(places), values, rtol=1e-9, atol=1e-9)
    # What is told from noise by the eye: five standard deviations have a tenth of the axis.
    assert scale.fraction(125.0) - scale.fraction(100.0) > 0.08


@pytest.mark.parametrize("spacing", [(0.3, 0.1, 0.1), (0.1, 0.1)])
def test_the_local_excess_is_thresholded_as_the_local_method_does(spacing):
    image = noisy((6, 40, 50)[-len(spacing) :])
    image[..., 20:23, 20:23] += 300
    excess = local_excess(image, 1.0, spacing)
    expected = threshold(image, "local", window=1.0, spacing=spacing)
    np.testing.assert_array_equal(excess.image > excess.offset, expected)


@pytest.mark.parametrize("shape", [(5, 33, 40), (61, 50)])
def test_no_voxel_is_lost_when_an_image_is_reduced(shape):
    image = noisy(shape)
    reduced, factors = reduce_by_maximum(image, (0.3, 0.1, 0.1)[-len(shape) :], 400)
    assert reduced.size <= 400
    assert reduced.dtype == image.dtype
    for index in np.ndindex(*reduced.shape):
        block = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        assert reduced[index] == image[block].max()
    if len(shape) == 3:
        # Planes lie further apart: they are joined last.
        assert factors[0] < factors[1]
