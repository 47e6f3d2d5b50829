"""The time left, told from the iterations done."""

import pytest

from napari_psf_distiller import Progress
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.running.progress_bar import TimeLeft


@pytest.fixture
def clock() -> list[float]:
    """The seconds that it is now."""
    return [0.0]


@pytest.fixture
def time_left(clock: list[float]) -> TimeLeft:
    return TimeLeft(lambda: clock[0])


@pytest.mark.parametrize(
    ("pace", "total", "expected"),
    [
        (0.5, 10, "about 3 s left"),
        (0.5, 5, "about 1 s left"),
        (1.0, 37, "about 35 s left"),
        (1.0, 245, "about 4 min left"),
        (0.5, 4, ""),
    ],
)
def test_it_goes_on_at_the_pace_so_far(
    time_left: TimeLeft, clock: list[float], pace: float, total: int, expected: str
) -> None:
    assert time_left.after(Progress(StepId.DISTILL, 0, total)) == ""
    for iteration in (1, 2, 3, 4):
        clock[0] += pace
        shown = time_left.after(Progress(StepId.DISTILL, iteration, total))
    assert shown == expected


def test_nothing_is_said_of_what_has_hardly_begun(time_left: TimeLeft, clock: list[float]) -> None:
    time_left.after(Progress(StepId.DISTILL, 0, 100))
    clock[0] = 5.0
    assert time_left.after(Progress(StepId.DISTILL, 1, 100)) == ""
    clock[0] = 10.0
    assert time_left.after(Progress(StepId.DISTILL, 2, 100)) == "about 8 min left"
    # Another part has another pace, and so has one that begins anew.
    assert time_left.after(Progress(StepId.PREPROCESS, 3, 100, phase="Median filter")) == ""
    assert time_left.after(Progress(StepId.PREPROCESS, 1, 100, phase="Median filter")) == ""
    clock[0] = 12.0
    assert (
        time_left.after(Progress(StepId.PREPROCESS, 3, 5, phase="Median filter"))
        == "about 2 s left"
    )
