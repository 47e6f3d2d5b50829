"""What is said to be needed is what is taken."""

import tracemalloc

import numpy as np
import pytest
from problems import BOUNDARIES
from varying import random_mixture

from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of, size_of

SHAPE, PSF_SHAPE = (40, 180, 192), (9, 15, 13)
IMAGE = np.random.default_rng(0).random(SHAPE).astype(np.float32) + 1
PSF = np.random.default_rng(1).random(PSF_SHAPE).astype(np.float32)


def model_of(kind: str, boundary) -> Model:
    if kind == "all there is":
        return Model(
            boundary,
            "accelerated",
            total_variation=0.01,
            background=np.ones(SHAPE, np.float32),
            mask=np.arange(IMAGE.size).reshape(SHAPE) % 7 > 0,
        )
    if kind == "finer voxels":
        return Model(boundary, finer=(1, 2, 2))
    if kind == "changing PSF":
        return Model(boundary, variation=random_mixture(PSF_SHAPE, SHAPE, 2)[1])
    return Model(boundary, kind)


KINDS = ["plain", "accelerated", "all there is", "finer voxels", "changing PSF"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_hosts_memory(host, boundary, kind):
    model = model_of(kind, boundary)
    need = host.memory_needed(size_of(SHAPE, PSF_SHAPE, model, host))
    problem = problem_of(IMAGE, PSF, model, host)
    tracemalloc.start()
    try:
        solver = host.solver(problem)
        for _ in range(2):
            solver.project(likelihood=True)
            solver.update(0.1, 0.1)
        _, peak = tracemalloc.get_traced_memory()
        solver.close()
        del solver
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # But for the pieces that the threads work on, which are as large whatever the problem.
    assert 0.75 * need.total <= peak <= 1.1 * need.total + 4e6
    assert after < 0.05 * need.total


@pytest.mark.opencl
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("fft", ["opencl", "vkfft"])
def test_a_devices_memory(opencl_device, held, fft, boundary, kind):
    if fft == "vkfft":
        pytest.importorskip("pyvkfft.opencl", exc_type=ImportError)
    engine = open_engine(opencl_device.name, fft)
    model = model_of(kind, boundary)
    need = engine.memory_needed(size_of(SHAPE, PSF_SHAPE, model, engine))
    solver = engine.solver(problem_of(IMAGE, PSF, model, engine))
    # But for tables and the likelihood's sums.
    assert held.total() == pytest.approx(need.total, rel=0.05)
    assert held.largest() == need.largest
    solver.close()
    assert held.total() == 0


@pytest.mark.opencl
@pytest.mark.parametrize("columns", [63, 64])
def test_a_devices_memory_for_a_small_grid(opencl_device, held, columns):
    # It has another way through the FFT, and rows of odd length another than those of even length.
    engine, image = open_engine(opencl_device.name, "opencl"), IMAGE[:16, :60, :columns]
    need = engine.memory_needed(size_of(image.shape, PSF_SHAPE, Model(), engine))
    problem = problem_of(image, PSF, Model(), engine)
    assert problem.grid[2] % 2 == columns % 2
    solver = engine.solver(problem)
    # But for tables and the likelihood's sums.
    assert held.total() == pytest.approx(need.total, rel=0.05)
    assert 0.98 * need.largest <= held.largest() <= need.largest
    solver.close()
    assert held.total() == 0


def test_the_need_is_of_the_whole_problem(engine):
    small = engine.memory_needed(size_of(SHAPE, PSF_SHAPE, Model(), engine))
    for kind in KINDS[1:]:
        model = model_of(kind, "noncirculant")
        assert engine.memory_needed(size_of(SHAPE, PSF_SHAPE, model, engine)).total > small.total
    assert small.largest < small.total
    limit = engine.memory_limit()
    assert 0 < limit.largest <= limit.total
