"""Work beside the viewer, of which only the newest counts."""

import gc
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_psf_distiller import Progress
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.running.background import Background, Interrupted


class Asked:
    """Asks, and notes what comes of it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.failed: list[str] = []
        self.latest = Background(self.done.append, self.failed.append)


@pytest.fixture
def asked() -> Asked:
    return Asked()


def fails_with(error: Exception) -> Any:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [RuntimeError("broken"), ZeroDivisionError("broken")])
def test_an_unexpected_error_is_told_to_whoever_asked(
    asked: Asked, user: Any, qtbot: Any, error: Exception
) -> None:
    with qtbot.capture_exceptions():
        asked.latest.ask(fails_with(error))
        user.waits(lambda: not asked.latest.busy)
    assert asked.failed == ["It failed unexpectedly: broken"]
    asked.latest.ask(lambda: 7)
    user.waits(lambda: not asked.latest.busy)
    assert (asked.done, len(asked.failed)) == ([7], 1)


def test_an_error_for_the_user_is_its_own_sentence(asked: Asked, user: Any) -> None:
    asked.latest.ask(fails_with(InputError("The image is empty.")))
    user.waits(lambda: not asked.latest.busy)
    assert asked.failed == ["The image is empty."]


@pytest.mark.parametrize("then", ["cancel", "ask"])
def test_of_what_nobody_waits_for_no_error_is_told(
    asked: Asked, user: Any, qtbot: Any, then: str
) -> None:
    gate = threading.Event()

    def fail() -> None:
        gate.wait()
        raise ZeroDivisionError("broken")

    with qtbot.capture_exceptions() as exceptions:
        asked.latest.ask(fail)
        if then == "cancel":
            asked.latest.cancel()
        else:
            asked.latest.ask(lambda: 7)
        gate.set()
        user.waits(lambda: bool(exceptions) and not asked.latest.busy)
    assert asked.failed == []
    assert asked.done == ([7] if then == "ask" else [])


def test_nobody_who_waits_for_work_under_way_is_let_go_of(user: Any) -> None:
    gate = threading.Event()
    done: list[bool] = []
    latest = Background(done.append, pytest.fail)
    latest.ask(gate.wait)
    kept = ref(latest)
    del latest
    gc.collect()
    gate.set()
    user.waits(lambda: bool(done))
    assert done == [True]
    user.waits_until_gone(kept)


# --- generators


class Steps:
    """Asks for generators, and notes what comes of them and in which thread."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self.closed: list[str] = []
        self.background: Background[str] = Background(
            self.note("done"),
            self.note("failed"),
            progressed=self.note("progressed"),
            ended=lambda: self.note("ended")(self.background.take_kept()),
        )

    def note(self, kind: str) -> Callable[[Any], None]:
        def noted(what: Any) -> None:
            self.threads.add(threading.current_thread())
            self.heard.append((kind, what.iteration if isinstance(what, Progress) else what))

        return noted

    def counting(self, name: str, to: int, gate: threading.Event | None = None) -> Any:
        def steps() -> Any:
            try:
                for n in range(to):
                    yield Progress(StepId.PROVE, n, to)
                    if gate is not None:
                        assert gate.wait(60)
                return name
            except Interrupted:
                return f"{name} unfinished"
            finally:
                self.closed.append(name)

        return steps


@pytest.fixture
def steps() -> Steps:
    return Steps()


def test_progress_and_result_come_to_the_main_thread(steps: Steps, user: Any) -> None:
    steps.background.ask(steps.counting("it", 2))
    assert steps.background.busy
    user.waits(lambda: not steps.background.running)
    assert steps.heard == [
        *(("progressed", n) for n in range(2)),
        ("done", "it"),
        ("ended", None),
    ]
    assert steps.threads == {threading.main_thread()}
    assert steps.closed == ["it"]


def test_a_generator_that_is_cancelled_is_closed_and_keeps_what_it_has(
    steps: Steps, user: Any
) -> None:
    gate = threading.Event()
    steps.background.ask(steps.counting("it", 5, gate))
    user.waits(lambda: steps.heard == [("progressed", 0)])
    steps.background.cancel()
    assert (steps.background.busy, steps.background.running) == (False, True)
    gate.set()
    user.waits(lambda: not steps.background.running)
    assert steps.background.cancelled
    assert steps.heard[-1] == ("ended", "it unfinished")
    assert "done" not in dict(steps.heard)
    assert steps.closed == ["it"]


def test_a_generator_gives_way_to_what_is_asked_for_later(steps: Steps, user: Any) -> None:
    gate = threading.Event()
    steps.background.ask(steps.counting("first", 10**6, gate))
    user.waits(lambda: bool(steps.heard))
    for name in ("second", "third"):
        steps.background.ask(steps.counting(name, 1))
    gate.set()
    user.waits(lambda: not steps.background.running)
    # Nothing of the second was begun, and it ended once.
    assert steps.closed == ["first", "third"]
    assert steps.heard[1:] == [("progressed", 0), ("done", "third"), ("ended", None)]


def test_an_error_of_a_generator_that_is_cancelled_does_no_harm(steps: Steps, user: Any) -> None:
    def refuses() -> Any:
        try:
            while True:
                yield Progress(StepId.PROVE, 0, 1)
        except Interrupted:
            raise InputError("There is nothing to keep.") from None

    steps.background.ask(refuses)
    user.waits(lambda: bool(steps.heard))
    steps.background.cancel()
    user.waits(lambda: not steps.background.running)
    assert steps.heard[-1] == ("ended", None)
    assert "failed" not in dict(steps.heard)


def test_what_was_worked_on_is_let_go_of(asked: Asked, user: Any) -> None:
    # napari keeps its workers.
    image = np.zeros((4, 4))
    kept = ref(image)
    asked.latest.ask(image.sum)
    del image
    user.waits(lambda: not asked.latest.running)
    asked.done.clear()
    user.waits_until_gone(kept)


def test_what_was_kept_is_let_go_of_when_it_was_taken(asked: Asked, user: Any) -> None:
    kept: list[ref[Any]] = []

    def steps() -> Any:
        image = np.zeros((4, 4))
        kept.append(ref(image))
        try:
            while True:
                yield Progress(StepId.PROVE, 0, 1)
        except Interrupted:
            return image

    asked.latest.ask(steps)
    user.waits(lambda: bool(kept))
    asked.latest.cancel()
    user.waits(lambda: not asked.latest.running)
    assert asked.latest.take_kept().shape == (4, 4)
    assert asked.latest.take_kept() is None
    user.waits_until_gone(*kept)


# --- drawings


def test_drawings_are_made_one_after_the_other_beside_the_steps(user: Any) -> None:
    threads: list[str] = []
    done: list[int] = []

    def note(number: int, _: None) -> None:
        done.append(number)

    for n in range(3):
        Background[None](partial(note, n), pytest.fail, draws=True).ask(
            lambda: threads.append(threading.current_thread().name)
        )
    user.waits(lambda: len(done) == 3)
    assert done == [0, 1, 2]
    assert len(set(threads)) == 1
    assert threads[0] != threading.main_thread().name


def test_what_goes_wrong_with_a_drawing_is_told(user: Any, qtbot: Any) -> None:
    failed: list[str] = []
    drawing = Background[None](pytest.fail, failed.append, draws=True)
    for error in (InputError("It is empty."), MemoryError()):
        drawing.ask(fails_with(error))
        user.waits(lambda: not drawing.running)
    with qtbot.capture_exceptions() as exceptions:
        drawing.ask(fails_with(ZeroDivisionError("broken")))
        user.waits(lambda: bool(exceptions))
    assert failed == [
        "It is empty.",
        "The memory does not suffice for this image; crop it first.",
        "It failed unexpectedly: broken",
    ]
    assert not drawing.running


@pytest.mark.parametrize("draws", [False, True])
def test_a_widget_that_was_deleted_meanwhile_is_not_told(
    user: Any, qtbot: Any, draws: bool
) -> None:
    class Listener(QObject):
        def hear(self, _: object) -> None:
            pytest.fail("It is gone.")

    gate, ended = threading.Event(), []
    listener = Listener()
    background = Background[bool](
        listener.hear, listener.hear, ended=lambda: ended.append(True), draws=draws
    )
    background.ask(gate.wait)
    listener.deleteLater()
    user.waits(lambda: not isalive(listener))
    gate.set()
    user.waits(lambda: bool(ended))
