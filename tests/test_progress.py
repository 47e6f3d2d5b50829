"""A generator of progress, passed on."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from napari_psf_distiller import Progress
from napari_psf_distiller.progress import Steps, finish, passed_on
from napari_psf_distiller.steps import StepId


class Work:
    """Yields progress, and notes what happens in which order."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def steps(self) -> Steps[str]:
        try:
            for iteration in (1, 2):
                self.notes.append(f"did {iteration}")
                yield Progress(StepId.PROVE, iteration, 2)
        finally:
            self.notes.append("closed")
        return "done"

    @contextmanager
    def noted(self) -> Iterator[None]:
        self.notes.append("begins")
        yield
        self.notes.append("ends")


def doubled(progress: Progress) -> Progress:
    return dataclasses.replace(progress, iteration=2 * progress.iteration)


def test_what_is_yielded_can_be_changed():
    seen: list[Progress] = []
    assert finish(passed_on(Work().steps(), doubled), seen.append) == "done"
    assert [progress.iteration for progress in seen] == [2, 4]


def test_nothing_is_changed_unless_asked():
    seen: list[Progress] = []
    assert finish(passed_on(Work().steps()), seen.append) == "done"
    assert seen == list(Work().steps())


def test_each_turn_is_done_within_something_and_the_taking_is_not():
    work = Work()
    steps = passed_on(work.steps(), around=work.noted)
    finish(steps, lambda progress: work.notes.append(f"saw {progress.iteration}"))
    assert work.notes[:6] == ["begins", "did 1", "ends", "saw 1", "begins", "did 2"]


def test_whoever_waits_for_the_taking_is_called_before_the_next_turn():
    work = Work()
    steps = passed_on(
        work.steps(),
        doubled,
        taken=lambda progress: work.notes.append(f"took {progress.iteration}"),
    )
    finish(steps, lambda progress: work.notes.append(f"saw {progress.iteration}"))
    # It gets what the generator has yielded.
    assert work.notes == ["did 1", "saw 2", "took 1", "did 2", "saw 4", "took 2", "closed"]


def test_closing_it_closes_the_generator():
    work = Work()
    steps = passed_on(work.steps(), around=work.noted)
    next(steps)
    steps.close()
    assert work.notes == ["begins", "did 1", "ends", "closed"]


def test_a_failure_is_passed_on():
    def failing() -> Steps[None]:
        yield Progress(StepId.PROVE, 1, 2)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        finish(passed_on(failing(), taken=lambda progress: None))
