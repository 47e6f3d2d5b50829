"""Python's threads take short turns while a step runs, and are left as they were found."""

import sys
from collections.abc import Iterator

import pytest

from napari_psf_distiller.widgets.viewer.calm import ShortTurns


@pytest.fixture(autouse=True)
def left_as_found() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_turns_are_short_until_the_last_is_done() -> None:
    sys.setswitchinterval(0.02)
    first, second = ShortTurns(), ShortTurns()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() < 0.001
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(0.02)


def test_they_are_given_back_after_an_error() -> None:
    sys.setswitchinterval(0.02)
    with pytest.raises(ValueError, match="once"), ShortTurns():
        raise ValueError("once")
    assert sys.getswitchinterval() == pytest.approx(0.02)


def test_who_set_shorter_ones_keeps_them() -> None:
    sys.setswitchinterval(0.0001)
    before = sys.getswitchinterval()
    for _ in range(3):
        with ShortTurns():
            assert sys.getswitchinterval() == before
    assert sys.getswitchinterval() == before


def test_what_was_ended_early_is_not_ended_again() -> None:
    sys.setswitchinterval(0.02)
    with ShortTurns() as first:
        with ShortTurns():
            first.end()
            first.end()
            assert sys.getswitchinterval() < 0.001
        assert sys.getswitchinterval() == pytest.approx(0.02)
        never = ShortTurns()
        never.end()
        with never:
            assert sys.getswitchinterval() == pytest.approx(0.02)
    assert sys.getswitchinterval() == pytest.approx(0.02)
