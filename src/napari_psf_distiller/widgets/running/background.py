"""Work in a thread beside the viewer, of which whoever asked for it hears in the main thread."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorkerSignals, WorkerBase, create_worker
from qtpy.compat import isalive
from qtpy.QtCore import (  # type: ignore[attr-defined]  # qtpy renames PyQt's signal and slot
    QObject,
    Signal,
    Slot,
)

from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.widgets.viewer.calm import ShortTurns

__all__ = ["Background", "Interrupted"]

T = TypeVar("T")

# Called in the thread: returns the result, or a generator that yields progress and returns it.
Work = Callable[[], T | Steps[T]]


class Interrupted(Exception):  # noqa: N818  # it is no error
    """Raised inside a step's generator, where it last yielded, when its run is cancelled.

    A generator that has something to keep catches it and returns that. Any other needs to know
    nothing of it.
    """


class Background(Generic[T]):
    """Does one thing at a time in a thread; of those asked for meanwhile, the newest is next.

    All that it calls is called in the main thread, and kept until then, unless it is a method of a
    widget that was deleted meanwhile.

    Parameters
    ----------
    done : callable
        Gets the result, unless that was cancelled or something newer was asked for.
    failed : callable
        Gets a sentence instead: a `DistillerError`'s own, or that something unexpected went wrong,
        of which napari tells too.
    progressed : callable, optional
        Gets what a generator yields.
    broke : callable, optional
        Gets an error that nobody expected, in place of `failed`.
    ended : callable, optional
        Called when nothing is under way any more, whatever came of it.
    draws : bool
        Whether it is done in the one thread for drawings, after what others asked for there.

    Notes
    -----
    What does not draw is done by a worker of napari's, of which a window that is closed asks first.
    These share a pool of as many threads as there are processors, where a drawing may wait for a
    step of minutes; each also changes Python's handling of warnings while it runs, which is meant
    for a few long ones. And Matplotlib draws in one thread at a time.
    """

    def __init__(
        self,
        done: Callable[[T], None],
        failed: Callable[[str], None],
        *,
        progressed: Callable[[Progress], None] | None = None,
        broke: Callable[[Exception], None] | None = None,
        ended: Callable[[], None] | None = None,
        draws: bool = False,
    ) -> None:
        self._done, self._failed = done, failed
        self._progressed, self._broke, self._ended = progressed, broke, ended
        self._draws = draws
        self._worker: _Worker | _Drawing | None = None
        self._next: Work[T] | None = None
        self._kept: T | None = None
        self.cancelled = False

    @property
    def running(self) -> bool:
        """Whether something is under way, be it cancelled or not."""
        return self._worker is not None

    @property
    def busy(self) -> bool:
        """Whether a result is still to come."""
        return self._next is not None or (self.running and not self.cancelled)

    def ask(self, work: Work[T]) -> None:
        """Do something as soon as what is under way is over, whose result is dropped.

        Parameters
        ----------
        work : callable
            Called in the thread; returns the result, or a generator that yields progress and
            returns the result. What is under way ends at its generator's next `yield`.
        """
        if self._worker is not None:
            self._next = work
            self._worker.quit()
            return
        self.cancelled, self._kept = False, None
        self._worker = _Drawing(work) if self._draws else _worker_for(work)
        self._worker.start_for(self)

    def cancel(self) -> None:
        """Have no result of what was asked for; a generator ends at its next `yield`."""
        self._next = None
        if self._worker is not None:
            self.cancelled = True
            self._worker.quit()

    def relax(self) -> None:
        """Have Python's threads take turns of the usual length, though work is under way."""
        if self._worker is not None:
            self._worker.relax()

    def take_kept(self) -> T | None:
        """Hand over what a cancelled generator had to keep, once; see `Interrupted`."""
        kept, self._kept = self._kept, None
        return kept

    # --- called by the worker, in the main thread

    def on_progress(self, progress: Progress) -> None:
        """Hand progress on; of what was cancelled too, until it ends."""
        if self._progressed is not None and self._next is None:
            _tell(self._progressed, progress)

    def on_return(self, answer: "T | _Failure") -> None:
        """Hand the result on, or the sentence that came in its place."""
        if self.cancelled or self._next is not None:
            return
        if isinstance(answer, _Failure):
            _tell(self._failed, answer.sentence)
        else:
            _tell(self._done, answer)

    def on_error(self, error: Exception) -> None:
        """Tell of an error that nobody expected."""
        if self.cancelled or self._next is not None:
            return
        if self._broke is not None:
            _tell(self._broke, error)
        else:
            _tell(self._failed, f"It failed unexpectedly: {error}")

    def on_finish(self) -> None:
        """Go on with what was asked for meanwhile."""
        worker, self._worker = self._worker, None
        work, self._next = self._next, None
        if work is not None:
            self.ask(work)
            return
        if worker is not None:
            self._kept, worker.kept = worker.kept, None
        if self._ended is not None:
            _tell(self._ended)


def _tell(listener: Callable[..., None], *told: Any) -> None:
    owner = getattr(listener, "__self__", None)
    if not isinstance(owner, QObject) or isalive(owner):  # type: ignore[no-untyped-call]
        listener(*told)


class _Failure:
    """A sentence for the user that came in place of a result."""

    def __init__(self, error: DistillerError | MemoryError) -> None:
        self.sentence = str(error)
        if isinstance(error, MemoryError):
            self.sentence = "The memory does not suffice for this image; crop it first."


class _Worker(WorkerBase):  # type: ignore[misc]  # napari has no types
    """Does some work in napari's threads; a generator is closed whatever happens.

    Attributes
    ----------
    kept : object
        What a cancelled generator returned.
    """

    def __init__(self, do: Callable[[Any], Any], work: Work[Any]) -> None:
        super().__init__(SignalsClass=GeneratorWorkerSignals)
        self._do = do
        # napari keeps every worker, and with it what it was to do, as long as its window; the
        # layers and arrays that the work knows of must not be kept for so long.
        self._left = [work]
        self._turns = ShortTurns()
        self.kept: Any = None

    def relax(self) -> None:
        """Have Python's threads take turns of the usual length."""
        self._turns.end()

    def start_for(self, background: Background[Any]) -> None:
        """Start, and keep who listens until the last signal has come over.

        A signal holds methods weakly, and PySide calls those of an object that is gone all the same
        if the signal was on its way from the thread.
        """
        self.yielded.connect(background.on_progress)
        self.returned.connect(background.on_return)
        self.errored.connect(background.on_error)
        self.finished.connect(background.on_finish)
        kept = [background]
        # After its own methods, as signals call in the order of the connections.
        self.finished.connect(kept.clear)
        self.start()

    def work(self) -> Any:
        """Do it, to its end or to the cancelling; called in the thread."""
        try:
            result = self._do(self._left.pop())
            return self._at_the_end(result) if isinstance(result, Generator) else result
        except (DistillerError, MemoryError) as error:
            return _Failure(error)

    def _at_the_end(self, steps: Steps[Any]) -> Any:
        with closing(steps), self._turns:
            while not self.abort_requested:
                try:
                    progress = next(steps)
                except StopIteration as stop:
                    return stop.value
                try:
                    self.yielded.emit(progress)
                except RuntimeError as error:
                    # There is nobody to tell any more: napari takes this for the end.
                    return error
            self.aborted.emit()
            try:
                steps.throw(Interrupted)
            except StopIteration as stop:
                self.kept = stop.value
            except Interrupted:
                pass
        return None


def _psf_distiller_work(work: Work[Any]) -> Any:
    return work()


def _worker_for(work: Work[Any]) -> _Worker:
    # napari tells this function's name to whoever closes its window meanwhile.
    worker: _Worker = create_worker(
        _psf_distiller_work, work, _start_thread=False, _worker_class=_Worker
    )
    return worker


class _Drawing:
    """Does some work in the thread for drawings; it cannot be interrupted there."""

    def __init__(self, work: Work[Any]) -> None:
        self._work = work
        self.kept: Any = None

    def quit(self) -> None:
        """Go on all the same, as nobody looks at what comes of it."""

    def relax(self) -> None:
        """Go on as it is, as it does not take long."""

    def start_for(self, background: Background[Any]) -> None:
        """Start, after what is drawn before; see `_Worker.start_for`."""
        post = _Post.office = _Post.office or _Post()
        post.threads.submit(self._run, background, post)

    def _run(self, background: Background[Any], post: "_Post") -> None:
        answer: Any
        error: Exception | None = None
        try:
            # Matplotlib is Python for the most part, and the main thread would often wait for it.
            with ShortTurns():
                answer = self._work()
        except (DistillerError, MemoryError) as expected:
            answer = _Failure(expected)
        except Exception as unexpected:  # it is raised again in the main thread
            answer, error = None, unexpected
        post.sent.emit(background, answer, error)


class _Post(QObject):
    """Takes what the drawings' thread sends to the main thread; it outlives all who are waiting."""

    office: "_Post | None" = None
    sent = Signal(object, object, object)

    def __init__(self) -> None:
        super().__init__()
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="PSF drawings")
        self.sent.connect(self._deliver)

    @Slot(object, object, object)
    def _deliver(self, background: Any, answer: Any, error: Any) -> None:
        try:
            if error is None:
                background.on_return(answer)
            else:
                background.on_error(error)
        finally:
            background.on_finish()
        if error is not None:
            raise error
