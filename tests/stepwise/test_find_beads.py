"""From thresholded objects to beads and the true object."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from napari_psf_distiller import InputError, simulate_beads
from napari_psf_distiller.beads import bead_voxels, centres_of
from napari_psf_distiller.stepwise.find_beads import find_beads
from napari_psf_distiller.stepwise.threshold import threshold

COLUMNS = ["amplitude", "background", "voxels", "used", "reason"]


def scene(*boxes: tuple[slice, ...], shape=(10, 20, 30)) -> NDArray[np.float32]:
    """Boxes of value 1 on 0."""
    image = np.zeros(shape, np.float32)
    for box in boxes:
        image[box] = 1
    return image


def box(*corner: int, size: int = 3) -> tuple[slice, ...]:
    return tuple(slice(low, low + size) for low in corner)


def distances(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each true centre to the nearest one found, in voxels."""
    return np.linalg.norm(found[None] - truth[:, None], axis=-1).min(axis=1)


@pytest.mark.parametrize("shape", [(10, 20, 30), (20, 30)])
def test_the_table(shape):
    corners = [corner[-len(shape) :] for corner in ((4, 5, 6), (4, 12, 20))]
    image = scene(*(box(*corner) for corner in corners), shape=shape)
    beads = find_beads(7 * image, image > 0, background=2.5)
    assert isinstance(beads, pd.DataFrame)
    assert list(beads.columns) == [*("z", "y", "x")[-len(shape) :], *COLUMNS]
    assert list(beads.index) == [1, 2]
    np.testing.assert_allclose(centres_of(beads), np.array(corners) + 1)
    assert (beads["amplitude"] == 7).all()
    assert (beads["background"] == 2.5).all()
    assert (beads["voxels"] == 3 ** len(shape)).all()
    assert beads["used"].dtype == bool
    assert beads["used"].all()
    assert (beads["reason"] == "").all()


def test_a_background_that_varies_is_noted_where_the_bead_is():
    image = scene(box(4, 5, 6), box(4, 12, 20))
    background = np.broadcast_to(np.arange(30, dtype=np.float32), image.shape)
    beads = find_beads(image, image > 0, background=background)
    np.testing.assert_array_equal(beads["background"], [7, 21])


def test_corners_that_touch_make_one_object():
    image = scene(box(1, 1, 1), box(4, 4, 4), box(1, 15, 1))
    assert list(find_beads(image, image > 0)["voxels"]) == [54, 27]


def test_any_mask_counts_where_it_is_not_zero():
    image = scene(box(4, 5, 6), box(4, 12, 20))
    expected = find_beads(image, image > 0)
    for mask in (image.astype(int) * 5, image.astype(np.uint8), -image, (image > 0).tolist()):
        pd.testing.assert_frame_equal(find_beads(image, mask), expected)


def test_weighting_moves_the_centre_to_the_light():
    image = scene(box(4, 5, 6))
    image[4:7, 5:8, 8] = 3
    plain, weighted = (
        find_beads(image, image > 0, centre=centre) for centre in ("centroid", "weighted")
    )
    np.testing.assert_allclose(centres_of(plain), [[5, 6, 7]])
    # (6 + 7 + 3 * 8) / 5
    np.testing.assert_allclose(centres_of(weighted), [[5, 6, 7.4]], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((32, 96, 96), (0.15, 0.08, 0.08)), ((128, 128), (0.08, 0.08))]
)
def test_centres_are_the_simulated_ones(shape, spacing):
    truth = simulate_beads(shape, spacing, beads=10, separation=1.5, spread=0.1, seed=4)
    image = truth.image - float(np.median(truth.image))
    image[image < 0] = 0
    # Half of the faintest bead's top, so that each is one object without its rings.
    tops = image[tuple(np.round(truth.centres).astype(int).T)]
    mask = threshold(image, "manual", value=float(tops.min() / 2))
    rms = {}
    for centre in ("centroid", "weighted"):
        beads = find_beads(image, mask, centre=centre, min_voxels=4)
        assert len(beads) == len(truth.centres) == 10
        errors = distances(centres_of(beads), truth.centres)
        assert errors.max() < 0.5
        rms[centre] = np.sqrt(np.mean(errors**2))
    assert rms["weighted"] < rms["centroid"]


def test_small_and_large_objects_are_kept_but_not_used():
    image = scene(box(1, 1, 1, size=1), box(4, 5, 6), box(3, 10, 15, size=5))
    beads = find_beads(image, image > 0, min_voxels=2, max_voxels=100)
    assert list(beads["reason"]) == ["small", "large", ""]
    assert list(beads["used"]) == [reason == "" for reason in beads["reason"]]
    assert int(beads.loc[beads["used"], "voxels"].iloc[0]) == 27


def test_the_limits_belong_to_what_is_used():
    image = scene(box(4, 5, 6))
    assert find_beads(image, image > 0, min_voxels=27, max_voxels=27)["used"].all()


@pytest.mark.parametrize(
    ("centre", "used"),
    [
        ((2, 4, 4), True),
        ((1, 4, 4), False),
        ((2, 3, 4), False),
        ((2, 4, 3), False),
        ((7, 15, 25), True),
        ((8, 15, 25), False),
        ((7, 16, 25), False),
        ((7, 15, 26), False),
    ],
)
def test_the_margin_is_a_length_on_each_axis(centre, used):
    # 2 voxels along z, 4 in the plane, of an image of 10 x 20 x 30; another bead in the middle.
    image = scene(box(*centre, size=1), box(4, 9, 14, size=2))
    beads = find_beads(image, image > 0, margin=(1.0, 0.4, 0.4), spacing=(0.5, 0.1, 0.1))
    at = (centres_of(beads) == centre).all(axis=1)
    assert at.sum() == 1
    assert bool(beads["used"][at].iloc[0]) is used
    assert beads["reason"][at].iloc[0] == ("" if used else "border")
    assert beads["used"][~at].all()


def test_the_last_two_margins_count_in_2d():
    image = scene(box(2, 10, size=1), box(10, 15, size=1), shape=(20, 30))
    beads = find_beads(image, image > 0, margin=(9.0, 0.4, 0.4), spacing=(0.1, 0.1))
    assert list(beads["reason"]) == ["border", ""]


def test_the_first_reason_is_kept():
    image = scene(box(0, 0, 0, size=1), box(4, 9, 14))
    beads = find_beads(image, image > 0, min_voxels=2, margin=(0.1,) * 3, spacing=(0.1,) * 3)
    assert list(beads["reason"]) == ["border", ""]


def test_an_object_that_is_dark_at_its_centre():
    image = scene(box(2, 2, 2, size=5), box(4, 12, 20))
    image[3:6, 3:6, 3:6] = 0
    beads = find_beads(image, image > 0)
    assert list(beads["reason"]) == ["hollow", ""]


@pytest.mark.parametrize("centre", ["centroid", "weighted"])
def test_a_mask_where_there_is_no_light(centre):
    # A threshold edited by hand may lie where the subtracted image is 0.
    image = scene(box(4, 5, 6))
    mask = scene(box(4, 5, 6), box(4, 12, 20))
    beads = find_beads(image, mask, centre=centre)
    assert list(beads["used"]) == [True, False]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_voxels": 28}, "None of the 2 objects can be used: 2 too small"),
        ({"max_voxels": 26}, "2 too large"),
        ({"margin": (3, 3, 3), "spacing": (0.2, 0.1, 0.1)}, "2 too near to the border"),
    ],
)
def test_no_object_that_can_be_used(options, words):
    image = scene(box(4, 5, 6), box(4, 12, 20))
    with pytest.raises(InputError, match=words) as raised:
        find_beads(image, image > 0, **options)
    assert "Change the threshold" in str(raised.value)


def test_the_reasons_are_counted():
    image = scene(box(0, 0, 0, size=1), box(4, 9, 14), box(4, 15, 24, size=1))
    options = {"margin": (0.1,) * 3, "spacing": (0.1,) * 3}
    with pytest.raises(InputError) as raised:
        find_beads(image, image > 0, min_voxels=2, max_voxels=2, **options)
    for part in ("1 too near to the border", "1 too small", "1 too large"):
        assert part in str(raised.value)


def test_no_object():
    with pytest.raises(InputError, match="No bead was found"):
        find_beads(scene(box(4, 5, 6)), np.zeros((10, 20, 30)))


@pytest.mark.parametrize(
    ("mask", "options", "words"),
    [
        (np.ones((20, 30)), {}, "threshold this image first"),
        (scene(box(4, 5, 6)), {"margin": (1, 1, 1)}, "voxel size is not known"),
        (
            scene(box(4, 5, 6)),
            {"margin": (1, 1), "spacing": (0.1, 0.1, 0.1)},
            "2 values, but the image has 3",
        ),
    ],
)
def test_what_cannot_be(mask, options, words):
    with pytest.raises(InputError, match=words):
        find_beads(scene(box(4, 5, 6)), mask, **options)


def test_choices_that_do_not_exist():
    image = scene(box(4, 5, 6))
    with pytest.raises(InputError, match="middle"):
        find_beads(image, image > 0, centre="middle")
    with pytest.raises(InputError, match="up"):
        bead_voxels(np.array([[1.0, 1.0]]), (4, 4), "up")
