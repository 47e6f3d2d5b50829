"""Linear algebra on one thread, and work on all of them."""

import os
import signal
from threading import Event

import pytest
import threadpoolctl

from napari_psf_distiller.compute.threads import host_threads, in_turn, on_one_thread
from napari_psf_distiller.progress import Progress, finish
from napari_psf_distiller.steps import StepId


def threads() -> set[int]:
    """How many threads each library for linear algebra takes."""
    return {
        library["num_threads"]
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    }


@pytest.fixture(autouse=True)
def two_threads():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("the linear algebra cannot be told to take two threads")
        yield


class Steps:
    """A generator of progress, and what happened to it."""

    def __init__(self, fails: bool = False) -> None:
        self.inside: list[set[int]] = []
        self.closed, self.fails = False, fails

    def __call__(self):
        try:
            for number in range(3):
                self.inside.append(threads())
                yield Progress(StepId.PROVE, number, 3)
            self.inside.append(threads())
            if self.fails:
                raise ZeroDivisionError("thinking failed")
            return "thought"
        finally:
            self.closed = True


def test_all_that_is_done_is_done_on_one_thread():
    steps, outside, seen = Steps(), [], []

    def look(progress):
        seen.append(progress.iteration)
        outside.append(threads())

    assert finish(on_one_thread(steps()), look) == "thought"
    assert seen == [0, 1, 2]
    assert steps.inside == [{1}] * 4
    # Who is shown the progress has all threads, and so has what follows.
    assert outside == [{2}] * 3
    assert threads() == {2}
    assert steps.closed


def test_nothing_is_done_before_it_is_asked_for():
    steps = Steps()
    passed = on_one_thread(steps())
    assert steps.inside == []
    passed.close()
    assert steps.inside == []


@pytest.mark.parametrize("after", [1, 2, 3])
def test_stopped_it_stops_what_it_passes_on(after):
    steps = Steps()
    passed = on_one_thread(steps())
    for _ in range(after):
        next(passed)
    passed.close()
    assert steps.closed
    assert threads() == {2}


def test_a_failure_is_passed_on():
    steps = Steps(fails=True)
    with pytest.raises(ZeroDivisionError, match="thinking failed"):
        finish(on_one_thread(steps()))
    assert steps.closed
    assert threads() == {2}


@pytest.mark.skipif(host_threads() < 2, reason="takes a processor with two threads")
def test_who_is_kept_waiting_leaves_the_others_work_to_them():
    left, over = set(range(1, 12)), Event()

    def work(number):
        if number == 0:
            assert over.wait(30), f"nobody did {left}"
        else:
            left.remove(number)
            if not left:
                over.set()
        return 2 * number

    assert in_turn(work, range(12)) == list(range(0, 24, 2))


def test_an_error_of_one_thread_is_everyones():
    def work(number):
        if number == 5:
            raise ZeroDivisionError("thinking failed")
        return number

    with pytest.raises(ZeroDivisionError, match="thinking failed"):
        in_turn(work, range(12))


def twice(number):
    return 2 * number


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.skipif(host_threads() < 2, reason="takes a processor with two threads")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    assert in_turn(twice, range(12)) == list(range(0, 24, 2))
    child = os.fork()
    if child == 0:
        # Without threads it would wait for ever; nothing of the test's own may run on here.
        signal.alarm(60)
        os._exit(0 if in_turn(twice, range(12)) == list(range(0, 24, 2)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert in_turn(twice, range(12)) == list(range(0, 24, 2))
