"""What is hardly a PSF, and why."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller import SimulatedBeads
from napari_psf_distiller.psf.likeness import doubt_about, doubt_about_large


def peak_at(*place: int) -> np.ndarray:
    psf = np.zeros((16, 32))
    psf[place] = 1
    return psf


@pytest.mark.parametrize(
    ("array", "doubt"),
    [
        (peak_at(8, 16), ""),
        (peak_at(9, 13), ""),
        (peak_at(8, 16).astype(np.uint8), ""),
        (peak_at(8, 2), "its brightest voxel is not in the middle"),
        (1000 * peak_at(8, 16), "its values sum to 1e+03, not to 1"),
        (peak_at(8, 16) + 0.2 * peak_at(1, 1) - 0.2 * peak_at(2, 2), "it has negative values"),
        (peak_at(8, 16) * np.nan, "it has values that are no numbers"),
        (np.zeros((0, 3)), "it holds no numbers of a PSF"),
        (np.zeros((4, 4), complex), "it holds no numbers of a PSF"),
        (np.broadcast_to(np.float32(0), (5000, 5000)), "it has 25 million voxels"),
    ],
)
def test_why_it_is_none(array: np.ndarray, doubt: str) -> None:
    assert doubt_about(array) == doubt


def test_a_true_psf_is_one_and_an_image_of_beads_is_none(field: SimulatedBeads) -> None:
    assert doubt_about(field.psf) == ""
    assert doubt_about(field.image) != ""


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.5, 4))
def test_a_spot_in_the_middle_is_one_of_any_size(rows: int, columns: int, width: float) -> None:
    y, x = np.indices((rows, columns))
    spot = np.exp(-((y - rows // 2) ** 2 + (x - columns // 2) ** 2) / (2 * width**2))
    assert doubt_about((spot / spot.sum()).astype(np.float32)) == ""


def test_an_image_is_no_psf_of_its_own(field: SimulatedBeads) -> None:
    shape = field.image.shape
    assert doubt_about_large(field.image, shape)
    assert doubt_about_large(np.ones(shape), shape)
    # A smaller one may be any, and so may one that is peaked, of any sum and any offset.
    assert doubt_about_large(field.image[1:], shape) == ""
    assert doubt_about_large(1000 * field.psf + field.psf.max(), field.psf.shape) == ""
