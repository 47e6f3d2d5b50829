"""Where beads are in the image: their voxels, and the true object."""

import numpy as np
import pytest

from napari_psf_distiller import InputError
from napari_psf_distiller.beads import bead_voxels, true_object


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("truncate", [[2, 3, 4], [2, 3, 4], [0, 0, 0]]),
        ("nearest", [[2, 4, 5], [3, 3, 4], [0, 0, 1]]),
    ],
)
def test_fractional_centres_are_cut_off_or_rounded(placement, expected):
    centres = np.array([[2.4, 3.5, 4.9], [2.5, 3.0, 4.49], [0.0, 0.1, 0.99]])
    np.testing.assert_array_equal(bead_voxels(centres, (9, 9, 9), placement), expected)


@pytest.mark.parametrize(
    ("centre", "placement", "inside"),
    [
        ((-0.4, 3), "nearest", True),
        ((-0.6, 3), "nearest", False),
        ((-1, 3), "truncate", False),
        ((9.4, 3), "nearest", True),
        ((9.6, 3), "nearest", False),
        ((9.6, 3), "truncate", True),
        ((10, 3), "truncate", False),
        ((np.nan, 3), "nearest", False),
        ((3, np.inf), "truncate", False),
    ],
)
def test_centres_outside_the_image(centre, placement, inside):
    centres = np.array([(1.0, 1.0), centre])
    if inside:
        assert len(bead_voxels(centres, (10, 10), placement)) == 2
    else:
        with pytest.raises(InputError, match="1 of 2 bead centres lie outside the image"):
            bead_voxels(centres, (10, 10), placement)


@pytest.mark.parametrize("shape", [(5, 6, 7), (6, 7)])
def test_the_true_object(shape):
    centres = np.array([[1.2, 2.7, 3.5], [4.0, 5.0, 6.0]])[:, -len(shape) :]
    field = true_object(shape, centres, np.array([3.0, 4.0]), "nearest")
    assert field.dtype == np.float32
    assert field.shape == shape
    assert field[(1, 3, 4)[-len(shape) :]] == 3
    assert field[(4, 5, 6)[-len(shape) :]] == 4
    assert np.count_nonzero(field) == 2
    cut = true_object(shape, centres, np.array([3.0, 4.0]), "truncate")
    assert cut[(1, 2, 3)[-len(shape) :]] == 3


def test_of_two_beads_in_a_voxel_the_last_counts():
    field = true_object((4, 4), np.array([[1.0, 1.0], [1.2, 1.1]]), np.array([3.0, 4.0]))
    assert field[1, 1] == 4
    assert field.sum() == 4


def test_a_true_object_with_a_centre_outside():
    with pytest.raises(InputError, match=r"outside the image, the first at \(7\.0, 1\.0\)"):
        true_object((4, 4), np.array([[7.0, 1.0]]), np.array([1.0]))
