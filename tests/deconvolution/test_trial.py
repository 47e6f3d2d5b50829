"""A region tried is what deconvolving the whole image would give there."""

import dataclasses

import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller import Deconvolve, InputError, WhyEnded
from napari_psf_distiller.deconvolution.attempts import settings_name
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage, psf_on_image
from napari_psf_distiller.deconvolution.trial import try_steps, usual_settings
from napari_psf_distiller.progress import finish

SPACING = (0.2, 0.08, 0.08)
REGION = [(3, 10), (10, 50), (60, 95)]


@pytest.fixture(scope="module")
def psf():
    return psfd.PSF(psfd.simulate_psf((5, 7, 7), SPACING), SPACING)


@pytest.fixture(scope="module")
def image():
    # Bright in one corner, so that the region is not as the whole is.
    rng = np.random.default_rng(3)
    light = np.full((12, 110, 120), 4.0)
    for z, y, x in rng.integers((2, 4, 4), (10, 70, 90), (50, 3)):
        light[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] += 200 * rng.random()
    return rng.poisson(light).astype(np.float32)


def of_whole(image, psf, settings, region):
    """What deconvolving all of it gives in a region."""
    done = psfd.deconvolve(
        image,
        psf,
        settings.iterations,
        settings.boundary,
        "numpy",
        method=settings.method,
        total_variation=settings.total_variation,
        background=settings.background,
        finer=settings.finer,
        interpolate=settings.interpolate,
        spacing=SPACING,
    )
    part = tuple(
        slice(s.start * f, s.stop * f)
        for s, f in zip(region, settings.factors(image.shape), strict=True)
    )
    return done, np.asarray(done)[part]


WAYS = [
    Deconvolve(),
    Deconvolve(iterations=6, background=3.0),
    Deconvolve(iterations=15, total_variation=0.005),
    Deconvolve(iterations=10, boundary="circulant"),
    Deconvolve(iterations=20, method="plain", background=2.0),
    Deconvolve(iterations=5, finer=2, interpolate=True),
]


@pytest.mark.parametrize("settings", WAYS, ids=settings_name)
def test_the_region_is_that_of_the_whole(image, psf, settings):
    trial = psfd.try_region(image, psf, REGION, [settings], spacing=SPACING, device="numpy")
    (attempt,) = trial.attempts
    whole, expected = of_whole(image, psf, settings, trial.region)
    assert attempt.array.shape == expected.shape
    assert np.linalg.norm(attempt.array - expected) < 1e-3 * np.linalg.norm(expected)
    assert (attempt.iterations, attempt.why_ended) == (whole.iterations, whole.why_ended)
    assert attempt.device == whole.device
    assert 0 < attempt.seconds_per_iteration < attempt.seconds_for_all
    np.testing.assert_array_equal(trial.image, image[trial.region])


def test_masks_and_saturation_count_as_in_the_whole(image, psf):
    mask = np.ones(image.shape, bool)
    mask[:, 20:30, 70:80] = False
    settings = Deconvolve(iterations=5, saturation=150.0)
    trial = psfd.try_region(image, psf, REGION, [settings], mask=mask, device="numpy")
    expected = psfd.deconvolve(image, psf, 5, device="numpy", mask=mask & (image < 150))
    part = np.asarray(expected)[trial.region]
    np.testing.assert_allclose(trial.attempts[0].array, part, rtol=1e-3, atol=1e-3)


def test_what_is_tried_unasked_is_named_and_differs(image, psf):
    trial = psfd.try_region(image, psf, device="numpy")
    assert [one.name for one in trial.attempts] == [
        "automatic",
        "50 iterations",
        "25 iterations, total variation 0.005",
    ]
    assert trial["automatic"].why_ended is not WhyEnded.GIVEN
    assert trial["50 iterations"].iterations == 50
    assert trial.spacing == SPACING
    with pytest.raises(KeyError, match="there are automatic"):
        trial["99 iterations"]


def test_a_form_s_own_numbers_are_tried():
    base = Deconvolve(iterations=7, total_variation=0.002, background=5.0)
    tried = usual_settings(base)
    assert [(one.iterations, one.total_variation) for one in tried] == [
        (None, 0.0),
        (7, 0.0),
        (7, 0.002),
    ]
    assert {one.background for one in tried} == {5.0}
    assert settings_name(tried[-1]) == "7 iterations, total variation 0.002, background 5"


def test_the_region_chosen_is_where_the_detail_is(psf):
    rng = np.random.default_rng(4)
    light = np.full((10, 400, 400), 20.0)
    # Haze is bright, and no detail.
    light[:, :200] += 300
    light[4:6, 300:303, 340:343] += 4000
    trial = psfd.try_region(
        rng.poisson(light), psf, None, [Deconvolve(iterations=1)], device="numpy"
    )
    z, y, x = trial.region
    assert y.start <= 301 < y.stop
    assert x.start <= 341 < x.stop
    assert z.start <= 5 < z.stop


@pytest.mark.parametrize("by", ["mask", "saturation"])
def test_the_region_chosen_is_of_voxels_that_count(psf, by):
    light = np.full((10, 400, 400), 20.0)
    light[4:6, 20:30, 20:30] += 4000
    light[4:6, 300:303, 340:343] += 400
    image = np.random.default_rng(4).poisson(light)
    saturation = 3000.0 if by == "saturation" else None
    mask = image < 3000 if by == "mask" else None
    settings = [Deconvolve(iterations=1, saturation=saturation)]
    trial = psfd.try_region(image, psf, None, settings, mask=mask, device="numpy")
    _, y, x = trial.region
    assert y.start <= 301 < y.stop
    assert x.start <= 341 < x.stop


def test_settings_that_differ_in_nothing_of_the_psf_share_it(monkeypatch, image, psf):
    asked = []

    def counted(*given):
        asked.append(given[2].deconvolve.finer)
        return psf_on_image(*given)

    monkeypatch.setattr("napari_psf_distiller.deconvolution.trial.psf_on_image", counted)
    ways = [WAYS[1], WAYS[2], WAYS[3], WAYS[5]]
    trial = psfd.try_region(image, psf, REGION, ways, spacing=SPACING, device="numpy")
    assert asked == [1, 2]
    assert [one.settings for one in trial.attempts] == ways
    assert trial.attempts[3].array.shape[1] == 2 * trial.image.shape[1]


def test_a_psf_continued_on_purpose_is_not_said_to_be_too_large(monkeypatch, psf):
    rng = np.random.default_rng(0)
    image = rng.poisson(30, (4, 30, 30)).astype(np.float32)
    # As one that is continued over more planes than the image has.
    monkeypatch.setattr(
        "napari_psf_distiller.deconvolution.trial.psf_on_image",
        lambda *_: PSFOnImage(psf.array, ""),
    )
    for tails, told in (("continued", False), ("none", True)):
        settings = [Deconvolve(iterations=1, tails=tails)]
        trial = finish(try_steps(image, psf, psfd.Recipe(device="numpy"), settings=settings))
        assert any("larger than the image" in warning for warning in trial.warnings) is told


def test_a_region_that_does_not_fit_the_memory_is_done_in_tiles(image, psf):
    settings = [Deconvolve(iterations=4)]
    needed = psfd.try_region(image, psf, REGION, settings, device="numpy").attempts[0]
    little = psfd.try_region(image, psf, REGION, settings, device="numpy", memory=0.004)
    np.testing.assert_allclose(little.attempts[0].array, needed.array, rtol=2e-3, atol=2e-3)


def test_progress_tells_each_of_the_settings_and_can_be_stopped(image, psf):
    settings = [Deconvolve(iterations=3), Deconvolve(iterations=4)]
    recipe = psfd.Recipe(spacing=SPACING, device="numpy")
    steps = try_steps(image, psf, recipe, region=REGION, settings=settings)
    seen: dict[str, list[int]] = {}
    for progress in steps:
        seen.setdefault(progress.title, []).append(progress.iteration)
        assert progress.iteration <= progress.total
        if progress.title == "4 iterations":
            break
    steps.close()
    assert seen["3 iterations"] == [1, 2, 3]


BAD = [
    ({"region": [(0, 5), (0, 5)]}, "2 axes, the image 3"),
    ({"region": [(0, 5), (0, 500), (0, 5)]}, "from 0 to 500 along y"),
    ({"region": [(0, 5), (4, 4), (0, 5)]}, "from 4 to 4 along y"),
    ({"region": [(0, 5), slice(0, 50, 2), (0, 5)]}, "each voxel of its range"),
    ({"region": [(0, 5), (4,), (0, 5)]}, "a first voxel and the one after"),
    ({"region": [(0, 5), 4, (0, 5)]}, "a first voxel and the one after"),
    ({"region": [(0, 5), (0.5, 9.7), (0, 5)]}, "from 0.5 to 9.7: give the voxels' numbers"),
    ({"settings": []}, "no settings to try"),
    ({"settings": [Deconvolve(), Deconvolve()]}, "given twice"),
    ({"memory": 1e-6}, "too little for this PSF"),
]


@pytest.mark.parametrize(("options", "sentence"), BAD)
def test_what_cannot_be_tried_is_said(image, psf, options, sentence):
    options = {"region": REGION, "settings": [Deconvolve(iterations=1)]} | options
    with (
        pytest.raises(InputError, match=sentence)
        if "memory" not in options
        else pytest.raises(psfd.DeviceError, match=sentence)
    ):
        psfd.try_region(image, psf, device="numpy", **options)


def test_a_dark_image_is_refused(psf):
    dark = -np.random.default_rng(0).random((12, 30, 30))
    with pytest.raises(InputError, match="no light"):
        psfd.try_region(dark, psf, device="numpy")


def test_an_attempt_says_what_it_was(image, psf):
    trial = psfd.try_region(image, psf, REGION, [Deconvolve(iterations=2)], device="numpy")
    assert repr(trial.attempts[0]).startswith(
        "Attempt('2 iterations', 2 iterations, ended by: given"
    )
    assert dataclasses.asdict(trial.attempts[0].settings)["iterations"] == 2
