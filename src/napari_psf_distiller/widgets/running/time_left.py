"""How much longer a run takes, as people say it."""

import time
from collections.abc import Callable

from napari_psf_distiller.progress import Progress

__all__ = ["TimeLeft"]

# Of what has hardly begun, nothing is said.
SECONDS_BEFORE, ITERATIONS_BEFORE = 0.7, 2

# Above so many seconds they are told in steps of so many, so that the figure does not flicker.
COARSE_ABOVE, COARSE_STEP = 20, 5
MINUTES_ABOVE = 100


class TimeLeft:
    """Estimates the time left from the iterations done, of the part that is under way.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step = ""
        self._first = self._last = (0, 0.0)

    def after(self, progress: Progress) -> str:
        """Return the time left, such as "about 12 s left", or "" while it cannot be told."""
        now = self._clock()
        if progress.step != self._step or progress.iteration < self._last[0]:
            # Another part, or it began anew: it has its own pace.
            self._step = progress.step
            self._first = (progress.iteration, now)
        self._last = (progress.iteration, now)
        done, seconds = progress.iteration - self._first[0], now - self._first[1]
        if done < ITERATIONS_BEFORE or seconds < SECONDS_BEFORE:
            return ""
        left = seconds / done * (progress.total - progress.iteration)
        return f"about {_seconds_text(left)} left" if left > 0 else ""


def _seconds_text(seconds: float) -> str:
    if seconds > MINUTES_ABOVE:
        return f"{round(seconds / 60)} min"
    if seconds > COARSE_ABOVE:
        seconds = COARSE_STEP * round(seconds / COARSE_STEP)
    return f"{max(1, round(seconds))} s"
