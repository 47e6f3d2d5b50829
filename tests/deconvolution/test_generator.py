"""Richardson-Lucy as a generator: its progress, and that it frees what it holds."""

import threading

import numpy as np
import psutil
import pytest
from problems import BOUNDARIES, random_problem, run

from napari_psf_distiller import DeviceError, Progress
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.compute.engine import Problem
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.richardson_lucy import richardson_lucy
from napari_psf_distiller.progress import finish
from napari_psf_distiller.steps import StepId

CIRCULANT = Model("circulant")


@pytest.mark.parametrize(
    ("iterations", "likelihoods"), [(1, [1]), (10, [1, 10]), (22, [1, 11, 21, 22])]
)
@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_its_progress(one_of_each, boundary, method, iterations, likelihoods):
    image, psf = random_problem((15, 16), 1)
    seen: list[Progress] = []
    model = Model(boundary, method)
    steps = richardson_lucy(
        image, psf, iterations, model, one_of_each, StepId.PROVE, preview_every=4
    )
    result = finish(steps, seen.append)
    assert [progress.iteration for progress in seen] == list(range(1, iterations + 1))
    assert {(progress.step, progress.total) for progress in seen} == {(StepId.PROVE, iterations)}
    told = [p.iteration for p in seen if p.log_likelihood is not None]
    assert told == (likelihoods if method == "plain" else list(range(1, iterations + 1)))
    previews = {p.iteration: p.preview for p in seen if p.preview is not None}
    assert list(previews) == list(range(4, iterations + 1, 4))
    for iteration, preview in previews.items():
        assert preview.shape == image.shape
        if method == "plain":
            expected = run(image, psf, iteration, boundary, one_of_each)
            np.testing.assert_allclose(preview, expected, rtol=1e-4, atol=1e-4)
    assert result.flags.c_contiguous
    assert result.shape == image.shape


def test_no_preview_unless_asked(one_of_each):
    seen: list[Progress] = []
    finish(richardson_lucy(*random_problem((7, 8), 1), 5, CIRCULANT, one_of_each), seen.append)
    assert all(progress.preview is None for progress in seen)


def test_a_preview_is_a_copy(one_of_each):
    image, psf = random_problem((7, 8), 1)
    steps = richardson_lucy(image, psf, 3, CIRCULANT, one_of_each, preview_every=1)
    preview = next(steps).preview
    preview[...] = np.nan
    assert np.isfinite(finish(steps)).all()


def test_its_input_is_not_changed(one_of_each):
    for boundary in BOUNDARIES:
        image, psf = random_problem((7, 8), 1)
        before = image.copy(), psf.copy()
        run(image, psf, 3, boundary, one_of_each)
        np.testing.assert_array_equal(image, before[0])
        np.testing.assert_array_equal(psf, before[1])


class WatchedEngine:
    """NumPy's engine, whose solvers note what is done with them and may fail in an iteration."""

    def __init__(self, fails_at: int = 0) -> None:
        self.events: list[str] = []
        self._inner = open_engine("numpy", "scipy")
        self._fails_at = fails_at

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def solver(self, problem: Problem):
        self.events.append("opened")
        solver = self._inner.solver(problem)
        update, close = solver.update, solver.close

        def noted_update(*args) -> None:
            self.events.append("step")
            if self.events.count("step") == self._fails_at:
                raise DeviceError("The device is gone.")
            update(*args)

        def noted_close() -> None:
            self.events.append("closed")
            close()

        solver.update, solver.close = noted_update, noted_close
        return solver


def test_closing_it_midway_frees_the_device():
    engine = WatchedEngine()
    steps = richardson_lucy(*random_problem((7, 8), 1), 100, CIRCULANT, engine)
    next(steps)
    next(steps)
    assert engine.events == ["opened", "step", "step"]
    steps.close()
    assert engine.events == ["opened", "step", "step", "closed"]
    with pytest.raises(StopIteration):
        next(steps)
    assert engine.events[-1] == "closed"


def test_its_end_frees_the_device():
    engine = WatchedEngine()
    run(*random_problem((7, 8), 1), 2, CIRCULANT, engine)
    assert engine.events == ["opened", "step", "step", "closed"]


def test_a_failure_frees_the_device():
    engine = WatchedEngine(fails_at=2)
    with pytest.raises(DeviceError, match="is gone"):
        run(*random_problem((7, 8), 1), 5, CIRCULANT, engine)
    assert engine.events == ["opened", "step", "step", "closed"]


def test_an_error_where_the_progress_is_shown_frees_the_device():
    engine = WatchedEngine()

    def fail(progress: Progress) -> None:
        raise KeyboardInterrupt

    steps = richardson_lucy(*random_problem((7, 8), 1), 5, CIRCULANT, engine)
    with pytest.raises(KeyboardInterrupt):
        finish(steps, fail)
    assert engine.events == ["opened", "step", "closed"]


def test_one_that_was_never_started_holds_nothing():
    engine = WatchedEngine()
    richardson_lucy(*random_problem((7, 8), 1), 5, CIRCULANT, engine).close()
    assert engine.events == []


def test_50_runs_that_are_closed_midway_leave_no_memory_and_no_threads(one_of_each):
    image = np.random.default_rng(0).random((32, 64, 64)).astype(np.float32)
    psf = np.ones((3, 5, 5), np.float32)
    process, threads = psutil.Process(), 0
    sizes = []
    for turn in range(60):
        steps = richardson_lucy(image, psf, 9, Model(method="accelerated"), one_of_each)
        next(steps)
        next(steps)
        steps.close()
        if turn == 9:
            # By now all that is kept once and for all is there.
            threads = threading.active_count()
        sizes.append(process.memory_info().rss)
    assert threading.active_count() <= threads
    # One run needs some 3 MB; 50 of them would show.
    assert max(sizes[-10:]) - max(sizes[5:15]) < 20e6


@pytest.mark.opencl
def test_runs_that_are_closed_midway_leave_nothing_on_the_device(opencl_device, held):
    image, psf = random_problem((15, 16), 1)
    model = Model("noncirculant", "accelerated", total_variation=0.01)
    for _ in range(50):
        steps = richardson_lucy(image, psf, 9, model, open_engine(opencl_device.name, "opencl"))
        next(steps)
        # At least the image, the estimate and the work array.
        assert held.total() >= 3 * image.nbytes
        steps.close()
        assert held.total() == 0


@pytest.mark.opencl
def test_a_run_to_the_end_leaves_nothing_on_the_device(opencl_device, held):
    engine = open_engine(opencl_device.name, "opencl")
    run(*random_problem((15, 16), 1), 2, "noncirculant", engine)
    assert held.total() == 0
