"""A volume seen from one side."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_psf_distiller.measure.projection import project_maximum

SPACING = np.diag([0.5, 0.2, 0.2])


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(0).integers(10, 60000, (6, 15, 20)).astype(np.uint16)


def places_of(volume: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.indices(volume.shape), 0, -1)


def taken(seen, places):
    rows, columns = np.rint(seen.pixels(places)).astype(int).T
    return seen.image[rows.T, columns.T]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_along_an_axis_it_is_the_maximum(volume, axis, sign, dtype):
    volume = (volume / 2).astype(dtype)
    direction = sign * np.eye(3)[axis]
    up = np.eye(3)[(axis + 1) % 3]
    seen = project_maximum(volume, SPACING, direction, up, 60)
    assert seen.image.dtype == dtype
    assert max(seen.image.shape) == 60
    expected = np.broadcast_to(volume.max(axis=axis, keepdims=True), volume.shape)
    np.testing.assert_array_equal(taken(seen, places_of(volume)), expected)


@pytest.mark.parametrize("turn", [(10, 20, 30), (80, 40, 0), (200, 70, 45)])
def test_from_any_side_a_line_of_sight_takes_the_nearest_voxels(volume, turn):
    direction, up, _ = Rotation.from_euler("zyx", turn, degrees=True).as_matrix()
    seen = project_maximum(volume, SPACING, direction, up, 90)
    inverse = np.linalg.inv(SPACING)
    # Nothing moves along the line of sight.
    np.testing.assert_allclose(seen.matrix @ inverse @ direction, 0, atol=1e-9)
    # What is further up is in an earlier row, and a pixel is as high as it is wide.
    steps = seen.matrix @ inverse @ np.stack([up, np.cross(direction, up)]).T
    np.testing.assert_allclose(np.abs(steps), np.eye(2) * np.abs(steps).max(), atol=1e-9)
    assert steps[0, 0] < 0
    # Through every third pixel, voxel by voxel.
    rows, columns = np.mgrid[: seen.image.shape[0] : 3, : seen.image.shape[1] : 3]
    start = (np.stack([rows.ravel(), columns.ravel()], axis=1) - seen.offset) @ np.linalg.pinv(
        seen.matrix
    ).T
    along = inverse @ direction
    axis = np.argmax(np.abs(along))
    planes = np.arange(volume.shape[axis])[:, None, None]
    nearest = np.rint(start + (planes - start[:, [axis]]) / along[axis] * along).astype(int)
    inside = np.all((nearest >= 0) & (nearest < volume.shape), axis=-1)
    values = volume[tuple(np.moveaxis(nearest.clip(0, np.array(volume.shape) - 1), -1, 0))]
    expected = np.where(inside, values, volume.min()).max(axis=0)
    # Rounding decides on the border of two voxels.
    assert np.mean(seen.image[rows.ravel(), columns.ravel()] == expected) > 0.99
    assert inside.any(axis=0).mean() > 0.3


def test_no_voxel_gets_lost(volume):
    bright = np.zeros_like(volume)
    bright[1::3, 2::5, 3::5] = 7
    for turn in range(0, 360, 24):
        direction, up, _ = Rotation.from_euler("zyx", (turn, turn / 2, 15)).as_matrix()
        seen = project_maximum(bright, SPACING, direction, up, 200)
        assert np.all(taken(seen, np.argwhere(bright)) == 7)
