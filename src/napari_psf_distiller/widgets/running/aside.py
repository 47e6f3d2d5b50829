"""A thread of its own for drawings: they wait for each other, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import (  # type: ignore[attr-defined]  # qtpy renames PyQt's signal and slot
    QObject,
    Signal,
    Slot,
)

from napari_psf_distiller.widgets.viewer.turns import short_turns

__all__ = ["do_aside"]


def do_aside(work: Callable[[], Any], take: Callable[[Any], None]) -> None:
    """Do some work in the drawings' thread, as soon as what was given to it before is done.

    To be called in the main thread.

    Parameters
    ----------
    work : callable
        Called in the thread, without arguments.
    take : callable
        A method of a `QObject`: called in the main thread with what the work returned, or with
        the exception that ended it; not called if its object was deleted meanwhile.

    Notes
    -----
    napari's workers share a pool of as many threads as there are processors, where a drawing may
    wait for a step of minutes; each also changes Python's handling of warnings while it runs,
    which is meant for a few long ones. Matplotlib draws in one thread at a time.
    """
    if _Post.office is None:
        _Post.office = _Post()
    post = _Post.office
    post.thread_of_drawings.submit(_do, work, take, post)


class _Post(QObject):
    """Takes what the thread sends over to the main thread; it outlives all who are waiting."""

    office: _Post | None = None
    sent = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.thread_of_drawings = ThreadPoolExecutor(1, thread_name_prefix="PSF drawings")
        self.sent.connect(self._deliver)

    @Slot(object, object)
    def _deliver(self, take: Any, outcome: Any) -> None:
        if isalive(take.__self__):  # type: ignore[no-untyped-call]
            take(outcome)


def _do(work: Callable[[], Any], take: Callable[[Any], None], post: _Post) -> None:
    try:
        # Matplotlib is Python for the most part, and the main thread would often wait for it.
        with short_turns():
            outcome = work()
    except Exception as error:  # it is raised again, or told, in the main thread
        outcome = error
    post.sent.emit(take, outcome)
