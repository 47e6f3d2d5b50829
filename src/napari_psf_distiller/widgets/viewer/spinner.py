"""napari's sign that something is in progress, kept from taking the processor from it."""

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QStatusBar

from napari_psf_distiller.widgets.viewer.canvas import main_windows

__all__ = ["spinner"]

# Percent of its own speed, which is 33 pictures a second: without a graphics card each has the
# whole window put together anew by the processor, which then has half as much time for the step.
# It turns on with each progress, and every three seconds in between.
CALM = 1


class Spinner:
    """The turning wheel in the status bars of napari's windows, slowed down while a step runs."""

    def __init__(self) -> None:
        self._steps = 0
        self._speeds: list[tuple[QMovie, int]] = []

    def calm(self) -> None:
        """Slow it down, until `resume` was called as often as this."""
        self._steps += 1
        if self._steps == 1:
            self._speeds = [(movie, movie.speed()) for movie in _movies()]
            for movie, _ in self._speeds:
                movie.setSpeed(CALM)

    def turn(self) -> None:
        """Turn it on by a picture, as something was got done."""
        for movie, _ in self._speeds:
            if isalive(movie):  # type: ignore[no-untyped-call]
                movie.jumpToNextFrame()

    def resume(self) -> None:
        """Let it turn as before."""
        self._steps -= 1
        if self._steps == 0:
            for movie, speed in self._speeds:
                if isalive(movie):  # type: ignore[no-untyped-call]
                    movie.setSpeed(speed)
            self._speeds = []


def _movies() -> list[QMovie]:
    """Return what moves in the status bars of all main windows."""
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    bars = [
        bar for window in main_windows() for bar in window.findChildren(QStatusBar, options=direct)
    ]
    movies = [label.movie() for bar in bars for label in bar.findChildren(QLabel)]
    return [movie for movie in movies if movie is not None]


spinner = Spinner()
