"""The thread of a step: stops cleanly, keeps what there is to keep, and errs in sentences."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from napari.qt.threading import GeneratorWorker, WorkerBase

from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.widgets.layers.source import LayerData
from napari_psf_distiller.widgets.viewer.turns import short_turns

__all__ = [
    "ClosingWorker",
    "Failure",
    "Interrupted",
    "Outcome",
    "answering",
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
