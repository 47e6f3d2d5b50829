"""Work in a thread of which only the newest counts: what follows a slider."""

from collections.abc import Callable
from typing import Any

from napari.qt.threading import FunctionWorker, create_worker

from napari_psf_distiller.widgets.running.worker import Failure, answering, start_for

__all__ = ["SupersedingWorker"]


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
