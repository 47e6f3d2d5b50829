"""Viewer and Python kept calm while a step runs: the spinner, the lock's turns, the collector."""

import gc
import sys
import threading

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QStatusBar

from napari_psf_distiller.widgets.viewer.canvas import main_windows
from napari_psf_distiller.widgets.viewer.private import note_missing, private

__all__ = ["Calm", "ShortTurns", "collector", "remove_layer", "spinner"]

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
    found = [label.movie() for bar in bars for label in bar.findChildren(QLabel)]
    movies = [movie for movie in found if movie is not None]
    if bars and not movies:
        note_missing("spinner in a status bar", "there is nothing to slow down")
    return movies


spinner = Spinner()


# Seconds after which a thread that works in Python lets another one go on; Python's own is ten
# times as long. The viewer lets go of the lock in each of its many small calls of Qt, and so does
# a fit in each of its many small calls of NumPy, and each time they wait for their turn again.
TURN = 0.0005

# Python cuts what it is given to whole microseconds, which it does not tell exactly.
HALF = 0.5e-6


class _Turns:
    """How many want short turns, and what the turns are otherwise."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted = 0
        self.before = TURN


_turns = _Turns()


class ShortTurns:
    """Has Python's threads take short turns while it is entered, unless that was ended before.

    They do until the last of those who want it is done.
    """

    def __init__(self) -> None:
        self._entered = self._ended = False

    def __enter__(self) -> "ShortTurns":
        with _turns.lock:
            if self._ended:
                return self
            self._entered = True
            if _turns.wanted == 0:
                _turns.before = sys.getswitchinterval()
                # Who set shorter ones keeps them.
                sys.setswitchinterval(min(TURN, _turns.before) + HALF)
            _turns.wanted += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Want no short turns any more; whichever thread calls it."""
        with _turns.lock:
            if self._entered and not self._ended:
                _turns.wanted -= 1
                if _turns.wanted == 0:
                    sys.setswitchinterval(_turns.before + HALF)
            self._ended = True


class Collector:
    """Python's garbage collector, which stops all threads while it works.

    napari has some hundred thousand objects, and looking at all of them takes 0.1 s and more: the
    collector does when enough new ones were made, and napari asks for it whenever a layer is
    removed. While a step runs, what was there before is left out.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._ours = False

    def spare(self) -> None:
        """Leave out what there is, until `resume` was called as often as this."""
        self._steps += 1
        freeze = private(gc, "freeze", "the collector looks at everything")
        # If somebody left out something for good, it stays so.
        if self._steps == 1 and freeze is not None and gc.get_freeze_count() == 0:
            freeze()
            self._ours = True

    def resume(self) -> None:
        """Look at everything again."""
        self._steps -= 1
        if self._steps == 0 and self._ours:
            gc.unfreeze()
            self._ours = False


collector = Collector()


def remove_layer(viewer: Viewer, layer: Layer) -> None:
    """Remove a layer, if it is there, without the collector looking at all of napari's objects.

    napari asks the collector to, which takes several times as long as the rest. What the layer
    leaves is freed when the collector next looks of its own accord.
    """
    if layer not in viewer.layers:
        return
    collector.spare()
    try:
        viewer.layers.remove(layer)
    finally:
        collector.resume()


class Calm:
    """Viewer and Python kept calm for one run of a step."""

    def __init__(self) -> None:
        collector.spare()
        spinner.calm()
        self._on = True

    def end(self) -> None:
        """Leave all as it was, unless other steps run; that may be asked for more than once."""
        if self._on:
            self._on = False
            collector.resume()
            spinner.resume()
