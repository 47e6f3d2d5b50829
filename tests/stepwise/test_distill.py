"""The PSF from an image and its true object."""

import numpy as np
import pytest
from scipy import fft

from napari_psf_distiller import InputError, Progress, simulate_psf
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.postprocess import postprocess
from napari_psf_distiller.progress import finish
from napari_psf_distiller.stepwise.distill import distill_psf

# 7-smooth, so that the grid is the image's and nothing is padded.
SHAPES = [(16, 30, 32), (40, 42)]


def circulant(field, psf) -> np.ndarray:
    """The field convolved with a PSF of its shape whose centre is at n // 2."""
    transfer = fft.rfftn(fft.ifftshift(psf))
    return fft.irfftn(fft.rfftn(field) * transfer, s=field.shape)


def problem(shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A noise-free image of points at whole positions, the points, and the PSF."""
    rng = np.random.default_rng(7)
    field = np.zeros(shape, np.float32)
    for amplitude in (300, 500, 800, 1000):
        field[tuple(rng.integers(0, n) for n in shape)] = amplitude
    spacing = (0.4, 0.1, 0.1)[-len(shape) :]
    optics = {"numerical_aperture": 0.95, "refractive_index": 1.0, "spherical": 0.05}
    psf = simulate_psf(shape, spacing, **optics)
    psf = np.roll(psf, 1, axis=-1) * 0.3 + psf * 0.7  # asymmetric, so that a mirror image shows
    return np.maximum(circulant(field, psf), 0).astype(np.float32), field, psf


def error(found, truth) -> float:
    found, truth = found / found.sum(dtype=np.float64), truth / truth.sum()
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", ["image", "flat"])
def test_the_psf_of_noise_free_points_comes_back(shape, start):
    image, field, psf = problem(shape)
    engine = open_engine("numpy")
    errors = [
        error(finish(distill_psf(image, field, engine, iterations=n, start=start)).array, psf)
        for n in (1, 10, 200)
    ]
    # Points that differ are a well-posed problem: the estimate goes on towards the truth.
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_the_peak_is_at_the_centre_already():
    image, field, psf = problem(SHAPES[0])
    found = finish(distill_psf(image, field, open_engine("numpy"), iterations=50)).array
    peak = np.unravel_index(psf.argmax(), psf.shape)
    assert np.unravel_index(found.argmax(), psf.shape) == peak
    np.testing.assert_array_equal(postprocess(found).shape, psf.shape)


def test_what_the_distilled_array_is():
    image, field, _ = problem(SHAPES[1])
    seen: list[Progress] = []
    steps = distill_psf(image, field, open_engine("numpy"), iterations=12, preview_every=5)
    done = finish(steps, seen.append)
    assert done.array.dtype == np.float32
    assert done.array.shape == image.shape
    assert done.device.startswith("NumPy")
    assert done.warnings == ()
    assert {progress.title for progress in seen} == {"Distil PSF"}
    assert [progress.iteration for progress in seen] == list(range(13))
    assert [p.iteration for p in seen if p.preview is not None] == [5, 10]


def test_noncirculant():
    # Points far from the border: the image is what a microscope with nothing outside would see.
    shape = (40, 42)
    _, _, psf = problem(shape)
    field = np.zeros(shape, np.float32)
    field[20, 18], field[17, 25] = 500, 800
    image = np.maximum(circulant(field, psf), 0).astype(np.float32)
    engine = open_engine("numpy")
    steps = distill_psf(image, field, engine, iterations=200, boundary="noncirculant")
    found = finish(steps).array
    # The middle is what the beads' images say; far out nothing bounds the estimate.
    middle = (slice(10, 30), slice(11, 31))
    assert error(found[middle], psf[middle]) < 0.02


@pytest.mark.parametrize(
    ("image", "field", "options", "words"),
    [
        (np.eye(8), np.eye(9), {}, "must be the same"),
        (np.eye(8), np.zeros((8, 8)), {}, "there is no bead"),
        (np.eye(8) - 0.5, np.eye(8), {}, "The image has negative values"),
        (np.ones((8, 8)), np.eye(8), {}, "is constant"),
        (np.eye(8), np.eye(8), {"iterations": 0}, "1 or more"),
        (np.eye(8), np.eye(8), {"iterations": -3}, "1 or more"),
    ],
)
def test_what_cannot_be(image, field, options, words):
    with pytest.raises(InputError, match=words):
        finish(distill_psf(image, field, open_engine("numpy"), **options))


@pytest.mark.parametrize("options", [{"boundary": "reflect"}, {"start": "random"}])
def test_choices_that_do_not_exist(options):
    with pytest.raises(InputError, match=next(iter(options.values()))):
        finish(distill_psf(np.eye(8), np.eye(8), open_engine("numpy"), iterations=1, **options))


def test_a_memory_budget_that_is_too_little():
    # An object as large as the image cannot be cut into tiles.
    image, field, _ = problem(SHAPES[1])
    with pytest.raises(DeviceMemoryError, match="even in tiles"):
        finish(distill_psf(image, field, open_engine("numpy"), iterations=2, memory=1000))
