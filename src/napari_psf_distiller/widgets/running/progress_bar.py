"""A step's progress bar in napari's activity dock, and how much longer it takes."""

import time
from collections.abc import Callable

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QTimer

from napari_psf_distiller.progress import Progress
from napari_psf_distiller.wording import duration_text

__all__ = ["ActivityBar", "TimeLeft"]


class ActivityBar:
    """Shows where a step stands, each time in a turn of its own of the event loop.

    napari's bar handles events whenever it is made or updated, and with them further progress or
    the end of the run: whoever updates it must be done with all else.

    Parameters
    ----------
    title : str
        The step's name.
    """

    def __init__(self, title: str) -> None:
        self._bar = cancelable_progress(total=0, desc=title)
        self._shown: Progress | None = None
        self._closed = False

    @property
    def cancelled(self) -> bool:
        """Whether its own Cancel button was pressed."""
        return bool(self._bar.is_canceled)

    def show(self, progress: Progress) -> None:
        """Show where the step stands, as soon as all that waits is done; the last call counts."""
        if self._shown is None:
            QTimer.singleShot(0, self._update)
        self._shown = progress

    def close(self) -> None:
        """Take it away."""
        self._closed = True
        self._bar.close()

    def _update(self) -> None:
        progress, self._shown = self._shown, None
        if self._closed or progress is None:
            return
        if self._bar.desc != f"{progress.title}: ":
            self._bar.set_description(progress.title)
            if self._closed:
                return
        self._bar.total = progress.total
        self._bar.update(progress.iteration - self._bar.n)


# Of what has hardly begun, nothing is said.
SECONDS_BEFORE, ITERATIONS_BEFORE = 0.7, 2


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
        if progress.title != self._step or progress.iteration < self._last[0]:
            # Another part, or it began anew: it has its own pace.
            self._step = progress.title
            self._first = (progress.iteration, now)
        self._last = (progress.iteration, now)
        done, seconds = progress.iteration - self._first[0], now - self._first[1]
        if done < ITERATIONS_BEFORE or seconds < SECONDS_BEFORE:
            return ""
        left = seconds / done * (progress.total - progress.iteration)
        about = "at most" if progress.at_most else "about"
        return f"{about} {duration_text(left)} left" if left > 0 else ""
