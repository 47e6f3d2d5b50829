"""How many iterations are enough: near those that come nearest to the truth."""

import importlib

import numpy as np
import pytest
from scipy import ndimage

from napari_psf_distiller import Progress
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.compute.engine import Memory
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate
from napari_psf_distiller.deconvolution.stopping import ENOUGH, ENOUGH_CUT, enough_iterations
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.progress import finish

module = importlib.import_module("napari_psf_distiller.deconvolution.stopping")

SHAPE = (96, 96)


@pytest.fixture(scope="module")
def engine():
    return open_engine("numpy", "scipy")


def gaussian(size: int = 15, sigma: float = 2.0) -> np.ndarray:
    x = np.arange(size) - size // 2
    psf = np.exp(-0.5 * (x[:, None] ** 2 + x**2) / sigma**2)
    return (psf / psf.sum()).astype(np.float32)


PSF = gaussian()


def truth_of(shape=SHAPE, seed: int = 2) -> np.ndarray:
    """Return lines, points and a patch, up to 1 bright."""
    rng = np.random.default_rng(seed)
    truth = np.full(shape, 0.01)
    for row in rng.integers(5, shape[0] - 6, 8):
        truth[row : row + 2, 8 : shape[1] - 8] += 0.6 * rng.random()
    for _ in range(30):
        truth[tuple(rng.integers(4, n - 4) for n in shape)] += 2 * rng.random()
    truth[shape[0] // 2 :, : shape[1] // 4] += 0.2
    return truth


def image_of(truth, photons: float, seed: int = 0, gain=1.0, read_noise=0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light = photons * ndimage.convolve(truth, PSF.astype(float), mode="wrap")
    electrons = rng.poisson(light) + rng.normal(0, read_noise, truth.shape)
    return (gain * electrons).astype(np.float32)


def errors(image, truth, model: Model, engine, iterations: int, blur: float = 0) -> np.ndarray:
    """Return the distance from the truth after each number of iterations, from 1 on."""
    problem = problem_of(np.maximum(image, 0), PSF, model, engine)
    light = truth * image.sum() / truth.sum()
    return np.array(
        [
            np.linalg.norm(ndimage.gaussian_filter(solver.estimate()[0] - light, blur))
            for _, _, solver in iterate(problem, engine, iterations, model.method)
        ]
    )


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("photons", [30, 300, 3000])
def test_it_stops_near_the_least_error(engine, photons, method):
    truth = truth_of()
    image = image_of(truth, photons)
    model = Model(method=method)
    enough = finish(enough_iterations(image, PSF, engine, model))
    assert enough.warnings == ()
    assert enough.why == "noise"
    most = {"plain": 1000, "accelerated": 120}[method]
    found = errors(image, truth, model, engine, most)
    best = int(found.argmin()) + 1
    assert best / 4 <= enough.iterations <= 4 * best
    assert found[enough.iterations - 1] <= 1.05 * found.min()


def test_more_light_takes_more_iterations(engine):
    counts = [
        finish(enough_iterations(image_of(truth_of(), photons), PSF, engine, Model())).iterations
        for photons in (30, 300, 3000)
    ]
    assert counts[0] < counts[1] < counts[2]
    assert counts[0] >= 3


def test_a_cameras_unit_does_not_matter(engine):
    truth = truth_of()
    one, other = (
        finish(enough_iterations(image_of(truth, 300, gain=gain), PSF, engine, Model())).iterations
        for gain in (1.0, 0.01)
    )
    assert other == pytest.approx(one, rel=0.3)


def test_accelerated_it_is_fewer(engine):
    image = image_of(truth_of(), 300)
    plain, accelerated = (
        finish(enough_iterations(image, PSF, engine, Model(method=method))).iterations
        for method in ("plain", "accelerated")
    )
    assert accelerated < plain / 2


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (lambda image: ndimage.gaussian_filter(image, 1.0), "independent from voxel to voxel"),
        (lambda image: ndimage.median_filter(image, 3), "independent from voxel to voxel"),
        (lambda image: np.full_like(image, 7), "no noise"),
    ],
)
def test_an_image_whose_noise_cannot_be_told(engine, spoiled, words, method):
    image = spoiled(image_of(truth_of(), 300))
    seen: list[Progress] = []
    steps = enough_iterations(image, PSF, engine, Model(method=method))
    enough = finish(steps, seen.append)
    assert enough.iterations == ENOUGH[method]
    (warning,) = enough.warnings
    assert enough.why == ("no-noise" if words == "no noise" else "filtered")
    assert words in warning
    assert f"{ENOUGH[method]} iterations were done" in warning
    assert [progress.iteration for progress in seen] == [0]


def test_an_image_without_noise(engine):
    image = ndimage.convolve(truth_of(), PSF.astype(float), mode="wrap").astype(np.float32)
    enough = finish(enough_iterations(image, PSF, engine, Model()))
    assert enough.iterations == ENOUGH["plain"]
    assert len(enough.warnings) == 1


@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_a_psf_that_is_not_the_images_own_is_told(engine, method):
    truth = truth_of()
    image = image_of(truth, 30_000)
    seen: list[Progress] = []
    wide = gaussian(sigma=2.4)
    enough = finish(enough_iterations(image, wide, engine, Model(method=method)), seen.append)
    assert enough.iterations == ENOUGH[method]
    (warning,) = enough.warnings
    assert enough.why == "unfitted"
    assert "the PSF is not quite its own" in warning
    assert f"{ENOUGH[method]} iterations were done" in warning
    assert {(p.title, p.total) for p in seen} == {("Count iterations", module.SEARCHED)}
    assert max(p.iteration for p in seen) == module.SEARCHED


def test_a_limit_that_is_reached_is_told(monkeypatch, engine):
    monkeypatch.setitem(module.MOST, "plain", 12)
    enough = finish(enough_iterations(image_of(truth_of(), 3000), PSF, engine, Model()))
    assert enough.iterations == 12
    assert enough.why == "limit"
    (warning,) = enough.warnings
    assert "ended at the limit of 12 iterations" in warning
    assert "accelerated" in warning


@pytest.mark.parametrize("unit", [1, 1 / 255])
@pytest.mark.parametrize("points", [4, 40])
def test_rounding_is_noise(engine, unit, points):
    rng = np.random.default_rng(points)
    truth = np.full(SHAPE, 1e-3)
    for _ in range(points):
        truth[tuple(rng.integers(10, n - 10) for n in SHAPE)] += 1
    photons = 1e5
    light = image_of(truth, photons)
    # A hundred grey levels: the dark has less noise than one.
    grey = 100 / light.max()
    image = (unit * np.rint(grey * light + 1.8)).astype(np.float32)
    model = Model(method="accelerated")
    enough = finish(enough_iterations(image, PSF, engine, model))
    assert enough.warnings == ()
    # Points are made ever sharper: at half of the PSF's width they are as sharp as they can be.
    found = errors(image, photons * grey * truth + 1.8, model, engine, 120, blur=1.0)
    assert found[enough.iterations - 1] <= 1.2 * found.min()


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("more", [0, 5])
def test_a_background_that_was_cut_off_is_told(engine, method, more):
    image = image_of(truth_of(), 1000, read_noise=3)
    cut = np.maximum(image - np.median(image) - more, 0)
    enough = finish(enough_iterations(cut, PSF, engine, Model(method=method)))
    assert enough.iterations == ENOUGH_CUT[method]
    (warning,) = enough.warnings
    assert enough.why == "cut-background"
    assert "background was cut off" in warning


def test_photons_that_are_few_are_no_cut(engine):
    image = image_of(truth_of(), 30)
    assert np.mean(image == 0) > 0.3
    assert finish(enough_iterations(image, PSF, engine, Model())).warnings == ()


def test_a_mask_is_no_cut(engine):
    image = image_of(truth_of(), 300)
    mask = np.ones(SHAPE, bool)
    mask[:, :20] = False
    image[~mask] = 0
    assert finish(enough_iterations(image, PSF, engine, Model(mask=mask))).warnings == ()


def test_a_part_stands_for_a_large_image(monkeypatch, engine):
    truth = np.full((240, 260), 0.01)
    truth[100:196, 120:216] = truth_of()
    image = image_of(truth, 300)
    whole = finish(enough_iterations(image, PSF, engine, Model()))
    shapes = []
    real = module.problem_of

    def noted(image, *args):
        shapes.append(image.shape)
        return real(image, *args)

    monkeypatch.setattr(module, "problem_of", noted)
    monkeypatch.setattr(module, "BLOCK_VOXELS", 110 * 110)
    model = Model(background=np.zeros(image.shape, np.float32), mask=np.ones(image.shape, bool))
    part = finish(enough_iterations(image, PSF, engine, model))
    assert part.warnings == ()
    assert np.prod(shapes[0]) <= 110 * 110
    # Both come as near to the truth as can be.
    found = errors(image, truth, Model(), engine, 200)
    for enough in (whole, part):
        assert found[enough.iterations - 1] <= 1.1 * found.min()


@pytest.mark.parametrize("by", ["the engine", "the caller"])
def test_the_part_fits_the_memory(monkeypatch, engine, by):
    image = image_of(truth_of((240, 260)), 300)
    shapes = []
    real = module.problem_of

    def noted(image, *args):
        shapes.append(image.shape)
        return real(image, *args)

    monkeypatch.setattr(module, "problem_of", noted)
    memory = 600_000
    if by == "the engine":
        monkeypatch.setattr(type(engine), "memory_limit", lambda self: Memory(memory, memory))
        finish(enough_iterations(image, PSF, engine, Model()))
    else:
        finish(enough_iterations(image, PSF, engine, Model(), memory))
    assert np.prod(shapes[0]) * 16 < memory
    with pytest.raises(DeviceMemoryError, match="too little for this PSF"):
        finish(enough_iterations(image, PSF, engine, Model(), 50_000))


def test_closing_it_frees_the_device(monkeypatch, engine):
    closed = []
    real = type(engine).solver

    def watched(self, problem):
        solver = real(self, problem)
        close = solver.close

        def noted() -> None:
            closed.append(1)
            close()

        solver.close = noted
        return solver

    monkeypatch.setattr(type(engine), "solver", watched)
    steps = enough_iterations(image_of(truth_of(), 300), PSF, engine, Model())
    next(steps)
    next(steps)
    assert not closed
    steps.close()
    assert closed


def test_the_image_is_not_changed(engine):
    image = image_of(truth_of(), 30)
    before = image.copy()
    finish(enough_iterations(image, PSF, engine, Model()))
    np.testing.assert_array_equal(image, before)


def test_running_out_of_memory_leaves_less_of_the_image(monkeypatch, engine):
    image = image_of(truth_of(), 300)
    sizes = []
    real = type(engine).solver

    def short(self, problem):
        sizes.append(problem.image.size)
        if len(sizes) == 1:
            raise DeviceMemoryError("The card is full.")
        return real(self, problem)

    monkeypatch.setattr(type(engine), "solver", short)
    enough = finish(enough_iterations(image, PSF, engine, Model(method="accelerated")))
    assert sizes[1] <= sizes[0] / 2
    assert enough.iterations >= 1
    assert "The card is full." in enough.warnings[0]
