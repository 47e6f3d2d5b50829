"""A step in a thread: progress, cancel, one run at a time, and errors as sentences."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from magicgui.widgets import FunctionGui, Label, ProgressBar, PushButton
from napari.layers import Layer
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import show_error, show_info, show_warning
from napari.utils.progress import cancelable_progress
from napari.viewer import Viewer

from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.widgets.layers import (
    LayerData,
)
from napari_psf_distiller.widgets.record import (
    is_edited,
)

__all__ = ["Job", "Outcome", "StepRunner"]

# Seconds between two updates of the bar in the activity dock.
UPDATE_EVERY = 0.05

# What a step gives back to the main thread: layers to add, and what to tell the user.
Outcome = tuple[list[LayerData], str, tuple[str, ...]]


@dataclass(frozen=True)
class Job:
    """What a step widget returns when it is called: a run that its `StepRunner` then starts.

    Attributes
    ----------
    viewer : napari.Viewer
        Gets the layers.
    prepare : callable
        Called in the main thread: reads layers and parameters, and returns what makes the
        generator for the thread. An `InputError` from it is shown to the user.
    replace_for : napari.layers.Layer, optional
        The layer worked on, if what the run before made of the same one gives way to the new.
    """

    viewer: Viewer
    prepare: Callable[[], Callable[[], Steps[Outcome]]]
    replace_for: Layer | None = None


@dataclass(frozen=True)
class Failure:
    """A step that ended with a sentence for the user."""

    message: str


class ClosingWorker(GeneratorWorker):  # type: ignore[misc]  # napari has no types
    """A worker that closes its generator when it is cancelled, so that devices are freed."""

    def work(self) -> Any:
        """Run the generator to its end, or to the cancelling."""
        try:
            return super().work()
        finally:
            self._gen.close()


class StepRunner:
    """Runs one step widget's work in a thread.

    Parameters
    ----------
    gui : FunctionGui
        The widget: gets a progress bar, a status line and a Cancel button, and its call button is
        disabled while a run is under way.
    title : str
        The step's name.

    Notes
    -----
    A call of the widget starts it. All methods run in the main thread; only the generator runs in
    the worker's.
    """

    def __init__(self, gui: FunctionGui[Any, Any], title: str) -> None:
        self.title = title
        self._gui = gui
        self._worker: ClosingWorker | None = None
        self._job: Job | None = None
        # What the last run wrote, and the layer it worked on, if the next may replace it.
        self._written: tuple[Layer, Layer] | None = None
        self._bar: cancelable_progress | None = None
        self._alive = True
        self._updated = 0.0
        # What the step that is under way has to say.
        self._note = ""
        self._step = ""
        self.status = Label(value="")
        self.progress_bar = ProgressBar(value=0, min=0, max=1, visible=False)
        self.cancel_button = PushButton(text="Cancel", enabled=False)
        self.cancel_button.changed.connect(lambda _: self.cancel())
        self.status.native.setWordWrap(True)
        # Below the parameters and over the whole width; none of them is a parameter.
        for widget in (self.progress_bar, self.cancel_button, self.status):
            gui.native.layout().addWidget(widget.native)
        gui.native.destroyed.connect(self._die)
        gui.called.connect(self.start)
        if gui.call_button is not None:
            # magicgui enables the button when the call is over; the run that it started is not.
            gui.call_button.changed.connect(lambda _: self._set_button())
        # Whoever has the widget can ask whether it is at work, and stop it.
        gui.runner = self

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._worker is not None

    def start(self, job: Job) -> None:
        """Start a run, unless one is under way."""
        if self.running:
            show_info(f"{self.title} is running already; wait for it or cancel it.")
            return
        try:
            make_steps = job.prepare()
        except InputError as error:
            self._tell_failure(str(error))
            return
        self._job = job
        worker = create_worker(
            _guarded, self.title, make_steps, _start_thread=False, _worker_class=ClosingWorker
        )
        worker.yielded.connect(self._on_progress)
        worker.returned.connect(self._on_return)
        worker.errored.connect(lambda _: self._set_status("failed"))
        worker.finished.connect(self._on_finish)
        self._worker = worker
        self._step = ""
        self._set_running(True)
        self._set_status("running")
        # napari's bar handles events when it is made: what comes in then finds this run under way.
        self._bar = cancelable_progress(total=0, desc=self.title)
        worker.start()

    @property
    def _cancelled(self) -> bool:
        return self._worker is not None and self._worker.abort_requested

    def cancel(self) -> None:
        """Ask the run to stop; it does within one iteration, and adds nothing."""
        if self._worker is not None:
            self._worker.quit()
            self._set_status("cancelling")

    def _on_progress(self, progress: Progress) -> None:
        bar: Any = self._bar
        if bar is None or not self._alive:
            return
        if bar.is_canceled:
            self.cancel()
            return
        self.progress_bar.max = progress.total
        self.progress_bar.value = progress.iteration
        if progress.note or progress.step != self._step:
            self._step = progress.step
            self._note = f", {progress.note}" if progress.note else ""
        self._set_status(f"{progress.step} {progress.iteration} / {progress.total}{self._note}")
        # napari's bar handles events whenever it is updated, and with them further progress or the
        # end of this run: so not at each of a thousand iterations, and nothing may follow it here.
        now = time.monotonic()
        if now - self._updated < UPDATE_EVERY:
            return
        self._updated = now
        if bar.desc != f"{progress.step}: ":
            bar.set_description(progress.step)
            if self._bar is not bar:
                return
        bar.total = progress.total
        bar.update(progress.iteration - bar.n)

    def _on_return(self, outcome: Outcome | Failure | None) -> None:
        # The viewer was closed in the meantime: there is nowhere to add to. Or it was cancelled
        # when it was done, but its result not yet here.
        if outcome is None or not self._alive or self._job is None or self._cancelled:
            return
        if isinstance(outcome, Failure):
            self._tell_failure(outcome.message)
            return
        layers, message, warnings = outcome
        for layer in layers:
            self._add(layer, self._job)
        self._set_status(message)
        for warning in warnings:
            show_warning(f"{self.title}: {warning}")

    def _add(self, layer: LayerData, job: Job) -> None:
        data, keywords, kind = layer
        old, old_source = self._written or (None, None)
        if (
            old is not None
            and job.replace_for is old_source
            and old in job.viewer.layers
            and old.data.shape == data.shape
            and not is_edited(old)
        ):
            old.data = data
            old.metadata = keywords["metadata"]
            return
        added: Layer = getattr(job.viewer, f"add_{kind}")(data, **keywords)
        self._written = (added, job.replace_for) if job.replace_for is not None else None

    def _on_finish(self) -> None:
        if self._cancelled:
            self._set_status("cancelled")
        self._worker = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._alive:
            self._set_running(False)

    def _set_running(self, running: bool) -> None:
        self._set_button()
        self.cancel_button.enabled = running
        self.progress_bar.visible = running
        self.progress_bar.value = 0

    def _set_button(self) -> None:
        if self._gui.call_button is not None:
            self._gui.call_button.enabled = not self.running

    def _tell_failure(self, message: str) -> None:
        self._set_status(f"not done: {message}")
        show_error(f"{self.title}: {message}")

    def _set_status(self, text: str) -> None:
        if self._alive:
            self.status.value = text

    def _die(self) -> None:
        self._alive = False
        self.cancel()


def _guarded(
    title: str, make_steps: Callable[[], Steps[Outcome]]
) -> Generator[Progress, None, Outcome | Failure]:
    """Run a step so that what goes wrong comes back as a sentence.

    napari's generator worker takes a `RuntimeError` for its own end and returns it as the result,
    so none may leave from here.
    """
    try:
        return (yield from make_steps())
    except DistillerError as error:
        return Failure(str(error))
    except MemoryError:
        return Failure("The memory does not suffice for this image; crop it first.")
    except RuntimeError as error:
        raise DistillerError(f"{title} failed unexpectedly: {error}") from error
