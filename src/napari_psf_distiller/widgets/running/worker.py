"""Threads of a widget: a step's, one of which only the newest work counts, and the drawings'.

A step's stops cleanly, keeps what there is to keep, and errs in sentences.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from napari.qt.threading import FunctionWorker, GeneratorWorker, WorkerBase, create_worker
from qtpy.compat import isalive
from qtpy.QtCore import (  # type: ignore[attr-defined]  # qtpy renames PyQt's signal and slot
    QObject,
    Signal,
    Slot,
)

from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.widgets.layers.source import LayerData
from napari_psf_distiller.widgets.viewer.calm import short_turns

__all__ = [
    "ClosingWorker",
    "Failure",
    "Interrupted",
    "Outcome",
    "SupersedingWorker",
    "answering",
    "do_aside",
    "guarded",
    "start_for",
]

T = TypeVar("T")

# What a step gives back to the main thread: layers to add, and what to tell the user.
Outcome = tuple[list[LayerData], str, tuple[str, ...]]


@dataclass(frozen=True)
class Failure:
    """A step that ended with a sentence for the user."""

    message: str

    @classmethod
    def of(cls, error: DistillerError | MemoryError) -> "Failure":
        """Return the sentence of an error."""
        if isinstance(error, MemoryError):
            return cls("The memory does not suffice for this image; crop it first.")
        return cls(str(error))


def answering(work: Callable[[], T]) -> Callable[[], T | Failure]:
    """Return a function that does some work so that what goes wrong comes back as a sentence.

    It can be called once: napari keeps every worker, and with it what it was to do, as long as its
    window, and the layers and arrays that the work knows of must not be kept for so long.
    """
    left = [work]

    def answer() -> T | Failure:
        try:
            return left.pop()()
        except (DistillerError, MemoryError) as error:
            return Failure.of(error)

    return answer


def start_for(listener: object, worker: "WorkerBase[Any]", **methods: Callable[..., None]) -> None:
    """Start a worker, and keep who listens to it until its last signal has come over.

    A signal holds methods weakly, and PySide calls those of an object that is gone all the same if
    the signal was on its way from the thread.

    Parameters
    ----------
    listener : object
    worker : WorkerBase
    **methods : callable
        The listener's, by the worker's signals that call them.
    """
    for signal, method in methods.items():
        getattr(worker, signal).connect(method)
    kept = [listener]
    # After its own methods, as signals call in the order of the connections.
    worker.finished.connect(kept.clear)
    worker.start()


class Interrupted(Exception):  # noqa: N818  # it is no error
    """Raised inside a step's generator, where it last yielded, when its run is cancelled.

    A generator that has something to keep catches it and returns that: an `Outcome`, whose layers
    are marked as unfinished. Any other needs to know nothing of it.
    """


class ClosingWorker(GeneratorWorker):  # type: ignore[misc]  # napari has no types
    """A worker that ends its generator when it is cancelled, so that devices are freed."""

    _kept: Outcome | None = None

    def take_kept(self) -> Outcome | None:
        """Hand over what the generator had to keep when it was cancelled, once."""
        kept, self._kept = self._kept, None
        return kept

    def work(self) -> Any:
        """Run the generator to its end, or to the cancelling."""
        try:
            with short_turns():
                result = super().work()
            if self.abort_requested and result is None:
                self._kept = self._interrupted()
            return result
        finally:
            self._gen.close()

    def _interrupted(self) -> Any:
        try:
            self._gen.throw(Interrupted)
        except StopIteration as stop:
            return stop.value if isinstance(stop.value, tuple) else None
        except Interrupted:
            pass
        return None


def guarded(
    title: str, make_steps: Callable[[], Steps[Outcome]]
) -> Generator[Progress, None, Outcome | Failure]:
    """Run a step so that what goes wrong comes back as a sentence.

    napari's generator worker takes a `RuntimeError` for its own end and returns it as the result,
    so none may leave from here.
    """
    try:
        return (yield from make_steps())
    except (DistillerError, MemoryError) as error:
        return Failure.of(error)
    except RuntimeError as error:
        raise DistillerError(f"{title} failed unexpectedly: {error}") from error


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

    office: "_Post | None" = None
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


class SupersedingWorker:
    """Runs one function at a time in a thread; of those asked for meanwhile, the newest is next.

    Parameters
    ----------
    done : callable
        Gets a function's result, in the main thread, unless something newer was asked for.
    failed : callable
        Gets a sentence instead: a `DistillerError`'s own, or that something unexpected went wrong.
    """

    def __init__(self, done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        self._done = done
        self._failed = failed
        self._worker: FunctionWorker[Any] | None = None
        self._next: Callable[[], Any] | None = None
        self._dropped = False

    @property
    def busy(self) -> bool:
        """Whether a result is still to come."""
        return self._next is not None or (self._worker is not None and not self._dropped)

    def ask(self, function: Callable[[], Any]) -> None:
        """Run a function as soon as the one under way is over, whose result is dropped."""
        if self._worker is not None:
            self._next = function
            return
        self._dropped = False
        worker: FunctionWorker[Any] = create_worker(answering(function), _start_thread=False)
        self._worker = worker
        start_for(
            self,
            worker,
            returned=self._on_return,
            errored=self._on_error,
            finished=self._on_finish,
        )

    def drop(self) -> None:
        """Forget what was asked for: no result of it comes any more."""
        self._next = None
        self._dropped = True

    def _on_return(self, result: Any) -> None:
        if self._dropped or self._next is not None:
            return
        if isinstance(result, Failure):
            self._failed(result.message)
        else:
            self._done(result)

    def _on_error(self, error: Exception) -> None:
        if not (self._dropped or self._next is not None):
            self._failed(f"It failed unexpectedly: {error}")

    def _on_finish(self) -> None:
        self._worker = None
        function, self._next = self._next, None
        if function is not None:
            self.ask(function)
