"""A deconvolution in tiles is the one in one piece, and what it says of the memory."""

import numpy as np
import pytest
from problems import BOUNDARIES, dense, relative_l2, run

from napari_psf_distiller import DeviceError, Progress, simulate_psf
from napari_psf_distiller.compute.engine import Memory
from napari_psf_distiller.datasets import ArrayVolume
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import size_of
from napari_psf_distiller.deconvolution.tiled import deconvolution, overlap_of
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.progress import finish
from napari_psf_distiller.steps import StepId

OPTICS = {"numerical_aperture": 1.2, "refractive_index": 1.33, "spherical": 0.03}
PSFS = {
    2: simulate_psf((13, 11), (0.08, 0.08), **OPTICS).astype(np.float32),
    3: simulate_psf((3, 9, 9), (0.3, 0.1, 0.1), **OPTICS).astype(np.float32),
}
SHAPES = {2: (200, 210), 3: (10, 150, 144)}


def problem(ndim: int) -> tuple[np.ndarray, np.ndarray]:
    psf = PSFS[ndim]
    return dense(SHAPES[ndim], psf, light=3), psf


def model_of(boundary, method, image, varied: bool) -> Model:
    if not varied:
        return Model(boundary, method)
    rng = np.random.default_rng(1)
    mask = rng.random(image.shape) < 0.98
    background = np.linspace(0, 20, image.shape[-1], dtype=np.float32)
    return Model(
        boundary, method, background=np.broadcast_to(background, image.shape).copy(), mask=mask
    )


def need(image, psf, model, engine) -> int:
    return engine.memory_needed(size_of(image.shape, psf.shape, model, engine)).total


def memory_for(tiles: int, image, psf, model, engine) -> int:
    """Return the largest part of what it needs in one piece that makes so many tiles or more."""
    all_of_it = need(image, psf, model, engine)
    for share in np.arange(0.95, 0.2, -0.05):
        memory = int(share * all_of_it)
        steps = deconvolution(image, psf, 1, model, engine, memory=memory)
        note = next(steps).note
        steps.close()
        if count_of(note) >= tiles:
            return memory
    raise AssertionError("there is no such part")


def count_of(text: str) -> int:
    """Return how many tiles a note or a result's device tells of."""
    *_, last = text.split(", ")
    return int(last.removesuffix(" tiles")) if last.endswith(" tiles") else 1


@pytest.mark.parametrize("varied", [False, True], ids=["bare", "background and mask"])
@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("method", "iterations"), [("plain", 50), ("accelerated", 15)])
def test_tiles_make_no_difference(host, method, iterations, boundary, ndim, varied):
    image, psf = problem(ndim)
    model = model_of(boundary, method, image, varied)
    expected = run(image, psf, iterations, model, host)
    memory = memory_for(4, image, psf, model, host)
    done = finish(deconvolution(image, psf, iterations, model, host, memory=memory))
    assert count_of(done.device) >= 4
    assert done.warnings == ()
    assert relative_l2(done.array, expected) <= 1e-3


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_volume_is_read_tile_by_tile(host, boundary):
    image, psf = problem(2)
    model = Model(boundary)
    memory = memory_for(4, image, psf, model, host)
    sizes = []

    class Noted(ArrayVolume):
        def read(self, box):
            part = super().read(box)
            sizes.append(part.size)
            return part

    expected = finish(deconvolution(image, psf, 3, model, host, memory=memory))
    done = finish(deconvolution(Noted(image), psf, 3, model, host, memory=memory))
    np.testing.assert_array_equal(done.array, expected.array)
    assert len(sizes) == count_of(done.device)
    if boundary == "noncirculant":
        assert max(sizes) < image.size


def test_a_volume_of_integers_is_deconvolved_in_one_piece_too(host):
    image, psf = problem(2)
    image = np.round(image)
    expected = finish(deconvolution(image, psf, 3, Model(), host))
    done = finish(deconvolution(ArrayVolume(image.astype(np.uint16)), psf, 3, Model(), host))
    np.testing.assert_array_equal(done.array, expected.array)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_tiles_make_no_difference_on_a_device(monkeypatch, one_of_each, boundary):
    image, psf = problem(2)
    model = Model(boundary)
    expected = run(image, psf, 20, model, one_of_each)
    limit = memory_for(4, image, psf, model, one_of_each)
    monkeypatch.setattr(type(one_of_each), "memory_limit", lambda self: Memory(limit, limit))
    done = finish(deconvolution(image, psf, 20, model, one_of_each))
    assert count_of(done.device) >= 4
    assert done.device.startswith(one_of_each.description)
    assert done.warnings == ()
    assert relative_l2(done.array, expected) <= 1e-3


def test_the_largest_piece_is_a_limit_too(monkeypatch, host):
    image, psf = problem(3)
    piece = host.memory_needed(size_of(image.shape, psf.shape, Model(), host)).largest
    monkeypatch.setattr(type(host), "memory_limit", lambda self: Memory(10**12, piece - 1))
    assert "tiles" in finish(deconvolution(image, psf, 2, Model(), host)).device
    monkeypatch.setattr(type(host), "memory_limit", lambda self: Memory(10**12, piece))
    assert "tiles" not in finish(deconvolution(image, psf, 2, Model(), host)).device


def test_the_budget_is_no_more_than_there_is(monkeypatch, host):
    image, psf = problem(3)
    limit = int(0.45 * need(image, psf, Model(), host))
    monkeypatch.setattr(type(host), "memory_limit", lambda self: Memory(limit, limit))
    done = finish(deconvolution(image, psf, 2, Model(), host, memory=10**12))
    assert "tiles" in done.device


@pytest.mark.parametrize("memory", [None, 10**12])
def test_in_one_piece_it_is_richardson_lucy(host, memory):
    image, psf = problem(2)
    seen: list[Progress] = []
    steps = deconvolution(image, psf, 12, Model(), host, StepId.PROVE, 5, memory)
    done = finish(steps, seen.append)
    np.testing.assert_array_equal(done.array, run(image, psf, 12, Model(), host))
    assert done.device == host.description
    assert done.warnings == ()
    assert [(p.step, p.iteration, p.total) for p in seen] == [
        (StepId.PROVE, n, 12) for n in range(13)
    ]
    assert [p.iteration for p in seen if p.log_likelihood is not None] == [1, 11, 12]
    assert [p.iteration for p in seen if p.preview is not None] == [5, 10]


@pytest.mark.parametrize("memory", [None, 500_000])
def test_the_need_is_told_before(host, memory):
    image, psf = problem(2)
    steps = deconvolution(image, psf, 3, Model(), host, memory=memory)
    first = next(steps)
    steps.close()
    assert (first.iteration, first.log_likelihood, first.preview) == (0, None, None)
    assert first.note.startswith("needs ")
    assert first.note.count("iB") == 2
    assert "on NumPy" in first.note
    if memory is None:
        assert "tiles" not in first.note
        mebibytes = need(image, psf, Model(), host) / 2**20
        assert f"needs {mebibytes:.0f} MiB" in first.note
    else:
        assert f"of {memory / 2**20:.0f} MiB" in first.note
        assert " tiles" in first.note


def test_tiles_are_counted_together(host):
    image, psf = problem(2)
    seen: list[Progress] = []
    done = finish(deconvolution(image, psf, 3, Model(), host, memory=500_000), seen.append)
    tiles = count_of(done.device)
    assert tiles > 1
    assert f"{tiles} tiles" in seen[0].note
    assert [p.iteration for p in seen] == list(range(3 * tiles + 1))
    assert {p.total for p in seen} == {3 * tiles}
    # The likelihood of a tile is not the image's.
    assert all(p.log_likelihood is None and p.preview is None for p in seen)


def test_too_little_memory_even_for_the_smallest_tile(host):
    image, psf = problem(2)
    with pytest.raises(DeviceMemoryError, match="NumPy may take, even in tiles"):
        finish(deconvolution(image, psf, 3, Model(), host, memory=10_000))
    assert issubclass(DeviceMemoryError, DeviceError)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("compatibility", [None, "clij2-fft"])
def test_tiles_lie_where_the_whole_lies_with_an_even_psf(host, boundary, compatibility):
    # Of 49 and of 50 rows, the grid is odd and even.
    psf = np.asarray(PSFS[2][:12, :12], np.float32)
    model = Model(boundary, compatibility=compatibility)
    for shape in ((113, 120), (120, 105), (113, 105)):
        image = dense(shape, psf, light=3)
        expected = run(image, psf, 10, model, host)
        memory = memory_for(4, image, psf, model, host)
        done = finish(deconvolution(image, psf, 10, model, host, memory=memory))
        assert "tiles" in done.device
        assert relative_l2(done.array, expected) <= 2e-3


@pytest.mark.parametrize("method", ["plain", "accelerated"])
def test_a_psf_reaches_as_far_as_its_light(method):
    psf = np.zeros((11, 31, 40), np.float32)
    psf[3:8, 12:19, 18:23] = 1
    core = psf[3:8, 12:19, 18:23]
    model = Model(method=method)
    assert overlap_of(psf, model) == overlap_of(core, model)
    # What noise leaves far away is no light.
    psf[0, 0, 0] = 1e-3 * psf.sum()
    assert overlap_of(psf, model) == overlap_of(core, model)
    finer = Model(method=method, finer=(1, 2, 2))
    assert overlap_of(psf, finer)[1] == -(-overlap_of(psf, model)[1] // 2)
