"""Work of which only the newest counts."""

import gc
import threading
from typing import Any
from weakref import ref

import pytest

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.running.background import Background


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
